//! A window of a table is what filtering, sorting and cutting all of it anew would give, whatever changed in between.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that can't go on fails")]

use backend::cluster::Cache;
use backend::cluster::kinds::{Meta, Namespace};
use backend::history::{self, Config};
use backend::live::board::Board;
use backend::live::filter::Filter;
use backend::live::order::Sort;
use backend::live::table::{Source, Table};
use backend::printers::Printer;
use backend::session::Scope;
use proptest::prelude::*;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::Kind;
use wire::table::{ColumnId, TableAsk};

const NOW: i64 = 1_000_000_000;

fn object(number: u16, phase: u8) -> Namespace {
    let meta = Meta {
        id: u64::from(number),
        uid: "".into(),
        namespace: format!("n{}", number % 5).into(),
        name: format!("o{number:03}").into(),
        labels: Arc::new([]),
        created: NOW - i64::from(number % 7) * 60_000,
        deleted: None,
        owner: None,
    };
    Namespace { meta, phase: format!("Phase{phase}").into() }
}

/// Names of the window's rows, how many match, how many there are, and how many of each state.
type Seen = (Vec<String>, u32, u32, Vec<(String, u32)>);

fn naive(all: &[Arc<Namespace>], scope: &Scope, ask: &TableAsk) -> Seen {
    let columns = Namespace::columns();
    let (filter, problems) = Filter::parse(&ask.filter, &columns);
    assert_eq!(problems, []);
    let cells = |object: &Namespace| object.cells(NOW).iter().map(Sort::of).collect::<Vec<_>>();
    let permitted: Vec<_> = all.iter().filter(|object| scope.allows(&object.meta.namespace)).collect();
    let mut matched: Vec<_> = permitted
        .iter()
        .map(|object| (*object, cells(object)))
        .filter(|(object, cells)| filter.admits(&object.meta, NOW, |at| &cells[at]))
        .collect();
    matched.sort_by(|(_, a), (_, b)| {
        let by = |(id, down): &(ColumnId, bool)| a[usize::from(id.0)].compare(&b[usize::from(id.0)], *down);
        ask.sort.iter().map(by).find(|order| *order != Ordering::Equal).unwrap_or(Ordering::Equal)
    });
    let mut tally: BTreeMap<String, u32> = BTreeMap::new();
    for (object, _) in &matched {
        *tally.entry(object.state(NOW).1.to_owned()).or_default() += 1;
    }
    let start = (ask.start as usize).min(matched.len());
    let end = (start + ask.count as usize).min(matched.len());
    let names = matched[start..end].iter().map(|(object, _)| object.meta.name.to_string()).collect();
    (names, u32::try_from(matched.len()).unwrap(), u32::try_from(permitted.len()).unwrap(), tally.into_iter().collect())
}

fn ask() -> impl Strategy<Value = TableAsk> {
    let filters = ["", "o1", "status:phase1", "!status=Phase0 o", "age>3m", "age<3m status!=Phase2", "ns=n1"];
    let sort = proptest::collection::vec((0_u8..3, any::<bool>()), 0..3);
    (0..filters.len(), sort, 0_u32..700, 0_u32..80).prop_map(move |(filter, sort, start, count)| TableAsk {
        kind: Kind::Namespace,
        namespaces: Vec::new(),
        filter: filters[filter].into(),
        sort: sort.into_iter().map(|(id, down)| (ColumnId(id), down)).collect(),
        start,
        count,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_window_is_that_of_the_table_made_anew(
        first in 0_u16..600,
        asks in proptest::collection::vec((ask(), any::<bool>()), 3),
        steps in proptest::collection::vec(proptest::collection::vec((0_u16..700, 0_u8..4), 0..30), 1..6),
    ) {
        let cache: Cache<Namespace> = Cache::default();
        cache.replace((0..first).map(|number| object(number, 0)).collect());
        let board = Board::default();
        let (_pages, _keeper, history) = history::build(&Config { resolution: 15_000 }, backend::cluster::Objects::default());
        let (nowhere, some) = (Scope::In(Arc::default()), Scope::In(Arc::new(["n1".into(), "n3".into()].into())));
        let mut tables = [Table::default(), Table::default(), Table::default()];
        for step in steps {
            for (number, phase) in step {
                let object = object(number, phase);
                if phase == 3 {
                    cache.remove(&object.meta.namespace, &object.meta.name);
                } else {
                    cache.put(object);
                }
            }
            let objects = cache.snapshot();
            let all: Vec<Arc<Namespace>> = objects.iter().cloned().collect();
            for (table, (ask, whole)) in tables.iter_mut().zip(&asks) {
                let scope = if *whole { &Scope::All } else { &some };
                let source = Source {
                    objects: &objects, board: &board, history: &history, scope, usage: &nowhere,
                    told: None, requests: None, partial: None,
                };
                let window = table.window(&source, ask, NOW).release();
                let names = window.rows.iter().map(|row| row.name.clone()).collect();
                let mut tally: Vec<_> = window.tally.iter().map(|one| (one.word.clone(), one.count)).collect();
                tally.sort();
                let seen: Seen = (names, window.matched, window.total, tally);
                prop_assert_eq!(seen, naive(&all, scope, ask));
            }
        }
    }
}
