//! Settings of the scraper and the credentials it shows to kubelets.

use super::selector::LabelSelector;
use std::path::PathBuf;
use std::time::Duration;

/// Plain data: the kubelet flags of metrics-server by their names.
#[derive(Clone, Debug)]
pub struct Config {
    /// `--metric-resolution`.
    pub resolution: Duration,
    /// `--kubelet-request-timeout`: for one node, all attempts together.
    pub request_timeout: Duration,
    /// `--kubelet-preferred-address-types`, in order.
    pub address_types: Vec<String>,
    /// `--kubelet-use-node-status-port`: wins over `port` when the node names one.
    pub use_node_status_port: bool,
    /// `--kubelet-port`.
    pub port: u16,
    /// `--kubelet-insecure-tls`: the kubelet's certificate is not verified.
    pub insecure_tls: bool,
    /// `--kubelet-tls-verify`.
    pub verify: Verify,
    /// `--kubelet-certificate-authority`: replaces the cluster's authority.
    pub certificate_authority: Option<PathBuf>,
    /// `--kubelet-client-certificate` and `--kubelet-client-key`: both or none; the token is then not sent.
    pub client_certificate: Option<PathBuf>,
    pub client_key: Option<PathBuf>,
    /// `--deprecated-kubelet-completely-insecure`: plain HTTP, no credentials.
    pub completely_insecure: bool,
    /// `--kubelet-max-body-bytes`: the largest page, after decompression.
    pub max_body_bytes: usize,
    /// `--drop-after-failed-scrapes`.
    pub drop_after_failed: u32,
    /// `--node-selector`: nodes to scrape and to list.
    pub node_selector: LabelSelector,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            resolution: Duration::from_secs(15),
            request_timeout: Duration::from_secs(10),
            address_types: ["Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP"]
                .into_iter()
                .map(Into::into)
                .collect(),
            use_node_status_port: false,
            port: 10250,
            insecure_tls: false,
            verify: Verify::AddressOrNode,
            certificate_authority: None,
            client_certificate: None,
            client_key: None,
            completely_insecure: false,
            max_body_bytes: 32 << 20,
            drop_after_failed: 3,
            node_selector: LabelSelector::default(),
        }
    }
}

/// By what a kubelet's certificate is known as the node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// The dialled address is in it.
    Address,
    /// That, or it is the node's own, as the kubelet-serving signer issues it.
    AddressOrNode,
    /// Its key is the one of the node's annotation, else of the first certificate that was seen; no authority is asked.
    Pin,
}

/// Where the bearer token comes from.
#[derive(Clone)]
pub enum TokenSource {
    Static(String),
    /// Read again at least every 60 s and after a 401: service account tokens rotate.
    File(PathBuf),
    None,
}

/// What the kubeconfig or the in-cluster configuration offers towards kubelets.
#[derive(Clone)]
pub struct KubeletCredentials {
    pub token: TokenSource,
    pub ca_pem: Option<Vec<u8>>,
    pub client_cert_pem: Option<Vec<u8>>,
    pub client_key_pem: Option<Vec<u8>>,
    /// Files that these were read from, to be read again: authority, client certificate, its key.
    pub files: [Option<PathBuf>; 3],
}

impl Default for KubeletCredentials {
    fn default() -> Self {
        Self {
            token: TokenSource::None,
            ca_pem: None,
            client_cert_pem: None,
            client_key_pem: None,
            files: [None, None, None],
        }
    }
}

// Secrets stay out of logs.

impl std::fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Static(_) => write!(f, "Static(…)"),
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::None => write!(f, "None"),
        }
    }
}

impl std::fmt::Debug for KubeletCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubeletCredentials")
            .field("token", &self.token)
            .field("ca", &self.ca_pem.is_some())
            .field("client_cert", &self.client_cert_pem.is_some())
            .finish_non_exhaustive()
    }
}
