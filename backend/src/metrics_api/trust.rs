//! Whom we trust to say who somebody is: the files of flags, and the ConfigMap
//! `kube-system/extension-apiserver-authentication`, watched, so that a rotation of its authorities is in effect as soon
//! as the API server tells of it.
//!
//! Our role lets us read this one ConfigMap: lists and watches name it. What was read last stays in effect while the API
//! server is away, while the ConfigMap is gone and while it cannot be read. Before the first reading nobody's certificate
//! is judged: who shows one waits for the attempt that their request hastens, and is told why it failed.
//!
//! Costs one quiet connection.

use super::sources::{Files, Sources, Trusted};
use crate::notices::Notices;
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, WatchParams};
use kube::core::WatchEvent;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, error, info, warn};
use wire::Say;

const NAME: &str = "extension-apiserver-authentication";
/// The notice that it cannot be read.
const NOTICE: &str = "AUTHENTICATION_CONFIG";
const FIELDS: &str = "metadata.name=extension-apiserver-authentication";
/// How long an API server that is starting as well is waited for; who restarts us is patient.
const START: Duration = Duration::from_secs(10);
/// How long a request waits for the first reading.
const PATIENCE: Duration = Duration::from_secs(5);
/// For a list, and for the head of a watch.
const ANSWER: Duration = Duration::from_secs(5);
/// Seconds asked of the server, which ends the watch then.
const WATCH: u32 = 290;
/// A watch that is silent for so much longer is half-open.
const GRACE: Duration = Duration::from_secs(15);
/// A certificate that is refused while the watch has been silent for this long has everything read again.
const SILENT: Duration = Duration::from_secs(30);
/// Between two attempts, however urgent: a storm of bad certificates is not passed on.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How often the flags' files are read.
const FILES: Duration = Duration::from_secs(10);

/// What is known; all clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    state: watch::Receiver<State>,
    /// Wakes the follower out of its pause.
    urgent: Arc<Notify>,
}

/// Keeps [`Trust`] what the API server says; the only writer.
pub struct Follower {
    flags: Trusted,
    maps: Api<ConfigMap>,
    state: watch::Sender<State>,
    urgent: Arc<Notify>,
    notices: Notices,
    /// What sources are made from. Held for one look.
    read: Mutex<Read>,
}

#[derive(Debug, Default)]
struct Read {
    files: Files,
    map: Option<ConfigMap>,
}

#[derive(Debug, Default)]
struct State {
    known: Option<Arc<Sources>>,
    /// Readings that failed, and why the last one did.
    failures: u64,
    why: String,
}

/// Why following ended for now.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the version expired")]
    Expired,
    #[error("the API server did not answer in time")]
    Late,
    #[error("the watch ended as soon as it was open")]
    Short,
    #[error("there is no such ConfigMap")]
    Missing,
    #[error("{0}")]
    Unreadable(String),
    #[error(transparent)]
    Client(#[from] kube::Error),
}

/// How a watch ended that did what it should.
enum Next {
    GoOn,
    ListAgain,
}

/// Reads the files of the flags. Of the ConfigMap nothing is known until the follower runs.
///
/// # Errors
/// When a file cannot be read or holds no authorities: what to do is in the text.
pub(super) fn build(flags: Trusted, client: kube::Client, notices: Notices) -> Result<(Trust, Follower), String> {
    let (sender, state) = watch::channel(State::default());
    let urgent = Arc::new(Notify::new());
    let maps = Api::namespaced(client, "kube-system");
    let files = flags.read()?;
    let sources = Sources::of(&flags, &files, None)?;
    if !flags.looks_up() {
        sender.send_modify(|state| state.known = Some(Arc::new(sources)));
    }
    let read = Mutex::new(Read { files, map: None });
    let trust = Trust { state, urgent: Arc::clone(&urgent) };
    Ok((trust, Follower { flags, maps, state: sender, urgent, notices, read }))
}

// === impl Trust ===

