//! What the kubelets say: schedule, client, page parser, the newest two points.

pub mod coverage;
mod labels;
pub mod names;
pub mod page;
pub mod parse;

pub use coverage::{Coverage, NodeCoverage};
pub use names::Names;
pub use page::{ContainerPoint, NodePage, NodePoint, PodPoints};
