//! How well kubelets answer, and what `metrics.k8s.io` serves: the page on which gaps explain themselves.

use crate::{Level, Millis, Ref, Say};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// The worst first, then by name; not all of very many.
    pub nodes: Vec<CoveredNode>,
    /// How many there are.
    pub nodes_total: u32,
    /// Nodes that are served.
    pub nodes_served: u32,
    /// Running pods in sight.
    pub pods_total: u32,
    /// Of them, those that are served.
    pub pods_served: u32,
    /// How old what is served is; nothing when nothing is.
    pub fresh: Option<Fresh>,
    /// Reasons why running pods are not served, or with a reservation, and how many have each; the most frequent first.
    pub reasons: Vec<(String, u32)>,
    /// Running pods that are not served, then those that are served with a reservation; not all of very many.
    pub missing: Vec<Gap>,
}

/// One node's kubelet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CoveredNode {
    /// The node's name.
    pub name: String,
    /// `Good`: answers; `Warn`: is served with a reservation, old values or worse; `Bad`: is not served; `Busy`: was not asked yet.
    pub level: Level,
    /// Start of the last good scrape; zero before the first.
    pub heard: Millis,
    /// How long it took, milliseconds.
    pub took: u32,
    /// Failures in a row since.
    pub failures: u32,
    /// Seconds by which the sample was older than the scrape; less than nothing when the node's clock is ahead; NaN
    /// without one.
    pub age: f32,
    /// Seconds the rate is averaged over; NaN without one.
    pub window: f32,
    /// Lines that were left out since the node is known.
    pub left_out: u32,
    /// Why it fails, is not served, or is served with a reservation.
    pub problem: Option<Say>,
    /// Bytes of the last good answer, as they came over the wire.
    pub bytes: u32,
}

/// Of what is served: seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fresh {
    /// Half of the samples are younger.
    pub median: f32,
    /// 99 of 100 are younger.
    pub worst: f32,
    /// The longest window of any.
    pub window: f32,
}

/// A running pod that is not served, or with a reservation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// The pod.
    pub at: Ref,
    /// Why.
    pub say: Say,
}
