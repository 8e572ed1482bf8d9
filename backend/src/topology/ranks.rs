//! The order of boxes within a column: barycenters as exact fractions, so that every platform draws one picture.

use hashbrown::HashMap;
use std::cmp::Ordering;
use wire::Key;
use wire::map::Map;

/// Where boxes stood in their lane's column: what keeps a picture still.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranks(pub(super) HashMap<Key, u32>);

impl Ranks {
    /// Where the boxes of a map stand: rows keep the order that ranks are about.
    #[must_use]
    pub fn of(map: &Map) -> Self {
        Self(map.boxes.iter().map(|one| (one.key, one.row)).collect())
    }
}

/// Reorders a column by the barycenters of its neighbours; boxes without neighbours stay behind, in their order.
pub(super) fn sweep(column: &mut [Key], beside: &[Key], links: &HashMap<Key, Vec<Key>>) {
    let place: HashMap<Key, u64> = beside.iter().copied().zip(0..).collect();
    let middles: HashMap<Key, Middle> =
        column.iter().filter_map(|key| Some((*key, middle(*key, links, &place)?))).collect();
    column.sort_by(|a, b| match (middles.get(a), middles.get(b)) {
        (Some(a), Some(b)) => a.compare(*b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    });
}

/// Known boxes keep their order; a new one goes before the first known one whose neighbours stand lower.
pub(super) fn settle(column: &mut Vec<Key>, beside: &[Key], links: &HashMap<Key, Vec<Key>>, previous: &Ranks) {
    let rank = |key: &Key| previous.0.get(key).copied();
    let place: HashMap<Key, u64> = beside.iter().filter_map(|key| Some((*key, u64::from(rank(key)?)))).collect();
    let (mut known, fresh): (Vec<Key>, Vec<Key>) = column.iter().partition(|key| rank(key).is_some());
    known.sort_by_key(|key| (rank(key), *key));
    for key in fresh {
        let at = middle(key, links, &place).and_then(|own| {
            known.iter().position(|other| {
                middle(*other, links, &place).is_some_and(|other| other.compare(own) == Ordering::Greater)
            })
        });
        known.insert(at.unwrap_or(known.len()), key);
    }
    *column = known;
}

/// A barycenter as an exact fraction.
#[derive(Clone, Copy)]
pub(super) struct Middle {
    sum: u64,
    count: u64,
}

impl Middle {
    fn compare(self, other: Self) -> Ordering {
        (self.sum * other.count).cmp(&(other.sum * self.count))
    }
}

pub(super) fn middle(key: Key, links: &HashMap<Key, Vec<Key>>, place: &HashMap<Key, u64>) -> Option<Middle> {
    let (mut sum, mut count) = (0, 0);
    for at in links.get(&key)?.iter().filter_map(|other| place.get(other)) {
        sum += at;
        count += 1;
    }
    (count > 0).then_some(Middle { sum, count })
}
