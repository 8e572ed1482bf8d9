//! Answers for charts and tables.

use super::intake::Intake;
use super::key::Lookup;
use parking_lot::RwLock;
use series::{Grid, Group, PAGE, Track};
use std::sync::Arc;
use tokio::sync::watch;
use wire::Millis;
use wire::chart::{Chart, Line, Metric, Target};
use wire::table::Usage;

/// A sample older than this says nothing of now.
const FRESH: Millis = 120_000;
/// What a spark shows.
const SPARK: Millis = 15 * 60_000;

/// Reads history. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    intake: Arc<RwLock<Intake>>,
    rounds: watch::Receiver<u64>,
}

// === impl Reader ===

impl Reader {
    pub(super) const fn new(intake: Arc<RwLock<Intake>>, rounds: watch::Receiver<u64>) -> Self {
        Self { intake, rounds }
    }

    /// Moves when new samples are in, at most four times a second.
    pub fn rounds(&self) -> watch::Receiver<u64> {
        self.rounds.clone()
    }

    /// Lines of a target over `[from, to]` in at most `points` equal steps. Rules and marks are left empty: they come
    /// from objects, not from history. Gaps are NaN.
    ///
    /// A step's value is the average over the part of it that is known; steps after the newest sample are gaps. The
    /// chart begins at a multiple of its step, and the step follows from the length of the range alone: a later call
    /// for the same length has the same grid, and only the steps from the newest sample on differ.
    pub fn chart(&self, target: &Target, metric: Metric, from: Millis, to: Millis, points: u16) -> Chart {
        let mut grid = Grid::new(from, to, points);
        let lookup = match target {
            Target::Cluster => Lookup::Cluster,
            Target::Namespace(name) => Lookup::Namespace(name),
            Target::Node(name) => Lookup::Node(name),
            Target::Pod(namespace, name) => Lookup::Pod(namespace, name),
        };
        let mut lines = Vec::new();
        let mut newest: Option<(Millis, u32)> = None;
        let intake = self.intake.read();
        for (name, track) in intake.store.get(&lookup).into_iter().flat_map(Group::tracks) {
            let Some(last) = track.last() else { continue };
            fill(&mut grid, track, metric, intake.resolution);
            let values = grid.take(scale(metric));
            // A container that has nothing in this range would be an empty entry of the legend.
            if values.iter().any(|value| !value.is_nan()) {
                lines.push(Line { label: name.to_string(), values });
            }
            if newest.is_none_or(|(at, _)| last.at > at) {
                newest = Some((last.at, track.window()));
            }
        }
        drop(intake);
        lines.sort_by(|a, b| a.label.cmp(&b.label));
        Chart {
            from: grid.from(),
            step: u32::try_from(grid.step()).unwrap_or(u32::MAX),
            lines,
            rules: Vec::new(),
            marks: Vec::new(),
            newest,
            problem: None,
        }
    }

    /// Usage now and over the last 15 minutes in `points` steps; `request` and `limit` are NaN, the caller knows them.
    /// `None` when there is no fresh sample (older than two minutes).
    ///
    /// CPU is the rate over the last two samples, summed over the containers that have one.
    pub fn pod(&self, namespace: &str, name: &str, metric: Metric, now: Millis, points: u16) -> Option<Usage> {
        self.usage(&Lookup::Pod(namespace, name), metric, now, points)
    }

    /// As [`Reader::pod`].
    pub fn node(&self, name: &str, metric: Metric, now: Millis, points: u16) -> Option<Usage> {
        self.usage(&Lookup::Node(name), metric, now, points)
    }

    /// Sum over all nodes (`None`) or over the pods of some namespaces, now; NaN when unknown.
    pub fn total(&self, namespaces: Option<&[Arc<str>]>, metric: Metric, now: Millis) -> f64 {
        let intake = self.intake.read();
        if now.saturating_sub(intake.now) > FRESH {
            return f64::NAN;
        }
        let value = |sum: &super::rollup::Sum| match metric {
            Metric::Cpu => sum.cpu(),
            Metric::Memory => sum.memory(),
        };
        let total = match namespaces {
            None => value(intake.rollup.cluster()),
            Some(names) => names
                .iter()
                .filter_map(|name| intake.rollup.namespace(name).and_then(value))
                .fold(None, |total, value| Some(total.unwrap_or(0) + value)),
        };
        total.map_or(f64::NAN, |total| total as f64 * scale(metric))
    }

    /// Bytes the history occupies, names excepted; as of the last sweep.
    pub fn bytes(&self) -> usize {
        self.intake.read().size.bytes
    }

    /// Series kept, two a container, node or sum; as of the last sweep.
    pub fn series(&self) -> usize {
        self.intake.read().size.series
    }

    /// Values kept; as of the last sweep.
    pub fn samples(&self) -> usize {
        self.intake.read().size.samples
    }

    fn usage(&self, lookup: &Lookup<'_>, metric: Metric, now: Millis, points: u16) -> Option<Usage> {
        let intake = self.intake.read();
        let group = intake.store.get(lookup).filter(|group| !group.ended())?;
        let fresh = |at: Millis| now.saturating_sub(at) <= FRESH;
        let newest = group.tracks().filter_map(|(_, track)| track.last()).map(|last| last.at).max()?;
        if !fresh(newest) {
            return None;
        }
        let mut used: Option<u64> = None;
        for (_, track) in group.tracks() {
            // A container that stopped is not used any more, though its last sample is young.
            let Some(last) = track.last().filter(|last| newest - last.at <= 3 * intake.resolution) else { continue };
            let value = match metric {
                Metric::Cpu => track.rate().filter(|(_, at, _)| *at == last.at).map(|(rate, ..)| u64::from(rate)),
                Metric::Memory => last.memory,
            };
            if let Some(value) = value {
                used = Some(used.unwrap_or(0) + value);
            }
        }
        let mut spark = Vec::new();
        if points > 0 {
            let mut grid = Grid::new(now - SPARK, now, points);
            for (_, track) in group.tracks() {
                fill(&mut grid, track, metric, intake.resolution);
                let values = grid.take(scale(metric));
                if spark.is_empty() {
                    spark = values;
                } else {
                    spark.iter_mut().zip(values).for_each(|(sum, value)| *sum = plus(*sum, value));
                }
            }
        }
        let used = used.map_or(f32::NAN, |used| (used as f64 * scale(metric)) as f32);
        Some(Usage { used, request: f32::NAN, limit: f32::NAN, spark })
    }
}

/// Two containers of a pod, of which one may not have been there.
fn plus(a: f32, b: f32) -> f32 {
    match (a.is_nan(), b.is_nan()) {
        (true, _) => b,
        (_, true) => a,
        _ => a + b,
    }
}

fn fill(grid: &mut Grid, track: &Track, metric: Metric, resolution: i64) {
    let metric = match metric {
        Metric::Cpu => series::Metric::Cpu,
        Metric::Memory => series::Metric::Memory,
    };
    // A tenth for the jitter of two steps; a missed scrape is marked by the keeper whatever its length.
    let limit = (2 * resolution + resolution / 10).max(grid.step());
    let (from, to) = (grid.from(), grid.to());
    track.spans(metric, (from, to), (resolution, limit), |span| grid.add(span));
}

/// From the store's units to millicores and bytes.
const fn scale(metric: Metric) -> f64 {
    match metric {
        Metric::Cpu => 0.001,
        Metric::Memory => PAGE as f64,
    }
}
