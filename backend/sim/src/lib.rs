//! A simulated Kubernetes cluster in one process, on loopback: an API server, kubelets and light controllers.
//!
//! It is for demos, tests, faults and scale. It is not a conformance target: server-side apply keeps no field owners,
//! admission is absent, and objects are stored as they come.
//!
//! Invariants: what a seed and a clock base give is the same each time; dropping [`Cluster`] ends every task and
//! closes every socket; nothing here depends on the product.

#![expect(
    clippy::indexing_slicing,
    reason = "serde_json values indexed by key: reading gives null, and `api::write` refuses objects of a shape that writing would trip over"
)]

mod access;
mod api;
mod clock;
#[cfg(test)]
mod cluster_tests;
mod controllers;
mod kinds;
mod kubelet;
mod load;
mod patch;
mod pki;
mod run;
mod seed;
mod selector;
mod serve;
mod status;
mod store;
mod workloads;

pub use access::Tokens;
pub use clock::Clock;
pub use pki::{Certificate, FrontProxy};

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use parking_lot::RwLock;
use serve::{Body, Peer};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Above this many nodes all kubelets share one port and are told apart by path.
const PORT_PER_NODE: u32 = 64;

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Config {
    pub nodes: u32,
    /// On average; `nodes × pods_per_node` pods in all.
    pub pods_per_node: u32,
    /// The same seed gives the same cluster.
    pub seed: u64,
    pub clock: Clock,
    /// How long a simulated day of load lasts.
    pub day: Duration,
    /// How often watches that asked for bookmarks get one.
    pub bookmarks: Duration,
    /// How many changes of each kind a watch can go back; older versions are answered with 410.
    pub history: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            nodes: 8,
            pods_per_node: 20,
            seed: 1,
            clock: Clock::Real,
            day: Duration::from_secs(20 * 60),
            bookmarks: Duration::from_secs(10),
            history: 8192,
        }
    }
}

/// Why a cluster does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No socket on loopback.
    #[error("can't listen on loopback: {0}")]
    Bind(#[source] std::io::Error),
    /// A certificate can't be made.
    #[error("can't make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A PEM text can't be read.
    #[error("can't read PEM: {0}")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// TLS refuses the certificates.
    #[error("can't set TLS up: {0}")]
    Tls(#[from] rustls::Error),
    /// The client authority is unusable.
    #[error("can't verify clients: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// `nodes` is zero.
    #[error("a cluster needs at least one node")]
    NoNodes,
}

/// Whose credentials a kubeconfig holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Admin,
    Viewer,
    Narrow,
    Taffrail,
    /// A client certificate of user `cert-admin`, group `system:masters`.
    Certificate,
}

/// What is wrong with a kubelet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KubeletFault {
    /// Takes the request and never answers.
    Hang,
    /// Cuts every connection before TLS.
    Refuse,
    /// Answers with this status.
    Status(u16),
    /// Bytes that are no metrics.
    Garbage,
    /// Half of the page, then the connection breaks.
    Truncated,
    /// At least so many bytes of valid lines.
    Huge(usize),
    /// 64 MiB of zeros in a few KB of gzip.
    GzipBomb,
    /// Answers after this time.
    Slow(Duration),
    /// A certificate of another authority.
    WrongCertificate,
    /// 200 with `resource_scrape_error 1` and nothing else.
    ScrapeError,
    /// The node's clock is ahead by so many milliseconds, or behind.
    Skew(i64),
}

/// What is wrong with the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiFault {
    /// Every request is answered with 503.
    Down,
    /// Watches end with 410 at once.
    WatchExpired,
    /// Every request is answered with 429 and `Retry-After` of so many seconds.
    TooManyRequests(u32),
    /// Watches stay open and silent.
    HalfOpenWatch,
}

/// What all parts of the cluster share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: store::Store,
    pub(crate) tokens: Tokens,
    pub(crate) clock: Clock,
    pub(crate) seed: u64,
    /// Seconds.
    pub(crate) day: f64,
    pub(crate) bookmarks: Duration,
    /// Unix milliseconds.
    pub(crate) started: i64,
    pub(crate) meters: kubelet::Meters,
    pub(crate) kubelet_faults: RwLock<HashMap<String, KubeletFault>>,
    pub(crate) api_fault: RwLock<Option<ApiFault>>,
    pub(crate) aggregated: RwLock<Option<api::Aggregated>>,
    pub(crate) front_proxy: FrontProxy,
}

