//! What the kubelets say: schedule, client, page parser, the newest two points.

pub mod coverage;
pub mod page;

pub use coverage::{Coverage, NodeCoverage};
pub use page::{ContainerPoint, NodePage, NodePoint, PodPoints};
