//! Whatever a kubelet does, it harms only its own node, and the problem has a name.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests; clippy.toml lets off only the tests themselves"
)]

use backend::cluster::kinds::{Meta, Node, Resources};
use backend::cluster::{Objects, Sync};
use backend::history::PAGES_WAITING;
use backend::kubelet::{Config, Coverage, Focus, KubeletCredentials, Latest, NodePage, TokenSource, build};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// What a test server sends after the request's headers; an empty answer closes, `None` hangs.
type Reply = Option<Vec<u8>>;

fn http(head: &str, body: &[u8]) -> Reply {
    let mut bytes = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    Some(bytes)
}

fn good(cpu: u64, at: i64) -> Reply {
    let text = format!("node_cpu_usage_seconds_total {cpu} {at}\nnode_memory_working_set_bytes 4096 {at}\n");
    http("200 OK", text.as_bytes())
}

/// Certificates of a cluster.
struct Cluster {
    authority: rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
}

impl Cluster {
    fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap();
        Self { authority }
    }

    /// A server's settings with a certificate for `names`, CN and O as given.
    fn serving(&self, names: &[&str], common: &str, organization: &str) -> Arc<rustls::ServerConfig> {
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
async fn kubelet(tls: Arc<rustls::ServerConfig>, replies: Vec<Reply>) -> (u16, mpsc::Receiver<String>) {
    kubelet_at("127.0.0.1:0", tls, replies).await
}

async fn kubelet_at(place: &str, tls: Arc<rustls::ServerConfig>, replies: Vec<Reply>) -> (u16, mpsc::Receiver<String>) {
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

fn node(name: &str, port: u16, addresses: &[(&str, &str)]) -> Node {
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

const LOOPBACK: &[(&str, &str)] = &[("InternalIP", "127.0.0.1")];

struct Running {
    objects: Objects,
    latest: Latest,
    coverage: Coverage,
    focus: Focus,
    pages: mpsc::Receiver<Arc<NodePage>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn run(cluster: &Cluster, resolution: Duration, nodes: Vec<Node>) -> Running {
    let config = Config {
        resolution,
        request_timeout: Duration::from_millis(1500).min(resolution),
        use_node_status_port: true,
        max_body_bytes: 1 << 20,
        ..Config::default()
    };
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
    let task = tokio::spawn(scraper.run(std::future::pending()));
    Running { objects, latest, coverage, focus, pages, task }
}

impl Running {
    /// Waits until the node's coverage is as wanted.
    async fn until(&self, node: &str, what: &str, wanted: impl Fn(&backend::kubelet::NodeCoverage) -> bool) {
        let mut version = self.coverage.version();
        let waiting = async {
            while !self.coverage.get(node).is_some_and(|coverage| wanted(&coverage)) {
                version.changed().await.unwrap();
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        assert!(ended.is_ok(), "{node}: expected {what}, found {:?}", self.coverage.get(node));
    }

    async fn fails(&self, node: &str, code: &str) {
        self.until(node, code, |coverage| coverage.problem.as_ref().is_some_and(|problem| problem.code == code)).await;
        let problem = self.coverage.get(node).unwrap().problem.unwrap();
        for part in ["node", "cause", "remedy"] {
            assert!(!problem.arg(part).is_empty(), "{problem:?}");
        }
    }
}

/// One node that does something bad beside one that is fine.
async fn check(name: &str, replies: Vec<Reply>, code: &str) {
    let cluster = Cluster::new();
    let tls = cluster.serving(&["127.0.0.1"], "kubelet", "x");
    let (bad, _requests) = kubelet(Arc::clone(&tls), replies).await;
    let (fine, _others) = kubelet(tls, vec![good(1, 1000)]).await;
    let running = run(&cluster, Duration::from_secs(3), vec![node("bad", bad, LOOPBACK), node("fine", fine, LOOPBACK)]);
    running.until("fine", name, |coverage| coverage.good.is_some() && coverage.failures == 0).await;
    running.fails("bad", code).await;
}

/// What a kubelet does with a connection that its cluster never saw before.
#[derive(Clone, Copy, Debug)]
enum Stall {
    /// Takes the connection and says nothing, not even of TLS.
    Mute,
    /// Sends a page that never ends, one byte at a time.
    Trickle,
}

/// A kubelet that keeps its scraper waiting.
async fn stalling(tls: Arc<rustls::ServerConfig>, stall: Stall) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(tls);
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            if matches!(stall, Stall::Mute) {
                held.push(stream);
                continue;
            }
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await;
                // Often enough that no pause between two bytes is a reason to give up: only the whole time is.
                let mut tick = tokio::time::interval(Duration::from_millis(20));
                loop {
                    tick.tick().await;
                    if stream.write_all(b"#").await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

/// The deadline is the whole scrape's: neither silence nor bytes that keep coming hold it open.
#[tokio::test]
async fn who_stalls_is_given_up_and_delays_nobody() {
    let cluster = Cluster::new();
    let tls = cluster.serving(&["127.0.0.1"], "kubelet", "x");
    let mute = stalling(Arc::clone(&tls), Stall::Mute).await;
    let trickle = stalling(Arc::clone(&tls), Stall::Trickle).await;
    let pages = (1..200).map(|n| good(n, i64::try_from(n).unwrap() * 1000)).collect();
    let (fine, _requests) = kubelet(tls, pages).await;
    let nodes = [("mute", mute), ("trickle", trickle), ("fine", fine)];
    let nodes = nodes.map(|(name, port)| node(name, port, LOOPBACK)).into();
    let mut running = run(&cluster, Duration::from_secs(1), nodes);
    for name in ["mute", "trickle"] {
        running.fails(name, "Timeout").await;
        // Again in a later round: what was given up does not pile up before the next request.
        running.until(name, "two failures", |coverage| coverage.failures >= 2).await;
    }
    running.until("fine", "no failure", |coverage| coverage.good.is_some() && coverage.failures == 0).await;
    let mut asked = Vec::new();
    while let Ok(page) = running.pages.try_recv() {
        assert_eq!(&*page.node, "fine", "a page that was given up is not kept");
        asked.push(page.asked);
    }
    assert!(asked.len() >= 2, "rounds went on beside those who stall: {asked:?}");
}

#[tokio::test]
async fn every_bad_page_has_its_reason() {
    let bomb = {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&vec![b'\n'; 64 << 20]).unwrap();
        gzip.finish().unwrap()
    };
    let mut cut = b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\nnode_cpu_usage_seconds_total 1 1\n".to_vec();
    cut.extend_from_slice(b"\0CUT");
    let huge = vec![b'#'; 2 << 20];
    let table: Vec<(&str, Reply, &str)> = vec![
        ("garbage", http("200 OK", b"node_cpu_usage_seconds_total x\nnode_memory_working_set_bytes -1\n"), "BadBody"),
        ("not HTTP", Some(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec()), "BadBody"),
        ("truncated", Some(cut), "BadBody"),
        ("huge", http("200 OK", &huge), "BodyTooLarge"),
        ("gzip bomb", http("200 OK\r\ncontent-encoding: gzip", &bomb), "BodyTooLarge"),
        ("bad gzip", http("200 OK\r\ncontent-encoding: gzip", b"plain"), "BadBody"),
        ("hang", None, "Timeout"),
        ("scrape error", http("200 OK", b"resource_scrape_error 1\n"), "KubeletScrapeError"),
        ("401", http("401 Unauthorized", b"Unauthorized"), "Unauthorized"),
        (
            "403",
            http("403 Forbidden", b"Forbidden (user=u, verb=get, resource=nodes, subresource(s)=[metrics])"),
            "Forbidden",
        ),
        ("404", http("404 Not Found", b""), "HTTPStatus"),
        ("500", http("500 Internal Server Error", b""), "HTTPStatus"),
        ("redirect", http("302 Found\r\nlocation: http://127.0.0.1:1/", b""), "HTTPStatus"),
        ("closed", Some(Vec::new()), "ConnectionReset"),
    ];
    futures::future::join_all(table.into_iter().map(|(name, reply, code)| check(name, vec![reply], code))).await;
}

#[tokio::test]
async fn certificates_are_judged_by_authority_address_and_node() {
    let (cluster, other) = (Cluster::new(), Cluster::new());
    let serve = |tls| kubelet(tls, vec![good(1, 1000)]);
    let (stranger, _a) = serve(other.serving(&["127.0.0.1"], "k", "x")).await;
    let (misnamed, _b) = serve(cluster.serving(&["10.0.0.1"], "k", "x")).await;
    let (by_node, _c) = serve(cluster.serving(&["10.0.0.1"], "system:node:by-node", "system:nodes")).await;
    let (thief, _d) = serve(cluster.serving(&["10.0.0.1"], "system:node:by-node", "system:nodes")).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let nodes = vec![
        node("stranger", stranger, LOOPBACK),
        node("misnamed", misnamed, LOOPBACK),
        node("by-node", by_node, LOOPBACK),
        node("thief", thief, LOOPBACK),
        node("closed", closed, LOOPBACK),
        node("homeless", 1, &[]),
    ];
    let running = run(&cluster, Duration::from_secs(3), nodes);
    running.fails("stranger", "TLSUnknownAuthority").await;
    running.fails("misnamed", "TLSNameMismatch").await;
    running.fails("thief", "TLSNameMismatch").await;
    running.fails("closed", "ConnectionRefused").await;
    running.fails("homeless", "NoAddress").await;
    running.until("by-node", "a good scrape", |coverage| coverage.failures == 0 && coverage.good.is_some()).await;
}

#[tokio::test]
async fn requests_carry_the_token_and_reuse_one_connection() {
    let cluster = Cluster::new();
    let tls = cluster.serving(&["127.0.0.1"], "k", "x");
    let (port, mut requests) = kubelet(tls, vec![good(1, 1000), good(2, 2000)]).await;
    // The first address does not lead anywhere: the next one is tried in the same scrape.
    let addresses = &[("Hostname", "name.invalid"), ("InternalIP", "127.0.0.1")];
    let running = run(&cluster, Duration::from_secs(1), vec![node("n", port, addresses)]);
    let request = requests.recv().await.unwrap().to_lowercase();
    assert!(request.starts_with("get /metrics/resource http/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: bearer secret") && request.contains("accept-encoding: gzip"));
    requests.recv().await.unwrap();
    running.until("n", "a good scrape", |coverage| coverage.good.is_some()).await;
    let mut version = running.coverage.version();
    while running.latest.node("n").is_err() {
        version.changed().await.unwrap();
    }
    let served = running.latest.node("n").unwrap();
    assert_eq!((served.at, served.window, served.cpu), (2000, 1_000_000_000, 1_000_000_000));
}

#[tokio::test]
async fn one_failed_scrape_is_held_and_an_older_sample_is_not_served() {
    let cluster = Cluster::new();
    let tls = cluster.serving(&["127.0.0.1"], "k", "x");
    let replies = vec![good(1, 1000), good(2, 2000), http("500 No", b""), good(3, 3000), good(1, 500)];
    let (port, _requests) = kubelet(tls, replies).await;
    let running = run(&cluster, Duration::from_secs(1), vec![node("n", port, LOOPBACK)]);
    running.fails("n", "HTTPStatus").await;
    assert_eq!(running.latest.node("n").unwrap().at, 2000);
    running.until("n", "recovery", |coverage| coverage.failures == 0 && coverage.problem.is_none()).await;
    assert_eq!(running.latest.node("n").unwrap().at, 3000);
    let mut version = running.coverage.version();
    while running.latest.node("n").is_ok() {
        version.changed().await.unwrap();
    }
}

/// A line costs itself alone; what is left out is counted by node and explained until a page is whole again.
#[tokio::test]
async fn lines_that_cannot_be_read_are_counted_by_node() {
    let cluster = Cluster::new();
    let tls = cluster.serving(&["127.0.0.1"], "k", "x");
    let page = |at: u64, more: &str| {
        let text =
            format!("{more}node_cpu_usage_seconds_total {at} {at}000\nnode_memory_working_set_bytes 4096 {at}000\n");
        http("200 OK", text.as_bytes())
    };
    let bad = "container_memory_working_set_bytes{namespace=\"a\"} 1 1\nnode_swap_usage_bytes NaN 1\n";
    let replies = vec![page(1, bad), http("200 OK", b"node_cpu_usage_seconds_total x\n"), page(2, bad), page(3, "")];
    let (port, _requests) = kubelet(Arc::clone(&tls), replies).await;
    let (fine, _others) = kubelet(tls, vec![page(1, ""), page(2, "")]).await;
    let nodes = vec![node("bad", port, LOOPBACK), node("fine", fine, LOOPBACK)];
    let running = run(&cluster, Duration::from_secs(2), nodes);
    running
        .until("bad", "a page of which two lines are left out", |known| known.good.is_some() && known.malformed == 2)
        .await;
    let known = running.coverage.get("bad").unwrap();
    assert_eq!((known.failures, &known.problem), (0, &None), "the rest of the page counts");
    let say = known.left_out.unwrap();
    let cause = "2 lines, the first of them line 1: series has no namespace, pod or container";
    assert_eq!((say.code.as_str(), say.arg("node"), say.arg("cause")), ("MalformedLines", "bad", cause));
    assert!(say.arg("remedy").contains("/nodes/bad/proxy/metrics/resource"), "{say:?}");
    running.until("bad", "the hopeless page's line, too", |known| known.failures == 1 && known.malformed == 3).await;
    running.until("bad", "a whole page", |known| known.failures == 0 && known.left_out.is_none()).await;
    assert_eq!(running.coverage.get("bad").unwrap().malformed, 5, "what was counted stays");
    running.until("fine", "a good scrape", |known| known.good.is_some()).await;
    let fine = running.coverage.get("fine").unwrap();
    assert_eq!((fine.malformed, fine.left_out), (0, None));
}

#[tokio::test]
async fn a_node_that_returns_elsewhere_is_scraped_there() {
    let cluster = Cluster::new();
    let (one, mut first) = kubelet(cluster.serving(&["127.0.0.1"], "k", "x"), vec![good(1, 1000)]).await;
    let (two, mut second) = kubelet(cluster.serving(&["127.0.0.1"], "k", "x"), vec![good(2, 2000)]).await;
    let running = run(&cluster, Duration::from_secs(1), vec![node("n", one, LOOPBACK)]);
    first.recv().await.unwrap();
    running.until("n", "a good scrape", |coverage| coverage.good.is_some()).await;
    let mut version = running.coverage.version();
    running.objects.nodes.remove("", "n");
    while running.coverage.get("n").is_some() {
        version.changed().await.unwrap();
    }
    assert!(running.latest.node("n").is_err());
    running.objects.nodes.put(node("n", two, LOOPBACK));
    second.recv().await.unwrap();
    running.until("n", "a good scrape", |coverage| coverage.good.is_some()).await;
}

/// The old kubelet goes on answering, and the connection to it is fine: neither is a reason to ask it again.
#[tokio::test]
async fn a_node_that_returns_under_another_address_is_scraped_there_by_that_name() {
    let cluster = Cluster::new();
    let pages = |from: u64| (from..from + 100).map(|n| good(n, i64::try_from(n).unwrap() * 1000)).collect();
    let (port, mut first) = kubelet(cluster.serving(&["127.0.0.1"], "k", "x"), pages(1)).await;
    let there = format!("127.0.0.2:{port}");
    let (_, mut second) = kubelet_at(&there, cluster.serving(&["127.0.0.2"], "k", "x"), pages(1000)).await;
    let running = run(&cluster, Duration::from_secs(1), vec![node("n", port, LOOPBACK)]);
    for _ in 0..2 {
        let request = first.recv().await.unwrap().to_lowercase();
        assert!(request.contains(&format!("host: 127.0.0.1:{port}\r\n")), "{request}");
    }
    running.objects.nodes.put(node("n", port, &[("InternalIP", "127.0.0.2")]));
    let request = second.recv().await.unwrap().to_lowercase();
    assert!(request.contains(&format!("host: {there}\r\n")), "{request}");
    // What was on its way when the node moved has arrived by now.
    while first.try_recv().is_ok() {}
    second.recv().await.unwrap();
    second.recv().await.unwrap();
    assert!(first.try_recv().is_err(), "the old address is not asked any more");
    let moved = |known: &backend::kubelet::NodeCoverage| known.good.is_some() && known.failures == 0;
    running.until("n", "a good scrape", moved).await;
    // Whoever answers there must have a certificate for it: the name of the old address does not do.
    running.objects.nodes.put(node("n", port, &[("InternalIP", "127.0.0.3")]));
    let (_, mut third) =
        kubelet_at(&format!("127.0.0.3:{port}"), cluster.serving(&["127.0.0.2"], "k", "x"), pages(2000)).await;
    running.fails("n", "TLSNameMismatch").await;
    let problem = running.coverage.get("n").unwrap().problem.unwrap();
    assert_eq!(problem.arg("address"), format!("127.0.0.3:{port}"));
    assert!(third.try_recv().is_err(), "nothing is sent to who is not the node, least of all a token");
}

#[tokio::test]
async fn a_looked_at_node_feeds_the_history_alone() {
    let cluster = Cluster::new();
    let tls = cluster.serving(&["127.0.0.1"], "k", "x");
    let (port, _requests) = kubelet(tls, vec![good(1, 1000), good(2, 2000)]).await;
    let mut running = run(&cluster, Duration::from_secs(60), vec![node("n", port, LOOPBACK)]);
    assert!(running.pages.recv().await.unwrap().scheduled);
    let _look = running.focus.look("n");
    assert!(!running.pages.recv().await.unwrap().scheduled);
    assert!(running.latest.node("n").is_err(), "an extra page must not make a rate");
}
