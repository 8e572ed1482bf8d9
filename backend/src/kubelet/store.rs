//! Nodes and whose pods they are: good pages in, failed scrapes, what is withdrawn, held and forgotten.

use super::latest::{Missing, Served, ServedPod};
use super::points::{LIFE, Life, PodState, nanos, served};
use crate::cluster::kinds::Pod;
use crate::kubelet::page::{NodePage, NodePoint, PodPoints};
use crate::kubelet::rate::{Pair, Point, WentBack};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;
use wire::Say;

pub(super) struct Store {
    /// Nanoseconds.
    pub(super) resolution: u64,
    pub(super) drop_after: u32,
    /// When the last round began.
    pub(super) round: Option<Instant>,
    pub(super) nodes: BTreeMap<Arc<str>, NodeState>,
    /// Namespace, name.
    pub(super) pods: BTreeMap<Arc<str>, BTreeMap<Arc<str>, PodState>>,
}

#[derive(Default)]
pub(super) struct NodeState {
    pair: Option<Pair>,
    life: Life,
    /// Start of the last good scrape.
    pub(super) good: Option<Instant>,
    /// Consecutive failures since.
    pub(super) failures: u32,
    problem: Option<Say>,
    /// Pods whose points came from this node.
    pub(super) owned: HashSet<(Arc<str>, Arc<str>)>,
}

// === impl Store ===

impl Store {
    pub(super) fn apply(&mut self, page: &NodePage, began: Instant, live: &[Option<Arc<Pod>>]) {
        let drop_after = self.drop_after;
        let node = self.nodes.entry(Arc::clone(&page.node)).or_default();
        node.good = Some(began);
        node.failures = 0;
        node.problem = None;
        if let Some(point) = page.node_point {
            let old = node.pair.filter(|_| node.life.lives(began, drop_after));
            node.pair = Some(Pair::node(old.as_ref(), Point::from(point)));
            node.life = Life::good(began);
        } else {
            node.life.withdraw();
            if !node.life.lives(began, drop_after) {
                node.pair = None;
            }
        }
        let mut owned = std::mem::take(&mut node.owned);
        let mut fresh = HashSet::with_capacity(page.pods.len());
        for (points, live) in page.pods.iter().zip(live) {
            let key = (Arc::clone(&points.namespace), Arc::clone(&points.name));
            if let Some(before) = self.pod_page(page, points, live.as_deref(), began) {
                if let Some(before) = before
                    && let Some(state) = self.nodes.get_mut(&before)
                {
                    state.owned.remove(&key);
                }
                owned.remove(&key);
                fresh.insert(key);
            }
        }
        for key in owned {
            if self.withdraw_pod(&key, began) {
                fresh.insert(key);
            }
        }
        if let Some(node) = self.nodes.get_mut(&page.node) {
            node.owned = fresh;
        }
    }

    /// Takes one pod of a page in. `None`: it belongs to another node; else its former owner if that was another.
    fn pod_page(
        &mut self,
        page: &NodePage,
        points: &PodPoints,
        live: Option<&Pod>,
        began: Instant,
    ) -> Option<Option<Arc<str>>> {
        let (resolution, drop_after) = (self.resolution, self.drop_after);
        let known = self.pods.get(&points.namespace).and_then(|pods| pods.get(&points.name));
        let mut before = None;
        if let Some(known) = known.filter(|known| known.node != page.node) {
            before = Some(Arc::clone(&known.node));
        }
        match live.and_then(|pod| pod.node.as_deref()) {
            Some(node) if node != &*page.node => return None,
            None if before.is_some() && known.is_some_and(|known| !known.life.withdrawn) => return None,
            Some(_) | None => {}
        }
        let pods = self.pods.entry(Arc::clone(&points.namespace)).or_default();
        let state = pods.entry(Arc::clone(&points.name)).or_insert_with(|| PodState::new(&page.node));
        if before.is_some() {
            *state = PodState::new(&page.node);
        }
        if let Some(pod) = live {
            state.follow(pod);
        }
        if !state.life.lives(began, drop_after) {
            state.containers.clear();
        }
        state.reported = state.reported.saturating_add(1);
        state.take(points, live, began, resolution);
        Some(before)
    }

    /// The page of the pod's node does not mention it. Whether its points stay as a base.
    fn withdraw_pod(&mut self, key: &(Arc<str>, Arc<str>), now: Instant) -> bool {
        let drop_after = self.drop_after;
        let Some(pods) = self.pods.get_mut(&key.0) else { return false };
        let Some(state) = pods.get_mut(&key.1) else { return false };
        state.unusable = None;
        state.reported = 0;
        state.life.withdraw();
        let lives = state.life.lives(now, drop_after);
        if !lives {
            pods.remove(&key.1);
            if pods.is_empty() {
                self.pods.remove(&key.0);
            }
        }
        lives
    }

