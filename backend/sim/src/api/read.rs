//! Get, list with pages, watch, and logs.

use super::Target;
use super::table::{self, Form};
use crate::kinds::Kind;
use crate::selector::Selector;
use crate::serve::{Body, json, json_bytes, text};
use crate::status::Status;
use crate::store::{Change, Changes, Key, Object};
use crate::{ApiFault, Shared};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, Interval};

pub(crate) fn answer(shared: &Arc<Shared>, target: &Target) -> Result<Response<Body>, Status> {
    let form = Form::of(&target.accept);
    if target.name.is_empty() {
        let wants = |name: &str| target.query.get(name).is_some_and(|flag| flag == "true" || flag == "1");
        let (labels, fields) = selectors(target)?;
        if wants("watch") {
            watch_kind(shared, target, form, labels, fields)
        } else {
            list(shared, target, form, &labels, &fields)
        }
    } else {
        let object = shared
            .store
            .get(target.kind, &target.namespace, &target.name)
            .ok_or_else(|| Status::not_found(target.kind, &target.name))?;
        match target.subresource.as_str() {
            "log" => Ok(text(StatusCode::OK, log(shared, &object, target)?)),
            "scale" => Ok(json(StatusCode::OK, &scale(&object.value()))),
            _ if form == Form::Whole => Ok(json_bytes(StatusCode::OK, object.bytes.clone())),
            _ => Ok(json(StatusCode::OK, &form.object(&object, shared.clock.now()))),
        }
    }
}

/// The `Scale` of a workload.
pub(crate) fn scale(value: &Value) -> Value {
    let metadata = &value["metadata"];
    let labels = value["spec"]["selector"]["matchLabels"].as_object();
    let selector: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"]},
        "spec": {"replicas": value["spec"]["replicas"]},
        "status": {"replicas": value["status"]["replicas"].as_u64().unwrap_or(0), "selector": selector.join(",")},
    })
}

fn selectors(target: &Target) -> Result<(Selector, Selector), Status> {
    let read = |name: &str| Selector::parse(target.query.get(name).map_or("", String::as_str));
    let (labels, fields) = (read("labelSelector")?, read("fieldSelector")?);
    for key in fields.keys() {
        if !matches!(key, "metadata.name" | "metadata.namespace") && !target.kind.spec().fields.contains(&key) {
            return Err(Status::bad_request(format!("field label not supported: {key}")));
        }
    }
    Ok((labels, fields))
}

fn list(
    shared: &Shared,
    target: &Target,
    form: Form,
    labels: &Selector,
    fields: &Selector,
) -> Result<Response<Body>, Status> {
    let limit = target.query.get("limit").and_then(|limit| limit.parse::<usize>().ok()).filter(|limit| *limit > 0);
    let token = target.query.get("continue").filter(|token| !token.is_empty());
    let after = token.map(|token| resume(token)).transpose()?;
    if after.as_ref().is_some_and(|(_, version)| !shared.store.remembers(target.kind, *version)) {
        return Err(Status::expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.",
        ));
    }
    let (mut objects, newest) = shared.store.list(target.kind, &target.namespace, after.as_ref().map(|(key, _)| key));
    let version = after.map_or(newest, |(_, version)| version);
    objects.retain(|object| object.matches(labels, fields));
    let (mut continues, mut remaining) = (String::new(), 0);
    if let Some(limit) = limit
        && objects.len() > limit
    {
        remaining = objects.len() - limit;
        objects.truncate(limit);
        if let Some(last) = objects.last() {
            let token = json!([version, last.namespace(), last.name()]).to_string();
            continues = URL_SAFE_NO_PAD.encode(token);
        }
    }
    if form == Form::Table {
        let now = shared.clock.now();
        let rows: Vec<Value> = objects.iter().map(|object| table::row(object, now)).collect();
        return Ok(json(StatusCode::OK, &table::table(target.kind, &rows, &version.to_string(), &continues)));
    }
    let spec = target.kind.spec();
    let mut meta = json!({"resourceVersion": version.to_string()});
    if !continues.is_empty() {
        meta["continue"] = json!(continues);
        if labels.is_empty() && fields.is_empty() {
            meta["remainingItemCount"] = json!(remaining);
        }
    }
    let (kind, api) = match form {
        Form::Metadata => ("PartialObjectMetadata".to_owned(), "meta.k8s.io/v1".to_owned()),
        _ => (spec.kind.to_owned(), spec.api_version()),
    };
    let mut body =
        format!("{{\"kind\":\"{kind}List\",\"apiVersion\":\"{api}\",\"metadata\":{meta},\"items\":[").into_bytes();
    body.reserve(objects.iter().map(|object| object.bytes.len() + 1).sum::<usize>() + 2);
    for (index, object) in objects.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        match form {
            Form::Whole => body.extend_from_slice(&object.bytes),
            _ => body.extend_from_slice(form.object(object, 0).to_string().as_bytes()),
        }
    }
    body.extend_from_slice(b"]}");
    Ok(json_bytes(StatusCode::OK, body.into()))
}

