//! How Services are, in the topology engine's words: made once per moment for all connections, told to a person only
//! where they may see all it was made of.
//!
//! A Service is reached through pods and slices of its own namespace, so a change costs a pass over its namespace, and
//! only when somebody asks.

use super::board::State;
use super::door::Topology;
use super::hub::Shared;
use super::permits::Sight;
use super::spread::spread;
use crate::cluster::cache::Snapshot;
use crate::cluster::kinds::{EndpointSlice, Kind, Meta, Node, Pod, Service};
use crate::cluster::{Cache, Objects};
use crate::session::Scope;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use wire::Level;
use wire::map::Proxy;
use wire::object::Finding;

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
    moment: Moment,
    spaces: HashMap<Arc<str>, Verdicts>,
    verdicts: Arc<Verdicts>,
}

/// What verdicts are made of.
#[derive(Debug)]
struct Moment {
    services: Snapshot<Service>,
    slices: Snapshot<EndpointSlice>,
    pods: Snapshot<Pod>,
    nodes: Snapshot<Node>,
    proxy: Proxy,
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
        let scopes = [wire::Kind::EndpointSlice, wire::Kind::Pod].map(|kind| sight.list(kind, asked));
        if scopes.iter().any(Scope::is_empty) {
            return Told { verdicts: Arc::default(), scopes };
        }
        let nodes = sight.list(wire::Kind::Node, &[]) == Scope::All;
        let verdicts = self.ledger.verdicts(&*self.parts.topology, &self.parts.objects, nodes);
        Told { verdicts, scopes }
    }
}

// === impl Ledger ===

impl Ledger {
    /// The verdicts of this moment; none while what they are made of is not read.
    pub(super) fn verdicts(&self, topology: &dyn Topology, objects: &Objects, nodes: bool) -> Arc<Verdicts> {
        let read = [objects.services.is_filled(), objects.endpoint_slices.is_filled(), objects.pods.is_filled()];
        if read.contains(&false) {
            return Arc::default();
        }
        let nodes = nodes && objects.nodes.is_filled();
        let (slot, objects) = if nodes {
            (&self.whole, objects.clone())
        } else {
            (&self.nodeless, Objects { nodes: Cache::default(), ..objects.clone() })
        };
        let mut slot = slot.lock();
        let moment = Moment {
            services: objects.services.snapshot(),
            slices: objects.endpoint_slices.snapshot(),
            pods: objects.pods.snapshot(),
            nodes: objects.nodes.snapshot(),
            proxy: topology.proxy(),
        };
        let known = slot.take();
        let changed = moment.changed(known.as_ref().map(|known| &known.moment));
        let (mut spaces, before) = known.map(|known| (known.spaces, known.verdicts)).unwrap_or_default();
        let fresh = spread(changed.into_iter().collect(), |space: Arc<str>| {
            let any = moment.services.within(&space).next().is_some();
            let verdicts = any.then(|| topology.verdicts(&moment.within(&space, &objects.nodes)));
            (space, verdicts.unwrap_or_default())
        });
        let mut moved = false;
        for (space, verdicts) in fresh {
            let old = if verdicts.is_empty() { spaces.remove(&space) } else { spaces.insert(space.clone(), verdicts) };
            moved |= old.as_ref() != spaces.get(&space);
        }
        // The same verdicts stay the same ones: tables that were cut by them hold.
        let all = || spaces.values().flatten().map(|(service, finding)| (*service, finding.clone())).collect();
        let verdicts = if moved { Arc::new(all()) } else { before };
        *slot = Some(Known { moment, spaces, verdicts: Arc::clone(&verdicts) });
        verdicts
    }

    /// Lets go of what nobody looks at.
    pub(super) fn forget(&self) {
        drop((self.whole.lock().take(), self.nodeless.lock().take()));
    }
}

// === impl Moment ===

impl Moment {
    /// The namespaces whose Services may be otherwise than they were; all of them, where everything counts.
    fn changed(&self, before: Option<&Self>) -> HashSet<Arc<str>> {
        let mut spaces = HashSet::new();
        match before {
            Some(before) if self.same_nodes(before) && self.proxy == before.proxy => {
                differ(&before.services, &self.services, &mut spaces);
                differ(&before.slices, &self.slices, &mut spaces);
                differ(&before.pods, &self.pods, &mut spaces);
            }
            Some(before) => {
                let services = before.services.iter().chain(&self.services);
                spaces.extend(services.map(|service| Arc::clone(&service.meta.namespace)));
            }
            None => spaces.extend(self.services.iter().map(|service| Arc::clone(&service.meta.namespace))),
        }
        spaces
    }

    /// For those who may not see nodes there are none at every moment, in a cache that is made anew each time.
    fn same_nodes(&self, before: &Self) -> bool {
        self.nodes.same(&before.nodes) || (self.nodes.is_empty() && before.nodes.is_empty())
    }

    /// What of it is in a namespace, and all nodes.
    fn within(&self, space: &str, nodes: &Cache<Node>) -> Objects {
        fn part<K: Kind>(all: &Snapshot<K>, space: &str) -> Cache<K> {
            let cache = Cache::default();
            cache.replace_shared(all.within(space).cloned().collect());
            cache
        }
        Objects {
            services: part(&self.services, space),
            endpoint_slices: part(&self.slices, space),
            pods: part(&self.pods, space),
            nodes: nodes.clone(),
            ..Objects::default()
        }
    }
}

/// Adds the namespaces of all blocks that are in one of two snapshots only.
fn differ<K: Kind>(before: &Snapshot<K>, after: &Snapshot<K>, spaces: &mut HashSet<Arc<str>>) {
    if before.same(after) {
        return;
    }
    let of = |snapshot: &Snapshot<K>| snapshot.blocks().iter().map(Arc::as_ptr).collect::<HashSet<_>>();
    let (old, new) = (of(before), of(after));
    let gone = before.blocks().iter().filter(|block| !new.contains(&Arc::as_ptr(block)));
    let come = after.blocks().iter().filter(|block| !old.contains(&Arc::as_ptr(block)));
    for object in gone.chain(come).flat_map(|block| block.iter()) {
        if !spaces.contains(&object.meta().namespace) {
            spaces.insert(Arc::clone(&object.meta().namespace));
        }
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
