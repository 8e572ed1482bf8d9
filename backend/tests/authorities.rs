//! Who vouches for client certificates follows the cluster: rotations are in effect at once, outages change nothing.
#![expect(clippy::unwrap_used, reason = "helpers of tests; clippy.toml lets off only the tests themselves")]

use axum::Router;
use axum::body::Body;
use backend::cluster::{Objects, Sync};
use backend::http::tls::Peer;
use backend::kubelet::{Coverage, Latest, Meters};
use backend::metrics_api::{Config, Parts, Trusted, build};
use backend::notices::Notices;
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

fn parts(own: kube::Client, latest: Latest, objects: Objects) -> Parts {
    let (_, draining) = tokio::sync::watch::channel(false);
    let (authentication, authorization) = (own.clone(), own);
    let (scraper, notices) = (Meters::new(Duration::from_secs(15)), Notices::default());
    Parts { authentication, authorization, latest, objects, coverage: Coverage::default(), scraper, notices, draining }
}

/// The metrics API before a simulated cluster, by the account and the rights that the product has.
struct World {
    cluster: Cluster,
    maps: Api<ConfigMap>,
    router: Router,
    notices: Notices,
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
        let parts = parts(own, latest, objects);
        let notices = parts.notices.clone();
        let (router, authorities) = build(Config::default(), parts).unwrap();
        tokio::spawn(authorities.run(std::future::pending()));
        let maps = Api::namespaced(client(&cluster, Who::Admin).await, "kube-system");
        Self { cluster, maps, router, notices }
    }

    /// Waits until people are told, or not any more, that the ConfigMap cannot be used.
    async fn until_noticed(&self, wanted: bool) {
        let mut changes = self.notices.version();
        let waiting = async {
            while self.notices.all().iter().any(|(say, _)| say.code == "AUTHENTICATION_CONFIG") != wanted {
                changes.changed().await.unwrap();
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        assert!(ended.is_ok(), "expected {wanted}, found {:?}", self.notices.all());
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
    world.until_noticed(true).await;
    assert_eq!(world.ask(Some(&before)).await.0, 200);
    world.set(PEOPLE, &old.pem()).await;
    world.until(&by(&mark, "front-proxy-client"), 200, "the mark").await;
    world.until_noticed(false).await;
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
    let World { cluster, router, maps, notices } = world;
    cluster.stop().await;
    let world = World {
        cluster: Cluster::start(sim::Config { nodes: 1, ..sim::Config::default() }).await.unwrap(),
        router,
        maps,
        notices,
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

/// A request with the headers of a front proxy that tells users by `x-other-user`.
async fn told(router: &Router, peer: &Peer) -> u16 {
    let request = Request::get("/livez").header("x-other-user", "jane").body(Body::empty()).unwrap();
    let mut request = request;
    request.extensions_mut().insert(peer.clone());
    router.clone().oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn files_of_flags_come_before_the_config_map_and_are_read_again() {
    tokio::time::pause();
    let folder = tempfile::tempdir().unwrap();
    let (path, people_path) = (folder.path().join("proxy.pem"), folder.path().join("people.pem"));
    let (old, new, people) = (authority("old"), authority("new"), authority("people"));
    std::fs::write(&path, old.pem()).unwrap();
    std::fs::write(&people_path, people.pem()).unwrap();
    let trusted = Trusted {
        proxy_ca: Some(path.clone()),
        client_ca: Some(people_path),
        proxy_names: vec!["proxy".into()],
        user_headers: vec!["x-other-user".into()],
        ..Trusted::default()
    };
    // Nobody is asked: there is no API server behind this client.
    let nowhere = tower::service_fn(|_: Request<kube::client::Body>| async {
        Err::<http::Response<Body>, tower::BoxError>("nobody is there".into())
    });
    let client = kube::Client::new(nowhere, "default");
    let objects = Objects::default();
    objects.nodes.set_sync(Sync::Live);
    objects.pods.set_sync(Sync::Live);
    let latest = Latest::new(Duration::from_secs(15), 3);
    let config = Config { trusted: trusted.clone(), ..Config::default() };
    let (router, authorities) = build(config, parts(client.clone(), latest.clone(), objects.clone())).unwrap();
    tokio::spawn(authorities.run(std::future::pending()));
    let (before, after) = (by(&old, "proxy"), by(&new, "proxy"));
    assert_eq!((told(&router, &before).await, told(&router, &after).await), (200, 401));
    assert_eq!(told(&router, &by(&old, "somebody")).await, 401, "its name is not allowed");
    assert_eq!(told(&router, &by(&people, "joe")).await, 200);
    // Nonsense changes nothing; a new authority does.
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(told(&router, &before).await, 200);
    std::fs::write(&path, new.pem()).unwrap();
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!((told(&router, &before).await, told(&router, &after).await), (401, 200));
    let missing = Trusted { proxy_ca: Some(folder.path().join("missing")), ..trusted };
    let config = Config { trusted: missing, ..Config::default() };
    let error = build(config, parts(client, latest, objects)).map(|_| ()).unwrap_err();
    assert!(error.contains("--requestheader-client-ca-file") && error.contains("give a PEM file"), "{error}");
}

#[tokio::test]
async fn who_may_not_read_whom_to_trust_does_not_start_unless_that_is_tolerated() {
    let cluster = Cluster::start(sim::Config { nodes: 1, pods_per_node: 1, ..sim::Config::default() }).await.unwrap();
    let objects = Objects::default();
    objects.nodes.set_sync(Sync::Live);
    objects.pods.set_sync(Sync::Live);
    let latest = Latest::new(Duration::from_secs(15), 3);
    let built = |tolerate_lookup_failure, skip_lookup, own| {
        let trusted = Trusted { tolerate_lookup_failure, skip_lookup, ..Trusted::default() };
        build(Config { trusted, ..Config::default() }, parts(own, latest.clone(), objects.clone())).unwrap()
    };
    let viewer = client(&cluster, Who::Viewer).await;
    let (_, authorities) = built(false, false, viewer.clone());
    // Returns by itself, which ends the process.
    tokio::time::timeout(Duration::from_secs(20), authorities.run(std::future::pending())).await.unwrap();
    // So it is with one that fails for as long as an API server may need to start.
    cluster.set_api_fault(Some(ApiFault::Down));
    let (_, authorities) = built(false, false, viewer.clone());
    let began = Instant::now();
    tokio::time::timeout(Duration::from_secs(30), authorities.run(std::future::pending())).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(10), "{:?}", began.elapsed());
    let (router, authorities) = built(true, false, viewer.clone());
    let run = tokio::spawn(authorities.run(std::future::pending()));
    let joe = by(&authority("ca"), "joe");
    let deadline = Instant::now() + Duration::from_secs(20);
    while told(&router, &joe).await != 200 {
        assert!(Instant::now() < deadline, "a failure is tolerated, whatever it is");
        tokio::task::yield_now().await;
    }
    run.abort();
    cluster.set_api_fault(None);
    for (tolerate, skip) in [(true, false), (false, true)] {
        let (router, authorities) = built(tolerate, skip, viewer.clone());
        let run = tokio::spawn(authorities.run(std::future::pending()));
        // Judged by what there is, which is nothing: a stranger's certificate says nothing about who it is.
        let deadline = Instant::now() + Duration::from_secs(20);
        while told(&router, &joe).await != 200 {
            assert!(Instant::now() < deadline, "tolerate {tolerate}, skip {skip}: nobody is let in");
            tokio::task::yield_now().await;
        }
        assert!(!run.is_finished());
    }
}
