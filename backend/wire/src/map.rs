//! The Service map and a Service's verdicts.

use crate::{Key, Level, Ref, Say};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The map of a scope. Coordinates are grid cells: layer (column) and row; pixels are the browser's business.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Map {
    /// One lane a namespace, from top to bottom.
    pub lanes: Vec<Lane>,
    /// Boxes, sorted by key.
    pub boxes: Vec<Box>,
    /// Lines between boxes, sorted.
    pub edges: Vec<Edge>,
    /// Services by verdict: refused, partly ready, answering.
    pub tally: Tally,
    /// How the proxy's mode is known.
    pub proxy: Proxy,
    /// What could not be read: a kind, and why.
    pub missing: Vec<Say>,
}

/// Services by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Refused or dropped.
    pub broken: u32,
    /// Some endpoints not ready.
    pub partial: u32,
    /// All well.
    pub answering: u32,
    /// Outside the proxy's world, or not derivable.
    pub other: u32,
}

/// A namespace's part of the map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// The namespace; empty for the nodes' lane.
    pub namespace: String,
    /// First grid row.
    pub row: u32,
    /// Number of grid rows.
    pub rows: u32,
}

/// What stands in a box; the discriminant is the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Layer {
    /// Where traffic comes in: a node port, an external address.
    Entry,
    /// A Service's port.
    Service,
    /// The endpoints behind it.
    Endpoints,
    /// The workload whose pods they are.
    Workload,
    /// The node they run on.
    Node,
}

/// A box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Box {
    /// Stable while what it stands for lives.
    pub key: Key,
    /// Its column.
    pub layer: Layer,
    /// Its grid row.
    pub row: u32,
    /// First line: a name.
    pub title: String,
    /// Second line, kubectl's words: `ClusterIP 80 → http`, `Deployment`.
    pub subtitle: String,
    /// How it is.
    pub level: Level,
    /// One dot a pod, worst first, at most 24; the rest is counted in `more`.
    pub dots: Vec<Level>,
    /// Pods without a dot.
    pub more: u32,
    /// What it stands for.
    pub at: Option<Ref>,
    /// In words why it is not well.
    pub say: Option<Say>,
    /// No Service leads here.
    pub lone: bool,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Edge {
    /// From the left.
    pub from: Key,
    /// To the right.
    pub to: Key,
    /// How the path is.
    pub level: Level,
    /// Nearest fix, drawn dashed: not a path.
    pub near: bool,
}

/// A change of a map that keeps most of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapDiff {
    /// Lanes, whole when any changed.
    pub lanes: Option<Vec<Lane>>,
    /// Boxes that are new or different.
    pub set: Vec<Box>,
    /// Boxes that are gone; their edges with them.
    pub remove: Vec<Key>,
    /// Edges, new or different.
    pub edges: Vec<Edge>,
    /// Edges that are gone.
    pub cut: Vec<(Key, Key)>,
    /// Always whole: it is small.
    pub tally: Tally,
    /// Always whole.
    pub proxy: Proxy,
}

/// How the proxy's mode is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxy {
    /// `iptables`, `nftables`, `ipvs`, `userspace`, `kernelspace`, a replacement's name, or empty when unknown.
    pub mode: String,
    /// `configured`, `measured`, `assumed`.
    pub how: String,
    /// The line that says so, as it was read.
    pub evidence: String,
}

/// What happens to an in-cluster client that dials one port of a Service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reach {
    /// `http 80/TCP`.
    pub port: String,
    /// `ClusterIP`, `NodePort`, `headless`, `ExternalName`, `externalIP`, `LoadBalancer`.
    pub access: String,
    /// The address dialled.
    pub address: String,
    /// `OK`, `REJECT`, `DROP`, `DROP(reply unSNATed)`, `pending`, `no path`, `external`, `unknown`.
    pub verdict: String,
    /// The rule that decided, `V1` … `V20`.
    pub rule: String,
    /// How that is.
    pub level: Level,
    /// The diagnosis in one sentence.
    pub say: Say,
    /// Chosen endpoints: address, pod (empty when unknown), node.
    pub backends: Vec<(String, String, String)>,
    /// Endpoints that are not chosen: address or pod, reason.
    pub excluded: Vec<(String, String)>,
    /// What the pod sees as the client: `client`, `node`, `unknown`.
    pub source: String,
}
