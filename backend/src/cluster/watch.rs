//! One kind's watch: pages, then changes, for ever.
//!
//! Readers see the previous objects until a list is whole. A broken watch goes on from where it was; an expired one
//! (410) lists again. Every failure is told once, in the cache's [`Sync`], and waited out with back-off and jitter.
//!
//! Costs one connection, one buffer as large as the largest object, and while listing one page of JSON.

use super::cache::{Cache, Sync};
use super::decode::{Change, Decode, Decoder, Unreadable};
use super::lines::{BodyError, Lines, whole};
use super::watches::Counters;
use crate::now::jitter;
use crate::telemetry;
use futures::FutureExt as _;
use http::header::{ACCEPT, ACCEPT_ENCODING, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use kube::client::Body;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};
use wire::{Millis, Say};

/// Objects per page: half a second of the API server's work at most, a few MB of JSON.
const PAGE: u32 = 500;
/// A server that asks for more patience than this is asked again all the same.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// What of a refusal's body is read for its sentence.
const SENTENCE_MAX: usize = 300;

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Asked of the server as `timeoutSeconds`; up to a tenth is added so that watches do not end together.
    pub watch: Duration,
    /// A watch that says nothing for this long beyond `watch` is half-open: the server would have ended it.
    pub grace: Duration,
    /// Until an answer's head, and between two pieces of a list.
    pub answer: Duration,
    /// The first pause after a failure; doubles up to `pause_max`.
    pub pause: Duration,
    pub pause_max: Duration,
    /// The pause while our account may not read the kind.
    pub denied: Duration,
}

/// Where one watch stands. Every transition is in [`Watch::step`] and nowhere else.
#[derive(Debug)]
enum State<K> {
    /// Nothing is known, or what was known is too old to go on from.
    Empty,
    /// Pages are coming in. Readers still see the previous objects: `seen` replaces them at once, when it is whole.
    Listing { seen: Vec<Arc<K>>, next: String },
    /// The list is whole as of `version`, `new` when it was just made; no watch is open from there yet.
    Listed { version: String, new: bool },
    /// Changes arrive. A broken connection goes back to `Listed`, an expired version (410) to `Empty`.
    Watching { version: String, changes: Changes, new: bool },
}

#[derive(Debug)]
struct Changes {
    lines: Lines,
    opened: Instant,
    any: bool,
}

