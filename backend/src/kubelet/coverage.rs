//! How well the kubelets answer: per node the last good scrape and the present problem.

use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;
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
}