    pub(super) fn fail(&mut self, name: &Arc<str>, problem: Say, now: Instant) {
        let drop_after = self.drop_after;
        let node = self.nodes.entry(Arc::clone(name)).or_default();
        node.failures = node.failures.saturating_add(1);
        node.problem = Some(problem);
        let late = node.good.is_none_or(|good| now.saturating_duration_since(good) >= LIFE);
        if node.failures >= drop_after || late {
            node.pair = None;
            let owned = std::mem::take(&mut node.owned);
            self.forget_pods(name, owned);
            return;
        }
        // Withdrawn points age by failed rounds as well.
        if node.life.withdrawn {
            node.life.withdraw();
            if !node.life.lives(now, drop_after) {
                node.pair = None;
            }
        }
        let mut owned = std::mem::take(&mut node.owned);
        owned.retain(|key| {
            let withdrawn =
                self.pods.get(&key.0).and_then(|pods| pods.get(&key.1)).is_some_and(|state| state.life.withdrawn);
            !withdrawn || self.withdraw_pod(key, now)
        });
        if let Some(node) = self.nodes.get_mut(name) {
            node.owned = owned;
        }
    }

    pub(super) fn forget_pods(&mut self, node: &Arc<str>, owned: HashSet<(Arc<str>, Arc<str>)>) {
        for (namespace, name) in owned {
            let Some(pods) = self.pods.get_mut(&namespace) else { continue };
            if pods.get(&name).is_some_and(|state| state.node == *node) {
                pods.remove(&name);
            }
            if pods.is_empty() {
                self.pods.remove(&namespace);
            }
        }
    }

    pub(super) fn node(&self, name: &str) -> Result<Served, Missing> {
        let state = self.nodes.get(name).ok_or(Missing::NotScrapedYet)?;
        if state.good.is_some() && state.life.withdrawn {
            return Err(Missing::IncompleteSample);
        }
        let Some(pair) = state.pair else {
            return Err(state.problem.clone().map_or(Missing::NotScrapedYet, Missing::NodeFails));
        };
        match pair.rate() {
            Some(Ok(rate)) => Ok(served(&pair, rate)),
            Some(Err(WentBack)) => Err(Missing::CounterReset(None)),
            None => Err(Missing::WaitingForSecondSample(None)),
        }
    }

    pub(super) fn has_points(&self, name: &str) -> bool {
        let state = self.nodes.get(name).filter(|state| !state.life.withdrawn);
        state.and_then(|state| state.pair).is_some_and(|pair| pair.prev.is_some())
    }

    /// When the scrape began that gave the pod's last usable sample.
    pub(super) fn usable(&self, pod: &Pod) -> Option<Instant> {
        let state = self.pods.get(&pod.meta.namespace).and_then(|pods| pods.get(&pod.meta.name))?;
        state.life.usable().filter(|_| state.is_of(pod))
    }

    pub(super) fn pod(&self, pod: &Pod) -> Result<ServedPod, Missing> {
        let state = self.pods.get(&pod.meta.namespace).and_then(|pods| pods.get(&pod.meta.name));
        let Some(state) = state.filter(|state| state.is_of(pod) && !state.hidden()) else {
            return Err(self.pod_missing(pod, state.filter(|state| state.is_of(pod))));
        };
        state.served()
    }

    fn pod_missing(&self, pod: &Pod, state: Option<&PodState>) -> Missing {
        if let Some((container, lacks)) = state.and_then(|state| state.unusable.clone()) {
            return Missing::IncompleteContainer { container, lacks };
        }
        let Some(node) = pod.node.clone() else { return Missing::NotReportedByKubelet(None) };
        match self.nodes.get(&node) {
            None => Missing::NotScrapedYet,
            Some(state) if state.failures > 0 => {
                let reason = state.problem.as_ref().map(|problem| problem.code.clone()).unwrap_or_default();
                Missing::NodeMissing { node, reason }
            }
            Some(state) if state.good.is_none() => Missing::NotScrapedYet,
            Some(_) => Missing::NotReportedByKubelet(Some(node)),
        }
    }
}

impl From<NodePoint> for Point {
    fn from(point: NodePoint) -> Self {
        Self { started: None, at: nanos(point.at), cpu: point.cpu, memory: point.memory, swap: point.swap }
    }
}
