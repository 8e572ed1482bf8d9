//! A window of a table: filter, sort, cut, and what of it was sent.

use super::board::{Board, Part, State, Values};
use super::cuts::{self, By, Cut, Knife, Pattern};
use super::diff::diff;
use super::filter::Filter;
use super::order::Sort;
use super::requests::Requests;
use super::verdicts::Told;
use crate::cluster::kinds::{Meta, Node, Pod};
use crate::history::Reader;
use crate::printers::Printer;
use crate::session::{Permitted, Scope};
use std::any::Any;
use std::collections::HashSet;
use std::sync::Arc;
use wire::chart::Metric;
use wire::table::{ColumnId, Op, Row, TableAsk, Tally, Usage, WINDOW_MAX};
use wire::{Key, Millis, Say, Server, Sub};

/// How often an order that moves by itself (usage, restarts) is made anew.
const ORDER_KEPT: Millis = 5_000;
/// Points of a sparkline.
const SPARK: u16 = 20;
/// Sort columns that are looked at.
const SORTS: usize = 4;

/// What a browser was shown of a table.
#[derive(Debug, Default)]
pub struct Table {
    rows: Option<Vec<Row>>,
    rest: (u32, u32, Vec<Tally>, Vec<Say>),
    /// Frozen values of volatile sort columns, and when they were taken.
    frozen: Option<(Millis, Box<dyn Any + Send>)>,
    pub(super) hold: bool,
    /// Rows whose usage was sent since the last scrape, by column.
    sent: HashSet<(u8, Key)>,
    round: u64,
}

/// What a window is cut from.
#[derive(Debug)]
pub struct Source<'a, K> {
    pub objects: &'a crate::cluster::cache::Snapshot<K>,
    pub board: &'a Board<K>,
    pub history: &'a Reader,
    /// Where rows may be seen, and where their usage.
    pub scope: &'a Scope,
    pub usage: &'a Scope,
    /// How Services are, in their table.
    pub told: Option<&'a Told>,
    /// What pods ask of nodes, in their table.
    pub requests: Option<&'a Requests>,
    /// That rows of some namespaces only are shown.
    pub partial: Option<Say>,
}

/// A window, cut and ready.
#[derive(Debug, PartialEq)]
pub struct Window {
    pub rows: Vec<Row>,
    pub start: u32,
    pub matched: u32,
    pub total: u32,
    pub tally: Vec<Tally>,
    pub notes: Vec<Say>,
}

impl Table {
    /// The next frame, or `None` when the browser has everything there is.
    pub fn frame<K: Printer>(
        &mut self,
        source: &Source<'_, K>,
        ask: &TableAsk,
        (sub, seq, base): (Sub, u32, u32),
        now: Millis,
    ) -> Option<Permitted<Server>> {
        let columns = K::columns();
        let ids: Vec<ColumnId> = columns.iter().map(|column| column.id).collect();
        let window = self.window(source, ask, now);
        let mut frame = None;
        let window = window.map(|window| {
            let Window { rows, start, matched, total, tally, notes } = window;
            let rest = (matched, total, tally.clone(), notes.clone());
            let page = |rows: &[Row]| Server::Page {
                sub,
                seq,
                start,
                matched,
                total,
                columns: columns.clone(),
                rows: rows.to_vec(),
                tally: tally.clone(),
                as_of: now,
                notes: notes.clone(),
            };
            frame = match &self.rows {
                Some(shown) if self.rest.3 == notes => {
                    let ops = diff(&ids, shown, &rows);
                    let renewed = ops.iter().any(|op| matches!(op, Op::Remove(_) | Op::Insert(..)));
                    if ops.is_empty() && self.rest == rest {
                        None
                    } else if renewed && wire::encode(&ops).len() > wire::encode(&rows).len() {
                        Some(page(&rows))
                    } else {
                        Some(Server::Diff { sub, seq, base, ops, matched, total, tally: tally.clone(), as_of: now })
                    }
                }
                Some(_) | None => Some(page(&rows)),
            };
            if matches!(frame, Some(Server::Page { .. })) {
                self.sent.clear();
            }
            self.rest = rest;
            self.rows = Some(rows);
        });
        match frame {
            Some(frame) => Some(window.map(|()| frame)),
            None => self.cells(source, (sub, seq), &ids, now).map(|frame| window.map(|()| frame)),
        }
    }

