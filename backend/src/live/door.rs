//! What the live link needs of the parts that know people and traffic, so that it is tested without an API server.

use super::verdicts::Verdicts;
use crate::cluster::{Objects, kinds};
use crate::http::tls::Peer;
use crate::session::gate::{Resource, Verb};
use crate::session::{Gate, GateError, Identity, Scope};
use futures::future::BoxFuture;
use http::HeaderMap;
use std::sync::Arc;
use tokio::sync::watch;
use wire::map::{Map, Proxy, Reach};
use wire::session::{Credential, Refusal};
use wire::{Kind, Millis, Say};

/// Namespaces, whether these are all, and how many are unchecked.
pub type Namespaces = (Vec<Arc<str>>, bool, u32);

/// Decides what a person may see; see [`Gate`].
pub trait Authority: Send + std::marker::Sync + std::fmt::Debug {
    fn scope<'a>(
        &'a self,
        who: &'a Identity,
        verb: Verb,
        resource: Resource,
        asked: &'a [String],
    ) -> BoxFuture<'a, Result<Scope, GateError>>;

    fn object<'a>(
        &'a self,
        who: &'a Identity,
        resource: Resource,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Scope>, GateError>>;

    fn namespaces<'a>(&'a self, who: &'a Identity) -> BoxFuture<'a, Result<Namespaces, GateError>>;

    fn revoked(&self) -> watch::Receiver<u64>;
}

/// Knows who comes.
pub trait Door: Send + std::marker::Sync + std::fmt::Debug {
    /// The session of a request's cookie; no sign of use: a page that nobody looks at reconnects, too.
    fn find(&self, headers: &HeaderMap) -> Option<Arc<dyn Guest>>;
    /// Whether a socket may be opened from where the request says it comes.
    ///
    /// # Errors
    /// Why not, for the one-line answer.
    fn origin(&self, headers: &HeaderMap, peer: &Peer) -> Result<(), Say>;
    /// Signs in over the socket; answers with a claim.
    fn sign_in<'a>(&'a self, credential: Credential, peer: &'a Peer) -> BoxFuture<'a, Result<String, Refusal>>;
}

/// A signed-in person's session.
pub trait Guest: Send + std::marker::Sync + std::fmt::Debug {
    /// Unlike any other session's while both live.
    fn id(&self) -> u64;
    fn identity(&self) -> &Identity;
    fn expires(&self) -> Millis;
    /// True once it has ended.
    fn ended(&self) -> watch::Receiver<bool>;
    /// Compares in constant time.
    fn proves(&self, proof: &str) -> bool;
    /// Why it ended, or will end.
    fn why(&self) -> Say;
    /// The person did something; what the page does by itself does not count.
    fn used(&self);
    fn end(&self);
    /// An object as YAML, read with the person's own credential.
    fn yaml<'a>(&'a self, kind: Kind, namespace: &'a str, name: &'a str) -> BoxFuture<'a, Result<String, Say>>;
}

/// Who reaches whom. The objects handed over hold only what the person may see.
pub trait Topology: Send + std::marker::Sync + std::fmt::Debug {
    fn reach(&self, objects: &Objects, service: &kinds::Service) -> Vec<Reach>;
    fn map(&self, objects: &Objects, previous: Option<&Map>) -> Map;
    /// Every Service that does not answer, or not everywhere, with its worst port's diagnosis.
    fn verdicts(&self, objects: &Objects) -> Verdicts;
    /// What the verdicts assume of the proxy.
    fn proxy(&self) -> Proxy;
}

impl Authority for Gate {
    fn scope<'a>(
        &'a self,
        who: &'a Identity,
        verb: Verb,
        resource: Resource,
        asked: &'a [String],
    ) -> BoxFuture<'a, Result<Scope, GateError>> {
        Box::pin(Self::scope(self, who, verb, resource, asked))
    }

    fn object<'a>(
        &'a self,
        who: &'a Identity,
        resource: Resource,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Scope>, GateError>> {
        Box::pin(Self::object(self, who, resource, namespace, name))
    }

    fn namespaces<'a>(&'a self, who: &'a Identity) -> BoxFuture<'a, Result<Namespaces, GateError>> {
        Box::pin(Self::namespaces(self, who))
    }

    fn revoked(&self) -> watch::Receiver<u64> {
        Self::revoked(self)
    }
}
