//! `taffrail doctor` names the cause and the remedy of what goes wrong with installations in practice: each is built here
//! on a simulated cluster.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests; clippy.toml lets off only the tests themselves"
)]

use backend::config::{Command, Flags};
use backend::doctor::{Finding, Report, Verdict, examine};
use clap::Parser as _;
use serde_json::{Value, json};
use sim::{Cluster, KubeletFault, Who};
use tempfile::TempDir;

/// A cluster whose installation is whole, but for the process itself.
struct Hospital {
    cluster: Cluster,
    admin: kube::Client,
    folder: TempDir,
}

async fn client(cluster: &Cluster, who: Who) -> kube::Client {
    let kubeconfig = kube::config::Kubeconfig::from_yaml(&cluster.kubeconfig(who)).unwrap();
    let options = kube::config::KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    kube::Client::try_from(config).unwrap()
}

impl Hospital {
    async fn new() -> Self {
        let config = sim::Config { nodes: 3, pods_per_node: 4, ..sim::Config::default() };
        let cluster = Cluster::start(config).await.unwrap();
        let admin = client(&cluster, Who::Admin).await;
        let folder = tempfile::tempdir().unwrap();
        for (who, name) in [(Who::Admin, "admin"), (Who::Viewer, "viewer")] {
            std::fs::write(folder.path().join(name), cluster.kubeconfig(who)).unwrap();
        }
        // The seed has a node that is down; this one is about what is wrong with us.
        for node in cluster.answering() {
            cluster.set_kubelet_fault(&node, None);
        }
        let hospital = Self { cluster, admin, folder };
        for version in ["v1", "v1beta1"] {
            hospital
                .register(
                    version,
                    "kube-system",
                    "taffrail",
                    &json!({"type": "Available", "status": "True", "reason": "Passed"}),
                )
                .await;
        }
        let port = json!({"name": "https", "port": 443, "targetPort": "https", "protocol": "TCP"});
        hospital
            .put(
                "/api/v1/namespaces/kube-system/services",
                "taffrail",
                json!({"kind": "Service", "apiVersion": "v1", "spec": {"ports": [port]}}),
            )
            .await;
        hospital
    }

    /// Makes an object, or changes the one of its name.
    async fn put(&self, path: &str, name: &str, mut object: Value) {
        object["metadata"]["name"] = json!(name);
        let send = |request: http::request::Builder, kind: &str| {
            request.header("content-type", kind).body(serde_json::to_vec(&object).unwrap()).unwrap()
        };
        let merge = "application/merge-patch+json";
        let patch = send(http::Request::patch(format!("{path}/{name}")), merge);
        if self.admin.request::<Value>(patch).await.is_err() {
            let create = send(http::Request::post(path), "application/json");
            self.admin.request::<Value>(create).await.unwrap();
        }
        if object.get("status").is_some() {
            let status = send(http::Request::patch(format!("{path}/{name}/status")), merge);
            self.admin.request::<Value>(status).await.unwrap();
        }
    }

    async fn delete(&self, path: &str) {
        let request = http::Request::delete(path).body(Vec::new()).unwrap();
        self.admin.request::<Value>(request).await.unwrap();
    }

    async fn register(&self, version: &str, namespace: &str, service: &str, condition: &Value) {
        let object = json!({
            "kind": "APIService", "apiVersion": "apiregistration.k8s.io/v1",
            "spec": {
                "group": "metrics.k8s.io", "version": version, "groupPriorityMinimum": 100, "versionPriority": 100,
                "caBundle": "eA==", "service": {"namespace": namespace, "name": service, "port": 443},
            },
            "status": {"conditions": [condition]},
        });
        self.put("/apis/apiregistration.k8s.io/v1/apiservices", &format!("{version}.metrics.k8s.io"), object).await;
    }

    async fn examine(&self, who: &str, more: &[&str]) -> Report {
        let kubeconfig = format!("--kubeconfig={}", self.folder.path().join(who).display());
        let flags = [
            &["taffrail", "doctor", &kubeconfig, "--service-namespace=kube-system", "--kubelet-use-node-status-port"],
            more,
        ]
        .concat();
        let Command::Doctor(doctor) = Flags::try_parse_from(flags).unwrap().command else { unreachable!() };
        examine(&doctor).await.unwrap()
    }

    /// With an address type that nodes have.
    async fn usual(&self) -> Report {
        self.examine("admin", &["--kubelet-preferred-address-types=InternalIP"]).await
    }
}

