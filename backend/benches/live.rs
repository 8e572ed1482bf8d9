//! A table of 150,000 pods: from an event to the frame, with a filter and a sort.

use backend::cluster::Cache;
use backend::cluster::kinds::{Meta, Pod};
use backend::live::board::Board;
use backend::live::table::{Source, Table};
use backend::session::Scope;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::table::{ColumnId, TableAsk};
use wire::{Kind, Sub};

/// The product's allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const PODS: u64 = 150_000;
const ROUNDS: u32 = 20;
const BUDGET: Duration = Duration::from_millis(100);

fn pod(id: u64, phase: &str) -> Pod {
    let meta = Meta {
        id,
        uid: id.to_string().into(),
        namespace: format!("space-{:03}", id % 500).into(),
        name: format!("web-{:05x}-{id}", id.wrapping_mul(2_654_435_761) % 0xfffff).into(),
        labels: Arc::new([]),
        created: i64::try_from(id).unwrap_or_default(),
        deleted: None,
        owner: None,
    };
    Pod {
        meta,
        phase: phase.into(),
        reason: None,
        message: None,
        node: None,
        nominated_node: None,
        ip: None,
        qos: None,
        service_account: None,
        host_network: false,
        hostname: None,
        subdomain: None,
        started: None,
        containers: Box::new([]),
        conditions: Box::new([]),
        ended: Box::new([]),
        readiness_gates: Box::new([]),
    }
}

/// A table's frames while one pod changes before each: the first is made of nothing, the others of what was known.
fn table(what: &str, cache: &Cache<Pod>, ask: &TableAsk) {
    let board = Board::default();
    let config = backend::history::Config { resolution: 15_000 };
    let (_pages, _keeper, history) = backend::history::build(&config, backend::cluster::Objects::default());
    let (mut table, mut worst, mut sum) = (Table::default(), Duration::ZERO, Duration::ZERO);
    let nowhere = Scope::In(Arc::default());
    for round in 0..ROUNDS {
        cache.put(pod(u64::from(round) * 977, if round % 2 == 0 { "Failed" } else { "Running" }));
        let start = Instant::now();
        let objects = cache.snapshot();
        let source = Source {
            objects: &objects,
            board: &board,
            history: &history,
            scope: &Scope::All,
            usage: &nowhere,
            told: None,
            requests: None,
            partial: None,
        };
        let frame = table.frame(&source, ask, (Sub(1), 1, 0), 1_000_000);
        let took = start.elapsed();
        std::hint::black_box(frame);
        if round == 0 {
            println!("bench: {what} of {PODS} pods, answered anew: {took:.1?} (budget {BUDGET:?})");
        } else {
            worst = worst.max(took);
            sum += took;
        }
    }
    let mean = sum / (ROUNDS - 1);
    println!("bench: {what}, event to frame: {mean:.1?}, at worst {worst:.1?} (budget {BUDGET:?})");
}

fn main() {
    let cache: Cache<Pod> = Cache::default();
    cache.replace((0..PODS).map(|id| pod(id, if id % 9 == 0 { "Pending" } else { "Running" })).collect());
    let ask = |filter: &str, sort: &[(u8, bool)], start| TableAsk {
        kind: Kind::Pod,
        namespaces: Vec::new(),
        filter: filter.into(),
        sort: sort.iter().map(|(id, down)| (ColumnId(*id), *down)).collect(),
        start,
        count: 60,
    };
    table("plain table", &cache, &ask("", &[], 0));
    table("plain table, scrolled to its middle", &cache, &ask("", &[], 75_000));
    table("filter and two sorts", &cache, &ask("web status:run", &[(2, true), (4, false)], 1_000));
    table("sort by age, scrolled to its middle", &cache, &ask("", &[(4, false)], 75_000));
}
