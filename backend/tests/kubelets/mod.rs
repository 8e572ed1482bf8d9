//! A scraper before kubelets that answer as a test says.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's own setting"
)]

use backend::cluster::kinds::{Meta, Node, Resources};
use backend::cluster::{Objects, Sync};
use backend::history::PAGES_WAITING;
use backend::kubelet::{Config, Coverage, Focus, KubeletCredentials, Latest, Meters, NodePage, TokenSource, build};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// What a test server sends after the request's headers; an empty answer closes, `None` hangs.
pub type Reply = Option<Vec<u8>>;

pub fn http(head: &str, body: &[u8]) -> Reply {
    let mut bytes = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    Some(bytes)
}

pub fn good(cpu: u64, at: i64) -> Reply {
    let text = format!("node_cpu_usage_seconds_total {cpu} {at}\nnode_memory_working_set_bytes 4096 {at}\n");
    http("200 OK", text.as_bytes())
}

/// Certificates of a cluster.
pub struct Cluster {
    pub authority: rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
}

impl Cluster {
    pub fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap();
        Self { authority }
    }

    /// A server's settings with a certificate for `names`, CN and O as given.
    pub fn serving(&self, names: &[&str], common: &str, organization: &str) -> Arc<rustls::ServerConfig> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, common);
        params.distinguished_name.push(rcgen::DnType::OrganizationName, organization);
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = rustls_pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into());
        Arc::new(config.unwrap())
    }
}

/// A kubelet on loopback that answers its n-th request by `replies`, the last one for ever; its port and the requests.
pub async fn kubelet(tls: Arc<rustls::ServerConfig>, replies: Vec<Reply>) -> (u16, mpsc::Receiver<String>) {
    kubelet_at("127.0.0.1:0", tls, replies).await
}

pub async fn kubelet_at(
    place: &str,
    tls: Arc<rustls::ServerConfig>,
    replies: Vec<Reply>,
) -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind(place).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, requests) = mpsc::channel(100);
    tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(tls);
        let mut n = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            loop {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte).await, Ok(1)) {
                    head.push(byte[0]);
                }
                if head.is_empty() {
                    break;
                }
                let _ = asked.try_send(String::from_utf8(head).unwrap());
                match &replies[n.min(replies.len() - 1)] {
                    None => std::future::pending().await,
                    Some(bytes) => {
                        let _ = stream.write_all(bytes).await;
                        n += 1;
                        if !bytes.starts_with(b"HTTP/1.1 2") || bytes.ends_with(b"\0CUT") {
                            let _ = stream.shutdown().await;
                            break;
                        }
                    }
                }
            }
        }
    });
    (port, requests)
}

pub fn node(name: &str, port: u16, addresses: &[(&str, &str)]) -> Node {
    let empty: Arc<str> = "".into();
    Node {
        meta: Meta {
            id: 1,
            uid: name.into(),
            namespace: Arc::clone(&empty),
            name: name.into(),
            labels: [].into(),
            created: 0,
            deleted: None,
            owner: None,
        },
        unschedulable: false,
        conditions: [].into(),
        addresses: addresses.iter().map(|(kind, address)| (Arc::from(*kind), Box::from(*address))).collect(),
        kubelet_port: port,
        metrics_path: None,
        kubelet_key: None,
        capacity: Resources::default(),
        allocatable: Resources::default(),
        kubelet_version: Arc::clone(&empty),
        os_image: Arc::clone(&empty),
        kernel: Arc::clone(&empty),
        runtime: Arc::clone(&empty),
        os: Arc::clone(&empty),
        arch: empty,
        taints: [].into(),
    }
}

pub const LOOPBACK: &[(&str, &str)] = &[("InternalIP", "127.0.0.1")];

pub struct Running {
    pub objects: Objects,
    pub latest: Latest,
    pub coverage: Coverage,
    pub focus: Focus,
    pub pages: mpsc::Receiver<Arc<NodePage>>,
    pub meters: Meters,
    pub task: tokio::task::JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn run(cluster: &Cluster, resolution: Duration, nodes: Vec<Node>) -> Running {
    run_with(cluster, resolution, nodes, |_| {})
}

/// With another configuration.
pub fn run_with(
    cluster: &Cluster,
    resolution: Duration,
    nodes: Vec<Node>,
    change: impl FnOnce(&mut Config),
) -> Running {
    let mut config = Config {
        resolution,
        request_timeout: Duration::from_millis(1500).min(resolution),
        use_node_status_port: true,
        max_body_bytes: 1 << 20,
        ..Config::default()
    };
    change(&mut config);
    let credentials = KubeletCredentials {
        token: TokenSource::Static("secret".into()),
        ca_pem: Some(cluster.authority.pem().into_bytes()),
        ..KubeletCredentials::default()
    };
    let objects = Objects::default();
    objects.nodes.replace(nodes);
    objects.nodes.set_sync(Sync::Live);
    objects.pods.set_sync(Sync::Live);
    let (sender, pages) = mpsc::channel(PAGES_WAITING);
    let (latest, coverage, focus, scraper) = build(config, objects.clone(), credentials, sender).unwrap();
    let meters = scraper.meters();
    let task = tokio::spawn(scraper.run(std::future::pending()));
    Running { objects, latest, coverage, focus, pages, meters, task }
}

impl Running {
    /// Waits until the node's coverage is as wanted.
    pub async fn until(&self, node: &str, what: &str, wanted: impl Fn(&backend::kubelet::NodeCoverage) -> bool) {
        let mut version = self.coverage.version();
        let waiting = async {
            while !self.coverage.get(node).is_some_and(|coverage| wanted(&coverage)) {
                version.changed().await.unwrap();
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        assert!(ended.is_ok(), "{node}: expected {what}, found {:?}", self.coverage.get(node));
    }

    /// The page on which the scraper tells of itself.
    pub fn told(&self) -> String {
        let mut page = backend::exposition::Page::default();
        self.meters.write(&mut page);
        page.text()
    }

    pub async fn fails(&self, node: &str, code: &str) {
        self.until(node, code, |coverage| coverage.problem.as_ref().is_some_and(|problem| problem.code == code)).await;
        let problem = self.coverage.get(node).unwrap().problem.unwrap();
        for part in ["node", "cause", "remedy"] {
            assert!(!problem.arg(part).is_empty(), "{problem:?}");
        }
    }
}
