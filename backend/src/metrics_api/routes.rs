//! From an authorized request to its answer.

use super::Api;
use super::body::{Frame, discovery};
use super::request::{Asks, Query, Resource};
use super::status::Status;
use crate::cluster::kinds::{Node, Pod};
use crate::kubelet::selector::LabelSelector;
use crate::kubelet::{Missing, Served, ServedPod};
use axum::body::Body;
use axum::response::Response;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, USER_AGENT, VARY, WARNING};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use wire::Millis;

const PATHS: &str = concat!(
    r#"{"paths":["/apis","/apis/metrics.k8s.io","/apis/metrics.k8s.io/v1","/apis/metrics.k8s.io/v1beta1","/healthz","#,
    r#""/livez","/readyz"]}"#,
    "\n"
);

/// Of a warning's text, by section 6.
const WARNING_CHARS: usize = 256;

impl Api {
    pub(super) fn route(
        &self,
        method: &Method,
        headers: &HeaderMap,
        asks: &Asks,
        query: &Query,
    ) -> Result<Response, Status> {
        if let Some(resource) = &asks.resource {
            return self.resource(method, headers, (resource, &asks.verb), query);
        }
        if method != Method::GET {
            return Err(not_allowed());
        }
        let path = match asks.path.as_str() {
            "/" => "/",
            path => path.trim_end_matches('/'),
        };
        match path {
            "/" | "" => Ok(json(PATHS.into())),
            "/apis" => Ok(groups(headers)),
            "/apis/metrics.k8s.io" => Ok(json(discovery::group())),
            "/apis/metrics.k8s.io/v1" => Ok(json(discovery::resources("v1"))),
            "/apis/metrics.k8s.io/v1beta1" => Ok(json(discovery::resources("v1beta1"))),
            path if path.starts_with("/apis/metrics.k8s.io/") => Err(Status::no_resource()),
            path => Ok(self.health(path, query).unwrap_or_else(|| {
                let mut response = json(PATHS.into());
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            })),
        }
    }

    fn resource(
        &self,
        method: &Method,
        headers: &HeaderMap,
        (resource, verb): (&Resource, &str),
        query: &Query,
    ) -> Result<Response, Status> {
        if method != Method::GET {
            return Err(not_allowed());
        }
        let plural = resource.plural;
        if query.is_watch() {
            let message = format!("watch is not supported on resources of kind \"{plural}.metrics.k8s.io\"");
            return Err(
                Status::new(405, "MethodNotAllowed", message).with(&[("group", "metrics.k8s.io"), ("kind", plural)])
            );
        }
        let selector = LabelSelector::parse(query.get("labelSelector").unwrap_or_default())
            .map_err(|error| Status::bad(error.to_string()))?;
        let fields = query.fields()?;
        query.check()?;
        if !self.is_filled() {
            return Err(Status::unavailable("Taffrail is still reading nodes and pods; try again in a second"));
        }
        // A list of one name was authorized as such; its path names none.
        let single = resource.name.as_deref().filter(|_| verb == "get");
        let of_kubectl = headers.get(USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(b"kubectl/"));
        let kind = if plural == "nodes" { "NodeMetrics" } else { "PodMetrics" };
        let frame = Frame { kind, version: resource.version, now: unix_millis() };
        let answer = match (plural, single) {
            ("nodes", Some(name)) => self.node(frame, name),
            ("nodes", None) => Ok(self.nodes(frame, &|node: &Node| {
                selector.matches(&node.meta.labels) && fields.iter().all(|field| field.matches("", &node.meta.name))
            })),
            (_, Some(name)) => self.pod(frame, &resource.namespace, name),
            (_, None) => Ok(self.pods(frame, &resource.namespace, &|pod: &Pod| {
                selector.matches(&pod.meta.labels)
                    && fields.iter().all(|field| field.matches(&pod.meta.namespace, &pod.meta.name))
            })),
        };
        let (mut response, warning) = match answer {
            Ok((text, warning)) => (json(text), warning),
            Err((status, warning)) => (Response::from(status), warning),
        };
        if let Some(value) = warning.filter(|_| of_kubectl).and_then(|text| warning_value(&text)) {
            response.headers_mut().insert(WARNING, value);
        }
        Ok(response)
    }

    fn node(&self, frame: Frame, name: &str) -> Result<(String, Option<String>), (Status, Option<String>)> {
        let node = self.objects.nodes.get("", name).ok_or_else(|| (Status::no_object("node", "node", name), None))?;
        if !self.config.node_selector.matches(&node.meta.labels) {
            let why = format!("node {name} is excluded by --node-selector");
            return Err((Status::no_metrics("nodemetrics", name), Some(why)));
        }
        match self.latest.node(name) {
            Ok(served) => Ok((frame.single(&frame.node(&node.meta, &self.swap(served))), None)),
            Err(why) => Err((Status::no_metrics("nodemetrics", name), Some(self.sentence("node", name, &why)))),
        }
    }

