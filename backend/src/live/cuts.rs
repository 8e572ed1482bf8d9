//! What a filter and an order make of each block of a snapshot, kept for as long as block and values are the same.
//!
//! A frame after one change filters and sorts one block of many; the window is then merged out of blocks that are in
//! order. Costs two bytes a row that passes the filter.

use super::board::{Part, State};
use super::order::Sort;
use super::spread::spread;
use super::verdicts::Verdicts;
use crate::cluster::kinds::Meta;
use crate::cluster::snapshot::beside;
use crate::printers::Printer;
use crate::session::Scope;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;
use wire::Millis;

/// Rows up to which the way to a window is walked row by row.
const NEAR: usize = 128;

/// What tables have in common whose blocks are cut alike.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub(super) filter: String,
    /// Places of columns, and whether they descend.
    pub(super) sorts: Vec<(usize, bool)>,
    /// Where rows may be seen, and where their usage.
    pub(super) scopes: [Scope; 2],
    /// Where Services' verdicts may be told, and these.
    pub(super) told: Option<([Scope; 2], Arc<Verdicts>)>,
    /// Since when the order is frozen.
    pub(super) frozen: Option<Millis>,
}

/// The values a block is cut by.
#[derive(Debug)]
pub(super) struct By<K> {
    pub(super) states: Arc<Part<K, State>>,
    /// What the filter asks for, and what is sorted by.
    pub(super) asked: Vec<Arc<Part<K, Sort>>>,
    pub(super) orders: Vec<Arc<Part<K, Sort>>>,
}

/// One block, cut.
#[derive(Debug)]
pub(super) struct Cut<K> {
    by: By<K>,
    /// Objects that may be seen.
    pub(super) permitted: u32,
    /// How many of the admitted there are of each state.
    pub(super) tally: Vec<(State, u32)>,
    /// The admitted objects' places in the block, in order.
    rows: Vec<u16>,
}

/// How blocks are cut.
pub(super) trait Knife<K>: Sync {
    /// Whether an object may be seen.
    fn permits(&self, meta: &Meta) -> bool;
    /// Whether an object that may be seen passes the filter, given its place in the block.
    fn admits(&self, object: &K, at: usize, asked: &[Arc<Part<K, Sort>>]) -> bool;
    /// An object's state, given the one it shows by itself.
    fn state(&self, object: &K, plain: State) -> State;
    /// The direction of each order: whether it descends.
    fn down(&self) -> &[bool];
}

/// Cuts every block, or takes it over from `known` where it is cut by the same values.
pub(super) fn cut<K: Printer + Sync>(known: Vec<Cut<K>>, all: Vec<By<K>>, knife: &impl Knife<K>) -> Vec<Cut<K>> {
    let mut known: Vec<Option<Cut<K>>> = known.into_iter().map(Some).collect();
    let mut at = 0;
    let mut kept = Vec::with_capacity(all.len());
    let mut todo = Vec::new();
    for by in all {
        let old = |at: usize| known.get(at).map(Option::as_ref).map(|cut| cut.map(|cut| &cut.by.states.objects));
        at = beside(|at| old(at).flatten(), at, &by.states.objects);
        match known.get_mut(at).and_then(|known| known.take_if(|known| known.by.same(&by))) {
            Some(cut) => {
                kept.push(Some(cut));
                at += 1;
            }
            None => {
                kept.push(None);
                todo.push(by);
            }
        }
    }
    let mut made = spread(todo, |by| Cut::new(by, knife)).into_iter();
    kept.into_iter().filter_map(|cut| cut.or_else(|| made.next())).collect()
}

/// The objects from `start` to before `end` in the order of all cuts together: blocks and places in them.
pub(super) fn window<K: Printer>(cuts: &[Cut<K>], down: &[bool], start: usize, end: usize) -> Vec<(usize, u16)> {
    let count: usize = cuts.iter().map(|cut| cut.rows.len()).sum();
    let (end, start) = (end.min(count), start.min(end).min(count));
    if down.is_empty() {
        let rows = cuts.iter().zip(0..).flat_map(|(cut, block)| cut.rows.iter().map(move |at| (block, *at)));
        return rows.skip(start).take(end - start).collect();
    }
    let (taken, before) = skip(cuts, down, start);
    let mut heads: BinaryHeap<Head<'_, K>> = cuts
        .iter()
        .zip(taken)
        .enumerate()
        .filter_map(|(block, (cut, taken))| Head { cut, block, taken, down }.valid())
        .collect();
    let mut rows = Vec::with_capacity(end - start);
    for place in before..end {
        let Some(head) = heads.pop() else { break };
        if place >= start {
            rows.extend(head.at().map(|at| (head.block, at)));
        }
        heads.extend(Head { taken: head.taken + 1, ..head }.valid());
    }
    rows
}

