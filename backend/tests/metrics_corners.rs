//! What API servers do in their corners, and clients rely on: how paths and parameters are read, what is asked about them,
//! and in which words they are refused.

mod metrics;

use backend::cluster::Sync;
use metrics::{World, leaf, node, page, pod};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const BASE: &str = "/apis/metrics.k8s.io/v1beta1";

/// The status and what was asked of the API server, if anything.
async fn asked(world: &World, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, Option<Value>) {
    let peer =
        headers.iter().any(|(name, _)| name.starts_with("x-remote")).then(|| leaf(&world.proxy, "front-proxy-client"));
    let response = world.ask(method, path, headers, peer).await;
    (response.status().as_u16(), world.server.reviews.lock().pop())
}

async fn message(world: &World, path: &str) -> (u16, Value) {
    let (status, text) = world.text(path).await;
    (status, serde_json::from_str(&text).unwrap_or_default())
}

#[tokio::test]
async fn whatever_is_below_the_group_is_reviewed_as_the_resource_it_names() {
    let world = World::new(15, false);
    for (method, path, attributes, kind) in [
        ("GET", "foo", json!({"verb": "list", "resource": "foo", "version": "v1"}), "foo.metrics.k8s.io"),
        (
            "GET",
            "namespaces/a/pods/p/log",
            json!({"verb": "get", "resource": "pods", "subresource": "log", "name": "p", "namespace": "a", "version": "v1"}),
            "pods.metrics.k8s.io",
        ),
        (
            "DELETE",
            "nodes",
            json!({"verb": "deletecollection", "resource": "nodes", "version": "v1"}),
            "nodes.metrics.k8s.io",
        ),
        ("GET", "watch/nodes", json!({"verb": "watch", "resource": "nodes", "version": "v1"}), "nodes.metrics.k8s.io"),
        (
            "HEAD",
            "nodes/n1",
            json!({"verb": "get", "resource": "nodes", "name": "n1", "version": "v1"}),
            "nodes.metrics.k8s.io",
        ),
    ] {
        let (status, review) = asked(&world, method, &format!("/apis/metrics.k8s.io/v1/{path}"), &[]).await;
        let mut expected = attributes;
        expected["group"] = json!("metrics.k8s.io");
        assert_eq!((status, &review.unwrap()["resourceAttributes"]), (403, &expected), "{method} {path} {kind}");
    }
    let (_, body) = message(&world, "/apis/metrics.k8s.io/v2/nodes/a%2Fb").await;
    let sentence = "nodes.metrics.k8s.io \"a\" is forbidden: User \"system:anonymous\" cannot get resource \"nodes/b\" in API group \"metrics.k8s.io\" at the cluster scope";
    assert_eq!(body["message"], sentence, "paths are parted when they are decoded");
    let (_, body) = message(&world, "/apis/other.io/v1/things").await;
    assert_eq!(body["details"], json!({"group": "other.io", "kind": "things"}));
    // A path that is no resource's is decoded as well, and what could be markup is not.
    let (_, body) = message(&world, "/%6dine%3Cb%3E").await;
    assert_eq!(body["message"], "forbidden: User \"system:anonymous\" cannot get path \"/mine&lt;b&gt;\"");
}

#[tokio::test]
async fn what_is_not_there_is_not_found_whatever_is_done_to_it() {
    let world = World::new(15, true);
    for (method, path, status) in [
        ("POST", format!("{BASE}/foo"), 404),
        ("POST", format!("{BASE}/nodes"), 405),
        ("GET", format!("{BASE}/namespaces/a"), 404),
        ("GET", "/apis/metrics.k8s.io/v2/nodes".to_owned(), 404),
        ("GET", "/apis/other.io/v1/things".to_owned(), 404),
        ("POST", "/nope".to_owned(), 404),
        ("POST", "/metrics".to_owned(), 405),
        ("POST", "/apis".to_owned(), 405),
        ("HEAD", "/version".to_owned(), 405),
        ("HEAD", "/healthz".to_owned(), 200),
        ("HEAD", format!("{BASE}/nodes"), 405),
        ("GET", format!("{BASE}/nodes/"), 200),
    ] {
        assert_eq!(asked(&world, method, &path, &[]).await.0, status, "{method} {path}");
    }
}

