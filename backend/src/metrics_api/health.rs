//! `/healthz`, `/livez`, `/readyz` in the format of k8s.io/apiserver.

use super::Api;
use super::request::Query;
use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use std::sync::atomic::Ordering;

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
        let excluded: Vec<&str> = query.all("exclude").filter(|name| !name.is_empty()).collect();
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
            let unknown = unknown.join(",");
            lines.push_str(&format!("warn: some health checks cannot be excluded: no matches for {unknown}\n"));
        }
        if endpoint == "readyz" {
            lines.push_str(&self.missing_line());
        }
        if failed {
            lines.push_str(&format!("{endpoint} check failed\n"));
            return Some(text(StatusCode::INTERNAL_SERVER_ERROR, lines));
        }
        if query.get("verbose").is_none() {
            return Some(text(StatusCode::OK, "ok".into()));
        }
        lines.push_str(&format!("{endpoint} check passed\n"));
        Some(text(StatusCode::OK, lines))
    }

    fn check(&self, name: &str) -> Result<(), &'static str> {
        let holds = |holds: bool, why| if holds { Ok(()) } else { Err(why) };
        match name {
            "metric-storage-ready" => holds(self.is_ready(), "no metrics to serve"),
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

    fn is_ready(&self) -> bool {
        if self.config.ready_when_serving {
            return self.is_filled();
        }
        let tally = self.latest.tally();
        let only_young = tally.pods > 0 && tally.pods_young == tally.pods;
        let was = self.was_ready.load(Ordering::Relaxed);
        let ready = tally.nodes_served > 0 && (tally.any_container || was || only_young);
        if ready {
            self.was_ready.store(true, Ordering::Relaxed);
        }
        ready
    }

    /// What is missing, in numbers; nothing when nothing is.
    fn missing_line(&self) -> String {
        let tally = self.latest.tally();
        if tally.nodes_served == tally.nodes && tally.pods_served == tally.pods && tally.pods > 0 {
            return String::new();
        }
        format!(
            "[i]metric-storage-ready: {} of {} nodes, {} of {} pods served; {} waiting for a second sample\n",
            tally.nodes_served, tally.nodes, tally.pods_served, tally.pods, tally.pods_young
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
