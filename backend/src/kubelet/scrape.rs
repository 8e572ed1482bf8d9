//! Asks every kubelet for its page once per resolution and passes on what it says.
//!
//! Rounds never overlap; a late one is left out. A node's request has a fixed place within the round, so windows do
//! not wobble. Pages are parsed and applied as they arrive, one at a time. History gets what fits into its queue: the
//! Metrics API never waits for it.

use super::client::{Answer, Failed, Kubelets, Target};
use super::config::{Config, KubeletCredentials};
use super::coverage::{Coverage, NodeCoverage};
use super::failure::Failure;
use super::focus::Focus;
use super::latest::Latest;
use super::meters::{Meters, Outcome};
use super::{Names, parse};
use crate::cluster::Objects;
use crate::cluster::kinds::Node;
use crate::history::Pages;
use crate::now::unix_millis;
use crate::telemetry;
use futures::FutureExt as _;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, sleep_until};
use tracing::{debug, warn};
use wire::Millis;

/// Requests in flight; more would only queue in the kernel.
const IN_FLIGHT: usize = 1024;
/// The second round comes this early, so that rates exist early.
const SECOND: Duration = Duration::from_secs(10);
/// Between extra scrapes of a node in focus.
const FOCUS: Duration = Duration::from_secs(2);
/// Requests of a round are spread over this at most.
const SPREAD: Duration = Duration::from_secs(4);
/// Between two looks at what is to be forgotten.
const TIDY: Duration = Duration::from_secs(1);
/// Per node, until [`SPREAD`] is reached.
const SPREAD_NODE: Duration = Duration::from_millis(8);

/// Why there is no scraper.
#[derive(Debug, thiserror::Error)]
#[error("kubelet client: {0}")]
pub struct BuildError(String);

impl BuildError {
    pub(super) fn of(failure: &Failure) -> Self {
        Self(failure.to_string())
    }
}

/// The scraper's task.
#[derive(Debug)]
pub struct Scraper {
    config: Config,
    objects: Objects,
    kubelets: Arc<Kubelets>,
    latest: Latest,
    coverage: Coverage,
    focus: Focus,
    pages: Pages,
    places: Arc<Semaphore>,
    /// What each node's last pages called things: the next one is read without looking at labels again.
    names: HashMap<Arc<str>, Names>,
    history_full: bool,
    meters: Meters,
    /// Rounds that have answers outstanding: start, and how many. A request that the next round cuts off ends after that
    /// one's begin.
    open: BTreeMap<u32, (Instant, usize)>,
    /// Nodes that are scraped: what comes of others came too late.
    selected: HashSet<Arc<str>>,
}

/// One node's result.
struct Scraped {
    node: Arc<str>,
    /// `None`: an extra scrape of a node in focus.
    round: Option<u32>,
    began: Instant,
    asked: Millis,
    took: Duration,
    ended: Result<Answer, Failed>,
}

/// Wires the scraper and its readers.
///
/// # Errors
/// [`BuildError`] when a configured file cannot be read or used.
pub fn build(
    config: Config,
    objects: Objects,
    credentials: KubeletCredentials,
    pages: Pages,
) -> Result<(Latest, Coverage, Focus, Scraper), BuildError> {
    let meters = Meters::new(config.resolution);
    let kubelets = Kubelets::new(config.clone(), credentials, meters.clone());
    let kubelets = kubelets.map_err(|failure| BuildError::of(&failure))?;
    let latest = Latest::new(config.resolution, config.drop_after_failed);
    let (coverage, focus) = (Coverage::default(), Focus::default());
    let scraper = Scraper {
        config,
        objects,
        kubelets: Arc::new(kubelets),
        latest: latest.clone(),
        coverage: coverage.clone(),
        focus: focus.clone(),
        pages,
        places: Arc::new(Semaphore::new(IN_FLIGHT)),
        names: HashMap::new(),
        history_full: false,
        meters,
        open: BTreeMap::new(),
        selected: HashSet::new(),
    };
    Ok((latest, coverage, focus, scraper))
}

// === impl Scraper ===

impl Scraper {
    /// What it tells of itself.
    #[must_use]
    pub fn meters(&self) -> Meters {
        self.meters.clone()
    }

