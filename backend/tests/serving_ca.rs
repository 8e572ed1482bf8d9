//! How the API server comes to trust us: the shared authority, the certificate we serve, the `caBundle` of our APIServices.
#![expect(clippy::unwrap_used, reason = "helpers of tests; clippy.toml lets off only the tests themselves")]

use backend::aggregation::{self, Config, ROTATE};
use backend::http::cert::Serving;
use backend::notices::Notices;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::json;
use sim::{Cluster, Who};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const SECRET: &str = "taffrail-serving-ca";
const VERSIONS: [&str; 2] = ["v1.metrics.k8s.io", "v1beta1.metrics.k8s.io"];

async fn client(cluster: &Cluster, who: Who) -> kube::Client {
    let kubeconfig = kube::config::Kubeconfig::from_yaml(&cluster.kubeconfig(who)).unwrap();
    let options = kube::config::KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    kube::Client::try_from(config).unwrap()
}

fn config() -> Config {
    let service = ("kube-system".to_owned(), "taffrail".to_owned());
    let names = aggregation::names(&service, [127, 0, 0, 1].into(), &[], &"https://127.0.0.1:6443".parse().unwrap());
    Config { secret: SECRET.into(), service, manage: true, names }
}

struct World {
    cluster: Cluster,
    secrets: Api<Secret>,
    services: Api<APIService>,
}

impl World {
    async fn start() -> Self {
        let config = sim::Config { nodes: 1, pods_per_node: 1, ..sim::Config::default() };
        let cluster = Cluster::start(config).await.unwrap();
        cluster.aggregate(SocketAddr::from(([127, 0, 0, 1], 1)));
        let admin = client(&cluster, Who::Admin).await;
        Self { cluster, secrets: Api::namespaced(admin.clone(), "kube-system"), services: Api::all(admin) }
    }

    /// A replica of ours, from its start on.
    async fn replica(&self) -> (Serving, Notices) {
        let notices = Notices::default();
        let own = client(&self.cluster, Who::Taffrail).await;
        let (serving, registrar) = aggregation::build(config(), own, notices.clone()).unwrap();
        tokio::spawn(registrar.run(std::future::pending()));
        (serving, notices)
    }

    async fn bundle(&self, name: &str) -> String {
        let spec = self.services.get(name).await.unwrap().spec.unwrap();
        assert_ne!(spec.insecure_skip_tls_verify, Some(true), "{name}");
        spec.ca_bundle.map(|bytes| String::from_utf8(bytes.0).unwrap()).unwrap_or_default()
    }

    async fn shared(&self) -> String {
        let data = self.secrets.get(SECRET).await.unwrap().data.unwrap_or_default();
        data.get("ca.crt").map(|bytes| String::from_utf8(bytes.0.clone()).unwrap()).unwrap_or_default()
    }

    /// Waits until both APIServices verify what a replica serves.
    async fn until_trusted(&self, serving: &Serving) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let bundles = [self.bundle(VERSIONS[0]).await, self.bundle(VERSIONS[1]).await];
            if bundles.iter().all(|bundle| verifies(bundle, serving)) {
                let [bundle, _] = bundles;
                return bundle;
            }
            assert!(Instant::now() < deadline, "the API server does not trust us: {bundles:?}");
            tokio::task::yield_now().await;
        }
    }
}

/// Whether the API server would take the certificate that is served now.
fn verifies(bundle: &str, serving: &Serving) -> bool {
    let authorities: Vec<_> = CertificateDer::pem_slice_iter(bundle.as_bytes()).map(Result::unwrap).collect();
    let anchors: Vec<_> = authorities.iter().map(|der| webpki::anchor_from_trusted_cert(der).unwrap()).collect();
    let leaf = serving.leaf().unwrap();
    let leaf = webpki::EndEntityCert::try_from(&leaf).unwrap();
    let (algorithms, time) = (webpki::ALL_VERIFICATION_ALGS, rustls_pki_types::UnixTime::now());
    let usage = webpki::KeyUsage::server_auth();
    let name = rustls_pki_types::ServerName::try_from("taffrail.kube-system.svc").unwrap();
    leaf.verify_for_usage(algorithms, &anchors, &[], time, usage, None, None).is_ok()
        && leaf.verify_is_valid_for_subject_name(&name).is_ok()
}

async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn two_replicas_share_one_authority_and_both_apiservices_trust_it() {
    let world = World::start().await;
    let ((one, _), (other, _)) = tokio::join!(world.replica(), world.replica());
    let bundle = world.until_trusted(&one).await;
    assert_eq!(world.until_trusted(&other).await, bundle);
    assert_eq!(bundle, world.shared().await);
    assert_ne!(one.leaf(), other.leaf(), "a leaf and its key stay in their process");
    // One that starts later finds what is there.
    let (late, notices) = world.replica().await;
    assert_eq!(world.until_trusted(&late).await, bundle);
    assert_eq!(notices.all(), []);
}

