//! How Services are, in the topology engine's words: made once per moment for all connections, told to a person only
//! where they may see all it was made of. Costs one pass over Services, slices and pods a moment, and only when asked.

use super::board::State;
use super::door::Topology;
use super::hub::Shared;
use super::permits::Sight;
use crate::cluster::cache::Snapshot;
use crate::cluster::kinds::{EndpointSlice, Meta, Node, Pod, Service};
use crate::cluster::{Cache, Objects, Sync};
use crate::session::Scope;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use wire::map::Proxy;
use wire::object::Finding;
use wire::{Kind, Level};

/// Services that do not answer, or not all of them, by their number.
pub type Verdicts = HashMap<u64, Finding>;

/// The verdicts of the last moment somebody asked about.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Held while verdicts are made: who else asks then, waits for the same answer. Only blocking threads ask.
    whole: Mutex<Option<Known>>,
    /// For those who may not see nodes: how many there are is in some verdicts.
    nodeless: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    services: Snapshot<Service>,
    slices: Snapshot<EndpointSlice>,
    pods: Snapshot<Pod>,
    nodes: Snapshot<Node>,
    proxy: Proxy,
    verdicts: Arc<Verdicts>,
}

/// What one person may be told of Services.
#[derive(Debug)]
pub struct Told {
    pub verdicts: Arc<Verdicts>,
    /// Where slices and pods may be seen, of which verdicts are made.
    pub scopes: [Scope; 2],
}

// === impl Shared ===

impl Shared {
    /// What a person may be told of the Services of a scope.
    pub(super) fn told(&self, sight: &Sight, asked: &[String]) -> Told {
        let scopes = [Kind::EndpointSlice, Kind::Pod].map(|kind| sight.list(kind, asked));
        if scopes.iter().any(Scope::is_empty) {
            return Told { verdicts: Arc::default(), scopes };
        }
        let nodes = sight.list(Kind::Node, &[]) == Scope::All;
        let verdicts = self.ledger.verdicts(&*self.parts.topology, &self.parts.objects, nodes);
        Told { verdicts, scopes }
    }
}

// === impl Ledger ===

impl Ledger {
    /// The verdicts of this moment; none while what they are made of is not read.
    pub(super) fn verdicts(&self, topology: &dyn Topology, objects: &Objects, nodes: bool) -> Arc<Verdicts> {
        let read = |sync: Sync| matches!(sync, Sync::Live | Sync::Stale(..));
        if ![objects.services.sync(), objects.endpoint_slices.sync(), objects.pods.sync()].into_iter().all(read) {
            return Arc::default();
        }
        let nodes = nodes && read(objects.nodes.sync());
        let (slot, objects) = if nodes {
            (&self.whole, objects.clone())
        } else {
            (&self.nodeless, Objects { nodes: Cache::default(), ..objects.clone() })
        };
        let mut slot = slot.lock();
        let mut fresh = Known {
            services: objects.services.snapshot(),
            slices: objects.endpoint_slices.snapshot(),
            pods: objects.pods.snapshot(),
            nodes: objects.nodes.snapshot(),
            proxy: topology.proxy(),
            verdicts: Arc::default(),
        };
        if let Some(known) = slot.as_ref().filter(|known| known.same(&fresh)) {
            return Arc::clone(&known.verdicts);
        }
        fresh.verdicts = Arc::new(topology.verdicts(&objects));
        let verdicts = Arc::clone(&fresh.verdicts);
        *slot = Some(fresh);
        verdicts
    }
}

impl Known {
    fn same(&self, other: &Self) -> bool {
        self.services.same(&other.services)
            && self.slices.same(&other.slices)
            && self.pods.same(&other.pods)
            && (self.nodes.same(&other.nodes) || (self.nodes.is_empty() && other.nodes.is_empty()))
            && self.proxy == other.proxy
    }
}

// === impl Told ===

impl Told {
    /// What is wrong with a Service the person may see.
    #[must_use]
    pub fn of(&self, service: &Meta) -> Option<&Finding> {
        let permitted = self.scopes.iter().all(|scope| scope.allows(&service.namespace));
        self.verdicts.get(&service.id).filter(|_| permitted && service.deleted.is_none())
    }

    /// A Service's state, given the one its own object shows.
    #[must_use]
    pub fn state(&self, service: &Meta, plain: State) -> State {
        let Some(finding) = self.of(service) else { return plain };
        if finding.level >= Level::Bad { (Level::Bad, "failing") } else { (Level::Warn, "notready") }
    }
}