    /// Runs until `stop` resolves; requests in flight are given up then.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        tokio::select! {
            () = &mut stop => return,
            () = filled(&self.objects) => {}
        }
        let mut flights = JoinSet::new();
        let mut extra: HashSet<Arc<str>> = HashSet::new();
        let mut next_round = Instant::now();
        let mut rounds = 0_u32;
        let mut next_focus: Option<Instant> = None;
        let focus = self.focus.clone();
        let mut tidy = tokio::time::interval(TIDY);
        tidy.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Far away when nobody looks.
            let focus_due = next_focus.unwrap_or(next_round + Duration::from_secs(3600));
            tokio::select! {
                () = &mut stop => return,
                () = sleep_until(next_round) => {
                    let start = Instant::now();
                    let until = next_start(next_round, start, self.config.resolution, rounds);
                    rounds = rounds.saturating_add(1);
                    self.round(rounds, start, until, &mut flights).await;
                    next_round = until;
                }
                _ = tidy.tick() => self.tidy(),
                () = focus.began(), if next_focus.is_none() => next_focus = Some(Instant::now()),
                () = sleep_until(focus_due), if next_focus.is_some() => {
                    let looked = focus.nodes(std::time::Instant::now());
                    next_focus = (!looked.is_empty()).then(|| Instant::now() + FOCUS);
                    for node in looked {
                        if !extra.contains(&node) && self.look(&node, &mut flights) {
                            extra.insert(node);
                        }
                    }
                }
                Some(ended) = flights.join_next() => match ended {
                    Ok(scraped) => {
                        let (node, round) = (Arc::clone(&scraped.node), scraped.round);
                        if round.is_none() {
                            extra.remove(&node);
                        }
                        // A page that we fail at costs its node this round; what it is, is in the log already.
                        if catch_unwind(AssertUnwindSafe(|| self.take(scraped))).is_err() {
                            telemetry::panicked("kubelet");
                            self.names.remove(&node);
                        }
                        if let Some(round) = round {
                            self.landed(round);
                        }
                    }
                    // Flights catch their panics; this one was torn down with the runtime.
                    Err(error) => debug!(%error, "a scrape ended without a result"),
                },
            }
        }
    }

    /// Sends a round's requests on their way.
    async fn round(&mut self, round: u32, start: Instant, until: Instant, flights: &mut JoinSet<Scraped>) {
        self.kubelets.refresh().await;
        let nodes = self.objects.nodes.snapshot();
        let selected: Vec<&Arc<Node>> =
            nodes.iter().filter(|node| self.config.node_selector.matches(&node.meta.labels)).collect();
        self.selected = selected.iter().map(|node| Arc::clone(&node.meta.name)).collect();
        self.latest.begin_round(start.into_std(), until.into_std(), &self.selected);
        self.retain();
        self.open.insert(round, (start, selected.len() + 1));
        let spread = SPREAD.min(SPREAD_NODE.saturating_mul(u32::try_from(selected.len()).unwrap_or(u32::MAX)));
        for node in selected {
            let due = start + phase(&node.meta.name, spread);
            self.fly(Target::of(node, &self.config), due, until, Some(round), flights);
        }
        self.landed(round);
    }

    /// One answer of a round less is outstanding.
    fn landed(&mut self, round: u32) {
        let Some((start, left)) = self.open.get_mut(&round) else { return };
        *left -= 1;
        if *left == 0 {
            self.meters.round(start.elapsed());
            self.open.remove(&round);
        }
    }

    /// Between rounds: forgets nodes that were deleted or fell out of the selector, and what was held for too long.
    fn tidy(&mut self) {
        let (nodes, selector) = (&self.objects.nodes, &self.config.node_selector);
        let is = |name: &Arc<str>| nodes.get("", name).is_some_and(|node| selector.matches(&node.meta.labels));
        let before = self.selected.len();
        self.selected.retain(is);
        self.latest.tidy(std::time::Instant::now(), |node| self.selected.contains(node));
        if self.selected.len() != before {
            self.retain();
        }
    }

    /// Forgets what is known of nodes that are not scraped.
    fn retain(&mut self) {
        let selected = &self.selected;
        self.coverage.retain(|node| selected.contains(node));
        self.kubelets.retain(|node| selected.contains(node));
        self.names.retain(|node, _| selected.contains(node));
        self.meters.retain(selected);
    }

    /// One extra scrape. Whether the node is one that is scraped.
    fn look(&self, node: &str, flights: &mut JoinSet<Scraped>) -> bool {
        let Some(node) = self.objects.nodes.get("", node) else { return false };
        if !self.config.node_selector.matches(&node.meta.labels) {
            return false;
        }
        let now = Instant::now();
        self.fly(Target::of(&node, &self.config), now, now + self.config.request_timeout, None, flights);
        true
    }

    fn fly(&self, target: Target, due: Instant, until: Instant, round: Option<u32>, flights: &mut JoinSet<Scraped>) {
        let (kubelets, places) = (Arc::clone(&self.kubelets), Arc::clone(&self.places));
        let longest = self.config.request_timeout;
        flights.spawn(async move {
            sleep_until(due.min(until)).await;
            // Waiting for a place does not count against the node, only against the round.
            let place = tokio::time::timeout_at(until, places.acquire_owned()).await;
            let (began, asked) = (Instant::now(), unix_millis());
            let nowhere = |failure| Err(Failed { failure, address: String::new() });
            let ended = match place {
                Err(_) => nowhere(Failure::Timeout(until - due.min(until))),
                Ok(place) => {
                    let fetch = kubelets.fetch(&target, until.min(began + longest));
                    let ended = AssertUnwindSafe(fetch).catch_unwind().await;
                    drop(place);
                    ended.unwrap_or_else(|_| {
                        telemetry::panicked("kubelet");
                        nowhere(Failure::Panicked)
                    })
                }
            };
            Scraped { node: target.node, round, began, asked, took: began.elapsed(), ended }
        });
    }

    /// Applies one result.
    fn take(&mut self, scraped: Scraped) {
        let Scraped { node, round, began, asked, took, ended } = scraped;
        // The node went while its kubelet was asked.
        if !self.selected.contains(&node) {
            return;
        }
        let scheduled = round.is_some();
        let mut parse_errors = 0;
        let (mut wire, mut expires) = (0, None);
        let result = ended.and_then(|answer| {
            let names = self.names.entry(Arc::clone(&node)).or_default();
            let parsed = parse::page(&answer.body, &node, answer.sent, scheduled, names);
            self.coverage.lines(&node, &parsed.problems);
            parse_errors = parsed.problems.len();
            (wire, expires) = (answer.wire, answer.expires);
            let failed = |failure: Failure| {
                self.meters.failed(failure.code());
                Failed { failure, address: answer.address.clone() }
            };
            if parsed.scrape_error {
                return Err(failed(Failure::ScrapeError));
            }
            if parsed.hopeless() {
                let first = parsed.problems.first().map(|problem| format!("line {}: {}", problem.line, problem.what));
                return Err(failed(Failure::BadBody(first.unwrap_or_default())));
            }
            Ok(parsed.page)
        });
        if scheduled {
            let answered = !matches!(&result, Err(failed) if !matches!(failed.failure, Failure::ScrapeError));
            let sampled = result.as_ref().ok().and_then(|page| page.node_point).map(|point| point.at);
            self.meters.ended(&node, Outcome { took, asked, good: result.is_ok(), answered, sampled, parse_errors });
        }
        match result {
            Ok(page) => {
                if scheduled {
                    self.latest.apply(&page, began.into_std(), &self.objects.pods);
                    self.coverage.good(
                        &node,
                        NodeCoverage {
                            good: Some(asked),
                            took: millis(took),
                            wire,
                            expires,
                            ..NodeCoverage::default()
                        },
                    );
                }
                self.keep(page);
            }
            Err(failed) if scheduled => {
                let problem = failed.failure.say(&node, &failed.address);
                self.latest.fail(&node, problem.clone(), std::time::Instant::now());
                let ready = self.objects.nodes.get("", &node).is_some_and(|node| node.is_ready());
                self.coverage.bad(&node, problem, asked, ready);
            }
            Err(failed) => debug!(%node, error = %failed.failure, "no page for the charts"),
        }
    }

    fn keep(&mut self, page: super::NodePage) {
        match self.pages.try_send(Arc::new(page)) {
            Ok(()) => self.history_full = false,
            Err(TrySendError::Full(page)) => {
                self.meters.left_out_of_history();
                if !self.history_full {
                    warn!(node = %page.node, "history does not keep up; pages are left out of it");
                }
                self.history_full = true;
            }
            // History is off.
            Err(TrySendError::Closed(_)) => {}
        }
    }
}