#[tokio::test]
async fn a_bundle_that_somebody_took_away_comes_back_and_verification_is_on() {
    let world = World::start().await;
    let (serving, _) = world.replica().await;
    world.until_trusted(&serving).await;
    for spec in [json!({"caBundle": null, "insecureSkipTLSVerify": true}), json!({"caBundle": "QUJD"})] {
        let patch = Patch::Merge(json!({"spec": spec}));
        world.services.patch(VERSIONS[0], &PatchParams::default(), &patch).await.unwrap();
        until("the bundle comes back", || async {
            let spec = world.services.get(VERSIONS[0]).await.unwrap().spec.unwrap();
            let bundle = spec.ca_bundle.map(|bytes| String::from_utf8(bytes.0).unwrap()).unwrap_or_default();
            spec.insecure_skip_tls_verify != Some(true) && bundle.contains("BEGIN") && verifies(&bundle, &serving)
        })
        .await;
    }
}

#[tokio::test]
async fn somebody_elses_metrics_api_is_reported_and_left_alone() {
    let world = World::start().await;
    let theirs = json!({"spec": {"service": {"namespace": "kube-system", "name": "metrics-server"}, "insecureSkipTLSVerify": true}});
    for name in VERSIONS {
        world.services.patch(name, &PatchParams::default(), &Patch::Merge(&theirs)).await.unwrap();
    }
    let before = world.services.get(VERSIONS[1]).await.unwrap();
    let (_, notices) = world.replica().await;
    until("it is reported", || async { notices.all().len() == 2 }).await;
    for (say, _) in notices.all() {
        assert_eq!((say.code.as_str(), say.arg("owner")), ("APISERVICE_OTHERS", "kube-system/metrics-server"));
        assert_eq!(say.arg("own"), "kube-system/taffrail");
    }
    assert_eq!(world.services.get(VERSIONS[1]).await.unwrap(), before);
    // Given to us, it is ours within a moment, and nothing is reported any more.
    let ours = Patch::Merge(json!({"spec": {"service": {"name": "taffrail"}}}));
    for name in VERSIONS {
        world.services.patch(name, &PatchParams::default(), &ours).await.unwrap();
    }
    until("it is well again", || async { notices.all().is_empty() }).await;
}

#[tokio::test]
async fn without_the_secret_each_replica_is_trusted_all_the_same() {
    let world = World::start().await;
    world.secrets.delete(SECRET, &DeleteParams::default()).await.unwrap();
    let (one, notices) = world.replica().await;
    world.until_trusted(&one).await;
    let (other, _) = world.replica().await;
    let bundle = world.until_trusted(&other).await;
    assert!(verifies(&bundle, &one), "the second one has pushed the first one out");
    let [(say, _)] = notices.all().try_into().unwrap();
    assert_eq!((say.code.as_str(), say.arg("secret")), ("SERVING_CA", "kube-system/taffrail-serving-ca"));
    assert!(say.arg("cause").contains("not found"), "{say:?}");
}

#[tokio::test]
async fn a_secret_with_something_else_in_it_is_left_as_it_is() {
    let world = World::start().await;
    let mut secret = world.secrets.get(SECRET).await.unwrap();
    let data = secret.data.get_or_insert_default();
    data.insert("ca.crt".into(), ByteString(b"mine".to_vec()));
    data.insert("ca.key".into(), ByteString(b"mine, too".to_vec()));
    let before = world.secrets.replace(SECRET, &kube::api::PostParams::default(), &secret).await.unwrap();
    let (serving, notices) = world.replica().await;
    world.until_trusted(&serving).await;
    let [(say, _)] = notices.all().try_into().unwrap();
    assert!(say.arg("cause").contains("unusable") && !format!("{say:?}").contains("mine"), "{say:?}");
    assert_eq!(world.secrets.get(SECRET).await.unwrap(), before);
}

#[tokio::test]
async fn a_rotation_by_command_first_spreads_the_new_authority() {
    let world = World::start().await;
    let (serving, _) = world.replica().await;
    let before = world.until_trusted(&serving).await;
    let leaf = serving.leaf();
    let patch = Patch::Merge(json!({"metadata": {"annotations": {ROTATE: "please"}}}));
    world.secrets.patch(SECRET, &PatchParams::default(), &patch).await.unwrap();
    // Whatever changes has everything looked at: here, the APIService.
    let touch = Patch::Merge(json!({"metadata": {"labels": {"touched": "yes"}}}));
    world.services.patch(VERSIONS[0], &PatchParams::default(), &touch).await.unwrap();
    until("both authorities are trusted", || async {
        let bundle = world.bundle(VERSIONS[1]).await;
        bundle.len() > before.len() && bundle.contains(before.trim())
    })
    .await;
    assert_eq!(serving.leaf(), leaf, "API servers may not know the new one yet");
    let secret = world.secrets.get(SECRET).await.unwrap();
    assert!(secret.metadata.annotations.unwrap_or_default().is_empty(), "a command is done once");
    assert_eq!(world.shared().await, world.bundle(VERSIONS[0]).await);
    // Who starts now has no old leaf to keep.
    let (late, _) = world.replica().await;
    world.until_trusted(&late).await;
}
