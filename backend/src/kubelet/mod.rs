//! What the kubelets say: schedule, client, page parser, the newest two points.

mod client;
pub mod config;
pub mod coverage;
mod labels;
pub mod names;
pub mod page;
pub mod parse;
mod failure;
mod focus;
pub mod latest;
#[cfg(test)]
mod latest_tests;
mod rate;
mod scrape;
pub mod selector;
mod verify;

pub use config::{Config, KubeletCredentials, TokenSource};
pub use coverage::{Coverage, NodeCoverage};
pub use names::Names;
pub use focus::{Focus, Look};
pub use latest::{Latest, Missing, Served, ServedPod};
pub use page::{ContainerPoint, NodePage, NodePoint, PodPoints};
pub use scrape::{BuildError, Scraper, build};
