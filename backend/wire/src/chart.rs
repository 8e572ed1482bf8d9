//! Charts: lines over time in equal steps.

use crate::{Millis, Say};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Which lines over which time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChartAsk {
    /// Whose usage.
    pub target: Target,
    /// Of what.
    pub metric: Metric,
    /// Seconds back from now, at most a day.
    pub range_s: u32,
    /// Points wanted at most (the canvas' width); the server chooses the step.
    pub points: u16,
}

/// Whose usage.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Target {
    /// All nodes: one line.
    Cluster,
    /// The pods of a namespace: one line.
    Namespace(String),
    /// A node: one line.
    Node(String),
    /// A pod's containers: a line each.
    Pod(String, String),
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Metric {
    /// Millicores.
    Cpu,
    /// Working set in bytes.
    Memory,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The container's name, or empty for the target itself.
    pub label: String,
    /// One value a step; NaN is a gap.
    pub values: Vec<f32>,
}

/// A level that does not move with time: request, limit, allocatable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// `request`, `limit`, `allocatable`, `requested`.
    pub word: String,
    /// The container it belongs to; empty for the target itself.
    pub label: String,
    /// In the metric's unit.
    pub value: f64,
}

/// A moment worth a mark: an OOM kill, a restart, a rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// When.
    pub at: Millis,
    /// What happened.
    pub say: Say,
}

/// A whole chart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// Time of the first value.
    pub from: Millis,
    /// Milliseconds between values.
    pub step: u32,
    /// Lines, all of the same length.
    pub lines: Vec<Line>,
    /// Levels.
    pub rules: Vec<Rule>,
    /// Moments.
    pub marks: Vec<Mark>,
    /// Time and window (milliseconds) of the newest sample, for "as of".
    pub newest: Option<(Millis, u32)>,
    /// Why there is nothing, or nothing new.
    pub problem: Option<Say>,
}
