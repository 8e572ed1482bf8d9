//! Services, endpoints and proxies: who reaches whom. Verdicts and layout are pure; only `mode` asks the API server.

mod boxes;
pub mod change;
pub mod choice;
pub mod facts;
pub mod map;
pub mod mode;
pub mod ranks;
pub mod reach;
pub mod verdict;

pub use facts::Facts;
pub use map::Scope;
pub use ranks::Ranks;
