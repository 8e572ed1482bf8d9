//! The sessions of this process, in memory alone: id hash → person, proof, client, end.
//!
//! A session ends at its credential's end, after [`Limits::longest`], after [`Limits::idle`] without a request, on
//! sign-out, on three wrong proofs, and when the API server stops knowing the credential. Ending wipes the token and
//! tells every socket through [`Session::ended`]. Costs about 2 KB a session and one client.

use super::claims::Claims;
use super::cookie::Name;
use super::gate::Gate;
use super::login::{Client, Login, Proven, WhoError, refusal, whoami};
use super::rate::Rate;
use super::record::{Born, End, Session};
use super::{Identity, now, secret};
use crate::http::tls::Peer;
use futures::StreamExt as _;
use http::HeaderMap;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use wire::session::{Credential, Refusal, SignIn};
use wire::{Millis, Say};
use zeroize::Zeroizing;

/// More would only wait at the API server.
const CHECKS: usize = 64;
/// How often a session in use asks whether its credential still works.
const KEEP_ALIVE: Millis = 60_000;
/// How long the note about missing rights may hold a sign-in up.
const RIGHTS_PATIENCE: Duration = Duration::from_secs(2);

/// How many sessions, how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub sessions: usize,
    pub per_user: usize,
    /// Milliseconds (`--session-max`).
    pub longest: Millis,
    /// Milliseconds without a request (`--session-idle`); 0 switches it off.
    pub idle: Millis,
}

impl Default for Limits {
    fn default() -> Self {
        Self { sessions: 1000, per_user: 20, longest: 12 * 3_600_000, idle: 2 * 3_600_000 }
    }
}

/// What sign-in needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    pub cookie: Name,
    pub limits: Limits,
    /// `--insecure-login`: unencrypted sign-in from anywhere.
    pub insecure: bool,
}

/// All sessions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sessions {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    login: Login,
    gate: Gate,
    nobody: Client,
    /// By the hash of the cookie's value. Held for one lookup, insertion or removal.
    sessions: Mutex<HashMap<[u8; 32], Arc<Session>>>,
    claims: Claims<Entered>,
    rate: Rate,
    checks: Semaphore,
    open: AtomicBool,
    serial: AtomicU64,
}

/// A fresh session and the only copy of its cookie's value.
pub struct Entered {
    pub session: Arc<Session>,
    pub cookie: Zeroizing<String>,
}

impl std::fmt::Debug for Entered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entered({:?})", self.session)
    }
}

// === impl Sessions ===

