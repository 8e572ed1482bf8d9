//! Integer time series in memory: what a chart reads and nothing else.
//!
//! A [`Store`] maps a key to a [`Group`] of named [`Track`]s (a pod to its containers). A track holds CPU and memory of
//! one thing under shared timestamps in two tiers: every sample for an hour, and minimum, average and maximum of every
//! minute for a day. Sealed chunks are compressed by [`codec`]; the open chunk is varints, so that a series that is
//! being written costs no block of raw samples beside its history.
//!
//! There is no I/O, no clock and no thread in here: time is an argument, one owner writes.
//!
//! Invariants: times in a track only grow; a rate is never negative and never spans a counter's reset; what is not
//! known is not zero. Costs are measured by `benches/store.rs` of the backend: bytes a sample, bytes a series, time of
//! an append and of reading a pod's hour.

#![warn(missing_docs)]

pub mod codec;
mod grid;
mod span;
mod store;
mod stream;
mod track;

pub use grid::Grid;
pub use span::{Metric, Span};
pub use store::{Group, Size, Store};
pub use track::{Keep, Kind, MINUTE, PAGE, Sample, Start, Track};