/// The key after which a continued list goes on, and the version it began at.
fn resume(token: &str) -> Result<(Key, u64), Status> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let parsed: Option<(u64, String, String)> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let (version, namespace, name) = parsed.ok_or_else(|| Status::bad_request("continue key is not valid"))?;
    Ok(((namespace.into(), name.into()), version))
}

/// A running watch.
struct Watch {
    shared: Arc<Shared>,
    kind: Kind,
    namespace: String,
    form: Form,
    labels: Selector,
    fields: Selector,
    /// Everything up to here is sent or queued.
    version: u64,
    queue: VecDeque<Bytes>,
    news: watch::Receiver<u64>,
    bookmarks: Option<Interval>,
    deadline: Instant,
    over: bool,
}

fn watch_kind(
    shared: &Arc<Shared>,
    target: &Target,
    form: Form,
    labels: Selector,
    fields: Selector,
) -> Result<Response<Body>, Status> {
    let parameter = |name: &str| target.query.get(name).map_or("", String::as_str);
    let initial = parameter("sendInitialEvents") == "true";
    let from: u64 = match parameter("resourceVersion") {
        "" => 0,
        text => text.parse().map_err(|_| Status::bad_request(format!("invalid resource version {text:?}")))?,
    };
    let bookmarks = parameter("allowWatchBookmarks") == "true";
    if initial && (parameter("resourceVersionMatch") != "NotOlderThan" || !bookmarks) {
        return Err(Status::new(
            422,
            "Invalid",
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan and allowWatchBookmarks",
        ));
    }
    // As the real one, between 30 and 60 minutes unless the client wants less.
    let timeout = parameter("timeoutSeconds").parse().unwrap_or(1800);
    let mut watch = Watch {
        shared: Arc::clone(shared),
        kind: target.kind,
        namespace: target.namespace.clone(),
        form,
        labels,
        fields,
        version: from,
        queue: VecDeque::new(),
        news: shared.store.news(target.kind),
        bookmarks: bookmarks.then(|| tokio::time::interval_at(Instant::now() + shared.bookmarks, shared.bookmarks)),
        deadline: Instant::now() + Duration::from_secs(timeout),
        over: false,
    };
    if initial || from == 0 {
        let (objects, version) = shared.store.list(target.kind, &watch.namespace, None);
        for object in &objects {
            if object.matches(&watch.labels, &watch.fields) {
                watch.push("ADDED", object);
            }
        }
        watch.version = version;
        if initial {
            watch.bookmark(true);
        }
    }
    let frames = futures::stream::unfold(watch, |mut watch| async move {
        let bytes = watch.next().await?;
        Some((Ok(Frame::data(bytes)), watch))
    });
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(SyncStream::new(frames))));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

impl Watch {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if *self.shared.api_fault.read() == Some(ApiFault::HalfOpenWatch) {
                std::future::pending::<()>().await;
            }
            if let Some(bytes) = self.queue.pop_front() {
                return Some(bytes);
            }
            if self.over {
                return None;
            }
            // Marked before reading: a change in between wakes the next turn.
            self.news.borrow_and_update();
            self.read();
            if !self.queue.is_empty() {
                continue;
            }
            let bookmark = async {
                match &mut self.bookmarks {
                    Some(interval) => drop(interval.tick().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.news.changed() => changed.ok()?,
                () = bookmark => self.bookmark(false),
                () = tokio::time::sleep_until(self.deadline) => return None,
            }
        }
    }

