//! One cache per kind: a single writer (its watch), many readers.
//!
//! Readers take a [`Cache::snapshot`] (cheap: cached per version) or look one object up. A relist replaces the whole
//! content at once: no reader ever sees half of it.

use super::kinds::{Deployment, EndpointSlice, Event, Kind, Namespace, Node, Pod, ReplicaSet, Service};
use super::snapshot::Blocks;
pub use super::snapshot::Snapshot;
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;
use wire::{Millis, Say};

/// How current a cache is.
#[derive(Clone, Debug, PartialEq)]
pub enum Sync {
    /// The first list is not whole yet: how many objects so far.
    Loading(u32),
    /// A watch is open; everything up to now is in.
    Live,
    /// The watch is broken since a time, and why; the content is the last known.
    Stale(Millis, Say),
    /// Our own account may not list this kind: what is missing.
    Denied(Say),
    /// This kind is not watched in this process.
    Off,
}

/// Reader's and writer's shared half. Cheap to clone.
pub struct Cache<K> {
    shared: Arc<Shared<K>>,
}

struct Shared<K> {
    /// Held for one lookup, one insertion or one copy; never across an `await`.
    objects: RwLock<Blocks<K>>,
    /// The snapshot of a version, made when somebody asks for it.
    snapshot: Mutex<(u64, Snapshot<K>)>,
    /// Version: moves with every change of content or of `sync`.
    version: watch::Sender<u64>,
    sync: RwLock<Sync>,
    /// Whether a whole list was ever in.
    filled: AtomicBool,
}

/// The caches of all kinds.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    pub nodes: Cache<Node>,
    pub namespaces: Cache<Namespace>,
    pub pods: Cache<Pod>,
    pub replica_sets: Cache<ReplicaSet>,
    pub deployments: Cache<Deployment>,
    pub services: Cache<Service>,
    pub endpoint_slices: Cache<EndpointSlice>,
    pub events: Cache<Event>,
}

// === impl Cache ===

impl<K> Clone for Cache<K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<K> std::fmt::Debug for Cache<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cache({}, {:?})", self.shared.objects.read().len(), *self.shared.sync.read())
    }
}

impl<K: Kind> Default for Cache<K> {
    fn default() -> Self {
        Self {
            shared: Arc::new(Shared {
                objects: RwLock::default(),
                snapshot: Mutex::default(),
                version: watch::Sender::new(0),
                sync: RwLock::new(Sync::Off),
                filled: AtomicBool::new(false),
            }),
        }
    }
}

impl<K: Kind> Cache<K> {
    /// All objects as of now, sorted by namespace and name. Made once per version.
    pub fn snapshot(&self) -> Snapshot<K> {
        let mut cached = self.shared.snapshot.lock();
        let objects = self.shared.objects.read();
        let version = *self.shared.version.borrow();
        if cached.0 != version {
            *cached = (version, objects.snapshot());
        }
        cached.1.clone()
    }

    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        self.shared.objects.read().get(namespace, name).cloned()
    }

    pub fn len(&self) -> usize {
        self.shared.objects.read().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn sync(&self) -> Sync {
        self.shared.sync.read().clone()
    }

    /// Whether the content is, or was at some time, everything there is. A cache whose first list failed is not; one that
    /// was cut off later is.
    pub fn is_filled(&self) -> bool {
        self.shared.filled.load(Ordering::Acquire)
    }

    /// Moves whenever content or [`Sync`] change. A receiver that sleeps through many versions wakes once.
    pub fn version(&self) -> watch::Receiver<u64> {
        self.shared.version.subscribe()
    }

    /// Puts an object in or replaces it; nobody is woken when nothing the product reads of it changed.
    pub fn put(&self, object: K) {
        self.put_shared(Arc::new(object));
    }

    pub(super) fn put_shared(&self, object: Arc<K>) {
        let mut objects = self.shared.objects.write();
        let meta = object.meta();
        if objects.get(&meta.namespace, &meta.name).is_some_and(|known| *known == object) {
            return;
        }
        objects.put(object);
        self.moved();
    }

    pub fn remove(&self, namespace: &str, name: &str) {
        let mut objects = self.shared.objects.write();
        if objects.remove(namespace, name) {
            self.moved();
        }
    }

    /// Replaces everything at once.
    pub fn replace(&self, list: Vec<K>) {
        self.replace_shared(list.into_iter().map(Arc::new).collect());
    }

    /// As [`Cache::replace`], with objects that may be the very ones already here: a relist in which nothing changed
    /// costs one pointer an object, not a second cluster.
    pub(crate) fn replace_shared(&self, list: Vec<Arc<K>>) {
        let fresh = Blocks::of(list);
        let mut objects = self.shared.objects.write();
        let first = !self.shared.filled.swap(true, Ordering::AcqRel);
        if !first && objects.len() == fresh.len() && objects.iter().zip(fresh.iter()).all(|(a, b)| Arc::ptr_eq(a, b)) {
            return;
        }
        let old = std::mem::replace(&mut *objects, fresh);
        self.moved();
        drop(objects);
        drop(old); // outside the lock: freeing 150,000 objects takes a while
    }

    pub fn set_sync(&self, sync: Sync) {
        let mut known = self.shared.sync.write();
        match sync {
            Sync::Live => self.shared.filled.store(true, Ordering::Release),
            Sync::Loading(_) => self.shared.filled.store(false, Ordering::Release),
            Sync::Stale(..) | Sync::Denied(_) | Sync::Off => {}
        }
        if *known != sync {
            *known = sync;
            drop(known);
            self.moved();
        }
    }

    fn moved(&self) {
        self.shared.version.send_modify(|version| *version += 1);
    }
}
