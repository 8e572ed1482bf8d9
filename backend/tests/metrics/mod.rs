//! The Metrics API over points that a test sets, before an API server that reviews as the test says.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's own setting"
)]

use axum::Router;
use axum::body::Body;
use backend::cluster::kinds::{Meta, Node, Pod, Resources};
use backend::cluster::{Objects, Sync};
use backend::http::tls::Peer;
use backend::kubelet::{ContainerPoint, Coverage, Latest, Meters, Names, NodePage, NodePoint, PodPoints, parse};
use backend::metrics_api::{Config, Parts, build};
use backend::notices::Notices;
use http::Request;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tower::ServiceExt;

pub const T0: f64 = 1_700_000_000.0;

pub fn meta(namespace: &str, name: &str, labels: &[(&str, &str)]) -> Meta {
    Meta {
        id: 1,
        uid: name.into(),
        namespace: namespace.into(),
        name: name.into(),
        labels: labels.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect(),
        created: 0,
        deleted: None,
        owner: None,
    }
}

pub fn node(name: &str, labels: &[(&str, &str)]) -> Node {
    let empty: Arc<str> = "".into();
    Node {
        meta: meta("", name, labels),
        unschedulable: false,
        conditions: [].into(),
        addresses: [].into(),
        kubelet_port: 0,
        metrics_path: None,
        kubelet_key: None,
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

pub fn pod(namespace: &str, name: &str, phase: &str) -> Pod {
    Pod {
        meta: meta(namespace, name, &[]),
        phase: phase.into(),
        reason: None,
        message: None,
        node: None,
        nominated_node: None,
        ip: None,
        qos: None,
        service_account: None,
        host_network: false,
        hostname: None,
        subdomain: None,
        started: None,
        containers: [].into(),
        conditions: [].into(),
        ended: [].into(),
        readiness_gates: [].into(),
    }
}

/// What the API server was asked, and how it answers.
#[derive(Clone)]
pub struct Server {
    pub reviews: Arc<Mutex<Vec<Value>>>,
    pub proxy_ca: String,
    pub client_ca: String,
    pub allow: bool,
}

impl Server {
    pub fn client(&self) -> kube::Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let server = server.clone();
            async move {
                let path = request.uri().path().to_owned();
                if request.uri().query().is_some_and(|query| query.contains("watch=")) {
                    let silence = futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
                    return Ok::<_, tower::BoxError>(http::Response::new(Body::from_stream(silence)));
                }
                let body = request.into_body().collect().await?.to_bytes();
                let answer = server.answer(&path, serde_json::from_slice(&body).unwrap_or_default());
                Ok(http::Response::new(Body::from(answer.to_string())))
            }
        });
        kube::Client::new(service, "default")
    }

    pub fn answer(&self, path: &str, mut asked: Value) -> Value {
        if path.ends_with("/configmaps") {
            let map = json!({"metadata": {"name": "x"}, "data": {
                "client-ca-file": self.client_ca, "requestheader-client-ca-file": self.proxy_ca,
                "requestheader-allowed-names": "[\"front-proxy-client\"]",
                "requestheader-username-headers": "[\"X-Remote-User\"]",
                "requestheader-group-headers": "[\"X-Remote-Group\"]",
                "requestheader-extra-headers-prefix": "[\"X-Remote-Extra-\"]"}});
            return json!({"apiVersion": "v1", "kind": "ConfigMapList", "metadata": {}, "items": [map]});
        }
        if path.ends_with("/tokenreviews") {
            asked["status"] = match asked["spec"]["token"].as_str() {
                Some("good") => json!({"authenticated": true, "user": {"username": "robot", "groups": ["bots"]}}),
                _ => json!({"authenticated": false}),
            };
            return asked;
        }
        self.reviews.lock().push(asked["spec"].clone());
        asked["status"] = json!({"allowed": self.allow});
        asked
    }
}

