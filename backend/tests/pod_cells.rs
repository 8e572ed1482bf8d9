//! Pod rows and durations are printed exactly as kubectl prints them.

use backend::cluster::decode::object;
use backend::cluster::kinds::Pod;
use backend::printers::{Printer, text};
use serde_json::Value;
use std::path::PathBuf;

#[expect(clippy::unwrap_used, reason = "a test that has no cases fails")]
#[expect(clippy::disallowed_methods, reason = "the acceptance set's folder; no configuration of the product")]
fn cases() -> Value {
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases"));
    let folder = std::env::var("TAFFRAIL_CASES_DIR").map_or(own, PathBuf::from);
    serde_json::from_slice(&std::fs::read(folder.join("pods.json")).unwrap()).unwrap()
}

#[test]
fn every_pod_prints_as_kubectl_prints_it() {
    let cases = cases();
    let mut wrong = Vec::new();
    for case in cases["pods"].as_array().unwrap() {
        let now = case["now"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let pod: Pod = object(&case["pod"]).unwrap();
        let cells = pod.cells(now);
        let alone: Vec<_> = (0..cells.len()).map(|at| pod.cell(at, now).unwrap()).collect();
        assert_eq!(alone, cells, "{}", case["id"]);
        let found = [1, 2, 3].map(|at| text(&cells[at], now));
        let expected = ["ready", "status", "restarts"].map(|cell| case["expect"][cell].as_str().unwrap().to_owned());
        if found != expected {
            wrong.push(format!("{} ({}): {found:?}, not {expected:?}", case["id"], case["desc"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_duration_prints_as_kubectl_prints_it() {
    for case in cases()["humanDuration"].as_array().unwrap() {
        let millis = case[0].as_f64().unwrap() * 1000.0;
        assert_eq!(wire::age::human(millis as i64), case[1].as_str().unwrap(), "{case}");
    }
}
