//! A kubelet's page after parsing: the points of one node and its pods.

use std::sync::Arc;
use wire::Millis;

/// One answer of one kubelet.
#[derive(Clone, Debug, PartialEq)]
pub struct NodePage {
    pub node: Arc<str>,
    /// Unix time at which the request was sent, by our clock.
    pub asked: Millis,
    /// A round of the schedule, or an extra scrape of a node somebody looks at: extra ones feed the history only.
    pub scheduled: bool,
    pub node_point: Option<NodePoint>,
    /// What there is no point for, in words: `no memory`; empty with one.
    pub lacks: &'static str,
    pub pods: Vec<PodPoints>,
}

/// A cumulative CPU counter and a working set at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodePoint {
    /// Sample time by the kubelet's clock.
    pub at: Millis,
    /// Cumulative nanoseconds.
    pub cpu: u64,
    /// Bytes.
    pub memory: u64,
    pub swap: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PodPoints {
    pub namespace: Arc<str>,
    pub name: Arc<str>,
    pub containers: Vec<ContainerPoint>,
}

/// A container's sample. `cpu` and `memory` are `None` when absent or zero ("unknown" in a kubelet's words).
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerPoint {
    pub name: Arc<str>,
    pub at: Millis,
    pub cpu: Option<u64>,
    pub memory: Option<u64>,
    pub swap: Option<u64>,
    /// Unix nanoseconds; `None` when absent or implausible.
    pub started: Option<u64>,
}
