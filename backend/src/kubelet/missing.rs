//! Why something is not served, or only with a reservation, as data and as a sentence.

use std::sync::Arc;
use std::time::Duration;
use wire::{Millis, Say};

/// Why a node or a pod is not served: the reasons of `metrics-api.md` section 6.
#[derive(Clone, Debug, PartialEq)]
pub enum Missing {
    /// A new node: no page yet; the next round begins in so long, when that is known.
    NotScrapedYet(Option<Duration>),
    /// The node's scrape fails, and its points are gone.
    NodeFails(Say),
    /// The kubelet reports no CPU or no memory for the node: which, in words.
    IncompleteSample(&'static str),
    /// One sample so far; of a pod: this container's. With the time until the next round.
    WaitingForSecondSample(Option<Arc<str>>, Option<Duration>),
    /// The CPU counter went back, from and to core-nanoseconds; of a pod: this container's.
    CounterReset(Option<Arc<str>>, u64, u64),
    /// The container began anew between two rounds, so long before its sample (unknown: zero).
    ContainerRestarted(Arc<str>, Duration),
    /// The container lacks a value, and an HPA treats a missing pod safely, a wrong low number not.
    IncompleteContainer { container: Arc<str>, lacks: &'static str },
    /// The pod's node does not answer.
    NodeMissing { node: Arc<str>, reason: String },
    /// The kubelet answers and does not list the pod.
    NotReportedByKubelet(Option<Arc<str>>),
}

/// What is to be known of something that is served: the last three reasons of `metrics-api.md` section 6.
#[derive(Clone, Debug, PartialEq)]
pub enum Reservation {
    /// Scrapes of its node fail: these are the values of the last good one.
    Held {
        failures: u32,
        /// Since the last good scrape began.
        age: Duration,
        /// How long the values are served at most if no scrape succeeds.
        left: Duration,
    },
    /// The Pod object says that this container is running, and the kubelet does not mention it.
    PartialPod(Arc<str>),
    /// The kubelet repeats this sample.
    SampleNotAdvancing(Millis),
}

// === impl Missing ===

impl Missing {
    /// The container it is about, where there is one.
    #[must_use]
    pub fn container(&self) -> Option<&Arc<str>> {
        match self {
            Self::WaitingForSecondSample(container, _) | Self::CounterReset(container, ..) => container.as_ref(),
            Self::ContainerRestarted(container, _) | Self::IncompleteContainer { container, .. } => Some(container),
            _ => None,
        }
    }

    /// For people: the reason with its parameters.
    #[must_use]
    pub fn say(&self) -> Say {
        let say = Say::new(self.reason());
        match self {
            Self::NodeFails(problem) => problem.clone(),
            Self::IncompleteSample(lacks) => say.with("lacks", *lacks),
            Self::WaitingForSecondSample(Some(container), _)
            | Self::CounterReset(Some(container), ..)
            | Self::ContainerRestarted(container, _) => say.with("container", &**container),
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
            Self::NotScrapedYet(_) => "NotScrapedYet",
            Self::NodeFails(problem) => &problem.code,
            Self::IncompleteSample(_) => "IncompleteSample",
            Self::WaitingForSecondSample(..) => "WaitingForSecondSample",
            Self::CounterReset(..) => "CounterReset",
            Self::ContainerRestarted(..) => "ContainerRestarted",
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
            Self::NotScrapedYet(next) => write!(f, "new node, {}", due("first scrape", *next)),
            Self::NodeFails(problem) => {
                write!(f, "kubelet {}: {}; {}", problem.arg("address"), problem.arg("cause"), problem.arg("remedy"))
            }
            Self::IncompleteSample(lacks) => write!(f, "kubelet reports {lacks} for the node"),
            Self::WaitingForSecondSample(Some(container), next) => {
                write!(f, "container {container} has one sample, {}", due("next scrape", *next))
            }
            Self::WaitingForSecondSample(None, next) => {
                write!(f, "it has one sample, {}", due("next scrape", *next))
            }
            Self::CounterReset(container, from, to) => {
                let of = container.as_ref().map(|container| format!(" of container {container}")).unwrap_or_default();
                let (from, to) = (*from as f64 / 1e9, *to as f64 / 1e9);
                write!(f, "the CPU counter{of} went back from {from:.3} to {to:.3} core-seconds")
            }
            Self::ContainerRestarted(container, ago) if ago.is_zero() => {
                write!(f, "container {container} restarted and has one sample since")
            }
            Self::ContainerRestarted(container, ago) => {
                write!(f, "container {container} restarted {} s before its only sample", ago.as_secs())
            }
            Self::IncompleteContainer { container, lacks } => write!(f, "container {container} has no {lacks} value"),
            Self::NodeMissing { node, reason } => write!(f, "its node {node} is not answering: {reason}"),
            Self::NotReportedByKubelet(Some(node)) => write!(f, "the kubelet of {node} does not list it"),
            Self::NotReportedByKubelet(None) => write!(f, "it is not assigned to a node"),
        }
    }
}

/// When something happens.
fn due(what: &str, next: Option<Duration>) -> String {
    next.map_or_else(|| format!("{what} soon"), |next| format!("{what} in {} s", next.as_secs()))
}

// === impl Reservation ===

impl Reservation {
    /// The container it is about, where there is one.
    #[must_use]
    pub fn container(&self) -> Option<&Arc<str>> {
        match self {
            Self::PartialPod(container) => Some(container),
            _ => None,
        }
    }

    /// The reason's code.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Held { .. } => "Held",
            Self::PartialPod(_) => "PartialPod",
            Self::SampleNotAdvancing(_) => "SampleNotAdvancing",
        }
    }

    /// For people: the reason with its parameters.
    #[must_use]
    pub fn say(&self) -> Say {
        let say = Say::new(self.reason());
        match self {
            Self::Held { failures, age, left } => say
                .with("failures", failures.to_string())
                .with("age", age.as_secs().to_string())
                .with("left", left.as_secs().to_string()),
            Self::PartialPod(container) => say.with("container", &**container),
            Self::SampleNotAdvancing(at) => say.with("time", stamp(*at)),
        }
    }
}

/// The English sentence.
impl std::fmt::Display for Reservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Held { failures, age, left } => write!(
                f,
                "last good scrape {} s ago, {failures} failed since; these values are dropped in {} s unless one succeeds",
                age.as_secs(),
                left.as_secs()
            ),
            Self::PartialPod(container) => write!(f, "running container {container} is not in the kubelet's answer"),
            Self::SampleNotAdvancing(at) => write!(f, "the kubelet repeats the sample of {}", stamp(*at)),
        }
    }
}

/// RFC 3339 in whole seconds.
fn stamp(at: Millis) -> String {
    format!("{:.0}", jiff::Timestamp::from_millisecond(at).unwrap_or_default())
}
