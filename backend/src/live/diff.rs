//! The steps from one window to the next, and their application. Pure; the law
//! `apply(diff(old, new), old) == new` is held by a property test.

use std::collections::{HashMap, HashSet};
use wire::Key;
use wire::table::{Cell, ColumnId, Op, Row};

/// The steps that make `old` into `new`: removals, then insertions and moves from the top, then changed cells. A row
/// that alone changed its place costs one step. `columns` are those of the rows' cells.
pub fn diff(columns: &[ColumnId], old: &[Row], new: &[Row]) -> Vec<Op> {
    let place: HashMap<Key, usize> = new.iter().enumerate().map(|(at, row)| (row.key, at)).collect();
    let before: HashMap<Key, &Row> = old.iter().map(|row| (row.key, row)).collect();
    let mut ops = Vec::new();
    let mut shown = Vec::with_capacity(new.len());
    for row in old {
        match place.get(&row.key) {
            // A name may come back as another object under the same number only across a restart; a row that is
            // called something else is another row.
            Some(&at)
                if new.get(at).is_some_and(|fresh| fresh.name == row.name && fresh.namespace == row.namespace) =>
            {
                shown.push(row.key);
            }
            Some(_) | None => ops.push(Op::Remove(row.key)),
        }
    }
    let stays = keepers(&shown, &place);
    for (at, row) in new.iter().enumerate() {
        while let Some(&present) = shown.get(at) {
            if present == row.key || !stays.contains(&row.key) {
                break;
            }
            // A row that keeps its order is hidden behind one that does not: the other goes to where it belongs, and
            // in any case behind this one.
            let behind = shown.iter().position(|key| *key == row.key).unwrap_or(at);
            let goal = place.get(&present).copied().unwrap_or(at).max(behind).min(shown.len() - 1);
            shift(&mut shown, at, goal);
            ops.push(Op::Move(present, index(goal)));
        }
        if shown.get(at) == Some(&row.key) {
            continue;
        }
        match shown.iter().position(|key| *key == row.key) {
            Some(from) => {
                shift(&mut shown, from, at);
                ops.push(Op::Move(row.key, index(at)));
            }
            None => {
                shown.insert(at.min(shown.len()), row.key);
                ops.push(Op::Insert(index(at), row.clone()));
            }
        }
    }
    let inserted: HashSet<Key> =
        ops.iter().filter_map(|op| if let Op::Insert(_, row) = op { Some(row.key) } else { None }).collect();
    for row in new.iter().filter(|row| !inserted.contains(&row.key)) {
        let Some(known) = before.get(&row.key) else { continue };
        let cells: Vec<(ColumnId, Cell)> = columns
            .iter()
            .zip(row.cells.iter().zip(&known.cells))
            .filter(|(_, (fresh, known))| fresh != known)
            .map(|(column, (fresh, _))| (*column, fresh.clone()))
            .collect();
        if !cells.is_empty() || known.level != row.level {
            ops.push(Op::Set(row.key, row.level, cells));
        }
    }
    ops
}

/// What a browser does with a [`wire::Server::Diff`]. Steps about unknown rows change nothing.
pub fn apply(columns: &[ColumnId], rows: &mut Vec<Row>, ops: &[Op]) {
    for op in ops {
        match op {
            Op::Insert(at, row) => rows.insert((*at as usize).min(rows.len()), row.clone()),
            Op::Remove(key) => rows.retain(|row| row.key != *key),
            Op::Move(key, at) => {
                if let Some(from) = rows.iter().position(|row| row.key == *key) {
                    let row = rows.remove(from);
                    rows.insert((*at as usize).min(rows.len()), row);
                }
            }
            Op::Set(key, level, cells) => {
                let Some(row) = rows.iter_mut().find(|row| row.key == *key) else { continue };
                row.level = *level;
                for (column, cell) in cells {
                    let at = columns.iter().position(|known| known == column);
                    if let Some(slot) = at.and_then(|at| row.cells.get_mut(at)) {
                        *slot = cell.clone();
                    }
                }
            }
        }
    }
}

