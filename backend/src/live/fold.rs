//! One cause, one item: pods that keep a Deployment from being available are told as the Deployment's own trouble,
//! Services that miss endpoints on nodes that are down as the nodes'.

use crate::cluster::kinds::Pod;
use hashbrown::{HashMap, HashSet};
use wire::overview::Attention;

/// Pods an item names; more can't be read.
const NAMED: usize = 5;
/// The label whose value ends the name of the ReplicaSet that a Deployment made.
const HASH: &str = "pod-template-hash";

/// Namespace and name of the Deployment a pod belongs to. ReplicaSets need not be seen for it: theirs is the
/// Deployment's name and the hash of its template.
fn deployment(pod: &Pod) -> Option<(&str, &str)> {
    let owner = pod.meta.owner.as_deref().filter(|owner| &*owner.kind == "ReplicaSet")?;
    let (_, hash) = pod.meta.labels.iter().find(|(key, _)| &**key == HASH)?;
    Some((&pod.meta.namespace, owner.name.strip_suffix(&**hash)?.strip_suffix('-')?))
}

/// Puts the pods' items into those of their Deployments: a Deployment that needs a person and has pods that need one
/// is told with the worst pod's cause, since the first of them.
pub(super) fn fold<'a>(
    pods: impl IntoIterator<Item = (&'a Pod, Attention)>,
    deployments: Vec<Attention>,
) -> Vec<Attention> {
    let unavailable: HashSet<(&str, &str)> =
        deployments.iter().map(|one| (one.at.namespace.as_str(), one.at.name.as_str())).collect();
    let mut of: HashMap<(String, String), Vec<Attention>> = HashMap::new();
    let mut items = Vec::new();
    for (pod, item) in pods {
        match deployment(pod).filter(|at| unavailable.contains(at)) {
            Some((namespace, name)) => of.entry((namespace.into(), name.into())).or_default().push(item),
            None => items.push(item),
        }
    }
    drop(unavailable);
    for mut item in deployments {
        if let Some(mut causes) = of.remove(&(item.at.namespace.clone(), item.at.name.clone())) {
            causes.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.at.cmp(&b.at)));
            let names: Vec<&str> = causes.iter().take(NAMED).map(|cause| cause.at.name.as_str()).collect();
            let (count, names) = (causes.len().to_string(), names.join(", "));
            let since = causes.iter().map(|cause| cause.since).filter(|since| *since > 0).min();
            item.level = causes.iter().map(|cause| cause.level).fold(item.level, Ord::max);
            item.since = since.unwrap_or(item.since);
            if let Some(worst) = causes.into_iter().next() {
                item.say = worst.say.with("count", count).with("pods", names);
            }
        }
        items.push(item);
    }
    items
}

/// Counts the Services that miss nothing but endpoints on `nodes` that are not ready in those nodes' items. All others
/// stay items of their own: also one whose nodes are not all told, or too many to be named.
pub(super) fn into_nodes(mut nodes: Vec<Attention>, services: Vec<Attention>) -> Vec<Attention> {
    let told = nodes.iter().enumerate().filter(|(_, item)| item.say.code == "NODE_NOTREADY");
    let at: HashMap<String, usize> = told.map(|(index, item)| (item.at.name.clone(), index)).collect();
    let mut counts = vec![0_u32; nodes.len()];
    let mut own = Vec::new();
    for service in services {
        let named = service.say.arg("nodes").split(", ").map(|name| at.get(name).copied());
        let down = service.say.code == "S_NODEDOWN";
        let all: Option<Vec<usize>> = down.then(|| named.collect()).flatten();
        match all.filter(|all| all.len().to_string() == service.say.arg("count")) {
            Some(all) => {
                for index in all {
                    if let Some(count) = counts.get_mut(index) {
                        *count += 1;
                    }
                }
            }
            None => own.push(service),
        }
    }
    for (item, count) in nodes.iter_mut().zip(counts).filter(|(_, count)| *count > 0) {
        item.say = item.say.clone().with("services", count.to_string());
    }
    nodes.append(&mut own);
    nodes
}
