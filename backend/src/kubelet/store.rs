//! Nodes and whose pods they are: good pages in, failed scrapes, what is withdrawn, held and forgotten.

use super::latest::{Missing, Reservation, Served, ServedPod};
use super::points::{LIFE, Life, PodState, millis, nanos, served};
use crate::cluster::kinds::Pod;
use crate::kubelet::page::{NodePage, NodePoint, PodPoints};
use crate::kubelet::rate::{Pair, Point, WentBack};
use foldhash::fast::RandomState;
use hashbrown::{Equivalent, HashMap, HashSet};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::Say;

/// A sample that stands for longer is said to: kubelets measure every ten to thirty seconds, idle or busy.
const STANDS: Duration = Duration::from_secs(60);

pub(super) struct Store {
    /// Nanoseconds.
    pub(super) resolution: u64,
    pub(super) drop_after: u32,
    /// When the last round began, and when the next one will.
    pub(super) round: Option<Instant>,
    pub(super) next: Option<Instant>,
    /// There was something to serve once.
    pub(super) was_ready: bool,
    pub(super) nodes: BTreeMap<Arc<str>, NodeState>,
    pub(super) pods: HashMap<Named, PodState, RandomState>,
}

/// Namespace and name of a pod.
pub(super) type Named = (Arc<str>, Arc<str>);

/// The same, borrowed.
#[derive(Hash)]
struct By<'a>(&'a str, &'a str);

impl Equivalent<Named> for By<'_> {
    fn equivalent(&self, (namespace, name): &Named) -> bool {
        *self.0 == **namespace && *self.1 == **name
    }
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
    /// What the last good page lacked for a point of the node itself.
    lacks: &'static str,
    /// Pods whose points came from this node.
    pub(super) owned: HashSet<Named, RandomState>,
}

// === impl NodeState ===

impl NodeState {
    /// Whether the last good scrape began too long ago for its points to be held.
    fn is_late(&self, now: Instant) -> bool {
        self.good.is_none_or(|good| now.saturating_duration_since(good) >= LIFE)
    }
}

// === impl Store ===

