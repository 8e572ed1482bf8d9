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
use hashbrown::HashMap;
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::{Millis, Say};

pub use super::missing::{Missing, Reservation};

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
        write!(f, "Latest({} nodes, {} pods)", store.nodes.len(), store.pods.len())
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
            next: None,
            was_ready: false,
            nodes: BTreeMap::new(),
            pods: HashMap::default(),
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

    /// A round begins, and the next one will at `next`: nodes that are no longer selected lose their points.
    pub fn begin_round(&self, now: Instant, next: Instant, selected: &HashSet<Arc<str>>) {
        // A moment at which there is something to serve is not forgotten, asked for or not.
        if !self.shared.read().was_ready {
            let _ = self.is_ready();
        }
        let mut store = self.shared.write();
        (store.round, store.next) = (Some(now), Some(next));
        store.retain(|node| selected.contains(node));
        for node in selected {
            store.nodes.entry(Arc::clone(node)).or_default();
        }
    }

    /// Between rounds: nodes that are no longer selected lose their points, and what was held for too long goes.
    pub fn tidy(&self, now: Instant, selected: impl Fn(&Arc<str>) -> bool) {
        let mut store = self.shared.write();
        store.retain(selected);
        store.expire(now);
    }

    /// Whether there is something to serve: a node, and a container with two points; or there was before; or whatever pods
    /// are reported are too young to have a second sample.
    #[must_use = "once it was true it is remembered"]
    pub fn is_ready(&self) -> bool {
        {
            let (store, now) = (self.shared.read(), Instant::now());
            let served = |name: &Arc<str>| store.node(name, now).is_ok();
            if store.was_ready || !store.nodes.keys().any(served) {
                return store.was_ready && store.nodes.keys().any(served);
            }
        }
        let tally = self.tally();
        let only_young = tally.pods > 0 && tally.pods_young == tally.pods;
        let ready = tally.nodes_served > 0 && (tally.any_container || only_young);
        self.shared.write().was_ready |= ready;
        ready
    }

    /// When the last round began.
    #[must_use]
    pub fn last_round(&self) -> Option<Instant> {
        self.shared.read().round
    }

    /// # Errors
    /// Why the node is not served.
    pub fn node(&self, name: &str) -> Result<Served, Missing> {
        self.shared.read().node(name, Instant::now())
    }

    /// # Errors
    /// Why the pod is not served. Its phase is the caller's to check.
    pub fn pod(&self, pod: &Pod) -> Result<ServedPod, Missing> {
        self.shared.read().pod(pod, Instant::now())
    }

    /// Like [`pod`](Self::pod), without what is served.
    ///
    /// # Errors
    /// Why the pod is not served, and when the scrape began that gave its last usable sample.
    pub fn pod_since(&self, pod: &Pod) -> Result<(), (Missing, Option<Instant>)> {
        let store = self.shared.read();
        store.pod(pod, Instant::now()).map(|_| ()).map_err(|why| (why, store.usable(pod)))
    }

    /// Many pods under one lock, in their order.
    #[must_use]
    pub fn pods(&self, pods: &[Arc<Pod>]) -> Vec<Option<ServedPod>> {
        let (store, now) = (self.shared.read(), Instant::now());
        pods.iter().map(|pod| store.pod(pod, now).ok()).collect()
    }

    /// What is to be known of a node that is served.
    #[must_use]
    pub fn node_reservation(&self, name: &str, now: Instant) -> Option<Reservation> {
        self.shared.read().of_node(name, now)
    }

    /// What is to be known of a pod that is served.
    #[must_use]
    pub fn pod_reservation(&self, pod: &Pod, now: Instant) -> Option<Reservation> {
        self.shared.read().of_pod(pod, now)
    }

    /// What is served, in numbers.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let (store, now) = (self.shared.read(), Instant::now());
        let mut tally = Tally::default();
        for name in store.nodes.keys() {
            tally.nodes += 1;
            tally.nodes_served += u32::from(store.node(name, now).is_ok());
            tally.node_points += u32::from(store.has_points(name));
        }
        for state in store.pods.values().filter(|state| state.is_reported()) {
            tally.pods += 1;
            if state.life.withdrawn {
                continue;
            }
            let points = state.containers.iter().filter(|(_, pair)| pair.prev.is_some()).count();
            tally.any_container |= points > 0;
            tally.container_points += u32::try_from(points).unwrap_or(u32::MAX);
            let served = state.served(None);
            let waits = matches!(served, Err(Missing::WaitingForSecondSample(..) | Missing::ContainerRestarted(..)));
            tally.pods_young += u32::from(waits && state.reported < 2);
        }
        tally
    }
}