    /// Whether the browser was shown anything.
    pub fn shown(&self) -> bool {
        self.rows.is_some()
    }

    /// Forgets what was shown: the next frame is a whole one.
    pub fn renew(&mut self) {
        *self = Self { hold: self.hold, ..Self::default() };
    }

    /// When the order has to be made anew although nothing changed.
    pub fn due(&self) -> Option<Millis> {
        self.frozen.as_ref().filter(|_| !self.hold).map(|(since, _)| since + ORDER_KEPT)
    }

    /// The window as it is now, under the order that is kept.
    pub fn window<K: Printer>(&mut self, source: &Source<'_, K>, ask: &TableAsk, now: Millis) -> Permitted<Window> {
        let columns = K::columns();
        let (filter, mut notes) = Filter::parse(&ask.filter, &columns);
        notes.extend(source.partial.clone());
        let place = |id: ColumnId| columns.iter().position(|column| column.id == id);
        let sorts: Vec<(usize, bool)> =
            ask.sort.iter().take(SORTS).filter_map(|(id, down)| Some((place(*id)?, *down))).collect();
        let word = |at: usize| columns.get(at).map_or("", |column| column.word.as_str());
        if source.usage.is_empty() && columns.iter().any(|column| column.id.0 >= 100) {
            notes.push(Say::new("M-NOPERM").with("resource", format!("{}.metrics.k8s.io", K::KIND.resource())));
        }
        let values = |at: usize| match word(at) {
            "cpu" => used(source, at, Metric::Cpu, now),
            "memory" => used(source, at, Metric::Memory, now),
            _ => source.board.column(at, source.objects, now),
        };
        let places = filter.columns();
        let asked: Vec<Arc<Values<K, Sort>>> = places.iter().map(|at| values(*at)).collect();
        let volatile = sorts.iter().any(|(at, _)| matches!(word(*at), "cpu" | "memory" | "restarts" | "last"));
        let orders = if volatile {
            self.orders(source, now, || sorts.iter().map(|(at, _)| values(*at)).collect())
        } else {
            self.frozen = None;
            sorts.iter().map(|(at, _)| values(*at)).collect()
        };
        let pattern = Pattern {
            filter: ask.filter.clone(),
            sorts,
            scopes: [source.scope.clone(), source.usage.clone()],
            told: source.told.map(|told| (told.scopes.clone(), Arc::clone(&told.verdicts))),
            frozen: self.frozen.as_ref().map(|(since, _)| *since),
        };
        // What a filter by age admits changes by itself.
        let timed = filter.timed(&columns);
        let known = if timed { Vec::new() } else { source.board.take(&pattern) };
        let of = |all: &[Arc<Values<K, Sort>>], block: usize| {
            all.iter().filter_map(|values| values.parts.get(block).map(Arc::clone)).collect()
        };
        let states = source.board.states(source.objects, now);
        let by = |(block, states): (usize, &Arc<_>)| By {
            states: Arc::clone(states),
            asked: of(&asked, block),
            orders: of(&orders, block),
        };
        let by = states.parts.iter().enumerate().map(by).collect();
        let down: Vec<bool> = pattern.sorts.iter().map(|(_, down)| *down).collect();
        let (scope, told) = (source.scope, source.told);
        let cuts = cuts::cut(known, by, &Blade { scope, told, filter: &filter, places: &places, down: &down, now });
        let matched: usize = cuts.iter().map(Cut::admitted).sum();
        let total = cuts.iter().map(|cut| cut.permitted).sum();
        let start = (ask.start as usize).min(matched);
        let window = cuts::window(&cuts, &down, start, start + ask.count.min(WINDOW_MAX) as usize);
        let objects: Vec<Arc<K>> =
            window.iter().filter_map(|(block, at)| cuts.get(*block)?.object(*at).map(Arc::clone)).collect();
        let tally = tally(&cuts);
        if !timed {
            source.board.keep(pattern, cuts, now);
        }
        scope.filter(&objects).map(|objects| {
            let rows = objects.into_iter().map(|object| row(source, &**object, now)).collect();
            let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            Window { rows, start: number(start), matched: number(matched), total, tally, notes }
        })
    }

