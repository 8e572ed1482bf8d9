//! The page on which gaps explain themselves: how well kubelets answer, and what `metrics.k8s.io` serves, as an
//! autoscaler sees it.

use super::hub::Shared;
use super::permits::Sight;
use crate::cluster::kinds::{Node, Pod};
use crate::kubelet::{Missing, Reservation};
use crate::session::Permitted;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use wire::coverage::{Coverage, CoveredNode, Fresh, Gap};
use wire::{Kind, Level, Millis, Ref, Say};

/// Nodes of a page: as many squares as a cluster of the largest supported size has.
const NODES: usize = 5000;
const GAPS: usize = 100;
/// A kubelet's certificate that ends sooner is told: its rotation is stuck.
const EXPIRES_SOON: Millis = 7 * 24 * 3600 * 1000;
/// Pods that are looked up under one lock.
const LOOK: usize = 512;

/// The page of who may list nodes; pods are those they may list.
pub(super) fn coverage(shared: &Shared, sight: &Sight, now: Millis) -> Permitted<Coverage> {
    let objects = &shared.parts.objects;
    let (nodes, pods) = (objects.nodes.snapshot(), objects.pods.snapshot());
    let permitted = sight.list(Kind::Node, &[]).filter(&nodes).and(sight.list(Kind::Pod, &[]).filter(&pods));
    permitted.map(|(nodes, pods)| {
        let mut ages = Vec::new();
        let mut covered: Vec<CoveredNode> = nodes.iter().map(|node| one(shared, node, now, &mut ages)).collect();
        let nodes_served = covered.iter().filter(|node| !node.window.is_nan()).count();
        covered.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.name.cmp(&b.name)));
        covered.truncate(NODES);
        let (mut served, mut reasons, mut missing) = (0, BTreeMap::<String, u32>::new(), Vec::new());
        let (mut reserved, instant) = (Vec::new(), Instant::now());
        let running: Vec<Arc<Pod>> =
            pods.iter().filter(|pod| &*pod.phase == "Running").map(|pod| Arc::clone(pod)).collect();
        for part in running.chunks(LOOK) {
            for (pod, found) in part.iter().zip(shared.parts.latest.pods(part)) {
                if let Some(found) = found {
                    served += 1;
                    ages.push((seconds(now - found.at), window(found.window)));
                    // A node that does not answer is told as such, not by each of its pods.
                    let reservation = shared.parts.latest.pod_reservation(pod, instant);
                    if let Some(why) = reservation.filter(|why| !matches!(why, Reservation::Held { .. })) {
                        *reasons.entry(why.reason().to_owned()).or_default() += 1;
                        if reserved.len() < GAPS {
                            reserved.push(Gap { at: at(pod), say: why.say() });
                        }
                    }
                } else if let Err(why) = shared.parts.latest.pod(pod) {
                    let gap = gap(pod, &why);
                    *reasons.entry(gap.say.code.clone()).or_default() += 1;
                    if missing.len() < GAPS {
                        missing.push(gap);
                    }
                }
            }
        }
        missing.extend(reserved);
        missing.truncate(GAPS);
        let mut reasons: Vec<(String, u32)> = reasons.into_iter().collect();
        reasons.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Coverage {
            nodes: covered,
            nodes_total: number(nodes.len()),
            nodes_served: number(nodes_served),
            pods_total: number(running.len()),
            pods_served: served,
            fresh: fresh(ages),
            reasons,
            missing,
        }
    })
}

fn one(shared: &Shared, node: &Node, now: Millis, ages: &mut Vec<(f32, f32)>) -> CoveredNode {
    let name = &*node.meta.name;
    let known = shared.parts.coverage.get(name).unwrap_or_default();
    let served = shared.parts.latest.node(name);
    let heard = known.good.unwrap_or_default();
    let (age, length) = match &served {
        Ok(served) => {
            ages.push((seconds(now - served.at), window(served.window)));
            (seconds(heard - served.at), window(served.window))
        }
        Err(_) => (f32::NAN, f32::NAN),
    };
    let reservation = shared.parts.latest.node_reservation(name, Instant::now()).filter(|_| served.is_ok());
    let expires = known.expires.filter(|expires| *expires - now < EXPIRES_SOON);
    let reserved = match (reservation, expires) {
        // The failure itself says more.
        (Some(Reservation::Held { .. }) | None, None) => None,
        (Some(reservation), None) => Some(reservation.say()),
        (_, Some(expires)) => Some(Say::new("KubeletCertificate").with("time", crate::encoding::time(expires))),
    };
    let level = match (&served, &known.problem) {
        (Ok(_), None) if reserved.is_some() => Level::Warn,
        (Ok(_), None) => Level::Good,
        (Ok(_), Some(_)) => Level::Warn,
        (Err(Missing::NotScrapedYet(_) | Missing::WaitingForSecondSample(..)), None) => Level::Busy,
        (Err(_), _) => Level::Bad,
    };
    let missing = || served.err().map(|why| why.say().with("node", name));
    let problem = known.problem.or_else(missing).or_else(|| reserved.map(|say| say.with("node", name)));
    CoveredNode {
        name: name.to_owned(),
        level,
        heard,
        took: known.took,
        failures: known.failures,
        age,
        window: length,
        left_out: u32::try_from(known.malformed).unwrap_or(u32::MAX),
        problem,
        bytes: u32::try_from(known.wire).unwrap_or(u32::MAX),
    }
}

fn at(pod: &Pod) -> Ref {
    let (namespace, name) = (pod.meta.namespace.to_string(), pod.meta.name.to_string());
    Ref { kind: Kind::Pod.name().into(), namespace, name }
}

fn gap(pod: &Pod, why: &Missing) -> Gap {
    let mut say: Say = why.say();
    if let Some(container) = pod.containers.iter().find_map(|container| match &container.status.as_ref()?.state {
        crate::cluster::kinds::State::Waiting { reason, .. } => {
            Some(format!("{}: {}", container.name, reason.as_deref().unwrap_or("?")))
        }
        _ => None,
    }) {
        say = say.with("waiting", container);
    }
    Gap { at: at(pod), say }
}

/// Of ages and windows, in seconds.
fn fresh(mut ages: Vec<(f32, f32)>) -> Option<Fresh> {
    ages.sort_by(|a, b| a.0.total_cmp(&b.0));
    let at = |part: usize| ages.get((ages.len() * part / 100).min(ages.len().saturating_sub(1))).map(|(age, _)| *age);
    let window = ages.iter().map(|(_, window)| *window).fold(0.0, f32::max);
    Some(Fresh { median: at(50)?, worst: at(99)?, window })
}

fn seconds(millis: Millis) -> f32 {
    millis as f32 / 1000.0
}

fn window(nanos: u64) -> f32 {
    (nanos / 1_000_000) as f32 / 1000.0
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod coverage_tests {
    use super::*;

    #[test]
    fn ages_are_told_by_their_middle_and_their_end() {
        let ages: Vec<(f32, f32)> = (0..200).map(|n| (n as f32, 15.0)).chain([(500.0, 60.0)]).collect();
        assert_eq!(fresh(ages), Some(Fresh { median: 100.0, worst: 198.0, window: 60.0 }));
        assert_eq!(fresh(vec![(1.0, 2.0)]), Some(Fresh { median: 1.0, worst: 1.0, window: 2.0 }));
        assert_eq!(fresh(Vec::new()), None);
    }
}
