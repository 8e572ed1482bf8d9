//! The Metrics API answers as metrics-server does: bodies, errors, identities.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests; clippy.toml lets off only the tests themselves"
)]

mod metrics;

use backend::cluster::Sync;
use backend::http::tls::Peer;
use http::StatusCode;
use http_body_util::BodyExt;
use metrics::{World, authority, leaf, node, pod};
use serde_json::{Value, json};
use std::time::Instant;

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

/// What a request shows: a certificate, a front proxy's headers, a token.
#[derive(Clone, Copy, Debug)]
struct Shown {
    certificate: &'static str,
    headers: bool,
    token: &'static str,
}

/// Who that is, by the rules of Kubernetes' delegated authentication; `None`: nobody, 401.
fn expected(shown: Shown) -> Option<&'static str> {
    let proxied = shown.certificate == "proxy" && shown.headers;
    match (shown.certificate, shown.token) {
        _ if proxied => Some("jane"),
        ("client", _) => Some("joe"),
        (_, "good") => Some("robot"),
        (_, "bad") => None,
        // A front proxy that names nobody says nothing; to the clients' authority it is a stranger.
        ("none", _) => Some("system:anonymous"),
        _ => None,
    }
}

#[tokio::test]
async fn no_combination_of_certificate_headers_and_token_makes_a_stranger_somebody() {
    let world = World::new(15, true);
    let stranger = authority("stranger");
    let (mut seen, mut asked) = (std::collections::BTreeSet::new(), 0);
    for certificate in ["none", "proxy", "misnamed", "client", "foreign"] {
        for headers in [false, true] {
            for token in ["", "good", "bad"] {
                let shown = Shown { certificate, headers, token };
                let peer = match certificate {
                    "proxy" => Some(leaf(&world.proxy, "front-proxy-client")),
                    "misnamed" => Some(leaf(&world.proxy, "somebody")),
                    "client" => Some(leaf(&world.people, "joe")),
                    "foreign" => Some(leaf(&stranger, "front-proxy-client")),
                    _ => None,
                };
                let bearer = format!("Bearer {token}");
                let mut sent: Vec<(&str, &str)> = Vec::new();
                if headers {
                    sent.extend([
                        ("x-remote-user", "jane"),
                        ("x-remote-group", "system:masters-not"),
                        ("x-remote-uid", "0"),
                    ]);
                }
                if !token.is_empty() {
                    sent.push(("authorization", &bearer));
                }
                // A question of its own each time: an answer that is remembered would ask nobody.
                asked += 1;
                let path = format!("/apis/metrics.k8s.io/v1beta1/nodes/nobody-{asked}");
                let status = world.ask("GET", &path, &sent, peer).await.status().as_u16();
                let review = world.server.reviews.lock().pop();
                let name = review.map(|review| review["user"].as_str().unwrap().to_owned());
                let expected = expected(shown);
                assert_eq!(name.as_deref(), expected, "{shown:?}");
                assert_eq!(status, if expected.is_some() { 404 } else { 401 }, "{shown:?}");
                seen.extend(expected);
            }
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["jane", "joe", "robot", "system:anonymous"]);
}
