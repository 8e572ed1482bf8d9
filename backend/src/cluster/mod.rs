//! What the API server says: one watch per kind, decoded once into slim objects, kept in one cache per kind.

pub mod cache;
pub mod decode;
mod event;
mod intern;
pub mod kinds;
mod lines;
mod network;
mod node;
mod pod;
pub mod quantity;
mod raw;
pub mod snapshot;
pub mod watch;
mod watches;
mod workload;

pub use cache::{Cache, Objects, Sync};
pub use watches::{Config, Counters, Watches, build};
