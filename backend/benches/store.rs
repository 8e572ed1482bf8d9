//! The store: bytes a sample, bytes a series, time of an append and of a pod's hour. `make bench` shows the lines.
//!
//! The load is that of `history-and-interop.md` 3: 30 % idle, 45 % light, 20 % medium, 5 % busy, ±2 ms jitter.

use series::{Grid, Keep, Kind, Metric, Sample, Start, Store};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

/// The product's allocator: growing open chunks is a good part of an append.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const CONTAINERS: usize = 10_000;
const ROUNDS: i64 = 240;
const STEP: i64 = 15_000;
const T: i64 = 1_795_204_020_000;

/// A small generator of our own: the same data in every run.
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound.max(1)
    }
}

struct Load {
    /// Microseconds a round.
    use_: u64,
    cpu: u64,
    pages: u64,
    moves: u64,
}

/// Nanoseconds this thread has run: on a shared machine the wall clock measures the neighbours.
fn ran() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN)
}

fn main() {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let mut loads: Vec<Load> = (0..CONTAINERS)
        .map(|index| {
            let (use_, moves) = match index % 20 {
                0..6 => (0, 0),
                6..15 => (15_000 + noise.below(60_000), 3),
                15..19 => (1_500_000 + noise.below(1_500_000), 60),
                _ => (15_000_000, 400),
            };
            Load { use_, cpu: noise.below(1 << 36), pages: 1000 + noise.below(100_000), moves }
        })
        .collect();
    // Two containers a pod, as the budgets of `history-and-interop.md` 5 count.
    let pods: Vec<Arc<str>> = (0..CONTAINERS / 2).map(|index| Arc::from(format!("pod-{index}"))).collect();
    let containers: [Arc<str>; 2] = [Arc::from("app"), Arc::from("sidecar")];
    let mut store: Store<Arc<str>> = Store::new(Keep::default());
    let mut spent = 0.0;
    for round in 0..ROUNDS {
        let samples: Vec<Sample> = loads
            .iter_mut()
            .map(|load| {
                load.cpu += load.use_ - load.use_ / 20 + noise.below(load.use_ / 10);
                load.pages = (load.pages + noise.below(load.moves * 2 + 1)).saturating_sub(load.moves).max(10);
                let at = T + round * STEP + noise.below(5) as i64 - 2;
                Sample { at, cpu: Some(load.cpu), memory: Some(load.pages) }
            })
            .collect();
        let start = ran();
        for (pod, samples) in pods.iter().zip(samples.chunks_exact(2)) {
            let (group, keep) = store.group(pod, || Arc::clone(pod));
            for (name, sample) in containers.iter().zip(samples) {
                group.append(name, Kind::Counter, (*sample, Start::Follows), &keep, sample.at);
            }
        }
        spent += ran() - start;
    }
    let size = store.size();
    let appended = (CONTAINERS as i64 * ROUNDS * 2) as f64;
    println!("bench: append: {:.0} ns a sample (budget 100 ns)", spent / appended);
    let per_sample = size.sample_bytes as f64 / size.samples as f64;
    println!("bench: samples of both tiers, open chunks as allocated: {per_sample:.2} bytes a sample (budget 1.8)");
    let fine: usize = store.groups().flat_map(|(_, group)| group.tracks()).map(|(_, track)| track.fine_bytes()).sum();
    println!("bench: samples of the scrape tier: {:.2} bytes a sample (budget 1.8)", fine as f64 / appended);
    let rest = (size.bytes - size.sample_bytes) as f64 / size.series as f64;
    println!("bench: a series besides its samples: {rest:.0} bytes (budget 250)");

    let Some(pod) = pods.get(17).and_then(|pod| store.get(pod)) else { return };
    let rounds = 2000;
    let start = Instant::now();
    for _ in 0..rounds {
        let mut grid = Grid::new(T, T + ROUNDS * STEP, 600);
        for (_, track) in pod.tracks() {
            track.spans(Metric::Cpu, (grid.from(), grid.to()), (STEP, 2 * STEP), |span| grid.add(span));
            black_box(grid.take(0.001));
        }
    }
    let each = start.elapsed().as_secs_f64() * 1e3 / f64::from(rounds);
    println!("bench: one pod over an hour, two containers: {each:.3} ms (budget 2 ms)");
}
