//! `/healthz`, `/livez`, `/readyz` in the format of k8s.io/apiserver.

use super::Api;
use super::request::Query;
use crate::cluster::kinds::{Node, Pod};
use crate::kubelet::Missing;
use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Pods that are looked up under one lock.
const PART: usize = 512;

const HOOKS: [&str; 2] = ["poststarthook/max-in-flight-filter", "poststarthook/storage-object-count-tracker-hook"];

impl Api {
    /// The answer of a health path; `None`: it is no check.
    pub(super) fn health(&self, path: &str, query: &Query) -> Option<Response> {
        let (endpoint, only) =
            path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
        let own: &[&str] = match endpoint {
            "readyz" => &["metric-storage-ready", "metric-informer-sync", "metadata-informer-sync", "shutdown"],
            "livez" => &["metric-collection-timely", "metadata-informer-sync"],
            "healthz" => &["metadata-informer-sync"],
            _ => return None,
        };
        let checks = || ["ping", "log"].iter().chain(&HOOKS).chain(own).copied();
        if !only.is_empty() {
            let check = checks().find(|check| *check == only)?;
            return Some(match self.check(check) {
                Ok(()) => text(StatusCode::OK, "ok".into()),
                Err(why) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("internal server error: {why}\n")),
            });
        }
        let excluded: BTreeSet<&str> = query.all("exclude").collect();
        let (mut lines, mut failed) = (String::new(), false);
        for check in checks() {
            if excluded.contains(&check) {
                lines.push_str(&format!("[+]{check} excluded: ok\n"));
                continue;
            }
            match self.check(check) {
                Ok(()) => lines.push_str(&format!("[+]{check} ok\n")),
                Err(_) => {
                    failed = true;
                    lines.push_str(&format!("[-]{check} failed: reason withheld\n"));
                }
            }
        }
        let unknown: Vec<String> = excluded
            .iter()
            .filter(|name| !checks().any(|check| check == **name))
            .map(|name| format!("\"{name}\""))
            .collect();
        if !unknown.is_empty() {
            let unknown = unknown.join(", ");
            lines.push_str(&format!("warn: some health checks cannot be excluded: no matches for {unknown}\n"));
        }
        if !failed && query.get("verbose").is_none() {
            return Some(text(StatusCode::OK, "ok".into()));
        }
        if endpoint == "readyz" {
            lines.push_str(&self.missing_line());
        }
        if failed {
            lines.push_str(&format!("{endpoint} check failed\n"));
            return Some(text(StatusCode::INTERNAL_SERVER_ERROR, lines));
        }
        lines.push_str(&format!("{endpoint} check passed\n"));
        Some(text(StatusCode::OK, lines))
    }

    fn check(&self, name: &str) -> Result<(), &'static str> {
        let holds = |holds: bool, why| if holds { Ok(()) } else { Err(why) };
        match name {
            "metric-storage-ready" => {
                holds(self.config.ready_when_serving || self.latest.is_ready(), "no metrics to serve")
            }
            "metric-informer-sync" | "metadata-informer-sync" => holds(self.is_filled(), "informers not synced"),
            "metric-collection-timely" => {
                let late = self.config.resolution.mul_f32(1.5);
                let timely = self.latest.last_round().is_none_or(|round| round.elapsed() <= late);
                holds(timely, "metric collection didn't finish on time")
            }
            "shutdown" => holds(!*self.draining.borrow(), "process is shutting down"),
            _ => Ok(()),
        }
    }

    /// What is missing, in numbers; nothing when nothing is.
    fn missing_line(&self) -> String {
        let selected = |node: &&Arc<Node>| self.config.node_selector.matches(&node.meta.labels);
        let nodes = self.objects.nodes.snapshot();
        let nodes: Vec<&Arc<Node>> = nodes.iter().filter(selected).collect();
        let nodes_served = nodes.iter().filter(|node| self.latest.node(&node.meta.name).is_ok()).count();
        let pods = self.objects.pods.snapshot();
        let running: Vec<Arc<Pod>> = pods.iter().filter(|pod| &*pod.phase == "Running").cloned().collect();
        let mut pods_served = 0;
        let (mut waiting, mut others) = (0, BTreeMap::<String, u32>::new());
        for part in running.chunks(PART) {
            for (pod, served) in part.iter().zip(self.latest.pods(part)) {
                if served.is_some() {
                    pods_served += 1;
                } else {
                    match self.latest.pod(pod) {
                        Ok(_) => pods_served += 1,
                        Err(Missing::WaitingForSecondSample(..)) => waiting += 1,
                        Err(why) => *others.entry(why.reason().to_owned()).or_default() += 1,
                    }
                }
            }
        }
        let (all_nodes, all_pods) = (nodes.len(), running.len());
        if nodes_served == all_nodes && pods_served == all_pods && all_pods > 0 {
            return String::new();
        }
        let others: String = others.iter().map(|(reason, count)| format!(", {count} {reason}")).collect();
        format!(
            "[i]metric-storage-ready: {nodes_served} of {all_nodes} nodes, {pods_served} of {all_pods} pods served; \
             {waiting} waiting for a second sample{others}\n"
        )
    }
}

fn text(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}