    fn read(&mut self) {
        let expired = *self.shared.api_fault.read() == Some(ApiFault::WatchExpired);
        match self.shared.store.changes(self.kind, self.version) {
            Changes::Since(changes, version) if !expired => {
                for change in changes {
                    self.change(&change);
                }
                self.version = version;
            }
            _ => {
                let status = Status::expired(format!(
                    "too old resource version: {} ({})",
                    self.version,
                    self.shared.store.version()
                ));
                self.queue.push_back(event("ERROR", &status.to_json()));
                self.over = true;
            }
        }
    }

    /// A change as this watch's selectors see it.
    fn change(&mut self, change: &Change) {
        if !self.namespace.is_empty() && self.namespace != change.new.namespace() {
            return;
        }
        let before = change.old.as_ref().is_some_and(|old| old.matches(&self.labels, &self.fields));
        let after = !change.deleted && change.new.matches(&self.labels, &self.fields);
        match (before, after) {
            (false, true) => self.push("ADDED", &change.new),
            (true, true) => self.push("MODIFIED", &change.new),
            (true, false) => self.push("DELETED", &change.new),
            (false, false) => {}
        }
    }

    fn push(&mut self, kind: &str, object: &Object) {
        let bytes = match self.form {
            Form::Whole => {
                let mut bytes = format!("{{\"type\":\"{kind}\",\"object\":").into_bytes();
                bytes.extend_from_slice(&object.bytes);
                bytes.extend_from_slice(b"}\n");
                bytes.into()
            }
            form => event(kind, &form.object(object, self.shared.clock.now())),
        };
        self.queue.push_back(bytes);
    }

    fn bookmark(&mut self, initial_end: bool) {
        let mut metadata = json!({"resourceVersion": self.version.to_string(), "creationTimestamp": null});
        if initial_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let spec = self.kind.spec();
        let object = match self.form {
            Form::Table => table::table(self.kind, &[], &self.version.to_string(), ""),
            Form::Metadata => {
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
            }
            Form::Whole => json!({"kind": spec.kind, "apiVersion": spec.api_version(), "metadata": metadata}),
        };
        self.queue.push_back(event("BOOKMARK", &object));
    }
}

fn event(kind: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n"))
}

/// What the container said: a line every ten seconds since it started, the last hundred.
fn log(shared: &Shared, pod: &Object, target: &Target) -> Result<String, Status> {
    let run = pod.run.as_deref();
    let wanted = target.query.get("container").map_or("", String::as_str);
    let mut containers = run.into_iter().flat_map(|run| run.containers.iter());
    let found = containers.find(|one| wanted.is_empty() || &*one.name == wanted);
    let Some(container) = found else {
        return Err(Status::bad_request(format!("container {wanted} is not valid for pod {}", pod.name())));
    };
    let Some(started) = container.started else {
        return Err(Status::bad_request(format!(
            "container \"{}\" in pod \"{}\" is waiting to start",
            container.name,
            pod.name()
        )));
    };
    let last = (shared.clock.now() - started).max(0) / 10_000;
    let tail: i64 = target.query.get("tailLines").and_then(|lines| lines.parse().ok()).unwrap_or(100);
    let timestamps = target.query.get("timestamps").is_some_and(|flag| flag == "true");
    let lines = (last.saturating_sub(tail.max(0)) + 1).max(0)..=last;
    Ok(lines
        .map(|line| {
            let at = crate::clock::rfc3339_micro(started + line * 10_000);
            let took = crate::load::mix(crate::load::hash(shared.seed, &pod.uid), line.unsigned_abs()) % 90 + 3;
            let stamp = if timestamps { format!("{at} ") } else { String::new() };
            format!(
                "{stamp}level=info ts={at} msg=\"request served\" component={} duration_ms={took}\n",
                container.name
            )
        })
        .collect())
}

/// Lets a stream that is only `Send` be a body: it is polled through `&mut` alone, one poller at a time.
struct SyncStream<S>(parking_lot::Mutex<std::pin::Pin<Box<S>>>);

impl<S> SyncStream<S> {
    fn new(stream: S) -> Self {
        Self(parking_lot::Mutex::new(Box::pin(stream)))
    }
}

impl<S: futures::Stream> futures::Stream for SyncStream<S> {
    type Item = S::Item;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<S::Item>> {
        self.get_mut().0.get_mut().as_mut().poll_next(context)
    }
}
