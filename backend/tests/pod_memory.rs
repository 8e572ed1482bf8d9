//! An ordinary pod costs at most 1.2 KB, with its place in the cache.

use backend::cluster::Cache;
use backend::cluster::decode::Decoder;
use backend::cluster::kinds::Pod;
use cap::Cap;
use std::alloc::System;

#[path = "../benches/pods/mod.rs"]
mod pods;

const BUDGET: usize = 1_228;
const PODS: usize = 5_000;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

#[test]
fn an_ordinary_pod_stays_within_its_budget() {
    let pages: Vec<String> = (0..PODS).step_by(500).map(|first| pods::list(first, 500)).collect();
    let (cache, mut decoder) = (Cache::<Pod>::default(), Decoder::default());
    let before = ALLOCATOR.allocated();
    let mut all = Vec::new();
    for page in &pages {
        all.extend(decoder.page::<Pod>(page.as_bytes()).unwrap().objects);
    }
    cache.replace(all);
    let each = (ALLOCATOR.allocated() - before) / PODS;
    println!("bench: bytes per ordinary pod: {each} (budget {BUDGET})");
    assert_eq!(cache.len(), PODS);
    assert!(each <= BUDGET, "{each} bytes a pod");
}
