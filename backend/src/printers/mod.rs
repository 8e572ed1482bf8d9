//! kubectl's columns, words and ages; pure: (facts, now) → cells.
//!
//! Reference: kubernetes `pkg/printers/internalversion/printers.go` at 1.34. Ages leave as timestamps: the browser
//! prints them with `wire::age`. Usage columns are declared here, empty, and filled by `live`.

mod event;
mod network;
mod node;
pub mod pod;
mod selector;
mod workload;

pub use selector::matches;

use crate::cluster::kinds::{Deployment, EndpointSlice, Event, Kind, Namespace, Node, Pod, ReplicaSet, Service};
use wire::table::{Cell, Column, ColumnId};
use wire::{Level, Millis};

/// The usage columns' numbers start here, so that kubectl's columns keep theirs.
pub const CPU: ColumnId = ColumnId(100);
/// See [`CPU`].
pub const MEMORY: ColumnId = ColumnId(101);

/// How kubectl prints a kind.
pub trait Printer: Kind {
    /// Default and wide columns in kubectl's wide order, then usage columns.
    fn columns() -> Vec<Column>;
    /// One cell a column.
    fn cells(&self, now: Millis) -> Vec<Cell>;
    /// The cell of one column, cheaper than all of them where only one is sorted or filtered by.
    fn cell(&self, at: usize, now: Millis) -> Option<Cell> {
        self.cells(now).into_iter().nth(at)
    }
    /// How the object is, and the word of its state group.
    fn state(&self, now: Millis) -> (Level, &'static str);
}

/// The columns of a kind.
#[must_use]
pub fn columns(kind: wire::Kind) -> Vec<Column> {
    match kind {
        wire::Kind::Node => Node::columns(),
        wire::Kind::Namespace => Namespace::columns(),
        wire::Kind::Pod => Pod::columns(),
        wire::Kind::ReplicaSet => ReplicaSet::columns(),
        wire::Kind::Deployment => Deployment::columns(),
        wire::Kind::Service => Service::columns(),
        wire::Kind::EndpointSlice => EndpointSlice::columns(),
        wire::Kind::Event => Event::columns(),
    }
}

/// A cell as kubectl prints it.
#[must_use]
pub fn text(cell: &Cell, now: Millis) -> String {
    match cell {
        Cell::None | Cell::Usage(_) => String::new(),
        Cell::Text(text) | Cell::State(_, text) => text.clone(),
        Cell::Int(number) => number.to_string(),
        Cell::Time(0) => "<unknown>".to_owned(),
        Cell::Time(at) => wire::age::human(now - at),
        Cell::Ready(ready, total) => format!("{ready}/{total}"),
        Cell::Restarts(count, Some(last)) if *count != 0 => format!("{count} ({} ago)", wire::age::human(now - last)),
        Cell::Restarts(count, _) => count.to_string(),
    }
}

/// A column's word, with `wide:` before wide ones and `#` after numeric ones.
fn described(words: &[&str]) -> Vec<Column> {
    let kubectl = words.iter().zip(0..).map(|(word, id)| {
        let (wide, word) = word.strip_prefix("wide:").map_or((false, *word), |word| (true, word));
        let (numeric, word) = word.strip_suffix('#').map_or((false, word), |word| (true, word));
        Column { id: ColumnId(id), word: word.to_owned(), wide, numeric }
    });
    kubectl.collect()
}

fn with_usage(mut columns: Vec<Column>) -> Vec<Column> {
    for (id, word) in [(CPU, "cpu"), (MEMORY, "memory")] {
        columns.push(Column { id, word: word.to_owned(), wide: false, numeric: true });
    }
    columns
}

fn words(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

/// The text, or what stands for nothing.
fn or(text: Option<&str>, nothing: &str) -> Cell {
    words(text.filter(|text| !text.is_empty()).unwrap_or(nothing))
}

/// `a,b,c + 2 more...`
fn three(items: &[String], nothing: &str) -> Cell {
    words(match items {
        [] => nothing.to_owned(),
        [a, b, c, rest @ ..] if !rest.is_empty() => format!("{a},{b},{c} + {} more...", rest.len()),
        few => few.join(","),
    })
}

#[cfg(test)]
mod tests;
