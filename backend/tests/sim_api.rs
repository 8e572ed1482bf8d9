//! What a client sees of the simulated API server: pages, watches, bookmarks, expiry, conflicts, reviews, faults.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

use futures::{Stream, TryStreamExt};
use http::{Method, Request};
use kube::core::WatchEvent;
use serde_json::{Value, json};
use sim::{ApiFault, Clock, Cluster, Config, Who};
use std::collections::BTreeSet;
use std::time::Duration;

const START: i64 = 1_795_204_000_000;

async fn client(cluster: &Cluster, who: Who) -> kube::Client {
    let kubeconfig = kube::config::Kubeconfig::from_yaml(&cluster.kubeconfig(who)).unwrap();
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
    config.default_retry = false;
    kube::Client::try_from(config).unwrap()
}

async fn ask(client: &kube::Client, method: Method, path: &str, body: &Value) -> Result<Value, u16> {
    let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = Request::builder().method(method).uri(path).header("content-type", kind).body(body).unwrap();
    match client.request::<Value>(request).await {
        Ok(value) => Ok(value),
        Err(kube::Error::Api(status)) => Err(status.code),
        Err(error) => panic!("{path}: {error}"),
    }
}

async fn get(client: &kube::Client, path: &str) -> Result<Value, u16> {
    ask(client, Method::GET, path, &Value::Null).await
}

fn names(list: &Value) -> Vec<String> {
    let name = |object: &Value| format!("{}/{}", object["metadata"]["namespace"], object["metadata"]["name"]);
    list["items"].as_array().unwrap().iter().map(name).collect()
}

fn version(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

fn config_map(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"a": "b"}})
}

const MAPS: &str = "/api/v1/namespaces/orders/configmaps";

/// Type and object of the next event.
async fn next(
    events: &mut (impl Stream<Item = Result<WatchEvent<Value>, kube::Error>> + Unpin),
) -> (&'static str, Value) {
    let event = tokio::time::timeout(Duration::from_secs(20), events.try_next()).await.expect("an event in time");
    match event.unwrap().expect("the watch goes on") {
        WatchEvent::Added(object) => ("ADDED", object),
        WatchEvent::Modified(object) => ("MODIFIED", object),
        WatchEvent::Deleted(object) => ("DELETED", object),
        WatchEvent::Bookmark(mark) => {
            ("BOOKMARK", json!({"metadata": {"resourceVersion": mark.metadata.resource_version}}))
        }
        WatchEvent::Error(status) => ("ERROR", json!({"code": status.code, "reason": status.reason})),
    }
}

async fn watch(
    client: &kube::Client,
    path: &str,
) -> impl Stream<Item = Result<WatchEvent<Value>, kube::Error>> + Unpin + use<> {
    Box::pin(client.request_events::<Value>(Request::get(path).body(Vec::new()).unwrap()).await.unwrap())
}

#[tokio::test]
async fn pages_are_the_whole_list_once_and_tell_what_is_left() {
    let cluster = Cluster::start(Config { clock: Clock::manual(START), ..Config::default() }).await.unwrap();
    let client = client(&cluster, Who::Admin).await;
    let whole = get(&client, "/api/v1/pods").await.unwrap();
    let (mut seen, mut token, mut left) = (Vec::new(), String::new(), Vec::new());
    loop {
        let page = get(&client, &format!("/api/v1/pods?limit=50&continue={token}")).await.unwrap();
        assert_eq!(version(&page), version(&whole));
        seen.extend(names(&page));
        left.extend(page["metadata"]["remainingItemCount"].as_u64());
        match page["metadata"]["continue"].as_str() {
            Some(more) => more.clone_into(&mut token),
            None => break,
        }
    }
    assert_eq!((seen, left), (names(&whole), vec![110, 60, 10]));
    assert_eq!(get(&client, "/api/v1/pods?limit=50&continue=nonsense").await, Err(400));
}

