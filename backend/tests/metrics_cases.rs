//! The shared cases of the Metrics API hold. Data: `cases/metrics-api.jsonl`, whose first line describes the fields; another
//! folder can be given by `TAFFRAIL_CASES_DIR`.
#![expect(clippy::unwrap_used, reason = "helpers of tests; clippy.toml lets off only the tests themselves")]

mod metrics;

use backend::kubelet::{Names, parse};
use metrics::{T0, World, node, number, page, pod};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

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