impl Store {
    pub(super) fn apply(&mut self, page: &NodePage, began: Instant, live: &[Option<Arc<Pod>>]) {
        let drop_after = self.drop_after;
        let node = self.nodes.entry(Arc::clone(&page.node)).or_default();
        let unbroken = node.failures == 0;
        node.good = Some(began);
        node.failures = 0;
        node.problem = None;
        node.lacks = page.lacks;
        if let Some(point) = page.node_point {
            let old = node.pair.filter(|_| node.life.lives(began, drop_after, unbroken));
            node.pair = Some(Pair::node(old.as_ref(), Point::from(point)));
            node.life = Life::good(began);
        } else {
            node.life.withdraw();
            if !node.life.lives(began, drop_after, unbroken) {
                node.pair = None;
            }
        }
        let mut owned = std::mem::take(&mut node.owned);
        let mut fresh = HashSet::with_capacity_and_hasher(page.pods.len(), RandomState::default());
        for (points, live) in page.pods.iter().zip(live) {
            let key = (Arc::clone(&points.namespace), Arc::clone(&points.name));
            if let Some(before) = self.pod_page(page, points, live.as_deref(), (began, unbroken)) {
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
        (began, unbroken): (Instant, bool),
    ) -> Option<Option<Arc<str>>> {
        let (resolution, drop_after) = (self.resolution, self.drop_after);
        let known = self.pods.get(&By(&points.namespace, &points.name));
        let mut before = None;
        if let Some(known) = known.filter(|known| known.node != page.node) {
            before = Some(Arc::clone(&known.node));
        }
        match live.and_then(|pod| pod.node.as_deref()) {
            Some(node) if node != &*page.node => return None,
            None if before.is_some() && known.is_some_and(|known| !known.life.withdrawn) => return None,
            Some(_) | None => {}
        }
        let key = (Arc::clone(&points.namespace), Arc::clone(&points.name));
        let state = self.pods.entry(key).or_insert_with(|| PodState::new(&page.node));
        if before.is_some() {
            *state = PodState::new(&page.node);
        }
        if let Some(pod) = live {
            state.follow(pod);
        }
        if !state.life.lives(began, drop_after, unbroken) {
            state.containers.clear();
        }
        state.reported = state.reported.saturating_add(1);
        state.take(points, live, began, resolution);
        Some(before)
    }

    /// The page of the pod's node does not mention it. Whether its points stay as a base.
    fn withdraw_pod(&mut self, key: &(Arc<str>, Arc<str>), now: Instant) -> bool {
        let drop_after = self.drop_after;
        let Some(state) = self.pods.get_mut(key) else { return false };
        state.unusable = None;
        state.reported = 0;
        state.life.withdraw();
        let lives = state.life.lives(now, drop_after, false);
        if !lives {
            self.pods.remove(key);
        }
        lives
    }

    pub(super) fn fail(&mut self, name: &Arc<str>, problem: Say, now: Instant) {
        let drop_after = self.drop_after;
        let node = self.nodes.entry(Arc::clone(name)).or_default();
        node.failures = node.failures.saturating_add(1);
        node.problem = Some(problem);
        if node.failures >= drop_after || node.is_late(now) {
            self.drop_points(name);
            return;
        }
        // Withdrawn points age by failed rounds as well.
        if node.life.withdrawn {
            node.life.withdraw();
            if !node.life.lives(now, drop_after, false) {
                node.pair = None;
            }
        }
        let mut owned = std::mem::take(&mut node.owned);
        owned.retain(|key| {
            let withdrawn = self.pods.get(key).is_some_and(|state| state.life.withdrawn);
            !withdrawn || self.withdraw_pod(key, now)
        });
        if let Some(node) = self.nodes.get_mut(name) {
            node.owned = owned;
        }
    }

    /// Ends what is held for too long: a scrape that takes its time is no reason to serve it longer.
    pub(super) fn expire(&mut self, now: Instant) {
        let held = |node: &NodeState| node.failures > 0 && (node.pair.is_some() || !node.owned.is_empty());
        let late = self.nodes.iter().filter(|(_, node)| held(node) && node.is_late(now));
        let late: Vec<Arc<str>> = late.map(|(name, _)| Arc::clone(name)).collect();
        late.iter().for_each(|name| self.drop_points(name));
    }

    /// Forgets nodes that are no longer selected.
    pub(super) fn retain(&mut self, selected: impl Fn(&Arc<str>) -> bool) {
        let gone: Vec<Arc<str>> = self.nodes.keys().filter(|node| !selected(node)).cloned().collect();
        for node in gone {
            if let Some(state) = self.nodes.remove(&node) {
                self.forget_pods(&node, state.owned);
            }
        }
    }

    /// Drops the points of a node and of its pods.
    fn drop_points(&mut self, name: &Arc<str>) {
        let Some(node) = self.nodes.get_mut(name) else { return };
        node.pair = None;
        let owned = std::mem::take(&mut node.owned);
        self.forget_pods(name, owned);
    }

    pub(super) fn forget_pods(&mut self, node: &Arc<str>, owned: HashSet<Named, RandomState>) {
        for key in owned {
            if self.pods.get(&key).is_some_and(|state| state.node == *node) {
                self.pods.remove(&key);
            }
        }
        // A cluster that shrank keeps no room for what it was.
        if self.pods.capacity() > 4 * self.pods.len().max(1024) {
            self.pods.shrink_to_fit();
        }
    }

    pub(super) fn node(&self, name: &str, now: Instant) -> Result<Served, Missing> {
        let next = self.until_next(now);
        let state = self.nodes.get(name).ok_or(Missing::NotScrapedYet(next))?;
        if state.good.is_some() && state.life.withdrawn {
            return Err(Missing::IncompleteSample(state.lacks));
        }
        let Some(pair) = state.pair else {
            return Err(state.problem.clone().map_or(Missing::NotScrapedYet(next), Missing::NodeFails));
        };
        match pair.rate() {
            Some(Ok(rate)) => Ok(served(&pair, rate)),
            Some(Err(WentBack(from, to))) => Err(Missing::CounterReset(None, from, to)),
            None => Err(Missing::WaitingForSecondSample(None, next)),
        }
    }

    pub(super) fn has_points(&self, name: &str) -> bool {
        let state = self.nodes.get(name).filter(|state| !state.life.withdrawn);
        state.and_then(|state| state.pair).is_some_and(|pair| pair.prev.is_some())
    }

    /// When the scrape began that gave the pod's last usable sample.
    pub(super) fn usable(&self, pod: &Pod) -> Option<Instant> {
        let state = self.pods.get(&By(&pod.meta.namespace, &pod.meta.name))?;
        state.life.usable().filter(|_| state.is_of(pod))
    }

    fn until_next(&self, now: Instant) -> Option<Duration> {
        self.next.map(|next| next.saturating_duration_since(now))
    }

    pub(super) fn pod(&self, pod: &Pod, now: Instant) -> Result<ServedPod, Missing> {
        let state = self.pods.get(&By(&pod.meta.namespace, &pod.meta.name));
        let Some(state) = state.filter(|state| state.is_of(pod) && !state.hidden()) else {
            return Err(self.pod_missing(pod, state.filter(|state| state.is_of(pod))));
        };
        state.served(self.until_next(now))
    }

    /// What is to be known of a served node.
    pub(super) fn of_node(&self, name: &str, now: Instant) -> Option<Reservation> {
        let state = self.nodes.get(name)?;
        let repeated = || state.pair.filter(|pair| pair.repeats >= self.standing());
        self.held(state, now).or_else(|| repeated().map(|pair| Reservation::SampleNotAdvancing(millis(pair.last.at))))
    }

    /// What is to be known of a served pod.
    pub(super) fn of_pod(&self, pod: &Pod, now: Instant) -> Option<Reservation> {
        let state = self.pods.get(&By(&pod.meta.namespace, &pod.meta.name))?;
        let node = self.nodes.get(&state.node);
        node.and_then(|node| self.held(node, now))
            .or_else(|| state.lacking(pod).map(Reservation::PartialPod))
            .or_else(|| state.repeated(self.standing()).map(Reservation::SampleNotAdvancing))
    }

    fn held(&self, node: &NodeState, now: Instant) -> Option<Reservation> {
        let failures = node.failures;
        let age = now.saturating_duration_since(node.good.filter(|_| failures > 0)?);
        let rounds = Duration::from_nanos(self.resolution).saturating_mul(self.drop_after.saturating_sub(failures));
        Some(Reservation::Held { failures, age, left: rounds.min(LIFE.saturating_sub(age)) })
    }

    /// Pages that repeat a sample for [`STANDS`].
    fn standing(&self) -> u8 {
        let pages = u64::try_from(STANDS.as_nanos()).unwrap_or(u64::MAX).div_ceil(self.resolution.max(1));
        u8::try_from(pages).unwrap_or(u8::MAX).max(2)
    }

    fn pod_missing(&self, pod: &Pod, state: Option<&PodState>) -> Missing {
        if let Some((container, lacks)) = state.and_then(|state| state.unusable.clone()) {
            return Missing::IncompleteContainer { container, lacks };
        }
        let Some(node) = pod.node.clone() else { return Missing::NotReportedByKubelet(None) };
        match self.nodes.get(&node) {
            None => Missing::NodeMissing { node, reason: "NotScrapedYet".to_owned() },
            Some(state) if state.failures > 0 => {
                let reason = state.problem.as_ref().map(|problem| problem.code.clone()).unwrap_or_default();
                Missing::NodeMissing { node, reason }
            }
            Some(state) if state.good.is_none() => Missing::NodeMissing { node, reason: "NotScrapedYet".to_owned() },
            Some(_) => Missing::NotReportedByKubelet(Some(node)),
        }
    }
}

impl From<NodePoint> for Point {
    fn from(point: NodePoint) -> Self {
        Self { started: None, at: nanos(point.at), cpu: point.cpu, memory: point.memory, swap: point.swap }
    }
}
