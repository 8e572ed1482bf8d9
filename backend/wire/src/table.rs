//! Tables: a window of rows, cut by the server.

use crate::{Key, Kind, Level, Millis};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Rows a window may have at most.
pub const WINDOW_MAX: u32 = 500;

/// Which rows, in which order, and which part of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableAsk {
    /// What the rows are.
    pub kind: Kind,
    /// Scope; empty means all the person may see.
    pub namespaces: Vec<String>,
    /// The filter's text: words that must all occur in name or namespace; `-l a=b` labels; `column:value`,
    /// `column!=value`, `column>n`, `column<n`; `!word` excludes.
    pub filter: String,
    /// Column and whether descending, most significant first. Empty: namespace, name.
    pub sort: Vec<(ColumnId, bool)>,
    /// Index of the first row.
    pub start: u32,
    /// Number of rows, at most [`WINDOW_MAX`].
    pub count: u32,
}

/// A column by its stable number in its kind's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ColumnId(pub u8);

/// What a column is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its number.
    pub id: ColumnId,
    /// Stable word: `name`, `ready`, `status`, `cpu`; the title is made of it in the browser.
    pub word: String,
    /// Shown by default, or only when wide.
    pub wide: bool,
    /// Numbers stand to the right.
    pub numeric: bool,
}

/// A row of the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The object.
    pub key: Key,
    /// Empty for cluster-scoped kinds.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// How the object is, for the row's mark.
    pub level: Level,
    /// One cell a column, in the order of the page's columns; usage columns are [`Cell::Usage`] or filled by `Cells`.
    pub cells: Vec<Cell>,
}

/// A cell. Ages are timestamps: the browser prints them, so time passing sends nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Cell {
    /// Unknown or not there: drawn as a dash.
    None,
    /// Text as kubectl prints it.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A point in time, shown as the age since then.
    Time(Millis),
    /// A state: a shape and kubectl's word.
    State(Level, String),
    /// `ready/total`.
    Ready(u32, u32),
    /// Restarts, and when the last one was.
    Restarts(u32, Option<Millis>),
    /// Usage of a resource; arrives apart from the rows, since rows never wait for metrics.
    Usage(Usage),
}

/// What is used of what is asked for and allowed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Millicores or bytes; NaN when unknown.
    pub used: f32,
    /// The sum of requests (pods) or of the pods' requests (nodes); NaN when there is none.
    pub request: f32,
    /// The sum of limits, or the node's allocatable; NaN when there is none.
    pub limit: f32,
    /// The last 15 minutes in equal steps, oldest first; NaN is a gap. Same unit as `used`.
    pub spark: Vec<f32>,
}

/// A step from one window to the next; applied in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Op {
    /// A row appears at a place of the window.
    Insert(u32, Row),
    /// A row leaves the window.
    Remove(Key),
    /// A row of the window moves to a place (after its removal from the old one).
    Move(Key, u32),
    /// Some cells of a row changed; the level with them.
    Set(Key, Level, Vec<(ColumnId, Cell)>),
}

/// How many rows are in which state, over all rows that match the filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How they are.
    pub level: Level,
    /// Stable word of the state group: `running`, `starting`, `pending`, `failing`, `completed`, `ready`, `notready`…
    pub word: String,
    /// How many.
    pub count: u32,
}
