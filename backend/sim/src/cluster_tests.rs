//! The cluster from inside: pages of kubelets, versions, determinism, scale.

use crate::kinds::Kind;
use crate::load::Curve;
use crate::run::Behaviour;
use crate::store::Changes;
use crate::{Clock, Cluster, Config, kubelet};
use serde_json::Value;
use std::time::Duration;

const START: i64 = 1_795_204_000_000;

async fn cluster(seed: u64, nodes: u32, pods_per_node: u32) -> Cluster {
    Cluster::start(Config { seed, nodes, pods_per_node, clock: Clock::manual(START), ..Config::default() })
        .await
        .unwrap()
}

fn pods(cluster: &Cluster) -> Vec<String> {
    let pods = cluster.shared.store.all(Kind::Pod);
    pods.iter().map(|pod| format!("{}/{} {}", pod.namespace(), pod.name(), pod.value()["status"])).collect()
}

#[tokio::test]
async fn a_seed_gives_the_same_cluster_each_time() {
    let (one, same, other) = (cluster(1, 8, 20).await, cluster(1, 8, 20).await, cluster(2, 8, 20).await);
    assert_eq!(pods(&one).len(), 160);
    assert_eq!(pods(&one), pods(&same));
    assert_ne!(pods(&one), pods(&other));
}

#[tokio::test]
async fn a_kubelets_page_has_every_family_and_its_counters_grow() {
    let cluster = cluster(1, 8, 20).await;
    let first = kubelet::page(&cluster.shared, "node-1", START);
    let later = kubelet::page(&cluster.shared, "node-1", START + 60_000);
    assert_eq!(first.lines().filter(|line| line.starts_with("# TYPE")).count(), 12);
    let value = |page: &str, family: &str| -> f64 {
        let line = page.lines().find(|line| line.starts_with(family)).unwrap();
        line.rsplit(' ').nth(1).unwrap().parse().unwrap()
    };
    for family in ["node_cpu_usage_seconds_total", "pod_cpu_usage_seconds_total", "container_cpu_usage_seconds_total"] {
        assert!(value(&first, family) > 0.0, "{family}");
        assert!(value(&later, family) > value(&first, family), "{family}");
    }
    for line in first.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.rsplit(' ').collect();
        assert!(fields[0].parse::<f64>().is_ok(), "{line}");
    }
}

#[tokio::test]
async fn a_version_older_than_the_ring_is_gone() {
    let cluster =
        Cluster::start(Config { history: 4, clock: Clock::manual(START), ..Config::default() }).await.unwrap();
    let store = &cluster.shared.store;
    let since = store.version();
    let touch = |n: i64| {
        let written = store.modify(Kind::ConfigMap, "kube-system", "coredns", |value| {
            value["data"]["n"] = serde_json::json!(n.to_string());
            Ok(true)
        });
        written.unwrap();
    };
    (0..3).for_each(touch);
    assert!(matches!(store.changes(Kind::ConfigMap, since), Changes::Since(changes, _) if changes.len() == 3));
    (0..3).for_each(touch);
    assert!(matches!(store.changes(Kind::ConfigMap, since), Changes::Gone));
    assert!(matches!(store.changes(Kind::ConfigMap, since - 1), Changes::Gone));
}

/// `examples/scale.rs` measures five times as many; unoptimised that would take minutes.
#[tokio::test]
async fn a_thousand_nodes_share_one_kubelet_port_and_lack_no_pod() {
    let cluster = cluster(1, 1000, 30).await;
    assert_eq!(cluster.shared.store.len(Kind::Pod), 30_000);
    let node = cluster.shared.store.get(Kind::Node, "", "node-7").unwrap().value();
    assert_eq!(
        node["metadata"]["annotations"]["metrics.k8s.io/resource-metrics-path"],
        "/nodes/node-7/metrics/resource"
    );
    let selected: usize = cluster
        .shared
        .store
        .all(Kind::EndpointSlice)
        .iter()
        .map(|slice| slice.value()["endpoints"].as_array().map_or(0, Vec::len))
        .sum();
    assert!(selected > 20_000, "{selected} endpoints");
}

