//! Sign-in: bodies of `session` and `claim`.

use crate::{Millis, Say};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What proves who a person is. Nothing else of a kubeconfig ever leaves the browser.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Credential {
    /// A bearer token.
    Token(String),
    /// A client certificate and its key, both PEM.
    Certificate {
        /// Certificate chain, PEM.
        certificate: String,
        /// Private key, PEM.
        key: String,
    },
}

impl core::fmt::Debug for Credential {
    /// Never prints what it holds.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token(…)"),
            Self::Certificate { .. } => f.write_str("Certificate(…)"),
        }
    }
}

/// Body of `POST session`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// What proves it.
    pub credential: Credential,
    /// Whether the page is https: the cookie is then `Secure`.
    pub secure: bool,
    /// The kubeconfig context's namespace, to land in.
    pub namespace: Option<String>,
}

/// Body of a good answer to `POST session`, `GET session` and `GET claim`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Kept in the page's memory; goes into the first frame and into the header of every request that is not a GET.
    pub proof: String,
    /// User name as the API server says it.
    pub user: String,
    /// Groups.
    pub groups: Vec<String>,
    /// When the session ends.
    pub expires: Millis,
    /// Namespace to land in.
    pub namespace: Option<String>,
    /// Notes such as `LOGIN_MASTERS`, `LOGIN_NORIGHTS`.
    pub notes: Vec<Say>,
}

impl core::fmt::Debug for Session {
    /// Never prints the proof.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Session({}, until {})", self.user, self.expires)
    }
}

/// Body of a refusal (4xx): what to tell the person; also what a signed-out browser may know about the place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Code and parameters of `LOGIN_…`.
    pub say: Say,
}

/// What the login page may know before sign-in: `GET place`. No cluster facts beyond its name and version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The cluster's name (`--cluster-name`), or the API server's host.
    pub cluster: String,
    /// Kubernetes' version, empty while the API server is away.
    pub kubernetes: String,
    /// Taffrail's version.
    pub taffrail: String,
    /// Whether sign-in with a client certificate is on.
    pub certificates: bool,
    /// Whether unencrypted sign-in is allowed (`--insecure-login`).
    pub insecure: bool,
    /// The API server's address, to compare with a kubeconfig's.
    pub server: String,
    /// The server's clock, to warn about skew and to print ages.
    pub now: Millis,
}
