//! What the API server says: one watch per kind, decoded once into slim objects, kept in one cache per kind.

pub mod cache;
pub mod kinds;

pub use cache::{Cache, Objects, Sync};
