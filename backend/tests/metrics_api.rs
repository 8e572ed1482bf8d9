//! The Metrics API answers as metrics-server does: bodies, errors, identities. Data: `cases/metrics-api.jsonl`, whose
//! first line describes the fields; another folder can be given by `TAFFRAIL_CASES_DIR`.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests; clippy.toml lets off only the tests themselves"
)]

use axum::Router;
use axum::body::Body;
use backend::cluster::kinds::{Meta, Node, Pod, Resources};
use backend::cluster::{Objects, Sync};
use backend::http::tls::Peer;
use backend::kubelet::{ContainerPoint, Coverage, Latest, Names, NodePage, NodePoint, PodPoints, parse};
use backend::metrics_api::{Config, build};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tower::ServiceExt;

const T0: f64 = 1_700_000_000.0;

fn meta(namespace: &str, name: &str, labels: &[(&str, &str)]) -> Meta {
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

fn node(name: &str, labels: &[(&str, &str)]) -> Node {
    let empty: Arc<str> = "".into();
    Node {
        meta: meta("", name, labels),
        unschedulable: false,
        conditions: [].into(),
        addresses: [].into(),
        kubelet_port: 0,
        metrics_path: None,
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

fn pod(namespace: &str, name: &str, phase: &str) -> Pod {
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
        readiness_gates: [].into(),
    }
}

/// What the API server was asked, and how it answers.
#[derive(Clone)]
struct Server {
    reviews: Arc<Mutex<Vec<Value>>>,
    proxy_ca: String,
    client_ca: String,
    allow: bool,
}

impl Server {
    fn client(&self) -> kube::Client {
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

    fn answer(&self, path: &str, mut asked: Value) -> Value {
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

struct World {
    objects: Objects,
    latest: Latest,
    server: Server,
    router: Router,
    proxy: rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
    people: rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
    names: Names,
}

fn authority(name: &str) -> rcgen::CertifiedIssuer<'static, rcgen::KeyPair> {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap()
}

fn leaf(issuer: &rcgen::Issuer<'_, rcgen::KeyPair>, name: &str) -> Peer {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "team");
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&rcgen::KeyPair::generate().unwrap(), issuer).unwrap();
    Peer { address: ([127, 0, 0, 1], 1).into(), tls: true, certificates: Arc::new([certificate.der().clone()]) }
}

impl World {
    fn new(resolution: u64, allow: bool) -> Self {
        let (proxy, people) = (authority("proxy-ca"), authority("client-ca"));
        let server = Server { reviews: Arc::default(), proxy_ca: proxy.pem(), client_ca: people.pem(), allow };
        let objects = Objects::default();
        objects.nodes.set_sync(Sync::Live);
        objects.pods.set_sync(Sync::Live);
        let latest = Latest::new(Duration::from_secs(resolution), 3);
        let config = Config { resolution: Duration::from_secs(resolution), ..Config::default() };
        let (router, authorities) =
            build(config, server.client(), latest.clone(), objects.clone(), Coverage::default());
        tokio::spawn(authorities.run(std::future::pending()));
        Self { objects, latest, server, router, proxy, people, names: Names::default() }
    }

    async fn ask(
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

    async fn text(&self, path: &str) -> (u16, String) {
        let response = self.ask("GET", path, &[], None).await;
        let status = response.status().as_u16();
        (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    fn page(&mut self, node: &str, text: &str, round: u64, start: Instant) {
        let parsed = parse::page(text.as_bytes(), &node.into(), 0, true, &mut self.names);
        assert!(!parsed.scrape_error && !parsed.hopeless());
        self.latest.apply(&parsed.page, start + Duration::from_secs(15 * round), &self.objects.pods);
    }
}

fn number(value: &Value) -> u64 {
    value.as_f64().unwrap_or_default() as u64
}

fn page(node: &str, value: &Value) -> NodePage {
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
    NodePage { node: node.into(), asked: 0, scheduled: true, node_point: point, pods: pods.collect() }
}

/// Whether every field of `expected` is in `found` with that value.
#[track_caller]
fn check_subset(id: &str, expected: &Value, found: &Value) {
    match expected {
        Value::Object(fields) => {
            for (key, value) in fields {
                if key == "timestamp_off" {
                    let at = T0 as i64 + value.as_f64().unwrap().floor() as i64;
                    let at = jiff::Timestamp::from_second(at).unwrap().to_string();
                    assert_eq!(found["timestamp"], json!(at), "{id}: {found}");
                } else {
                    check_subset(id, value, &found[key]);
                }
            }
        }
        Value::Array(items) => {
            assert_eq!(items.len(), found.as_array().map_or(0, Vec::len), "{id}: {found}");
            for (n, item) in items.iter().enumerate() {
                check_subset(id, item, &found[n]);
            }
        }
        other => assert_eq!(other, found, "{id}"),
    }
}

/// Read when the test runs: one build is run against several folders.
#[expect(clippy::disallowed_methods, reason = "the acceptance set's folder; no configuration of the product")]
fn cases() -> String {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases").to_owned();
    let folder = std::env::var("TAFFRAIL_CASES_DIR").unwrap_or(own);
    std::fs::read_to_string(format!("{folder}/metrics-api.jsonl")).unwrap()
}

#[tokio::test]
async fn the_shared_cases_of_storage_hold() {
    let cases = cases();
    let mut ran = 0;
    for case in cases.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let (Some(rounds), Some(checks)) = (case["scrapes"].as_array(), case["checks"].as_array()) else { continue };
        if case.get("superseded_by").is_some() {
            continue;
        }
        let id = case["id"].as_str().unwrap();
        let resolution = case["config"]["metric_resolution"].as_str().unwrap_or("15s").trim_end_matches('s');
        let world = World::new(resolution.parse().unwrap(), true);
        for name in case["nodes"].as_array().unwrap() {
            world.objects.nodes.put(node(name.as_str().unwrap(), &[]));
        }
        for name in case["pods"].as_array().unwrap() {
            let (namespace, name) = name.as_str().unwrap().split_once('/').unwrap();
            world.objects.pods.put(pod(namespace, name, "Running"));
        }
        let start = Instant::now();
        for (n, round) in rounds.iter().enumerate() {
            let now = start + Duration::from_secs(n as u64 * 15);
            for (name, said) in round.as_object().unwrap() {
                if said.is_string() {
                    world.latest.fail(&name.as_str().into(), wire::Say::new("HTTPStatus"), now);
                } else {
                    world.latest.apply(&page(name, said), now, &world.objects.pods);
                }
            }
            for check in checks.iter().filter(|check| check["after"] == json!(n + 1)) {
                let expect = &check["expect"];
                let (status, text) = world.text(check["request"]["path"].as_str().unwrap()).await;
                assert_eq!(json!(status), expect["status"], "{id}: {text}");
                if let Some(expected) = expect.get("json") {
                    check_subset(id, expected, &serde_json::from_str(&text).unwrap());
                }
                ran += 1;
            }
        }
    }
    assert!(ran >= 20, "only {ran} checks ran");
}

/// The case's lines as they are served the `n`-th time: counters and times have moved on, bad values have not.
fn served(lines: &Value, n: u32) -> String {
    let moved = |line: &str| {
        let name = line.split(['{', ' ']).next().unwrap();
        let (series, rest) = line.split_at(line.find("} ").map_or_else(|| line.find(' ').unwrap(), |end| end + 1));
        let mut words = rest.split_whitespace();
        let value: f64 = words.next().unwrap().parse().unwrap();
        let value = if name.ends_with("_total") && value > 0.0 { value + f64::from(n) } else { value };
        let at = words.next().map(|at| at.parse::<i64>().unwrap());
        let at = at.map_or_else(String::new, |at| format!(" {}", if at < 0 { at } else { at + i64::from(n) * 15_000 }));
        format!("{series} {value}{at}\n")
    };
    lines.as_array().unwrap().iter().map(|line| moved(line.as_str().unwrap())).collect()
}

fn millis(time: &Value) -> i64 {
    time.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

#[tokio::test]
async fn the_shared_cases_of_decoding_hold() {
    let (mut ran, start) = (Vec::new(), Instant::now());
    for case in cases().lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        if case.get("superseded_by").is_some() || !case["input"]["scrape_body"].is_array() {
            continue;
        }
        let (id, expect) = (case["id"].as_str().unwrap(), &case["expect"]);
        let mut world = World::new(15, true);
        world.objects.nodes.put(node("n1", &[]));
        let coredns = ("kube-system", "coredns-558bd4d5db-4dpjz");
        for (namespace, name) in [coredns, ("kubernetes-dashboard", "a")] {
            world.objects.pods.put(pod(namespace, name, "Running"));
        }
        for n in 0..2 {
            let text = served(&case["input"]["scrape_body"], n);
            let parsed = parse::page(text.as_bytes(), &"n1".into(), 0, true, &mut world.names);
            let good = !parsed.scrape_error && !parsed.hopeless();
            assert_eq!(json!(good.to_string()), expect["kubelet_request_total"]["success"], "{id}");
            let wrong = expect["samples_delta_per_scrape"][0][2].as_u64().unwrap_or_default();
            assert_eq!(parsed.problems.len() as u64, wrong, "{id}: {:?}", parsed.problems);
            if let (0, Some(decoded)) = (n, expect.get("decoded")) {
                let (own, container) = (parsed.page.node_point.unwrap(), &parsed.page.pods[0].containers[0]);
                let wanted = &decoded["node"];
                assert_eq!((own.at, own.cpu), (millis(&wanted["ts"]), number(&wanted["cpu_ns"])), "{id}");
                assert_eq!(own.memory, number(&wanted["mem"]), "{id}");
                let wanted = &decoded["container"];
                assert_eq!((container.at, container.cpu), (millis(&wanted["ts"]), wanted["cpu_ns"].as_u64()), "{id}");
                assert_eq!(container.memory, wanted["mem"].as_u64(), "{id}");
                assert_eq!(container.started, Some(millis(&wanted["start"]).unsigned_abs() * 1_000_000), "{id}");
            }
            world.latest.apply(&parsed.page, start + Duration::from_secs(15 * u64::from(n)), &world.objects.pods);
        }
        let (status, own) = world.text("/apis/metrics.k8s.io/v1beta1/nodes/n1").await;
        assert_eq!(json!(status == 200), expect["node_present"], "{id}: {own}");
        let list: Value = serde_json::from_str(&world.text("/apis/metrics.k8s.io/v1beta1/pods").await.1).unwrap();
        let name =
            |item: &Value| format!("{}/{}", item["metadata"]["namespace"], item["metadata"]["name"]).replace('"', "");
        let present: Vec<String> = list["items"].as_array().unwrap().iter().map(name).collect();
        assert_eq!(json!(present), expect["pods_present"], "{id}");
        if let Some(quantity) = expect["decoded"].get("memory_quantity") {
            let own: Value = serde_json::from_str(&own).unwrap();
            assert_eq!(own["usage"]["memory"], quantity["node"], "{id}");
            assert_eq!(list["items"][0]["containers"][0]["usage"]["memory"], quantity["container"], "{id}");
        }
        if case["taffrail"] == json!("the reason names container side and the missing memory") {
            let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods/{}", coredns.0, coredns.1);
            let told = world.ask("GET", &path, &[("user-agent", "kubectl/v1.32.4")], None).await;
            let warning = told.headers()["warning"].to_str().unwrap();
            assert!(warning.contains("side") && warning.contains("memory"), "{id}: {warning}");
        }
        ran.push(id.to_owned());
    }
    assert!(ran.len() >= 5, "only {ran:?} ran");
}

#[test]
fn the_shared_cases_of_labels_hold() {
    let mut ran = 0;
    for case in cases().lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        for input in case["inputs"].as_array().into_iter().flatten().filter(|input| input["line"].is_string()) {
            let (line, expect) = (input["line"].as_str().unwrap(), &input["expect"]);
            let parsed = parse::page(line.as_bytes(), &"n1".into(), 0, true, &mut Names::default());
            assert_eq!(parsed.problems, [], "{}: {line}", case["id"]);
            let [pod] = &*parsed.page.pods else { panic!("{}: {line}: {:?}", case["id"], parsed.page) };
            let found = json!({"namespace": &*pod.namespace, "pod": &*pod.name, "container": &*pod.containers[0].name});
            assert_eq!(&found, expect, "{}: {line}", case["id"]);
            assert_eq!(pod.containers[0].cpu, Some(1_000_000_000));
            ran += 1;
        }
    }
    assert!(ran >= 3, "only {ran} lines were read");
}

#[tokio::test]
async fn three_recorded_pages_give_the_worked_example() {
    let mut world = World::new(15, true);
    world.objects.nodes.put(node("node-a", &[]));
    for name in ["burn-786bfffb47-jwbwg", "burn-786bfffb47-mr27b", "crash"] {
        world.objects.pods.put(pod("default", name, "Running"));
    }
    let start = Instant::now();
    let (nodes, pods) =
        ("/apis/metrics.k8s.io/v1beta1/nodes/node-a", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods");
    let one = include_str!("fixtures/metrics-resource-1.txt");
    world.page("node-a", one, 0, start);
    assert_eq!(world.text(nodes).await.0, 404);
    assert!(world.text(pods).await.1.ends_with("\"items\":[]}\n"));
    world.page("node-a", include_str!("fixtures/metrics-resource-2.txt"), 1, start);
    let (_, text) = world.text(nodes).await;
    assert!(text.ends_with(
        "\"timestamp\":\"2026-11-20T19:47:00Z\",\"window\":\"10.013s\",\"usage\":{\"cpu\":\"1991469449n\",\"memory\":\"2467092Ki\",\"swap\":\"0\"}}\n"
    ), "{text}");
    world.page("node-a", include_str!("fixtures/metrics-resource-3.txt"), 2, start);
    let list: Value = serde_json::from_str(&world.text(pods).await.1).unwrap();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{list}");
    assert_eq!(items[0]["timestamp"], "2026-11-20T19:47:22Z");
    assert_eq!(items[0]["window"], "15.049s");
    assert_eq!(items[0]["containers"][0]["usage"]["cpu"], "81883820n");
    assert_eq!(items[0]["containers"][1]["usage"], json!({"cpu": "0", "memory": "212Ki", "swap": "0"}));
    assert_eq!(items[1]["window"], "15.053s");
    assert_eq!(items[1]["containers"][0]["usage"]["memory"], "588Ki");
}

#[tokio::test]
async fn bodies_are_exact() {
    let world = World::new(15, true);
    world.objects.nodes.put(node("n1", &[("a", "b")]));
    world.objects.pods.put(pod("ns1", "done", "Succeeded"));
    world.objects.pods.put(pod("ns1", "young", "Running"));
    let base = "/apis/metrics.k8s.io/v1beta1";
    let table = [
        ("/pods", 200, r#"{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[]}"#),
        (
            "/nodes/x",
            404,
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"node \"x\" not found","reason":"NotFound","details":{"name":"x","kind":"node"},"code":404}"#,
        ),
        (
            "/nodes/n1",
            404,
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"nodemetrics.metrics.k8s.io \"n1\" not found","reason":"NotFound","details":{"name":"n1","group":"metrics.k8s.io","kind":"nodemetrics"},"code":404}"#,
        ),
        (
            "/namespaces/ns1/pods/done",
            404,
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods \"done\" not found","reason":"NotFound","details":{"name":"done","kind":"pods"},"code":404}"#,
        ),
        (
            "/namespaces/ns1/pods/young",
            404,
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"podmetrics.metrics.k8s.io \"ns1/young\" not found","reason":"NotFound","details":{"name":"ns1/young","group":"metrics.k8s.io","kind":"podmetrics"},"code":404}"#,
        ),
        (
            "/nodes?watch=1",
            405,
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"watch is not supported on resources of kind \"nodes.metrics.k8s.io\"","reason":"MethodNotAllowed","details":{"group":"metrics.k8s.io","kind":"nodes"},"code":405}"#,
        ),
        (
            "/pods?fieldSelector=spec.nodeName%3Dx",
            400,
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"\"spec.nodeName\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"","reason":"BadRequest","code":400}"#,
        ),
        (
            "/pods?limit=x",
            400,
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"strconv.ParseInt: parsing \"x\": invalid syntax","reason":"BadRequest","code":400}"#,
        ),
        (
            "/nope",
            404,
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the server could not find the requested resource","reason":"NotFound","details":{},"code":404}"#,
        ),
    ];
    for (path, status, body) in table {
        assert_eq!(world.text(&format!("{base}{path}")).await, (status, format!("{body}\n")), "{path}");
    }
    for method in ["HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(world.ask(method, &format!("{base}/nodes"), &[], None).await.status(), 405, "{method}");
    }
    assert_eq!(world.ask("GET", &format!("{base}/pods?labelSelector=a%20b"), &[], None).await.status(), 400);
    let agent = [("user-agent", "kubectl/v1.32.4")];
    let told = world.ask("GET", &format!("{base}/nodes/n1"), &agent, None).await;
    assert!(told.headers()["warning"].to_str().unwrap().starts_with("299 - \"node n1 has no metrics"));
    assert!(told.headers().contains_key("audit-id"));
}

