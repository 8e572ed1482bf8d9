//! Why something is not served, as data and as a sentence.

use std::sync::Arc;
use wire::Say;

/// Why a node or a pod is not served: the reasons of `metrics-api.md` section 6.
#[derive(Clone, Debug, PartialEq)]
pub enum Missing {
    /// A new node, or a pod on one: no page yet.
    NotScrapedYet,
    /// The node's scrape fails, and its points are gone.
    NodeFails(Say),
    /// The kubelet reports no CPU or no memory for the node.
    IncompleteSample,
    /// One sample so far; of a pod: this container's.
    WaitingForSecondSample(Option<Arc<str>>),
    /// The CPU counter went back; of a pod: this container's.
    CounterReset(Option<Arc<str>>),
    /// The container began anew between two rounds.
    ContainerRestarted(Arc<str>),
    /// The container lacks a value, and an HPA treats a missing pod safely, a wrong low number not.
    IncompleteContainer { container: Arc<str>, lacks: &'static str },
    /// The pod's node does not answer.
    NodeMissing { node: Arc<str>, reason: String },
    /// The kubelet answers and does not list the pod.
    NotReportedByKubelet(Option<Arc<str>>),
}

// === impl Missing ===

impl Missing {
    /// The container it is about, where there is one.
    #[must_use]
    pub fn container(&self) -> Option<&Arc<str>> {
        match self {
            Self::WaitingForSecondSample(container) | Self::CounterReset(container) => container.as_ref(),
            Self::ContainerRestarted(container) | Self::IncompleteContainer { container, .. } => Some(container),
            _ => None,
        }
    }

    /// For people: the reason with its parameters.
    #[must_use]
    pub fn say(&self) -> Say {
        let say = Say::new(self.reason());
        match self {
            Self::NodeFails(problem) => problem.clone(),
            Self::WaitingForSecondSample(Some(container))
            | Self::CounterReset(Some(container))
            | Self::ContainerRestarted(container) => say.with("container", &**container),
            Self::IncompleteContainer { container, lacks } => say.with("container", &**container).with("lacks", *lacks),
            Self::NodeMissing { node, reason } => say.with("node", &**node).with("reason", reason.as_str()),
            Self::NotReportedByKubelet(Some(node)) => say.with("node", &**node),
            _ => say,
        }
    }

    /// The reason's code.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::NotScrapedYet => "NotScrapedYet",
            Self::NodeFails(problem) => &problem.code,
            Self::IncompleteSample => "IncompleteSample",
            Self::WaitingForSecondSample(_) => "WaitingForSecondSample",
            Self::CounterReset(_) => "CounterReset",
            Self::ContainerRestarted(_) => "ContainerRestarted",
            Self::IncompleteContainer { .. } => "IncompleteContainer",
            Self::NodeMissing { .. } => "NodeMissing",
            Self::NotReportedByKubelet(_) => "NotReportedByKubelet",
        }
    }
}

/// The English sentence, as kubectl prints it.
impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotScrapedYet => write!(f, "the node is new and was not scraped yet"),
            Self::NodeFails(problem) => {
                write!(f, "kubelet {}: {}; {}", problem.arg("address"), problem.arg("cause"), problem.arg("remedy"))
            }
            Self::IncompleteSample => write!(f, "the kubelet reports no CPU or no memory for the node"),
            Self::WaitingForSecondSample(Some(container)) => {
                write!(f, "container {container} has one sample; a rate needs two, the next scrape is due")
            }
            Self::WaitingForSecondSample(None) => {
                write!(f, "there is one sample; a rate needs two, the next scrape is due")
            }
            Self::CounterReset(Some(container)) => write!(f, "the CPU counter of container {container} went back"),
            Self::CounterReset(None) => write!(f, "the CPU counter went back"),
            Self::ContainerRestarted(container) => {
                write!(f, "container {container} restarted and has one sample since")
            }
            Self::IncompleteContainer { container, lacks } => write!(f, "container {container} has no {lacks} value"),
            Self::NodeMissing { node, reason } => write!(f, "its node {node} is not answering: {reason}"),
            Self::NotReportedByKubelet(Some(node)) => write!(f, "the kubelet of {node} does not list it"),
            Self::NotReportedByKubelet(None) => write!(f, "it is not assigned to a node"),
        }
    }
}
