//! What the scraper tells of itself: how long kubelets take, how often they fail and why, how long a round is.
//!
//! Costs about 200 bytes a node. A lock is held for one change or one page.

use crate::exposition::{Histogram, Kind, Page, as_value};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use wire::Millis;

/// Upper ends of client-go's default buckets, seconds.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Written by the scraper, read by the metrics page. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Meters {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    nodes: BTreeMap<Arc<str>, Node>,
    good: u64,
    failed: u64,
    /// Failed attempts by reason.
    reasons: BTreeMap<&'static str, u64>,
    round: Histogram,
    /// Pages that history did not take in time.
    left_out: u64,
}

#[derive(Debug)]
struct Node {
    took: Histogram,
    last: Millis,
    up: bool,
    parse_errors: u64,
    /// Seconds by which the node's sample was older than our clock when it came.
    age: Option<f64>,
}

/// The result of one node's part of a round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) took: Duration,
    /// When it was asked.
    pub(super) asked: Millis,
    pub(super) good: bool,
    /// The kubelet answered, if only that it could not collect its samples.
    pub(super) answered: bool,
    /// Of the node's sample.
    pub(super) sampled: Option<Millis>,
    pub(super) parse_errors: usize,
}

// === impl Meters ===

impl Meters {
    #[must_use]
    pub fn new(resolution: Duration) -> Self {
        let mut ends = BUCKETS.to_vec();
        let resolution = resolution.as_secs_f64();
        if resolution > 10.0 {
            ends.extend([10.0 + (resolution - 10.0) / 2.0, resolution, 1.5 * resolution, 2.0 * resolution]);
        }
        let shared = Shared {
            nodes: BTreeMap::new(),
            good: 0,
            failed: 0,
            reasons: BTreeMap::new(),
            round: Histogram::new(&ends),
            left_out: 0,
        };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// One attempt failed.
    pub(super) fn failed(&self, reason: &'static str) {
        *self.shared.lock().reasons.entry(reason).or_default() += 1;
    }

    /// A node's part of a round is over.
    pub(super) fn ended(&self, node: &Arc<str>, outcome: Outcome) {
        let mut shared = self.shared.lock();
        if outcome.answered {
            shared.good += 1;
        } else {
            shared.failed += 1;
        }
        let known = shared.nodes.entry(Arc::clone(node)).or_insert_with(|| Node {
            took: Histogram::new(&BUCKETS),
            last: 0,
            up: false,
            parse_errors: 0,
            age: None,
        });
        known.took.observe(outcome.took.as_secs_f64());
        known.last = outcome.asked;
        known.up = outcome.good;
        known.parse_errors += outcome.parse_errors as u64;
        if let Some(sampled) = outcome.sampled {
            let received = outcome.asked + Millis::try_from(outcome.took.as_millis()).unwrap_or(0);
            known.age = Some(seconds(received - sampled));
        }
    }

    /// A round took so long, from its start to its last answer.
    pub(super) fn round(&self, took: Duration) {
        self.shared.lock().round.observe(took.as_secs_f64());
    }

    /// History does not keep up, and a page is left out of it.
    pub(super) fn left_out_of_history(&self) {
        self.shared.lock().left_out += 1;
    }

    /// Nodes that are no more have no series.
    pub(super) fn retain(&self, known: &HashSet<Arc<str>>) {
        self.shared.lock().nodes.retain(|node, _| known.contains(node));
    }

    /// Appends all families.
    pub fn write(&self, page: &mut Page) {
        let shared = self.shared.lock();
        let took = "metrics_server_kubelet_request_duration_seconds";
        page.family(took, Kind::Histogram, "Duration of requests to kubelets, all attempts of a round together.");
        for (name, node) in &shared.nodes {
            page.histogram(&[("node", name)], &node.took);
        }
        page.family("metrics_server_kubelet_request_total", Kind::Counter, "Requests to kubelets by their success.");
        page.sample(&[("success", "false")], as_value(shared.failed));
        page.sample(&[("success", "true")], as_value(shared.good));
        let last = "metrics_server_kubelet_last_request_time_seconds";
        page.family(last, Kind::Gauge, "Time of the last request to a kubelet, Unix seconds.");
        for (name, node) in &shared.nodes {
            page.sample(&[("node", name)], seconds(node.last));
        }
        let round = "metrics_server_manager_tick_duration_seconds";
        page.family(round, Kind::Histogram, "Duration of a round, from its start to its last answer.");
        page.histogram(&[], &shared.round);
        let reasons = "taffrail_kubelet_scrape_failures_total";
        page.family(reasons, Kind::Counter, "Attempts to get a kubelet's page that failed, by reason.");
        for (reason, count) in &shared.reasons {
            page.sample(&[("reason", reason)], as_value(*count));
        }
        page.family("taffrail_kubelet_up", Kind::Gauge, "Whether the last scrape of a kubelet was good.");
        for (name, node) in &shared.nodes {
            page.sample(&[("node", name)], f64::from(u8::from(node.up)));
        }
        let parse = "taffrail_kubelet_parse_errors_total";
        page.family(parse, Kind::Counter, "Lines of a kubelet's pages that could not be read and were left out.");
        for (name, node) in &shared.nodes {
            page.sample(&[("node", name)], as_value(node.parse_errors));
        }
        let left_out = "taffrail_history_pages_left_out_total";
        page.family(left_out, Kind::Counter, "Pages of kubelets that history did not take in time.");
        page.sample(&[], as_value(shared.left_out));
        let age = "taffrail_kubelet_sample_age_seconds";
        page.family(age, Kind::Gauge, "Age of a node's sample when it was received; clocks that differ show here.");
        for (name, node) in &shared.nodes {
            if let Some(age) = node.age {
                page.sample(&[("node", name)], age);
            }
        }
    }
}

fn seconds(millis: Millis) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a time in milliseconds is far below 2^53")]
    let seconds = millis as f64 / 1000.0;
    seconds
}