/// The longest run of rows that are in the same order before and after.
fn keepers(shown: &[Key], place: &HashMap<Key, usize>) -> HashSet<Key> {
    let goals: Vec<usize> = shown.iter().filter_map(|key| place.get(key).copied()).collect();
    // tails[l]: index into `goals` of the smallest end of an increasing run of l + 1.
    let mut tails: Vec<usize> = Vec::new();
    let mut previous: Vec<Option<usize>> = Vec::with_capacity(goals.len());
    for (at, goal) in goals.iter().enumerate() {
        let run = tails.partition_point(|&tail| goals.get(tail).is_some_and(|end| end < goal));
        previous.push(run.checked_sub(1).and_then(|run| tails.get(run).copied()));
        match tails.get_mut(run) {
            Some(tail) => *tail = at,
            None => tails.push(at),
        }
    }
    let mut stays = HashSet::new();
    let mut next = tails.last().copied();
    while let Some(at) = next {
        stays.extend(shown.get(at));
        next = previous.get(at).copied().flatten();
    }
    stays
}

fn shift(rows: &mut Vec<Key>, from: usize, to: usize) {
    let key = rows.remove(from);
    rows.insert(to.min(rows.len()), key);
}

fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX) // a window has at most 500 rows
}

#[cfg(test)]
mod diff_tests {
    use super::*;
    use proptest::prelude::*;
    use wire::Level;

    const COLUMNS: [ColumnId; 2] = [ColumnId(0), ColumnId(7)];

    fn row(key: u64, value: i64) -> Row {
        let level = if value % 2 == 0 { Level::Good } else { Level::Bad };
        let cells = vec![Cell::Text(format!("r{key}")), Cell::Int(value)];
        Row { key: Key(key), namespace: "a".into(), name: format!("r{key}"), level, cells }
    }

    #[track_caller]
    fn check(old: &[u64], new: &[u64], steps: usize) {
        let old: Vec<Row> = old.iter().map(|key| row(*key, 0)).collect();
        let new: Vec<Row> = new.iter().map(|key| row(*key, 0)).collect();
        let ops = diff(&COLUMNS, &old, &new);
        assert_eq!(ops.len(), steps, "{ops:?}");
        let mut shown = old;
        apply(&COLUMNS, &mut shown, &ops);
        assert_eq!(shown, new);
    }

    #[test]
    fn a_change_costs_no_more_steps_than_rows_that_changed() {
        check(&[], &[], 0);
        check(&[1, 2, 3], &[1, 2, 3], 0);
        check(&[1, 2, 3], &[1, 3], 1);
        check(&[1, 2, 3], &[1, 9, 2, 3], 1);
        check(&[1, 2, 3, 4, 5, 6], &[2, 3, 4, 5, 6, 1], 1);
        check(&[1, 2, 3, 4, 5, 6], &[6, 1, 2, 3, 4, 5], 1);
        check(&[1, 2, 3, 4], &[2, 3, 4, 5], 2);
    }

    proptest! {
        #[test]
        fn a_diff_applied_to_a_page_is_the_fresh_page(
            pages in proptest::collection::vec(
                (Just((0_u64..24).collect::<Vec<_>>()).prop_shuffle(), 0_usize..24, proptest::collection::vec(0_i64..3, 24)),
                1..6,
            )
        ) {
            let mut shown: Vec<Row> = Vec::new();
            for (keys, len, values) in pages {
                let fresh: Vec<Row> =
                    keys.iter().take(len).map(|key| row(*key, values[usize::try_from(*key).unwrap()])).collect();
                let ops = diff(&COLUMNS, &shown, &fresh);
                apply(&COLUMNS, &mut shown, &ops);
                prop_assert_eq!(&shown, &fresh);
            }
        }
    }
}