#[tokio::test]
async fn what_is_older_than_what_is_remembered_has_expired() {
    let config = Config { history: 4, clock: Clock::manual(START), ..Config::default() };
    let cluster = Cluster::start(config).await.unwrap();
    let client = client(&cluster, Who::Admin).await;
    let page = get(&client, "/api/v1/configmaps?limit=1").await.unwrap();
    let (since, token) = (version(&page), page["metadata"]["continue"].as_str().unwrap().to_owned());
    let more = format!("/api/v1/configmaps?limit=1&continue={token}");
    let old = format!("/api/v1/configmaps?watch=1&resourceVersion={since}");
    for round in 0..6 {
        let map = config_map(&format!("m{round}"), &json!({}));
        ask(&client, Method::POST, MAPS, &map).await.unwrap();
        if round < 3 {
            assert!(get(&client, &more).await.is_ok());
        }
    }
    assert_eq!(get(&client, &more).await, Err(410));
    let (kind, status) = next(&mut watch(&client, &old).await).await;
    assert_eq!((kind, &status["code"], &status["reason"]), ("ERROR", &json!(410), &json!("Expired")));
    // From a version of the future nothing can be told either.
    let future = "/api/v1/configmaps?watch=1&resourceVersion=99999999";
    assert_eq!(next(&mut watch(&client, future).await).await.0, "ERROR");
}

#[tokio::test]
async fn a_watch_tells_every_change_once_and_goes_on_from_its_bookmark() {
    let config = Config { bookmarks: Duration::from_millis(20), ..Config::default() };
    let cluster = Cluster::start(config).await.unwrap();
    let client = client(&cluster, Who::Admin).await;
    let since = version(&get(&client, MAPS).await.unwrap());
    let path = |since: &str| format!("{MAPS}?watch=1&allowWatchBookmarks=true&resourceVersion={since}");
    let mut events = watch(&client, &path(&since)).await;
    ask(&client, Method::POST, MAPS, &config_map("seen", &json!({}))).await.unwrap();
    ask(&client, Method::PATCH, &format!("{MAPS}/seen"), &json!({"data": {"a": "c"}})).await.unwrap();
    let mut heard = Vec::new();
    let mark = loop {
        let (kind, object) = next(&mut events).await;
        match kind {
            "BOOKMARK" if heard.len() == 2 => break version(&object),
            "BOOKMARK" => {}
            _ => heard.push((kind, object["data"]["a"].clone())),
        }
    };
    assert_eq!(heard, [("ADDED", json!("b")), ("MODIFIED", json!("c"))]);
    drop(events);
    ask(&client, Method::DELETE, &format!("{MAPS}/seen"), &Value::Null).await.unwrap();
    let mut events = watch(&client, &path(&mark)).await;
    let gone = loop {
        let (kind, object) = next(&mut events).await;
        if kind != "BOOKMARK" {
            break (kind, object["metadata"]["name"].clone());
        }
    };
    assert_eq!(gone, ("DELETED", json!("seen")));
}

#[tokio::test]
async fn a_watch_with_a_selector_sees_objects_come_and_go_as_their_labels_do() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let client = client(&cluster, Who::Admin).await;
    let mut events = watch(&client, &format!("{MAPS}?watch=1&labelSelector=tier%3Dfront&resourceVersion=0")).await;
    ask(&client, Method::POST, MAPS, &config_map("other", &json!({"tier": "back"}))).await.unwrap();
    ask(&client, Method::POST, MAPS, &config_map("mine", &json!({"tier": "front"}))).await.unwrap();
    let labels = |tier: &str| json!({"metadata": {"labels": {"tier": tier}}});
    ask(&client, Method::PATCH, &format!("{MAPS}/mine"), &labels("back")).await.unwrap();
    ask(&client, Method::PATCH, &format!("{MAPS}/other"), &labels("front")).await.unwrap();
    for (kind, name) in [("ADDED", "mine"), ("DELETED", "mine"), ("ADDED", "other")] {
        let (heard, object) = next(&mut events).await;
        assert_eq!((heard, &object["metadata"]["name"]), (kind, &json!(name)));
    }
}

