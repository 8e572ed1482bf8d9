//! One object of `metrics.k8s.io`, as what it is made from.

use crate::cluster::kinds::Meta;
use crate::kubelet::{Served, ServedPod};
use std::sync::Arc;
use wire::Millis;

/// An object that is served.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    pub meta: &'a Meta,
    /// Sample time.
    pub at: Millis,
    /// Nanoseconds.
    pub window: u64,
    pub usage: Usage<'a>,
}

/// Of a node, or of a pod's containers by name.
#[derive(Clone, Copy, Debug)]
pub enum Usage<'a> {
    Node(Served),
    Pod(&'a [(Arc<str>, Served)]),
}

// === impl Item ===

impl<'a> Item<'a> {
    #[must_use]
    pub fn node(meta: &'a Meta, served: Served) -> Self {
        Self { meta, at: served.at, window: served.window, usage: Usage::Node(served) }
    }

    #[must_use]
    pub fn pod(meta: &'a Meta, served: &'a ServedPod) -> Self {
        Self { meta, at: served.at, window: served.window, usage: Usage::Pod(&served.containers) }
    }

    /// Whether any of it reports swap.
    #[must_use]
    pub fn has_swap(&self) -> bool {
        self.sums().2.is_some()
    }

    /// CPU in nanocores, memory and swap in bytes, summed over containers.
    pub(super) fn sums(&self) -> (u64, u64, Option<u64>) {
        match self.usage {
            Usage::Node(served) => (served.cpu, served.memory, served.swap),
            Usage::Pod(containers) => containers.iter().fold((0, 0, None), |(cpu, memory, swap), (_, one)| {
                let swap = match (swap, one.swap) {
                    (Some(known), Some(more)) => Some(u64::saturating_add(known, more)),
                    (known, more) => known.or(more),
                };
                (u64::saturating_add(cpu, one.cpu), u64::saturating_add(memory, one.memory), swap)
            }),
        }
    }
}
