//! The kubelets' part of a pod's life: start, end, crash, out of memory, back-off, and their events.

use super::scheduler::is_ready;
use super::{HEARTBEAT, Loops};
use crate::Shared;
use crate::kinds::Kind;
use crate::load::{Curve, hash};
use crate::run::Behaviour;
use crate::status::Status;
use crate::store::{Key, Object};
use crate::workloads::{Stage, backoff, enter, event};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Milliseconds from placement to running, and from the mark of deletion to the end.
const START: i64 = 1_200;

impl Loops {
    /// Notes what a pod waits for.
    pub(super) fn notice(&mut self, shared: &Shared, pod: &Arc<Object>) {
        let Some(run) = pod.run.as_deref() else { return };
        let placed = pod.field("spec.nodeName").is_some_and(|node| !node.is_empty());
        if !placed && !run.finished {
            self.unplaced.insert(pod.key.clone());
            return;
        }
        self.unplaced.remove(&pod.key);
        let now = shared.clock.now();
        let Some(first) = run.containers.first() else { return };
        let due = match (pod.deleting, first.started, first.behaviour) {
            (true, ..) => Some(now + START),
            (false, Some(since), Behaviour::Crash) => Some(since + 6_000),
            (false, Some(since), Behaviour::Leak) => {
                let curve = Curve::of(shared.seed, pod.name(), first, shared.day);
                first.memory_limit.and_then(|limit| curve.until_limit(limit)).map(|after| since + after)
            }
            (false, Some(_), _) => None,
            (false, None, Behaviour::Pull) if pod.field("status.podIP").is_some_and(|ip| !ip.is_empty()) => {
                Some(now + 60_000)
            }
            (false, None, _) if run.started.is_none() => Some(now + START),
            (false, None, _) => {
                let status = &pod.value()["status"]["containerStatuses"][0];
                let ended = status["lastState"]["terminated"]["finishedAt"]
                    .as_str()
                    .and_then(crate::clock::parse)
                    .unwrap_or(now);
                Some(ended + backoff(status["restartCount"].as_u64().unwrap_or(0)))
            }
        };
        match due {
            Some(at) => drop(self.due.insert(pod.key.clone(), at)),
            None => drop(self.due.remove(&pod.key)),
        }
    }

    /// The kubelets' part: pods start, end, crash and are killed when their time has come.
    pub(super) fn live(&mut self, shared: &Shared, now: i64) {
        let due: Vec<Key> = self.due.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
        for key in due {
            self.due.remove(&key);
            let Some(pod) = shared.store.get(Kind::Pod, &key.0, &key.1) else { continue };
            let node = pod.field("spec.nodeName").unwrap_or_default().to_owned();
            let reachable = shared.store.get(Kind::Node, "", &node).is_some_and(|node| is_ready(&node.value()));
            if !reachable {
                // A lost kubelet does nothing; look again later.
                self.due.insert(key, now + HEARTBEAT);
                continue;
            }
            if pod.deleting {
                shared.store.delete(Kind::Pod, &key.0, &key.1);
            } else if let Err(status) = step(shared, &pod, &node, now) {
                tracing::debug!(message = status.message, "pod did not step");
            }
        }
    }
}

/// The next stage of a pod.
fn step(shared: &Shared, pod: &Object, node: &str, now: i64) -> Result<(), Status> {
    let Some(run) = pod.run.as_deref() else { return Ok(()) };
    let Some(first) = run.containers.first() else { return Ok(()) };
    let value = pod.value();
    let restarts = value["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap_or(0);
    let last = &value["status"]["containerStatuses"][0]["lastState"]["terminated"];
    let oom = last["reason"] == "OOMKilled";
    let stage = match (first.started, first.behaviour) {
        (Some(_), Behaviour::Leak) => Stage::CrashLoop { ended: now, restarts: restarts + 1, oom: true },
        (Some(_), _) => Stage::CrashLoop { ended: now, restarts: restarts + 1, oom: false },
        (None, Behaviour::Pull) => Stage::ImagePullBackOff,
        (None, _) if restarts > 0 => {
            let ended = last["finishedAt"].as_str().and_then(crate::clock::parse).unwrap_or(now);
            Stage::Restarted { since: now, ended, restarts, oom }
        }
        (None, _) => Stage::Running { since: now },
    };
    let started = run.started.unwrap_or(now);
    let ip = pod
        .field("status.podIP")
        .filter(|ip| !ip.is_empty())
        .map_or_else(|| pod_ip(shared, node, pod.name()), str::to_owned);
    shared.store.modify(Kind::Pod, pod.namespace(), pod.name(), |value| {
        enter(value, stage, node, started, &ip, now);
        Ok(true)
    })?;
    let image = value["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
    match stage {
        Stage::ImagePullBackOff => {
            event(shared, pod, true, "BackOff", &format!("Back-off pulling image \"{image}\""), now);
        }
        Stage::CrashLoop { .. } => {
            let message = format!(
                "Back-off restarting failed container {} in pod {}_{}({})",
                first.name,
                pod.name(),
                pod.namespace(),
                pod.uid
            );
            event(shared, pod, true, "BackOff", &message, now);
        }
        Stage::Running { .. } | Stage::Restarted { .. } => {
            event(
                shared,
                pod,
                false,
                "Pulled",
                &format!("Container image \"{image}\" already present on machine"),
                now,
            );
            event(shared, pod, false, "Started", &format!("Started container {}", first.name), now);
        }
    }
    Ok(())
}

/// An address of the node's range.
pub(crate) fn pod_ip(shared: &Shared, node: &str, pod: &str) -> String {
    let index: u64 = node.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(1) - 1;
    let taken: BTreeSet<String> =
        shared.store.on_node(node).iter().filter_map(|pod| pod.field("status.podIP").map(str::to_owned)).collect();
    let from = hash(shared.seed, pod) % 250;
    let address = |last: u64| format!("10.{}.{}.{}", 1 + index / 256, index % 256, 2 + last % 250);
    (from..from + 250).map(address).find(|ip| !taken.contains(ip)).unwrap_or_else(|| address(from))
}