#[tokio::test]
async fn writers_that_are_late_or_wrong_are_told_so() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let client = client(&cluster, Who::Admin).await;
    let mut map = ask(&client, Method::POST, MAPS, &config_map("one", &json!({}))).await.unwrap();
    assert_eq!(ask(&client, Method::POST, MAPS, &config_map("one", &json!({}))).await, Err(409));
    let path = format!("{MAPS}/one");
    ask(&client, Method::PATCH, &path, &json!({"data": {"a": "c"}})).await.unwrap();
    map["data"]["a"] = json!("late");
    assert_eq!(ask(&client, Method::PUT, &path, &map).await, Err(409));
    map["metadata"]["resourceVersion"] = json!(version(&get(&client, &path).await.unwrap()));
    assert_eq!(ask(&client, Method::PUT, &path, &map).await.unwrap()["data"]["a"], "late");
    assert_eq!(ask(&client, Method::DELETE, &format!("{MAPS}/two"), &Value::Null).await, Err(404));
    assert_eq!(get(&client, "/api/v1/namespaces/orders/nonsense").await, Err(404));
}

#[tokio::test]
async fn a_deployment_takes_what_it_owned_with_it() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let client = client(&cluster, Who::Admin).await;
    let pods = "/api/v1/namespaces/orders/pods?labelSelector=app%3Dcart";
    let list = get(&client, pods).await.unwrap();
    assert_eq!(names(&list).len(), 2);
    let since = version(&list);
    let mut events = watch(&client, &format!("{pods}&watch=1&resourceVersion={since}")).await;
    let cart = "/apis/apps/v1/namespaces/orders/deployments/cart";
    ask(&client, Method::DELETE, cart, &Value::Null).await.unwrap();
    let mut gone = BTreeSet::new();
    while gone.len() < 2 {
        let (kind, object) = next(&mut events).await;
        if kind == "DELETED" {
            gone.insert(object["metadata"]["name"].to_string());
        }
    }
    assert_eq!(names(&get(&client, pods).await.unwrap()), Vec::<String>::new());
}

