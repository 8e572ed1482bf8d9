//! What the browser says.

use crate::chart::ChartAsk;
use crate::session::Credential;
use crate::table::TableAsk;
use crate::{Kind, Sub};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A frame from the browser.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub enum Browser {
    /// First frame of a signed-in browser: the proof from `GET session`.
    Auth {
        /// Base64url, 256 bits; never the cookie.
        proof: String,
        /// Views that were open before the connection broke, with what the browser has of them.
        resume: Vec<Resume>,
    },
    /// First frame of a browser whose access path refuses `POST session`: answered with `Granted` or `Refused`.
    SignIn {
        /// What proves who it is.
        credential: Credential,
    },
    /// Opens a view.
    Open {
        /// The browser's number for it.
        sub: Sub,
        /// What it shows.
        view: View,
    },
    /// Changes an open view: another window, filter, sort, range or scope. The next frame is a whole one.
    Alter {
        /// Which view.
        sub: Sub,
        /// What it shows from now on.
        view: View,
    },
    /// Closes a view.
    Close {
        /// Which view.
        sub: Sub,
    },
    /// Acknowledges a frame of a view: gives its credit back.
    Ack {
        /// Which view.
        sub: Sub,
        /// The frame's number.
        seq: u32,
    },
    /// Pointer or focus is inside the view, or it is paused: volatile orders are kept while `on`.
    Hold {
        /// Which view.
        sub: Sub,
        /// Begin or end.
        on: bool,
    },
    /// Asks for an object as YAML, read with the person's own credential; answered with `Yaml`.
    Yaml {
        /// The browser's number for the question.
        ask: u32,
        /// Kind of the object.
        kind: Kind,
        /// Empty for cluster-scoped kinds.
        namespace: String,
        /// The object's name.
        name: String,
    },
    /// Answers a `Ping`.
    Pong,
    /// Ends the session everywhere.
    SignOut,
}

/// A view to go on with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    /// The browser's number for it, as before.
    pub sub: Sub,
    /// What it shows.
    pub view: View,
    /// The last frame that was applied.
    pub seq: u32,
}

/// What a view shows. An empty list of namespaces means all the person may see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum View {
    /// A window of a table: `Page`, `Diff`, `Cells`.
    Table(TableAsk),
    /// Lines over time: `Chart`, `ChartTail`.
    Chart(ChartAsk),
    /// One object: `Object`.
    Object {
        /// Kind of the object.
        kind: Kind,
        /// Empty for cluster-scoped kinds.
        namespace: String,
        /// The object's name.
        name: String,
    },
    /// The Service map: `Map`, `MapDiff`.
    Map {
        /// Scope.
        namespaces: Vec<String>,
    },
    /// The first page: `Overview`.
    Overview {
        /// Scope.
        namespaces: Vec<String>,
    },
    /// The namespaces the person may see, with counts: `Namespaces`. One per connection, for the shell.
    Namespaces,
    /// How well kubelets answer, for who may list nodes: `Coverage`.
    Coverage,
}

// === impl Browser ===

impl core::fmt::Debug for Browser {
    /// Names the frame; credentials and proofs are never printed.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Auth { resume, .. } => write!(f, "Auth(resume {})", resume.len()),
            Self::SignIn { .. } => f.write_str("SignIn"),
            Self::Open { sub, view } => write!(f, "Open({sub:?}, {view:?})"),
            Self::Alter { sub, view } => write!(f, "Alter({sub:?}, {view:?})"),
            Self::Close { sub } => write!(f, "Close({sub:?})"),
            Self::Ack { sub, seq } => write!(f, "Ack({sub:?}, {seq})"),
            Self::Hold { sub, on } => write!(f, "Hold({sub:?}, {on})"),
            Self::Yaml { ask, kind, namespace, name } => write!(f, "Yaml({ask}, {kind:?} {namespace}/{name})"),
            Self::Pong => f.write_str("Pong"),
            Self::SignOut => f.write_str("SignOut"),
        }
    }
}
