//! What this API tells of itself: how old its answers are, how long requests take, how many reviews they cost.

use crate::exposition::{Histogram, Kind, Page, as_value};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use wire::Millis;

/// Upper ends of request durations, seconds: those of Kubernetes' API server, without its longest ones.
const BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
/// Verbs that are told apart; a client can invent others.
const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Meters {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    freshness: Histogram,
    requests: BTreeMap<Request, Histogram>,
    reviews: BTreeMap<(&'static str, &'static str, bool), u64>,
}

/// What requests are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Request {
    pub(super) resource: &'static str,
    pub(super) version: &'static str,
    pub(super) verb: &'static str,
    pub(super) scope: &'static str,
    pub(super) encoding: &'static str,
    pub(super) code: u16,
}

// === impl Meters ===

impl Default for Meters {
    fn default() -> Self {
        // Step by step, as Go's client makes them: the ends are labels, and the last digit counts.
        let ends: Vec<f64> = std::iter::successors(Some(1.0), |end| Some(end * 1.364)).take(20).collect();
        let shared = Shared { freshness: Histogram::new(&ends), requests: BTreeMap::new(), reviews: BTreeMap::new() };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }
}

impl Meters {
    /// Objects sampled at these times are answered with at `now`.
    pub(super) fn answered(&self, now: Millis, sampled: &[Millis]) {
        let mut shared = self.shared.lock();
        for at in sampled {
            // A kubelet's clock that is ahead makes nothing younger than now.
            let age = Duration::from_millis(now.saturating_sub(*at).max(0).unsigned_abs());
            shared.freshness.observe(age.as_secs_f64());
        }
    }

    /// A request was answered, to the head of its answer.
    pub(super) fn request(&self, request: Request, took: Duration) {
        let mut shared = self.shared.lock();
        shared.requests.entry(request).or_insert_with(|| Histogram::new(&BUCKETS)).observe(took.as_secs_f64());
    }

    /// A question about a token or about access was answered.
    pub(super) fn reviewed(&self, kind: &'static str, result: &'static str, cached: bool) {
        *self.shared.lock().reviews.entry((kind, result, cached)).or_default() += 1;
    }

    /// Appends all families.
    pub(super) fn write(&self, page: &mut Page) {
        let shared = self.shared.lock();
        let freshness = "metrics_server_api_metric_freshness_seconds";
        page.family(freshness, Kind::Histogram, "Age of the samples that were answered with.");
        page.histogram(&[], &shared.freshness);
        let requests = "taffrail_metrics_api_request_duration_seconds";
        page.family(requests, Kind::Histogram, "Time to the head of an answer; long lists are written after it.");
        let mut durations: BTreeMap<(&str, &str, &str, u16), Histogram> = BTreeMap::new();
        for (request, took) in &shared.requests {
            let Request { resource, verb, encoding, code, .. } = request;
            let known = durations.entry((resource, verb, encoding, *code)).or_insert_with(|| Histogram::new(&BUCKETS));
            known.add(took);
        }
        for ((resource, verb, encoding, code), took) in &durations {
            let code = code.to_string();
            page.histogram(&[("resource", resource), ("verb", verb), ("encoding", encoding), ("code", &code)], took);
        }
        let durations = "apiserver_request_duration_seconds";
        page.family(durations, Kind::Histogram, "The same, as API servers tell it.");
        let mut told: BTreeMap<(&str, &str, &str, &str), Histogram> = BTreeMap::new();
        for (request, took) in &shared.requests {
            let Request { resource, version, verb, scope, .. } = request;
            told.entry((verb, version, resource, scope)).or_insert_with(|| Histogram::new(&BUCKETS)).add(took);
        }
        for ((verb, version, resource, scope), took) in &told {
            let verb = verb.to_uppercase();
            let labels = [("verb", &*verb), ("group", "metrics.k8s.io"), ("version", version), ("resource", resource)];
            page.histogram(&[labels.as_slice(), &[("scope", scope)]].concat(), took);
        }
        page.family("apiserver_request_total", Kind::Counter, "Requests for resources, as API servers count them.");
        let mut totals: BTreeMap<(&str, &str, &str, &str, u16), u64> = BTreeMap::new();
        for (request, took) in &shared.requests {
            let Request { resource, version, verb, scope, code, .. } = request;
            *totals.entry((verb, version, resource, scope, *code)).or_default() += took.count();
        }
        for ((verb, version, resource, scope, code), count) in totals {
            let (verb, code) = (verb.to_uppercase(), code.to_string());
            let group = ("group", "metrics.k8s.io");
            let labels = [
                ("verb", &*verb),
                group,
                ("version", version),
                ("resource", resource),
                ("scope", scope),
                ("code", &code),
            ];
            page.sample(&labels, as_value(count));
        }
        page.family("taffrail_auth_reviews_total", Kind::Counter, "Questions about tokens and about access.");
        for ((kind, result, cached), count) in &shared.reviews {
            let cached = if *cached { "true" } else { "false" };
            page.sample(&[("kind", kind), ("result", result), ("cached", cached)], as_value(*count));
        }
    }
}

/// One of [`VERBS`], or `other`.
pub(super) fn verb(given: &str) -> &'static str {
    VERBS.into_iter().find(|known| *known == given).unwrap_or("other")
}