pub struct World {
    pub objects: Objects,
    pub latest: Latest,
    pub server: Server,
    pub router: Router,
    pub proxy: rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
    pub people: rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
    pub names: Names,
    pub draining: tokio::sync::watch::Sender<bool>,
}

pub fn authority(name: &str) -> rcgen::CertifiedIssuer<'static, rcgen::KeyPair> {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap()
}

pub fn leaf(issuer: &rcgen::Issuer<'_, rcgen::KeyPair>, name: &str) -> Peer {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "team");
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&rcgen::KeyPair::generate().unwrap(), issuer).unwrap();
    Peer { address: ([127, 0, 0, 1], 1).into(), tls: true, certificates: Arc::new([certificate.der().clone()]) }
}

impl World {
    pub fn new(resolution: u64, allow: bool) -> Self {
        let (proxy, people) = (authority("proxy-ca"), authority("client-ca"));
        let server = Server { reviews: Arc::default(), proxy_ca: proxy.pem(), client_ca: people.pem(), allow };
        let objects = Objects::default();
        objects.nodes.set_sync(Sync::Live);
        objects.pods.set_sync(Sync::Live);
        let latest = Latest::new(Duration::from_secs(resolution), 3);
        let config = Config { resolution: Duration::from_secs(resolution), ..Config::default() };
        let (authentication, authorization) = (server.client(), server.client());
        let (draining, is_draining) = tokio::sync::watch::channel(false);
        let parts = Parts {
            authentication,
            authorization,
            latest: latest.clone(),
            objects: objects.clone(),
            coverage: Coverage::default(),
            scraper: Meters::new(Duration::from_secs(resolution)),
            notices: Notices::default(),
            draining: is_draining,
        };
        let (router, authorities) = build(config, parts).unwrap();
        tokio::spawn(authorities.run(std::future::pending()));
        Self { objects, latest, server, router, proxy, people, names: Names::default(), draining }
    }

    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        peer: Option<Peer>,
    ) -> http::Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub async fn text(&self, path: &str) -> (u16, String) {
        let response = self.ask("GET", path, &[], None).await;
        let status = response.status().as_u16();
        (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    pub fn page(&mut self, node: &str, text: &str, round: u64, start: Instant) {
        let parsed = parse::page(text.as_bytes(), &node.into(), 0, true, &mut self.names);
        assert!(!parsed.scrape_error && !parsed.hopeless());
        self.latest.apply(&parsed.page, start + Duration::from_secs(15 * round), &self.objects.pods);
    }
}

pub fn number(value: &Value) -> u64 {
    value.as_f64().unwrap_or_default() as u64
}

pub fn page(node: &str, value: &Value) -> NodePage {
    let millis = |value: &Value| ((T0 + value.as_f64().unwrap()) * 1000.0).round() as i64;
    let cpu = |value: &Value| (value.as_f64().unwrap() * 1e9).round() as u64;
    let point = value.get("node").map(|node| NodePoint {
        at: millis(&node["ts"]),
        cpu: cpu(&node["cpu"]),
        memory: number(&node["mem"]),
        swap: None,
    });
    let pods = value["pods"].as_object().cloned().unwrap_or_default();
    let pods = pods.iter().map(|(key, containers)| {
        let (namespace, name) = key.split_once('/').unwrap();
        let containers = containers.as_object().unwrap().iter().map(|(name, point)| ContainerPoint {
            name: name.as_str().into(),
            at: millis(&point["ts"]),
            cpu: Some(cpu(&point["cpu"])).filter(|cpu| *cpu > 0),
            memory: Some(number(&point["mem"])).filter(|memory| *memory > 0),
            swap: None,
            started: point["start"].as_f64().map(|start| ((T0 + start) * 1e9) as u64),
        });
        PodPoints { namespace: namespace.into(), name: name.into(), containers: containers.collect() }
    });
    NodePage { node: node.into(), asked: 0, scheduled: true, node_point: point, lacks: "", pods: pods.collect() }
}
