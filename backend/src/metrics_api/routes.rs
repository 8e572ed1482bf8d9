//! From an authorized request to its answer.

use super::Api;
use super::discovery::{self, AGGREGATED};
use super::lists::{LONG, Made, Rows, Source, swapped, swapped_pod};
use super::openapi;
use super::request::{Asks, Field, Query, Resource, Served, Wish};
use super::status::Status;
use crate::cluster::kinds::{Node, Pod};
use crate::encoding::accept::{self, Groups};
use crate::encoding::{Choice, Columns, Include, Indent, Item, Kind, List, Media, Shape};
use crate::exposition::{self, Page};
use crate::kubelet::Missing;
use crate::kubelet::selector::LabelSelector;
use crate::now::unix_millis;
use crate::telemetry;
use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, USER_AGENT, VARY, WARNING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

/// Of a warning's text, by section 6.
const WARNING_CHARS: usize = 256;
const UNACCEPTABLE: &str = concat!(
    "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, ",
    "application/vnd.kubernetes.protobuf, application/json;stream=watch, ",
    "application/vnd.kubernetes.protobuf;stream=watch"
);
const ACCEPTED: &str = concat!(
    "only the following media types are accepted: application/json, application/yaml, ",
    "application/vnd.kubernetes.protobuf"
);

/// Says that a body is worth compressing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Long;

/// What a resource was asked for.
struct Asked<'a> {
    resource: &'a Resource,
    list: List,
    selector: LabelSelector,
    fields: Vec<Field>,
}

