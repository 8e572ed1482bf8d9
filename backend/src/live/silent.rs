//! Nodes whose kubelets give no metrics, or not all of them: pure, from what the scraper knows. A node that is not ready
//! says so itself, and that its kubelet is silent is no news.

use super::findings::Found;
use crate::cluster::kinds::Node;
use crate::kubelet::{Coverage, NodeCoverage};
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::overview::Attention;
use wire::{Kind, Level, Ref, Say};

/// Nodes with the same trouble that are told one by one; more are told as one.
const APART: usize = 3;
/// Nodes a sentence names; more can't be read.
const NAMED: usize = 5;
/// Missed scrapes in a row that need a person: one alone mends itself with the next.
const MISSED: u32 = 2;

/// What a person should know of a node's kubelet.
pub(super) fn of(node: &Node, known: &NodeCoverage) -> Option<Found> {
    let found = |say: &Say, since| Found { level: Level::Warn, say: say.clone(), since };
    let problem = known.problem.as_ref().filter(|_| node.is_ready() && known.failures >= MISSED);
    let problem = problem.map(|say| found(say, known.since.unwrap_or_default()));
    problem.or_else(|| known.left_out.as_ref().map(|say| found(say, 0)))
}

/// The same of all `nodes`, which the person may see; many with the same trouble are one item.
pub(super) fn items(nodes: &[&Arc<Node>], coverage: &Coverage) -> Vec<Attention> {
    let mut by_code: BTreeMap<String, Vec<(&str, Found)>> = BTreeMap::new();
    for node in nodes {
        let found = coverage.get(&node.meta.name).and_then(|known| of(node, &known));
        if let Some(found) = found {
            by_code.entry(found.say.code.clone()).or_default().push((&node.meta.name, found));
        }
    }
    let mut items = Vec::new();
    for mut same in by_code.into_values() {
        if same.len() > APART {
            let names: Vec<&str> = same.iter().take(NAMED).map(|(name, _)| *name).collect();
            let (count, names) = (same.len().to_string(), names.join(", "));
            same.truncate(1);
            for (_, found) in &mut same {
                // The parameters of the first stay: the reason's sentence is made of them.
                let Say { code, args } = found.say.clone();
                let say = Say { code: "KUBELETS".into(), args }.with("count", count.as_str());
                found.say = say.with("nodes", names.as_str()).with("reason", code);
            }
        }
        items.extend(same.into_iter().map(|(name, Found { level, say, since })| {
            let at = Ref { kind: Kind::Node.name().into(), namespace: String::new(), name: name.into() };
            Attention { level, at, say, since }
        }));
    }
    items
}

#[cfg(test)]
mod silent_tests {
    use super::*;
    use serde_json::json;

    fn node(name: &str, ready: &str) -> Arc<Node> {
        let conditions = json!([{"type": "Ready", "status": ready}]);
        let manifest = json!({"metadata": {"name": name, "uid": name}, "status": {"conditions": conditions}});
        Arc::new(crate::cluster::decode::object(&manifest).unwrap())
    }

    #[track_caller]
    fn check(nodes: &[(&str, &str, u32)], expected: &[(&str, &str, &str)]) {
        let coverage = Coverage::default();
        let nodes: Vec<Arc<Node>> = nodes
            .iter()
            .map(|(name, ready, failures)| {
                let problem = (*failures > 0).then(|| Say::new("Timeout").with("node", *name));
                let known = NodeCoverage { failures: *failures, problem, since: Some(7), ..NodeCoverage::default() };
                coverage.set(name, known);
                node(name, ready)
            })
            .collect();
        let items = items(&nodes.iter().collect::<Vec<_>>(), &coverage);
        let items: Vec<_> =
            items.iter().map(|item| (item.say.code.as_str(), item.at.name.as_str(), item.say.arg("nodes"))).collect();
        assert_eq!(items, expected);
    }

    #[test]
    fn a_kubelet_that_is_silent_twice_needs_a_person_unless_its_node_is_down() {
        check(&[("a", "True", 0), ("b", "True", 1), ("c", "True", 2), ("d", "False", 9)], &[("Timeout", "c", "")]);
    }

    #[test]
    fn many_with_the_same_trouble_are_one_item() {
        let nodes = ["a", "b", "c", "d", "e", "f"].map(|name| (name, "True", 4));
        check(&nodes, &[("KUBELETS", "a", "a, b, c, d, e")]);
    }

    #[test]
    fn what_was_left_out_of_a_page_is_said_while_it_is() {
        let say = Say::new("MalformedLines").with("node", "a");
        let known = NodeCoverage { left_out: Some(say.clone()), ..NodeCoverage::default() };
        assert_eq!(of(&node("a", "True"), &known), Some(Found { level: Level::Warn, say, since: 0 }));
    }
}
