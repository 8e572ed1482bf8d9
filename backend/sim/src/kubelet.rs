//! The kubelets: `/metrics/resource` of every node, with the access rules and the timing of real ones.
//!
//! Node and pod samples are taken in housekeeping steps of 10 to 20 s, so a page may repeat its last sample;
//! containers are sampled at the scrape. Containers younger than [`YOUNG`] show zero.

use crate::access::{Ask, User, may};
use crate::load::{self, Curve};
use crate::run::ContainerRun;
use crate::serve::{Body, Peer, full, text};
use crate::store::Object;
use crate::{KubeletFault, Shared};
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt::Write as _;

/// Milliseconds in which the runtime has no values for a new container yet.
const YOUNG: i64 = 3_000;

/// Milliseconds between two housekeepings, on average.
const HOUSEKEEPING: i64 = 15_000;

/// The nodes' counters, which outlive their pods.
#[derive(Debug, Default)]
pub(crate) struct Meters(Mutex<HashMap<String, Meter>>);

#[derive(Clone, Copy, Debug)]
struct Meter {
    at: i64,
    /// Core-nanoseconds.
    cpu: u64,
}

/// Answers one request to the kubelet of `node`; `path` is relative to it.
pub(crate) async fn answer(
    shared: &Shared,
    node: &str,
    path: &str,
    peer: &Peer,
    request: &Request<Incoming>,
) -> Response<Body> {
    let fault = shared.kubelet_faults.read().get(node).copied();
    match fault {
        Some(KubeletFault::Hang) => return std::future::pending().await,
        Some(KubeletFault::Status(code)) => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return text(status, format!("{}\n", status.canonical_reason().unwrap_or("error")));
        }
        Some(KubeletFault::Slow(delay)) => tokio::time::sleep(delay).await,
        _ => {}
    }
    let Some(user) = authenticate(shared, peer, request) else {
        return text(StatusCode::UNAUTHORIZED, "Unauthorized".to_owned());
    };
    let subresource = match path {
        _ if path.starts_with("/metrics") => "metrics",
        _ if path.starts_with("/stats") => "stats",
        _ => "proxy",
    };
    let ask = Ask { verb: "get", resource: "nodes", subresource, name: node, ..Ask::default() };
    if !may(&shared.store, &user, &ask) {
        let refusal =
            format!("Forbidden (user={}, verb=get, resource=nodes, subresource(s)=[{subresource}])\n", user.name);
        return text(StatusCode::FORBIDDEN, refusal);
    }
    if path != "/metrics/resource" {
        return text(StatusCode::NOT_FOUND, "404 page not found\n".to_owned());
    }
    let now = shared.clock.now();
    let page = match fault {
        Some(KubeletFault::ScrapeError) => scrape_error(),
        Some(KubeletFault::Skew(ahead)) => seen(shared, node, now, ahead),
        _ => page(shared, node, now),
    };
    let mut response = damaged(page, fault);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8; escaping=underscores"),
    );
    if let Ok(boot) = HeaderValue::from_str(&(shared.started / 1000 - 86_400).to_string()) {
        headers.insert("process-start-time-unix", boot);
    }
    response
}

fn authenticate(shared: &Shared, peer: &Peer, request: &Request<Incoming>) -> Option<User> {
    if let Some(user) = &peer.user {
        return Some(user.clone());
    }
    shared.tokens.user(crate::serve::bearer(request.headers())?)
}

/// The page as the fault leaves it.
fn damaged(page: String, fault: Option<KubeletFault>) -> Response<Body> {
    match fault {
        Some(KubeletFault::Garbage) => full(Bytes::from_static(b"\x00\xff<html>{not a metric} NaN?\n\n}}{{ 1 2 3\n")),
        Some(KubeletFault::Truncated) => {
            // Half the page, then the connection breaks before the length that was announced.
            let length = page.len();
            let half: String = page.chars().take(length / 2).collect();
            let frames = futures::stream::iter([Ok(Frame::data(Bytes::from(half)))])
                .chain(futures::stream::iter([Err(std::io::Error::other("truncated on purpose"))]));
            let mut response = Response::new(BodyExt::boxed(StreamBody::new(frames)));
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            response
        }
        Some(KubeletFault::Huge(bytes)) => {
            let line = Bytes::from(
                "container_cpu_usage_seconds_total{container=\"x\",namespace=\"n\",pod=\"p\"} 1 1\n".repeat(1000),
            );
            let chunks = bytes / line.len().max(1) + 1;
            let frames = futures::stream::iter((0..chunks).map(move |_| Ok(Frame::data(line.clone()))));
            Response::new(BodyExt::boxed(StreamBody::new(frames)))
        }
        Some(KubeletFault::GzipBomb) => {
            let mut response = full(Bytes::from(crate::serve::gzip_zeros(64 << 20)));
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        }
        _ => {
            // Chunked, as the real one.
            let frames = futures::stream::iter([Ok(Frame::data(Bytes::from(page)))]);
            Response::new(BodyExt::boxed(StreamBody::new(frames)))
        }
    }
}

