//! Who a person is and what they may see: sign-in, cookies, and the one gate before every read.
//!
//! A credential is proven by asking the API server who it is ([`login`]), then kept in memory behind an opaque cookie
//! until the session ends ([`sessions`]). Nothing here is written to disk; a restart signs everybody out.

pub mod certificate;
pub mod claims;
pub mod cookie;
pub mod credential;
pub mod gate;
pub mod jwt;
pub mod login;
pub mod rate;
mod record;
mod review;
pub mod rights;
pub mod scope;
pub mod sessions;
pub mod yaml;

pub use gate::{Gate, GateError, Permitted, Scope};
pub use record::{End, Session};
pub use sessions::Sessions;

use std::collections::BTreeMap;
use std::sync::Arc;
use wire::Millis;

/// A key and its values, as authenticators hand them to authorizers.
pub type Extra = (Arc<str>, Arc<[Arc<str>]>);

/// A person as `SelfSubjectReview` names them. Cheap to clone; equal identities share decisions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    pub user: Arc<str>,
    pub uid: Arc<str>,
    /// Sorted.
    pub groups: Arc<[Arc<str>]>,
    /// Sorted.
    pub extra: Arc<[Extra]>,
}

impl Identity {
    /// From the parts of a review, in any order.
    pub fn new(user: &str, uid: &str, mut groups: Vec<String>, extra: BTreeMap<String, Vec<String>>) -> Self {
        groups.sort();
        Self {
            user: user.into(),
            uid: uid.into(),
            groups: groups.iter().map(|group| Arc::from(group.as_str())).collect(),
            extra: extra
                .into_iter()
                .map(|(key, values)| {
                    (Arc::from(key.as_str()), values.iter().map(|value| Arc::from(value.as_str())).collect())
                })
                .collect(),
        }
    }

    /// Namespace and name when this is a ServiceAccount.
    pub fn service_account(&self) -> Option<(&str, &str)> {
        self.user.strip_prefix("system:serviceaccount:")?.split_once(':')
    }
}

/// The process's clock at the edge; everything below takes the time as an argument.
pub(crate) fn now() -> Millis {
    jiff::Timestamp::now().as_millisecond()
}

/// 256 random bits, base64url.
pub(crate) fn secret() -> Result<zeroize::Zeroizing<String>, getrandom::Error> {
    use base64::Engine as _;
    let mut bytes = zeroize::Zeroizing::new([0_u8; 32]);
    getrandom::fill(bytes.as_mut_slice())?;
    Ok(zeroize::Zeroizing::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}
