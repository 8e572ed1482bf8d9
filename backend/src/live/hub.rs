//! What all connections share: the parts, the seats, the tables' sort values, and what broken connections had.

use super::arrivals::Arrivals;
use super::board::Board;
use super::digest::Digest;
use super::door::{Authority, Door, Topology};
use super::verdicts::Ledger;
use super::views::Shown;
use crate::cluster::Objects;
use crate::cluster::kinds::{Deployment, EndpointSlice, Event, Namespace, Node, Pod, ReplicaSet, Service};
use crate::history::Reader;
use crate::kubelet::{Coverage, Latest};
use crate::notices::Notices;
use parking_lot::Mutex;
use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};
use wire::Sub;

/// Open sockets in all. Each may hold 16 windows, so this is what bounds the memory of all of them together.
const SEATS: usize = 512;
/// Sockets of one session: more tabs than a person looks at.
const SEATS_PER_SESSION: u32 = 8;
/// How long a broken connection's views are kept for it to come back.
const KEPT: Duration = Duration::from_secs(60);
/// Kept views in all: a flood of broken connections drops the oldest instead of growing.
const KEPT_MAX: usize = 1024;

/// Keeps a node scraped often while it lives.
pub type Focus = Arc<dyn Fn(&str) -> Box<dyn Any + Send> + Send + std::marker::Sync>;

/// What the live link is made of.
#[derive(Clone)]
pub struct Parts {
    pub objects: Objects,
    pub history: Reader,
    pub coverage: Coverage,
    /// What `metrics.k8s.io` serves.
    pub latest: Latest,
    /// What is wrong with our own installation, for who sees all nodes.
    pub notices: Notices,
    pub authority: Arc<dyn Authority>,
    pub door: Arc<dyn Door>,
    pub topology: Arc<dyn Topology>,
    pub focus: Option<Focus>,
    /// The cluster's name.
    pub cluster: Arc<str>,
    /// What this process costs: millicores and resident bytes; NaN while unknown.
    pub own: watch::Receiver<(f32, f32)>,
    /// Kubernetes' version; empty while the API server is away.
    pub kubernetes: watch::Receiver<String>,
    /// Scrape interval, milliseconds.
    pub resolution: u32,
    /// True when the process is about to end.
    pub draining: watch::Receiver<bool>,
}

/// Who looks at what. All clones are the same hub.
#[derive(Clone, Debug)]
pub struct Hub {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) parts: Parts,
    pub(super) boards: Boards,
    pub(super) digest: Digest,
    pub(super) ledger: Ledger,
    pub(super) seats: Arc<Semaphore>,
    pub(super) arrivals: Arrivals,
    /// Views are computed on blocking threads, as many at a time as there are cores: one browser's sorting of 150,000
    /// rows never takes the thread another one's socket is served on.
    pub(super) desks: Semaphore,
    sessions: Mutex<HashMap<u64, u32>>,
    kept: Mutex<HashMap<(u64, Sub, u32), Kept>>,
}

/// A view whose connection broke: since when, what it asks for, and what was shown.
type Kept = (Instant, wire::View, Shown);

/// The tables' shared sort values.
#[derive(Debug, Default)]
pub(super) struct Boards {
    pub(super) nodes: Board<Node>,
    pub(super) namespaces: Board<Namespace>,
    pub(super) pods: Board<Pod>,
    pub(super) replica_sets: Board<ReplicaSet>,
    pub(super) deployments: Board<Deployment>,
    pub(super) services: Board<Service>,
    pub(super) endpoint_slices: Board<EndpointSlice>,
    pub(super) events: Board<Event>,
}

/// A session's place among its sockets; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    session: u64,
}

/// That a session has all the tabs it may have.
pub(super) fn crowded() -> wire::Say {
    let limit = SEATS_PER_SESSION.to_string();
    wire::Say::new("S-LIMIT").with("n", limit.as_str()).with("m", limit.as_str())
}

// === impl Shared ===

impl Shared {
    /// Lets go of what was made for all who look, as nobody does.
    fn forget(&self) {
        self.digest.forget();
        self.ledger.forget();
        let boards = &self.boards;
        boards.nodes.forget();
        boards.namespaces.forget();
        boards.pods.forget();
        boards.replica_sets.forget();
        boards.deployments.forget();
        boards.services.forget();
        boards.endpoint_slices.forget();
        boards.events.forget();
    }
}

// === impl Hub ===

impl Hub {
    pub fn new(parts: Parts) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let shared = Shared {
            parts,
            boards: Boards::default(),
            digest: Digest::default(),
            ledger: Ledger::default(),
            seats: Arc::new(Semaphore::new(SEATS)),
            arrivals: Arrivals::default(),
            desks: Semaphore::new(cores),
            sessions: Mutex::default(),
            kept: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// A place among the session's sockets, or `None` when all are taken.
    pub(super) fn place(&self, session: u64) -> Option<Place> {
        let mut sessions = self.shared.sessions.lock();
        let open = sessions.entry(session).or_default();
        if *open >= SEATS_PER_SESSION {
            return None;
        }
        *open += 1;
        Some(Place { shared: Arc::clone(&self.shared), session })
    }

    /// Keeps what a broken connection was shown. Frame numbers begin at random, so that the number of the last frame
    /// tells one tab's view from another's.
    pub(super) fn keep(&self, session: u64, sub: Sub, seq: u32, view: wire::View, shown: Shown) {
        let now = Instant::now();
        let mut kept = self.shared.kept.lock();
        kept.retain(|_, (since, ..)| now.duration_since(*since) < KEPT);
        if kept.len() >= KEPT_MAX
            && let Some(oldest) = kept.iter().min_by_key(|(_, (since, ..))| *since).map(|(key, _)| *key)
        {
            kept.remove(&oldest);
        }
        kept.insert((session, sub, seq), (now, view, shown));
    }

    /// What was kept for a view whose last applied frame was `seq`.
    pub(super) fn resume(&self, session: u64, sub: Sub, seq: u32, view: &wire::View) -> Option<Shown> {
        let (since, known, shown) = self.shared.kept.lock().remove(&(session, sub, seq))?;
        (since.elapsed() < KEPT && known == *view).then_some(shown)
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Parts({:?})", self.objects)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hub({} seats free, {:?})", self.seats.available_permits(), self.parts)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut sessions = self.shared.sessions.lock();
        if let Some(open) = sessions.get_mut(&self.session) {
            *open -= 1;
            if *open == 0 {
                sessions.remove(&self.session);
            }
            if sessions.is_empty() {
                drop(sessions);
                self.shared.forget();
            }
        }
    }
}
