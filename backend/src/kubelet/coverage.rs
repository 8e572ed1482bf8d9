//! How well the kubelets answer: per node the last good scrape and the present problem.

use super::parse::Problem;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;
use tracing::{debug, info, warn};
use wire::{Millis, Say};

/// One node's scrape health.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeCoverage {
    /// Start of the last good scrape; `None` before the first.
    pub good: Option<Millis>,
    /// How long it took, milliseconds.
    pub took: u32,
    /// Bytes of the last good answer, as they came over the wire before TLS.
    pub wire: u64,
    /// When the certificate of the connection ends; `None` without one.
    pub expires: Option<Millis>,
    /// Consecutive failures since.
    pub failures: u32,
    /// The present problem: a reason code of `metrics-api.md` 4.5 with object, cause and remedy as parameters.
    pub problem: Option<Say>,
    /// Since when there is a problem.
    pub since: Option<Millis>,
    /// Lines of its pages that could not be read and were left out, since the node is known.
    pub malformed: u64,
    /// What was left out of the newest page that was read, with object, cause and remedy as parameters; `None` when it
    /// was whole. No [`problem`](Self::problem): everything else of the page counts.
    pub left_out: Option<Say>,
}

/// All nodes' scrape health; written by the scraper, read by everyone. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    nodes: RwLock<BTreeMap<Arc<str>, NodeCoverage>>,
    version: watch::Sender<u64>,
}

impl Coverage {
    pub fn get(&self, node: &str) -> Option<NodeCoverage> {
        self.shared.nodes.read().get(node).cloned()
    }

    /// Nodes that answered last time, of how many.
    pub fn answering(&self) -> (u32, u32) {
        let nodes = self.shared.nodes.read();
        let good = nodes.values().filter(|node| node.good.is_some() && node.failures == 0).count();
        (u32::try_from(good).unwrap_or(u32::MAX), u32::try_from(nodes.len()).unwrap_or(u32::MAX))
    }

    pub fn set(&self, node: &str, coverage: NodeCoverage) {
        self.shared.nodes.write().insert(Arc::from(node), coverage);
        self.shared.version.send_modify(|version| *version += 1);
    }

    /// Changes what is known of a node, from nothing if need be.
    pub(super) fn update(&self, node: &str, change: impl FnOnce(&mut NodeCoverage)) {
        let mut nodes = self.shared.nodes.write();
        match nodes.get_mut(node) {
            Some(known) => change(known),
            None => change(nodes.entry(Arc::from(node)).or_default()),
        }
        drop(nodes);
        self.shared.version.send_modify(|version| *version += 1);
    }

    /// Forgets nodes that are no more.
    pub fn retain(&self, known: impl Fn(&str) -> bool) {
        self.shared.nodes.write().retain(|name, _| known(name));
        self.shared.version.send_modify(|version| *version += 1);
    }

    pub fn version(&self) -> watch::Receiver<u64> {
        self.shared.version.subscribe()
    }

    /// A good scrape: what it says of itself; what is counted stays.
    pub(super) fn good(&self, node: &str, coverage: NodeCoverage) {
        if self.get(node).is_some_and(|before| before.problem.is_some()) {
            info!(node, "kubelet answers again");
        }
        self.update(node, |known| {
            let (malformed, left_out) = (known.malformed, known.left_out.take());
            *known = NodeCoverage { malformed, left_out, ..coverage };
        });
    }

    /// Counts the lines that a page is short of.
    pub(super) fn lines(&self, node: &str, problems: &[Problem]) {
        let known = self.get(node).unwrap_or_default();
        let left_out = problems.first().map(|first| left_out(node, first, problems.len()));
        if left_out == known.left_out && problems.is_empty() {
            return;
        }
        match (&known.left_out, &left_out) {
            (None, Some(say)) => {
                let (cause, remedy) = (say.arg("cause"), say.arg("remedy"));
                warn!(node, cause, remedy, "lines of the kubelet's page are left out");
            }
            (Some(_), None) => info!(node, "the kubelet's page is whole again"),
            _ => {}
        }
        self.update(node, |known| {
            known.malformed = known.malformed.saturating_add(problems.len() as u64);
            known.left_out = left_out;
        });
    }

    /// A failed scrape. That a node which is not `ready` does not answer is no news.
    pub(super) fn bad(&self, node: &str, problem: Say, asked: Millis, ready: bool) {
        let before = self.get(node).unwrap_or_default();
        if before.problem.as_ref().is_none_or(|before| before.code != problem.code) {
            let (reason, address, cause) = (&problem.code, problem.arg("address"), problem.arg("cause"));
            if ready {
                warn!(node, reason, address, cause, remedy = problem.arg("remedy"), "no page from the kubelet");
            } else {
                debug!(node, reason, address, cause, "no page from the kubelet of a node that is not ready");
            }
        }
        let coverage = NodeCoverage {
            failures: before.failures.saturating_add(1),
            problem: Some(problem),
            since: before.since.or(Some(asked)),
            ..before
        };
        self.set(node, coverage);
    }
}

/// For people: node, cause and remedy of lines that are left out.
fn left_out(node: &str, first: &Problem, lines: usize) -> Say {
    let Problem { line, what } = first;
    let cause = match lines {
        1 => format!("line {line}: {what}"),
        _ => format!("{lines} lines, the first of them line {line}: {what}"),
    };
    let remedy = format!("see what the kubelet says: kubectl get --raw /api/v1/nodes/{node}/proxy/metrics/resource");
    Say::new("MalformedLines").with("node", node).with("cause", cause).with("remedy", remedy)
}