#[tokio::test]
async fn what_the_front_proxy_says_is_taken_as_it_is() {
    let world = World::new(15, true);
    let headers = [
        ("x-remote-user", "jörg"),
        ("x-remote-group", "Entwicklung-Süd"),
        ("x-remote-group", ""),
        ("x-remote-extra-Acme.com%2Fproject", "größe"),
    ];
    let (status, review) = asked(&world, "GET", "/metrics", &headers).await;
    let review = review.unwrap();
    assert_eq!((status, &review["user"]), (200, &json!("jörg")));
    assert_eq!(review["groups"], json!(["Entwicklung-Süd", "system:authenticated"]));
    assert_eq!(review["extra"], json!({"acme.com/project": ["größe"]}));
    // What is quoted in a refusal is quoted as Go does it.
    let world = World::new(15, false);
    let headers = [("x-remote-user", "CORP\\jane")];
    let answer = world.ask("GET", "/metrics", &headers, Some(leaf(&world.proxy, "front-proxy-client"))).await;
    let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["message"], "forbidden: User \"CORP\\\\jane\" cannot get path \"/metrics\"");
}

#[tokio::test]
async fn selectors_are_reviewed_whole_and_in_order() {
    let world = World::new(15, true);
    let path = format!("{BASE}/pods?labelSelector=b+in+(y,x),a&fieldSelector=metadata.name%3Dx,spec.nodeName%3Dn1");
    let (status, review) = asked(&world, "GET", &path, &[]).await;
    let attributes = &review.unwrap()["resourceAttributes"];
    assert_eq!((status, &attributes["name"]), (400, &json!("x")));
    let labels = json!([{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "In", "values": ["x", "y"]}]);
    assert_eq!(attributes["labelSelector"]["requirements"], labels);
    let fields = json!([
        {"key": "metadata.name", "operator": "In", "values": ["x"]},
        {"key": "spec.nodeName", "operator": "In", "values": ["n1"]},
    ]);
    assert_eq!(attributes["fieldSelector"]["requirements"], fields);
}

#[tokio::test]
async fn parameters_are_refused_in_kubernetes_words() {
    let world = World::new(15, true);
    for (query, code, sentence) in [
        ("limit=", 400, "strconv.ParseInt: parsing \"\": invalid syntax"),
        ("limit=99999999999999999999", 400, "strconv.ParseInt: parsing \"99999999999999999999\": value out of range"),
        (
            "labelSelector=a+in+()",
            400,
            "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty",
        ),
        ("fieldSelector=metadata.name%3Da%3Db", 400, "invalid field selector: unescaped character in value: 61"),
        ("fieldSelector=metadata.name", 400, "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
        (
            "fieldSelector=a%3Db",
            400,
            "\"a\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
        ),
        (
            "resourceVersionMatch=Exact",
            422,
            "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        (
            "resourceVersionMatch=x&resourceVersion=1",
            422,
            "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Unsupported value: \"x\": supported values: \"Exact\", \"NotOlderThan\", \"\"",
        ),
        // What cannot be read is said before what is not supported.
        (
            "watch=1&fieldSelector=a%3Db",
            400,
            "\"a\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
        ),
        ("watch=", 405, "watch is not supported on resources of kind \"nodes.metrics.k8s.io\""),
    ] {
        let (status, body) = message(&world, &format!("{BASE}/nodes?{query}")).await;
        assert_eq!((status, &body["message"]), (code, &json!(sentence)), "{query}");
    }
    let (_, body) = message(&world, &format!("{BASE}/nodes?resourceVersionMatch=Exact")).await;
    let causes = json!([{
        "reason": "FieldValueForbidden",
        "message": "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        "field": "resourceVersionMatch",
    }]);
    assert_eq!(body["details"]["causes"], causes);
    for query in
        ["watch=FALSE", "watch=0", "limit=500&continue=x&resourceVersion=7", "fieldSelector=metadata.name!%3Da%5C,b"]
    {
        assert_eq!(message(&world, &format!("{BASE}/nodes?{query}")).await.0, 200, "{query}");
    }
    // A single object has no such parameters.
    world.objects.nodes.put(node("n1", &[]));
    for query in ["watch=1", "limit=x", "labelSelector=a+b", "fieldSelector=x%3Dy", "sendInitialEvents=1"] {
        assert_eq!(message(&world, &format!("{BASE}/nodes/n1?{query}")).await.0, 404, "{query}");
    }
}

#[tokio::test]
async fn each_series_is_told_once() {
    let world = World::new(15, true);
    for path in ["v1/nodes", "v1beta1/nodes", "v1/pods", "v1/namespaces/a/pods", "v1/invented"] {
        world.text(&format!("/apis/metrics.k8s.io/{path}")).await;
    }
    let (_, text) = world.text("/metrics").await;
    let mut seen = std::collections::HashSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        assert!(seen.insert(series), "{series} is there twice");
    }
    assert!(!text.contains("invented"), "what clients invent is no series");
    for line in [
        "metrics_server_api_metric_freshness_seconds_bucket{le=\"6.440005257691307\"} ",
        "apiserver_request_duration_seconds_count{verb=\"LIST\",group=\"metrics.k8s.io\",version=\"v1\",resource=\"pods\",scope=\"namespace\"} 1\n",
    ] {
        assert!(text.contains(line), "no {line}");
    }
}