/// What is said with this code.
#[track_caller]
fn found<'a>(report: &'a Report, code: &str) -> &'a Finding {
    let found = report.findings.iter().find(|finding| finding.code == code);
    found.unwrap_or_else(|| panic!("nothing of {code} in\n{}", report.text()))
}

#[track_caller]
fn says(report: &Report, code: &str, verdict: Verdict, cause: &str, remedy: &str) {
    let finding = found(report, code);
    assert_eq!(finding.verdict, verdict, "{finding:?}");
    assert!(finding.cause.contains(cause) && finding.remedy.contains(remedy), "{finding:?}");
    assert_eq!(report.is_well(), report.findings.iter().all(|finding| finding.verdict != Verdict::Bad));
}

#[tokio::test]
async fn what_is_well_is_said_to_be() {
    let hospital = Hospital::new().await;
    let report = hospital.usual().await;
    for code in ["APIServer", "ClockSkew", "Rights", "APIServiceAvailable"] {
        assert_eq!(found(&report, code).verdict, Verdict::Good, "{}", report.text());
    }
    let bad: Vec<&str> =
        report.findings.iter().filter(|one| one.verdict == Verdict::Bad).map(|one| &*one.code).collect();
    // Nothing answers behind the aggregator: there is no process.
    assert_eq!(bad, ["Metrics"], "{}", report.text());
    assert!(report.json().starts_with("[{\"verdict\":\"good\",\"code\":\"APIServer\""));
}

#[tokio::test]
async fn an_untrusted_kubelet_certificate_and_requests_that_wait_are_named() {
    let hospital = Hospital::new().await;
    let node = hospital.cluster.answering()[0].clone();
    hospital.cluster.set_kubelet_fault(&node, Some(KubeletFault::WrongCertificate));
    let report = hospital.usual().await;
    let codes = ["TLSUnknownAuthority", "TLSNameMismatch"];
    let finding = report.findings.iter().find(|finding| codes.contains(&&*finding.code));
    let finding = finding.unwrap_or_else(|| panic!("{}", report.text()));
    assert!(finding.cause.contains(&node), "{finding:?}");
    // Another authority for all of them.
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let other = hospital.folder.path().join("other.pem");
    std::fs::write(&other, params.self_signed(&key).unwrap().pem()).unwrap();
    let authority = format!("--kubelet-certificate-authority={}", other.display());
    let report = hospital.examine("admin", &["--kubelet-preferred-address-types=InternalIP", &authority]).await;
    says(&report, "TLSUnknownAuthority", Verdict::Bad, "kubelets of", "serverTLSBootstrap");
}

#[tokio::test]
async fn a_node_whose_clock_is_minutes_away_is_named_with_the_side() {
    let hospital = Hospital::new().await;
    let nodes = hospital.cluster.answering();
    hospital.cluster.set_kubelet_fault(&nodes[0], Some(KubeletFault::Skew(240_000)));
    hospital.cluster.set_kubelet_fault(&nodes[1], Some(KubeletFault::Skew(-300_000)));
    let report = hospital.usual().await;
    let skewed: Vec<_> =
        report.findings.iter().filter(|one| one.code == "ClockSkew" && one.verdict == Verdict::Bad).collect();
    assert_eq!(skewed.len(), 2, "{}", report.text());
    for (node, side) in [(&nodes[0], "ahead of ours"), (&nodes[1], "behind ours")] {
        let found = skewed.iter().find(|one| one.cause.contains(&format!("node {node} ")));
        let found = found.unwrap_or_else(|| panic!("{}", report.text()));
        assert!(found.cause.ends_with(side) && found.remedy.contains("chrony"), "{found:?}");
    }
    // Their pages are good all the same: what is served compares a kubelet's samples with each other alone.
    assert_eq!(found(&report, "Kubelets").verdict, Verdict::Good, "{}", report.text());
}

#[tokio::test]
async fn an_address_type_that_no_node_has_and_a_port_where_nothing_listens_are_named() {
    let hospital = Hospital::new().await;
    let report = hospital.examine("admin", &["--kubelet-preferred-address-types=ExternalDNS"]).await;
    says(&report, "NoAddress", Verdict::Bad, "no address", "--kubelet-preferred-address-types");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let port = format!("--kubelet-port={free}");
    let status = "--kubelet-use-node-status-port=false";
    let types = "--kubelet-preferred-address-types=InternalIP";
    let flags = Flags::try_parse_from(["taffrail", "doctor", types, status, &port]).unwrap();
    let Command::Doctor(mut doctor) = flags.command else { unreachable!() };
    doctor.serve.kubeconfig = Some(hospital.folder.path().join("admin"));
    doctor.serve.service_namespace = Some("kube-system".to_owned());
    let report = examine(&doctor).await.unwrap();
    says(&report, "ConnectionRefused", Verdict::Bad, "no connection", "listens on this port");
}