/// Waits until the pods are as told. With the runtime's clock paused the controllers' turns cost no time.
async fn until(cluster: &Cluster, mut done: impl FnMut() -> bool) {
    let mut news = cluster.shared.store.news(Kind::Pod);
    let wait = async {
        while !done() {
            news.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("it comes to pass");
}

#[tokio::test(start_paused = true)]
async fn a_leak_ends_at_its_limit_in_oomkilled_and_begins_again() {
    let cluster = cluster(1, 8, 20).await;
    let store = &cluster.shared.store;
    let pods = store.all(Kind::Pod);
    let leaks = |pod: &&std::sync::Arc<crate::store::Object>| {
        let run = pod.run.as_deref().unwrap();
        run.containers[0].behaviour == Behaviour::Leak
            && cluster.answering().iter().any(|node| pod.field("spec.nodeName") == Some(node))
    };
    let pod = pods.iter().find(leaks).unwrap();
    let node = pod.field("spec.nodeName").unwrap().to_owned();
    let (namespace, name) = (pod.namespace().to_owned(), pod.name().to_owned());
    let container = &pod.run.as_deref().unwrap().containers[0];
    let (limit, began) = (container.memory_limit.unwrap(), container.started.unwrap());
    let curve = Curve::of(1, &name, container, cluster.shared.day);
    let end = began + curve.until_limit(limit).unwrap();
    let memory = |at: i64| {
        let page = cluster.page(&node, at);
        let line = page
            .lines()
            .find(|line| {
                line.starts_with("container_memory") && line.contains(&name) && line.contains("container=\"checkout\"")
            })
            .map(str::to_owned);
        line.map(|line| line.split(' ').nth(1).unwrap().parse::<f64>().unwrap())
    };
    let status = || -> Value {
        store.get(Kind::Pod, &namespace, &name).unwrap().value()["status"]["containerStatuses"][0].clone()
    };
    let restarts = status()["restartCount"].as_u64().unwrap();
    assert!(memory(START).unwrap() < limit as f64);
    assert!(memory(end - 1000).unwrap() > 0.98 * limit as f64);

    cluster.clock().set(end + 1000);
    until(&cluster, || {
        status()["lastState"]["terminated"]["reason"] == "OOMKilled" && !status()["state"]["waiting"].is_null()
    })
    .await;
    let killed = status();
    assert_eq!((&killed["lastState"]["terminated"]["exitCode"], &killed["ready"]), (&137.into(), &false.into()));
    assert_eq!(killed["restartCount"], restarts + 1);
    assert_eq!(memory(end + 1000), None, "what does not run uses nothing");

    // The longest back-off is five minutes.
    cluster.clock().set(end + 302_000);
    until(&cluster, || !status()["state"]["running"].is_null()).await;
    assert_eq!(status()["restartCount"], restarts + 1);
    assert!(memory(end + 310_000).unwrap() < 0.6 * limit as f64, "it begins anew");
}

#[tokio::test(start_paused = true)]
async fn kubelets_that_are_well_renew_their_leases_and_report_now_and_then() {
    let cluster = cluster(1, 8, 20).await;
    let store = &cluster.shared.store;
    let told = |node: &str| {
        let lease = store.get(Kind::Lease, "kube-node-lease", node).unwrap().value()["spec"]["renewTime"].clone();
        let node = store.get(Kind::Node, "", node).unwrap().value();
        (lease, node["status"]["conditions"][0]["lastHeartbeatTime"].clone())
    };
    let lost = (1..=8).map(|n| format!("node-{n}")).find(|node| !cluster.answering().contains(node)).unwrap();
    let (well, silent) = (told("node-1"), told(&lost));
    let mut news = store.news(Kind::Lease);
    cluster.clock().set(START + 20_000);
    news.changed().await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), async {
        while told("node-1").0 == well.0 {
            news.changed().await.unwrap();
        }
    })
    .await
    .unwrap();
    assert_eq!(told("node-1").1, well.1, "an unchanged status is not written every time");
    let mut nodes = store.news(Kind::Node);
    cluster.clock().set(START + 320_000);
    tokio::time::timeout(Duration::from_secs(5), async {
        while told("node-1").1 == well.1 {
            nodes.changed().await.unwrap();
        }
    })
    .await
    .unwrap();
    assert_eq!(told(&lost), silent);
}

#[tokio::test]
async fn a_page_of_the_past_has_what_ran_then_and_counters_that_lead_to_now() {
    let cluster = cluster(1, 8, 20).await;
    let total = |page: &str, family: &str| -> f64 {
        page.lines()
            .filter(|line| line.starts_with(family))
            .map(|line| line.split(' ').nth(1).unwrap().parse::<f64>().unwrap())
            .sum()
    };
    let mut last = (0.0, 0.0);
    for minutes in (0..=60).rev().step_by(5) {
        let page = cluster.page("node-1", START - minutes * 60_000);
        let now = (total(&page, "node_cpu_usage_seconds_total"), total(&page, "container_cpu_usage_seconds_total"));
        assert!(now.0 > last.0 && now.1 > last.1, "{minutes} min ago: {now:?} after {last:?}");
        last = now;
        assert!(!page.lines().any(|line| line.starts_with("container_start_time") && {
            let began: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
            began > (START - minutes * 60_000) as f64 / 1000.0
        }));
    }
}
