//! One pod's points, how long they live, and whose they are.

use super::latest::{Missing, Served, ServedPod};
use crate::cluster::kinds::{Container, ContainerStatus, Pod, State};
use crate::kubelet::page::{ContainerPoint, PodPoints};
use crate::kubelet::rate::{Pair, Point, Rate, WentBack};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::Millis;

/// The longest that points are held or stay a base without a good sample.
pub(super) const LIFE: Duration = Duration::from_secs(120);

pub(super) struct PodState {
    pub(super) node: Arc<str>,
    /// Our number of the live object when the points arrived, which stands for its uid; `None` when the cache did not know
    /// it.
    id: Option<u64>,
    /// Good pages of the node that named the pod.
    pub(super) reported: u32,
    pub(super) life: Life,
    /// What the last page that mentioned the pod lacked.
    pub(super) unusable: Option<(Arc<str>, &'static str)>,
    /// Sorted by name.
    pub(super) containers: Vec<(Arc<str>, Pair)>,
}

/// Whether points are served, and since when they are not.
#[derive(Clone, Copy, Default)]
pub(super) struct Life {
    pub(super) withdrawn: bool,
    /// Rounds without a usable sample.
    idle: u32,
    /// Start of the last scrape with one.
    usable: Option<Instant>,
}

// === impl PodState ===

impl PodState {
    pub(super) fn new(node: &Arc<str>) -> Self {
        Self {
            node: Arc::clone(node),
            id: None,
            reported: 0,
            life: Life::default(),
            unusable: None,
            containers: Vec::new(),
        }
    }

    /// Whether the points may be shown as this live object's. A pod of the same name with another uid keeps only
    /// points that provably began after it was made.
    pub(super) fn is_of(&self, pod: &Pod) -> bool {
        match self.id {
            None => true,
            Some(id) if id == pod.meta.id => true,
            Some(_) => self.containers.iter().all(|(_, pair)| began_after(pair, pod)),
        }
    }

    pub(super) fn follow(&mut self, pod: &Pod) {
        if self.id.is_some_and(|id| id != pod.meta.id) {
            self.containers.retain(|(_, pair)| began_after(pair, pod));
            self.reported = 0;
        }
        self.id = Some(pod.meta.id);
    }

    pub(super) fn hidden(&self) -> bool {
        self.life.withdrawn || self.containers.is_empty()
    }

    pub(super) fn take(&mut self, points: &PodPoints, live: Option<&Pod>, began: Instant, resolution: u64) {
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

    /// A container that runs by its object and was not on the last page, though it had begun by then.
    pub(super) fn lacking(&self, pod: &Pod) -> Option<Arc<str>> {
        let sampled = self.containers.iter().map(|(_, pair)| pair.last.at).min()?;
        let ran = |status: &ContainerStatus| match status.state {
            State::Running { started } => started.is_none_or(|started| nanos(started) < sampled),
            _ => false,
        };
        let runs = |container: &&Container| container.status.as_ref().is_some_and(|status| ran(status));
        let reported = |name: &str| self.containers.iter().any(|(known, _)| **known == *name);
        pod.containers.iter().filter(runs).find(|one| !reported(&one.name)).map(|one| Arc::clone(&one.name))
    }

    /// The oldest sample that the kubelet has repeated for so many pages.
    pub(super) fn repeated(&self, pages: u8) -> Option<Millis> {
        let repeated = self.containers.iter().filter(|(_, pair)| pair.repeats >= pages);
        repeated.map(|(_, pair)| millis(pair.last.at)).min()
    }

    /// Whether the node's last page mentioned the pod.
    pub(super) fn is_reported(&self) -> bool {
        !self.life.withdrawn || self.unusable.is_some()
    }

    /// `next`: how long it is until the next round, for who has to wait for it.
    pub(super) fn served(&self, next: Option<Duration>) -> Result<ServedPod, Missing> {
        let mut containers = Vec::with_capacity(self.containers.len());
        let mut reset = None;
        for (name, pair) in &self.containers {
            match pair.rate() {
                Some(Ok(rate)) => containers.push((Arc::clone(name), served(pair, rate))),
                Some(Err(WentBack(from, to))) => reset = reset.or_else(|| Some((Arc::clone(name), from, to))),
                None if pair.restarted => {
                    let ago = pair.last.started.and_then(|started| pair.last.at.checked_sub(started));
                    return Err(Missing::ContainerRestarted(Arc::clone(name), Duration::from_nanos(ago.unwrap_or(0))));
                }
                None => return Err(Missing::WaitingForSecondSample(Some(Arc::clone(name)), next)),
            }
        }
        let earliest = containers.iter().map(|(_, served)| (served.at, served.window)).min();
        let Some((at, window)) = earliest else {
            let (name, from, to) = reset.map_or((None, 0, 0), |(name, from, to)| (Some(name), from, to));
            return Err(Missing::CounterReset(name, from, to));
        };
        Ok(ServedPod { at, window, containers })
    }
}

// === impl Life ===

impl Life {
    pub(super) fn good(began: Instant) -> Self {
        Self { withdrawn: false, idle: 0, usable: Some(began) }
    }

    /// Start of the last scrape with a usable sample.
    pub(super) fn usable(self) -> Option<Instant> {
        self.usable
    }

    pub(super) fn withdraw(&mut self) {
        self.withdrawn = true;
        self.idle = self.idle.saturating_add(1);
    }

    /// Whether the points may still be the base of a rate. Those of the round before this one may, however long rounds
    /// are, where no scrape failed since.
    pub(super) fn lives(self, now: Instant, drop_after: u32, unbroken: bool) -> bool {
        let usable = |usable: Instant| unbroken && self.idle == 0 || now.saturating_duration_since(usable) < LIFE;
        self.idle < drop_after && self.usable.is_some_and(usable)
    }
}

/// The container's point, or what it lacks.
fn whole(point: &ContainerPoint) -> Result<Point, &'static str> {
    let cpu = point.cpu.ok_or("CPU")?;
    let memory = point.memory.ok_or("memory")?;
    Ok(Point { started: point.started, at: nanos(point.at), cpu, memory, swap: point.swap })
}

fn terminated(live: Option<&Pod>, container: &str) -> bool {
    let Some(pod) = live else { return false };
    let Some(container) = pod.containers.iter().find(|known| &*known.name == container) else {
        return pod.ended.iter().any(|ended| **ended == *container);
    };
    container.status.as_ref().is_some_and(|status| matches!(status.state, State::Terminated(_)))
}

fn began_after(pair: &Pair, pod: &Pod) -> bool {
    pair.last.started.is_some_and(|started| started >= nanos(pod.meta.created))
}

pub(super) fn served(pair: &Pair, rate: Rate) -> Served {
    let at = millis(pair.last.at);
    Served { at, window: rate.window, cpu: rate.cpu, memory: pair.last.memory, swap: pair.last.swap }
}

pub(super) fn millis(nanos: u64) -> Millis {
    Millis::try_from(nanos / 1_000_000).unwrap_or(Millis::MAX)
}

pub(super) fn nanos(at: Millis) -> u64 {
    u64::try_from(at).unwrap_or(0).saturating_mul(1_000_000)
}