/// A running cluster. Ends when dropped.
#[derive(Debug)]
pub struct Cluster {
    shared: Arc<Shared>,
    api: SocketAddr,
    ca_pem: String,
    certificate: Certificate,
    /// Aborts its tasks when dropped.
    tasks: JoinSet<()>,
}

impl Cluster {
    /// Seeds the objects, binds the sockets and starts the controllers. Needs a tokio runtime.
    pub async fn start(config: Config) -> Result<Self, Error> {
        if config.nodes == 0 {
            return Err(Error::NoNodes);
        }
        let authority = pki::Authority::new("kubernetes")?;
        let front = pki::Authority::new("front-proxy-ca")?;
        let front_proxy = FrontProxy { ca_pem: front.pem.clone(), client: front.client("front-proxy-client", &[])? };
        let started = config.clock.now();
        let shared = Arc::new(Shared {
            store: store::Store::new(config.seed, config.history),
            tokens: Tokens::new(config.seed),
            clock: config.clock.clone(),
            seed: config.seed,
            day: config.day.as_secs_f64().max(1.0),
            bookmarks: config.bookmarks,
            started,
            meters: kubelet::Meters::default(),
            kubelet_faults: RwLock::default(),
            api_fault: RwLock::default(),
            aggregated: RwLock::default(),
            front_proxy,
        });
        let mut tasks = JoinSet::new();
        let kubelet_tls = pki::server(&authority.serving("kubelet", &[])?, &authority.pem, false)?;
        let wrong_tls = pki::server(&pki::Authority::new("stranger")?.serving("kubelet", &[])?, &authority.pem, false)?;
        let mut ports = Vec::new();
        let listeners = if config.nodes > PORT_PER_NODE { 1 } else { config.nodes };
        for index in 0..listeners {
            let (listener, address) = serve::bind().await?;
            ports.push(address.port());
            let node = (listeners == config.nodes).then(|| seed::node_name(index));
            let service = Kubelet {
                shared: Arc::clone(&shared),
                node,
                tls: Arc::clone(&kubelet_tls),
                wrong: Arc::clone(&wrong_tls),
            };
            tasks.spawn(serve::run(listener, Arc::new(service)));
        }
        let serving = authority.serving(
            "kube-apiserver",
            &["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"],
        )?;
        let tls = pki::server(&serving, &authority.pem, true)?;
        let (listener, api) = serve::bind().await?;
        seed::fill(&shared, &config, &ports, &authority.pem);
        shared.store.forget();
        tasks.spawn(serve::run(listener, Arc::new(Api { shared: Arc::clone(&shared), tls })));
        tasks.spawn(controllers::run(Arc::clone(&shared)));
        let certificate = authority.client("cert-admin", &["system:masters"])?;
        Ok(Self { shared, api, ca_pem: authority.pem, certificate, tasks })
    }