impl Api {
    pub(super) async fn route(
        &self,
        request: &Parts,
        (asks, query, wish): (&Asks, &Query, &Wish<'_>),
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<Response, Status> {
        if let Some(resource) = &asks.resource {
            let Some(served) = resource.served else {
                // Of other groups nothing is known at all.
                let ours = resource.group == "metrics.k8s.io";
                return if ours { Err(Status::no_resource()) } else { Ok(paths(StatusCode::NOT_FOUND)) };
            };
            return self.resource(request, (resource, served, &asks.verb), (query, wish), place).await;
        }
        let path = match asks.path.as_str() {
            "/" => "/",
            path => path.trim_end_matches('/'),
        };
        // Only discovery and `/version` are routes of an API; what else there is answers to whoever asks.
        let is_api = path == "/version" || path == "/apis" || path.starts_with("/apis/metrics.k8s.io");
        if request.method != Method::GET && (is_api || request.method != Method::HEAD) {
            return if is_api || self.is_path(path) { Err(not_allowed()) } else { Ok(paths(StatusCode::NOT_FOUND)) };
        }
        let media = || accept::plain(wish.accept).ok_or_else(|| Status::not_acceptable(ACCEPTED));
        let document = |bytes: Vec<u8>, media: Media| written(bytes, media, wish.pretty);
        match path {
            "/" | "" => Ok(paths(StatusCode::OK)),
            "/apis" => groups(&request.headers, wish),
            "/apis/metrics.k8s.io" => media().map(|media| document(discovery::group(media), media)),
            "/apis/metrics.k8s.io/v1" => media().map(|media| document(discovery::resources("v1", media), media)),
            "/apis/metrics.k8s.io/v1beta1" => {
                media().map(|media| document(discovery::resources("v1beta1", media), media))
            }
            path if path.starts_with("/apis/metrics.k8s.io/") => Err(Status::no_resource()),
            "/version" => Ok(version()),
            "/metrics" => Ok(self.metrics().await),
            "/debug/taffrail/missing" => {
                self.missing(query, unix_millis()).await.map(|list| written(list, Media::Json, wish.pretty))
            }
            path => match openapi::document(path) {
                Some(openapi::Document { text, tag }) => Ok(tagged(text, tag, &request.headers, Media::Json.name())),
                None => Ok(self.health(path, query).unwrap_or_else(|| paths(StatusCode::NOT_FOUND))),
            },
        }
    }

    async fn resource(
        &self,
        request: &Parts,
        (resource, served, verb): (&Resource, Served, &str),
        (query, wish): (&Query, &Wish<'_>),
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<Response, Status> {
        if request.method != Method::GET {
            return Err(not_allowed());
        }
        if !accept::known(wish.accept) {
            return Err(Status::not_acceptable(UNACCEPTABLE).with(&[]));
        }
        let mut choice = accept::choose(wish.accept).ok_or_else(|| Status::not_acceptable(ACCEPTED))?;
        choice.pretty |= wish.pretty;
        let Served { version, plural } = served;
        // A list of one name was authorized as such; its path names none.
        let single = resource.name.as_deref().filter(|_| verb == "get");
        let (selector, fields) = if single.is_some() { Default::default() } else { query.list_options()? };
        if verb == "watch" {
            let message = format!("watch is not supported on resources of kind \"{plural}.metrics.k8s.io\"");
            return Err(
                Status::new(405, "MethodNotAllowed", message).with(&[("group", "metrics.k8s.io"), ("kind", plural)])
            );
        }
        if !self.is_filled() {
            return Err(Status::unavailable("Taffrail is still reading nodes and pods; try again in a second"));
        }
        let kind = if plural == "nodes" { Kind::Node } else { Kind::Pod };
        fits(choice.shape, kind, single.is_some())?;
        let include = included(choice, query)?;
        let list = List::new(kind, version, choice, unix_millis()).table(include, Columns::default());
        let asked = Asked { resource, list, selector, fields };
        let of_kubectl = request.headers.get(USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(b"kubectl/"));
        let (mut response, warning) = match single {
            Some(name) => match self.single(asked, name) {
                Ok(body) => (written(body, choice.media, false), None),
                Err((status, warning)) => (status.response(wish.media(), wish.pretty), warning),
            },
            None => self.list(asked, include, of_kubectl, place).await?,
        };
        if let Some(value) = warning.filter(|_| of_kubectl).and_then(|text| warning_value(&text)) {
            response.headers_mut().insert(WARNING, value);
        }
        Ok(response)
    }

    fn single(&self, asked: Asked<'_>, name: &str) -> Result<Vec<u8>, (Status, Option<String>)> {
        let Asked { resource, mut list, .. } = asked;
        if resource.plural == "nodes" {
            let node =
                self.objects.nodes.get("", name).ok_or_else(|| (Status::no_object("node", "node", name), None))?;
            if !self.config.node_selector.matches(&node.meta.labels) {
                let why = format!("node {name} is excluded by --node-selector");
                return Err((Status::no_metrics("nodemetrics", name), Some(why)));
            }
            let served = self
                .latest
                .node(name)
                .map_err(|why| (Status::no_metrics("nodemetrics", name), Some(self.sentence("node", name, &why))))?;
            self.meters.answered(unix_millis(), &[served.at]);
            return Ok(list.single(&Item::node(&node.meta, swapped(served, self.config.serve_swap))));
        }
        let namespace = &resource.namespace;
        let pod = self.objects.pods.get(namespace, name).filter(|pod| &*pod.phase == "Running");
        let pod = pod.ok_or_else(|| (Status::no_object("pods", "pods", name), None))?;
        let served = self.latest.pod(&pod).map_err(|why| {
            let name = format!("{namespace}/{name}");
            (Status::no_metrics("podmetrics", &name), Some(self.pod_sentence(&name, &pod, &why)))
        })?;
        self.meters.answered(unix_millis(), &[served.at]);
        Ok(list.single(&Item::pod(&pod.meta, &swapped_pod(served, self.config.serve_swap))))
    }

    async fn list(
        &self,
        asked: Asked<'_>,
        include: Include,
        of_kubectl: bool,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<(Response, Option<String>), Status> {
        let Asked { resource, list, selector, fields } = asked;
        let (rows, warning) = if resource.plural == "nodes" {
            let wanted = |node: &&Arc<Node>| {
                selector.matches(&node.meta.labels)
                    && self.config.node_selector.matches(&node.meta.labels)
                    && fields.iter().all(|field| field.matches("", &node.meta.name))
            };
            let nodes: Vec<Arc<Node>> = self.objects.nodes.snapshot().iter().filter(wanted).cloned().collect();
            let warning = if of_kubectl { self.gaps(&nodes) } else { None };
            (Rows::Nodes(nodes), warning)
        } else {
            let wanted = |pod: &&Arc<Pod>| {
                &*pod.phase == "Running"
                    && selector.matches(&pod.meta.labels)
                    && fields.iter().all(|field| field.matches(&pod.meta.namespace, &pod.meta.name))
            };
            let all = self.objects.pods.snapshot();
            let pods = match resource.namespace.as_str() {
                "" => all.iter().filter(wanted).cloned().collect(),
                one => all.within(one).filter(wanted).cloned().collect(),
            };
            (Rows::Pods(pods), None)
        };
        let source = Source {
            rows,
            latest: self.latest.clone(),
            serve_swap: self.config.serve_swap,
            meters: self.meters.clone(),
            now: unix_millis(),
        };
        let media = list.media();
        let list = match list.shape() {
            Shape::Table(_) => list.table(include, source.columns().await),
            _ => list,
        };
        let Made { body, long } = source.write(list, place, self.config.request_timeout).await;
        let mut response = Response::new(body);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media.name()));
        if long {
            response.extensions_mut().insert(Long);
        }
        Ok((response, warning))
    }

    /// Whether something that is no resource is at a path.
    fn is_path(&self, path: &str) -> bool {
        PATHS.contains(&path) || matches!(path, "/" | "") || self.health(path, &Query::default()).is_some()
    }

    /// What we tell of ourselves.
    async fn metrics(&self) -> Response {
        let mut page = Page::default();
        self.scraper.write(&mut page);
        self.meters.write(&mut page);
        let tally = self.latest.tally();
        let points = "metrics_server_storage_points";
        page.family(points, exposition::Kind::Gauge, "Objects with two usable points.");
        page.sample(&[("type", "container")], tally.container_points.into());
        page.sample(&[("type", "node")], tally.node_points.into());
        self.write_missing(&mut page, unix_millis()).await;
        telemetry::write(&mut page);
        let text = page.text();
        let long = text.len() > LONG;
        let mut response = Response::new(Body::from(text));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(exposition::CONTENT_TYPE));
        if long {
            response.extensions_mut().insert(Long);
        }
        response
    }

    /// What a list of nodes lacks, in a sentence.
    fn gaps(&self, nodes: &[Arc<Node>]) -> Option<String> {
        let (mut gaps, mut first) = (0_u32, None);
        for node in nodes {
            if let Err(why) = self.latest.node(&node.meta.name) {
                gaps += 1;
                first = first.or_else(|| Some(self.sentence("node", &node.meta.name, &why)));
            }
        }
        first.map(|first| match gaps {
            1 => first,
            gaps => format!("{gaps} nodes have no metrics; {first}"),
        })
    }

    pub(super) fn sentence(&self, kind: &str, name: &str, why: &Missing) -> String {
        // Coverage knows a node's problem even while its points are still a base.
        let problem = self.coverage.get(name).filter(|_| kind == "node").and_then(|coverage| coverage.problem);
        match problem {
            Some(problem) => format!("{kind} {name}: {}", Missing::NodeFails(problem)),
            None => format!("{kind} {name} has no metrics: {why}"),
        }
    }
}

/// Bare metadata of one object is not that of a list.
fn fits(shape: Shape, kind: Kind, single: bool) -> Result<(), Status> {
    let name = kind.name();
    match (shape, single) {
        (Shape::Partial(_), false) => Err(Status::not_acceptable(format!(
            "you requested PartialObjectMetadata, but the requested object is a list (*metrics.{name}List)"
        ))),
        (Shape::PartialList(_), true) => Err(Status::not_acceptable(format!(
            "you requested PartialObjectMetadataList, but the requested object is not a list (*metrics.{name})"
        ))),
        _ => Ok(()),
    }
}

fn included(choice: Choice, query: &Query) -> Result<Include, Status> {
    if !matches!(choice.shape, Shape::Table(_)) {
        return Ok(Include::default());
    }
    match query.get("includeObject").unwrap_or_default() {
        "" | "Metadata" => Ok(Include::Metadata),
        "Object" => Ok(Include::Object),
        "None" => Ok(Include::None),
        other => Err(Status::bad(format!(
            "Unable to convert to Table as requested: includeObject: Invalid value: \"{other}\": must be 'Metadata', 'Object', 'None', or empty"
        ))),
    }
}

fn not_allowed() -> Status {
    Status::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource").with(&[])
}

/// A document that is written already; `pretty` lays JSON out.
fn written(mut bytes: Vec<u8>, media: Media, pretty: bool) -> Response {
    if pretty && media == Media::Json {
        let plain = std::mem::take(&mut bytes);
        Indent::default().push(&plain, &mut bytes);
    }
    let long = bytes.len() > LONG;
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media.name()));
    if long {
        response.extensions_mut().insert(Long);
    }
    response
}