/// Why a list or a watch came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum WatchError {
    /// The server has forgotten our version: usual after a long break.
    #[error("the version expired")]
    Expired,
    /// Our account lacks a right, or its token is not accepted.
    #[error("{verb} was refused with {status}: {message}")]
    Denied { verb: &'static str, status: StatusCode, message: String },
    #[error("the API server answered {status}: {message}")]
    Status { status: u16, message: String, retry_after: Option<Duration> },
    #[error("the API server did not answer: {0}")]
    Unreachable(#[source] Box<kube::Error>),
    #[error("no answer within {} s", .0.as_secs_f32())]
    Late(Duration),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// An open that ends at once, without a word: to open again immediately would be a storm.
    #[error("the watch ended as soon as it was open")]
    Short,
    /// A fault of ours; what it was is in the log.
    #[error("what the API server sent could not be taken in")]
    Panicked,
    #[error("the request could not be made: {0}")]
    Request(#[from] http::Error),
}

/// Refusals in a row that are taken for a server which has just started, where the kind could be read before.
const DOUBTED: u32 = 4;

/// One kind's watch; the only writer of its cache.
pub(super) struct Watch<K> {
    pub(super) client: kube::Client,
    pub(super) cache: Cache<K>,
    pub(super) decoder: Decoder,
    pub(super) counters: Arc<Counters>,
    pub(super) timing: Timing,
    /// A further query parameter, encoded; empty when there is none.
    pub(super) selector: &'static str,
    /// Failures in a row, and refusals in a row.
    pub(super) failures: u32,
    pub(super) refusals: u32,
}

// === impl Timing ===

impl Default for Timing {
    fn default() -> Self {
        Self {
            watch: Duration::from_secs(290),
            grace: Duration::from_secs(15),
            answer: Duration::from_secs(60), // the API server's own limit
            pause: Duration::from_millis(800),
            pause_max: Duration::from_secs(30),
            denied: Duration::from_secs(60),
        }
    }
}

// === impl Watch ===

impl<K: Decode> Watch<K> {
    /// Runs until dropped.
    pub(super) async fn run(mut self) {
        self.cache.set_sync(Sync::Loading(0));
        let mut state = State::Empty;
        loop {
            let step = AssertUnwindSafe(self.step(state)).catch_unwind().await;
            let (next, error) = step.unwrap_or_else(|_| {
                // What the panic says is in the log already. Everything is read anew.
                telemetry::panicked("watch");
                (State::Empty, Some(WatchError::Panicked))
            });
            state = next;
            if let Some(error) = error {
                let pause = self.pause(&error);
                self.tell(&error, pause);
                sleep(pause).await;
            }
        }
    }

    /// The next state, and the error that led there if one did; the caller reports it once and backs off.
    async fn step(&mut self, state: State<K>) -> (State<K>, Option<WatchError>) {
        match state {
            State::Empty => (State::Listing { seen: Vec::new(), next: String::new() }, None),
            State::Listing { seen, next } => match self.list(seen, &next).await {
                Ok(next) => (next, None),
                Err(error) => (State::Empty, Some(error)),
            },
            State::Listed { version, new } => match self.open(&version).await {
                Ok(changes) => {
                    self.cache.set_sync(Sync::Live);
                    self.decoder.strings.sweep();
                    (State::Watching { version, changes, new }, None)
                }
                Err(error) => self.after(error, version, new),
            },
            State::Watching { version, mut changes, new } => match self.change(&mut changes).await {
                Ok(Some(newer)) => {
                    changes.any = true;
                    (self.failures, self.refusals) = (0, 0);
                    (
                        State::Watching {
                            version: if newer.is_empty() { version } else { newer },
                            changes,
                            new: false,
                        },
                        None,
                    )
                }
                // The server ends each watch after some minutes.
                Ok(None) if changes.any || changes.opened.elapsed() >= self.timing.pause => {
                    (self.failures, self.refusals) = (0, 0);
                    (State::Listed { version, new: false }, None)
                }
                Ok(None) => (State::Listed { version, new }, Some(WatchError::Short)),
                Err(error) => self.after(error, version, new),
            },
        }
    }

    /// One page more.
    async fn list(&mut self, mut seen: Vec<Arc<K>>, next: &str) -> Result<State<K>, WatchError> {
        let token = if next.is_empty() { String::new() } else { format!("&continue={}", encoded(next)) };
        let answer = self.ask("list", &format!("limit={PAGE}{token}")).await?;
        let body = whole(answer.into_body(), self.timing.answer).await?;
        let page = self.decoder.page::<K>(&body)?;
        drop(body);
        page.malformed.iter().for_each(|why| self.malformed(why));
        for object in page.objects {
            seen.push(self.known(object));
        }
        if matches!(self.cache.sync(), Sync::Loading(_)) {
            self.cache.set_sync(Sync::Loading(u32::try_from(seen.len()).unwrap_or(u32::MAX)));
        }
        if !page.next.is_empty() {
            return Ok(State::Listing { seen, next: page.next });
        }
        self.cache.replace_shared(seen);
        Ok(State::Listed { version: page.version, new: true })
    }

    /// With 410 the server has forgotten our version and only a new list helps; otherwise we go on from where we were.
    /// A server that says so has come back: its list does not wait out the pause of the time it was away. Only one that
    /// forgets a list as soon as it gave it is waited for.
    fn after(&mut self, error: WatchError, version: String, new: bool) -> (State<K>, Option<WatchError>) {
        match error {
            WatchError::Expired if new => (State::Empty, Some(error)),
            WatchError::Expired => {
                (self.failures, self.refusals) = (0, 0);
                (State::Empty, None)
            }
            _ => (State::Listed { version, new: false }, Some(error)),
        }
    }

    async fn open(&self, version: &str) -> Result<Changes, WatchError> {
        let asked = self.timing.watch.mul_f64(1.0 + jitter() / 10.0);
        let seconds = asked.as_secs().max(1);
        let version = encoded(version);
        let query = format!("watch=1&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={version}");
        let body = self.ask("watch", &query).await?.into_body();
        let lines = Lines::new(body, asked + self.timing.grace);
        Ok(Changes { lines, opened: Instant::now(), any: false })
    }

    /// Applies the next change: the version it brings, or `None` when the watch is over.
    async fn change(&mut self, changes: &mut Changes) -> Result<Option<String>, WatchError> {
        let Some(line) = changes.lines.next().await? else { return Ok(None) };
        if line.trim_ascii().is_empty() {
            return Ok(Some(String::new()));
        }
        Ok(Some(match self.decoder.change::<K>(line)? {
            Change::Put { version, object } => {
                let object = self.known(object);
                self.cache.put_shared(object);
                version
            }
            Change::Removed { version, object } => {
                self.cache.remove(&object.meta().namespace, &object.meta().name);
                version
            }
            Change::Bookmark { version } => version,
            Change::Malformed { version, why } => {
                self.malformed(&why);
                version
            }
            Change::Ended { code: 410, .. } => return Err(WatchError::Expired),
            Change::Ended { code, message } => {
                return Err(WatchError::Status { status: code, message, retry_after: None });
            }
        }))
    }

    /// The object with its number; the very one in the cache when nothing changed.
    fn known(&self, mut object: K) -> Arc<K> {
        let meta = object.meta();
        let before =
            self.cache.get(&meta.namespace, &meta.name).filter(|before| before.meta().uid == object.meta().uid);
        object.meta_mut().id =
            before.as_ref().map_or_else(|| self.counters.ids.fetch_add(1, Relaxed) + 1, |before| before.meta().id);
        before.filter(|before| **before == object).unwrap_or_else(|| Arc::new(object))
    }

    async fn ask(&self, verb: &'static str, query: &str) -> Result<Response<Body>, WatchError> {
        let (group, resource) = (K::KIND.group(), K::KIND.resource());
        let root = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{group}/v1") };
        let request = Request::get(format!("{root}/{resource}?{query}{}", self.selector))
            .header(ACCEPT, "application/json")
            .header(ACCEPT_ENCODING, "identity") // a gzipped watch is one member an event, and not every peer knows
            .body(Body::empty())?;
        self.counters.requests.fetch_add(1, Relaxed);
        let answer = match timeout(self.timing.answer, self.client.send(request)).await {
            Err(_) => return Err(WatchError::Late(self.timing.answer)),
            Ok(Err(error)) => return Err(WatchError::Unreachable(Box::new(error))),
            Ok(Ok(answer)) => answer,
        };
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let seconds = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let retry_after = seconds.map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
        let message = sentence(&whole(answer.into_body(), self.timing.answer).await?);
        Err(match status {
            StatusCode::GONE => WatchError::Expired,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => WatchError::Denied { verb, status, message },
            _ => WatchError::Status { status: status.as_u16(), message, retry_after },
        })
    }

    /// How long to wait after this failure.
    fn pause(&mut self, error: &WatchError) -> Duration {
        let doubled = self.timing.pause.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let pause = doubled.min(self.timing.pause_max).mul_f64(0.5 + jitter() / 2.0);
        self.refusals = if matches!(error, WatchError::Denied { .. }) { self.refusals.saturating_add(1) } else { 0 };
        match error {
            // The first few soon: rights are often given right after we start, and a server that has just started
            // refuses what it will allow when it has read its roles.
            WatchError::Denied { .. } => {
                let doubled = self.timing.pause.saturating_mul(1 << self.refusals.min(16));
                doubled.min(self.timing.denied).mul_f64(1.0 + jitter() / 10.0)
            }
            // Never sooner than asked: the server sheds load.
            WatchError::Status { retry_after: Some(asked), .. } => pause.max(asked.mul_f64(1.0 + jitter() / 10.0)),
            _ => pause,
        }
    }

    /// Puts the failure where people see it. A stale cache stays stale since its first failure.
    fn tell(&self, error: &WatchError, pause: Duration) {
        let kind = K::KIND.name();
        let before = self.cache.sync();
        let known = matches!(before, Sync::Live | Sync::Stale(..));
        if let WatchError::Denied { verb, message, .. } = error
            && (!known || self.refusals > DOUBTED)
        {
            if matches!(before, Sync::Denied(_)) {
                debug!(kind, %error, "still not permitted");
            } else {
                warn!(kind, %error, "not permitted");
            }
            let say = Say::new("E-NOPERM").with("kind", kind).with("verb", *verb);
            let resource = match K::KIND.group() {
                "" => K::KIND.resource().to_owned(),
                group => format!("{}.{group}", K::KIND.resource()),
            };
            self.cache.set_sync(Sync::Denied(say.with("resource", resource).with("reason", message.as_str())));
            return;
        }
        debug!(kind, %error, ?pause, "watch is down");
        let now = jiff::Timestamp::now();
        let since: Millis = match before {
            Sync::Stale(since, _) => since,
            Sync::Loading(_) | Sync::Live | Sync::Denied(_) | Sync::Off => now.as_millisecond(),
        };
        let time = jiff::Timestamp::from_millisecond(since).unwrap_or(now);
        let say = Say::new("E-STALE")
            .with("kind", kind)
            .with("time", format!("{time:.0}"))
            .with("reason", error.to_string())
            .with("s", pause.as_secs().max(1).to_string());
        self.cache.set_sync(Sync::Stale(since, say));
    }

    fn malformed(&self, why: &str) {
        self.counters.malformed.fetch_add(1, Relaxed);
        warn!(kind = K::KIND.name(), why, "an object cannot be read and is left out");
    }
}

/// The sentence of a Status, or the beginning of whatever was answered instead.
fn sentence(body: &[u8]) -> String {
    let status = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
    match status.get("message").and_then(serde_json::Value::as_str) {
        Some(message) => message.chars().take(SENTENCE_MAX).collect(),
        None => String::from_utf8_lossy(body).trim().chars().take(SENTENCE_MAX).collect(),
    }
}

/// Percent-encoding of a query value.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
