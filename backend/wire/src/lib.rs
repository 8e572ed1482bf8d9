//! What travels between the browser and the server: every frame of the socket, the bodies of sign-in, and the few
//! formats both sides must agree on (ages, levels).
//!
//! The format is postcard: the position of a variant or field *is* the format. New variants and fields go to the end;
//! nothing is moved or removed without raising [`VERSION`]. Every frame has golden bytes in `tests/golden.rs`.
//!
//! This is not a model: the server's own types live in `backend/src/cluster`, the browser's in `frontend/src/state.rs`.
#![no_std]
#![warn(missing_docs)]

extern crate alloc;

pub mod age;
pub mod browser;
pub mod chart;
pub mod coverage;
pub mod map;
pub mod object;
pub mod overview;
pub mod server;
pub mod session;
pub mod table;

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use browser::{Browser, View};
pub use server::{Server, ViewState};

/// Raised when a frame changes in a way an older peer would misread.
pub const VERSION: u16 = 2;

/// The socket's subprotocol.
pub const SUBPROTOCOL: &str = "v1.taffrail";

/// Unix time in milliseconds.
pub type Millis = i64;

/// A view of one browser, numbered by the browser; never used twice on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sub(pub u32);

/// An object as the server numbers it: stable while the object lives and the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(pub u64);

/// The kinds the product reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// core/v1
    Node,
    /// core/v1
    Namespace,
    /// core/v1
    Pod,
    /// apps/v1
    ReplicaSet,
    /// apps/v1
    Deployment,
    /// core/v1
    Service,
    /// discovery.k8s.io/v1
    EndpointSlice,
    /// core/v1
    Event,
}

impl Kind {
    /// All kinds, in declaration order.
    pub const ALL: [Self; 8] = [
        Self::Node,
        Self::Namespace,
        Self::Pod,
        Self::ReplicaSet,
        Self::Deployment,
        Self::Service,
        Self::EndpointSlice,
        Self::Event,
    ];

    /// The kind's name as manifests spell it, `EndpointSlice`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Node => "Node",
            Self::Namespace => "Namespace",
            Self::Pod => "Pod",
            Self::ReplicaSet => "ReplicaSet",
            Self::Deployment => "Deployment",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Event => "Event",
        }
    }

    /// The singular lower-case word used in page addresses, `endpointslice`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Namespace => "namespace",
            Self::Pod => "pod",
            Self::ReplicaSet => "replicaset",
            Self::Deployment => "deployment",
            Self::Service => "service",
            Self::EndpointSlice => "endpointslice",
            Self::Event => "event",
        }
    }

    /// The resource as discovery and RBAC name it, `endpointslices`.
    #[must_use]
    pub const fn resource(self) -> &'static str {
        match self {
            Self::Node => "nodes",
            Self::Namespace => "namespaces",
            Self::Pod => "pods",
            Self::ReplicaSet => "replicasets",
            Self::Deployment => "deployments",
            Self::Service => "services",
            Self::EndpointSlice => "endpointslices",
            Self::Event => "events",
        }
    }

    /// The API group; empty for the core group.
    #[must_use]
    pub const fn group(self) -> &'static str {
        match self {
            Self::Node | Self::Namespace | Self::Pod | Self::Service | Self::Event => "",
            Self::ReplicaSet | Self::Deployment => "apps",
            Self::EndpointSlice => "discovery.k8s.io",
        }
    }

    /// Whether objects of the kind live in namespaces.
    #[must_use]
    pub const fn namespaced(self) -> bool {
        !matches!(self, Self::Node | Self::Namespace)
    }

    /// The kind of a page-address word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// How a thing is. Carried by a colour and by a shape; the order is from best to worst for a roll-up, except that
/// [`Level::Gone`] (unknown, finished, not there) never wins over anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// Finished, unknown, not there: drawn hollow.
    Gone,
    /// As it should be.
    Good,
    /// On its way.
    Busy,
    /// Needs a look.
    Warn,
    /// Broken.
    Bad,
}

/// An object by name. An empty namespace means cluster-scoped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ref {
    /// The kind as manifests spell it; also kinds the product has no page for (`StatefulSet`).
    pub kind: String,
    /// Empty for cluster-scoped kinds.
    pub namespace: String,
    /// The object's name.
    pub name: String,
}

/// Something to tell a person: a code and its parameters. The sentence is made in the browser, in the person's
/// language (`frontend/src/words`); an unknown code is shown with its parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Say {
    /// A stable code such as `E-NOPERM`, `LOGIN_EXPIRED`, `S01` or `Timeout`.
    pub code: String,
    /// Parameters in the order the sentence's template names them.
    pub args: Vec<(String, String)>,
}

impl Say {
    /// A code without parameters.
    #[must_use]
    pub fn new(code: &str) -> Self {
        Self { code: code.into(), args: Vec::new() }
    }

    /// Adds a parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.args.push((name.into(), value.into()));
        self
    }

    /// A parameter's value, or an empty text.
    #[must_use]
    pub fn arg(&self, name: &str) -> &str {
        self.args.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// Why bytes were not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The bytes of a frame.
#[must_use]
pub fn encode<T: Serialize>(frame: &T) -> Vec<u8> {
    // Our frames are plain data: the only error postcard knows here is a full buffer, and a Vec has no end.
    postcard::to_allocvec(frame).unwrap_or_default()
}

/// The frame of some bytes. Trailing bytes are an error: they mean the peers disagree.
///
/// # Errors
/// [`Malformed`] when the bytes are not exactly one frame.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    match postcard::take_from_bytes(bytes) {
        Ok((frame, [])) => Ok(frame),
        Ok(_) | Err(_) => Err(Malformed),
    }
}
