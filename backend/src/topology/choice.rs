//! Which endpoints a node's proxy may choose: readiness, topology hints, Local policies and the terminating fallback,
//! as kubernetes `pkg/proxy/topology.go` does it.

use super::facts::{Path, Target};

/// The sets one node's proxy works with.
#[derive(Debug, Default)]
pub struct Choice<'a> {
    /// For traffic that may leave the node.
    pub cluster: Vec<&'a Target<'a>>,
    /// For traffic that must stay on the node.
    pub local: Vec<&'a Target<'a>>,
    /// Whether any node has something to offer.
    pub has_any: bool,
}

/// Chooses for a node in a zone.
#[must_use]
pub fn choose<'a>(path: &'a Path<'a>, node: &str, zone: &str) -> Choice<'a> {
    let external = path.external();
    let uses_cluster = !path.service.internal_local || external;
    let uses_local = path.service.internal_local || (path.external_local() && external);
    let mut choice = Choice::default();
    if uses_cluster {
        choice.cluster = hinted(path, node, zone);
        if choice.cluster.is_empty() {
            choice.cluster = path.targets.iter().filter(|target| fading(target)).collect();
        }
        choice.has_any = !choice.cluster.is_empty();
    }
    if uses_local {
        let here = |target: &&Target<'_>| target.node == Some(node);
        choice.local = path.targets.iter().filter(|target| target.ready).filter(here).collect();
        if choice.local.is_empty() {
            choice.local = path.targets.iter().filter(|target| fading(target)).filter(here).collect();
        }
        choice.has_any |= path.targets.iter().any(|target| target.ready || fading(target));
    }
    choice
}

/// Why an endpoint is not among the chosen.
#[must_use]
pub fn excluded(target: &Target<'_>, zone_hints: bool) -> &'static str {
    match (target.ready, target.terminating, target.serving) {
        (false, true, false) => "not serving",
        (false, true, true) => "terminating",
        (false, false, _) => "not ready",
        (true, ..) if zone_hints => "other zone",
        (true, ..) => "not on this node",
    }
}

fn hinted<'a>(path: &'a Path<'a>, node: &str, zone: &str) -> Vec<&'a Target<'a>> {
    let ready: Vec<_> = path.targets.iter().filter(|target| target.ready).collect();
    let on_node = |target: &Target<'_>| target.hint_nodes.iter().any(|hint| &**hint == node);
    let in_zone = |target: &Target<'_>| target.hint_zones.iter().any(|hint| &**hint == zone);
    if ready.iter().all(|target| !target.hint_nodes.is_empty()) && ready.iter().any(|target| on_node(target)) {
        return ready.into_iter().filter(|target| on_node(target)).collect();
    }
    if ready.iter().all(|target| !target.hint_zones.is_empty()) && ready.iter().any(|target| in_zone(target)) {
        return ready.into_iter().filter(|target| in_zone(target)).collect();
    }
    ready
}

/// Serving and terminating: used only when nothing is ready.
fn fading(target: &Target<'_>) -> bool {
    target.serving && target.terminating
}