fn scrape_error() -> String {
    "# HELP resource_scrape_error [STABLE] 1 if there was an error while getting container metrics, 0 otherwise\n# TYPE resource_scrape_error gauge\nresource_scrape_error 1\n".to_owned()
}

/// The newest housekeeping of a cgroup: steps of 10 to 20 s, of its own phase.
fn housekeeping(own: u64, now: i64) -> i64 {
    let slot = now.div_euclid(HOUSEKEEPING);
    let at = |slot: i64| slot * HOUSEKEEPING + (load::mix(own, slot.unsigned_abs()) % 5000) as i64;
    if at(slot) <= now { at(slot) } else { at(slot - 1) }
}

/// The samples of one container.
struct Sample<'a> {
    container: &'a str,
    pod: &'a Object,
    at: i64,
    started: i64,
    cpu: u64,
    memory: u64,
}

/// The samples of one pod.
struct PodSample<'a> {
    pod: &'a Object,
    at: i64,
    cpu: u64,
    memory: u64,
}

/// The text of `/metrics/resource` at `now`.
pub(crate) fn page(shared: &Shared, node: &str, now: i64) -> String {
    seen(shared, node, now, 0)
}

/// The same by a clock that is ahead by so many milliseconds.
fn seen(shared: &Shared, node: &str, now: i64, ahead: i64) -> String {
    let objects = shared.store.on_node(node);
    let day = shared.day;
    let node_at = housekeeping(load::hash(shared.seed, node), now);
    let previous = shared.meters.0.lock().get(node).copied();
    let meter_from = previous.map_or(node_at - 600_000, |meter| meter.at);
    let (mut containers, mut pods) = (Vec::new(), Vec::new());
    let (mut node_cpu, mut node_memory) = (0, 0);
    for pod in &objects {
        let Some(run) = pod.run.as_deref().filter(|run| !run.finished) else { continue };
        // What runs now and did not run then has no place on a page of the past.
        let began = |container: &ContainerRun| container.started.filter(|started| *started <= now);
        if run.started.is_some_and(|started| started > now) || !run.containers.iter().any(|one| began(one).is_some()) {
            continue;
        }
        let at = housekeeping(load::hash(shared.seed, &pod.uid), now);
        let pod_started = run.started.unwrap_or(now);
        // The sandbox.
        let (mut cpu, mut memory) = (20_000_000 + ((at - pod_started).max(0) / 1000).unsigned_abs() * 30_000, 524_288);
        for container in &run.containers {
            let curve = Curve::of(shared.seed, pod.name(), container, day);
            cpu += curve.cpu(pod_started, at);
            node_cpu += curve.cpu(meter_from.max(pod_started), node_at);
            let Some(started) = began(container) else { continue };
            let cap = container.memory_limit.unwrap_or(u64::MAX);
            memory += curve.memory(started, at).min(cap);
            node_memory += curve.memory(started, node_at).min(cap);
            let young = now - started < YOUNG;
            let sampled = now - (load::hash(3, &pod.uid) % 4) as i64;
            containers.push(Sample {
                container: &container.name,
                pod,
                at: sampled,
                started,
                cpu: if young { 0 } else { curve.cpu(started, sampled) },
                memory: if young { 0 } else { curve.memory(started, sampled).min(cap) },
            });
        }
        pods.push(PodSample { pod, at, cpu, memory });
    }
    containers.sort_by(|a, b| (a.container, &a.pod.key).cmp(&(b.container, &b.pod.key)));
    // The system's own share: 80 millicores and 700 MiB.
    let system = (node_at - meter_from).max(0).unsigned_abs() * 80_000;
    let node_cpu = {
        let mut meters = shared.meters.0.lock();
        let meter =
            meters.entry(node.to_owned()).or_insert(Meter { at: meter_from, cpu: load::hash(5, node) % (1 << 50) });
        if node_at > meter.at && meter.at == meter_from {
            *meter = Meter { at: node_at, cpu: meter.cpu + node_cpu + system };
        }
        *meter
    };
    for one in &mut containers {
        one.at += ahead;
        one.started += ahead;
    }
    for one in &mut pods {
        one.at += ahead;
    }
    write(&containers, &pods, Meter { at: node_cpu.at + ahead, ..node_cpu }, node_memory + (700 << 20))
}

