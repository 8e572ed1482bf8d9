//! A page becomes samples and sums.

use super::key::{Key, Lookup};
use super::rollup::{Rollup, Share};
use crate::kubelet::{ContainerPoint, NodePage};
use hashbrown::HashMap;
use series::{Keep, Kind, PAGE, Sample, Size, Start, Store, Track};
use std::sync::Arc;
use wire::Millis;

/// The guarded state: the store, and what is needed to append to it.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) store: Store<Key>,
    pub(super) rollup: Rollup,
    /// `--metric-resolution`, milliseconds.
    pub(super) resolution: i64,
    /// As of the last sweep.
    pub(super) size: Size,
    /// The newest page's time, ours.
    pub(super) now: Millis,
    /// When each node's last scheduled page was asked for.
    asked: HashMap<Arc<str>, Millis, foldhash::fast::RandomState>,
    /// The name of a track that is alone in its group.
    alone: Arc<str>,
}

// === impl Intake ===

impl Intake {
    pub(super) fn new(resolution: i64) -> Self {
        Self {
            store: Store::new(Keep::default()),
            rollup: Rollup::new(resolution),
            resolution,
            size: Size::default(),
            now: 0,
            asked: HashMap::default(),
            alone: Arc::from(""),
        }
    }

    /// Appends a page. A node that missed a round of the schedule gets a gap; extra pages between rounds do not count.
    pub(super) fn take(&mut self, page: &NodePage) {
        self.now = self.now.max(page.asked);
        let missed = self.missed(page);
        let start = if missed { Start::Gap } else { Start::Follows };
        if page.scheduled {
            let round = page.asked.div_euclid(self.resolution);
            self.rollup.advance(round, &mut self.store, &self.alone);
        }
        let mut share = Share::default();
        if let Some(point) = &page.node_point {
            let sample = Sample { at: point.at, cpu: Some(point.cpu / 1000), memory: Some(pages(point.memory)) };
            let (group, keep) = self.store.group(&Lookup::Node(&page.node), || Key::Node(Arc::clone(&page.node)));
            group.append(&self.alone, Kind::Counter, (sample, start), &keep, page.asked);
            if let Some(track) = group.get("") {
                share.node(rate(track, self.resolution), pages(point.memory));
            }
        }
        for pod in &page.pods {
            let lookup = Lookup::Pod(&pod.namespace, &pod.name);
            let owned = || Key::Pod(Arc::clone(&pod.namespace), Arc::clone(&pod.name));
            let (group, keep) = self.store.group(&lookup, owned);
            for point in &pod.containers {
                let start = if restarted(group.get(&point.name), point) { Start::Reset } else { start };
                let sample =
                    Sample { at: point.at, cpu: point.cpu.map(|cpu| cpu / 1000), memory: point.memory.map(pages) };
                group.append(&point.name, Kind::Counter, (sample, start), &keep, page.asked);
                if let Some(track) = group.get(&point.name).filter(|_| page.scheduled) {
                    let memory = point.memory.map_or(0, pages);
                    share.container(&pod.namespace, rate(track, self.resolution), memory);
                }
            }
        }
        if page.scheduled {
            self.rollup.put(&page.node, page.asked.div_euclid(self.resolution), share);
        }
    }

    /// Frees what is too old and counts what is left.
    pub(super) fn sweep(&mut self) {
        self.store.sweep(self.now);
        let oldest = self.now.saturating_sub(self.store.keep().fine);
        self.asked.retain(|_, asked| *asked >= oldest);
        self.size = self.store.size();
    }

    fn missed(&mut self, page: &NodePage) -> bool {
        if !page.scheduled {
            return false;
        }
        let before = match self.asked.get_mut(&*page.node) {
            Some(asked) => std::mem::replace(asked, page.asked),
            None => {
                self.asked.insert(Arc::clone(&page.node), page.asked);
                return false;
            }
        };
        page.asked.saturating_sub(before) > self.resolution + self.resolution / 2
    }
}

/// In units of [`PAGE`], to the nearest.
fn pages(bytes: u64) -> u64 {
    bytes.saturating_add(PAGE / 2) / PAGE
}

/// A container that began after its last sample is another run, even when its counter is already higher.
fn restarted(track: Option<&Track>, point: &ContainerPoint) -> bool {
    let (Some(last), Some(started)) = (track.and_then(Track::last), point.started) else { return false };
    Millis::try_from(started / 1_000_000).is_ok_and(|started| started >= last.at)
}

/// A rate that is at most three rounds older than the newest sample: a run's first sample has none of its own, and a
/// sum without it would dip.
fn rate(track: &Track, resolution: i64) -> Option<u64> {
    let (microcores, at, _) = track.rate()?;
    (track.last()?.at.saturating_sub(at) <= 3 * resolution).then_some(u64::from(microcores))
}
