//! The first page and the shell's namespaces.

use crate::table::Tally;
use crate::{Level, Millis, Ref, Say};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The first page, without its charts. Made only of what the person may see; what they may not is `None` or absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// What needs a person, worst first, at most 50.
    pub attention: Vec<Attention>,
    /// How many need one, also those not listed.
    pub attention_total: u32,
    /// Nodes in name order, at most 200; `None` when the person may not list nodes.
    pub nodes: Option<Vec<NodeTile>>,
    /// How many nodes there are.
    pub nodes_total: u32,
    /// Pods by state.
    pub pods: Vec<Tally>,
    /// How many pods.
    pub pods_total: u32,
    /// Millicores: used, requested, allocatable, capacity; NaN when unknown. Usage of the permitted scope.
    pub cpu: Gauge,
    /// Bytes, as `cpu`.
    pub memory: Gauge,
    /// Restarts of containers in the last hour.
    pub restarts: u32,
    /// Namespaces in scope, and whether that is all there are.
    pub scope: (u32, bool),
}

/// Used, requested and there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gauge {
    /// In use now.
    pub used: f64,
    /// Sum of requests.
    pub requested: f64,
    /// What pods can have.
    pub allocatable: f64,
    /// What the machines have.
    pub capacity: f64,
}

/// The kind of [`Attention::at`] where it is about Taffrail's own installation and no object of a page.
pub const OWN: &str = "Taffrail";

/// Something that needs a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attention {
    /// How bad.
    pub level: Level,
    /// Which object.
    pub at: Ref,
    /// Cause, evidence and remedy.
    pub say: Say,
    /// Since when; zero when unknown.
    pub since: Millis,
}

/// A node in the overview's grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeTile {
    /// The node's name.
    pub name: String,
    /// How it is.
    pub level: Level,
    /// kubectl's word for it.
    pub status: String,
    /// Since when it is so.
    pub since: Millis,
    /// Pods on it.
    pub pods: u32,
    /// Millicores.
    pub cpu: Gauge,
    /// Bytes.
    pub memory: Gauge,
    /// When its kubelet last answered; zero when never.
    pub heard: Millis,
    /// Why its usage is unknown.
    pub problem: Option<Say>,
}

/// The namespaces a person may see, and what is in them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Namespaces {
    /// Sorted.
    pub names: Vec<String>,
    /// Whether these are all the cluster has.
    pub all: bool,
    /// How many are still being checked.
    pub checking: u32,
    /// Rail counts: kind word, total, how many need a person. Absent: a kind they may not list, or that is not read yet.
    pub counts: Vec<(String, u32, u32)>,
    /// Kubelets that answered the last round, of how many; `None` when the person may not list nodes.
    pub kubelets: Option<(u32, u32)>,
    /// This process: millicores and resident bytes; NaN when unknown.
    pub own: (f32, f32),
}