/// Resolves when nodes and pods are known.
async fn filled(objects: &Objects) {
    let (mut nodes, mut pods) = (objects.nodes.version(), objects.pods.version());
    while !(objects.nodes.is_filled() && objects.pods.is_filled()) {
        let changed = tokio::select! {
            changed = nodes.changed() => changed,
            changed = pods.changed() => changed,
        };
        if changed.is_err() {
            // The caches are gone, and with them the process.
            return std::future::pending().await;
        }
    }
}

/// The start of the next round: the second comes early, late ones are left out.
fn next_start(due: Instant, now: Instant, resolution: Duration, rounds: u32) -> Instant {
    let resolution = resolution.max(Duration::from_millis(1));
    let mut next = due + if rounds == 0 { resolution.min(SECOND) } else { resolution };
    while next <= now {
        next += resolution;
    }
    next
}

/// A node's fixed place within a round.
fn phase(node: &str, spread: Duration) -> Duration {
    use std::hash::{BuildHasher, Hasher};
    let mut hasher = foldhash::fast::FixedState::default().build_hasher();
    hasher.write(node.as_bytes());
    let millis = u64::try_from(spread.as_millis()).unwrap_or(0).max(1);
    Duration::from_millis(hasher.finish() % millis)
}

fn millis(took: Duration) -> u32 {
    u32::try_from(took.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_round_is_early_and_late_ones_are_left_out() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let resolution = 15 * second;
        assert_eq!(next_start(start, start, resolution, 0), start + 10 * second);
        assert_eq!(next_start(start, start, 5 * second, 0), start + 5 * second);
        assert_eq!(next_start(start, start + 2 * second, resolution, 1), start + 15 * second);
        assert_eq!(next_start(start, start + 40 * second, resolution, 1), start + 45 * second);
    }

    #[test]
    fn a_node_keeps_its_place_within_the_round() {
        let spread = Duration::from_secs(4);
        assert_eq!(phase("node-a", spread), phase("node-a", spread));
        assert!(phase("node-a", spread) < spread);
        let places: HashSet<Duration> = (0..100).map(|n| phase(&format!("node-{n}"), spread)).collect();
        assert!(places.len() > 80);
    }
}
