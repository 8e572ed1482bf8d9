//! Charts: history's lines with the levels and marks of the objects behind them, where both may be seen.

use super::digest::{self, Run};
use super::hub::Shared;
use super::permits::Sight;
use super::views::needs;
use crate::cluster::kinds::{Node, Pod};
use crate::session::{Permitted, Scope};
use std::sync::Arc;
use wire::chart::{Chart, ChartAsk, Mark, Metric, Rule, Target};
use wire::{Kind, Millis, Say, View};

/// Longest range, seconds.
const RANGE: u32 = 86_400;

/// The chart of a target; `None` without a permit for the target itself.
pub(super) fn chart(shared: &Shared, ask: &ChartAsk, sight: &Sight, now: Millis) -> Option<Permitted<Chart>> {
    let (needs, _) = needs(&View::Chart(ask.clone()));
    let own = sight.scope(needs.first()?);
    let usage = needs.get(1).is_some_and(|need| !sight.scope(need).is_empty());
    let levels = levels(shared, ask, (&own, &sight.list(Kind::Pod, &[])), now)?;
    let from = now - i64::from(ask.range_s.min(RANGE)) * 1000;
    Some(levels.map(|(rules, marks)| {
        let mut chart = if usage {
            shared.parts.history.chart(&ask.target, ask.metric, from, now, ask.points.clamp(2, 4000))
        } else {
            let (lines, rules, marks) = (Vec::new(), Vec::new(), Vec::new());
            let problem = Some(Say::new("M-NOPERM").with("resource", "metrics.k8s.io"));
            Chart { from, step: 1000, lines, rules, marks, newest: None, problem }
        };
        if usage && chart.newest.is_none() {
            chart.problem = Some(silence(shared, &ask.target));
        }
        (chart.rules, chart.marks) = (rules, marks);
        chart
    }))
}

/// A chart's levels and marks: of the target, by its own permit, and of the pods that may be listed.
fn levels(
    shared: &Shared,
    ask: &ChartAsk,
    (own, pods): (&Scope, &Scope),
    now: Millis,
) -> Option<Permitted<(Vec<Rule>, Vec<Mark>)>> {
    let (objects, metric) = (&shared.parts.objects, ask.metric);
    let rules = |allocatable: (Option<u64>, Option<u64>), requested: Option<(u64, u64)>| {
        let (cpu, memory) = requested.unzip();
        let levels =
            [rule("allocatable", "", metric, allocatable.0, allocatable.1), rule("requested", "", metric, cpu, memory)];
        (levels.into_iter().flatten().collect(), Vec::new())
    };
    match &ask.target {
        Target::Namespace(name) => own.allows(name).then(|| own.filter::<Pod>(&[]).map(|_| (Vec::new(), Vec::new()))),
        Target::Cluster => {
            let (nodes, all) = (objects.nodes.snapshot(), shared.runs(now));
            (*own == Scope::All).then(|| {
                own.filter(&nodes).and(digest::seen(&all, pods)).map(|(nodes, all)| {
                    let sum = |of: fn(&Node) -> Option<u64>| nodes.iter().filter_map(|node| of(node)).sum();
                    let there = (sum(|node| node.allocatable.cpu), sum(|node| node.allocatable.memory));
                    rules((Some(there.0), Some(there.1)), (!pods.is_empty()).then(|| total(&all, None)))
                })
            })
        }
        Target::Node(name) => {
            let (node, all) = (objects.nodes.get("", name), shared.runs(now));
            own.allows("").then(|| {
                own.filter(node.as_slice()).and(digest::seen(&all, pods)).map(|(node, all)| {
                    let there = node.first().map(|node| (node.allocatable.cpu, node.allocatable.memory));
                    rules(there.unwrap_or_default(), (!pods.is_empty()).then(|| total(&all, Some(name))))
                })
            })
        }
        Target::Pod(namespace, name) => {
            let pod = objects.pods.get(namespace, name);
            own.allows(namespace).then(|| own.filter(pod.as_slice()).map(|pod| of_pod(&pod, metric)))
        }
    }
}

/// What pods ask for: of one node, or of all.
fn total(runs: &[&Run], node: Option<&str>) -> (u64, u64) {
    let asked = runs.iter().flat_map(|run| &run.asked).filter(|asked| node.is_none_or(|node| *asked.node == *node));
    asked.fold((0, 0), |sum, asked| (sum.0 + asked.cpu, sum.1 + asked.memory))
}

fn of_pod(pod: &[&Arc<Pod>], metric: Metric) -> (Vec<Rule>, Vec<Mark>) {
    let (mut rules, mut marks) = (Vec::new(), Vec::new());
    for one in pod.iter().flat_map(|pod| pod.containers.iter()) {
        rules.extend(rule("request", &one.name, metric, one.cpu_request.map(u64::from), one.memory_request));
        rules.extend(rule("limit", &one.name, metric, one.cpu_limit.map(u64::from), one.memory_limit));
        let Some(end) = one.status.as_ref().and_then(|status| status.last.as_ref()) else { continue };
        let Some(at) = end.finished else { continue };
        let oom = end.reason.as_deref() == Some("OOMKilled");
        let say = Say::new(if oom { "MARK_OOM" } else { "MARK_RESTART" }).with("container", &*one.name);
        marks.push(Mark { at, say: say.with("exit", end.exit_code.to_string()) });
    }
    (rules, marks)
}

/// A rule of a chart in the metric's unit.
fn rule(word: &str, label: &str, metric: Metric, cpu: Option<u64>, memory: Option<u64>) -> Option<Rule> {
    let value = if metric == Metric::Cpu { cpu } else { memory }?;
    Some(Rule { word: word.into(), label: label.into(), value: value as f64 })
}

/// Why a target has no samples.
fn silence(shared: &Shared, target: &Target) -> Say {
    let node = match target {
        Target::Node(name) => Some(name.clone()),
        Target::Pod(namespace, name) => match shared.parts.objects.pods.get(namespace, name) {
            Some(pod) if &*pod.phase == "Pending" => {
                return Say::new("M-PENDING").with("reason", pod.reason.as_deref().unwrap_or("Pending"));
            }
            Some(pod) => pod.node.as_deref().map(Into::into),
            None => None,
        },
        Target::Cluster | Target::Namespace(_) => None,
    };
    let known = node.as_deref().and_then(|node| shared.parts.coverage.get(node)).unwrap_or_default();
    match (node, known.problem) {
        (Some(node), Some(say)) => {
            let time = known.good.and_then(|good| jiff::Timestamp::from_millisecond(good).ok());
            let time = time.map(|time| format!("{time:.0}")).unwrap_or_default();
            Say::new("M-SCRAPE").with("time", time).with("node", node).with("reason", say.code)
        }
        _ => Say::new("M-WAIT").with("s", (shared.parts.resolution / 500).to_string()),
    }
}
