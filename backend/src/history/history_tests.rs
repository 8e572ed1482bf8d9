use super::intake::Intake;
use super::keeper::forget;
use super::key::{Key, Lookup};
use super::{Config, Reader, build};
use crate::cluster::Objects;
use crate::cluster::cache::Sync;
use crate::kubelet::{ContainerPoint, Names, NodePage, NodePoint, PodPoints, parse};
use parking_lot::RwLock;
use std::sync::Arc;
use tokio::sync::watch;
use wire::chart::{Chart, Metric, Target};

const S: i64 = 1000;
/// A multiple of 15 s and of a minute.
const T: i64 = 1_795_204_020_000;

/// A node with one pod `ns/web-<node>` of one container that uses 100 millicores and 1 MiB since `since`.
fn pages(node: &str, at: i64, scheduled: bool) -> NodePage {
    let millicores = |of: i64| u64::try_from((at - T + 7_200 * S) * of * 1000).unwrap();
    NodePage {
        node: Arc::from(node),
        asked: at,
        scheduled,
        node_point: Some(NodePoint { at, cpu: millicores(500), memory: 1 << 30, swap: None }),
        lacks: "",
        pods: vec![PodPoints {
            namespace: Arc::from("ns"),
            name: Arc::from(format!("web-{node}")),
            containers: vec![ContainerPoint {
                name: Arc::from("web"),
                at,
                cpu: Some(millicores(100)),
                memory: Some(1 << 20),
                swap: None,
                started: None,
            }],
        }],
    }
}

fn reader(taken: &[NodePage]) -> (Reader, Arc<RwLock<Intake>>) {
    let intake = Arc::new(RwLock::new(Intake::new(15 * S)));
    taken.iter().for_each(|page| intake.write().take(page));
    (Reader::new(Arc::clone(&intake), watch::channel(0).1), intake)
}

/// The only line: `.` is a gap, everything else rounded.
#[track_caller]
fn check(chart: &Chart, expected: &str) {
    let values: Vec<String> = chart.lines[0]
        .values
        .iter()
        .map(|value| if value.is_nan() { ".".to_owned() } else { format!("{value:.0}") })
        .collect();
    assert_eq!(values.join(" "), expected);
}

fn pod() -> Target {
    Target::Pod("ns".to_owned(), "web-a".to_owned())
}

#[test]
fn the_recorded_pages_give_the_recorded_rates() {
    let mut names = Names::default();
    let asked = [1_795_204_012_600, 1_795_204_027_650, 1_795_204_042_700];
    let texts = [
        include_str!("../../tests/fixtures/kubelet/metrics-resource-1.txt"),
        include_str!("../../tests/fixtures/kubelet/metrics-resource-2.txt"),
        include_str!("../../tests/fixtures/kubelet/metrics-resource-3.txt"),
    ];
    let node = Arc::from("node-a");
    let taken =
        std::array::from_fn::<_, 3, _>(|i| parse::page(texts[i].as_bytes(), &node, asked[i], true, &mut names).page);
    let (reader, _) = reader(&taken);
    let now = asked[2];
    let used = |metric| reader.pod("default", "burn-786bfffb47-jwbwg", metric, now, 60).unwrap().used;
    assert!((used(Metric::Cpu) - 81.883_82).abs() < 0.001);
    assert_eq!(used(Metric::Memory), (468.0 + 212.0) * 1024.0);
    let node = reader.node("node-a", Metric::Cpu, now, 60).unwrap();
    assert!((node.used - 1998.826).abs() < 0.001);
    let chart = reader.chart(&Target::Node("node-a".to_owned()), Metric::Cpu, now - 900_000, now, 100);
    assert_eq!(chart.newest, Some((1_795_204_040_716, 20_027)));
    let labels: Vec<_> = reader
        .chart(
            &Target::Pod("default".to_owned(), "burn-786bfffb47-mr27b".to_owned()),
            Metric::Cpu,
            now - 900_000,
            now,
            100,
        )
        .lines
        .into_iter()
        .map(|line| line.label)
        .collect();
    assert_eq!(labels, ["cpu", "idle"]);
    assert!((reader.total(None, Metric::Cpu, now) - 1998.826).abs() < 0.001);
}

#[test]
fn a_missed_scrape_is_a_gap_and_not_a_bridge() {
    let taken: Vec<_> = [0, 1, 2, 4, 5].map(|round| pages("a", T + round * 15 * S, true)).into();
    check(&reader(&taken).0.chart(&pod(), Metric::Cpu, T, T + 90 * S, 8), "100 100 . . 100 . .");
}

#[test]
fn extra_scrapes_fill_in_and_are_no_missed_rounds() {
    let taken: Vec<_> = [0, 2, 4, 6, 15].map(|at| pages("a", T + at * S, at % 15 == 0)).into();
    check(
        &reader(&taken).0.chart(&pod(), Metric::Cpu, T, T + 16 * S, 18),
        "100 100 100 100 100 100 100 100 100 100 100 100 100 100 100 . .",
    );
}

#[test]
fn a_restarted_container_has_no_rate_across() {
    let mut taken: Vec<_> = (0..5).map(|round| pages("a", T + round * 15 * S, true)).collect();
    for page in &mut taken[2..] {
        page.pods[0].containers[0].started = Some(u64::try_from((T + 20 * S) * 1_000_000).unwrap());
    }
    let (reader, _) = reader(&taken);
    check(&reader.chart(&pod(), Metric::Cpu, T, T + 60 * S, 6), "100 . 100 100 .");
}

