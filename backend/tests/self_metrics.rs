//! What the metrics API tells of itself: families that dashboards of metrics-server read, and a reason for everything
//! that is missing.
#![expect(clippy::unwrap_used, reason = "helpers of tests; clippy.toml lets off only the tests themselves")]

mod metrics;

use backend::cluster::kinds::{Container, ContainerSpec, ContainerStatus, Role, State};
use metrics::{World, node, page, pod};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A family's samples: labels and value.
fn samples<'a>(text: &'a str, family: &str) -> Vec<(&'a str, f64)> {
    text.lines()
        .filter_map(|line| line.strip_prefix(family))
        .filter(|rest| rest.starts_with(['{', ' ']))
        .map(|rest| rest.rsplit_once(' ').unwrap())
        .map(|(labels, value)| (labels, value.parse().unwrap()))
        .collect()
}

#[tokio::test]
async fn the_families_of_metrics_server_are_six_and_theirs() {
    let world = World::new(15, true);
    world.objects.nodes.put(node("n1", &[]));
    world.objects.pods.put(pod("ns1", "p1", "Running"));
    let container = |cpu: u64, ts: u64| json!({"c": {"start": -1000, "ts": ts, "cpu": cpu, "mem": 4096}});
    let start = Instant::now();
    for round in 0..2_u64 {
        let (cpu, ts) = (100 + round, 15 * round);
        let said = json!({"node": {"ts": ts, "cpu": cpu, "mem": 4096}, "pods": {"ns1/p1": container(cpu, ts)}});
        world.latest.apply(&page("n1", &said), start + Duration::from_secs(ts), &world.objects.pods);
    }
    let (status, _) = world.text("/apis/metrics.k8s.io/v1/pods").await;
    assert_eq!(status, 200);
    world.text("/apis/metrics.k8s.io/v1/nodes/n1").await;
    world.text("/apis/metrics.k8s.io/v1/nodes/n2").await;
    let (status, text) = world.text("/metrics").await;
    assert_eq!(status, 200);
    let families: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split(' ').next().unwrap())
        .filter(|name| name.starts_with("metrics_server_"))
        .collect();
    let expected = [
        "metrics_server_api_metric_freshness_seconds",
        "metrics_server_kubelet_last_request_time_seconds",
        "metrics_server_kubelet_request_duration_seconds",
        "metrics_server_kubelet_request_total",
        "metrics_server_manager_tick_duration_seconds",
        "metrics_server_storage_points",
    ];
    assert_eq!(families.into_iter().collect::<Vec<_>>(), expected);
    let points = samples(&text, "metrics_server_storage_points");
    assert_eq!(points, [("{type=\"container\"}", 1.0), ("{type=\"node\"}", 1.0)]);
    // One pod of a list and one node: nothing of the 404.
    assert_eq!(samples(&text, "metrics_server_api_metric_freshness_seconds_count"), [("", 2.0)]);
    assert_eq!(samples(&text, "metrics_server_api_metric_freshness_seconds_bucket").len(), 21);
    // Ends between 10 s and twice the resolution, as metrics-server has them.
    let ticks = samples(&text, "metrics_server_manager_tick_duration_seconds_bucket");
    let ends: Vec<&str> = ticks.iter().rev().take(5).rev().map(|(labels, _)| *labels).collect();
    assert_eq!(ends, ["{le=\"12.5\"}", "{le=\"15\"}", "{le=\"22.5\"}", "{le=\"30\"}", "{le=\"+Inf\"}"]);
    let requests = samples(&text, "apiserver_request_total");
    assert!(requests.iter().any(|(labels, _)| labels.contains("verb=\"LIST\"") && labels.contains("code=\"200\"")));
    assert!(requests.iter().any(|(labels, count)| labels.contains("code=\"404\"") && *count == 1.0), "{requests:?}");
    let reviews = samples(&text, "taffrail_auth_reviews_total");
    assert!(
        reviews.iter().any(|(labels, _)| labels.contains("kind=\"access\"") && labels.contains("result=\"allowed\""))
    );
    assert!(!samples(&text, "process_resident_memory_bytes").is_empty());
    // Every sample belongs to a family that was declared, and none is told twice.
    let mut lines: Vec<&str> =
        text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap().0).collect();
    let before = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), before);
}

