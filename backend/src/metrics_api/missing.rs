//! What is not served, or with a reservation, each with one reason: for `/debug/taffrail/missing`, for the gauges, for
//! kubectl's warnings.

use super::Api;
use super::request::Query;
use super::status::Status;
use crate::cluster::kinds::{Node, Pod, State};
use crate::encoding::{quoted, time};
use crate::exposition::{Kind, Page, as_value};
use crate::kubelet::{Missing, Reservation};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;
use wire::Millis;

/// Objects of one turn on the runtime.
const TURN: usize = 512;

/// One object that is not served, or with a reservation.
pub(super) struct Gap<'a> {
    kind: &'static str,
    namespace: &'a str,
    name: &'a str,
    container: Option<Arc<str>>,
    reason: String,
    message: String,
    /// The last usable sample, or the object's own beginning.
    since: Option<Millis>,
}

/// How many objects are missing by kind and reason, and how many are served with old values.
#[derive(Default)]
struct Counts {
    missing: BTreeMap<(&'static str, String), u64>,
    held: BTreeMap<&'static str, u64>,
}

// === impl Gap ===

impl Gap<'_> {
    fn json(&self) -> String {
        let text = |value: &str| quoted(value);
        let container = self.container.as_ref().map_or_else(|| "null".to_owned(), |container| text(container));
        let since = self.since.map_or_else(|| "null".to_owned(), |since| text(&time(since)));
        format!(
            "{{\"kind\":\"{}\",\"namespace\":{},\"name\":{},\"container\":{container},\"reason\":{},\"message\":{},\"since\":{since}}}",
            self.kind,
            text(self.namespace),
            text(self.name),
            text(&self.reason),
            text(&self.message)
        )
    }
}

// === impl Api ===

