//! What the views are made of: Services' verdicts, charts' rules, maps' differences, and nobody else's data.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

mod live;

use live::{Place, hear, news, open, say};
use serde_json::{Value, json};
use wire::chart::{ChartAsk, Metric, Target};
use wire::overview::Attention;
use wire::table::{Row, TableAsk};
use wire::{Browser, Kind, Level, Server, Sub, View};

fn pod(namespace: &str, name: &str, app: &str, node: &str) -> Value {
    json!({"kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": name, "labels": {"app": app},
            "creationTimestamp": "2026-11-25T10:00:00Z"},
        "spec": {"nodeName": node, "containers": [{"name": "web", "image": "web",
            "resources": {"requests": {"cpu": "100m", "memory": "1Mi"}}}]},
        "status": {"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}})
}

fn service(namespace: &str, name: &str, app: &str) -> Value {
    json!({"kind": "Service", "metadata": {"name": name, "namespace": namespace, "uid": format!("{namespace}-{name}")},
        "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], "ipFamilies": ["IPv4"],
            "selector": {"app": app}, "ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}]}})
}

fn slice(namespace: &str, of: &str, ready: &[bool]) -> Value {
    let ends: Vec<Value> = ready
        .iter()
        .zip(1..)
        .map(|(ready, at)| json!({"addresses": [format!("10.0.0.{at}")], "conditions": {"ready": ready}}))
        .collect();
    json!({"kind": "EndpointSlice", "addressType": "IPv4", "endpoints": ends,
        "metadata": {"name": format!("{of}-1"), "namespace": namespace, "uid": format!("{of}-1"),
            "labels": {"kubernetes.io/service-name": of}},
        "ports": [{"name": "", "port": 8080, "protocol": "TCP"}]})
}

fn node(name: &str, ready: &str) -> Value {
    json!({"kind": "Node", "metadata": {"name": name, "uid": name},
        "status": {"allocatable": {"cpu": "2", "memory": "2Mi"}, "capacity": {"cpu": "4", "memory": "4Mi"},
            "conditions": [{"type": "Ready", "status": ready, "reason": "KubeletReady", "message": "",
                "lastTransitionTime": "2026-11-25T10:00:00Z"}]}})
}

/// One Service that answers, one in part, one that does not.
async fn shop() -> Place {
    let place = Place::new().await;
    place.apply(&[
        node("n1", "True"),
        pod("shop", "web-1", "web", "n1"),
        service("shop", "web", "web"),
        slice("shop", "web", &[true]),
        service("shop", "half", "web"),
        slice("shop", "half", &[true, false]),
        service("shop", "wrong", "wbe"),
        slice("shop", "wrong", &[]),
    ]);
    place
}

fn services() -> View {
    let (namespaces, filter, sort) = (Vec::new(), String::new(), Vec::new());
    View::Table(TableAsk { kind: Kind::Service, namespaces, filter, sort, start: 0, count: 60 })
}

async fn overview(place: &Place) -> wire::overview::Overview {
    let mut socket = place.enter(Vec::new()).await;
    match open(&mut socket, 1, View::Overview { namespaces: Vec::new() }).await {
        Server::Overview { overview, .. } => overview,
        other => panic!("{other:?}"),
    }
}

async fn levels(place: &Place) -> Vec<(String, Level)> {
    let mut socket = place.enter(Vec::new()).await;
    match open(&mut socket, 1, services()).await {
        Server::Page { rows, .. } => rows.into_iter().map(|Row { name, level, .. }| (name, level)).collect(),
        other => panic!("{other:?}"),
    }
}

fn found<'a>(all: &'a [Attention], name: &str) -> Option<&'a Attention> {
    all.iter().find(|one| one.at.name == name)
}

#[tokio::test]
async fn a_service_that_does_not_answer_needs_a_person_everywhere() {
    let place = shop().await;
    let page = overview(&place).await;
    let wrong = found(&page.attention, "wrong").unwrap();
    assert_eq!((wrong.level, wrong.say.code.as_str(), wrong.say.arg("selector")), (Level::Bad, "S_NOMATCH", "app=wbe"));
    let half = found(&page.attention, "half").unwrap();
    assert_eq!((half.level, half.say.code.as_str()), (Level::Warn, "S_PARTIAL"), "{half:?}");
    assert_eq!(found(&page.attention, "web"), None);
    let expected = [("half", Level::Warn), ("web", Level::Good), ("wrong", Level::Bad)];
    assert_eq!(levels(&place).await, expected.map(|(name, level)| (name.to_owned(), level)));
    let mut socket = place.enter(Vec::new()).await;
    let Server::Namespaces { namespaces, .. } = open(&mut socket, 1, View::Namespaces).await else { panic!() };
    assert!(namespaces.counts.contains(&("service".into(), 3, 2)), "{:?}", namespaces.counts);
    let view = View::Object { kind: Kind::Service, namespace: "shop".into(), name: "wrong".into() };
    let Server::Object { object: Some(object), .. } = open(&mut socket, 2, view).await else { panic!() };
    assert_eq!((object.level, object.findings[0].say.code.as_str()), (Level::Bad, "S_NOMATCH"));
}

#[tokio::test]
async fn a_verdict_is_told_to_nobody_who_may_not_see_what_it_is_made_of() {
    for closed in ["pods", "endpointslices"] {
        let place = shop().await;
        place.house.closed.lock().unwrap().push(closed);
        assert!(levels(&place).await.iter().all(|(_, level)| *level == Level::Good), "without {closed}");
        assert_eq!(found(&overview(&place).await.attention, "wrong"), None, "without {closed}");
    }
}

#[tokio::test]
async fn a_node_that_is_not_ready_says_since_when_and_whom_it_takes_along() {
    let place = shop().await;
    place.apply(&[node("n2", "Unknown"), pod("bank", "till", "till", "n2")]);
    let page = overview(&place).await;
    let node = found(&page.attention, "n2").unwrap();
    let since = "2026-11-25T10:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
    assert_eq!(node.since, since);
    assert_eq!((node.say.arg("count"), node.say.arg("pods")), ("1", "bank/till"));
    let mut socket = place.enter(Vec::new()).await;
    let view = View::Object { kind: Kind::Node, namespace: String::new(), name: "n2".into() };
    let Server::Object { object: Some(object), .. } = open(&mut socket, 1, view).await else { panic!() };
    assert_eq!((object.conditions[0].kind.as_str(), object.conditions[0].level), ("Ready", Level::Bad));
}

#[tokio::test]
async fn services_that_miss_endpoints_on_a_node_that_is_down_are_told_with_the_node() {
    let place = shop().await;
    let mut ends = slice("shop", "half", &[true, false]);
    ends["endpoints"][1]["nodeName"] = "n2".into();
    place.apply(&[node("n2", "Unknown"), ends.clone()]);
    let page = overview(&place).await;
    assert_eq!(found(&page.attention, "half"), None);
    assert_eq!(found(&page.attention, "n2").unwrap().say.arg("services"), "1");
    assert_eq!(levels(&place).await[0], ("half".into(), Level::Warn));
    // Who may not see the node is told of the Service.
    place.house.closed.lock().unwrap().push("nodes");
    let page = overview(&place).await;
    assert_eq!(found(&page.attention, "half").unwrap().say.code, "S_PARTIAL");
    place.house.closed.lock().unwrap().clear();
    // A port that fails for another reason is not the node's: of two that are equally bad, it is told.
    let mut two = service("shop", "half", "web");
    two["spec"]["ports"] = json!([
        {"name": "a", "port": 80, "targetPort": 8080, "protocol": "TCP"},
        {"name": "b", "port": 81, "targetPort": 8081, "protocol": "TCP"},
    ]);
    let port = |ends: &Value, at: &str| {
        let (mut ends, number) = (ends.clone(), if at == "a" { 8080 } else { 8081 });
        ends["metadata"]["name"] = format!("half-{at}").into();
        ends["metadata"]["uid"] = ends["metadata"]["name"].clone();
        ends["ports"] = json!([{"name": at, "port": number, "protocol": "TCP"}]);
        ends
    };
    let other = slice("shop", "half", &[true, false]);
    place.apply(&[two.clone(), port(&other, "a"), port(&ends, "b")]);
    assert_eq!(found(&overview(&place).await.attention, "half").unwrap().say.code, "S_PARTIAL");
    place.apply(&[two, port(&ends, "a"), port(&other, "b")]);
    assert_eq!(found(&overview(&place).await.attention, "half").unwrap().say.code, "S_PARTIAL");
    place.apply(&[service("shop", "half", "web"), ends]);
    // A node without a word about itself has no item that could tell it.
    let mut mute = node("n2", "Unknown");
    mute["status"]["conditions"] = json!([]);
    place.apply(&[mute]);
    assert_eq!(found(&overview(&place).await.attention, "half").unwrap().say.code, "S_NODEDOWN");
}

#[tokio::test]
async fn a_map_goes_on_with_differences_and_says_what_may_not_be_seen() {
    let place = shop().await;
    let mut socket = place.enter(Vec::new()).await;
    let Server::Map { seq, mut map, .. } = open(&mut socket, 1, View::Map { namespaces: Vec::new() }).await else {
        panic!("not a map")
    };
    assert_eq!((map.tally.answering, map.tally.partial, map.tally.broken), (1, 1, 1));
    say(&mut socket, &Browser::Ack { sub: Sub(1), seq }).await;
    place.apply(&[slice("shop", "wrong", &[true])]);
    let Ok(Server::MapDiff { base, diff, .. }) = news(&mut socket).await else { panic!("not a difference") };
    assert_eq!(base, seq);
    backend::topology::change::apply(&mut map, &diff);
    assert_eq!((map.tally.answering, map.tally.broken), (2, 0));
    place.house.closed.lock().unwrap().push("nodes");
    let mut socket = place.enter(Vec::new()).await;
    let Server::Map { map, .. } = open(&mut socket, 1, View::Map { namespaces: Vec::new() }).await else {
        panic!("not a map")
    };
    assert!(map.missing.iter().any(|say| say.arg("resource") == "nodes"), "{:?}", map.missing);
}

async fn rules(place: &Place, target: Target) -> Vec<(String, f64)> {
    let mut socket = place.enter(Vec::new()).await;
    let view = View::Chart(ChartAsk { target, metric: Metric::Cpu, range_s: 900, points: 100 });
    match open(&mut socket, 1, view).await {
        Server::Chart { chart, .. } => chart.rules.into_iter().map(|rule| (rule.word, rule.value)).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_unfinished_pods_request_is_a_rule_for_who_may_list_them() {
    let place = shop().await;
    let mut done = pod("shop", "done", "web", "n1");
    done["status"]["phase"] = "Succeeded".into();
    place.apply(&[node("n2", "True"), pod("bank", "till", "till", "n2"), done]);
    let words = |allocatable: f64, requested: f64| {
        vec![("allocatable".to_owned(), allocatable), ("requested".to_owned(), requested)]
    };
    assert_eq!(rules(&place, Target::Cluster).await, words(4000.0, 200.0));
    assert_eq!(rules(&place, Target::Node("n2".into())).await, words(2000.0, 100.0));
    *place.house.only.lock().unwrap() = Some(vec!["shop"]);
    assert_eq!(rules(&place, Target::Cluster).await, words(4000.0, 100.0));
    place.house.closed.lock().unwrap().push("pods");
    assert_eq!(rules(&place, Target::Cluster).await, words(4000.0, 0.0)[..1]);
}

#[tokio::test]
async fn cluster_wide_numbers_are_only_for_who_lists_nodes() {
    let place = shop().await;
    place.house.closed.lock().unwrap().push("nodes");
    let page = overview(&place).await;
    assert!(page.cpu.allocatable.is_nan() && page.cpu.capacity.is_nan());
    assert_eq!((page.nodes, page.nodes_total, page.cpu.requested), (None, 0, 100.0));
}

#[tokio::test]
async fn an_overview_comes_at_most_once_a_second() {
    let place = shop().await;
    let mut socket = place.enter(Vec::new()).await;
    let start = tokio::time::Instant::now();
    let mut seq = match open(&mut socket, 1, View::Overview { namespaces: Vec::new() }).await {
        Server::Overview { seq, .. } => seq,
        other => panic!("{other:?}"),
    };
    for count in 1_u32..3 {
        say(&mut socket, &Browser::Ack { sub: Sub(1), seq }).await;
        place.apply(&[pod("shop", &format!("more-{count}"), "web", "n1")]);
        let Ok(Server::Overview { overview, seq: next, .. }) = news(&mut socket).await else { panic!("no overview") };
        assert_eq!(overview.pods_total, 1 + count);
        seq = next;
    }
    assert!(start.elapsed() >= std::time::Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn rows_of_some_namespaces_only_say_so() {
    let place = shop().await;
    *place.house.only.lock().unwrap() = Some(vec!["shop"]);
    let mut socket = place.enter(Vec::new()).await;
    let Server::Page { notes, .. } = open(&mut socket, 1, services()).await else { panic!("no page") };
    let part = notes.iter().find(|note| note.code == "E-PART").unwrap();
    assert_eq!(["a", "b", "kind"].map(|name| part.arg(name)), ["1", "2", "services"]);
    *place.house.only.lock().unwrap() = None;
    let mut socket = place.enter(Vec::new()).await;
    let Server::Page { notes, .. } = open(&mut socket, 1, services()).await else { panic!("no page") };
    assert_eq!(notes, []);
}

/// A Deployment nobody can use, and its pod that keeps ending.
fn crashing(deployment: &str, pod: &str) -> Value {
    json!({"kind": "Pod",
        "metadata": {"name": pod, "namespace": "shop", "uid": pod, "labels": {"pod-template-hash": "5d9f"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": format!("{deployment}-5d9f"), "uid": "r", "controller": true}]},
        "spec": {"nodeName": "n1", "containers": [{"name": "web", "image": "web"}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "web", "ready": false, "restartCount": 7,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 3, "reason": "Error", "finishedAt": "2026-11-25T10:00:00Z"}}}]}})
}

fn deployment(name: &str, available: u32) -> Value {
    let status = if available > 1 { "True" } else { "False" };
    json!({"kind": "Deployment", "metadata": {"name": name, "namespace": "shop", "uid": name},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": name}}},
        "status": {"replicas": 2, "availableReplicas": available, "readyReplicas": available,
            "conditions": [{"type": "Available", "status": status, "lastTransitionTime": "2026-11-25T11:00:00Z"}]}})
}

#[tokio::test]
async fn a_deployment_and_its_pods_are_one_item_that_names_the_cause() {
    let place = Place::new().await;
    place.apply(&[
        node("n1", "True"),
        deployment("cart", 0),
        crashing("cart", "cart-5d9f-a"),
        crashing("cart", "cart-5d9f-b"),
        // Available all the same: its pod speaks for itself.
        deployment("cart-2", 2),
        crashing("cart-2", "cart-2-5d9f-c"),
        // Unavailable, and none of its pods says why.
        deployment("quiet", 1),
    ]);
    let told = overview(&place).await.attention;
    let told: Vec<_> =
        told.iter().map(|one| (one.at.kind.as_str(), one.at.name.as_str(), one.say.code.as_str())).collect();
    let expected = [
        ("Deployment", "cart", "POD_CRASHLOOP"),
        ("Deployment", "quiet", "DEPLOY_UNAVAILABLE"),
        ("Pod", "cart-2-5d9f-c", "POD_CRASHLOOP"),
    ];
    assert_eq!(told, expected);
    let page = overview(&place).await;
    let cart = found(&page.attention, "cart").unwrap();
    assert_eq!((cart.say.arg("count"), cart.say.arg("pods")), ("2", "cart-5d9f-a, cart-5d9f-b"));
    assert_eq!((cart.say.arg("container"), cart.say.arg("restarts")), ("web", "7"));
    assert_eq!(cart.since, 1_795_600_800_000, "since the first pod's end");
    // Who may not see Deployments is told of the pods.
    place.house.closed.lock().unwrap().push("deployments");
    let page = overview(&place).await;
    assert_eq!(page.attention.iter().filter(|one| one.at.kind == "Pod").count(), 3, "{:?}", page.attention);
}

#[tokio::test]
async fn what_is_wrong_with_our_own_installation_is_told_to_who_looks_after_the_cluster() {
    let place = shop().await;
    let own = |page: &wire::overview::Overview| -> Vec<String> {
        let own = page.attention.iter().filter(|item| item.at.kind == wire::overview::OWN);
        own.map(|item| item.say.code.clone()).collect()
    };
    assert_eq!(own(&overview(&place).await), [""; 0]);
    let say = wire::Say::new("APISERVICE_OTHERS").with("apiservice", "v1.metrics.k8s.io").with("owner", "a/b");
    place.notices.set(say.with("own", "taffrail/taffrail"));
    assert_eq!(own(&overview(&place).await), ["APISERVICE_OTHERS"]);
    place.house.closed.lock().unwrap().push("nodes");
    assert_eq!(own(&overview(&place).await), [""; 0], "nothing for who may not list nodes");
    place.house.closed.lock().unwrap().clear();
    place.notices.clear_of("APISERVICE_OTHERS", "v1.metrics.k8s.io");
    assert_eq!(own(&overview(&place).await), [""; 0]);
}

async fn coverage(place: &Place) -> Server {
    let mut socket = place.enter(Vec::new()).await;
    open(&mut socket, 1, View::Coverage).await
}

#[tokio::test]
async fn coverage_says_what_is_missing_and_why_to_who_may_list_nodes() {
    use backend::kubelet::{ContainerPoint, NodePage, NodePoint, PodPoints};
    let place = shop().await;
    place.apply(&[pod("shop", "young-1", "web", "n1"), node("n2", "True")]);
    let began = std::time::Instant::now();
    let now = jiff::Timestamp::now().as_millisecond();
    for round in 0..2_u64 {
        let at = now - 20_000 + 15_000 * round as i64;
        let cpu = 1_000_000_000 * (round + 1);
        let container =
            ContainerPoint { name: "web".into(), at, cpu: Some(cpu), memory: Some(4096), swap: None, started: None };
        let points =
            |name: &str| PodPoints { namespace: "shop".into(), name: name.into(), containers: vec![container.clone()] };
        // The second pod is new in the second round.
        let pods = if round == 0 { vec![points("web-1")] } else { vec![points("web-1"), points("young-1")] };
        let node_point = Some(NodePoint { at, cpu, memory: 4096, swap: None });
        let page = NodePage { node: "n1".into(), asked: at, scheduled: true, node_point, lacks: "", pods };
        place.latest.apply(&page, began + std::time::Duration::from_secs(15 * round), &place.objects.pods);
    }
    let problem = Some(wire::Say::new("Timeout").with("node", "n2"));
    place
        .coverage
        .set("n2", backend::kubelet::NodeCoverage { failures: 3, problem, since: Some(5), ..Default::default() });
    place.coverage.set("n1", backend::kubelet::NodeCoverage { good: Some(now), took: 7, ..Default::default() });
    let Server::Coverage { coverage: page, .. } = coverage(&place).await else { panic!("no coverage") };
    assert_eq!((page.nodes_served, page.nodes_total, page.pods_served, page.pods_total), (1, 2, 1, 2));
    let nodes: Vec<_> = page.nodes.iter().map(|node| (&*node.name, node.level, node.failures)).collect();
    assert_eq!(nodes, [("n2", Level::Bad, 3), ("n1", Level::Good, 0)]);
    assert_eq!((page.nodes[1].took, page.nodes[1].window), (7, 15.0));
    assert_eq!(page.reasons, [("WaitingForSecondSample".to_owned(), 1)]);
    assert_eq!((&*page.missing[0].at.name, page.missing[0].say.arg("container")), ("young-1", "web"));
    assert_eq!(page.fresh.unwrap().window, 15.0);
    place.house.closed.lock().unwrap().push("nodes");
    let mut socket = place.enter(Vec::new()).await;
    say(&mut socket, &Browser::Open { sub: Sub(1), view: View::Coverage }).await;
    let Ok(Server::State { state: wire::ViewState::Denied(why), .. }) = hear(&mut socket).await else {
        panic!("not denied")
    };
    assert_eq!(why.arg("kind"), "nodes");
}