#[tokio::test]
async fn discovery_is_served_before_any_data() {
    let world = World::new(15, true);
    world.objects.pods.set_sync(Sync::Loading(1));
    assert_eq!(world.text("/apis/metrics.k8s.io/v1beta1/nodes").await.0, 503);
    assert_eq!(world.text("/apis/metrics.k8s.io/v1/").await.0, 200);
    let accept = "application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io,application/json";
    let answer = world.ask("GET", "/apis", &[("accept", accept)], None).await;
    let kind = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    assert_eq!(answer.headers()["content-type"], kind);
    let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
    let again = world.ask("GET", "/apis", &[("accept", accept), ("if-none-match", &tag)], None).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["items"][0]["versions"][1]["resources"][1]["scope"], "Namespaced");
    let plain: Value = serde_json::from_str(&world.text("/apis").await.1).unwrap();
    assert_eq!(plain["groups"][0]["preferredVersion"]["version"], "v1");
    assert_eq!(world.text("/readyz").await.0, 500);
}

/// The user and groups of the review that a request caused; `None`: it caused none.
async fn reviewed(world: &World, headers: &[(&str, &str)], peer: Option<Peer>) -> (u16, Option<(String, Value)>) {
    let response = world.ask("GET", "/apis/metrics.k8s.io/v1beta1/nodes", headers, peer).await;
    let spec = world.server.reviews.lock().pop();
    let who = spec.map(|spec| (spec["user"].as_str().unwrap().to_owned(), spec["groups"].clone()));
    (response.status().as_u16(), who)
}

