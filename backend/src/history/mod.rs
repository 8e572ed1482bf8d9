//! What is kept of the kubelets' pages: the only writer of the [`series`] crate, and its readers.

use crate::cluster::Objects;
use crate::kubelet::NodePage;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use wire::Millis;
use wire::chart::{Chart, Metric, Target};
use wire::table::Usage;

/// Pages that may wait for the keeper: a round of 5,000 nodes spread over 4 s never has that many at once. A scraper
/// that finds it full waits, which delays its next page and nobody else's.
pub const PAGES_WAITING: usize = 1024;

/// Where the scraper puts pages.
pub type Pages = mpsc::Sender<Arc<NodePage>>;

/// Plain data.
#[derive(Clone, Debug)]
pub struct Config {
    /// `--metric-resolution`, milliseconds.
    pub resolution: u32,
}

/// The writer's task.
#[derive(Debug)]
pub struct Keeper {
    _objects: Objects,
    _pages: mpsc::Receiver<Arc<NodePage>>,
    _rounds: watch::Sender<u64>,
}

/// Reads history. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    rounds: watch::Receiver<u64>,
}

/// Wires writer and readers.
pub fn build(_config: &Config, objects: Objects) -> (Pages, Keeper, Reader) {
    let (pages, receiver) = mpsc::channel(PAGES_WAITING);
    let (sender, rounds) = watch::channel(0);
    (pages, Keeper { _objects: objects, _pages: receiver, _rounds: sender }, Reader { rounds })
}

impl Keeper {
    /// Takes pages in until `stop` resolves or all scrapers are gone.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        stop.await;
    }
}

impl Reader {
    /// Moves when new samples are in, at most four times a second.
    pub fn rounds(&self) -> watch::Receiver<u64> {
        self.rounds.clone()
    }

    /// Lines of a target over `[from, to]` in at most `points` equal steps. Rules and marks are left empty: they come
    /// from objects, not from history. Gaps are NaN.
    pub fn chart(&self, _target: &Target, _metric: Metric, _from: Millis, _to: Millis, _points: u16) -> Chart {
        Chart { from: 0, step: 1, lines: Vec::new(), rules: Vec::new(), marks: Vec::new(), newest: None, problem: None }
    }

    /// Usage now and over the last 15 minutes in `points` steps; `request` and `limit` are NaN, the caller knows them.
    /// `None` when there is no fresh sample (older than two minutes).
    pub fn pod(&self, _namespace: &str, _name: &str, _metric: Metric, _now: Millis, _points: u16) -> Option<Usage> {
        None
    }

    /// As [`Reader::pod`].
    pub fn node(&self, _name: &str, _metric: Metric, _now: Millis, _points: u16) -> Option<Usage> {
        None
    }

    /// Sum over all nodes (`None`) or over the pods of some namespaces, now; NaN when unknown.
    pub fn total(&self, _namespaces: Option<&[Arc<str>]>, _metric: Metric, _now: Millis) -> f64 {
        f64::NAN
    }
}
