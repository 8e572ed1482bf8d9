//! What pods ask of their nodes. Finished pods hold nothing any more, and init containers are done.

use super::digest::{self, Runs};
use crate::cluster::kinds::{Pod, Role};
use crate::session::Scope;
use hashbrown::HashMap;
use std::cell::OnceCell;

/// Requests by node, over the pods a person may see; summed when the first one is asked for.
#[derive(Debug)]
pub struct Requests {
    runs: Runs,
    scope: Scope,
    by_node: OnceCell<HashMap<String, (u64, u64)>>,
}

impl Requests {
    #[must_use]
    pub const fn new(runs: Runs, scope: Scope) -> Self {
        Self { runs, scope, by_node: OnceCell::new() }
    }

    /// Millicores and bytes; `None` when no pods may be seen.
    #[must_use]
    pub fn of(&self, node: &str) -> Option<(u64, u64)> {
        if self.scope.is_empty() {
            return None;
        }
        let by_node = self.by_node.get_or_init(|| {
            let permitted = digest::seen(&self.runs, &self.scope).map(|runs| {
                let loads = digest::loads(&runs).into_iter();
                loads.map(|(node, load)| (node.to_owned(), (load.cpu, load.memory))).collect()
            });
            permitted.release() // goes into the cells of a permitted window
        });
        Some(by_node.get(node).copied().unwrap_or_default())
    }
}

/// What a pod holds of its node: millicores, bytes. Nothing once it is finished, and nothing before a node has taken it.
pub(super) fn asked(pod: &Pod) -> Option<(u64, u64)> {
    if pod.node.is_none() || matches!(&*pod.phase, "Succeeded" | "Failed") {
        return None;
    }
    let running = pod.containers.iter().filter(|one| one.role != Role::Init);
    Some(running.fold((0, 0), |(cpu, memory), one| {
        (cpu + u64::from(one.cpu_request.unwrap_or_default()), memory + one.memory_request.unwrap_or_default())
    }))
}

#[cfg(test)]
mod requests_tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn pod(namespace: &str, node: &str, phase: &str) -> Arc<Pod> {
        let requests = |cpu: &str| json!({"requests": {"cpu": cpu, "memory": "1Ki"}});
        let manifest = json!({"metadata": {"name": "web", "namespace": namespace, "uid": namespace},
            "spec": {"nodeName": node,
                "initContainers": [{"name": "once", "resources": requests("4")},
                    {"name": "beside", "restartPolicy": "Always", "resources": requests("50m")}],
                "containers": [{"name": "web", "resources": requests("100m")}]},
            "status": {"phase": phase}});
        Arc::new(crate::cluster::decode::object(&manifest).unwrap())
    }

    #[track_caller]
    fn check(only: Option<&[&str]>, node: &str, expected: Option<(u64, u64)>) {
        let pods = [pod("bank", "n1", "Running"), pod("done", "n1", "Succeeded"), pod("shop", "n1", "Pending")];
        let named = |names: &[&str]| Scope::In(Arc::new(names.iter().map(|name| Arc::from(*name)).collect()));
        let cache = crate::cluster::Cache::default();
        cache.replace_shared(pods.to_vec());
        let runs = digest::Digest::default().runs(&cache.snapshot(), 0);
        let requests = Requests::new(runs, only.map_or(Scope::All, named));
        assert_eq!(requests.of(node), expected);
    }

    #[test]
    fn a_node_is_asked_for_what_its_visible_unfinished_pods_ask() {
        check(None, "n1", Some((300, 4096)));
        check(None, "n2", Some((0, 0)));
        check(Some(&["shop"]), "n1", Some((150, 2048)));
        check(Some(&["done"]), "n1", Some((0, 0)));
        check(Some(&[]), "n1", None);
    }
}
