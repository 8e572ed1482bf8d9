//! A kind's objects in order of namespace and name, cut into blocks that one moment shares with the next.
//!
//! A change costs a copy of one block's pointers, a snapshot one pointer a block. What a reader made of a block holds for
//! as long as the block is the same one: at 150,000 pods a change leaves all but one of 2,000 blocks as they are.

use super::kinds::Kind;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher as _;
use std::slice;
use std::sync::Arc;

/// Objects a block has at most; one that grows beyond is halved. Smaller ones make changes cheaper and snapshots longer.
const BLOCK: usize = 128;

/// Neighbours in order; never empty.
pub type Block<K> = Arc<Vec<Arc<K>>>;

/// The objects of one moment, sorted by namespace, then name. Cheap to clone.
#[derive(Debug)]
pub struct Snapshot<K> {
    inner: Arc<Inner<K>>,
}

#[derive(Debug)]
struct Inner<K> {
    blocks: Box<[Block<K>]>,
    /// The index of each block's first object.
    starts: Box<[usize]>,
    len: usize,
}

/// The objects of now: a sorted map by namespace and name. Most look one object up, so there is a way to each that does not
/// compare names half alike on the way: a pointer an object.
#[derive(Debug)]
pub(super) struct Blocks<K> {
    blocks: Vec<Block<K>>,
    len: usize,
    index: HashTable<Arc<K>>,
    hasher: RandomState,
}

/// By what objects are sorted.
pub fn key<K: Kind>(object: &K) -> (&str, &str) {
    let meta = object.meta();
    (&meta.namespace, &meta.name)
}

/// Where in `blocks`, not before `from`, a block is that has what `block` has: the very same one, or else the first that
/// does not end before it begins. Blocks have to be asked for in order, `from` being the last answer (one more if that
/// was the same block).
pub fn beside<'a, K: Kind>(old: impl Fn(usize) -> Option<&'a Block<K>>, from: usize, block: &Block<K>) -> usize {
    let mut at = from;
    while let Some(known) = old(at) {
        if Arc::ptr_eq(known, block)
            || known.last().map(|last| key(&**last)) >= block.first().map(|first| key(&**first))
        {
            break;
        }
        at += 1;
    }
    at
}

/// The objects of a snapshot, in order.
pub type Iter<'a, K> =
    std::iter::FlatMap<slice::Iter<'a, Block<K>>, slice::Iter<'a, Arc<K>>, fn(&'a Block<K>) -> slice::Iter<'a, Arc<K>>>;

// === impl Snapshot ===

impl<'a, K> IntoIterator for &'a Snapshot<K> {
    type Item = &'a Arc<K>;
    type IntoIter = Iter<'a, K>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K> Clone for Snapshot<K> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K> Default for Snapshot<K> {
    fn default() -> Self {
        Self { inner: Arc::new(Inner { blocks: Box::default(), starts: Box::default(), len: 0 }) }
    }
}

impl<K> Snapshot<K> {
    pub fn len(&self) -> usize {
        self.inner.len
    }

    pub fn is_empty(&self) -> bool {
        self.inner.len == 0
    }

    /// Whether it is the very same moment.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub fn blocks(&self) -> &[Block<K>] {
        &self.inner.blocks
    }

    pub fn iter(&self) -> Iter<'_, K> {
        self.inner.blocks.iter().flat_map((|block: &Block<K>| block.iter()) as fn(&Block<K>) -> slice::Iter<'_, Arc<K>>)
    }

    /// The object at a place in the order.
    pub fn get(&self, at: usize) -> Option<&Arc<K>> {
        let block = self.inner.starts.partition_point(|start| *start <= at).checked_sub(1)?;
        self.inner.blocks.get(block)?.get(at - self.inner.starts.get(block)?)
    }
}

impl<K: Kind> Snapshot<K> {
    /// An object by its name.
    pub fn find(&self, namespace: &str, name: &str) -> Option<&Arc<K>> {
        find(&self.inner.blocks, (namespace, name))
    }

