//! What the live link asks of the parts that know people and traffic: sessions behind its door, the topology engine
//! behind its map. Only wiring: nothing is decided here.

use crate::cluster::{Objects, kinds};
use crate::http::origin::{self, OriginConfig};
use crate::http::tls::Peer;
use crate::live::{Door, Guest, Topology, Verdicts};
use crate::session::{End, Identity, Session, Sessions, yaml};
use crate::topology::{Facts, Ranks, Scope, map, reach};
use futures::future::BoxFuture;
use http::HeaderMap;
use std::sync::Arc;
use tokio::sync::watch;
use wire::map::{Map, Proxy, Reach};
use wire::object::Finding;
use wire::session::{Credential, Refusal};
use wire::{Kind, Level, Millis, Say};

/// The way in.
#[derive(Debug)]
pub struct Lobby {
    pub sessions: Sessions,
    pub origin: OriginConfig,
}

#[derive(Debug)]
struct Person {
    session: Arc<Session>,
    sessions: Sessions,
}

/// Who reaches whom, in the proxy's present mode.
#[derive(Debug)]
pub struct Traffic {
    pub proxy: watch::Receiver<Proxy>,
}

impl Door for Lobby {
    fn find(&self, headers: &HeaderMap) -> Option<Arc<dyn Guest>> {
        let session = self.sessions.peek_cookie(headers)?;
        Some(Arc::new(Person { session, sessions: self.sessions.clone() }))
    }

    fn origin(&self, headers: &HeaderMap, peer: &Peer) -> Result<(), Say> {
        origin::allowed(headers, peer, &self.origin).map_err(Say::new)
    }

    fn sign_in<'a>(&'a self, credential: Credential, peer: &'a Peer) -> BoxFuture<'a, Result<String, Refusal>> {
        Box::pin(self.sessions.sign_in(credential, peer))
    }
}

impl Guest for Person {
    fn id(&self) -> u64 {
        self.session.id()
    }

    fn identity(&self) -> &Identity {
        &self.session.identity
    }

    fn expires(&self) -> Millis {
        self.session.expires
    }

    fn ended(&self) -> watch::Receiver<bool> {
        self.session.ended()
    }

    fn proves(&self, proof: &str) -> bool {
        self.session.proof_matches(proof)
    }

    fn why(&self) -> Say {
        self.session.why().say()
    }

    fn used(&self) {
        self.session.touch(crate::session::now());
    }

    fn end(&self) {
        self.sessions.end(&self.session, End::SignedOut);
    }

    fn yaml<'a>(&'a self, kind: Kind, namespace: &'a str, name: &'a str) -> BoxFuture<'a, Result<String, Say>> {
        Box::pin(yaml::read(&self.session, kind, namespace, name))
    }
}

impl Topology for Traffic {
    fn reach(&self, objects: &Objects, service: &kinds::Service) -> Vec<Reach> {
        reach::service(&Facts::of(objects), service, &self.proxy.borrow().mode)
    }

    /// The objects handed over hold only what the person may see: the scope is all of them.
    fn map(&self, objects: &Objects, previous: Option<&Map>) -> Map {
        let scope = Scope { namespaces: None, nodes: true };
        let ranks = previous.map(Ranks::of);
        map::build(&Facts::of(objects), &scope, ranks.as_ref(), &self.proxy.borrow()).0
    }

    fn verdicts(&self, objects: &Objects) -> Verdicts {
        let (facts, mode) = (Facts::of(objects), self.proxy.borrow().mode.clone());
        let services = facts.services.iter().filter(|service| &*service.kind != "ExternalName");
        let worst = services.filter_map(|service| {
            let ports = service.ports.iter().map(|slot| reach::port(&facts, service, slot, &mode).0);
            let found = ports.max_by_key(reach::Finding::weight).filter(|found| found.level >= Level::Warn)?;
            Some((service.meta.id, Finding { level: found.level, say: found.say }))
        });
        worst.collect()
    }

    fn proxy(&self) -> Proxy {
        self.proxy.borrow().clone()
    }
}
