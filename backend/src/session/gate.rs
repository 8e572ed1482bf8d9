//! The authorizer before every read from shared caches. The API server decides (`SubjectAccessReview` for exactly the
//! person's identity, asked with our account); decisions are cached for 10 s, errors are not: no decision, no data.

use super::Identity;
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

/// Why there is no decision.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GateError {
    /// The API server did not answer the review; nothing is shown until it does.
    #[error("no decision from the API server: {0}")]
    Undecided(String),
}

/// Asks and remembers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gate {}

impl Gate {
    /// Where `who` may do `verb` with `resource`: asked cluster-wide first, then namespace by namespace among the
    /// namespaces they can see anything in. `asked` narrows the answer (empty: no narrowing).
    ///
    /// # Errors
    /// [`GateError::Undecided`] when the API server could not be asked; callers show that and no data.
    pub async fn scope(
        &self,
        _who: &Identity,
        _verb: Verb,
        _resource: Resource,
        _asked: &[String],
    ) -> Result<Scope, GateError> {
        Err(GateError::Undecided("not built".into()))
    }

    /// Whether `who` may `get` one object (also by `resourceNames`); `None` when not.
    ///
    /// # Errors
    /// As [`Gate::scope`].
    pub async fn object(
        &self,
        _who: &Identity,
        _resource: Resource,
        _namespace: &str,
        _name: &str,
    ) -> Result<Option<Scope>, GateError> {
        Err(GateError::Undecided("not built".into()))
    }

    /// The namespaces `who` can see anything in, sorted, and whether these are all; how many are still unchecked.
    ///
    /// # Errors
    /// As [`Gate::scope`].
    pub async fn namespaces(&self, _who: &Identity) -> Result<(Vec<Arc<str>>, bool, u32), GateError> {
        Err(GateError::Undecided("not built".into()))
    }

    /// Moves when decisions were dropped before their time (RBAC changed): open views ask again.
    pub fn revoked(&self) -> tokio::sync::watch::Receiver<u64> {
        tokio::sync::watch::channel(0).1
    }
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
    pub fn filter<'a, K: Kind>(&self, objects: &'a [Arc<K>]) -> Permitted<Vec<&'a Arc<K>>> {
        Permitted(objects.iter().filter(|object| self.allows(&object.meta().namespace)).collect())
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
