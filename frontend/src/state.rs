//! What the browser has of a table: the server's window, kept by its differences. Pure.

use crate::parts::standing::Standing;
use wire::Key;
use wire::table::{Cell, Column, Op, Row, Tally};
use wire::{Millis, Say, Server};

/// A table's window.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) seq: u32,
    pub(crate) loaded: bool,
    pub(crate) start: u32,
    pub(crate) matched: u32,
    pub(crate) total: u32,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
    pub(crate) tally: Vec<Tally>,
    pub(crate) as_of: Millis,
    pub(crate) notes: Vec<Say>,
    pub(crate) standing: Standing,
}

// === impl Table ===

impl Table {
    /// Takes a frame; `false` when it does not continue what is here.
    pub(crate) fn take(&mut self, frame: &Server) -> bool {
        self.standing.hear(frame);
        match frame {
            Server::Page { seq, start, matched, total, columns, rows, tally, as_of, notes, .. } => {
                *self = Self {
                    seq: *seq,
                    loaded: true,
                    start: *start,
                    matched: *matched,
                    total: *total,
                    columns: columns.clone(),
                    rows: self.with_usage(rows),
                    tally: tally.clone(),
                    as_of: *as_of,
                    notes: notes.clone(),
                    standing: self.standing.clone(),
                };
            }
            Server::Diff { seq, base, ops, matched, total, tally, as_of, .. } => {
                if *base != self.seq || !ops.iter().all(|op| self.step(op)) {
                    return false;
                }
                (self.seq, self.matched, self.total, self.as_of) = (*seq, *matched, *total, *as_of);
                self.tally.clone_from(tally);
            }
            Server::Cells { seq, column, values, .. } => {
                self.seq = *seq;
                let Some(at) = self.columns.iter().position(|known| known.id == *column) else { return true };
                for row in &mut self.rows {
                    if let Some((_, usage)) = values.iter().find(|(key, _)| *key == row.key)
                        && let Some(cell) = row.cells.get_mut(at)
                    {
                        *cell = Cell::Usage(usage.clone());
                    }
                }
            }
            Server::Revoked { .. } => {
                *self = Self { loaded: true, standing: self.standing.clone(), ..Self::default() };
            }
            _ => {}
        }
        true
    }

    pub(crate) fn row(&self, key: Key) -> Option<(usize, &Row)> {
        self.rows.iter().enumerate().find(|(_, row)| row.key == key)
    }

    /// The new rows with the usage that is known of them: a page comes without.
    fn with_usage(&self, rows: &[Row]) -> Vec<Row> {
        let mut rows = rows.to_vec();
        for row in &mut rows {
            let Some((_, old)) = self.row(row.key) else { continue };
            for (cell, old) in row.cells.iter_mut().zip(&old.cells) {
                if matches!((&*cell, old), (Cell::None, Cell::Usage(_))) {
                    *cell = old.clone();
                }
            }
        }
        rows
    }

    fn step(&mut self, op: &Op) -> bool {
        let at = |rows: &[Row], key: Key| rows.iter().position(|row| row.key == key);
        match op {
            Op::Insert(to, row) => {
                let to = *to as usize;
                if to > self.rows.len() {
                    return false;
                }
                self.rows.insert(to, row.clone());
            }
            Op::Remove(key) => {
                let Some(at) = at(&self.rows, *key) else { return false };
                self.rows.remove(at);
            }
            Op::Move(key, to) => {
                let Some(at) = at(&self.rows, *key) else { return false };
                let row = self.rows.remove(at);
                self.rows.insert((*to as usize).min(self.rows.len()), row);
            }
            Op::Set(key, level, cells) => {
                let Some(row) = self.rows.iter_mut().find(|row| row.key == *key) else { return false };
                row.level = *level;
                for (id, value) in cells {
                    let column = self.columns.iter().position(|column| column.id == *id);
                    if let Some(cell) = column.and_then(|at| row.cells.get_mut(at)) {
                        *cell = value.clone();
                    }
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::table::ColumnId;
    use wire::{Level, Sub};

    fn row(key: u64) -> Row {
        let cells = vec![Cell::Int(0)];
        Row { key: Key(key), namespace: String::new(), name: key.to_string(), level: Level::Good, cells }
    }

    #[track_caller]
    fn check(ops: Vec<Op>, expected: Option<&[u64]>) {
        let column = Column { id: ColumnId(5), word: "x".into(), wide: false, numeric: true };
        let mut table = Table { seq: 1, columns: vec![column], rows: vec![row(1), row(2), row(3)], ..Table::default() };
        let frame =
            Server::Diff { sub: Sub(1), seq: 2, base: 1, ops, matched: 3, total: 3, tally: Vec::new(), as_of: 0 };
        let good = table.take(&frame);
        let keys: Vec<u64> = table.rows.iter().map(|row| row.key.0).collect();
        assert_eq!(good.then_some(keys.as_slice()), expected);
    }

    #[test]
    fn steps_are_applied_in_order() {
        check(vec![Op::Insert(0, row(9)), Op::Remove(Key(2))], Some(&[9, 1, 3]));
        check(vec![Op::Move(Key(1), 2)], Some(&[2, 3, 1]));
        check(vec![Op::Set(Key(1), Level::Bad, vec![(ColumnId(5), Cell::Int(4))])], Some(&[1, 2, 3]));
    }

    #[test]
    fn a_step_that_does_not_fit_asks_for_a_whole_frame() {
        check(vec![Op::Remove(Key(8))], None);
        check(vec![Op::Insert(7, row(9))], None);
    }
}