impl Trust {
    /// The authorities of this moment, or why there are none yet.
    pub(super) async fn sources(&self) -> Result<Arc<Sources>, String> {
        let mut state = self.state.clone();
        let failures = {
            let state = state.borrow();
            if let Some(known) = &state.known {
                return Ok(Arc::clone(known));
            }
            state.failures
        };
        self.urgent.notify_one();
        let ended = state.wait_for(|state| state.known.is_some() || state.failures > failures);
        match timeout(PATIENCE, ended).await {
            Ok(Ok(state)) => state.known.clone().ok_or_else(|| state.why.clone()),
            Ok(Err(_)) => Err("it is not read any more".into()),
            Err(_) => Err(Ended::Late.to_string()),
        }
    }

    /// A certificate did not pass. If the watch is down or may be dead, it is time to look again.
    pub(super) fn doubt(&self) {
        self.urgent.notify_one();
    }
}

// === impl Follower ===

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}

impl Follower {
    /// Runs until `stop` resolves; returns before only when the ConfigMap may not be read and that is not tolerated.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = stop => {}
            () = self.follow(), if self.flags.looks_up() => {}
            () = self.follow_files() => {}
        }
    }

    /// Reads the flags' files again and again; what cannot be read changes nothing.
    async fn follow_files(&self) {
        if self.flags.client_ca.is_none() && self.flags.proxy_ca.is_none() {
            return std::future::pending().await;
        }
        let mut why = String::new();
        loop {
            sleep(FILES).await;
            let files = match self.flags.read() {
                Ok(files) => files,
                Err(error) => {
                    if error != why {
                        warn!("{error}; what it said before stays in effect");
                        why = error;
                    }
                    continue;
                }
            };
            if self.read.lock().files == files {
                continue;
            }
            let before = std::mem::replace(&mut self.read.lock().files, files);
            match self.compose() {
                Ok(()) => info!("the files of --client-ca-file and --requestheader-client-ca-file were read again"),
                Err(error) => {
                    warn!("{error}; what it said before stays in effect");
                    self.read.lock().files = before;
                }
            }
        }
    }

    /// Makes known what was read. Before the ConfigMap was, there is nothing to make known.
    fn compose(&self) -> Result<(), String> {
        let sources = {
            let read = self.read.lock();
            let known = read.map.is_some() || !self.flags.looks_up() || self.state.borrow().known.is_some();
            known.then(|| Sources::of(&self.flags, &read.files, read.map.as_ref())).transpose()?
        };
        if let Some(sources) = sources {
            self.state.send_modify(|state| {
                state.known = Some(Arc::new(sources));
                state.why.clear();
            });
        }
        Ok(())
    }

    /// Whether a failure is the end: nothing is known, and time will not change it, or has not since `began`.
    fn is_fatal(&self, ended: &Ended, began: Instant) -> bool {
        if self.state.borrow().known.is_some() {
            return false;
        }
        let lasting = match ended {
            // Whoever installs us first may make it later.
            Ended::Missing => return false,
            Ended::Client(kube::Error::Api(status)) => matches!(status.code, 401 | 403),
            Ended::Unreadable(_) => true,
            Ended::Expired | Ended::Late | Ended::Short | Ended::Client(_) => false,
        };
        if !self.flags.tolerate_lookup_failure && !lasting && began.elapsed() < START {
            return false;
        }
        if !self.flags.tolerate_lookup_failure {
            error!(
                "kube-system/{NAME} cannot be read: {ended}; bind the Role extension-apiserver-authentication-reader of kube-system to our account, or pass --authentication-tolerate-lookup-failure"
            );
            return true;
        }
        // Who shows a certificate is judged by the files alone, as long as it stays so.
        let sources = Sources::of(&self.flags, &self.read.lock().files, None);
        match sources {
            Ok(sources) => self.state.send_modify(|state| state.known = Some(Arc::new(sources))),
            Err(error) => warn!("{error}"),
        }
        false
    }

    /// From list to watch to watch; after a failure a pause, then on from where we were.
    async fn follow(&self) {
        let began = Instant::now();
        let (mut version, mut just_listed, mut pause) = (None, false, PAUSE);
        loop {
            let ended = match version.take() {
                None => match self.list().await {
                    Ok(listed) => {
                        (version, just_listed, pause) = (Some(listed), true, PAUSE);
                        continue;
                    }
                    Err(error) => error,
                },
                Some(mut since) => match self.changes(&mut since).await {
                    Ok(Next::GoOn) => {
                        (version, just_listed, pause) = (Some(since), false, PAUSE);
                        continue;
                    }
                    Ok(Next::ListAgain) => continue,
                    // The server has forgotten our version. One that forgets what it just said is waited for.
                    Err(Ended::Expired) if !just_listed => continue,
                    Err(Ended::Expired) => Ended::Expired,
                    Err(error) => {
                        (version, just_listed) = (Some(since), false);
                        error
                    }
                },
            };
            if self.is_fatal(&ended, began) {
                return;
            }
            self.failed(&ended);
            debug!(error = %ended, ?pause, "the watch of kube-system/{NAME} is down");
            sleep(PAUSE).await;
            // Either way the pause is over.
            let _ = timeout(pause.saturating_sub(PAUSE), self.urgent.notified()).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Reads the ConfigMap; the version a watch goes on from.
    async fn list(&self) -> Result<String, Ended> {
        let one = ListParams::default().fields(FIELDS);
        let list = timeout(ANSWER, self.maps.list(&one)).await.map_err(|_| Ended::Late)??;
        if let Err(ended) = list.items.first().ok_or(Ended::Missing).and_then(|map| self.read(map)) {
            // With nothing to go on with, whoever asks must be able to hasten the next reading.
            if self.state.borrow().known.is_none() {
                return Err(ended);
            }
            self.failed(&ended);
        }
        Ok(list.metadata.resource_version.unwrap_or_default())
    }

    /// Reads what changes until the watch ends.
    async fn changes(&self, version: &mut String) -> Result<Next, Ended> {
        let one = WatchParams::default().fields(FIELDS).timeout(WATCH);
        let events = timeout(ANSWER, self.maps.watch(&one, version)).await.map_err(|_| Ended::Late)??;
        futures::pin_mut!(events);
        let (began, mut heard) = (Instant::now(), None);
        loop {
            let silent_since = heard.unwrap_or(began);
            let event = tokio::select! {
                event = timeout(Duration::from_secs(WATCH.into()) + GRACE, events.try_next()) => event,
                () = self.urgent.notified() => {
                    if silent_since.elapsed() >= SILENT {
                        return Ok(Next::ListAgain);
                    }
                    continue;
                }
            };
            match event.map_err(|_| Ended::Late)?? {
                None if heard.is_some() || began.elapsed() >= PAUSE => return Ok(Next::GoOn),
                None => return Err(Ended::Short),
                Some(WatchEvent::Added(map) | WatchEvent::Modified(map)) => {
                    if let Err(ended) = self.read(&map) {
                        self.failed(&ended);
                    }
                    *version = map.metadata.resource_version.unwrap_or_default();
                }
                Some(WatchEvent::Deleted(map)) => {
                    self.notices.set(Say::new(NOTICE).with("cause", "it was deleted"));
                    *version = map.metadata.resource_version.unwrap_or_default();
                }
                Some(WatchEvent::Bookmark(mark)) => *version = mark.metadata.resource_version,
                Some(WatchEvent::Error(status)) if status.code == 410 => return Err(Ended::Expired),
                Some(WatchEvent::Error(status)) => return Err(Ended::Client(kube::Error::Api(status))),
            }
            heard = Some(Instant::now());
        }
    }

    fn read(&self, map: &ConfigMap) -> Result<(), Ended> {
        let before = self.read.lock().map.replace(map.clone());
        let composed = self.compose();
        if let Err(error) = composed {
            self.read.lock().map = before;
            return Err(Ended::Unreadable(error));
        }
        self.notices.clear(NOTICE);
        Ok(())
    }

    /// Tells those who wait, and everybody by a notice, which is in the log once per reason.
    fn failed(&self, ended: &Ended) {
        let why = ended.to_string();
        self.state.send_modify(|state| {
            state.failures += 1;
            state.why.clone_from(&why);
        });
        self.notices.set(Say::new(NOTICE).with("cause", why));
    }
}
