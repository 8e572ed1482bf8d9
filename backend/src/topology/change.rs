//! What turns one map into another: the map's difference for the browser, and how it is applied.

use hashbrown::HashMap;
use std::collections::BTreeSet;
use wire::Key;
use wire::map::{Box, Edge, Map, MapDiff};

/// What turns one map into another.
#[must_use]
pub fn diff(old: &Map, new: &Map) -> MapDiff {
    let before: HashMap<Key, &Box> = old.boxes.iter().map(|piece| (piece.key, piece)).collect();
    let after: HashMap<Key, &Box> = new.boxes.iter().map(|piece| (piece.key, piece)).collect();
    let lines: HashMap<(Key, Key), &Edge> = old.edges.iter().map(|edge| ((edge.from, edge.to), edge)).collect();
    let kept: BTreeSet<(Key, Key)> = new.edges.iter().map(|edge| (edge.from, edge.to)).collect();
    let stands = |key: &Key| after.contains_key(key);
    MapDiff {
        lanes: (old.lanes != new.lanes).then(|| new.lanes.clone()),
        set: new.boxes.iter().filter(|piece| before.get(&piece.key) != Some(piece)).cloned().collect(),
        remove: old.boxes.iter().map(|piece| piece.key).filter(|key| !stands(key)).collect(),
        edges: new.edges.iter().filter(|edge| lines.get(&(edge.from, edge.to)) != Some(edge)).cloned().collect(),
        cut: old
            .edges
            .iter()
            .map(|edge| (edge.from, edge.to))
            .filter(|ends| !kept.contains(ends) && stands(&ends.0) && stands(&ends.1))
            .collect(),
        tally: new.tally,
        proxy: new.proxy.clone(),
    }
}

/// Applies a change, as the browser does. `apply(old, diff(old, new))` is `new`, as long as the same kinds are missing.
pub fn apply(map: &mut Map, change: &MapDiff) {
    let gone: BTreeSet<Key> = change.remove.iter().chain(change.set.iter().map(|piece| &piece.key)).copied().collect();
    let removed: BTreeSet<Key> = change.remove.iter().copied().collect();
    let replaced: BTreeSet<(Key, Key)> =
        change.cut.iter().copied().chain(change.edges.iter().map(|edge| (edge.from, edge.to))).collect();
    map.boxes.retain(|piece| !gone.contains(&piece.key));
    map.boxes.extend(change.set.iter().cloned());
    map.boxes.sort_by_key(|piece| piece.key);
    map.edges.retain(|edge| !removed.contains(&edge.from) && !removed.contains(&edge.to));
    map.edges.retain(|edge| !replaced.contains(&(edge.from, edge.to)));
    map.edges.extend(change.edges.iter().cloned());
    map.edges.sort();
    if let Some(lanes) = &change.lanes {
        map.lanes.clone_from(lanes);
    }
    map.tally = change.tally;
    map.proxy = change.proxy.clone();
}
