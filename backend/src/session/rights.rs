//! Notices that rights may have changed, so that what was taken away goes within two seconds and not when the gate's
//! decisions run out: a watch of each RBAC kind, metadata only. What changed is not read; all decisions are dropped and
//! the API server is asked again, which alone knows what a binding means beside its other authorizers.
//!
//! Needs `list` and `watch` of roles and bindings. Without them, and while the watch is down, the gate's ten seconds
//! hold. Costs four quiet connections.

use super::Gate;
use futures::TryStreamExt as _;
use http::Request;
use kube::core::WatchEvent;
use serde::Deserialize;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::debug;

const KINDS: [&str; 4] = ["roles", "rolebindings", "clusterroles", "clusterrolebindings"];
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
/// Decisions are dropped at once and again after this: the API server's authorizer follows a watch of its own, and for
/// a moment may still decide the old way. While changes go on, they are dropped this often and no more.
const SETTLE: Duration = Duration::from_secs(1);
/// Asked of the server; a watch that is silent for [`GRACE`] longer is half-open.
const WATCH: Duration = Duration::from_secs(290);
const GRACE: Duration = Duration::from_secs(15);
/// For a list's answer.
const ANSWER: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

#[derive(Clone, Deserialize)]
struct Object {
    metadata: Meta,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    #[serde(default)]
    resource_version: String,
}

/// Why a watch came to nothing.
#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error("the version expired")]
    Expired,
    #[error("nothing was heard for too long")]
    Silent,
    #[error(transparent)]
    Client(#[from] kube::Error),
    #[error(transparent)]
    Request(#[from] http::Error),
}

/// Watches until `stop` resolves. `client` is of our own account.
pub async fn run(client: kube::Client, gate: Gate, stop: impl Future<Output = ()>) {
    let (changed, changes) = watch::channel(0);
    let follow = |plural| follow(client.clone(), plural, changed.clone());
    tokio::select! {
        () = stop => {}
        () = forget(gate, changes) => {}
        _ = futures::future::join_all(KINDS.map(follow)) => {}
    }
}

async fn forget(gate: Gate, mut changes: watch::Receiver<u64>) {
    while changes.changed().await.is_ok() {
        loop {
            gate.forget();
            sleep(SETTLE).await;
            if !changes.has_changed().unwrap_or(false) {
                break;
            }
            changes.borrow_and_update();
        }
        gate.forget();
    }
}

/// Follows one kind for ever. A gap may hide a change, so it counts as one.
async fn follow(client: kube::Client, plural: &'static str, changed: watch::Sender<u64>) {
    let (mut version, mut pause, mut first) = (None, PAUSE, true);
    loop {
        let ended = match version.take() {
            None => match list(&client, plural).await {
                Ok(listed) => {
                    if !std::mem::take(&mut first) {
                        changed.send_modify(|count| *count += 1);
                    }
                    version = Some(listed);
                    continue;
                }
                Err(error) => error,
            },
            Some(mut since) => {
                let ended = changes(&client, plural, &mut since, &changed).await;
                match ended {
                    Ok(heard) => {
                        version = Some(since);
                        if heard {
                            pause = PAUSE;
                            continue; // the server ends each watch after some minutes
                        }
                        WatchError::Silent
                    }
                    Err(error) => {
                        version = (!matches!(error, WatchError::Expired)).then_some(since);
                        error
                    }
                }
            }
        };
        debug!(plural, error = %ended, ?pause, "rights are not watched");
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// The version a watch goes on from.
async fn list(client: &kube::Client, plural: &str) -> Result<String, WatchError> {
    let request = request(&format!("{plural}?limit=1"), METADATA_LIST)?;
    let list: Object = timeout(ANSWER, client.request(request)).await.map_err(|_| WatchError::Silent)??;
    Ok(list.metadata.resource_version)
}

/// Tells of changes until the watch ends; whether anything was heard, or it lived as long as it should.
async fn changes(
    client: &kube::Client,
    plural: &str,
    version: &mut String,
    changed: &watch::Sender<u64>,
) -> Result<bool, WatchError> {
    let query =
        format!("watch=1&allowWatchBookmarks=true&timeoutSeconds={}&resourceVersion={version}", WATCH.as_secs());
    let events = client.request_events::<Object>(request(&format!("{plural}?{query}"), METADATA)?);
    let began = tokio::time::Instant::now();
    let events = timeout(ANSWER, events).await.map_err(|_| WatchError::Silent)??;
    futures::pin_mut!(events);
    let mut heard = false;
    loop {
        let event = timeout(WATCH + GRACE, events.try_next()).await.map_err(|_| WatchError::Silent)??;
        match event {
            None => return Ok(heard || began.elapsed() >= PAUSE),
            Some(WatchEvent::Bookmark(mark)) => *version = mark.metadata.resource_version,
            Some(WatchEvent::Added(object) | WatchEvent::Modified(object) | WatchEvent::Deleted(object)) => {
                *version = object.metadata.resource_version;
                changed.send_modify(|count| *count += 1);
            }
            Some(WatchEvent::Error(status)) if status.code == 410 => return Err(WatchError::Expired),
            Some(WatchEvent::Error(status)) => return Err(WatchError::Client(kube::Error::Api(status))),
        }
        heard = true;
    }
}

fn request(path: &str, accept: &str) -> Result<Request<Vec<u8>>, http::Error> {
    Request::get(format!("/apis/rbac.authorization.k8s.io/v1/{path}"))
        .header(http::header::ACCEPT, accept)
        .body(Vec::new())
}
