//! What is kept of the kubelets' pages: the only writer of the [`series`] crate, and its readers.
//!
//! The [`Keeper`] takes pages in, the [`Reader`] answers charts and tables. This is not where the Metrics API gets its
//! points: those are exact, these are rounded to microseconds and pages of memory.
//!
//! One read-write lock guards everything. It is written once a page for as long as appending it takes (100 ns a
//! sample, some 30 µs a node), and every [`SWEEP`] for as long as freeing old rows takes (all tracks are visited: about
//! 1 ms per 10,000). A reader holds it for one object's chart: tens of microseconds for an hour of a pod.

mod intake;
mod keeper;
mod key;
mod reader;
mod rollup;

pub use keeper::Keeper;
pub use reader::Reader;

use crate::cluster::Objects;
use crate::kubelet::NodePage;
use intake::Intake;
use parking_lot::RwLock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Pages that may wait for the keeper: a round of 5,000 nodes spread over 4 s never has that many at once. A page that
/// finds it full is left out of the history and the scraper says so once: it also feeds the Metrics API, which must not
/// wait for charts. The node's next page then shows a gap, as any missed scrape does.
pub const PAGES_WAITING: usize = 1024;

/// How often old rows are freed and pods that are gone are looked for.
pub const SWEEP: Duration = Duration::from_secs(10);

/// Where the scraper puts pages.
pub type Pages = mpsc::Sender<Arc<NodePage>>;

/// Plain data.
#[derive(Clone, Debug)]
pub struct Config {
    /// `--metric-resolution`, milliseconds.
    pub resolution: u32,
}

/// Wires writer and readers.
pub fn build(config: &Config, objects: Objects) -> (Pages, Keeper, Reader) {
    let (pages, receiver) = mpsc::channel(PAGES_WAITING);
    let (sender, rounds) = watch::channel(0);
    // Short and never across an await, so not tokio's.
    let intake = Arc::new(RwLock::new(Intake::new(i64::from(config.resolution.max(1)))));
    let keeper = Keeper::new(objects, receiver, sender, Arc::clone(&intake));
    (pages, keeper, Reader::new(intake, rounds))
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod history_tests;