fn spec(name: &str) -> ContainerSpec {
    ContainerSpec {
        name: name.into(),
        role: Role::Container,
        image: "".into(),
        ports: [].into(),
        cpu_request: None,
        cpu_limit: None,
        memory_request: None,
        memory_limit: None,
        listed: true,
    }
}

#[tokio::test]
async fn everything_that_is_missing_has_one_reason() {
    let world = World::new(15, true);
    for name in ["good", "young", "silent"] {
        world.objects.nodes.put(node(name, &[]));
    }
    let on = |name: &str, of: &str| {
        let mut pod = pod("ns1", name, "Running");
        pod.node = Some(of.into());
        pod.started = Some(1_700_000_000_000);
        pod
    };
    let mut crashing = on("crashing", "good");
    let spec = spec("main");
    let state = State::Waiting { reason: Some("CrashLoopBackOff".into()), message: None };
    let status = ContainerStatus { ready: false, started: None, restarts: 3, state, last: None };
    crashing.containers = [Container { spec: Arc::new(spec), place: 0, status: Some(Box::new(status)) }].into();
    world.objects.pods.put(crashing);
    for pod in [on("served", "good"), on("half", "good"), on("lost", "silent"), on("new", "young")] {
        world.objects.pods.put(pod);
    }
    world.objects.pods.put(pod("ns1", "done", "Succeeded"));
    let start = Instant::now();
    for round in 0..2_u64 {
        let ts = 15 * round;
        let container = json!({"c": {"start": -1000, "ts": ts, "cpu": 100 + round, "mem": 4096}});
        let half = json!({"a": {"start": -1000, "ts": ts, "cpu": 100 + round, "mem": 0}});
        let said = json!({"node": {"ts": ts, "cpu": 100 + round, "mem": 4096}, "pods": {"ns1/served": container, "ns1/half": half}});
        world.latest.apply(&page("good", &said), start + Duration::from_secs(ts), &world.objects.pods);
    }
    let first = json!({"node": {"ts": 0, "cpu": 1, "mem": 1}, "pods": {"ns1/new": {"c": {"start": -1000, "ts": 0, "cpu": 1, "mem": 1}}}});
    world.latest.apply(&page("young", &first), start, &world.objects.pods);
    world.latest.fail(&"silent".into(), wire::Say::new("Timeout"), start);
    let list = |query: &'static str| {
        let world = &world;
        async move {
            let (status, text) = world.text(&format!("/debug/taffrail/missing{query}")).await;
            assert_eq!(status, 200, "{text}");
            serde_json::from_str::<Vec<Value>>(&text).unwrap()
        }
    };
    let told = |list: &[Value]| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        list.iter().map(|gap| (text(&gap["name"]), text(&gap["reason"]))).collect()
    };
    let all = list("").await;
    let expected = [
        ("silent", "Timeout"),
        ("young", "WaitingForSecondSample"),
        ("crashing", "NotReportedByKubelet"),
        ("half", "IncompleteContainer"),
        ("lost", "NodeMissing"),
        ("new", "WaitingForSecondSample"),
    ];
    assert_eq!(told(&all), expected.map(|(name, reason)| (name.to_owned(), reason.to_owned())));
    let of = |name: &str| all.iter().find(|gap| gap["name"] == name).unwrap();
    assert!(of("crashing")["message"].as_str().unwrap().contains("container main is waiting: CrashLoopBackOff"));
    assert_eq!(of("half")["container"], "a");
    assert_eq!(of("crashing")["since"], "2023-11-14T22:13:20Z");
    assert_eq!(list("?kind=nodes").await.len(), 2);
    assert_eq!(list("?kind=pods&namespace=ns2").await.len(), 0);
    assert_eq!(world.text("/debug/taffrail/missing?kind=x").await.0, 400);
    let (_, text) = world.text("/metrics").await;
    let gauge = samples(&text, "taffrail_metrics_api_missing");
    assert!(gauge.contains(&("{kind=\"pod\",reason=\"WaitingForSecondSample\"}", 1.0)), "{gauge:?}");
    assert_eq!(gauge.iter().map(|(_, count)| count).sum::<f64>(), 6.0);
    // A node that was served and fails once is held, with its pods.
    assert_eq!(list("?served=true").await.len(), 0);
    world.latest.fail(&"good".into(), wire::Say::new("Timeout"), start + Duration::from_secs(30));
    let held = list("?served=true").await;
    assert_eq!(told(&held), [("good", "Held"), ("served", "Held")].map(|(name, why)| (name.into(), why.into())));
    assert_eq!(held[0]["message"].as_str().unwrap().matches("1 failed since").count(), 1, "{held:?}");
    assert_eq!(list("").await.len(), 6, "what is held is served");
    let (_, text) = world.text("/metrics").await;
    assert_eq!(samples(&text, "taffrail_metrics_api_held"), [("{kind=\"node\"}", 1.0), ("{kind=\"pod\"}", 1.0)]);
}

