//! What a decision is about, and what may leave because of one.

use crate::cluster::kinds::Kind;
use std::collections::BTreeSet;
use std::sync::Arc;
use wire::Say;

/// What may be done with objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    Get,
    List,
    Watch,
}

/// A resource by group and plural: core kinds, or `metrics.k8s.io` for usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    pub group: &'static str,
    pub plural: &'static str,
}

impl Resource {
    pub const POD_METRICS: Self = Self { group: "metrics.k8s.io", plural: "pods" };
    pub const NODE_METRICS: Self = Self { group: "metrics.k8s.io", plural: "nodes" };

    pub(super) fn namespaced(self) -> bool {
        !matches!(self.plural, "nodes" | "namespaces")
    }
}

impl From<wire::Kind> for Resource {
    fn from(kind: wire::Kind) -> Self {
        Self { group: kind.group(), plural: kind.resource() }
    }
}

/// Where a person may do something with a resource. Only the gate makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    All,
    /// In these namespaces only; may be empty.
    In(Arc<BTreeSet<Arc<str>>>),
}

/// Something that may leave for the person it was made for. Only a [`Scope`] that came from the gate makes one, so a
/// forgotten check does not compile.
#[derive(Clone, Debug, PartialEq)]
pub struct Permitted<T>(T);

/// Something made of objects of one namespace and of no others.
pub trait OfNamespace {
    fn namespace(&self) -> &str;
}

impl Scope {
    pub fn allows(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::In(names) => names.contains(namespace),
        }
    }

    pub fn is_empty(&self) -> bool {
        matches!(self, Self::In(names) if names.is_empty())
    }

    /// The objects of a snapshot that may be seen. Cluster-scoped kinds need [`Scope::All`].
    pub fn filter<'a, K: Kind>(&self, objects: impl IntoIterator<Item = &'a Arc<K>>) -> Permitted<Vec<&'a Arc<K>>> {
        Permitted(objects.into_iter().filter(|object| self.allows(&object.meta().namespace)).collect())
    }

    /// What was made of objects that may be seen, a namespace at a time.
    pub fn runs<'a, T: OfNamespace>(&self, runs: impl IntoIterator<Item = &'a T>) -> Permitted<Vec<&'a T>> {
        Permitted(runs.into_iter().filter(|run| self.allows(run.namespace())).collect())
    }

    /// One object, if it may be seen.
    pub fn one<K: Kind>(&self, object: Arc<K>) -> Option<Permitted<Arc<K>>> {
        self.allows(&object.meta().namespace).then_some(Permitted(object))
    }
}

impl<T> Permitted<T> {
    /// Derives something from what may be seen: a projection, a count, a frame.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Permitted<U> {
        Permitted(f(self.0))
    }

    /// Both, for one frame.
    pub fn and<U>(self, other: Permitted<U>) -> Permitted<(T, U)> {
        Permitted((self.0, other.0))
    }

    pub fn as_ref(&self) -> Permitted<&T> {
        Permitted(&self.0)
    }

    /// For the socket's encoder, the last step before the wire.
    pub fn release(self) -> T {
        self.0
    }
}

impl Permitted<()> {
    /// Something that says nothing about any object: states, faults, refusals.
    pub fn nothing() -> Self {
        Self(())
    }
}

/// The sentence for a refusal: what may not be done.
pub fn denied(verb: &str, resource: &str) -> Say {
    Say::new("E-NOPERM").with("verb", verb).with("resource", resource)
}
