//! What the server says.

use crate::chart::Chart;
use crate::coverage::Coverage;
use crate::map::{Map, MapDiff};
use crate::object::Object;
use crate::overview::{Namespaces, Overview};
use crate::session::Refusal;
use crate::table::{Column, ColumnId, Op, Row, Tally, Usage};
use crate::{Key, Millis, Say, Sub};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A frame from the server. Frames with a `seq` cost a credit until acknowledged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Server {
    /// First frame after a good `Auth`.
    Welcome {
        /// [`crate::VERSION`] of the server.
        version: u16,
        /// Its clock.
        now: Millis,
        /// The cluster's name.
        cluster: String,
        /// Kubernetes' version.
        kubernetes: String,
        /// When the session ends.
        expires: Millis,
        /// The scrape interval in milliseconds.
        resolution: u32,
    },
    /// Answer to `SignIn`: fetch `claim` with this within 30 s.
    Granted {
        /// 256 bits, single use.
        claim: String,
    },
    /// Answer to `SignIn` or to a bad `Auth`.
    Refused(Refusal),
    /// A table's window, whole. Replaces whatever the browser had for `sub`.
    Page {
        /// Which view.
        sub: Sub,
        /// Frame number within the view.
        seq: u32,
        /// Index of the first row.
        start: u32,
        /// Rows that match the filter.
        matched: u32,
        /// Rows the person may see.
        total: u32,
        /// The columns of the cells.
        columns: Vec<Column>,
        /// The rows.
        rows: Vec<Row>,
        /// Matching rows by state.
        tally: Vec<Tally>,
        /// Time of the state shown.
        as_of: Millis,
        /// Partial scope, forbidden columns, a filter that does not parse.
        notes: Vec<Say>,
    },
    /// From what was shown at `base` to what is at `seq`. A browser that is not at `base` opens the view again.
    Diff {
        /// Which view.
        sub: Sub,
        /// Frame number.
        seq: u32,
        /// The frame it continues.
        base: u32,
        /// Steps, in order.
        ops: Vec<Op>,
        /// Rows that match the filter.
        matched: u32,
        /// Rows the person may see.
        total: u32,
        /// Matching rows by state.
        tally: Vec<Tally>,
        /// Time of the state shown.
        as_of: Millis,
    },
    /// A usage column of the rows shown, apart from the rows because rows never wait for metrics.
    Cells {
        /// Which view.
        sub: Sub,
        /// Frame number.
        seq: u32,
        /// Which column.
        column: ColumnId,
        /// Values by row.
        values: Vec<(Key, Usage)>,
    },
    /// A whole chart.
    Chart {
        /// Which view.
        sub: Sub,
        /// Frame number.
        seq: u32,
        /// The chart.
        chart: Chart,
    },
    /// New values at a chart's end: as many old ones fall off at the front.
    ChartTail {
        /// Which view.
        sub: Sub,
        /// Frame number.
        seq: u32,
        /// The frame it continues.
        base: u32,
        /// Time of the first value after the shift.
        from: Millis,
        /// One list a line, all of the same length.
        values: Vec<Vec<f32>>,
        /// As in the chart.
        newest: Option<(Millis, u32)>,
        /// As in the chart.
        problem: Option<Say>,
    },
    /// An object's page, whole; `None` when there is no such object or the person may not see it.
    Object {
        /// Which view.
        sub: Sub,
        /// Frame number.
        seq: u32,
        /// The object.
        object: Option<Object>,
    },
    /// The map, whole.
    Map {
        /// Which view.
        sub: Sub,
        /// Frame number.
        seq: u32,
        /// The map.
        map: Map,
    },
    /// A change of the map.
    MapDiff {
        /// Which view.
        sub: Sub,
        /// Frame number.
        seq: u32,
        /// The frame it continues.
        base: u32,
        /// The change.
        diff: MapDiff,
    },
    /// The first page, whole.
    Overview {
        /// Which view.
        sub: Sub,
        /// Frame number.
        seq: u32,
        /// The page.
        overview: Overview,
    },
    /// The namespaces and rail counts, whole.
    Namespaces {
        /// Which view.
        sub: Sub,
        /// Frame number.
        seq: u32,
        /// They.
        namespaces: Namespaces,
    },
    /// How a view is doing.
    State {
        /// Which view.
        sub: Sub,
        /// Its state.
        state: ViewState,
    },
    /// Answer to `Yaml`.
    Yaml {
        /// The browser's number for the question.
        ask: u32,
        /// The text, or why there is none.
        text: Result<String, Say>,
    },
    /// Something about one view or, without `sub`, about the connection: a limit, a frame that made no sense.
    Fault {
        /// Which view.
        sub: Option<Sub>,
        /// What and why.
        say: Say,
    },
    /// The person may no longer see what a view shows: rows go at once.
    Revoked {
        /// Which view.
        sub: Sub,
        /// What is missing.
        say: Say,
    },
    /// Session ending soon, draining, signed out elsewhere.
    Notice(Say),
    /// Heartbeat with the server's clock, every 20 s; answered with `Pong`.
    Ping {
        /// The server's clock.
        now: Millis,
    },
    /// How well kubelets answer, whole.
    Coverage {
        /// Which view.
        sub: Sub,
        /// Frame number.
        seq: u32,
        /// The page.
        coverage: Coverage,
    },
}

/// How a view is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ViewState {
    /// Its kind is still being read: how many so far.
    Loading(u32),
    /// Up to date.
    Live,
    /// Since when not, and why.
    Stale(Millis, Say),
    /// The person may not see it: verb and resource are in the sentence.
    Denied(Say),
    /// It cannot be shown.
    Failed(Say),
}