#[tokio::test]
async fn rights_that_lack_are_named_one_by_one() {
    let hospital = Hospital::new().await;
    hospital.delete("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/taffrail-taffrail").await;
    let report = hospital.usual().await;
    says(&report, "MissingRight", Verdict::Bad, "kube-system/taffrail may not get nodes/metrics", "rbac.yaml");
    assert!(report.text().contains("may not create tokenreviews.authentication.k8s.io"), "{}", report.text());
    let report = hospital.examine("admin", &["--service-account=kube-system/nobody"]).await;
    says(&report, "ServiceAccount", Verdict::Bad, "there is no ServiceAccount kube-system/nobody", "--service-account");
    // Who may not ask is told so, and nothing is invented.
    let report = hospital.examine("viewer", &[]).await;
    says(&report, "MissingRight", Verdict::Warn, "cannot be looked at", "subjectaccessreviews");
    // What one may not see is not broken. That nothing answers behind the aggregator is: there is no process.
    let bad: Vec<&str> =
        report.findings.iter().filter(|one| one.verdict == Verdict::Bad).map(|one| &*one.code).collect();
    assert_eq!(bad, ["Metrics"], "{}", report.text());
}

#[tokio::test]
async fn another_product_behind_the_api_service_is_named() {
    let hospital = Hospital::new().await;
    let available = json!({"type": "Available", "status": "True", "reason": "Passed"});
    hospital.register("v1beta1", "kube-system", "metrics-server", &available).await;
    let report = hospital.usual().await;
    says(
        &report,
        "APIServiceShadowed",
        Verdict::Bad,
        "v1beta1.metrics.k8s.io is served by kube-system/metrics-server",
        "uninstall",
    );
    hospital.delete("/apis/apiregistration.k8s.io/v1/apiservices/v1.metrics.k8s.io").await;
    let report = hospital.usual().await;
    says(&report, "APIServiceNotFound", Verdict::Bad, "there is no APIService v1.metrics.k8s.io", "apiservices.yaml");
}

#[tokio::test]
async fn every_link_between_the_api_server_and_us_is_walked() {
    let hospital = Hospital::new().await;
    let failed =
        |reason: &str| json!({"type": "Available", "status": "False", "reason": reason, "message": "no route"});
    hospital.register("v1", "kube-system", "taffrail", &failed("FailedDiscoveryCheck")).await;
    let report = hospital.usual().await;
    says(&report, "FailedDiscoveryCheck", Verdict::Bad, "no route", "10443");
    says(
        &report,
        "MissingEndpoints",
        Verdict::Bad,
        "no pod behind the Service kube-system/taffrail is ready",
        "readyz",
    );
    let slice = |port: &str| {
        json!({
            "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv4",
            "metadata": {"labels": {"kubernetes.io/service-name": "taffrail"}},
            "ports": [{"name": port, "port": 10443, "protocol": "TCP"}],
            "endpoints": [{"addresses": ["10.1.2.3"], "conditions": {"ready": true}}],
        })
    };
    let slices = "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices";
    hospital.put(slices, "taffrail-own", slice("web")).await;
    let report = hospital.usual().await;
    says(&report, "MissingEndpoints", Verdict::Bad, "has a port named \"https\"", "the same name");
    hospital.put(slices, "taffrail-own", slice("https")).await;
    says(&hospital.usual().await, "Endpoints", Verdict::Good, "1 endpoints", "");
    hospital.delete("/api/v1/namespaces/kube-system/services/taffrail").await;
    hospital.register("v1", "kube-system", "taffrail", &failed("ServiceNotFound")).await;
    says(&hospital.usual().await, "ServiceNotFound", Verdict::Bad, "no route", "service.yaml");
}

#[tokio::test]
async fn an_api_server_that_is_not_there_is_the_only_thing_said() {
    let hospital = Hospital::new().await;
    let Hospital { cluster, folder, .. } = hospital;
    cluster.stop().await;
    let kubeconfig = format!("--kubeconfig={}", folder.path().join("admin").display());
    let flags = Flags::try_parse_from(["taffrail", "doctor", &kubeconfig]).unwrap();
    let Command::Doctor(doctor) = flags.command else { unreachable!() };
    let report = examine(&doctor).await.unwrap();
    assert_eq!(report.findings.len(), 1, "{}", report.text());
    says(&report, "APIServer", Verdict::Bad, "does not answer", "--kubeconfig");
}