/// How many rows of each cut come before the `start`-th of all in order, or a little less, and how many that is in all.
/// Rows in order are asked only as often as it takes to halve what is left.
fn skip<K: Printer>(cuts: &[Cut<K>], down: &[bool], start: usize) -> (Vec<usize>, usize) {
    let mut low = vec![0_usize; cuts.len()];
    let mut high: Vec<usize> = cuts.iter().map(|cut| cut.rows.len()).collect();
    let (mut before, mut turn) = (0, 0_usize);
    while start - before > NEAR {
        // Any row that may still be on either side; the multiplier, a prime, spreads the turns.
        let left: usize = low.iter().zip(&high).map(|(low, high)| high - low).sum();
        turn += 1;
        let mut place = turn.wrapping_mul(2_654_435_761) % left.max(1);
        let pivot = cuts.iter().zip(low.iter().zip(&high)).enumerate().find_map(|(block, (cut, (low, high)))| {
            let here = high - low;
            if place < here {
                return Some(Head { cut, block, taken: low + place, down });
            }
            place -= here;
            None
        });
        let Some(pivot) = pivot else { break };
        let split = |(block, (cut, (low, high))): (usize, (&Cut<K>, (&usize, &usize)))| {
            let rows = cut.rows.get(*low..*high).unwrap_or_default();
            low + rows.partition_point(|at| pivot.after((cut, block, *at)))
        };
        let mut middle: Vec<usize> = cuts.iter().zip(low.iter().zip(&high)).enumerate().map(split).collect();
        let below: usize = middle.iter().sum();
        if start <= below {
            high = middle;
        } else {
            if let Some(own) = middle.get_mut(pivot.block) {
                *own = pivot.taken + 1;
            }
            low = middle;
            before = below + 1;
        }
    }
    (low, before)
}

/// The next row of a block that is not in the window yet. The greatest head is taken first.
struct Head<'a, K> {
    cut: &'a Cut<K>,
    block: usize,
    taken: usize,
    down: &'a [bool],
}

// === impl Pattern ===

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        let told = match (&self.told, &other.told) {
            (Some((scopes, ours)), Some((others, theirs))) => scopes == others && Arc::ptr_eq(ours, theirs),
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        };
        told && (&self.filter, &self.sorts, self.frozen) == (&other.filter, &other.sorts, other.frozen)
            && self.scopes == other.scopes
    }
}

// === impl By ===

impl<K> By<K> {
    fn same(&self, other: &Self) -> bool {
        let all = |ours: &[Arc<Part<K, Sort>>], theirs: &[Arc<Part<K, Sort>>]| {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| Arc::ptr_eq(a, b))
        };
        Arc::ptr_eq(&self.states, &other.states) && all(&self.asked, &other.asked) && all(&self.orders, &other.orders)
    }
}

// === impl Cut ===

impl<K: Printer> Cut<K> {
    fn new(by: By<K>, knife: &impl Knife<K>) -> Self {
        let (mut permitted, mut tally, mut rows) = (0, Vec::<(State, u32)>::new(), Vec::new());
        for ((at, object), plain) in by.states.objects.iter().enumerate().zip(&by.states.values) {
            if !knife.permits(object.meta()) {
                continue;
            }
            permitted += 1;
            if !knife.admits(object, at, &by.asked) {
                continue;
            }
            rows.extend(u16::try_from(at)); // a block has at most 128 objects
            let state = knife.state(object, *plain);
            match tally.iter_mut().find(|(known, _)| *known == state) {
                Some((_, count)) => *count += 1,
                None => tally.push((state, 1)),
            }
        }
        rows.sort_unstable_by(|a, b| compare((&by.orders, *a), (&by.orders, *b), knife.down()).then(a.cmp(b)));
        rows.shrink_to_fit();
        Self { by, permitted, tally, rows }
    }

    /// Objects that pass the filter.
    pub(super) fn admitted(&self) -> usize {
        self.rows.len()
    }

    /// The object at a place of the block.
    pub(super) fn object(&self, at: u16) -> Option<&Arc<K>> {
        self.by.states.objects.get(usize::from(at))
    }
}

type At<'a, K> = (&'a [Arc<Part<K, Sort>>], u16);

fn compare<K>((ours, a): At<'_, K>, (theirs, b): At<'_, K>, down: &[bool]) -> Ordering {
    for ((ours, theirs), down) in ours.iter().zip(theirs).zip(down) {
        if let (Some(a), Some(b)) = (ours.values.get(usize::from(a)), theirs.values.get(usize::from(b))) {
            let order = a.compare(b, *down);
            if order != Ordering::Equal {
                return order;
            }
        }
    }
    Ordering::Equal
}

// === impl Head ===

impl<K> Head<'_, K> {
    fn at(&self) -> Option<u16> {
        self.cut.rows.get(self.taken).copied()
    }

    /// Whether it comes after a row.
    fn after(&self, (cut, block, at): (&Cut<K>, usize, u16)) -> bool {
        self.at().is_some_and(|own| {
            let order = compare((&self.cut.by.orders, own), (&cut.by.orders, at), self.down);
            order.then((self.block, own).cmp(&(block, at))) == Ordering::Greater
        })
    }

    fn valid(self) -> Option<Self> {
        self.at().is_some().then_some(self)
    }
}

impl<K> Ord for Head<'_, K> {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.at().unwrap_or(u16::MAX), other.at().unwrap_or(u16::MAX));
        let order = compare((&self.cut.by.orders, a), (&other.cut.by.orders, b), self.down);
        // The snapshot is sorted by namespace and name: with place the order is total.
        let order = order.then((self.block, a).cmp(&(other.block, b)));
        order.reverse()
    }
}

impl<K> PartialOrd for Head<'_, K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> PartialEq for Head<'_, K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<K> Eq for Head<'_, K> {}
