//! The order of a table: a value a row and column, and a total comparison of them.

use std::cmp::Ordering;
use wire::Millis;
use wire::table::Cell;

/// What a cell sorts and filters by. [`Sort::Missing`] is last in both directions.
#[derive(Clone, Debug, PartialEq)]
pub enum Sort {
    Missing,
    Number(f64),
    /// Sorts as an age: the younger first.
    Time(Millis),
    Text(Word),
}

/// A text that is compared without being read, mostly: its first eight bytes lie beside the pointer to all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Big-endian, filled up with zeros.
    head: u64,
    text: Box<str>,
}

impl Sort {
    pub fn of(cell: &Cell) -> Self {
        match cell {
            Cell::None => Self::Missing,
            Cell::Text(text) | Cell::State(_, text) => Self::Text(Word::new(text)),
            Cell::Int(number) => Self::Number(*number as f64),
            Cell::Time(at) => Self::Time(*at),
            Cell::Ready(ready, total) => Self::Number(f64::from(*ready) + f64::from(*total) / 1e6),
            Cell::Restarts(count, _) => Self::Number(f64::from(*count)),
            Cell::Usage(usage) if usage.used.is_nan() => Self::Missing,
            Cell::Usage(usage) => Self::Number(f64::from(usage.used)),
        }
    }

    /// Total; unknown values last whatever the direction.
    pub fn compare(&self, other: &Self, descending: bool) -> Ordering {
        let order = match (self, other) {
            (Self::Missing, Self::Missing) => return Ordering::Equal,
            (Self::Missing, _) => return Ordering::Greater,
            (_, Self::Missing) => return Ordering::Less,
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Time(a), Self::Time(b)) => b.cmp(a),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            // A column that mixes kinds of cells: numbers, then times, then texts.
            (a, b) => a.class().cmp(&b.class()),
        };
        if descending { order.reverse() } else { order }
    }

    fn class(&self) -> u8 {
        match self {
            Self::Number(_) => 0,
            Self::Time(_) => 1,
            Self::Text(_) => 2,
            Self::Missing => 3,
        }
    }
}

// === impl Word ===

impl Word {
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut head = [0; 8];
        for (slot, byte) in head.iter_mut().zip(text.bytes()) {
            *slot = byte;
        }
        Self { head: u64::from_be_bytes(head), text: text.into() }
    }
}

impl std::ops::Deref for Word {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl Ord for Word {
    fn cmp(&self, other: &Self) -> Ordering {
        self.head.cmp(&other.head).then_with(|| {
            let (own, others) = (self.text.len(), other.text.len());
            if own <= 8 && others <= 8 { own.cmp(&others) } else { self.text.cmp(&other.text) }
        })
    }
}

impl PartialOrd for Word {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod order_tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn words_are_in_the_order_of_their_texts(one in "[a\\x00b]{0,10}", other in "[a\\x00b]{0,10}") {
            prop_assert_eq!(Word::new(&one).cmp(&Word::new(&other)), one.cmp(&other));
        }
    }
}
