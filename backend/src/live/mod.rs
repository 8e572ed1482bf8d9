//! The live link: one socket per browser, views, differences, credits.
//!
//! A view remembers what its browser was shown and nothing else; what is sent is the difference to what is now. Nothing
//! is queued per change: a browser that slept an hour costs what one costs that slept a second. Everything that leaves
//! went through a [`Permitted`](crate::session::Permitted). Costs O(browsers × window), plus the shared [`board::Board`]s.

mod arrivals;
pub mod board;
mod charts;
pub mod connection;
mod coverage;
mod cuts;
pub mod diff;
pub mod digest;
pub mod door;
mod fallback;
pub mod filter;
pub mod findings;
mod fold;
pub mod hub;
mod inbound;
mod object;
mod open;
pub mod order;
mod outbound;
mod overview;
mod permits;
pub mod requests;
mod silent;
mod socket;
mod spread;
mod steps;
pub mod table;
mod verdicts;
mod views;

pub use door::{Authority, Door, Guest, Topology};
pub use hub::{Hub, Parts};
pub use socket::routes;
pub use verdicts::{Told, Verdicts};

use wire::Millis;

/// The wall clock. Read here and handed down; what computes takes it as an argument.
fn now() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}
