//! The clock and the dice of the process, for those who may look at them; pure parts take both as arguments.

use std::time::{SystemTime, UNIX_EPOCH};
use wire::Millis;

/// Unix milliseconds; a clock before 1970 is at its beginning.
#[must_use]
pub fn unix_millis() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

/// From 0 to 1. Without a source of randomness the middle will do: it only spreads load.
#[must_use]
pub fn jitter() -> f64 {
    getrandom::u32().map_or(0.5, |word| f64::from(word) / f64::from(u32::MAX))
}
