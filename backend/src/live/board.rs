//! The values tables sort, filter and count by, shared by all who look at a kind.
//!
//! Values belong to a block of the snapshot and hold for as long as the block is the same one; within a block that
//! changed, an object that did not change keeps its value. Costs 32 bytes an object and column in use.

use super::cuts::{Cut, Pattern};
use super::order::Sort;
use super::spread::spread;
use crate::cluster::cache::Snapshot;
use crate::cluster::kinds::Kind;
use crate::cluster::snapshot::{Block, beside, key};
use crate::printers::Printer;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::{Level, Millis};

/// How long usage holds that somebody sorts or filters by, while nothing new is heard of any node: samples that grow too
/// old are no usage any more.
const USAGE_KEPT: Millis = 5_000;

/// Tables whose cuts are kept: this bounds what all of them cost together, half a megabyte each at 150,000 pods. Who comes
/// back later than so many others cuts anew.
const TABLES: usize = 32;

/// How long cuts are kept that no table asks for. They hold the objects they were cut from: with old ones of a cluster
/// that changes, memory would be many clusters'.
const CUTS_KEPT: Millis = 10_000;

/// How an object is, and the word of its state group.
pub type State = (Level, &'static str);

/// A value of each of a block's objects, or values of the whole block.
#[derive(Debug)]
pub struct Part<K, T> {
    pub objects: Block<K>,
    pub values: Vec<T>,
}

/// The values of a snapshot, block by block.
#[derive(Debug)]
pub struct Values<K, T> {
    objects: Snapshot<K>,
    pub parts: Vec<Arc<Part<K, T>>>,
}

/// A usage column's values, the round of samples they were made of, and when.
#[derive(Debug)]
struct Usage<K> {
    round: u64,
    made: Millis,
    values: Arc<Values<K, Sort>>,
}

/// A table's cuts, and when they were last used.
#[derive(Debug)]
struct Kept<K> {
    used: Millis,
    pattern: Pattern,
    cuts: Vec<Cut<K>>,
}

/// The shared values of one kind.
#[derive(Debug)]
pub struct Board<K> {
    columns: Mutex<BTreeMap<usize, Arc<Values<K, Sort>>>>,
    usage: Mutex<BTreeMap<usize, Usage<K>>>,
    states: Mutex<Option<Arc<Values<K, State>>>>,
    /// The last used is the last.
    cuts: Mutex<Vec<Kept<K>>>,
}

impl<K> Default for Board<K> {
    fn default() -> Self {
        Self { columns: Mutex::default(), usage: Mutex::default(), states: Mutex::default(), cuts: Mutex::default() }
    }
}

impl<K: Printer> Board<K> {
    /// A column's values for a snapshot.
    pub fn column(&self, at: usize, objects: &Snapshot<K>, now: Millis) -> Arc<Values<K, Sort>> {
        let known = self.columns.lock().get(&at).cloned();
        let fresh = Values::renewed(known.as_ref(), objects, |object| {
            object.cell(at, now).as_ref().map_or(Sort::Missing, Sort::of)
        });
        self.columns.lock().insert(at, Arc::clone(&fresh));
        fresh
    }

    /// The values of a column that moves by itself, `make` giving one; made once a round of samples.
    pub fn usage(
        &self,
        at: usize,
        objects: &Snapshot<K>,
        (round, now): (u64, Millis),
        make: impl Fn(&K) -> Sort + std::marker::Sync,
    ) -> Arc<Values<K, Sort>> {
        let (known, made) = {
            let usage = self.usage.lock();
            let holds = |known: &&Usage<K>| known.round == round && (0..USAGE_KEPT).contains(&(now - known.made));
            let known = usage.get(&at).filter(holds);
            (known.map(|known| Arc::clone(&known.values)), known.map_or(now, |known| known.made))
        };
        let values = Values::renewed(known.as_ref(), objects, make);
        self.usage.lock().insert(at, Usage { round, made, values: Arc::clone(&values) });
        values
    }

    /// What was last made of the blocks for tables like this one; nothing is left for others until it is kept again.
    pub(super) fn take(&self, pattern: &Pattern) -> Vec<Cut<K>> {
        let mut cuts = self.cuts.lock();
        let at = cuts.iter().position(|known| known.pattern == *pattern);
        at.map(|at| cuts.remove(at).cuts).unwrap_or_default()
    }

    pub(super) fn keep(&self, pattern: Pattern, cuts: Vec<Cut<K>>, now: Millis) {
        let mut all = self.cuts.lock();
        // Somebody else may have made the same meanwhile.
        let (stay, go): (Vec<_>, Vec<_>) = std::mem::take(&mut *all)
            .into_iter()
            .partition(|known| known.pattern != pattern && (0..CUTS_KEPT).contains(&(now - known.used)));
        *all = stay;
        all.push(Kept { used: now, pattern, cuts });
        let oldest = (all.len() > TABLES).then(|| all.remove(0));
        drop(all);
        drop((go, oldest)); // outside the lock: they may be the last to hold many objects
    }

    /// Lets go of everything: nobody looks, and what was made of a snapshot holds its objects.
    pub fn forget(&self) {
        let columns = (std::mem::take(&mut *self.columns.lock()), std::mem::take(&mut *self.usage.lock()));
        let rest = (self.states.lock().take(), std::mem::take(&mut *self.cuts.lock()));
        drop((columns, rest)); // outside the locks
    }

    /// All objects' states for a snapshot.
    pub fn states(&self, objects: &Snapshot<K>, now: Millis) -> Arc<Values<K, State>> {
        let known = self.states.lock().clone();
        let fresh = Values::renewed(known.as_ref(), objects, |object| object.state(now));
        *self.states.lock() = Some(Arc::clone(&fresh));
        fresh
    }
}

impl<K: Kind, T: Clone + Send + std::marker::Sync> Values<K, T> {
    /// The values of `objects`: taken over from `known` where block or object are the same, made where they are not.
    pub fn renewed(
        known: Option<&Arc<Self>>,
        objects: &Snapshot<K>,
        make: impl Fn(&K) -> T + std::marker::Sync,
    ) -> Arc<Self> {
        if let Some(known) = known.filter(|known| known.objects.same(objects)) {
            return Arc::clone(known);
        }
        let part = |block: &Block<K>, old: &[Arc<Part<K, T>>]| {
            let mut old = old.iter().flat_map(|part| part.objects.iter().zip(&part.values)).peekable();
            let value = |object: &Arc<K>| {
                while old.next_if(|(before, _)| key(&***before) < key(&**object)).is_some() {}
                let same = old.peek().filter(|(before, _)| Arc::ptr_eq(before, object));
                same.map_or_else(|| make(object), |(_, value)| (*value).clone())
            };
            block.iter().map(value).collect()
        };
        Arc::new(Self::walk(known.map(|known| &**known), objects, part))
    }

    /// Values of whole blocks of `objects`, any number of them each: taken over from `known` where the block is the same.
    pub fn of_blocks(
        known: Option<&Arc<Self>>,
        objects: &Snapshot<K>,
        make: impl Fn(&Block<K>) -> Vec<T> + std::marker::Sync,
    ) -> Arc<Self> {
        match known.filter(|known| known.objects.same(objects)) {
            Some(known) => Arc::clone(known),
            None => Arc::new(Self::walk(known.map(|known| &**known), objects, |block, _| make(block))),
        }
    }

    /// These values for a later snapshot: an object keeps its value whatever became of it, one that was not there then
    /// has `missing`.
    pub fn carried(self: &Arc<Self>, objects: &Snapshot<K>, missing: &T) -> Arc<Self> {
        if self.objects.same(objects) {
            return Arc::clone(self);
        }
        let part = |block: &Block<K>, old: &[Arc<Part<K, T>>]| {
            let mut old = old.iter().flat_map(|part| part.objects.iter().zip(&part.values)).peekable();
            let value = |object: &Arc<K>| {
                while old.next_if(|(before, _)| key(&***before) < key(&**object)).is_some() {}
                let same = old.peek().filter(|(before, _)| before.meta().id == object.meta().id);
                same.map_or_else(|| missing.clone(), |(_, value)| (*value).clone())
            };
            block.iter().map(value).collect()
        };
        Arc::new(Self::walk(Some(self), objects, part))
    }

    /// Blocks that are the same ones keep their parts; `part` makes the others, given all old parts that are not before.
    fn walk(
        known: Option<&Self>,
        objects: &Snapshot<K>,
        part: impl Fn(&Block<K>, &[Arc<Part<K, T>>]) -> Vec<T> + std::marker::Sync,
    ) -> Self {
        let old = known.map_or(&[][..], |known| &known.parts);
        let mut at = 0;
        let mut parts: Vec<Option<Arc<Part<K, T>>>> = Vec::with_capacity(objects.blocks().len());
        let mut todo = Vec::new();
        for block in objects.blocks() {
            at = beside(|at| old.get(at).map(|part| &part.objects), at, block);
            let same = old.get(at).filter(|part| Arc::ptr_eq(&part.objects, block));
            match same {
                Some(_) => at += 1,
                None => todo.push((block, at)),
            }
            parts.push(same.map(Arc::clone));
        }
        let made = spread(todo, |(block, at)| {
            let values = part(block, old.get(at..).unwrap_or_default());
            Arc::new(Part { objects: Arc::clone(block), values })
        });
        let mut made = made.into_iter();
        let parts = parts.into_iter().filter_map(|part| part.or_else(|| made.next())).collect();
        Self { objects: objects.clone(), parts }
    }
}
