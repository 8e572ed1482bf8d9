//! The API server: who asks, whether they may, and which part answers.

mod aggregate;
mod discovery;
mod protobuf;
mod read;
mod reviews;
mod table;
mod write;

pub(crate) use aggregate::Aggregated;

use crate::access::{Ask, User, may};
use crate::kinds::Kind;
use crate::serve::{Body, Peer, bearer, json, text};
use crate::status::Status;
use crate::{ApiFault, Shared};
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of a request's body; the real limit is 3 MiB.
const BODY: usize = 3 << 20;

/// A request for a resource, taken apart.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) kind: Kind,
    /// Empty: all, or cluster-scoped.
    pub(crate) namespace: String,
    /// Empty: the collection.
    pub(crate) name: String,
    pub(crate) subresource: String,
    pub(crate) query: HashMap<String, String>,
    pub(crate) accept: String,
}

pub(crate) async fn answer(shared: &Arc<Shared>, peer: Peer, request: Request<Incoming>) -> Response<Body> {
    match route(shared, peer, request).await {
        Ok(response) => response,
        Err(status) => refuse(&status),
    }
}

pub(crate) fn refuse(status: &Status) -> Response<Body> {
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(code, &status.to_json());
    if let Some(seconds) = status.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

async fn route(shared: &Arc<Shared>, peer: Peer, request: Request<Incoming>) -> Result<Response<Body>, Status> {
    let fault = *shared.api_fault.read();
    match fault {
        Some(ApiFault::Down) => {
            return Err(Status::new(503, "ServiceUnavailable", "the server is currently unable to handle the request"));
        }
        Some(ApiFault::TooManyRequests(seconds)) => {
            let mut status = Status::new(
                429,
                "TooManyRequests",
                "the server has received too many requests and has asked us to try again later",
            );
            status.retry_after = Some(seconds);
            return Err(status);
        }
        _ => {}
    }
    let path = request.uri().path().trim_end_matches('/').to_owned();
    if matches!(path.as_str(), "/healthz" | "/livez" | "/readyz") {
        return Ok(text(StatusCode::OK, "ok".to_owned()));
    }
    let user = match peer.user {
        Some(user) => user,
        None => {
            bearer(request.headers()).and_then(|token| shared.tokens.user(token)).ok_or_else(Status::unauthorized)?
        }
    };
    if path == "/apis/metrics.k8s.io" || path.starts_with("/apis/metrics.k8s.io/") {
        return aggregate::proxy(shared, &user, request).await;
    }
    if let Some(document) = discovery::document(shared, &path) {
        return Ok(json(StatusCode::OK, &document));
    }
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY)
        .collect()
        .await
        .map_err(|error| Status::new(413, "RequestEntityTooLarge", error.to_string()))?
        .to_bytes();
    if let Some(review) = reviews::answer(shared, &user, &parts, &path, &body) {
        return review.map(|value| json(StatusCode::CREATED, &value));
    }
    let target = target(&parts, &path)?;
    authorize(shared, &user, &parts.method, &target)?;
    match parts.method {
        Method::GET | Method::HEAD => read::answer(shared, &target),
        _ => write::answer(shared, &parts, &target, &body),
    }
}

fn authorize(shared: &Shared, user: &User, method: &Method, target: &Target) -> Result<(), Status> {
    let spec = target.kind.spec();
    let watch = target.query.get("watch").is_some_and(|flag| flag == "true" || flag == "1");
    let verb = match (method.as_str(), target.name.is_empty()) {
        ("GET" | "HEAD", true) if watch => "watch",
        ("GET" | "HEAD", true) => "list",
        ("GET" | "HEAD", false) => "get",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "deletecollection",
        ("DELETE", false) => "delete",
        _ => return Err(Status::method_not_allowed()),
    };
    // A collection of one, by its name, is asked for by that name.
    let fields = target.query.get("fieldSelector").map_or("", String::as_str);
    let only = fields.split(',').find_map(|field| field.strip_prefix("metadata.name="));
    let name = if target.name.is_empty() { only.unwrap_or_default() } else { &target.name };
    let ask = Ask {
        verb,
        group: spec.group,
        resource: spec.plural,
        subresource: &target.subresource,
        // The API asks for a namespace's own object in that namespace.
        namespace: if target.kind == Kind::Namespace { &target.name } else { &target.namespace },
        name,
        path: None,
    };
    if may(&shared.store, user, &ask) { Ok(()) } else { Err(ask.refusal(user)) }
}

fn target(parts: &Parts, path: &str) -> Result<Target, Status> {
    let mut segments = path.split('/').skip(1);
    let (group, version) = match segments.next() {
        Some("api") => ("", segments.next()),
        Some("apis") => (segments.next().unwrap_or_default(), segments.next()),
        _ => return Err(Status::no_such_path()),
    };
    let version = version.ok_or_else(Status::no_such_path)?;
    let rest: Vec<&str> = segments.collect();
    let (namespace, rest) = match rest.as_slice() {
        ["namespaces", namespace, plural, more @ ..] if Kind::find(group, version, plural).is_some() => {
            (*namespace, std::iter::once(*plural).chain(more.iter().copied()).collect())
        }
        _ => ("", rest),
    };
    let mut rest = rest.into_iter();
    let plural = rest.next().unwrap_or_default();
    let kind = Kind::find(group, version, plural).ok_or_else(Status::no_such_path)?;
    let name = rest.next().unwrap_or_default();
    let subresource = rest.next().unwrap_or_default();
    if rest.next().is_some() || (!subresource.is_empty() && !kind.spec().subresources.contains(&subresource)) {
        return Err(Status::no_such_path());
    }
    if kind.spec().namespaced && namespace.is_empty() && !name.is_empty() {
        return Err(Status::no_such_path());
    }
    Ok(Target {
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        subresource: subresource.to_owned(),
        query: query(parts.uri.query().unwrap_or_default()),
        accept: parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned(),
    })
}

/// The parameters of a query, decoded.
pub(crate) fn query(text: &str) -> HashMap<String, String> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits =
                    [rest.next(), rest.next()].map(|digit| digit.and_then(|digit| char::from(digit).to_digit(16)));
                if let [Some(high), Some(low)] = digits {
                    bytes.push((high * 16 + low) as u8);
                }
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
