//! Who a person is and what they may see: sign-in, cookies, and the one gate before every read.

pub mod gate;

pub use gate::{Gate, GateError, Permitted, Scope};

use std::sync::Arc;

/// A person as `SelfSubjectReview` names them. Cheap to clone; equal identities share decisions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    pub user: Arc<str>,
    pub uid: Arc<str>,
    /// Sorted.
    pub groups: Arc<[Arc<str>]>,
    /// Sorted.
    pub extra: Arc<[(Arc<str>, Arc<[Arc<str>]>)]>,
}
