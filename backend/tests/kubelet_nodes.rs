//! Which kubelets are asked, how, and what is kept of what they say while nodes come, go and fail.
#![expect(clippy::unwrap_used, reason = "helpers of tests; clippy.toml lets off only the tests themselves")]

mod kubelets;

use kubelets::{Cluster, LOOPBACK, good, http, kubelet, kubelet_at, node, run, run_with};
use std::time::Duration;

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

/// Between two rounds, not with the next one: what is known of a node goes with it.
#[tokio::test]
async fn a_node_that_goes_takes_its_points_and_series_along_at_once() {
    let cluster = Cluster::new();
    let tls = cluster.serving(&["127.0.0.1"], "k", "x");
    let (port, _requests) = kubelet(tls, vec![good(1, 1000)]).await;
    let running = run(&cluster, Duration::from_secs(3600), vec![node("n", port, LOOPBACK)]);
    running.until("n", "a good scrape", |known| known.good.is_some()).await;
    assert!(running.told().contains("taffrail_kubelet_up{node=\"n\"} 1"));
    let mut version = running.coverage.version();
    running.objects.nodes.remove("", "n");
    let gone = async {
        while running.coverage.get("n").is_some() {
            version.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
    assert!(!running.told().contains("node=\"n\""), "{}", running.told());
    assert_eq!(running.latest.tally().nodes, 0);
}

/// Every second of 200 kubelets fails every second time: their values are held and then rated over the gap, the others
/// never miss a round, and nothing is left over of those that go.
#[tokio::test]
async fn kubelets_that_flap_by_hundreds_cost_nobody_else_a_round() {
    const NODES: usize = 200;
    let cluster = Cluster::new();
    let tls = cluster.serving(&["127.0.0.1"], "k", "x");
    let port = flapping(tls).await;
    let nodes = (0..NODES).map(|n| {
        let mut node = node(&format!("n{n}"), port, LOOPBACK);
        node.metrics_path = Some(format!("/{n}/metrics/resource").into());
        node
    });
    // A machine that stalls for a second or two is no kubelet that fails.
    let patient = |config: &mut backend::kubelet::Config| config.request_timeout = Duration::from_millis(4500);
    let running = run_with(&cluster, Duration::from_secs(5), nodes.collect(), patient);
    let flaps = |n: usize| n % 2 == 1;
    let mut version = running.coverage.version();
    let mut flapped = vec![0_u32; NODES];
    // Until each that flaps has failed and come back twice.
    let waiting = async {
        while !(0..NODES).filter(|n| flaps(*n)).all(|n| flapped[n] >= 4) {
            version.changed().await.unwrap();
            for (n, changes) in flapped.iter_mut().enumerate() {
                let known = running.coverage.get(&format!("n{n}")).unwrap_or_default();
                assert!(flaps(n) || known.failures == 0, "{known:?}");
                assert!(known.failures <= 1, "{known:?}");
                *changes += u32::from((known.failures == 1) == (*changes % 2 == 0));
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(120), waiting).await.unwrap();
    for n in 0..NODES {
        let served = running.latest.node(&format!("n{n}")).unwrap();
        // A core's worth of a counter that grows with the samples' time, whatever lies between two of them.
        assert_eq!(served.cpu, 1_000_000_000, "n{n}");
        assert_eq!(served.window, if flaps(n) { 2_000_000_000 } else { 1_000_000_000 }, "n{n}");
    }
    // Half of them go, and so does everything that was known of them.
    for n in (0..NODES).filter(|n| flaps(*n)) {
        running.objects.nodes.remove("", &format!("n{n}"));
    }
    let gone = async {
        while running.coverage.get("n199").is_some() {
            version.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
    assert!((0..NODES).all(|n| running.coverage.get(&format!("n{n}")).is_some() != flaps(n)));
    assert!(!running.told().contains("node=\"n199\""), "its series are gone");
}

/// Kubelets on one port, told apart by path. The n-th request to one is answered with its n-th sample; those with odd
/// numbers fail every second request.
async fn flapping(tls: std::sync::Arc<rustls::ServerConfig>) -> u16 {
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let counts: Arc<Mutex<HashMap<usize, u64>>> = Arc::default();
    tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(tls);
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, counts) = (acceptor.clone(), Arc::clone(&counts));
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                loop {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read_u8().await {
                            Ok(byte) => head.push(byte),
                            Err(_) => return,
                        }
                    }
                    let head = String::from_utf8(head).unwrap();
                    let node: usize = head.split('/').nth(1).unwrap().parse().unwrap();
                    let count = {
                        let mut counts = counts.lock().unwrap();
                        let count = counts.entry(node).or_default();
                        *count += 1;
                        *count
                    };
                    let reply = match node % 2 {
                        1 if count % 2 == 0 => http("500 Internal Server Error", b"no"),
                        _ => good(count, i64::try_from(count).unwrap() * 1000),
                    };
                    if stream.write_all(&reply.unwrap()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}