    fn orders<K: Printer>(
        &mut self,
        source: &Source<'_, K>,
        now: Millis,
        fresh: impl FnOnce() -> Vec<Arc<Values<K, Sort>>>,
    ) -> Vec<Arc<Values<K, Sort>>> {
        if let Some((since, values)) = &mut self.frozen
            && (self.hold || now - *since < ORDER_KEPT)
            && let Some(values) = values.downcast_mut::<Vec<Arc<Values<K, Sort>>>>()
        {
            for values in values.iter_mut() {
                *values = values.carried(source.objects, &Sort::Missing);
            }
            return values.clone();
        }
        let fresh = fresh();
        self.frozen = Some((now, Box::new(fresh.clone())));
        fresh
    }

    /// Usage of rows that lack it since the last scrape.
    fn cells<K: Printer>(
        &mut self,
        source: &Source<'_, K>,
        (sub, seq): (Sub, u32),
        ids: &[ColumnId],
        now: Millis,
    ) -> Option<Server> {
        let round = *source.history.rounds().borrow();
        if std::mem::replace(&mut self.round, round) != round {
            self.sent.clear();
        }
        let rows = self.rows.as_deref().unwrap_or_default();
        for (column, metric) in [(ColumnId(100), Metric::Cpu), (ColumnId(101), Metric::Memory)] {
            if !ids.contains(&column) {
                continue;
            }
            let mut values = Vec::new();
            for row in rows.iter().filter(|row| source.usage.allows(&row.namespace)) {
                if self.sent.insert((column.0, row.key))
                    && let Some(object) = source.objects.find(&row.namespace, &row.name)
                    && let Some(usage) = usage(source, &**object, metric, now, SPARK)
                {
                    values.push((row.key, usage));
                }
            }
            if !values.is_empty() {
                return Some(Server::Cells { sub, seq, column, values });
            }
        }
        None
    }
}

/// An object's state with what only the others around it tell.
fn state<K: Printer>(source: &Source<'_, K>, object: &K, plain: State) -> State {
    source.told.map_or(plain, |told| told.state(object.meta(), plain))
}

fn row<K: Printer>(source: &Source<'_, K>, object: &K, now: Millis) -> Row {
    let meta = object.meta();
    Row {
        key: Key(meta.id),
        namespace: meta.namespace.to_string(),
        name: meta.name.to_string(),
        level: state(source, object, object.state(now)).0,
        cells: object.cells(now),
    }
}

/// The usage that everybody sorts and filters by; of the namespaces where it may be seen when those are not all.
fn used<K: Printer>(source: &Source<'_, K>, at: usize, metric: Metric, now: Millis) -> Arc<Values<K, Sort>> {
    let history = source.history;
    let used = |object: &K| {
        let object: &dyn Any = object;
        let usage = if let Some(pod) = object.downcast_ref::<Pod>() {
            history.pod(&pod.meta.namespace, &pod.meta.name, metric, now, 0)
        } else {
            object.downcast_ref::<Node>().and_then(|node| history.node(&node.meta.name, metric, now, 0))
        };
        usage.filter(|usage| !usage.used.is_nan()).map_or(Sort::Missing, |usage| Sort::Number(f64::from(usage.used)))
    };
    match source.usage {
        Scope::All => source.board.usage(at, source.objects, (*history.rounds().borrow(), now), used),
        // An order is a value too.
        scope @ Scope::In(_) => Values::renewed(None, source.objects, |object: &K| {
            if scope.allows(&object.meta().namespace) { used(object) } else { Sort::Missing }
        }),
    }
}

