//! What has a history.

use hashbrown::Equivalent;
use std::sync::Arc;

/// A key of the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Cluster,
    Namespace(Arc<str>),
    Node(Arc<str>),
    Pod(Arc<str>, Arc<str>),
}

/// The same, borrowed. Its hash is that of the [`Key`] it stands for: both derive it from the same shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lookup<'a> {
    Cluster,
    Namespace(&'a str),
    Node(&'a str),
    Pod(&'a str, &'a str),
}

impl Equivalent<Key> for Lookup<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        match (self, key) {
            (Self::Cluster, Key::Cluster) => true,
            (Self::Namespace(name), Key::Namespace(known)) | (Self::Node(name), Key::Node(known)) => **name == **known,
            (Self::Pod(namespace, name), Key::Pod(known_namespace, known_name)) => {
                **name == **known_name && **namespace == **known_namespace
            }
            _ => false,
        }
    }
}
