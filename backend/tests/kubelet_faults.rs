//! Whatever a kubelet does, it harms only its own node, and the problem has a name.
#![expect(clippy::unwrap_used, reason = "helpers of tests; clippy.toml lets off only the tests themselves")]

mod kubelets;

use kubelets::{Cluster, LOOPBACK, Reply, good, http, kubelet, node, run, run_with};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// One node that does something bad beside one that is fine.
async fn check(name: &str, replies: Vec<Reply>, code: &str) {
    let cluster = Cluster::new();
    let tls = cluster.serving(&["127.0.0.1"], "kubelet", "x");
    let (bad, _requests) = kubelet(Arc::clone(&tls), replies).await;
    let (fine, _others) = kubelet(tls, vec![good(1, 1000)]).await;
    let running = run(&cluster, Duration::from_secs(3), vec![node("bad", bad, LOOPBACK), node("fine", fine, LOOPBACK)]);
    running.until("fine", name, |coverage| coverage.good.is_some() && coverage.failures == 0).await;
    running.fails("bad", code).await;
    let told = running.told();
    for line in [
        "taffrail_kubelet_up{node=\"bad\"} 0\n".to_owned(),
        "taffrail_kubelet_up{node=\"fine\"} 1\n".to_owned(),
        format!("taffrail_kubelet_scrape_failures_total{{reason=\"{code}\"}} "),
    ] {
        assert!(told.contains(&line), "{name}: no {line} in {told}");
    }
    // A kubelet that could not collect its samples has answered all the same.
    let failed = told.contains("metrics_server_kubelet_request_total{success=\"false\"} 0\n");
    assert_eq!(failed, code == "KubeletScrapeError", "{name}: {told}");
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

/// A line costs itself alone; what is left out is counted by node and explained until a page is whole again.
#[tokio::test]
async fn a_node_s_own_identity_is_not_enough_where_the_address_is_asked_for() {
    let cluster = Cluster::new();
    let (port, _requests) =
        kubelet(cluster.serving(&["10.0.0.1"], "system:node:a", "system:nodes"), vec![good(1, 1000)]).await;
    let by_address = |config: &mut backend::kubelet::Config| config.verify = backend::kubelet::Verify::Address;
    let running = run_with(&cluster, Duration::from_secs(3), vec![node("a", port, LOOPBACK)], by_address);
    running.fails("a", "TLSNameMismatch").await;
}

/// The first key of a node is the one it is known by, whoever signed it; another one is somebody else, until who may write
/// the Node says that it is not.
#[tokio::test]
async fn a_pinned_key_that_changes_is_refused_until_it_is_confirmed() {
    let (cluster, stranger) = (Cluster::new(), Cluster::new());
    let pages = |from: u64| (from..from + 50).map(|n| good(n, i64::try_from(n).unwrap() * 1000)).collect::<Vec<_>>();
    // Self-signed certificates have no address in them, as kubeadm makes them.
    let (one, _a) = kubelet(stranger.serving(&["host"], "host@1", "x"), pages(1)).await;
    let (other, mut asked) = kubelet(stranger.serving(&["host"], "host@2", "x"), pages(100)).await;
    let pin = |config: &mut backend::kubelet::Config| config.verify = backend::kubelet::Verify::Pin;
    let running = run_with(&cluster, Duration::from_secs(1), vec![node("n", one, LOOPBACK)], pin);
    running.until("n", "a good scrape", |known| known.good.is_some()).await;
    running.objects.nodes.put(node("n", other, LOOPBACK));
    running.fails("n", "TLSPinChanged").await;
    assert!(asked.try_recv().is_err(), "nothing is sent to who is not the node, least of all a token");
    let problem = running.coverage.get("n").unwrap().problem.unwrap();
    let command = "kubectl annotate --overwrite node n taffrail.dev/kubelet-key=";
    let key = problem.arg("remedy").split_once(command).unwrap().1.to_owned();
    assert!(problem.arg("cause").contains(&key), "{problem:?}");
    let mut confirmed = node("n", other, LOOPBACK);
    confirmed.kubelet_key = Some(key.into());
    running.objects.nodes.put(confirmed);
    running.until("n", "the confirmed key", |known| known.failures == 0 && known.problem.is_none()).await;
}

/// `openssl req -x509` makes certificates that are authorities of themselves: unknown ones, unless they are given as such.
#[tokio::test]
async fn a_certificate_signed_by_itself_is_unknown_or_given() {
    let cluster = Cluster::new();
    let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let der = rustls_pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], der.into()).unwrap();
    let (port, _requests) = kubelet(Arc::new(tls), vec![good(1, 1000)]).await;
    let running = run(&cluster, Duration::from_secs(1), vec![node("n", port, LOOPBACK)]);
    running.fails("n", "TLSUnknownAuthority").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubelet.crt");
    // What is given is read again when it changes.
    std::fs::write(&file, cluster.authority.pem()).unwrap();
    let given = |config: &mut backend::kubelet::Config| config.certificate_authority = Some(file.clone());
    let running = run_with(&cluster, Duration::from_secs(1), vec![node("n", port, LOOPBACK)], given);
    running.fails("n", "TLSUnknownAuthority").await;
    std::fs::write(&file, certificate.pem()).unwrap();
    running.until("n", "a good scrape", |known| known.failures == 0 && known.good.is_some()).await;
}

/// One more attempt is for connections that break before an answer begins; half a head is an answer.
#[tokio::test]
async fn half_an_answer_is_not_asked_for_again() {
    let cluster = Cluster::new();
    let tls = cluster.serving(&["127.0.0.1"], "k", "x");
    let (port, mut requests) = kubelet(tls, vec![Some(b"HTTP/1.1 200 OK\r\nContent-\0CUT".to_vec())]).await;
    let running = run(&cluster, Duration::from_secs(3), vec![node("n", port, LOOPBACK)]);
    running.fails("n", "BadBody").await;
    requests.recv().await.unwrap();
    assert!(requests.try_recv().is_err(), "asked once");
}

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
