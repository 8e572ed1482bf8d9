//! Services, endpoints and proxies: who reaches whom. Verdicts and layout are pure; only `mode` asks the API server.

pub mod choice;
pub mod facts;
pub mod map;
pub mod mode;
pub mod reach;
pub mod verdict;

pub use facts::Facts;
pub use map::{Ranks, Scope};
