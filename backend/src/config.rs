//! Flags and environment, read once and validated before anything is bound or started. Flags of metrics-server keep
//! their names and meanings; Go's spellings (`--flag`, `--flag=false`, `15s`, comma lists) are understood.

use clap::{Args, Parser, Subcommand};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// One cheap process instead of metrics-server, Kubernetes Dashboard and its scraper.
#[derive(Debug, Parser)]
#[command(name = "taffrail", version, about, max_term_width = 110)]
pub struct Flags {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run against a cluster: in it, or from outside with --kubeconfig
    Serve(Box<Serve>),
    /// Run against a simulated cluster inside this process
    Demo(Demo),
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Kubeconfig of our own account; without it the service account of the pod we run in
    #[arg(long, env = "KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Address the listeners bind to
    #[arg(long, default_value = "0.0.0.0")]
    pub bind_address: IpAddr,
    /// Port of metrics.k8s.io (HTTPS); 0 switches it off
    #[arg(long, default_value_t = 10443)]
    pub secure_port: u16,
    /// Port of the application (HTTPS); 0 switches it off
    #[arg(long, default_value_t = 8443)]
    pub ui_port: u16,
    /// Plain HTTP for the application, on loopback only unless --insecure-login; 0 switches it off
    #[arg(long, default_value_t = 0)]
    pub ui_http_port: u16,
    /// Serving certificate; without it one by our own authority
    #[arg(long, requires = "tls_private_key_file")]
    pub tls_cert_file: Option<PathBuf>,
    /// Its private key
    #[arg(long, requires = "tls_cert_file")]
    pub tls_private_key_file: Option<PathBuf>,
    /// Keep caBundle of our APIServices right
    #[arg(long, num_args = 0..=1, default_value_t = true, default_missing_value = "true", require_equals = true)]
    pub manage_apiservices: bool,
    /// Secret of our own namespace that shares the serving CA between replicas
    #[arg(long, default_value = "taffrail-serving-ca")]
    pub serving_ca_secret: String,
    /// Our Service: the name in the serving certificate, and what makes an APIService ours
    #[arg(long, default_value = "taffrail")]
    pub service_name: String,
    /// Its namespace; without it our own
    #[arg(long)]
    pub service_namespace: Option<String>,
    /// Prefix an Ingress does not strip
    #[arg(long, default_value = "")]
    pub base_path: String,
    /// Addresses whose X-Forwarded-* headers count
    #[arg(long, value_delimiter = ',')]
    pub trusted_proxies: Vec<crate::http::proxies::Network>,
    /// Origins the application is reached at, beside its own Host
    #[arg(long)]
    pub public_url: Vec<String>,
    /// Allow signing in without encryption (development)
    #[arg(long, num_args = 0..=1, default_value_t = false, default_missing_value = "true", require_equals = true)]
    pub insecure_login: bool,
    /// Allow signing in with a client certificate
    #[arg(long, num_args = 0..=1, default_value_t = true, default_missing_value = "true", require_equals = true)]
    pub login_client_certificates: bool,
    /// The cluster's name on the pages; without it the API server's host
    #[arg(long)]
    pub cluster_name: Option<String>,
    /// Time between two scrapes of a kubelet; at least 10s
    #[arg(long, default_value = "15s", value_parser = duration)]
    pub metric_resolution: Duration,
    /// Deadline of one request to a kubelet
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub kubelet_request_timeout: Duration,
    /// Node address types to try, in order
    #[arg(long, value_delimiter = ',', default_value = "Hostname,InternalDNS,InternalIP,ExternalDNS,ExternalIP")]
    pub kubelet_preferred_address_types: Vec<String>,
    /// Take the kubelet's port from the Node's status
    #[arg(long, num_args = 0..=1, default_value_t = false, default_missing_value = "true", require_equals = true)]
    pub kubelet_use_node_status_port: bool,
    /// The kubelets' port
    #[arg(long, default_value_t = 10250)]
    pub kubelet_port: u16,
    /// Do not verify kubelets' certificates
    #[arg(long, num_args = 0..=1, default_value_t = false, default_missing_value = "true", require_equals = true)]
    pub kubelet_insecure_tls: bool,
    /// CA of the kubelets' certificates, instead of the cluster's
    #[arg(long)]
    pub kubelet_certificate_authority: Option<PathBuf>,
    /// Client certificate towards kubelets
    #[arg(long)]
    pub kubelet_client_certificate: Option<PathBuf>,
    /// Its private key
    #[arg(long)]
    pub kubelet_client_key: Option<PathBuf>,
    /// Label selector of the nodes to scrape and to serve
    #[arg(long, short = 'l', default_value = "")]
    pub node_selector: String,
    /// Failed scrapes in a row after which a node's points are dropped
    #[arg(long, default_value_t = 3)]
    pub drop_after_failed_scrapes: u32,
    /// Largest accepted kubelet page after decompression, in bytes
    #[arg(long, default_value_t = 32 << 20)]
    pub kubelet_max_body_bytes: usize,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// Simulated nodes
    #[arg(long, default_value_t = 8)]
    pub nodes: u32,
    /// Simulated pods a node
    #[arg(long, default_value_t = 20)]
    pub pods_per_node: u32,
    /// The same seed gives the same cluster
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Address of the application (plain HTTP)
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where to write kubeconfigs of the simulated cluster's people; without it a new folder below the temporary one
    #[arg(long)]
    pub kubeconfigs: Option<PathBuf>,
    /// Time between two scrapes of a kubelet; at least 10s
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub metric_resolution: Duration,
}