/// What is served and is not the whole truth is said to be so, apart from what is missing.
#[tokio::test]
async fn what_is_served_with_a_reservation_says_which() {
    let world = World::new(15, true);
    let runs = |name: &str, began: i64| {
        let state = State::Running { started: Some(1_700_000_000_000 + began) };
        let status = ContainerStatus { ready: true, started: None, restarts: 0, state, last: None };
        Container { spec: Arc::new(spec(name)), place: 0, status: Some(Box::new(status)) }
    };
    world.objects.nodes.put(node("n", &[]));
    for (name, second) in [("partial", -60_000), ("whole", 14_000)] {
        let mut pod = pod("ns1", name, "Running");
        pod.node = Some("n".into());
        // The second container of `whole` began after the sample: nobody can have reported it yet.
        pod.containers = [runs("a", -60_000), runs("b", second)].into();
        world.objects.pods.put(pod);
    }
    let start = Instant::now();
    let mut repeats = 0;
    let mut list = Vec::new();
    for round in 0..12_u64 {
        let ts = 12 * round.min(1);
        let container = json!({"a": {"start": -1000, "ts": ts, "cpu": 100 + ts, "mem": 4096}});
        let said = json!({"node": {"ts": 12 * round, "cpu": 100 + round, "mem": 4096}, "pods": {"ns1/whole": container, "ns1/partial": container}});
        world.latest.apply(&page("n", &said), start + Duration::from_secs(15 * round), &world.objects.pods);
        let (status, text) = world.text("/debug/taffrail/missing?served=true&kind=pods").await;
        assert_eq!(status, 200, "{text}");
        list = serde_json::from_str::<Vec<Value>>(&text).unwrap();
        repeats += usize::from(list.iter().any(|one| one["reason"] == "SampleNotAdvancing"));
    }
    let told: Vec<_> = list.iter().map(|one| (&one["name"], &one["reason"], &one["container"])).collect();
    assert_eq!(
        told,
        [
            (&json!("partial"), &json!("PartialPod"), &json!("b")),
            (&json!("whole"), &json!("SampleNotAdvancing"), &Value::Null)
        ]
    );
    assert_eq!(list[1]["message"], "the kubelet repeats the sample of 2023-11-14T22:13:32Z");
    // The same sample for a minute: of the ten repetitions, those from the fourth on.
    assert_eq!(repeats, 7);
    assert_eq!(world.text("/debug/taffrail/missing?served=perhaps").await.0, 400);
}