fn write(containers: &[Sample<'_>], pods: &[PodSample<'_>], node: Meter, node_memory: u64) -> String {
    let mut page = Page(String::with_capacity(4096 + containers.len() * 750));
    page.family(
        "container_cpu_usage_seconds_total",
        "[STABLE] Cumulative cpu time consumed by the container in core-seconds",
        "counter",
    );
    for one in containers {
        page.container("container_cpu_usage_seconds_total", one, &seconds(one.cpu), true);
    }
    page.family(
        "container_memory_working_set_bytes",
        "[STABLE] Current working set of the container in bytes",
        "gauge",
    );
    for one in containers {
        page.container("container_memory_working_set_bytes", one, &go_float(one.memory as f64), true);
    }
    page.family(
        "container_start_time_seconds",
        "[STABLE] Start time of the container since unix epoch in seconds",
        "gauge",
    );
    for one in containers {
        page.container("container_start_time_seconds", one, &go_float(one.started as f64 / 1000.0), false);
    }
    page.family(
        "container_swap_limit_bytes",
        "[ALPHA] Current amount of the container swap limit in bytes. Reported only on non-windows systems",
        "gauge",
    );
    for one in containers {
        page.container("container_swap_limit_bytes", one, "0", true);
    }
    page.family(
        "container_swap_usage_bytes",
        "[ALPHA] Current amount of the container swap usage in bytes. Reported only on non-windows systems",
        "gauge",
    );
    for one in containers {
        page.container("container_swap_usage_bytes", one, "0", true);
    }
    page.family(
        "node_cpu_usage_seconds_total",
        "[STABLE] Cumulative cpu time consumed by the node in core-seconds",
        "counter",
    );
    page.line(format_args!("node_cpu_usage_seconds_total {} {}", seconds(node.cpu), node.at));
    page.family("node_memory_working_set_bytes", "[STABLE] Current working set of the node in bytes", "gauge");
    page.line(format_args!("node_memory_working_set_bytes {} {}", go_float(node_memory as f64), node.at));
    page.family(
        "node_swap_usage_bytes",
        "[ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems",
        "gauge",
    );
    page.line(format_args!("node_swap_usage_bytes 0 {}", node.at));
    page.family(
        "pod_cpu_usage_seconds_total",
        "[STABLE] Cumulative cpu time consumed by the pod in core-seconds",
        "counter",
    );
    for one in pods {
        page.pod("pod_cpu_usage_seconds_total", one, &seconds(one.cpu));
    }
    page.family("pod_memory_working_set_bytes", "[STABLE] Current working set of the pod in bytes", "gauge");
    for one in pods {
        page.pod("pod_memory_working_set_bytes", one, &go_float(one.memory as f64));
    }
    page.family(
        "pod_swap_usage_bytes",
        "[ALPHA] Current amount of the pod swap usage in bytes. Reported only on non-windows systems",
        "gauge",
    );
    for one in pods {
        page.pod("pod_swap_usage_bytes", one, "0");
    }
    page.family(
        "resource_scrape_error",
        "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise",
        "gauge",
    );
    page.line(format_args!("resource_scrape_error 0"));
    page.0
}

struct Page(String);

impl Page {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String does not fail.
        let _ = self.0.write_fmt(line);
        self.0.push('\n');
    }

    fn family(&mut self, name: &str, help: &str, kind: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    fn container(&mut self, family: &str, one: &Sample<'_>, value: &str, timed: bool) {
        let (namespace, pod) = (one.pod.namespace(), one.pod.name());
        let labels =
            format_args!("{family}{{container=\"{}\",namespace=\"{namespace}\",pod=\"{pod}\"}} {value}", one.container)
                .to_string();
        if timed { self.line(format_args!("{labels} {}", one.at)) } else { self.line(format_args!("{labels}")) }
    }

    fn pod(&mut self, family: &str, one: &PodSample<'_>, value: &str) {
        let (namespace, pod) = (one.pod.namespace(), one.pod.name());
        self.line(format_args!("{family}{{namespace=\"{namespace}\",pod=\"{pod}\"}} {value} {}", one.at));
    }
}

/// Nanoseconds as seconds, in Go's shortest form.
fn seconds(nanoseconds: u64) -> String {
    go_float(nanoseconds as f64 / 1e9)
}

/// A float as Go's `%g` with the shortest digits: an exponent below -4 and from 21 on, but Prometheus' text format
/// switches at 1e+06 already for shortest `g`.
fn go_float(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let exponent = value.abs().log10().floor() as i32;
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let scientific = format!("{value:e}");
    match scientific.split_once('e') {
        Some((digits, power)) => match power.strip_prefix('-') {
            Some(power) => format!("{digits}e-{power:0>2}"),
            None => format!("{digits}e+{power:0>2}"),
        },
        None => scientific,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_look_as_go_writes_them() {
        for (value, expected) in [
            (3.319_105_439, "3.319105439"),
            (720_896.0, "720896"),
            (2_383_671_296.0, "2.383671296e+09"),
            (1_208_320.0, "1.20832e+06"),
            (0.0, "0"),
            (0.000_012, "1.2e-05"),
        ] {
            assert_eq!(go_float(value), expected);
        }
    }

    #[test]
    fn housekeeping_steps_are_ten_to_twenty_seconds() {
        let mut last = housekeeping(9, 1_000_000);
        for now in (1_000_000..1_600_000).step_by(500) {
            let at = housekeeping(9, now);
            assert!(at <= now && now - at <= 20_000);
            assert!(at == last || (10_000..=20_000).contains(&(at - last)), "{}", at - last);
            last = at;
        }
    }
}
