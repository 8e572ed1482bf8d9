//! One pod's points, how long they live, and whose they are.

use super::latest::{Missing, Served, ServedPod};
use crate::cluster::kinds::{Pod, State};
use crate::kubelet::page::{ContainerPoint, PodPoints};
use crate::kubelet::rate::{Pair, Point, Rate, WentBack};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::Millis;

/// The longest that points are held or stay a base without a good sample.
pub(super) const LIFE: Duration = Duration::from_secs(120);

pub(super) struct PodState {
    pub(super) node: Arc<str>,
    /// Uid and creation of the live object when the points arrived; `None` when the cache did not know it.
    uid: Option<Box<str>>,
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
            uid: None,
            reported: 0,
            life: Life::default(),
            unusable: None,
            containers: Vec::new(),
        }
    }

    /// Whether the points may be shown as this live object's. A pod of the same name with another uid keeps only
    /// points that provably began after it was made.
    pub(super) fn is_of(&self, pod: &Pod) -> bool {
        match &self.uid {
            None => true,
            Some(uid) if **uid == *pod.meta.uid => true,
            Some(_) => self.containers.iter().all(|(_, pair)| began_after(pair, pod)),
        }
    }

    pub(super) fn follow(&mut self, pod: &Pod) {
        if self.uid.as_deref().is_some_and(|uid| *uid != *pod.meta.uid) {
            self.containers.retain(|(_, pair)| began_after(pair, pod));
            self.reported = 0;
        }
        if self.uid.as_deref() != Some(&*pod.meta.uid) {
            self.uid = Some(pod.meta.uid.clone());
        }
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

    pub(super) fn served(&self) -> Result<ServedPod, Missing> {
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

    /// Whether the points may still be the base of a rate.
    pub(super) fn lives(self, now: Instant, drop_after: u32) -> bool {
        self.idle < drop_after && self.usable.is_some_and(|usable| now.saturating_duration_since(usable) < LIFE)
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

pub(super) fn served(pair: &Pair, rate: Rate) -> Served {
    let at = Millis::try_from(pair.last.at / 1_000_000).unwrap_or(Millis::MAX);
    Served { at, window: rate.window, cpu: rate.cpu, memory: pair.last.memory, swap: pair.last.swap }
}

pub(super) fn nanos(at: Millis) -> u64 {
    u64::try_from(at).unwrap_or(0).saturating_mul(1_000_000)
}
