//! The objects, as serialized bytes beside the few fields that selectors, owners and kubelets need.
//!
//! One resource version counts for all kinds. Every kind keeps its last changes in a ring, which watches read from;
//! a watch that fell behind the ring is told so (410). Objects are decoded only when somebody changes them.
//!
//! Costs: a pod is its JSON (about 3 KB) plus about 600 bytes. One lock guards all; it is held for one operation,
//! never across an `await`.

use crate::kinds::Kind;
use crate::run::Run;
use crate::selector::Selector;
use crate::status::Status;
use bytes::Bytes;
use parking_lot::RwLock;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use tokio::sync::watch;

/// Namespace (empty for cluster-scoped kinds) and name.
pub(crate) type Key = (Arc<str>, Arc<str>);

/// One stored object; immutable.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    pub(crate) key: Key,
    pub(crate) uid: Box<str>,
    pub(crate) version: u64,
    labels: Box<[(Box<str>, Box<str>)]>,
    /// In the order of the kind's `fields`.
    fields: Box<[Box<str>]>,
    owners: Box<[Box<str>]>,
    pub(crate) deleting: bool,
    /// Pods only: what its kubelet runs.
    pub(crate) run: Option<Box<Run>>,
    pub(crate) bytes: Bytes,
}

/// A change as watches see it.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) old: Option<Arc<Object>>,
    /// The last state when `deleted`.
    pub(crate) new: Arc<Object>,
    pub(crate) deleted: bool,
}

/// What a watch reads.
#[derive(Debug)]
pub(crate) enum Changes {
    /// The changes since, and the version up to which they are complete.
    Since(Vec<Change>, u64),
    /// The ring does not reach back that far.
    Gone,
}

#[derive(Debug)]
pub(crate) struct Store {
    state: RwLock<State>,
    /// One per kind: tells its watches the newest version.
    news: Vec<watch::Sender<u64>>,
    ring: usize,
}

#[derive(Debug)]
struct State {
    version: u64,
    tables: Vec<Table>,
    /// Dependents by their owner's uid.
    owned: HashMap<Box<str>, BTreeSet<(Kind, Key)>>,
    /// Pods by node.
    on_node: HashMap<Box<str>, BTreeMap<Key, Arc<Object>>>,
    uids: u64,
    seed: u64,
}

#[derive(Debug, Default)]
struct Table {
    objects: BTreeMap<Key, Arc<Object>>,
    ring: VecDeque<Change>,
    /// The newest version that left the ring.
    forgotten: u64,
}

// === impl Object ===

impl Object {
    fn new(kind: Kind, value: &Value, version: u64) -> Self {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let labels = value.pointer("/metadata/labels").and_then(Value::as_object);
        let owners = value.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        Self {
            kind,
            key: (text("/metadata/namespace").into(), text("/metadata/name").into()),
            uid: text("/metadata/uid").into(),
            version,
            labels: labels
                .into_iter()
                .flatten()
                .map(|(key, value)| (key.as_str().into(), value.as_str().unwrap_or_default().into()))
                .collect(),
            fields: kind.spec().fields.iter().map(|path| field(value, path).into()).collect(),
            owners: owners.into_iter().flatten().filter_map(|owner| owner["uid"].as_str()).map(Into::into).collect(),
            deleting: value.pointer("/metadata/deletionTimestamp").is_some_and(Value::is_string),
            run: (kind == Kind::Pod).then(|| Box::new(Run::of(value))),
            bytes: serde_json::to_vec(value).unwrap_or_default().into(),
        }
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.key.0
    }

    pub(crate) fn name(&self) -> &str {
        &self.key.1
    }

    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(k, _)| &**k == key).map(|(_, value)| &**value)
    }

    pub(crate) fn field(&self, path: &str) -> Option<&str> {
        match path {
            "metadata.name" => Some(self.name()),
            "metadata.namespace" => Some(self.namespace()),
            _ => {
                let at = self.kind.spec().fields.iter().position(|one| *one == path)?;
                self.fields.get(at).map(|value| &**value)
            }
        }
    }

    pub(crate) fn matches(&self, labels: &Selector, fields: &Selector) -> bool {
        labels.matches(|key| self.label(key)) && fields.matches(|path| self.field(path))
    }

    pub(crate) fn owners(&self) -> impl Iterator<Item = &str> {
        self.owners.iter().map(|uid| &**uid)
    }

    /// The object decoded. Stored bytes are always JSON.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }
}

