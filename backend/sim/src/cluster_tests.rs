//! The cluster from inside: pages of kubelets, versions, determinism, scale.

use crate::kinds::Kind;
use crate::store::Changes;
use crate::{Clock, Cluster, Config, kubelet};

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

#[tokio::test]
async fn a_thousand_nodes_share_one_kubelet_port_and_fit_in_memory() {
    let cluster = cluster(1, 1000, 30).await;
    assert_eq!(cluster.shared.store.len(Kind::Pod), 30_000);
    let node = cluster.shared.store.get(Kind::Node, "", "node-7").unwrap().value();
    assert_eq!(
        node["metadata"]["annotations"]["metrics.k8s.io/resource-metrics-path"],
        "/nodes/node-7/metrics/resource"
    );
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmRSS")).unwrap());
}
