//! Flags and environment, read once and validated before anything is bound or started. Flags of metrics-server keep
//! their names and meanings; Go's spellings (`--flag`, `--flag=false`, `15s`, comma lists) are understood.

mod check;
mod delegated;
mod serving;
mod spelling;
mod values;

pub use check::ConfigError;
pub use delegated::Delegated;
pub use serving::Serving;
pub use spelling::{Spelled, spelled};
pub use values::{KubeletTlsVerify, LoggingFormat, ReadyWhen, ScrapeCadvisor};

use clap::{Args, Parser, Subcommand};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use values::{account, bytes, duration};

/// One cheap process instead of metrics-server, Kubernetes Dashboard and its scraper.
#[derive(Debug, Parser)]
#[command(name = "taffrail", version, propagate_version = true, about, max_term_width = 110, args_override_self = true)]
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
    /// Say what is wrong with an installation, and what to do; takes the flags of serve
    Doctor(Box<Doctor>),
    /// Print what to apply to a cluster
    Manifests(Manifests),
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Kubeconfig of our own account; without it the service account of the pod we run in, or outside of one $KUBECONFIG
    #[arg(long)]
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
    #[command(flatten)]
    pub serving: Serving,
    #[command(flatten)]
    pub delegated: Delegated,
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
    /// Our pod's addresses, for the certificate we issue for ourselves; the manifests set the variable
    #[arg(long, env = "POD_IPS", value_delimiter = ',')]
    pub pod_ips: Vec<String>,
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
    /// How a kubelet's certificate is known: by the dialled address, or else the node's own name, or its first key
    #[arg(long, value_enum, default_value = "address-or-node")]
    pub kubelet_tls_verify: KubeletTlsVerify,
    /// When to read /metrics/cadvisor for charts; no chart needs it yet
    #[arg(long, value_enum, default_value = "auto")]
    pub scrape_cadvisor: ScrapeCadvisor,
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
    /// Speak plain HTTP to kubelets and show them no credentials
    #[arg(long, num_args = 0..=1, default_value_t = false, default_missing_value = "true", require_equals = true)]
    pub deprecated_kubelet_completely_insecure: bool,
    /// Do not verify the API server's certificate (development)
    #[arg(long, hide = true, num_args = 0..=1, default_value_t = false, default_missing_value = "true", require_equals = true)]
    pub insecure_api_server: bool,
    /// When /readyz of the secure port holds: once there are metrics, or as soon as nodes and pods are known
    #[arg(long, value_enum, default_value = "metrics")]
    pub ready_when: ReadyWhen,
    /// Tell swap as usage.swap where kubelets report it
    #[arg(long, num_args = 0..=1, default_value_t = true, default_missing_value = "true", require_equals = true)]
    pub serve_swap: bool,
    /// Failed scrapes in a row after which a node's points are dropped
    #[arg(long, default_value_t = 3)]
    pub drop_after_failed_scrapes: u32,
    /// Largest accepted kubelet page after decompression
    #[arg(long, default_value = "32Mi", value_parser = bytes)]
    pub kubelet_max_body_bytes: usize,
    /// How much the log says: 4 and 5 for details, from 6 on everything
    #[arg(short = 'v', long = "v", default_value_t = 0)]
    pub verbosity: u8,
    /// How the log is written
    #[arg(long, value_enum, default_value = "text")]
    pub logging_format: LoggingFormat,
}

#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    pub serve: Serve,
    /// Account of the installation, NAMESPACE/NAME; without it whoever runs this, or taffrail/taffrail for a person
    #[arg(long, value_parser = account)]
    pub service_account: Option<(String, String)>,
    /// Print a JSON list
    #[arg(long, num_args = 0..=1, default_value_t = false, default_missing_value = "true", require_equals = true)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Manifests {
    /// In the order to delete in: kubectl delete --ignore-not-found -f -
    #[arg(long)]
    pub delete: bool,
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

impl Serve {
    /// The address of plain HTTP: loopback unless unencrypted sign-in was asked for.
    #[must_use]
    pub fn plain_address(&self) -> SocketAddr {
        let address = if self.insecure_login { self.bind_address } else { IpAddr::V4(Ipv4Addr::LOCALHOST) };
        SocketAddr::new(address, self.ui_http_port)
    }
}