/// What is wrong with the flags taken together; all of it, not the first thing only.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct ConfigError(pub Vec<String>);

impl Serve {
    /// Everything that can be refused is refused here, before a port is bound or a thread is started.
    ///
    /// # Errors
    /// All violations, each naming its flags and the remedy.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut wrong = Vec::new();
        let mut refuse = |bad: bool, sentence: &str| {
            if bad {
                wrong.push(sentence.to_owned());
            }
        };
        refuse(
            self.metric_resolution < Duration::from_secs(10),
            "--metric-resolution is below 10s: kubelets have nothing new that soon, use 10s or more",
        );
        refuse(self.kubelet_request_timeout.is_zero(), "--kubelet-request-timeout must be above 0");
        refuse(
            self.metric_resolution * 9 / 10 < self.kubelet_request_timeout,
            "--kubelet-request-timeout is longer than 9/10 of --metric-resolution: a slow kubelet would overlap its next scrape, lower the one or raise the other",
        );
        refuse(
            self.kubelet_certificate_authority.is_some() && self.kubelet_insecure_tls,
            "--kubelet-certificate-authority and --kubelet-insecure-tls exclude each other, drop one",
        );
        refuse(
            self.kubelet_client_certificate.is_some() != self.kubelet_client_key.is_some(),
            "--kubelet-client-certificate and --kubelet-client-key belong together, give both or none",
        );
        refuse(
            self.secure_port == 0 && self.ui_port == 0 && self.ui_http_port == 0,
            "--secure-port, --ui-port and --ui-http-port are all 0: nothing would be served",
        );
        refuse(!self.base_path.is_empty() && !self.base_path.starts_with('/'), "--base-path must begin with a slash");
        if wrong.is_empty() { Ok(()) } else { Err(ConfigError(wrong)) }
    }

    /// The address of plain HTTP: loopback unless unencrypted sign-in was asked for.
    #[must_use]
    pub fn plain_address(&self) -> SocketAddr {
        let address = if self.insecure_login { self.bind_address } else { IpAddr::V4(Ipv4Addr::LOCALHOST) };
        SocketAddr::new(address, self.ui_http_port)
    }
}

/// A duration as Go's flags spell it: `15s`, `1m0s`, `1.5h`, `300ms`.
///
/// # Errors
/// A sentence for clap that names what was given.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration such as 15s, 1m30s or 1.5h");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total = 0.0;
    let mut rest = text;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(end);
        let (unit, tail) = tail.split_at(tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len()));
        let scale = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return Err(wrong()),
        };
        total += number.parse::<f64>().map_err(|_| wrong())? * scale;
        rest = tail;
    }
    Duration::try_from_secs_f64(total).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(arguments: &[&str], words: &[&str]) {
        let flags = Flags::try_parse_from(["taffrail", "serve"].iter().chain(arguments)).unwrap();
        let Command::Serve(serve) = flags.command else { panic!("serve was asked for") };
        let error = serve.check().unwrap_err();
        assert_eq!(error.0.len(), words.len(), "{error}");
        for word in words {
            assert!(error.to_string().contains(word), "{error} does not name {word}");
        }
    }

    #[test]
    fn durations_are_gos() {
        for (text, millis) in [("15s", 15_000), ("1m0s", 60_000), ("1.5h", 5_400_000), ("250ms", 250), ("0", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "15", "s", "15x", "1..5s", "-1s"] {
            assert!(duration(text).is_err(), "{text:?} is no duration");
        }
    }

    #[test]
    fn every_violation_is_reported() {
        refused(&["--metric-resolution=9s", "--kubelet-request-timeout=9s"], &["below 10s", "9/10"]);
        refused(&["--kubelet-client-key=a", "--base-path=x"], &["belong together", "slash"]);
        refused(&["--kubelet-insecure-tls", "--kubelet-certificate-authority=ca"], &["exclude each other"]);
        refused(&["--secure-port=0", "--ui-port=0"], &["nothing would be served"]);
    }

    #[test]
    fn ten_seconds_with_a_nine_second_timeout_is_accepted() {
        let flags =
            Flags::try_parse_from(["taffrail", "serve", "--metric-resolution=10s", "--kubelet-request-timeout", "9s"]);
        let Command::Serve(serve) = flags.unwrap().command else { panic!("serve was asked for") };
        assert!(serve.check().is_ok());
    }

    #[test]
    fn an_unknown_flag_proposes_the_nearest() {
        let error = Flags::try_parse_from(["taffrail", "serve", "--metric-resolutoin=15s"]).unwrap_err().to_string();
        assert!(error.contains("--metric-resolution"), "{error}");
    }
}
