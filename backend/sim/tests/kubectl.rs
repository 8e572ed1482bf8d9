//! What kubectl does against the simulated cluster.
#![expect(clippy::unwrap_used, reason = "helpers of tests; clippy.toml lets off only the tests themselves")]

use sim::{Cluster, Config, Who};
use std::process::Command;

struct Kubectl {
    folder: tempfile::TempDir,
}

impl Kubectl {
    fn new(cluster: &Cluster, who: Who) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config"), cluster.kubeconfig(who)).unwrap();
        Self { folder }
    }

    /// Success, and what it printed on both outputs.
    async fn run(&self, arguments: &str) -> (bool, String) {
        let mut command = Command::new("/usr/bin/kubectl");
        command.env("HOME", self.folder.path()).current_dir(self.folder.path());
        command.arg("--kubeconfig").arg(self.folder.path().join("config")).args(arguments.split_whitespace());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    async fn ok(&self, arguments: &str) -> String {
        let (success, text) = self.run(arguments).await;
        assert!(success, "kubectl {arguments}: {text}");
        text
    }
}

async fn cluster() -> Cluster {
    Cluster::start(Config::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_reads_scales_applies_and_deletes() {
    let cluster = cluster().await;
    let kubectl = Kubectl::new(&cluster, Who::Admin);
    let pods = kubectl.ok("get pods -A").await;
    assert!(
        pods.contains("CrashLoopBackOff") && pods.contains("ImagePullBackOff") && pods.contains("Pending"),
        "{pods}"
    );
    assert_eq!(pods.lines().count(), 161, "{pods}");
    assert!(kubectl.ok("get nodes").await.contains("NotReady"));
    assert!(!pods.contains("node-1"), "{pods}");
    let wide = kubectl.ok("get pods -A -o wide").await;
    assert!(wide.contains("NODE") && wide.contains("node-1"), "{wide}");
    let services = kubectl.ok("get services -n orders -o wide").await;
    assert!(services.contains("80/TCP") && services.contains("app=cart"), "{services}");
    kubectl.ok("scale -n orders deployment/cart --replicas=4").await;
    kubectl.ok("wait -n orders deployment/cart --for=jsonpath={.status.readyReplicas}=4 --timeout=60s").await;
    kubectl.ok("set image -n orders deployment/cart cart=registry.example/orders/cart:5").await;
    kubectl.ok("rollout status -n orders deployment/cart --timeout=60s").await;
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: seen\n  namespace: orders\ndata:\n  a: b\n";
    std::fs::write(kubectl.folder.path().join("seen.yaml"), manifest).unwrap();
    kubectl.ok("apply -f seen.yaml").await;
    std::fs::write(kubectl.folder.path().join("seen.yaml"), manifest.replace("a: b", "a: c")).unwrap();
    kubectl.ok("apply -f seen.yaml").await;
    assert_eq!(kubectl.ok("get -n orders cm seen -o jsonpath={.data.a}").await, "c");
    kubectl.ok("delete -n orders cm seen").await;
    kubectl.ok("delete -n orders pod -l app=cart").await;
    kubectl.ok("wait -n orders deployment/cart --for=jsonpath={.status.readyReplicas}=4 --timeout=60s").await;
    assert!(kubectl.ok("get --raw /version").await.contains("v1.36.2"));
    let slices = kubectl
        .ok("get endpointslices -n payments -l kubernetes.io/service-name=ledger -o jsonpath={.items[0].endpoints}")
        .await;
    assert_eq!(slices, "[]");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_what_their_roles_allow() {
    let cluster = cluster().await;
    for (who, arguments, allowed) in [
        (Who::Certificate, "auth can-i delete nodes", true),
        (Who::Viewer, "get pods -n orders", true),
        (Who::Viewer, "get pods -n media", false),
        (Who::Viewer, "get pods -A", false),
        (Who::Viewer, "get namespaces", true),
        (Who::Viewer, "delete -n orders deployment cart", false),
        (Who::Narrow, "get namespaces", false),
        (Who::Narrow, "get deployments -n media", true),
        (Who::Taffrail, "get --raw /apis/apps/v1/deployments", true),
        (Who::Taffrail, "auth can-i get nodes/metrics", true),
        (Who::Taffrail, "auth can-i delete pods", false),
    ] {
        let (success, text) = Kubectl::new(&cluster, who).run(arguments).await;
        assert_eq!(success, allowed, "{who:?} {arguments}: {text}");
        assert!(allowed || text.contains("cannot") || text.trim().ends_with("no"), "{text}");
    }
}