/// How many of each state there are, the worst first.
fn tally<K>(cuts: &[Cut<K>]) -> Vec<Tally> {
    let mut tally: Vec<Tally> = Vec::new();
    for ((level, word), more) in cuts.iter().flat_map(|cut| &cut.tally) {
        match tally.iter_mut().find(|known| known.level == *level && known.word == *word) {
            Some(known) => known.count += more,
            None => tally.push(Tally { level: *level, word: (*word).into(), count: *more }),
        }
    }
    tally.sort_by(|a, b| (b.level, &a.word).cmp(&(a.level, &b.word)));
    tally
}

/// What a person may see, asks for, and in which order.
struct Blade<'a> {
    scope: &'a Scope,
    told: Option<&'a Told>,
    filter: &'a Filter,
    /// The columns whose values the filter asks for.
    places: &'a [usize],
    down: &'a [bool],
    now: Millis,
}

impl<K: Printer> Knife<K> for Blade<'_> {
    fn permits(&self, meta: &Meta) -> bool {
        self.scope.allows(&meta.namespace)
    }

    fn admits(&self, object: &K, at: usize, asked: &[Arc<Part<K, Sort>>]) -> bool {
        let cell = |column: usize| {
            let known = self.places.iter().zip(asked).find(|(place, _)| **place == column);
            known.and_then(|(_, part)| part.values.get(at)).unwrap_or(&Sort::Missing)
        };
        self.filter.admits(object.meta(), self.now, cell)
    }

    fn state(&self, object: &K, plain: State) -> State {
        self.told.map_or(plain, |told| told.state(object.meta(), plain))
    }

    fn down(&self) -> &[bool] {
        self.down
    }
}

/// Usage with what is asked for and allowed, of kinds that have any.
fn usage<K: Printer>(source: &Source<'_, K>, object: &K, metric: Metric, now: Millis, points: u16) -> Option<Usage> {
    let (object, history): (&dyn Any, _) = (object, source.history);
    if let Some(pod) = object.downcast_ref::<Pod>() {
        let mut usage = history.pod(&pod.meta.namespace, &pod.meta.name, metric, now, points)?;
        (usage.request, usage.limit) = bounds(pod, metric);
        Some(usage)
    } else if let Some(node) = object.downcast_ref::<Node>() {
        let mut usage = history.node(&node.meta.name, metric, now, points)?;
        let allocatable = if metric == Metric::Cpu { node.allocatable.cpu } else { node.allocatable.memory };
        usage.limit = allocatable.map_or(f32::NAN, |value| value as f32);
        let requested = source.requests.and_then(|requests| requests.of(&node.meta.name));
        let requested = requested.map(|(cpu, memory)| if metric == Metric::Cpu { cpu } else { memory });
        usage.request = requested.map_or(f32::NAN, |value| value as f32);
        Some(usage)
    } else {
        None
    }
}

/// Sums of a pod's requests and limits; NaN when no container has one. A limit holds only if every container has one.
fn bounds(pod: &Pod, metric: Metric) -> (f32, f32) {
    let (mut request, mut limit) = (f32::NAN, 0.0);
    for one in pod.containers.iter().filter(|one| one.role != crate::cluster::kinds::Role::Init) {
        let (asked, allowed) = match metric {
            Metric::Cpu => (one.cpu_request.map(|value| value as f32), one.cpu_limit.map(|value| value as f32)),
            Metric::Memory => {
                (one.memory_request.map(|value| value as f32), one.memory_limit.map(|value| value as f32))
            }
        };
        if let Some(asked) = asked {
            request = if request.is_nan() { asked } else { request + asked };
        }
        limit += allowed.unwrap_or(f32::NAN);
    }
    (request, limit)
}
