//! Values that repeat from object to object, held once: namespaces, label sets, owners, container specs.
//!
//! Counted by their `Arc`s: what only the pool still holds is dropped when the pool has doubled and whenever its watch
//! opens anew, so churn does not grow it. One writer, its watch; no locks.

use super::kinds::{ContainerSpec, Labels, Owner};
use hashbrown::HashSet;
use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

/// Pools below this size are not worth a sweep.
const SMALL: usize = 1024;

/// The pools of one watch.
#[derive(Debug, Default)]
pub struct Interner {
    strings: Pool<str>,
    labels: Pool<[(Arc<str>, Arc<str>)]>,
    owners: Pool<Owner>,
    containers: Pool<ContainerSpec>,
}

#[derive(Debug)]
struct Pool<T: ?Sized> {
    known: HashSet<Arc<T>, foldhash::fast::RandomState>,
    sweep_at: usize,
}

// === impl Interner ===

impl Interner {
    pub(super) fn text(&mut self, text: &str) -> Arc<str> {
        self.strings.share(text)
    }

    /// `None` for an empty text.
    pub(super) fn word(&mut self, text: Option<&str>) -> Option<Arc<str>> {
        text.filter(|text| !text.is_empty()).map(|text| self.text(text))
    }

    pub(super) fn labels(&mut self, labels: Vec<(Arc<str>, Arc<str>)>) -> Labels {
        self.labels.share(labels)
    }

    pub(super) fn owner(&mut self, owner: Owner) -> Arc<Owner> {
        self.owners.share(owner)
    }

    pub(super) fn container(&mut self, spec: ContainerSpec) -> Arc<ContainerSpec> {
        self.containers.share(spec)
    }

    /// Drops what nobody else holds. Label sets, owners and specs go first: they hold strings.
    pub(super) fn sweep(&mut self) {
        self.labels.sweep();
        self.owners.sweep();
        self.containers.sweep();
        self.strings.sweep();
    }
}

// === impl Pool ===

impl<T: ?Sized> Default for Pool<T> {
    fn default() -> Self {
        Self { known: HashSet::default(), sweep_at: SMALL }
    }
}

impl<T: ?Sized + Eq + Hash> Pool<T> {
    fn share<V: Borrow<T> + Into<Arc<T>>>(&mut self, value: V) -> Arc<T>
    where
        Arc<T>: Borrow<T>,
    {
        if let Some(known) = self.known.get::<T>(value.borrow()) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.sweep_at {
            self.sweep();
        }
        let shared: Arc<T> = value.into();
        self.known.insert(Arc::clone(&shared));
        shared
    }

    fn sweep(&mut self) {
        self.known.retain(|value| Arc::strong_count(value) > 1);
        self.known.shrink_to(self.known.len() * 2);
        self.sweep_at = (self.known.len() * 2).max(SMALL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_allocation() {
        let mut interner = Interner::default();
        assert!(Arc::ptr_eq(&interner.text("a"), &interner.text("a")));
        let pair = |interner: &mut Interner| vec![(interner.text("k"), interner.text("v"))];
        let (first, second) = (pair(&mut interner), pair(&mut interner));
        assert!(Arc::ptr_eq(&interner.labels(first), &interner.labels(second)));
    }

    #[test]
    fn churn_does_not_grow_the_pool() {
        let mut interner = Interner::default();
        let kept = interner.text("kept");
        for n in 0..100_000 {
            interner.text(&format!("gone-{n}"));
        }
        assert!(interner.strings.known.len() <= SMALL + 1);
        assert!(Arc::ptr_eq(&kept, &interner.text("kept")));
        interner.sweep();
        assert_eq!(interner.strings.known.len(), 1);
    }
}
