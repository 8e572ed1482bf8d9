//! Who vouches for client certificates follows the cluster: rotations are in effect at once, outages change nothing.
#![expect(clippy::unwrap_used, reason = "helpers of tests; clippy.toml lets off only the tests themselves")]

use axum::Router;
use axum::body::Body;
use backend::cluster::{Objects, Sync};
use backend::http::tls::Peer;
use backend::kubelet::{Coverage, Latest};
use backend::metrics_api::{Config, build};
use http::Request;
use http_body_util::BodyExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;
use sim::{ApiFault, Cluster, Who};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tower::ServiceExt as _;

const NAME: &str = "extension-apiserver-authentication";
const PROXY: &str = "requestheader-client-ca-file";
const PEOPLE: &str = "client-ca-file";

type Authority = rcgen::CertifiedIssuer<'static, rcgen::KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap()
}

/// A connection by a certificate of this authority.
fn by(authority: &Authority, name: &str) -> Peer {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&rcgen::KeyPair::generate().unwrap(), authority).unwrap();
    Peer { address: ([127, 0, 0, 1], 1).into(), tls: true, certificates: Arc::new([certificate.der().clone()]) }
}

async fn client(cluster: &Cluster, who: Who) -> kube::Client {
    let kubeconfig = kube::config::Kubeconfig::from_yaml(&cluster.kubeconfig(who)).unwrap();
    let options = kube::config::KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    config.default_retry = false; // as the product's
    kube::Client::try_from(config).unwrap()
}

/// The metrics API before a simulated cluster, by the account and the rights that the product has.
struct World {
    cluster: Cluster,
    maps: Api<ConfigMap>,
    router: Router,
}

impl World {
    async fn start(fault: Option<ApiFault>) -> Self {
        let cluster =
            Cluster::start(sim::Config { nodes: 1, pods_per_node: 1, ..sim::Config::default() }).await.unwrap();
        cluster.set_api_fault(fault);
        let latest = Latest::new(Duration::from_secs(15), 3);
        let (own, objects) = (client(&cluster, Who::Taffrail).await, Objects::default());
        objects.nodes.set_sync(Sync::Live);
        objects.pods.set_sync(Sync::Live);
        let (router, authorities) = build(Config::default(), own, latest, objects, Coverage::default());
        tokio::spawn(authorities.run(std::future::pending()));
        let maps = Api::namespaced(client(&cluster, Who::Admin).await, "kube-system");
        Self { cluster, maps, router }
    }

    async fn set(&self, key: &str, pem: &str) {
        let patch = Patch::Merge(json!({"data": {key: pem}}));
        self.maps.patch(NAME, &PatchParams::default(), &patch).await.unwrap();
    }

    /// The status, and what is said, of a request that needs an identity and no right.
    async fn ask(&self, peer: Option<&Peer>) -> (u16, String) {
        let mut request = Request::get("/livez").header("x-remote-user", "jane").body(Body::empty()).unwrap();
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer.clone());
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    async fn until(&self, peer: &Peer, wanted: u16, what: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let found = self.ask(Some(peer)).await;
            if found.0 == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "{what}: expected {wanted}, found {found:?}");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_rotation_is_in_effect_without_a_restart() {
    let world = World::start(None).await;
    for (key, name) in [(PROXY, "front-proxy-client"), (PEOPLE, "joe")] {
        let (old, new) = (authority("old"), authority("new"));
        let (before, after) = (by(&old, name), by(&new, name));
        world.set(key, &old.pem()).await;
        world.until(&before, 200, key).await;
        assert_eq!(world.ask(Some(&after)).await.0, 401, "{key}: the new authority is not known yet");
        // First both, as a rotation goes; then the old one is taken away.
        world.set(key, &format!("{}{}", old.pem(), new.pem())).await;
        world.until(&after, 200, key).await;
        assert_eq!(world.ask(Some(&before)).await.0, 200, "{key}: both are known");
        world.set(key, &new.pem()).await;
        world.until(&before, 401, key).await;
        assert_eq!(world.ask(Some(&after)).await.0, 200, "{key}: the new one alone is known");
    }
}

#[tokio::test]
async fn what_was_read_last_outlives_nonsense_deletion_and_the_api_server() {
    let world = World::start(None).await;
    let (old, new, mark) = (authority("old"), authority("new"), authority("mark"));
    let (before, after) = (by(&old, "joe"), by(&new, "joe"));
    world.set(PEOPLE, &old.pem()).await;
    world.until(&before, 200, "the first").await;
    world.set(PEOPLE, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").await;
    // Changes come in order: with this one in effect, the nonsense has been seen.
    world.set(PROXY, &mark.pem()).await;
    assert_eq!(world.ask(Some(&before)).await.0, 200);
    world.set(PEOPLE, &old.pem()).await;
    world.until(&by(&mark, "front-proxy-client"), 200, "the mark").await;
    assert_eq!(world.ask(Some(&before)).await.0, 200);
    let map = world.maps.get(NAME).await.unwrap();
    world.maps.delete(NAME, &DeleteParams::default()).await.unwrap();
    assert_eq!(world.ask(Some(&before)).await.0, 200);
    // Its version is forgotten in the meantime, so this is found by a new list.
    world.cluster.set_api_fault(Some(ApiFault::WatchExpired));
    let mut map = ConfigMap { data: map.data, ..ConfigMap::default() };
    map.metadata.name = Some(NAME.into());
    map.data.as_mut().unwrap().insert(PEOPLE.into(), new.pem());
    world.maps.create(&kube::api::PostParams::default(), &map).await.unwrap();
    world.until(&after, 200, "the one that was made again").await;
    assert_eq!(world.ask(Some(&before)).await.0, 401);
    let World { cluster, router, maps } = world;
    cluster.stop().await;
    let world = World {
        cluster: Cluster::start(sim::Config { nodes: 1, ..sim::Config::default() }).await.unwrap(),
        router,
        maps,
    };
    for _ in 0..10 {
        assert_eq!(world.ask(Some(&after)).await.0, 200);
        assert_eq!(world.ask(Some(&before)).await.0, 401);
    }
}

#[tokio::test]
async fn no_certificate_is_judged_before_the_first_reading() {
    let world = World::start(Some(ApiFault::Down)).await;
    let ca = authority("ca");
    let joe = by(&ca, "joe");
    let (status, why) = world.ask(Some(&joe)).await;
    assert_eq!(status, 503);
    assert!(why.contains("authentication is not ready") && why.contains("unable to handle the request"), "{why}");
    assert_eq!(world.ask(None).await.0, 200, "who shows none is nobody, as ever");
    world.cluster.set_api_fault(None);
    let began = Instant::now();
    world.set(PEOPLE, &ca.pem()).await;
    world.until(&joe, 200, "after the API server came").await;
    assert!(began.elapsed() < Duration::from_secs(10), "a request hastens the reading: {:?}", began.elapsed());
}

#[tokio::test]
async fn the_rights_are_for_this_one_alone() {
    let world = World::start(None).await;
    let own = client(&world.cluster, Who::Taffrail).await;
    let maps: Api<ConfigMap> = Api::namespaced(own, "kube-system");
    assert!(maps.get(NAME).await.is_ok());
    assert!(maps.get("coredns").await.is_err());
    assert!(maps.list(&kube::api::ListParams::default()).await.is_err(), "no list without the name");
}
