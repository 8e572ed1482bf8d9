//! The cluster's clock: real, or set by a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time in Unix milliseconds. Clones share one time.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's.
    #[default]
    Real,
    /// Stands still until [`Clock::set`] moves it.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now` (Unix milliseconds).
    #[must_use]
    pub fn manual(now: i64) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(now)))
    }

    /// Unix milliseconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        match self {
            Self::Real => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
            Self::Manual(now) => now.load(Ordering::Acquire),
        }
    }

    /// Moves a manual clock; the real one stays.
    pub fn set(&self, to: i64) {
        if let Self::Manual(now) = self {
            now.store(to, Ordering::Release);
        }
    }
}

/// `2026-11-25T16:00:00Z`, as Kubernetes writes times.
pub(crate) fn rfc3339(millis: i64) -> String {
    jiff::Timestamp::from_second(millis.div_euclid(1000)).map_or_else(|_| String::new(), |at| at.to_string())
}

/// `2026-11-25T16:00:00.123000Z`, the form of Lease times.
pub(crate) fn rfc3339_micro(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).map_or_else(|_| String::new(), |at| format!("{at:.6}"))
}

/// Unix milliseconds of an RFC 3339 time.
pub(crate) fn parse(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}
