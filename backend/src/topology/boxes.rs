//! What a box stands for: its key, its object, how it is.

use super::facts::Facts;
use crate::cluster::kinds::{Node, Pod, State};
use hashbrown::HashMap;
use wire::map::{Box, Layer};
use wire::{Key, Level, Ref};

/// ReplicaSets by name, to the Deployment above each.
pub(super) fn owners(facts: &Facts) -> HashMap<(&str, &str), (&str, &str, &str)> {
    let sets = facts.replica_sets.iter().filter_map(|set| {
        let owner = set.meta.owner.as_deref()?;
        Some(((&*set.meta.namespace, &*set.meta.name), (&*owner.uid, &*owner.kind, &*owner.name)))
    });
    sets.collect()
}

/// The topmost owner of a pod: key, kind, name.
pub(super) fn workload<'a>(
    pod: &'a Pod,
    owners: &HashMap<(&'a str, &'a str), (&'a str, &'a str, &'a str)>,
) -> (Key, &'a str, &'a str) {
    let Some(owner) = pod.meta.owner.as_deref() else {
        return (key("workload", &pod.meta.uid, ""), "Pod", &pod.meta.name);
    };
    let above = owners.get(&(&*pod.meta.namespace, &*owner.name)).filter(|_| &*owner.kind == "ReplicaSet");
    let (uid, kind, name) = above.copied().unwrap_or((&owner.uid, &owner.kind, &owner.name));
    (key("workload", uid, ""), kind, name)
}

/// How a pod is, at a glance.
pub(super) fn pod_level(pod: &Pod) -> Level {
    let condition = |kind: &str| pod.conditions.iter().find(|condition| &*condition.kind == kind);
    let status = |kind: &str| condition(kind).map(|condition| &*condition.status);
    let stuck = pod.containers.iter().filter_map(|container| container.status.as_ref()).any(|status| {
        let State::Waiting { reason: Some(reason), .. } = &status.state else { return false };
        !matches!(&**reason, "ContainerCreating" | "PodInitializing")
    });
    match &*pod.phase {
        "Succeeded" => Level::Gone,
        "Failed" => Level::Bad,
        _ if pod.meta.deleted.is_some() => Level::Busy,
        _ if stuck => Level::Bad,
        "Running" if status("Ready") == Some("True") => Level::Good,
        "Running" => Level::Warn,
        "Pending" if status("PodScheduled") == Some("False") => Level::Warn,
        "Pending" => Level::Busy,
        _ => Level::Gone,
    }
}

pub(super) fn node_level(node: &Node) -> Level {
    let ready = node.conditions.iter().find(|condition| &*condition.kind == "Ready");
    match ready.map(|condition| &*condition.status) {
        Some("True") if node.unschedulable => Level::Warn,
        Some("True") => Level::Good,
        Some(_) => Level::Bad,
        None => Level::Gone,
    }
}

pub(super) fn node_key(node: &Node) -> Key {
    key("node", &node.meta.uid, "")
}

/// FNV-1a over layer, uid and part: the same box has the same key in every process.
pub(super) fn key(layer: &str, uid: &str, part: &str) -> Key {
    let bytes = layer.bytes().chain([0]).chain(uid.bytes()).chain([0]).chain(part.bytes());
    Key(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
}

pub(super) fn reference(kind: &str, namespace: &str, name: &str) -> Ref {
    Ref { kind: kind.into(), namespace: namespace.into(), name: name.into() }
}

pub(super) fn boxed(key: Key, layer: Layer, title: &str, subtitle: &str) -> Box {
    Box {
        key,
        layer,
        row: 0,
        title: title.into(),
        subtitle: subtitle.into(),
        level: Level::Gone,
        dots: Vec::new(),
        more: 0,
        at: None,
        say: None,
        lone: false,
    }
}