#[tokio::test]
async fn readiness_counts_every_running_pod() {
    let world = World::new(15, true);
    world.objects.nodes.put(node("n1", &[]));
    for name in ["good", "zero", "crashing"] {
        world.objects.pods.put(pod("a", name, "Running"));
    }
    let start = Instant::now();
    let container = |ts: u64, mem: u64| json!({"c": {"start": -1000, "ts": ts, "cpu": 100 + ts, "mem": mem}});
    // One young pod and one that can't be used are not a cluster that only has to wait.
    for (round, code) in [(0, 500), (1, 200)] {
        let ts = 15 * round;
        let pods = json!({"a/good": container(ts, 4096), "a/zero": container(ts, 0)});
        let said = json!({"node": {"ts": ts, "cpu": 100 + ts, "mem": 4096}, "pods": pods});
        world.latest.apply(&page("n1", &said), start + Duration::from_secs(ts), &world.objects.pods);
        let (status, text) = world.text("/readyz?verbose&exclude=b&exclude=a&exclude=a").await;
        assert_eq!(status, code, "{text}");
        assert!(text.contains("no matches for \"a\", \"b\"\n"), "{text}");
    }
    let (_, text) = world.text("/readyz?verbose").await;
    let line = "[i]metric-storage-ready: 1 of 1 nodes, 1 of 3 pods served; 0 waiting for a second sample, 1 IncompleteContainer, 1 NotReportedByKubelet\n";
    assert!(text.ends_with(&format!("{line}readyz check passed\n")), "{text}");
    // A cache whose first list failed holds nothing; one that is cut off later holds what it held.
    world.objects.pods.set_sync(Sync::Stale(1, wire::Say::new("E-STALE")));
    assert_eq!(world.text(&format!("{BASE}/pods")).await.0, 200);
    world.objects.pods.set_sync(Sync::Loading(0));
    world.objects.pods.set_sync(Sync::Stale(1, wire::Say::new("E-STALE")));
    assert_eq!(world.text(&format!("{BASE}/pods")).await.0, 503);
}

/// Rounds may be longer than what is held for: the sample before is the base all the same, unless a scrape failed.
#[tokio::test]
async fn rounds_of_minutes_are_rated_and_a_gap_of_minutes_is_not() {
    let world = World::new(300, true);
    world.objects.nodes.put(node("n1", &[]));
    let start = Instant::now();
    let at = |round: u64| start + Duration::from_secs(300 * round);
    let said = |round: u64| json!({"node": {"ts": 300 * round, "cpu": 100 + 30 * round, "mem": 4096}});
    for round in 0..3 {
        world.latest.apply(&page("n1", &said(round)), at(round), &world.objects.pods);
    }
    assert_eq!(world.latest.node("n1").unwrap().window, 300_000_000_000);
    world.latest.fail(&"n1".into(), wire::Say::new("Timeout"), at(2) + Duration::from_secs(20));
    assert!(world.latest.node("n1").is_ok(), "held");
    // Nobody asks again for two minutes: what is held ends by the clock.
    world.latest.tidy(at(2) + Duration::from_secs(119), |_| true);
    assert!(world.latest.node("n1").is_ok());
    world.latest.tidy(at(2) + Duration::from_secs(120), |_| true);
    assert_eq!(world.latest.node("n1").unwrap_err().reason(), "Timeout");
    world.latest.apply(&page("n1", &said(3)), at(3), &world.objects.pods);
    let why = world.latest.node("n1").unwrap_err();
    assert_eq!(why.reason(), "WaitingForSecondSample");
}
