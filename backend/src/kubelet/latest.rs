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

use super::page::{ContainerPoint, NodePage, NodePoint, PodPoints};
use super::rate::{Pair, Point, Rate, WentBack};
use crate::cluster::Cache;
use crate::cluster::kinds::{Pod, State};
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::{Millis, Say};

/// The longest that points are held or stay a base without a good sample.
const LIFE: Duration = Duration::from_secs(120);

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

/// Why a node or a pod is not served: the reasons of `metrics-api.md` section 6.
#[derive(Clone, Debug, PartialEq)]
pub enum Missing {
    /// A new node, or a pod on one: no page yet.
    NotScrapedYet,
    /// The node's scrape fails, and its points are gone.
    NodeFails(Say),
    /// The kubelet reports no CPU or no memory for the node.
    IncompleteSample,
    /// One sample so far; of a pod: this container's.
    WaitingForSecondSample(Option<Arc<str>>),
    /// The CPU counter went back; of a pod: this container's.
    CounterReset(Option<Arc<str>>),
    /// The container began anew between two rounds.
    ContainerRestarted(Arc<str>),
    /// The container lacks a value, and an HPA treats a missing pod safely, a wrong low number not.
    IncompleteContainer { container: Arc<str>, lacks: &'static str },
    /// The pod's node does not answer.
    NodeMissing { node: Arc<str>, reason: String },
    /// The kubelet answers and does not list the pod.
    NotReportedByKubelet(Option<Arc<str>>),
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
}

/// Writer's and readers' shared half. Cheap to clone.
#[derive(Clone)]
pub struct Latest {
    shared: Arc<RwLock<Store>>,
}

struct Store {
    /// Nanoseconds.
    resolution: u64,
    drop_after: u32,
    /// When the last round began.
    round: Option<Instant>,
    nodes: BTreeMap<Arc<str>, NodeState>,
    /// Namespace, name.
    pods: BTreeMap<Arc<str>, BTreeMap<Arc<str>, PodState>>,
}

#[derive(Default)]
struct NodeState {
    pair: Option<Pair>,
    life: Life,
    /// Start of the last good scrape.
    good: Option<Instant>,
    /// Consecutive failures since.
    failures: u32,
    problem: Option<Say>,
    /// Pods whose points came from this node.
    owned: HashSet<(Arc<str>, Arc<str>)>,
}

struct PodState {
    node: Arc<str>,
    /// Uid and creation of the live object when the points arrived; `None` when the cache did not know it.
    uid: Option<Box<str>>,
    /// Good pages of the node that named the pod.
    reported: u32,
    life: Life,
    /// What the last page that mentioned the pod lacked.
    unusable: Option<(Arc<str>, &'static str)>,
    /// Sorted by name.
    containers: Vec<(Arc<str>, Pair)>,
}

/// Whether points are served, and since when they are not.
#[derive(Clone, Copy, Default)]
struct Life {
    withdrawn: bool,
    /// Rounds without a usable sample.
    idle: u32,
    /// Start of the last scrape with one.
    usable: Option<Instant>,
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
        }
        for state in store.pods.values().flat_map(BTreeMap::values).filter(|state| !state.life.withdrawn) {
            tally.pods += 1;
            tally.any_container |= state.containers.iter().any(|(_, pair)| pair.prev.is_some());
            let served = state.served();
            tally.pods_served += u32::from(served.is_ok());
            let waits = matches!(served, Err(Missing::WaitingForSecondSample(_) | Missing::ContainerRestarted(_)));
            tally.pods_young += u32::from(waits && state.reported < 2);
        }
        tally
    }
}

// === impl Store ===