    fn nodes(&self, frame: Frame, wanted: &dyn Fn(&Node) -> bool) -> (String, Option<String>) {
        let (mut items, mut gaps, mut first) = (Vec::new(), 0_u32, None);
        for node in self.objects.nodes.snapshot().iter() {
            if !wanted(node) || !self.config.node_selector.matches(&node.meta.labels) {
                continue;
            }
            match self.latest.node(&node.meta.name) {
                Ok(served) => items.push(frame.node(&node.meta, &self.swap(served))),
                Err(why) => {
                    gaps += 1;
                    first = first.or_else(|| Some(self.sentence("node", &node.meta.name, &why)));
                }
            }
        }
        let warning = first.map(|first| match gaps {
            1 => first,
            gaps => format!("{gaps} nodes have no metrics; {first}"),
        });
        (frame.list(&items), warning)
    }

    fn pod(
        &self,
        frame: Frame,
        namespace: &str,
        name: &str,
    ) -> Result<(String, Option<String>), (Status, Option<String>)> {
        let pod = self.objects.pods.get(namespace, name).filter(|pod| &*pod.phase == "Running");
        let pod = pod.ok_or_else(|| (Status::no_object("pods", "pods", name), None))?;
        match self.latest.pod(&pod) {
            Ok(served) => Ok((frame.single(&frame.pod(&pod.meta, &self.swap_pod(served))), None)),
            Err(why) => {
                let name = format!("{namespace}/{name}");
                Err((Status::no_metrics("podmetrics", &name), Some(self.sentence("pod", &name, &why))))
            }
        }
    }

    fn pods(&self, frame: Frame, namespace: &str, wanted: &dyn Fn(&Pod) -> bool) -> (String, Option<String>) {
        let all = self.objects.pods.snapshot();
        let asked = |pod: &&Arc<Pod>| &*pod.phase == "Running" && wanted(pod);
        let running: Vec<Arc<Pod>> = match namespace {
            "" => all.iter().filter(asked).cloned().collect(),
            one => all.within(one).filter(asked).cloned().collect(),
        };
        let items: Vec<String> = running
            .iter()
            .zip(self.latest.pods(&running))
            .filter_map(|(pod, served)| Some(frame.pod(&pod.meta, &self.swap_pod(served?))))
            .collect();
        (frame.list(&items), None)
    }

    fn swap(&self, served: Served) -> Served {
        Served { swap: served.swap.filter(|_| self.config.serve_swap), ..served }
    }

    fn swap_pod(&self, mut served: ServedPod) -> ServedPod {
        for (_, container) in &mut served.containers {
            *container = self.swap(*container);
        }
        served
    }

    fn sentence(&self, kind: &str, name: &str, why: &Missing) -> String {
        // Coverage knows a node's problem even while its points are still a base.
        let problem = self.coverage.get(name).filter(|_| kind == "node").and_then(|coverage| coverage.problem);
        match problem {
            Some(problem) => format!("{kind} {name}: {}", Missing::NodeFails(problem)),
            None => format!("{kind} {name} has no metrics: {why}"),
        }
    }
}

fn not_allowed() -> Status {
    Status::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource").with(&[])
}

fn json(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// `/apis`: the plain list, or the aggregated document for who asks for it.
fn groups(headers: &HeaderMap) -> Response {
    const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if !prefers_aggregated(accept) {
        let mut response = json(discovery::groups());
        response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
        return response;
    }
    let text = discovery::aggregated();
    let hash: String = Sha256::digest(&text).iter().take(16).map(|byte| format!("{byte:02X}")).collect();
    let tag = format!("\"{hash}\"");
    let known = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = json(text);
    if known {
        response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(AGGREGATED));
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    response
}

/// Whether the first acceptable clause, by preference, is the aggregated document.
fn prefers_aggregated(accept: &str) -> bool {
    let mut clauses: Vec<(f32, bool)> = Vec::new();
    for clause in accept.split(',') {
        let mut parts = clause.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let (mut quality, mut group, mut version, mut shape) = (1.0_f32, "", "", "");
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            match key {
                "q" => quality = value.parse().unwrap_or(0.0),
                "g" => group = value,
                "v" => version = value,
                "as" => shape = value,
                _ => {}
            }
        }
        let aggregated = (group, version, shape) == ("apidiscovery.k8s.io", "v2", "APIGroupDiscoveryList");
        let plain = shape.is_empty();
        if matches!(media, "application/json" | "*/*" | "application/*") && (aggregated || plain) && quality > 0.0 {
            clauses.push((quality, aggregated && media == "application/json"));
        }
    }
    clauses.sort_by(|one, other| other.0.total_cmp(&one.0));
    clauses.first().is_some_and(|(_, aggregated)| *aggregated)
}

/// A `Warning` header: agent `-`, quoted, bounded.
fn warning_value(text: &str) -> Option<HeaderValue> {
    let mut quoted = String::new();
    for c in text.chars().filter(char::is_ascii).filter(|c| !c.is_control()).take(WARNING_CHARS) {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    HeaderValue::from_str(&format!("299 - \"{quoted}\"")).ok()
}

fn unix_millis() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}
