//! kubectl's columns, words and ages; pure: (facts, now) → cells.

use crate::cluster::kinds::{Deployment, EndpointSlice, Event, Kind, Namespace, Node, Pod, ReplicaSet, Service};
use wire::table::{Cell, Column, ColumnId};
use wire::{Level, Millis};

/// A kind as a table shows it.
pub trait Printer: Kind {
    /// In the order of a row's cells. Usage columns have ids from 100.
    fn columns() -> Vec<Column>;
    /// One a column; usage columns are [`Cell::None`].
    fn cells(&self, now: Millis) -> Vec<Cell>;
    /// How it is, and the stable word of its state group.
    fn state(&self, now: Millis) -> (Level, &'static str);
}

fn column(id: u8, word: &str, numeric: bool) -> Column {
    Column { id: ColumnId(id), word: word.into(), wide: false, numeric }
}

macro_rules! plain {
    ($($kind:ident),*) => {$(
        impl Printer for $kind {
            fn columns() -> Vec<Column> {
                vec![column(0, "name", false), column(1, "age", true)]
            }
            fn cells(&self, _now: Millis) -> Vec<Cell> {
                vec![Cell::Text(self.meta.name.to_string()), Cell::Time(self.meta.created)]
            }
            fn state(&self, _now: Millis) -> (Level, &'static str) {
                (Level::Good, "ready")
            }
        }
    )*};
}
plain!(Namespace, ReplicaSet, Deployment, Service, EndpointSlice, Event);

impl Printer for Node {
    fn columns() -> Vec<Column> {
        let mut columns = vec![column(0, "name", false), column(1, "status", false), column(2, "age", true)];
        columns.extend([column(100, "cpu", true), column(101, "memory", true)]);
        columns
    }
    fn cells(&self, now: Millis) -> Vec<Cell> {
        let (level, word) = self.state(now);
        let state = Cell::State(level, word.into());
        vec![Cell::Text(self.meta.name.to_string()), state, Cell::Time(self.meta.created), Cell::None, Cell::None]
    }
    fn state(&self, _now: Millis) -> (Level, &'static str) {
        match self.conditions.iter().any(|condition| &*condition.kind == "Ready" && &*condition.status == "True") {
            true => (Level::Good, "ready"),
            false => (Level::Bad, "notready"),
        }
    }
}

impl Printer for Pod {
    fn columns() -> Vec<Column> {
        let mut columns = vec![column(0, "name", false), column(1, "status", false)];
        columns.extend([column(2, "restarts", true), column(3, "age", true)]);
        columns.extend([column(100, "cpu", true), column(101, "memory", true)]);
        columns
    }
    fn cells(&self, now: Millis) -> Vec<Cell> {
        let restarts = self.containers.iter().filter_map(|one| one.status.as_ref()).map(|one| one.restarts).sum();
        vec![
            Cell::Text(self.meta.name.to_string()),
            Cell::State(self.state(now).0, self.phase.to_string()),
            Cell::Restarts(restarts, None),
            Cell::Time(self.meta.created),
            Cell::None,
            Cell::None,
        ]
    }
    fn state(&self, _now: Millis) -> (Level, &'static str) {
        match &*self.phase {
            "Running" => (Level::Good, "running"),
            "Pending" => (Level::Busy, "pending"),
            "Succeeded" => (Level::Gone, "completed"),
            _ => (Level::Bad, "failing"),
        }
    }
}
