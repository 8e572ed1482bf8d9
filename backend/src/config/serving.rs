//! How the HTTPS ports serve: certificates, TLS, limits. Flags of Kubernetes' API servers by their names and defaults.

use super::values::{duration, named_pair};
use crate::http::cert::NamedPair;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Serving over TLS.
#[derive(Clone, Debug, Args)]
pub struct Serving {
    /// Serving certificate; without it one by our own authority
    #[arg(long)]
    pub tls_cert_file: Option<PathBuf>,
    /// Its private key
    #[arg(long)]
    pub tls_private_key_file: Option<PathBuf>,
    /// Folder whose apiserver.crt and apiserver.key are served where they exist and no file is named
    #[arg(long, default_value = "apiserver.local.config/certificates")]
    pub cert_dir: PathBuf,
    /// Another pair, for names that clients ask for: certificate,key or certificate,key:name,*.name
    #[arg(long, value_parser = named_pair)]
    pub tls_sni_cert_key: Vec<NamedPair>,
    /// Least version of TLS: VersionTLS12 or VersionTLS13
    #[arg(long, default_value = "", hide_default_value = true)]
    pub tls_min_version: String,
    /// Cipher suites of TLS 1.2; those of TLS 1.3 are always there
    #[arg(long, value_delimiter = ',')]
    pub tls_cipher_suites: Vec<String>,
    /// Serve HTTP/1.1 only
    #[arg(long, num_args = 0..=1, default_value_t = false, default_missing_value = "true", require_equals = true)]
    pub disable_http2_serving: bool,
    /// Requests in flight on one HTTP/2 connection; 0 is 250
    #[arg(long, default_value_t = 0)]
    pub http2_max_streams_per_connection: u32,
    /// Requests of the metrics API in flight
    #[arg(long, default_value_t = 400)]
    pub max_requests_inflight: usize,
    /// How long a request of the metrics API may take
    #[arg(long, default_value = "1m0s", value_parser = duration)]
    pub request_timeout: Duration,
    /// How long requests are still answered after SIGTERM, while /readyz already fails
    #[arg(long, default_value = "0s", value_parser = duration)]
    pub shutdown_delay_duration: Duration,
    /// Directives of the Strict-Transport-Security header: max-age=31536000, includeSubDomains, preload
    #[arg(long, value_delimiter = ',')]
    pub strict_transport_security_directives: Vec<String>,
}