impl Api {
    /// The JSON list of what is missing: `?kind=nodes|pods`, of pods `&namespace=`. With `served=true` of what is served
    /// with a reservation instead.
    pub(super) async fn missing(&self, query: &Query, now: Millis) -> Result<Vec<u8>, Status> {
        if !self.is_filled() {
            return Err(Status::unavailable("Taffrail is still reading nodes and pods; try again in a second"));
        }
        let (kind, namespace) = (query.get("kind").unwrap_or_default(), query.get("namespace").unwrap_or_default());
        if !matches!(kind, "" | "nodes" | "pods") {
            return Err(Status::bad(format!("kind={kind}: give nodes or pods, or neither for both")));
        }
        let served = match query.get("served") {
            None | Some("" | "false" | "0") => false,
            Some("true" | "1") => true,
            Some(other) => return Err(Status::bad(format!("served={other}: give true or false"))),
        };
        let mut out = vec![b'['];
        let mut add = |gap: Gap<'_>| {
            if out.len() > 1 {
                out.extend_from_slice(b",\n");
            }
            out.extend_from_slice(gap.json().as_bytes());
        };
        if kind != "pods" && namespace.is_empty() {
            for node in &self.objects.nodes.snapshot() {
                let gap = if served { self.node_reserved(node, now) } else { self.node_gap(node, now) };
                gap.into_iter().for_each(&mut add);
            }
        }
        if kind != "nodes" {
            for (n, pod) in self.objects.pods.snapshot().iter().enumerate() {
                if n % TURN == TURN - 1 {
                    tokio::task::yield_now().await;
                }
                if !namespace.is_empty() && *pod.meta.namespace != *namespace {
                    continue;
                }
                let gap = if served { self.pod_reserved(pod, now) } else { self.pod_gap(pod, now) };
                gap.into_iter().for_each(&mut add);
            }
        }
        out.extend_from_slice(b"]\n");
        Ok(out)
    }

    /// Appends what is missing and held, in numbers.
    pub(super) async fn write_missing(&self, page: &mut Page, now: Millis) {
        let mut counts = Counts::default();
        let mut held_nodes = HashSet::new();
        if self.is_filled() {
            for node in &self.objects.nodes.snapshot() {
                let held = self.latest.node_reservation(&node.meta.name, Instant::now());
                let held = matches!(held, Some(Reservation::Held { .. }));
                match self.node_gap(node, now) {
                    Some(gap) => *counts.missing.entry(("node", gap.reason)).or_default() += 1,
                    None if held => *counts.held.entry("node").or_default() += 1,
                    None => {}
                }
                if held {
                    held_nodes.insert(Arc::clone(&node.meta.name));
                }
            }
            for (n, pod) in self.objects.pods.snapshot().iter().enumerate() {
                if n % TURN == TURN - 1 {
                    tokio::task::yield_now().await;
                }
                match self.pod_gap(pod, now) {
                    Some(gap) => *counts.missing.entry(("pod", gap.reason)).or_default() += 1,
                    None if &*pod.phase != "Running" => {}
                    None if pod.node.as_ref().is_some_and(|node| held_nodes.contains(node)) => {
                        *counts.held.entry("pod").or_default() += 1;
                    }
                    None => {}
                }
            }
        }
        page.family("taffrail_metrics_api_missing", Kind::Gauge, "Nodes and running pods that are not served.");
        for ((kind, reason), count) in &counts.missing {
            page.sample(&[("kind", kind), ("reason", reason)], as_value(*count));
        }
        page.family("taffrail_metrics_api_held", Kind::Gauge, "Objects served with old values: their scrape fails.");
        for kind in ["node", "pod"] {
            page.sample(&[("kind", kind)], as_value(counts.held.get(kind).copied().unwrap_or_default()));
        }
    }

    fn node_gap<'a>(&self, node: &'a Node, now: Millis) -> Option<Gap<'a>> {
        let name = &*node.meta.name;
        let gap = |reason: &str, message: String, since| Gap {
            kind: "node",
            namespace: "",
            name,
            container: None,
            reason: reason.to_owned(),
            message,
            since,
        };
        if !self.config.node_selector.matches(&node.meta.labels) {
            return Some(gap(
                "NotSelected",
                format!("node {name} is excluded by --node-selector"),
                Some(node.meta.created),
            ));
        }
        let why = self.latest.node(name).err()?;
        let coverage = self.coverage.get(name).unwrap_or_default();
        let since = coverage.since.or(coverage.good).or((node.meta.created > 0).then_some(node.meta.created));
        // Coverage knows a node's problem even while its points are still a base.
        let why = coverage.problem.map_or(why, Missing::NodeFails);
        Some(gap(why.reason(), self.sentence("node", name, &why), since.map(|since| since.min(now))))
    }

    fn pod_gap<'a>(&self, pod: &'a Pod, now: Millis) -> Option<Gap<'a>> {
        if &*pod.phase != "Running" {
            return None;
        }
        let (why, usable) = self.latest.pod_since(pod).err()?;
        let why = self.of_its_node(why);
        let began = pod.started.unwrap_or(pod.meta.created);
        let since = usable.map(|usable| now - Millis::try_from(usable.elapsed().as_millis()).unwrap_or(0));
        let name = format!("{}/{}", pod.meta.namespace, pod.meta.name);
        Some(Gap {
            kind: "pod",
            namespace: &pod.meta.namespace,
            name: &pod.meta.name,
            container: why.container().cloned(),
            reason: why.reason().to_owned(),
            message: self.pod_sentence(&name, pod, &why),
            since: since.or((began > 0).then_some(began)),
        })
    }

    /// A pod's node that is not scraped has a reason for it that only its object knows.
    fn of_its_node(&self, why: Missing) -> Missing {
        let Missing::NodeMissing { node, reason } = why else { return why };
        let reason = match self.objects.nodes.get("", &node) {
            None => "NodeNotFound".to_owned(),
            Some(known) if !self.config.node_selector.matches(&known.meta.labels) => "NotSelected".to_owned(),
            Some(_) => reason,
        };
        Missing::NodeMissing { node, reason }
    }

    fn node_reserved<'a>(&self, node: &'a Node, now: Millis) -> Option<Gap<'a>> {
        let name = &*node.meta.name;
        self.latest.node(name).ok().filter(|_| self.config.node_selector.matches(&node.meta.labels))?;
        let reservation = self.latest.node_reservation(name, Instant::now())?;
        Some(reserved("node", "", name, &reservation, now))
    }

    fn pod_reserved<'a>(&self, pod: &'a Pod, now: Millis) -> Option<Gap<'a>> {
        if &*pod.phase != "Running" || self.latest.pod(pod).is_err() {
            return None;
        }
        let reservation = self.latest.pod_reservation(pod, Instant::now())?;
        Some(reserved("pod", &pod.meta.namespace, &pod.meta.name, &reservation, now))
    }

    /// Why a pod is missing, with what its object says of its containers where the kubelet says nothing.
    pub(super) fn pod_sentence(&self, name: &str, pod: &Pod, why: &Missing) -> String {
        let sentence = self.sentence("pod", name, why);
        if !matches!(why, Missing::NotReportedByKubelet(_)) {
            return sentence;
        }
        let states: Vec<String> = pod
            .containers
            .iter()
            .filter_map(|container| {
                let said = match &container.status.as_ref()?.state {
                    State::Waiting { reason, .. } => {
                        format!("is waiting: {}", reason.as_deref().unwrap_or("no reason given"))
                    }
                    State::Terminated(_) => "has ended".to_owned(),
                    _ => return None,
                };
                Some(format!("container {} {said}", container.name))
            })
            .collect();
        if states.is_empty() { sentence } else { format!("{sentence}; {}", states.join(", ")) }
    }
}

fn reserved<'a>(kind: &'static str, namespace: &'a str, name: &'a str, why: &Reservation, now: Millis) -> Gap<'a> {
    let since = match why {
        Reservation::Held { age, .. } => Some(now - Millis::try_from(age.as_millis()).unwrap_or(0)),
        Reservation::SampleNotAdvancing(at) => Some(*at),
        Reservation::PartialPod(_) => None,
    };
    let (container, reason, message) = (why.container().cloned(), why.reason().to_owned(), why.to_string());
    Gap { kind, namespace, name, container, reason, message, since }
}
