//! The newest two samples of every node and container, for the Metrics API.
//!
//! Written by the scraper page by page, read by `metrics_api`. This is not history: that is the `series` crate. It is
//! apart from it because the Metrics API promises exact timestamps and windows, and history is aligned.
//!
//! A pod is served when every container of its last page has a base, never a part of a pod. What a good page no longer
//! mentions is *withdrawn*: not served, but still the base of the next sample. What a failed scrape hides is *held*:
//! served with its old values. Both end after [`drop_after`](Latest::new) rounds or two minutes of the caller's clock;
//! the kubelets' clocks decide nothing but windows.
//!
//! Costs about 130 bytes a container and one map entry a pod. One write lock a page; readers copy what they serve.

use super::page::NodePage;
use super::store::Store;
use crate::cluster::Cache;
use crate::cluster::kinds::Pod;
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::{Millis, Say};

pub use super::missing::Missing;

/// Usage over a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Sample time, Unix milliseconds by the kubelet's clock.
    pub at: Millis,
    /// Nanoseconds.
    pub window: u64,
    /// Nanocores.
    pub cpu: u64,
    /// Bytes.
    pub memory: u64,
    /// Bytes; `None` when the kubelet does not report swap.
    pub swap: Option<u64>,
}

/// A pod's containers, sorted by name, never none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedPod {
    /// Sample time of the earliest container, Unix milliseconds.
    pub at: Millis,
    /// That container's window, nanoseconds.
    pub window: u64,
    pub containers: Vec<(Arc<str>, Served)>,
}

/// How many objects are served, for readiness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub nodes: u32,
    pub nodes_served: u32,
    /// Pods reported by good scrapes.
    pub pods: u32,
    pub pods_served: u32,
    /// Pods with one sample, reported for less than two rounds.
    pub pods_young: u32,
    /// A container has two points.
    pub any_container: bool,
    /// Nodes and containers with two usable points, whatever their rates say.
    pub node_points: u32,
    pub container_points: u32,
}

/// Writer's and readers' shared half. Cheap to clone.
#[derive(Clone)]
pub struct Latest {
    shared: Arc<RwLock<Store>>,
}

// === impl Latest ===

impl std::fmt::Debug for Latest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let store = self.shared.read();
        write!(f, "Latest({} nodes, {} namespaces)", store.nodes.len(), store.pods.len())
    }
}

impl Latest {
    /// `drop_after`: consecutive failed scrapes after which a node's points are dropped; one is as metrics-server.
    #[must_use]
    pub fn new(resolution: Duration, drop_after: u32) -> Self {
        let resolution = u64::try_from(resolution.as_nanos()).unwrap_or(u64::MAX);
        let store = Store {
            resolution,
            drop_after: drop_after.max(1),
            round: None,
            nodes: BTreeMap::new(),
            pods: BTreeMap::new(),
        };
        Self { shared: Arc::new(RwLock::new(store)) }
    }

    /// A good scrape that began at `began`.
    pub fn apply(&self, page: &NodePage, began: Instant, pods: &Cache<Pod>) {
        // Looked up before the lock: the cache has its own.
        let live: Vec<Option<Arc<Pod>>> = page.pods.iter().map(|pod| pods.get(&pod.namespace, &pod.name)).collect();
        self.shared.write().apply(page, began, &live);
    }

    /// A failed scrape: everything is held, or dropped when that has lasted too long.
    pub fn fail(&self, node: &Arc<str>, problem: Say, now: Instant) {
        self.shared.write().fail(node, problem, now);
    }

    /// A round begins: nodes that are no longer selected lose their points, outlived points go.
    pub fn begin_round(&self, now: Instant, selected: &HashSet<Arc<str>>) {
        let mut store = self.shared.write();
        store.round = Some(now);
        let gone: Vec<Arc<str>> = store.nodes.keys().filter(|node| !selected.contains(*node)).cloned().collect();
        for node in gone {
            if let Some(state) = store.nodes.remove(&node) {
                store.forget_pods(&node, state.owned);
            }
        }
        for node in selected {
            store.nodes.entry(Arc::clone(node)).or_default();
        }
    }

    /// When the last round began.
    #[must_use]
    pub fn last_round(&self) -> Option<Instant> {
        self.shared.read().round
    }

    /// # Errors
    /// Why the node is not served.
    pub fn node(&self, name: &str) -> Result<Served, Missing> {
        self.shared.read().node(name)
    }

    /// # Errors
    /// Why the pod is not served. Its phase is the caller's to check.
    pub fn pod(&self, pod: &Pod) -> Result<ServedPod, Missing> {
        self.shared.read().pod(pod)
    }

    /// Like [`pod`](Self::pod), without what is served.
    ///
    /// # Errors
    /// Why the pod is not served, and when the scrape began that gave its last usable sample.
    pub fn pod_since(&self, pod: &Pod) -> Result<(), (Missing, Option<Instant>)> {
        let store = self.shared.read();
        store.pod(pod).map(|_| ()).map_err(|why| (why, store.usable(pod)))
    }

    /// Many pods under one lock, in their order.
    #[must_use]
    pub fn pods(&self, pods: &[Arc<Pod>]) -> Vec<Option<ServedPod>> {
        let store = self.shared.read();
        pods.iter().map(|pod| store.pod(pod).ok()).collect()
    }

    /// Since when a served node is held: its failures and the age of its last good scrape.
    #[must_use]
    pub fn held(&self, node: &str, now: Instant) -> Option<(u32, Duration)> {
        let store = self.shared.read();
        let state = store.nodes.get(node).filter(|state| state.failures > 0)?;
        Some((state.failures, now.saturating_duration_since(state.good?)))
    }

    /// What is served, in numbers.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let store = self.shared.read();
        let mut tally = Tally::default();
        for name in store.nodes.keys() {
            tally.nodes += 1;
            tally.nodes_served += u32::from(store.node(name).is_ok());
            tally.node_points += u32::from(store.has_points(name));
        }
        for state in store.pods.values().flat_map(BTreeMap::values).filter(|state| !state.life.withdrawn) {
            tally.pods += 1;
            let points = state.containers.iter().filter(|(_, pair)| pair.prev.is_some()).count();
            tally.any_container |= points > 0;
            tally.container_points += u32::try_from(points).unwrap_or(u32::MAX);
            let served = state.served();
            tally.pods_served += u32::from(served.is_ok());
            let waits = matches!(served, Err(Missing::WaitingForSecondSample(_) | Missing::ContainerRestarted(_)));
            tally.pods_young += u32::from(waits && state.reported < 2);
        }
        tally
    }
}
