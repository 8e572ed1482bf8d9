//! One object: what it is, how it is, what happened to it.

use crate::map::Reach;
use crate::{Level, Millis, Ref, Say};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// An object's page, without its charts and its YAML.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Which object.
    pub at: Ref,
    /// How it is.
    pub level: Level,
    /// kubectl's word for it.
    pub status: String,
    /// When it was created; zero when unknown.
    pub created: Millis,
    /// Since when it is gone, while its last state is still shown.
    pub gone: Option<Millis>,
    /// What is wrong and why, worst first; empty when nothing is.
    pub findings: Vec<Finding>,
    /// Name and value, in the order to be shown.
    pub facts: Vec<Fact>,
    /// Conditions in the order of the status.
    pub conditions: Vec<Condition>,
    /// Containers of a pod: init, sidecar, ordinary.
    pub containers: Vec<Container>,
    /// Owner chain, nearest first.
    pub owners: Vec<Ref>,
    /// Events about it, newest first, at most 100; `None` when the person may not list events.
    pub events: Option<Vec<EventLine>>,
    /// A Service's traffic verdicts, one a port.
    pub reach: Vec<Reach>,
    /// Labels, sorted.
    pub labels: Vec<(String, String)>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad.
    pub level: Level,
    /// Cause, evidence and remedy.
    pub say: Say,
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// Stable word: `node`, `image`, `qos`, `address`, `selector`, `cluster-ip`, `ports`, `strategy`…
    pub word: String,
    /// The value.
    pub value: Value,
}

/// A fact's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// As it is.
    Text(String),
    /// A link.
    Object(Ref),
    /// A point in time.
    Time(Millis),
    /// Millicores.
    Cpu(f64),
    /// Bytes.
    Bytes(f64),
}

/// A condition of the status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// `Ready`, `PodScheduled`…
    pub kind: String,
    /// `True`, `False`, `Unknown`.
    pub status: String,
    /// How that is: a pressure that is True is bad, a Ready that is True is good.
    pub level: Level,
    /// Machine word.
    pub reason: String,
    /// Sentence of the component that set it.
    pub message: String,
    /// Since when.
    pub since: Option<Millis>,
}

/// A container with its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// `init`, `sidecar` or `container`.
    pub role: String,
    /// Its image as the spec names it.
    pub image: String,
    /// How it is.
    pub level: Level,
    /// `running`, `waiting`, `terminated` or empty when unknown.
    pub state: String,
    /// Waiting or terminated reason.
    pub reason: String,
    /// Sentence of the kubelet.
    pub message: String,
    /// Start of the present run, or end of the last one.
    pub since: Option<Millis>,
    /// Ready now.
    pub ready: bool,
    /// How often it was restarted.
    pub restarts: u32,
    /// The last end: exit code, signal, reason, when.
    pub last_exit: Option<Exit>,
    /// Millicores; NaN when there is none.
    pub cpu_request: f64,
    /// Millicores; NaN when there is none.
    pub cpu_limit: f64,
    /// Bytes; NaN when there is none.
    pub memory_request: f64,
    /// Bytes; NaN when there is none.
    pub memory_limit: f64,
}

/// How a container's run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code.
    pub code: i32,
    /// Signal, zero when none.
    pub signal: i32,
    /// `OOMKilled`, `Error`, `Completed`…
    pub reason: String,
    /// When.
    pub at: Option<Millis>,
}

/// An event about an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventLine {
    /// Last seen.
    pub last: Millis,
    /// First seen.
    pub first: Millis,
    /// How often.
    pub count: u32,
    /// Whether its type is Warning.
    pub warning: bool,
    /// Machine word.
    pub reason: String,
    /// Sentence of the component that wrote it.
    pub message: String,
    /// That component.
    pub source: String,
}