#[tokio::test]
async fn only_a_verified_front_proxy_speaks_for_others() {
    let world = World::new(15, true);
    let jane = [("x-remote-user", "jane"), ("x-remote-group", "dev"), ("x-remote-group", "qa")];
    let stranger = authority("proxy-ca");
    let anonymous = Some(("system:anonymous".to_owned(), json!(["system:unauthenticated"])));
    let told = Some(("jane".to_owned(), json!(["dev", "qa", "system:authenticated"])));
    assert_eq!(reviewed(&world, &jane, None).await, (200, anonymous));
    assert_eq!(reviewed(&world, &jane, Some(leaf(&world.proxy, "front-proxy-client"))).await, (200, told));
    assert_eq!(reviewed(&world, &jane, Some(leaf(&stranger, "front-proxy-client"))).await, (401, None));
    assert_eq!(reviewed(&world, &jane, Some(leaf(&world.proxy, "somebody"))).await, (401, None));
    let own = Some(("joe".to_owned(), json!(["team", "system:authenticated"])));
    assert_eq!(reviewed(&world, &jane, Some(leaf(&world.people, "joe"))).await, (200, own));
    // An unknown certificate with a good token passes.
    let robot = Some(("robot".to_owned(), json!(["bots", "system:authenticated"])));
    let token = [("authorization", "Bearer good"), ("x-remote-user", "jane")];
    assert_eq!(reviewed(&world, &token, Some(leaf(&stranger, "x"))).await, (200, robot));
    assert_eq!(reviewed(&world, &[("authorization", "Bearer bad")], None).await, (401, None));
    let master = [("x-remote-user", "system:kube-aggregator"), ("x-remote-group", "system:masters")];
    assert_eq!(reviewed(&world, &master, Some(leaf(&world.proxy, "front-proxy-client"))).await, (200, None));
}

#[tokio::test]
async fn a_denial_names_user_verb_and_scope() {
    let world = World::new(15, false);
    let (status, text) = world.text("/apis/metrics.k8s.io/v1beta1/nodes").await;
    assert_eq!(status, 403);
    let body: Value = serde_json::from_str(&text).unwrap();
    let message = "nodes.metrics.k8s.io is forbidden: User \"system:anonymous\" cannot list resource \"nodes\" in API group \"metrics.k8s.io\" at the cluster scope";
    assert_eq!(body["message"], message);
    let (_, text) = world.text("/apis/metrics.k8s.io/v1beta1/namespaces/ns1/pods/p1").await;
    assert!(text.contains("cannot get resource") && text.contains("in the namespace \\\"ns1\\\""), "{text}");
    assert!(world.text("/metrics").await.1.contains("forbidden: User \\\"system:anonymous\\\" cannot get path"));
    assert_eq!(world.text("/livez").await.0, 200);
    // The same question again is answered from the cache.
    let before = world.server.reviews.lock().len();
    world.text("/metrics").await;
    assert_eq!(world.server.reviews.lock().len(), before);
}