/// Every path there is.
const PATHS: [&str; 14] = [
    "/apis",
    "/apis/metrics.k8s.io",
    "/apis/metrics.k8s.io/v1",
    "/apis/metrics.k8s.io/v1beta1",
    "/debug/taffrail/missing",
    "/healthz",
    "/livez",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3",
    "/openapi/v3/apis/metrics.k8s.io/v1",
    "/openapi/v3/apis/metrics.k8s.io/v1beta1",
    "/readyz",
    "/version",
];

/// The answer of `/`, and of what is not there.
fn paths(status: StatusCode) -> Response {
    let mut response = written(serde_json::json!({ "paths": PATHS }).to_string().into_bytes(), Media::Json, true);
    *response.status_mut() = status;
    response
}

/// `version.Info`. Kubernetes' builders fill in Go's version; there is none here.
fn version() -> Response {
    let info = format!(
        concat!(
            r#"{{"major":"{}","minor":"{}","gitVersion":"v{}","gitCommit":"","gitTreeState":"","buildDate":"","#,
            r#""goVersion":"","compiler":"rustc","platform":"{}/{}"}}"#
        ),
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    );
    written(info.into_bytes(), Media::Json, true)
}

/// `/apis`: the plain list, or the aggregated document for who asks for it.
fn groups(headers: &HeaderMap, wish: &Wish<'_>) -> Result<Response, Status> {
    const KIND: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let mut response = match accept::groups(wish.accept).ok_or_else(|| Status::not_acceptable(ACCEPTED))? {
        Groups::Plain(media) => written(discovery::groups(media), media, wish.pretty),
        Groups::Aggregated => {
            let tag = format!("\"{}\"", openapi::digest(&AGGREGATED));
            let mut response = tagged(&AGGREGATED, &tag, headers, KIND);
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public"));
            response
        }
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}

/// A document that never changes while we run: 304 for who has it.
fn tagged(text: &str, tag: &str, headers: &HeaderMap, kind: &'static str) -> Response {
    let given = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|known| known.to_str().ok());
    let mut given = given.flat_map(|known| known.split(',')).map(str::trim);
    let known = given.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag);
    let mut response = Response::new(if known { Body::empty() } else { Body::from(text.to_owned()) });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(ETAG, tag);
    }
    response
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