impl Sessions {
    /// An empty store.
    ///
    /// # Errors
    /// When the login's base configuration makes no client.
    pub fn new(config: Config, login: Login, gate: Gate) -> Result<Self, kube::Error> {
        let nobody = login.nobody()?;
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                login,
                gate,
                nobody,
                sessions: Mutex::default(),
                claims: Claims::default(),
                rate: Rate::default(),
                checks: Semaphore::new(CHECKS),
                open: AtomicBool::new(true),
                serial: AtomicU64::new(0),
            }),
        })
    }

    pub fn cookie(&self) -> &Name {
        &self.inner.config.cookie
    }

    pub fn len(&self) -> usize {
        self.inner.sessions.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The session of a request's cookie; counts as use.
    pub fn find_cookie(&self, headers: &HeaderMap) -> Option<Arc<Session>> {
        self.inner.config.cookie.values(headers).find_map(|value| self.find(value))
    }

    /// The same for what a page does by itself, which is no use.
    pub fn peek_cookie(&self, headers: &HeaderMap) -> Option<Arc<Session>> {
        self.inner.config.cookie.values(headers).find_map(|value| self.peek(value, now()))
    }

    /// The session of a cookie's value; counts as use.
    pub fn find(&self, cookie: &str) -> Option<Arc<Session>> {
        let now = now();
        self.peek(cookie, now).inspect(|session| session.touch(now))
    }

    fn peek(&self, cookie: &str, now: Millis) -> Option<Arc<Session>> {
        let hash = hash(cookie);
        let session = self.inner.sessions.lock().get(&hash).cloned()?;
        if let Some(why) = session.is_over(&self.inner.config.limits, now) {
            self.end(&session, why);
            return None;
        }
        Some(session)
    }

    /// Ends a session everywhere: its sockets hear of it, its credential is wiped.
    pub fn end(&self, session: &Session, why: End) {
        self.inner.sessions.lock().remove(&session.hash);
        session.end(why);
    }

    /// Whether signing in over this connection keeps the credential from others (`LOGIN_INSECURE` otherwise). `Peer`'s
    /// `tls` includes TLS that a trusted proxy ended.
    pub fn is_secure(&self, peer: &Peer) -> bool {
        peer.tls || peer.address.ip().to_canonical().is_loopback() || self.inner.config.insecure
    }

    /// Proves a credential and begins a session.
    ///
    /// # Errors
    /// What to tell the person.
    pub async fn enter(&self, sign_in: SignIn, peer: &Peer) -> Result<Entered, Refusal> {
        if !self.is_secure(peer) {
            return Err(refusal(Say::new("LOGIN_INSECURE")));
        }
        let address = peer.address.ip();
        let wait = |seconds: u32| refusal(Say::new("LOGIN_RATE").with("s", seconds.to_string()));
        self.inner.rate.check(address, now()).map_err(wait)?;
        let _check = self.inner.checks.try_acquire().map_err(|_| wait(1))?;
        let proven = self.inner.login.prove(sign_in.credential, now()).await;
        let proven = proven.inspect_err(|refusal| self.refused(address, refusal))?;
        self.begin(proven, sign_in.namespace).await
    }

    /// Sign-in over the socket: the answer is a claim which `GET claim` turns into the cookie.
    ///
    /// # Errors
    /// As [`Sessions::enter`].
    pub async fn sign_in(&self, credential: Credential, peer: &Peer) -> Result<String, Refusal> {
        let entered = self.enter(SignIn { credential, secure: false, namespace: None }, peer).await?;
        self.inner.claims.offer(entered, now()).map_err(no_random)
    }

    /// What a claim was for; works once.
    pub fn claim(&self, claim: &str) -> Option<Entered> {
        self.inner.claims.take(claim, now()).filter(|entered| !entered.session.has_ended())
    }

    /// Ends what is over and asks for every session in use, once a minute, whether the API server still knows it. Runs
    /// until `stop` resolves, then ends all.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tokio::pin!(stop);
        loop {
            // A round is dropped half-way without harm: what it did not reach is still due.
            tokio::select! {
                () = &mut stop => break,
                () = async {
                    tick.tick().await;
                    self.sweep(now()).await;
                } => {}
            }
        }
        self.inner.open.store(false, Ordering::Relaxed);
        let all: Vec<_> = self.inner.sessions.lock().drain().map(|(_, session)| session).collect();
        for session in all {
            session.end(End::Stopping);
        }
    }

    /// One round of [`Sessions::run`].
    pub async fn sweep(&self, now: Millis) {
        let sessions: Vec<_> = self.inner.sessions.lock().values().cloned().collect();
        let alive = sessions.into_iter().filter(|session| {
            let over = session.is_over(&self.inner.config.limits, now);
            over.inspect(|why| self.end(session, *why)).is_none()
        });
        let due = alive.filter(|session| {
            let checked = session.checked.load(Ordering::Relaxed);
            let in_use = session.used.load(Ordering::Relaxed) >= checked || session.ended.receiver_count() > 0;
            now - checked >= KEEP_ALIVE && in_use
        });
        futures::stream::iter(due).for_each_concurrent(8, |session| self.check(session, now)).await;
    }

    async fn check(&self, session: Arc<Session>, now: Millis) {
        session.checked.store(now, Ordering::Relaxed);
        match whoami(&session.client()).await {
            Ok(identity) if identity == session.identity => {}
            Ok(_) => self.end(&session, End::Changed),
            Err(WhoError::Refused) => self.end(&session, End::Refused),
            Err(WhoError::Down(reason)) => tracing::debug!(reason, "session not checked"),
        }
    }

    /// Only what the person could have guessed counts against them.
    fn refused(&self, address: IpAddr, refusal: &Refusal) {
        let code = refusal.say.code.as_str();
        if code != "LOGIN_APIDOWN" {
            self.inner.rate.failed(address, now());
        }
        tracing::info!(code, %address, "sign-in refused");
    }

    async fn begin(&self, proven: Proven, namespace: Option<String>) -> Result<Entered, Refusal> {
        let Proven { identity, client, sealed, expires, mut notes } = proven;
        let visible = tokio::time::timeout(RIGHTS_PATIENCE, self.inner.gate.namespaces(&identity)).await;
        if let Ok(Ok((names, true, 0))) = visible
            && names.is_empty()
        {
            notes.push(Say::new("LOGIN_NORIGHTS").with("user", &*identity.user));
        }
        let now = now();
        let cookie = secret().map_err(no_random)?;
        let limits = &self.inner.config.limits;
        let born = Born {
            identity,
            expires,
            namespace,
            notes,
            serial: self.inner.serial.fetch_add(1, Ordering::Relaxed),
            hash: hash(&cookie),
            sealed,
            client,
            nobody: self.inner.nobody.clone(),
        };
        let session = Arc::new(Session::new(born, limits, now).map_err(no_random)?);
        for oldest in self.crowded(&session.identity) {
            self.end(&oldest, End::Crowded);
        }
        self.inner.sessions.lock().insert(session.hash, Arc::clone(&session));
        if !self.inner.open.load(Ordering::Relaxed) {
            self.end(&session, End::Stopping);
        }
        tracing::info!(user = %session.identity.user, "signed in");
        Ok(Entered { session, cookie })
    }

    /// The sessions which make room for one more of `identity`, oldest first.
    fn crowded(&self, identity: &Identity) -> Vec<Arc<Session>> {
        let limits = &self.inner.config.limits;
        let mut all: Vec<_> = self.inner.sessions.lock().values().cloned().collect();
        all.sort_by_key(|session| session.serial);
        let theirs: Vec<_> = all.iter().filter(|session| session.identity.user == identity.user).cloned().collect();
        let mut out: Vec<_> = theirs.iter().take((theirs.len() + 1).saturating_sub(limits.per_user)).cloned().collect();
        if out.is_empty() {
            out.extend(all.iter().take((all.len() + 1).saturating_sub(limits.sessions)).cloned());
        }
        out
    }
}

fn hash(cookie: &str) -> [u8; 32] {
    Sha256::digest(cookie.as_bytes()).into()
}

fn no_random(error: getrandom::Error) -> Refusal {
    refusal(Say::new("LOGIN_APIDOWN").with("reason", format!("no random bytes: {error}")))
}
