//! The scheduler: the node with the most free CPU that has room, and the real one's sentence when there is none.

use super::Loops;
use crate::Shared;
use crate::kinds::Kind;
use crate::run::milli;
use crate::store::Object;
use crate::workloads::{self, event};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Milliseconds between two attempts to place pending pods.
const RETRY: i64 = 5_000;

impl Loops {
    /// Places the pods without a node: new ones at once, the others again and again.
    pub(super) fn place(&mut self, shared: &Shared, now: i64) {
        let again = now >= self.retry;
        if again {
            self.retry = now + RETRY;
        }
        for key in self.unplaced.clone() {
            let Some(pod) = shared.store.get(Kind::Pod, &key.0, &key.1) else {
                self.unplaced.remove(&key);
                continue;
            };
            let value = pod.value();
            let told = value["status"]["conditions"].is_array();
            if told && !again {
                continue;
            }
            let (cpu, memory) = pod.run.as_deref().map_or((0, 0), |run| (run.cpu, run.memory));
            let node = room(shared, cpu, memory);
            let written = shared.store.modify(Kind::Pod, &key.0, &key.1, |value| {
                match &node {
                    Ok(node) => {
                        value["spec"]["nodeName"] = json!(node);
                        workloads::condition(value, "PodScheduled", true, "", "", now);
                    }
                    Err(message) => {
                        let before = value.clone();
                        workloads::condition(value, "PodScheduled", false, "Unschedulable", message, now);
                        return Ok(*value != before);
                    }
                }
                Ok(true)
            });
            let Ok(pod) = written else { continue };
            match node {
                Ok(node) => {
                    self.unplaced.remove(&key);
                    event(
                        shared,
                        &pod,
                        false,
                        "Scheduled",
                        &format!("Successfully assigned {}/{} to {node}", key.0, key.1),
                        now,
                    );
                }
                Err(message) if !told => event(shared, &pod, true, "FailedScheduling", &message, now),
                Err(_) => {}
            }
        }
    }
}

pub(super) fn is_ready(node: &Value) -> bool {
    node["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|one| one["type"] == "Ready" && one["status"] == "True")
}

/// The node with the most free CPU that has room, or the scheduler's sentence.
fn room(shared: &Shared, cpu: u64, memory: u64) -> Result<String, String> {
    let mut best: Option<(u64, String)> = None;
    for node in shared.store.all(Kind::Node) {
        if let Ok(free) = fits(shared, &node, cpu, memory)
            && best.as_ref().is_none_or(|(most, _)| free > *most)
        {
            best = Some((free, node.name().to_owned()));
        }
    }
    best.map(|(_, name)| name).ok_or_else(|| schedule_failure(shared, cpu, memory))
}

/// The free millicores, or why the pod does not fit.
fn fits(shared: &Shared, node: &Object, cpu: u64, memory: u64) -> Result<u64, &'static str> {
    let value = node.value();
    if value["spec"]["taints"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|taint| taint["key"] == "node.kubernetes.io/unreachable")
    {
        return Err("node(s) had untolerated taint(s)");
    }
    if value["spec"]["unschedulable"] == true {
        return Err("node(s) were unschedulable");
    }
    let allocatable = |name: &str| value["status"]["allocatable"][name].as_str().and_then(milli).unwrap_or(0);
    let (mut used_cpu, mut used_memory, mut pods) = (0, 0, 0);
    for pod in shared.store.on_node(node.name()) {
        if let Some(run) = pod.run.as_deref().filter(|run| !run.finished) {
            used_cpu += run.cpu;
            used_memory += run.memory;
            pods += 1;
        }
    }
    if pods + 1 > allocatable("pods") / 1000 {
        return Err("Too many pods");
    }
    if used_memory + memory > allocatable("memory") / 1000 {
        return Err("Insufficient memory");
    }
    if used_cpu + cpu > allocatable("cpu") {
        return Err("Insufficient cpu");
    }
    Ok(allocatable("cpu") - used_cpu - cpu)
}

/// `0/8 nodes are available: 1 node(s) had untolerated taint(s), 7 Insufficient memory. …`
pub(crate) fn schedule_failure(shared: &Shared, cpu: u64, memory: u64) -> String {
    let nodes = shared.store.all(Kind::Node);
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for node in &nodes {
        if let Err(reason) = fits(shared, node, cpu, memory) {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    let fixed: usize = reasons.iter().filter(|(reason, _)| reason.starts_with("node(s)")).map(|(_, count)| count).sum();
    let mut list: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    list.sort();
    let total = nodes.len();
    let mut preemption = Vec::new();
    if fixed > 0 {
        preemption.push(format!("{fixed} Preemption is not helpful for scheduling"));
    }
    if total > fixed {
        preemption.push(format!("{} No preemption victims found for incoming pod", total - fixed));
    }
    format!(
        "0/{total} nodes are available: {}. preemption: 0/{total} nodes are available: {}.",
        list.join(", "),
        preemption.join(", ")
    )
}