#[test]
fn sums_of_a_namespace_and_the_cluster_outlive_their_pods() {
    let mut taken = Vec::new();
    for round in 0..6 {
        taken.extend(["a", "b"].map(|node| pages(node, T + round * 15 * S, true)));
    }
    let (reader, intake) = reader(&taken);
    assert_eq!(reader.total(None, Metric::Cpu, T + 80 * S), 1000.0);
    assert_eq!(reader.total(Some(&[Arc::from("ns"), Arc::from("no")]), Metric::Memory, T + 80 * S), f64::from(2 << 20));
    assert!(reader.total(None, Metric::Cpu, T + 400 * S).is_nan(), "old sums say nothing of now");
    intake.write().store.end(&Lookup::Pod("ns", "web-a"));
    let namespace = Target::Namespace("ns".to_owned());
    check(&reader.chart(&namespace, Metric::Cpu, T, T + 89 * S, 7), ". 200 200 200 200 .");
    check(
        &reader.chart(&Target::Cluster, Metric::Memory, T, T + 89 * S, 7),
        "2147483648 2147483648 2147483648 2147483648 2147483648 .",
    );
}

#[test]
fn a_node_that_misses_two_rounds_is_no_dip_and_then_drops_out() {
    let mut taken = Vec::new();
    for round in 0..8 {
        taken.push(pages("a", T + round * 15 * S, true));
        if round < 3 {
            taken.push(pages("b", T + round * 15 * S, true));
        }
    }
    let chart = reader(&taken).0.chart(&Target::Cluster, Metric::Cpu, T, T + 119 * S, 9);
    check(&chart, ". 1000 1000 1000 1000 500 500 .");
}

#[test]
fn a_later_chart_has_the_same_grid_and_the_same_past() {
    let taken: Vec<_> = (0..40).map(|round| pages("a", T + round * 15 * S, true)).collect();
    let (reader, _) = reader(&taken);
    let (one, two) = (
        reader.chart(&pod(), Metric::Memory, T, T + 500 * S, 100),
        reader.chart(&pod(), Metric::Memory, T + 37 * S, T + 537 * S, 100),
    );
    assert_eq!(one.step, two.step);
    let shift = usize::try_from((two.from - one.from) / i64::from(one.step)).unwrap();
    let known = one.lines[0].values.len() - 2;
    assert_eq!(one.lines[0].values[shift..known], two.lines[0].values[..known - shift]);
}

#[test]
fn a_stale_sample_says_nothing_of_now() {
    let (reader, _) = reader(&[pages("a", T, true), pages("a", T + 15 * S, true)]);
    assert_eq!(reader.pod("ns", "web-a", Metric::Cpu, T + 20 * S, 10).map(|usage| usage.used), Some(100.0));
    assert_eq!(reader.pod("ns", "web-a", Metric::Cpu, T + 136 * S, 10), None);
    assert_eq!(reader.node("b", Metric::Cpu, T, 10), None);
}

#[test]
fn a_pod_that_is_gone_is_freed_when_its_last_row_expires() {
    let (_, intake) = reader(&[pages("a", T, true), pages("a", T + 15 * S, true)]);
    let mut intake = intake.write();
    intake.store.end(&Lookup::Pod("ns", "web-a"));
    intake.sweep();
    assert!(intake.store.get(&Lookup::Pod("ns", "web-a")).is_some());
    let before = intake.size;
    intake.now = T + 25 * 3600 * S;
    intake.sweep();
    assert_eq!(intake.store.groups().count(), 0);
    assert!(before.bytes > intake.size.bytes && intake.size.samples == 0, "{before:?} {:?}", intake.size);
    assert!(intake.store.get(&Key::Cluster).is_none());
}

#[test]
fn a_pod_that_is_in_no_list_of_pods_ends() {
    let objects = Objects::default();
    let (reader, intake) = reader(&[pages("a", T, true), pages("a", T + 15 * S, true)]);
    let known = || reader.pod("ns", "web-a", Metric::Memory, T + 15 * S, 0).map(|usage| usage.used);
    objects.pods.set_sync(Sync::Loading(0));
    forget(&objects, &intake);
    assert_eq!(known(), Some(1_048_576.0), "half a list says nothing");
    objects.pods.set_sync(Sync::Live);
    forget(&objects, &intake);
    assert_eq!(known(), None);
    check(&reader.chart(&pod(), Metric::Cpu, T, T + 15 * S, 3), "100 100");
}

#[tokio::test]
async fn the_keeper_takes_pages_tells_readers_and_ends_with_its_scrapers() {
    let (pages_in, keeper, reader) = build(&Config { resolution: 15_000 }, Objects::default());
    let mut rounds = reader.rounds();
    let task = tokio::spawn(keeper.run(std::future::pending()));
    for round in 0..2 {
        pages_in.send(Arc::new(pages("a", T + round * 15 * S, true))).await.unwrap();
    }
    drop(pages_in);
    rounds.changed().await.unwrap();
    task.await.unwrap();
    assert_eq!(reader.pod("ns", "web-a", Metric::Cpu, T + 15 * S, 0).map(|usage| usage.used), Some(100.0));
}
