//! Decoding and projecting a list of 1,000 pods.

use backend::cluster::decode::Decoder;
use backend::cluster::kinds::Pod;
use std::time::{Duration, Instant};

mod pods;

/// The product's allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ROUNDS: u32 = 50;

fn main() {
    let page = pods::list(0, 1000);
    let mut decoder = Decoder::default();
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let read = decoder.page::<Pod>(page.as_bytes());
        best = best.min(start.elapsed());
        assert!(read.is_ok_and(|read| read.objects.len() == 1000), "the page is read whole");
    }
    println!("bench: decode and project 1,000 pods ({} KB): {best:?} (budget 6 ms)", page.len() / 1024);
}