    /// `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("https://{}", self.api)
    }

    /// The authority of the API server's and the kubelets' certificates.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.shared.tokens
    }

    /// The client certificate of [`Who::Certificate`].
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    #[must_use]
    pub fn front_proxy(&self) -> &FrontProxy {
        &self.shared.front_proxy
    }

    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// A kubeconfig with everything inline.
    #[must_use]
    pub fn kubeconfig(&self, who: Who) -> String {
        use base64::Engine as _;
        let encode = |pem: &str| base64::engine::general_purpose::STANDARD.encode(pem);
        let tokens = self.tokens();
        let token = |token: &str| format!("token: {token}");
        let user = match who {
            Who::Admin => token(&tokens.admin),
            Who::Viewer => token(&tokens.viewer),
            Who::Narrow => token(&tokens.narrow),
            Who::Taffrail => token(&tokens.taffrail),
            Who::Certificate => format!(
                "client-certificate-data: {}\n    client-key-data: {}",
                encode(&self.certificate.certificate_pem),
                encode(&self.certificate.key_pem)
            ),
        };
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: sim\n  cluster:\n    server: {}\n    certificate-authority-data: {}\nusers:\n- name: user\n  user:\n    {user}\ncontexts:\n- name: sim\n  context:\n    cluster: sim\n    user: user\ncurrent-context: sim\n",
            self.api_url(),
            encode(&self.ca_pem)
        )
    }

    /// Breaks the kubelet of a node, or mends it.
    pub fn set_kubelet_fault(&self, node: &str, fault: Option<KubeletFault>) {
        let mut faults = self.shared.kubelet_faults.write();
        match fault {
            Some(fault) => drop(faults.insert(node.to_owned(), fault)),
            None => drop(faults.remove(node)),
        }
    }

    /// Breaks the API server, or mends it.
    pub fn set_api_fault(&self, fault: Option<ApiFault>) {
        *self.shared.api_fault.write() = fault;
    }

    /// The nodes whose kubelets answer.
    #[must_use]
    pub fn answering(&self) -> Vec<String> {
        let nodes = self.shared.store.all(kinds::Kind::Node);
        let faults = self.shared.kubelet_faults.read();
        nodes.iter().map(|node| node.name().to_owned()).filter(|node| !faults.contains_key(node)).collect()
    }

    /// What the kubelet of `node` said, or would have said, at a time (Unix milliseconds) about the pods there are
    /// now: the load is a function of time. A node's own counter only grows, so ask in the order of time.
    #[must_use]
    pub fn page(&self, node: &str, at: i64) -> String {
        kubelet::page(&self.shared, node, at)
    }

    /// Counts one more restart of the first container of `count` pods, from the `first` on in order of their names and
    /// around: changes that every table shows.
    pub fn restart(&self, first: usize, count: usize) {
        let store = &self.shared.store;
        let pods = store.all(kinds::Kind::Pod);
        for pod in pods.iter().cycle().skip(first % pods.len().max(1)).take(count) {
            let changed = store.modify(kinds::Kind::Pod, pod.namespace(), pod.name(), |value| {
                let count = value.pointer_mut("/status/containerStatuses/0/restartCount");
                Ok(count.is_some_and(|count| {
                    *count = (count.as_u64().unwrap_or(0) + 1).into();
                    true
                }))
            });
            if let Err(status) = changed {
                tracing::debug!(message = status.message, "no restart");
            }
        }
    }

    /// Sends `/apis/metrics.k8s.io` to the HTTPS server at `address`, once its certificate for `taffrail.kube-system.svc`
    /// is by an authority in the `caBundle` of the APIServices that this installs.
    pub fn aggregate(&self, address: SocketAddr) {
        *self.shared.aggregated.write() = Some(api::Aggregated::new(address));
        seed::register_metrics(&self.shared);
    }

    /// Ends every task and waits for it.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

#[derive(Debug)]
struct Api {
    shared: Arc<Shared>,
    tls: Arc<pki::Serving>,
}

impl serve::Service for Api {
    fn tls(&self) -> Option<Arc<pki::Serving>> {
        Some(Arc::clone(&self.tls))
    }

    async fn call(&self, peer: Peer, request: Request<Incoming>) -> Response<Body> {
        api::answer(&self.shared, peer, request).await
    }
}

#[derive(Debug)]
struct Kubelet {
    shared: Arc<Shared>,
    /// `None`: the path's first two parts, `/nodes/NAME`, tell the node.
    node: Option<String>,
    tls: Arc<pki::Serving>,
    wrong: Arc<pki::Serving>,
}

impl serve::Service for Kubelet {
    fn tls(&self) -> Option<Arc<pki::Serving>> {
        let fault = self.node.as_ref().and_then(|node| self.shared.kubelet_faults.read().get(node).copied());
        match fault {
            Some(KubeletFault::Refuse) => None,
            Some(KubeletFault::WrongCertificate) => Some(Arc::clone(&self.wrong)),
            _ => Some(Arc::clone(&self.tls)),
        }
    }

    async fn call(&self, peer: Peer, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        if let Some(node) = &self.node {
            return kubelet::answer(&self.shared, node, &path, &peer, &request).await;
        }
        let Some((node, rest)) = path.strip_prefix("/nodes/").and_then(|path| path.split_once('/')) else {
            return serve::text(StatusCode::NOT_FOUND, "404 page not found\n".to_owned());
        };
        kubelet::answer(&self.shared, node, &format!("/{rest}"), &peer, &request).await
    }
}