    /// The objects of one namespace, in order.
    pub fn within<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Arc<K>> {
        let before = |object: &Arc<K>| *object.meta().namespace < *namespace;
        let first = self.inner.blocks.partition_point(|block| block.last().is_some_and(before));
        let rest = self.inner.blocks.get(first..).unwrap_or_default().iter().flat_map(|block| block.iter());
        rest.skip_while(move |object| before(object)).take_while(move |object| *object.meta().namespace == *namespace)
    }
}

// === impl Blocks ===

impl<K> Default for Blocks<K> {
    fn default() -> Self {
        Self { blocks: Vec::new(), len: 0, index: HashTable::new(), hasher: RandomState::default() }
    }
}

impl<K> Blocks<K> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<K>> {
        self.blocks.iter().flat_map(|block| block.iter())
    }
}

impl<K: Kind> Blocks<K> {
    /// Of objects in any order; the last of those with the same name stays.
    pub(super) fn of(mut objects: Vec<Arc<K>>) -> Self {
        objects.reverse();
        objects.sort_by(|a, b| key(&**a).cmp(&key(&**b))); // stable: the last given is the first of its name
        objects.dedup_by(|later, first| key(&**later) == key(&**first));
        // Blocks begin three quarters full: room for some more each, without much that is unused.
        let blocks = objects.chunks(BLOCK * 3 / 4).map(|part| Arc::new(part.to_vec())).collect();
        let (mut index, hasher) = (HashTable::with_capacity(objects.len()), RandomState::default());
        let hash = |object: &Arc<K>| hasher.hash_one(key(&**object));
        for object in &objects {
            index.insert_unique(hash(object), Arc::clone(object), hash);
        }
        Self { blocks, len: objects.len(), index, hasher }
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&Arc<K>> {
        let named = (namespace, name);
        self.index.find(self.hasher.hash_one(named), |known| key(&**known) == named)
    }

    /// Puts an object in, or in the place of the one of its name.
    pub(super) fn put(&mut self, object: Arc<K>) {
        let hash = |object: &Arc<K>| self.hasher.hash_one(key(&**object));
        match self.index.find_mut(hash(&object), |known| key(&**known) == key(&*object)) {
            Some(known) => *known = Arc::clone(&object),
            None => drop(self.index.insert_unique(hash(&object), Arc::clone(&object), hash)),
        }
        let place = place(&self.blocks, key(&*object)).min(self.blocks.len().saturating_sub(1));
        let Some(block) = self.blocks.get_mut(place) else {
            self.len = 1;
            return self.blocks.push(Arc::new(vec![object]));
        };
        let block = Arc::make_mut(block);
        match block.binary_search_by(|known| key(&**known).cmp(&key(&*object))) {
            Ok(at) => {
                if let Some(known) = block.get_mut(at) {
                    *known = object;
                }
            }
            Err(at) => {
                block.insert(at, object);
                self.len += 1;
                if block.len() > BLOCK {
                    let half = block.split_off(BLOCK / 2);
                    self.blocks.insert(place + 1, Arc::new(half));
                }
            }
        }
    }

    /// Whether there was one.
    pub(super) fn remove(&mut self, namespace: &str, name: &str) -> bool {
        let named = (namespace, name);
        if let Ok(known) = self.index.find_entry(self.hasher.hash_one(named), |known| key(&**known) == named) {
            known.remove();
        }
        let place = place(&self.blocks, (namespace, name));
        let Some(block) = self.blocks.get_mut(place) else { return false };
        let Ok(at) = block.binary_search_by(|known| key(&**known).cmp(&(namespace, name))) else { return false };
        let block = Arc::make_mut(block);
        block.remove(at);
        let left = block.len();
        self.len -= 1;
        if left == 0 {
            self.blocks.remove(place);
        } else if self.blocks.get(place + 1).is_some_and(|next| left + next.len() <= BLOCK / 2) {
            // Small neighbours become one: a namespace that empties leaves no crumbs.
            let next = self.blocks.remove(place + 1);
            if let Some(block) = self.blocks.get_mut(place) {
                Arc::make_mut(block).extend(next.iter().cloned());
            }
        }
        true
    }

    pub(super) fn snapshot(&self) -> Snapshot<K> {
        let starts = self.blocks.iter().scan(0, |start, block| {
            *start += block.len();
            Some(*start - block.len())
        });
        let (blocks, starts) = (self.blocks.iter().cloned().collect(), starts.collect());
        Snapshot { inner: Arc::new(Inner { blocks, starts, len: self.len }) }
    }
}

/// The first block that does not end before a name.
fn place<K: Kind>(blocks: &[Block<K>], name: (&str, &str)) -> usize {
    blocks.partition_point(|block| block.last().is_some_and(|last| key(&**last) < name))
}

fn find<'a, K: Kind>(blocks: &'a [Block<K>], name: (&str, &str)) -> Option<&'a Arc<K>> {
    let block = blocks.get(place(blocks, name))?;
    block.get(block.binary_search_by(|known| key(&**known).cmp(&name)).ok()?)
}