fn field(value: &Value, path: &str) -> String {
    let pointer = format!("/{}", path.replace('.', "/"));
    match value.pointer(&pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(flag)) => flag.to_string(),
        _ if path == "spec.unschedulable" => "false".to_owned(),
        _ => String::new(),
    }
}

// === impl Store ===

impl Store {
    /// `ring`: how many changes per kind watches can go back.
    pub(crate) fn new(seed: u64, ring: usize) -> Self {
        let state = State {
            version: 1000,
            tables: Kind::ALL.iter().map(|_| Table::default()).collect(),
            owned: HashMap::new(),
            on_node: HashMap::new(),
            uids: 0,
            seed,
        };
        Self { state: RwLock::new(state), news: Kind::ALL.iter().map(|_| watch::channel(0).0).collect(), ring }
    }

    /// Forgets all changes so far: what was seeded has no history.
    pub(crate) fn forget(&self) {
        let mut state = self.state.write();
        let version = state.version;
        for table in &mut state.tables {
            table.ring.clear();
            table.forgotten = version;
        }
    }

    pub(crate) fn version(&self) -> u64 {
        self.state.read().version
    }

    pub(crate) fn len(&self, kind: Kind) -> usize {
        self.state.read().table(kind).objects.len()
    }

    pub(crate) fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<Object>> {
        self.state.read().table(kind).objects.get(&(namespace.into(), name.into())).cloned()
    }

    /// The objects after `after`, in key order, and the version they are of. An empty namespace means all.
    pub(crate) fn list(&self, kind: Kind, namespace: &str, after: Option<&Key>) -> (Vec<Arc<Object>>, u64) {
        let state = self.state.read();
        let from = match after {
            Some(key) => Bound::Excluded(key.clone()),
            None => Bound::Included((namespace.into(), "".into())),
        };
        let all = state.table(kind).objects.range((from, Bound::Unbounded));
        let objects = all
            .take_while(|(key, _)| namespace.is_empty() || &*key.0 == namespace)
            .map(|(_, object)| Arc::clone(object))
            .collect();
        (objects, state.version)
    }

    pub(crate) fn all(&self, kind: Kind) -> Vec<Arc<Object>> {
        self.list(kind, "", None).0
    }

    pub(crate) fn on_node(&self, node: &str) -> Vec<Arc<Object>> {
        self.state.read().on_node.get(node).map(|pods| pods.values().cloned().collect()).unwrap_or_default()
    }

    /// What the owner with this uid owns.
    pub(crate) fn owned(&self, uid: &str) -> Vec<Arc<Object>> {
        let state = self.state.read();
        let keys = state.owned.get(uid).into_iter().flatten();
        keys.filter_map(|(kind, key)| state.table(*kind).objects.get(key).cloned()).collect()
    }

    pub(crate) fn changes(&self, kind: Kind, since: u64) -> Changes {
        let state = self.state.read();
        let table = state.table(kind);
        if since < table.forgotten || since > state.version {
            return Changes::Gone;
        }
        let newer = table.ring.partition_point(|change| change.version <= since);
        Changes::Since(table.ring.range(newer..).cloned().collect(), state.version)
    }

    /// Whether changes since a version can still be told.
    pub(crate) fn remembers(&self, kind: Kind, since: u64) -> bool {
        let state = self.state.read();
        (state.table(kind).forgotten..=state.version).contains(&since)
    }

    /// Tells when a kind has changed.
    pub(crate) fn news(&self, kind: Kind) -> watch::Receiver<u64> {
        self.sender(kind).subscribe()
    }

    #[expect(clippy::indexing_slicing, reason = "one sender per kind, made in `new`")]
    fn sender(&self, kind: Kind) -> &watch::Sender<u64> {
        &self.news[kind as usize]
    }