#[tokio::test]
async fn reviews_say_what_requests_meet() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let (taffrail, viewer) = (client(&cluster, Who::Taffrail).await, client(&cluster, Who::Viewer).await);
    let authentication = "/apis/authentication.k8s.io/v1";
    let authorization = "/apis/authorization.k8s.io/v1";
    let review = |kind: &str, spec: Value| json!({"kind": kind, "spec": spec});

    let path = format!("{authentication}/tokenreviews");
    let token = review("TokenReview", json!({"token": cluster.tokens().viewer}));
    let known = ask(&taffrail, Method::POST, &path, &token).await.unwrap();
    assert_eq!(
        (&known["status"]["authenticated"], &known["status"]["user"]["username"]),
        (&json!(true), &json!("viewer"))
    );
    let unknown = ask(&taffrail, Method::POST, &path, &review("TokenReview", json!({"token": "x"}))).await.unwrap();
    assert_eq!(unknown["status"]["authenticated"], false);
    assert_eq!(ask(&viewer, Method::POST, &path, &token).await, Err(403));
    let own = ask(&viewer, Method::POST, &format!("{authentication}/selfsubjectreviews"), &json!({})).await.unwrap();
    assert_eq!(own["status"]["userInfo"]["username"], "viewer");

    let rules = format!("{authorization}/selfsubjectrulesreviews");
    for namespace in ["orders", "media"] {
        let spec = json!({"namespace": namespace});
        let told = ask(&viewer, Method::POST, &rules, &review("SelfSubjectRulesReview", spec)).await.unwrap();
        assert_eq!(told["status"]["incomplete"], false);
        let told = told["status"]["resourceRules"].as_array().unwrap().clone();
        for (group, resource) in [("", "pods"), ("", "secrets"), ("", "namespaces"), ("apps", "deployments")] {
            for verb in ["get", "list", "delete"] {
                let has = |rule: &Value, key: &str, wanted: &str| {
                    rule[key].as_array().into_iter().flatten().any(|one| one == wanted || one == "*")
                };
                let by_rules = told.iter().any(|rule| {
                    has(rule, "apiGroups", group) && has(rule, "resources", resource) && has(rule, "verbs", verb)
                });
                let asked = json!({"verb": verb, "group": group, "resource": resource, "namespace": namespace});
                let spec = json!({"resourceAttributes": asked});
                let access = format!("{authorization}/selfsubjectaccessreviews");
                let own = ask(&viewer, Method::POST, &access, &review("SelfSubjectAccessReview", spec)).await.unwrap();
                let spec = json!({"user": "viewer", "groups": ["system:authenticated"], "resourceAttributes": asked});
                let access = format!("{authorization}/subjectaccessreviews");
                let other = ask(&taffrail, Method::POST, &access, &review("SubjectAccessReview", spec)).await.unwrap();
                let what = format!("{verb} {resource} in {namespace}");
                assert_eq!(own["status"]["allowed"], by_rules, "{what}");
                assert_eq!(other["status"]["allowed"], by_rules, "{what}");
            }
        }
        let listed = get(&viewer, &format!("/api/v1/namespaces/{namespace}/pods")).await;
        assert_eq!(listed.is_ok(), namespace == "orders");
    }
}

#[tokio::test]
async fn a_broken_server_is_broken_as_told_and_mended() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let client = client(&cluster, Who::Admin).await;
    cluster.set_api_fault(Some(ApiFault::Down));
    assert_eq!(get(&client, MAPS).await, Err(503));
    cluster.set_api_fault(Some(ApiFault::TooManyRequests(7)));
    let answer = client.send(Request::get(MAPS).body(kube::client::Body::empty()).unwrap()).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (429, &http::HeaderValue::from(7)));
    cluster.set_api_fault(Some(ApiFault::WatchExpired));
    let path = format!("{MAPS}?watch=1&resourceVersion=0");
    let expired = async {
        let mut events = watch(&client, &path).await;
        while next(&mut events).await.0 != "ERROR" {}
    };
    expired.await;
    cluster.set_api_fault(None);
    let mut events = watch(&client, &path).await;
    ask(&client, Method::POST, MAPS, &config_map("after", &json!({}))).await.unwrap();
    while next(&mut events).await.1["metadata"]["name"] != "after" {}
}

#[tokio::test]
async fn a_seed_and_a_clock_give_the_same_answers_byte_for_byte() {
    let everything = async |seed| {
        let config = Config { seed, clock: Clock::manual(START), ..Config::default() };
        let cluster = Cluster::start(config).await.unwrap();
        let client = client(&cluster, Who::Admin).await;
        let mut all = vec![cluster.tokens().admin.clone(), cluster.page("node-2", START + 60_000)];
        for path in [
            "/api/v1/pods",
            "/api/v1/services",
            "/api/v1/events",
            "/apis/apps/v1/deployments",
            "/apis/apps/v1/replicasets",
            "/apis/discovery.k8s.io/v1/endpointslices",
            "/apis/rbac.authorization.k8s.io/v1/rolebindings",
        ] {
            let list = get(&client, path).await.unwrap();
            all.push(list["items"].to_string());
        }
        all
    };
    let (one, same, other) = (everything(5).await, everything(5).await, everything(6).await);
    for (one, same) in one.iter().zip(&same) {
        assert_eq!(one, same);
    }
    assert_ne!(one[0], other[0]);
    assert_ne!(one[2], other[2]);
}
