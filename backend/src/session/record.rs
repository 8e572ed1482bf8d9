//! One signed-in person's session: identity, proof, client, and why it ended.

use super::credential::Sealed;
use super::login::Client;
use super::sessions::Limits;
use super::{Identity, secret};
use parking_lot::RwLock;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;
use wire::{Millis, Say};
use zeroize::Zeroizing;

/// A wrong proof is somebody else's page; a right one is never mistyped.
const WRONG_PROOFS: u8 = 3;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    SignedOut,
    /// No request for [`Limits::idle`].
    Idle,
    /// The credential's own end.
    Expired,
    /// [`Limits::longest`] after sign-in.
    Longest,
    /// The API server no longer accepts the credential.
    Refused,
    /// It means somebody else now, or other groups: decisions made for the old identity are void.
    Changed,
    WrongProofs,
    /// A newer session of the person, or of anybody, took its place.
    Crowded,
    /// The process ends.
    Stopping,
}

/// One signed-in person.
pub struct Session {
    pub identity: Identity,
    /// When it ends at the latest.
    pub expires: Millis,
    /// Namespace to land in.
    pub namespace: Option<String>,
    /// What to tell the person after sign-in.
    pub notes: Vec<Say>,
    /// Rises from session to session; two may begin in one millisecond.
    pub(super) serial: u64,
    pub(super) hash: [u8; 32],
    proof: Zeroizing<String>,
    wrong_proofs: AtomicU8,
    pub(super) used: AtomicI64,
    pub(super) checked: AtomicI64,
    sealed: Sealed,
    /// The person's until the end, nobody's after it.
    client: RwLock<Client>,
    nobody: Client,
    /// What `expires` means.
    last: End,
    why: OnceLock<End>,
    pub(super) ended: watch::Sender<bool>,
}

/// What a session is made of.
pub(super) struct Born {
    pub(super) identity: Identity,
    /// The credential's end, if it has one.
    pub(super) expires: Option<Millis>,
    pub(super) namespace: Option<String>,
    pub(super) notes: Vec<Say>,
    pub(super) serial: u64,
    pub(super) hash: [u8; 32],
    pub(super) sealed: Sealed,
    pub(super) client: Client,
    pub(super) nobody: Client,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({}, until {})", self.identity.user, self.expires)
    }
}

// === impl End ===

impl End {
    /// For `LOGIN_ENDED`: "Your session ended: …".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::SignedOut => "signed out",
            Self::Idle => "not used for too long",
            Self::Expired => "the credential expired",
            Self::Longest => "it lasted as long as a session may",
            Self::Refused => "the API server no longer accepts the credential",
            Self::Changed => "the credential stands for another user or other groups now",
            Self::WrongProofs => "requests with its cookie and without its proof came in",
            Self::Crowded => "newer sessions took its place",
            Self::Stopping => "the server stops",
        }
    }

    /// The whole sentence.
    #[must_use]
    pub fn say(self) -> Say {
        Say::new("LOGIN_ENDED").with("reason", self.words())
    }
}

// === impl Session ===

impl Session {
    pub(super) fn new(born: Born, limits: &Limits, now: Millis) -> Result<Self, getrandom::Error> {
        let Born { identity, expires, namespace, notes, serial, hash, sealed, client, nobody } = born;
        let longest = now.saturating_add(limits.longest);
        let last = if expires.is_some_and(|end| end <= longest) { End::Expired } else { End::Longest };
        Ok(Self {
            identity,
            expires: expires.unwrap_or(Millis::MAX).min(longest),
            namespace: namespace.filter(|name| name.len() <= 63),
            notes,
            serial,
            hash,
            proof: secret()?,
            wrong_proofs: AtomicU8::new(0),
            used: AtomicI64::new(now),
            checked: AtomicI64::new(now),
            sealed,
            client: RwLock::new(client),
            nobody,
            last,
            why: OnceLock::new(),
            ended: watch::Sender::new(false),
        })
    }

    /// Never the same for two sessions of this process.
    pub fn id(&self) -> u64 {
        self.serial
    }

    /// Turns true once, when the session ends.
    pub fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    pub fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// Why it ended; before that, why it will end if nothing else ends it.
    pub fn why(&self) -> End {
        self.why.get().copied().unwrap_or(self.last)
    }

    /// Constant in time. Three wrong proofs end the session.
    pub fn proof_matches(&self, proof: &str) -> bool {
        if self.has_ended() {
            return false;
        }
        if bool::from(self.proof.as_bytes().ct_eq(proof.as_bytes())) {
            return true;
        }
        if self.wrong_proofs.fetch_add(1, Ordering::Relaxed) + 1 >= WRONG_PROOFS {
            self.end(End::WrongProofs);
        }
        false
    }

    /// The person did something: idleness begins anew.
    pub fn touch(&self, now: Millis) {
        self.used.store(now, Ordering::Relaxed);
    }

    /// A client with the person's own credential; with none after the end.
    pub fn client(&self) -> kube::Client {
        self.client.read().0.clone()
    }

    /// What the page keeps in memory.
    pub fn page(&self) -> wire::session::Session {
        wire::session::Session {
            proof: String::clone(&self.proof),
            user: (*self.identity.user).into(),
            groups: self.identity.groups.iter().map(|group| (**group).into()).collect(),
            expires: self.expires,
            namespace: self.namespace.clone(),
            notes: self.notes.clone(),
        }
    }

    /// Wipes the credential and tells everybody. The first reason stands.
    pub fn end(&self, why: End) {
        _ = self.why.set(why);
        self.sealed.wipe();
        *self.client.write() = self.nobody.clone();
        self.ended.send_replace(true);
    }

    /// Why it has to end now, if it has to.
    pub(super) fn is_over(&self, limits: &Limits, now: Millis) -> Option<End> {
        if self.has_ended() || self.expires <= now {
            return Some(self.why());
        }
        let idle = limits.idle > 0 && now - self.used.load(Ordering::Relaxed) >= limits.idle;
        idle.then_some(End::Idle)
    }
}