    /// Stores a new object: gives it a uid, a generation and (unless it has one) its creation time.
    pub(crate) fn create(&self, kind: Kind, mut value: Value, now: i64) -> Result<Arc<Object>, Status> {
        let mut state = self.state.write();
        let name = value["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let namespace = value["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        if state.table(kind).objects.contains_key(&(namespace.into(), name.as_str().into())) {
            return Err(Status::exists(kind, &name));
        }
        state.uids += 1;
        let (high, low) = (crate::load::mix(state.seed, state.uids), crate::load::mix(state.uids, state.seed ^ 7));
        let metadata = &mut value["metadata"];
        metadata["uid"] = json!(format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        ));
        if metadata["creationTimestamp"].is_null() {
            metadata["creationTimestamp"] = json!(crate::clock::rfc3339(now));
        }
        if !value["spec"].is_null() {
            value["metadata"]["generation"] = json!(1);
        }
        Ok(self.put(&mut state, kind, value, None))
    }

    /// Reads, changes and writes one object under the lock. `change` says whether it changed anything.
    pub(crate) fn modify(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value) -> Result<bool, Status>,
    ) -> Result<Arc<Object>, Status> {
        let mut state = self.state.write();
        let key = (namespace.into(), name.into());
        let Some(old) = state.table(kind).objects.get(&key).cloned() else { return Err(Status::not_found(kind, name)) };
        let mut value = old.value();
        if !change(&mut value)? {
            return Ok(old);
        }
        Ok(self.put(&mut state, kind, value, Some(old)))
    }

    pub(crate) fn delete(&self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<Object>> {
        let mut state = self.state.write();
        let old = state.table_mut(kind).objects.remove(&(namespace.into(), name.into()))?;
        state.unlink(&old);
        state.version += 1;
        let version = state.version;
        let mut value = old.value();
        value["metadata"]["resourceVersion"] = json!(version.to_string());
        let last = Arc::new(Object::new(kind, &value, version));
        self.note(&mut state, Change { version, old: Some(old), new: Arc::clone(&last), deleted: true });
        Some(last)
    }

    fn put(&self, state: &mut State, kind: Kind, mut value: Value, old: Option<Arc<Object>>) -> Arc<Object> {
        state.version += 1;
        let version = state.version;
        value["metadata"]["resourceVersion"] = json!(version.to_string());
        let object = Arc::new(Object::new(kind, &value, version));
        if let Some(old) = &old {
            state.unlink(old);
        }
        state.link(&object);
        state.table_mut(kind).objects.insert(object.key.clone(), Arc::clone(&object));
        self.note(state, Change { version, old, new: Arc::clone(&object), deleted: false });
        object
    }

    fn note(&self, state: &mut State, change: Change) {
        let kind = change.new.kind;
        let version = change.version;
        let table = state.table_mut(kind);
        table.ring.push_back(change);
        if table.ring.len() > self.ring
            && let Some(dropped) = table.ring.pop_front()
        {
            table.forgotten = dropped.version;
        }
        self.sender(kind).send_replace(version);
    }
}

// === impl State ===

impl State {
    #[expect(clippy::indexing_slicing, reason = "one table per kind, made in `Store::new`")]
    fn table(&self, kind: Kind) -> &Table {
        &self.tables[kind as usize]
    }

    #[expect(clippy::indexing_slicing, reason = "one table per kind, made in `Store::new`")]
    fn table_mut(&mut self, kind: Kind) -> &mut Table {
        &mut self.tables[kind as usize]
    }

    fn link(&mut self, object: &Arc<Object>) {
        for owner in &object.owners {
            self.owned.entry(owner.clone()).or_default().insert((object.kind, object.key.clone()));
        }
        if let Some(node) = node_of(object) {
            self.on_node.entry(node.into()).or_default().insert(object.key.clone(), Arc::clone(object));
        }
    }

    fn unlink(&mut self, object: &Object) {
        for owner in &object.owners {
            if let Some(owned) = self.owned.get_mut(owner) {
                owned.remove(&(object.kind, object.key.clone()));
                if owned.is_empty() {
                    self.owned.remove(owner);
                }
            }
        }
        if let Some(node) = node_of(object)
            && let Some(pods) = self.on_node.get_mut(node)
        {
            pods.remove(&object.key);
        }
    }
}

fn node_of(object: &Object) -> Option<&str> {
    if object.kind != Kind::Pod {
        return None;
    }
    object.field("spec.nodeName").filter(|node| !node.is_empty())
}