#[cfg(test)]
mod snapshot_tests {
    use super::*;
    use crate::cluster::kinds::{Meta, Namespace};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn object(number: u16, phase: u16) -> Arc<Namespace> {
        let (namespace, name) = (format!("n{}", number / 64), format!("o{number}"));
        let meta = Meta {
            id: 0,
            uid: "".into(),
            namespace: namespace.into(),
            name: name.into(),
            labels: Arc::new([]),
            created: 0,
            deleted: None,
            owner: None,
        };
        Arc::new(Namespace { meta, phase: phase.to_string().into() })
    }

    proptest! {
        #[test]
        fn blocks_are_a_sorted_map_and_a_snapshot_never_changes(
            first in proptest::collection::vec(0_u16..400, 0..400),
            steps in proptest::collection::vec((0_u16..400, 0_u16..3), 0..400),
        ) {
            let mut blocks = Blocks::of(first.iter().zip(0..).map(|(number, phase)| object(*number, phase)).collect());
            let mut model: BTreeMap<(String, String), Arc<Namespace>> = BTreeMap::new();
            let named = |object: &Namespace| (object.meta.namespace.to_string(), object.meta.name.to_string());
            for (number, phase) in first.iter().zip(0..) {
                let object = object(*number, phase);
                model.insert(named(&object), object);
            }
            let (began, before) = (blocks.snapshot(), model.clone());
            for (number, what) in steps {
                let object = object(number, what);
                if what == 0 {
                    let removed = blocks.remove(&object.meta.namespace, &object.meta.name);
                    prop_assert_eq!(removed, model.remove(&named(&object)).is_some());
                } else {
                    model.insert(named(&object), Arc::clone(&object));
                    blocks.put(object);
                }
            }
            for number in 0..400 {
                let object = object(number, 0);
                let (namespace, name) = key(&*object);
                prop_assert_eq!(blocks.get(namespace, name), model.get(&named(&object)));
            }
            for (snapshot, model) in [(blocks.snapshot(), &model), (began, &before)] {
                prop_assert!(snapshot.iter().eq(model.values()));
                prop_assert_eq!(snapshot.len(), model.len());
                prop_assert!(snapshot.blocks().iter().all(|block| (1..=BLOCK).contains(&block.len())));
                for (at, (name, object)) in model.iter().enumerate() {
                    prop_assert_eq!(snapshot.get(at), Some(object));
                    prop_assert_eq!(snapshot.find(&name.0, &name.1), Some(object));
                }
                prop_assert_eq!(snapshot.get(model.len()), None);
                prop_assert_eq!(snapshot.find("n1", "x"), None);
                let within: Vec<_> = snapshot.within("n3").collect();
                prop_assert_eq!(within, model.iter().filter(|(name, _)| name.0 == "n3").map(|(_, one)| one).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_change_leaves_the_other_blocks_as_they_are() {
        let mut blocks = Blocks::of((0..5_000).map(|number| object(number, 0)).collect());
        let before = blocks.snapshot();
        blocks.put(object(2_500, 1));
        let after = blocks.snapshot();
        let same = before.blocks().iter().zip(after.blocks()).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!((same, before.blocks().len()), (52, 53));
    }
}
