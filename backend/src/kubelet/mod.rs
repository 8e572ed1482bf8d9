//! What the kubelets say: schedule, client, page parser, the newest two points.

mod body;
mod client;
pub mod config;
mod connect;
pub mod coverage;
mod failure;
mod focus;
mod labels;
pub mod latest;
mod material;
mod meters;
pub mod missing;
pub mod names;
pub mod page;
pub mod parse;
mod points;
mod probe;
mod rate;
mod scrape;
pub mod selector;
mod store;
mod target;
mod verify;

pub use config::{Config, KubeletCredentials, TokenSource, Verify};
pub use coverage::{Coverage, NodeCoverage};
pub use focus::{Focus, Look};
pub use latest::{Latest, Missing, Reservation, Served, ServedPod};
pub use meters::Meters;
pub use names::Names;
pub use page::{ContainerPoint, NodePage, NodePoint, PodPoints};
pub use probe::{Probed, probe};
pub use scrape::{BuildError, Scraper, build};
pub use selector::LabelSelector;
