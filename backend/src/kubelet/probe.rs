//! One page of each kubelet, at once and outside of any schedule: for who looks for what is wrong.

use super::client::{Kubelets, Target};
use super::config::{Config, KubeletCredentials};
use super::meters::Meters;
use super::names::Names;
use super::parse;
use super::scrape::BuildError;
use crate::cluster::kinds::Node;
use crate::kubelet::failure::Failure;
use futures::StreamExt as _;
use std::sync::Arc;
use tokio::time::Instant;
use wire::{Millis, Say};

/// Kubelets that are asked at the same time.
const AT_ONCE: usize = 64;

/// What one kubelet said.
#[derive(Clone, Debug)]
pub struct Probed {
    pub node: Arc<str>,
    /// A reason of `metrics-api.md` 4.5 with address, cause and remedy; `None`: the page is good.
    pub problem: Option<Say>,
    /// When it was asked, by our clock.
    pub received: Millis,
    /// The time of the node's sample, by the node's.
    pub sampled: Option<Millis>,
    /// Lines that cannot be read.
    pub left_out: usize,
}

/// Asks all of them, in the order of `nodes`.
///
/// # Errors
/// [`BuildError`] when a file of the configuration cannot be used.
pub async fn probe(
    config: Config,
    credentials: KubeletCredentials,
    nodes: &[Arc<Node>],
) -> Result<Vec<Probed>, BuildError> {
    let meters = Meters::new(config.resolution);
    let kubelets = Kubelets::new(config.clone(), credentials, meters).map_err(|failure| BuildError::of(&failure))?;
    let one = async |node: &Arc<Node>| {
        let target = Target::of(node, &config);
        let ended = kubelets.fetch(&target, Instant::now() + config.request_timeout).await;
        let name = Arc::clone(&node.meta.name);
        match ended {
            Err(failed) => {
                let problem = failed.failure.say(&name, &failed.address);
                Probed { node: name, problem: Some(problem), received: 0, sampled: None, left_out: 0 }
            }
            Ok(answer) => {
                let parsed = parse::page(&answer.body, &name, answer.sent, true, &mut Names::default());
                let failure = if parsed.scrape_error {
                    Some(Failure::ScrapeError)
                } else if parsed.hopeless() {
                    let first =
                        parsed.problems.first().map(|problem| format!("line {}: {}", problem.line, problem.what));
                    Some(Failure::BadBody(first.unwrap_or_default()))
                } else {
                    None
                };
                let problem = failure.map(|failure| failure.say(&name, ""));
                let sampled = parsed.page.node_point.map(|point| point.at);
                Probed { node: name, problem, received: answer.sent, sampled, left_out: parsed.problems.len() }
            }
        }
    };
    Ok(futures::stream::iter(nodes).map(one).buffered(AT_ONCE).collect().await)
}
