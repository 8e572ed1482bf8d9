//! The order of a table: a value a row and column, and a total comparison of rows.
//!
//! Values of a column are made once per version of a kind and shared by all who sort or filter by it; an object that
//! did not change keeps its value. Costs 24 bytes an object and column in use, and one pass over pointers a version.

use crate::cluster::cache::Snapshot;
use crate::printers::Printer;
use parking_lot::Mutex;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::table::Cell;
use wire::{Level, Millis};

/// What a cell sorts and filters by. [`Sort::Missing`] is last in both directions.
#[derive(Clone, Debug, PartialEq)]
pub enum Sort {
    Missing,
    Number(f64),
    /// Sorts as an age: the younger first.
    Time(Millis),
    Text(Box<str>),
}

/// How an object is, and the word of its state group.
pub type State = (Level, &'static str);

/// One value an object, in the order of the snapshot they were made of.
#[derive(Debug)]
pub struct Values<K, T> {
    pub objects: Snapshot<K>,
    pub values: Vec<T>,
}

/// The shared values of one kind.
#[derive(Debug)]
pub struct Board<K> {
    columns: Mutex<BTreeMap<usize, Arc<Values<K, Sort>>>>,
    states: Mutex<Option<Arc<Values<K, State>>>>,
}

impl<K> Default for Board<K> {
    fn default() -> Self {
        Self { columns: Mutex::default(), states: Mutex::default() }
    }
}

impl Sort {
    pub fn of(cell: &Cell) -> Self {
        match cell {
            Cell::None => Self::Missing,
            Cell::Text(text) | Cell::State(_, text) => Self::Text(text.as_str().into()),
            Cell::Int(number) => Self::Number(*number as f64),
            Cell::Time(at) => Self::Time(*at),
            Cell::Ready(ready, total) => Self::Number(f64::from(*ready) + f64::from(*total) / 1e6),
            Cell::Restarts(count, _) => Self::Number(f64::from(*count)),
            Cell::Usage(usage) if usage.used.is_nan() => Self::Missing,
            Cell::Usage(usage) => Self::Number(f64::from(usage.used)),
        }
    }

    /// Total; unknown values last whatever the direction.
    pub fn compare(&self, other: &Self, descending: bool) -> Ordering {
        let order = match (self, other) {
            (Self::Missing, Self::Missing) => return Ordering::Equal,
            (Self::Missing, _) => return Ordering::Greater,
            (_, Self::Missing) => return Ordering::Less,
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Time(a), Self::Time(b)) => b.cmp(a),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            // A column that mixes kinds of cells: numbers, then times, then texts.
            (a, b) => a.class().cmp(&b.class()),
        };
        if descending { order.reverse() } else { order }
    }

    fn class(&self) -> u8 {
        match self {
            Self::Number(_) => 0,
            Self::Time(_) => 1,
            Self::Text(_) => 2,
            Self::Missing => 3,
        }
    }
}

impl<K: Printer> Board<K> {
    /// A column's values for a snapshot.
    pub fn column(&self, at: usize, objects: &Snapshot<K>, now: Millis) -> Arc<Values<K, Sort>> {
        let known = self.columns.lock().get(&at).cloned();
        if let Some(known) = known.as_ref().filter(|known| Arc::ptr_eq(&known.objects, objects)) {
            return Arc::clone(known);
        }
        let value = |object: &K| object.cells(now).get(at).map_or(Sort::Missing, Sort::of);
        let fresh = Arc::new(renew(known.as_deref(), objects, value));
        self.columns.lock().insert(at, Arc::clone(&fresh));
        fresh
    }

    /// All objects' states for a snapshot.
    pub fn states(&self, objects: &Snapshot<K>, now: Millis) -> Arc<Values<K, State>> {
        let known = self.states.lock().clone();
        if let Some(known) = known.as_ref().filter(|known| Arc::ptr_eq(&known.objects, objects)) {
            return Arc::clone(known);
        }
        let fresh = Arc::new(renew(known.as_deref(), objects, |object: &K| object.state(now)));
        *self.states.lock() = Some(Arc::clone(&fresh));
        fresh
    }
}

/// The values of `objects`: taken over from `known` where the object is the same, made where it is not. What has to be
/// made is split over the machine's cores.
fn renew<K: Printer, T: Clone + Send>(
    known: Option<&Values<K, T>>,
    objects: &Snapshot<K>,
    make: impl Fn(&K) -> T + std::marker::Sync,
) -> Values<K, T> {
    let mut values: Vec<Option<T>> = Vec::with_capacity(objects.len());
    let mut old = known.iter().flat_map(|known| known.objects.iter().zip(&known.values)).peekable();
    for object in objects.iter() {
        let meta = object.meta();
        let value = loop {
            let Some((before, value)) = old.peek() else { break None };
            if Arc::ptr_eq(before, object) {
                break Some((*value).clone());
            }
            let was = before.meta();
            match (&was.namespace, &was.name).cmp(&(&meta.namespace, &meta.name)) {
                Ordering::Less => _ = old.next(),
                Ordering::Equal | Ordering::Greater => break None,
            }
        };
        values.push(value);
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let part = objects.len().div_ceil(cores).max(4096); // below that a thread costs more than it saves
    let fill = |values: &mut [Option<T>], objects: &[Arc<K>]| {
        for (value, object) in values.iter_mut().zip(objects) {
            value.get_or_insert_with(|| make(object));
        }
    };
    if known.is_some() || objects.len() <= part {
        fill(&mut values, objects);
    } else {
        std::thread::scope(|scope| {
            for (values, objects) in values.chunks_mut(part).zip(objects.chunks(part)) {
                scope.spawn(|| fill(values, objects));
            }
        });
    }
    Values { objects: Arc::clone(objects), values: values.into_iter().flatten().collect() }
}

impl<K: Printer> Values<K, Sort> {
    /// These values in the order of a later snapshot: objects that were not there then are [`Sort::Missing`].
    pub fn carried(&self, objects: &Snapshot<K>) -> Self {
        let mut old = self.objects.iter().zip(&self.values).peekable();
        let values = objects
            .iter()
            .map(|object| {
                let meta = object.meta();
                loop {
                    let Some((before, value)) = old.peek() else { return Sort::Missing };
                    if Arc::ptr_eq(before, object) || before.meta().id == meta.id {
                        return (*value).clone();
                    }
                    let was = before.meta();
                    if (&was.namespace, &was.name) >= (&meta.namespace, &meta.name) {
                        return Sort::Missing;
                    }
                    old.next();
                }
            })
            .collect();
        Self { objects: Arc::clone(objects), values }
    }
}