impl Store {
    fn apply(&mut self, page: &NodePage, began: Instant, live: &[Option<Arc<Pod>>]) {
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

    fn fail(&mut self, name: &Arc<str>, problem: Say, now: Instant) {
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

    fn forget_pods(&mut self, node: &Arc<str>, owned: HashSet<(Arc<str>, Arc<str>)>) {
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

    fn node(&self, name: &str) -> Result<Served, Missing> {
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

    fn pod(&self, pod: &Pod) -> Result<ServedPod, Missing> {
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

// === impl PodState ===

impl PodState {
    fn new(node: &Arc<str>) -> Self {
        Self {
            node: Arc::clone(node),
            uid: None,
            reported: 0,
            life: Life::default(),
            unusable: None,
            containers: Vec::new(),
        }
    }

    /// Whether the points may be shown as this live object's. A pod of the same name with another uid keeps only
    /// points that provably began after it was made.
    fn is_of(&self, pod: &Pod) -> bool {
        match &self.uid {
            None => true,
            Some(uid) if **uid == *pod.meta.uid => true,
            Some(_) => self.containers.iter().all(|(_, pair)| began_after(pair, pod)),
        }
    }

    fn follow(&mut self, pod: &Pod) {
        if self.uid.as_deref().is_some_and(|uid| *uid != *pod.meta.uid) {
            self.containers.retain(|(_, pair)| began_after(pair, pod));
            self.reported = 0;
        }
        if self.uid.as_deref() != Some(&*pod.meta.uid) {
            self.uid = Some(pod.meta.uid.clone());
        }
    }

    fn hidden(&self) -> bool {
        self.life.withdrawn || self.containers.is_empty()
    }

    fn take(&mut self, points: &PodPoints, live: Option<&Pod>, began: Instant, resolution: u64) {
        let counted: Vec<&ContainerPoint> =
            points.containers.iter().filter(|point| whole(point).is_ok() || !terminated(live, &point.name)).collect();
        let lacking = counted.iter().find_map(|point| whole(point).err().map(|lacks| (Arc::clone(&point.name), lacks)));
        if lacking.is_some() || counted.is_empty() {
            self.unusable = lacking;
            self.life.withdraw();
            return;
        }
        self.unusable = None;
        let mut next: Vec<(Arc<str>, Pair)> = Vec::with_capacity(counted.len());
        for point in counted {
            let Ok(new) = whole(point) else { continue };
            let old = self.containers.iter().find(|(name, _)| *name == point.name).map(|(_, pair)| pair);
            next.push((Arc::clone(&point.name), Pair::container(old, new, resolution)));
        }
        next.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.containers = next;
        self.life = Life::good(began);
    }

    fn served(&self) -> Result<ServedPod, Missing> {
        let mut containers = Vec::with_capacity(self.containers.len());
        let mut reset = None;
        for (name, pair) in &self.containers {
            match pair.rate() {
                Some(Ok(rate)) => containers.push((Arc::clone(name), served(pair, rate))),
                Some(Err(WentBack)) => reset = reset.or_else(|| Some(Arc::clone(name))),
                None if pair.restarted => return Err(Missing::ContainerRestarted(Arc::clone(name))),
                None => return Err(Missing::WaitingForSecondSample(Some(Arc::clone(name)))),
            }
        }
        let earliest = containers.iter().map(|(_, served)| (served.at, served.window)).min();
        let Some((at, window)) = earliest else { return Err(Missing::CounterReset(reset)) };
        Ok(ServedPod { at, window, containers })
    }
}

// === impl Life ===

impl Life {
    fn good(began: Instant) -> Self {
        Self { withdrawn: false, idle: 0, usable: Some(began) }
    }

    fn withdraw(&mut self) {
        self.withdrawn = true;
        self.idle = self.idle.saturating_add(1);
    }

    /// Whether the points may still be the base of a rate.
    fn lives(self, now: Instant, drop_after: u32) -> bool {
        self.idle < drop_after && self.usable.is_some_and(|usable| now.saturating_duration_since(usable) < LIFE)
    }
}

impl Missing {
    /// The reason's code.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::NotScrapedYet => "NotScrapedYet",
            Self::NodeFails(problem) => &problem.code,
            Self::IncompleteSample => "IncompleteSample",
            Self::WaitingForSecondSample(_) => "WaitingForSecondSample",
            Self::CounterReset(_) => "CounterReset",
            Self::ContainerRestarted(_) => "ContainerRestarted",
            Self::IncompleteContainer { .. } => "IncompleteContainer",
            Self::NodeMissing { .. } => "NodeMissing",
            Self::NotReportedByKubelet(_) => "NotReportedByKubelet",
        }
    }
}

/// The English sentence, as kubectl prints it.
impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotScrapedYet => write!(f, "the node is new and was not scraped yet"),
            Self::NodeFails(problem) => {
                write!(f, "kubelet {}: {}; {}", problem.arg("address"), problem.arg("cause"), problem.arg("remedy"))
            }
            Self::IncompleteSample => write!(f, "the kubelet reports no CPU or no memory for the node"),
            Self::WaitingForSecondSample(Some(container)) => {
                write!(f, "container {container} has one sample; a rate needs two, the next scrape is due")
            }
            Self::WaitingForSecondSample(None) => {
                write!(f, "there is one sample; a rate needs two, the next scrape is due")
            }
            Self::CounterReset(Some(container)) => write!(f, "the CPU counter of container {container} went back"),
            Self::CounterReset(None) => write!(f, "the CPU counter went back"),
            Self::ContainerRestarted(container) => {
                write!(f, "container {container} restarted and has one sample since")
            }
            Self::IncompleteContainer { container, lacks } => write!(f, "container {container} has no {lacks} value"),
            Self::NodeMissing { node, reason } => write!(f, "its node {node} is not answering: {reason}"),
            Self::NotReportedByKubelet(Some(node)) => write!(f, "the kubelet of {node} does not list it"),
            Self::NotReportedByKubelet(None) => write!(f, "it is not assigned to a node"),
        }
    }
}

impl From<NodePoint> for Point {
    fn from(point: NodePoint) -> Self {
        Self { started: None, at: nanos(point.at), cpu: point.cpu, memory: point.memory, swap: point.swap }
    }
}

/// The container's point, or what it lacks.
fn whole(point: &ContainerPoint) -> Result<Point, &'static str> {
    let cpu = point.cpu.ok_or("CPU")?;
    let memory = point.memory.ok_or("memory")?;
    Ok(Point { started: point.started, at: nanos(point.at), cpu, memory, swap: point.swap })
}

fn terminated(live: Option<&Pod>, container: &str) -> bool {
    let Some(container) = live.and_then(|pod| pod.containers.iter().find(|known| &*known.name == container)) else {
        return false;
    };
    container.status.as_ref().is_some_and(|status| matches!(status.state, State::Terminated(_)))
}

fn began_after(pair: &Pair, pod: &Pod) -> bool {
    pair.last.started.is_some_and(|started| started >= nanos(pod.meta.created))
}

fn served(pair: &Pair, rate: Rate) -> Served {
    let at = Millis::try_from(pair.last.at / 1_000_000).unwrap_or(Millis::MAX);
    Served { at, window: rate.window, cpu: rate.cpu, memory: pair.last.memory, swap: pair.last.swap }
}

fn nanos(at: Millis) -> u64 {
    u64::try_from(at).unwrap_or(0).saturating_mul(1_000_000)
}
