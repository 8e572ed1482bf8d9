//! Sums over nodes, written once a round, which outlive the pods and nodes they are made of.
//!
//! The cluster is the sum of the nodes' own points; a namespace is the sum of its containers. Each node's share is
//! what its last page said. A node that misses a round keeps its share for [`CARRY`] rounds, so that one late answer is
//! no dip; then it drops out whole. A round is written when the first page of a later one comes: all nodes have had
//! their time. When no pages come at all nothing is written, and the line has a gap. CPU of a namespace is unknown
//! until one of its containers has a rate.

use super::key::{Key, Lookup};
use hashbrown::HashMap;
use series::{Kind, Sample, Start, Store};
use std::sync::Arc;

/// Rounds a node's share outlives its page.
pub(super) const CARRY: i64 = 2;

type Sums = HashMap<Arc<str>, Sum, foldhash::fast::RandomState>;

/// Microcores and pages, and of how many things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    cpu: u64,
    /// Things with a known rate.
    rates: u32,
    memory: u64,
    things: u32,
}

/// What one node adds.
#[derive(Clone, Debug, Default)]
pub(super) struct Share {
    node: Sum,
    namespaces: Vec<(Arc<str>, Sum)>,
}

/// All nodes' shares and their running sums.
#[derive(Debug)]
pub(super) struct Rollup {
    shares: HashMap<Arc<str>, (i64, Share), foldhash::fast::RandomState>,
    cluster: Sum,
    namespaces: Sums,
    round: Option<i64>,
    resolution: i64,
}

// === impl Sum ===

impl Sum {
    fn one(cpu: Option<u64>, memory: u64) -> Self {
        Self { cpu: cpu.unwrap_or(0), rates: u32::from(cpu.is_some()), memory, things: 1 }
    }

    fn add(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.rates += other.rates;
        self.memory += other.memory;
        self.things += other.things;
    }

    fn subtract(&mut self, other: Self) {
        self.cpu -= other.cpu;
        self.rates -= other.rates;
        self.memory -= other.memory;
        self.things -= other.things;
    }

    /// Microcores, when something has a rate.
    pub(super) fn cpu(&self) -> Option<u64> {
        (self.rates > 0).then_some(self.cpu)
    }

    /// Pages, when there is something.
    pub(super) fn memory(&self) -> Option<u64> {
        (self.things > 0).then_some(self.memory)
    }
}

// === impl Share ===

impl Share {
    pub(super) fn node(&mut self, cpu: Option<u64>, memory: u64) {
        self.node = Sum::one(cpu, memory);
    }

    pub(super) fn container(&mut self, namespace: &Arc<str>, cpu: Option<u64>, memory: u64) {
        let sum = Sum::one(cpu, memory);
        match self.namespaces.iter_mut().find(|(known, _)| Arc::ptr_eq(known, namespace) || known == namespace) {
            Some((_, known)) => known.add(sum),
            None => self.namespaces.push((Arc::clone(namespace), sum)),
        }
    }
}

// === impl Rollup ===

impl Rollup {
    pub(super) fn new(resolution: i64) -> Self {
        let (shares, namespaces) = (HashMap::default(), HashMap::default());
        Self { shares, cluster: Sum::default(), namespaces, round: None, resolution }
    }

    /// All nodes now.
    pub(super) const fn cluster(&self) -> &Sum {
        &self.cluster
    }

    /// A namespace now.
    pub(super) fn namespace(&self, name: &str) -> Option<&Sum> {
        self.namespaces.get(name)
    }

    /// Takes a node's share in place of its last one.
    pub(super) fn put(&mut self, node: &Arc<str>, round: i64, share: Share) {
        self.cluster.add(share.node);
        for (namespace, sum) in &share.namespaces {
            match self.namespaces.get_mut(namespace) {
                Some(known) => known.add(*sum),
                None => {
                    self.namespaces.insert(Arc::clone(namespace), *sum);
                }
            }
        }
        if let Some((_, old)) = self.shares.insert(Arc::clone(node), (round, share)) {
            self.take_out(&old);
        }
    }

    /// Writes the round before when `round` is a new one.
    pub(super) fn advance(&mut self, round: i64, store: &mut Store<Key>, alone: &Arc<str>) {
        let Some(present) = self.round else {
            self.round = Some(round);
            return;
        };
        if round <= present {
            return;
        }
        self.round = Some(round);
        let late: Vec<Arc<str>> = self
            .shares
            .iter()
            .filter(|(_, (last, _))| *last < present - CARRY)
            .map(|(node, _)| Arc::clone(node))
            .collect();
        for node in late {
            if let Some((_, share)) = self.shares.remove(&node) {
                self.take_out(&share);
            }
        }
        let at = (present + 1) * self.resolution;
        let mut write = |lookup: Lookup<'_>, owned: &dyn Fn() -> Key, sum: &Sum| {
            let (group, keep) = store.group(&lookup, owned);
            let sample = Sample { at, cpu: sum.cpu(), memory: sum.memory() };
            group.append(alone, Kind::Gauge, (sample, Start::Follows), &keep, at);
        };
        write(Lookup::Cluster, &|| Key::Cluster, &self.cluster);
        for (name, sum) in &self.namespaces {
            write(Lookup::Namespace(name), &|| Key::Namespace(Arc::clone(name)), sum);
        }
        self.namespaces.retain(|_, sum| sum.things > 0);
    }

    fn take_out(&mut self, share: &Share) {
        self.cluster.subtract(share.node);
        for (namespace, sum) in &share.namespaces {
            if let Some(known) = self.namespaces.get_mut(namespace) {
                known.subtract(*sum);
            }
        }
    }
}
