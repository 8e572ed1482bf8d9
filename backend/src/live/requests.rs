//! What pods ask of their nodes. Finished pods hold nothing any more, and init containers are done.

use crate::cluster::cache::Snapshot;
use crate::cluster::kinds::{Pod, Role};
use crate::session::Scope;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

/// Requests by node, over the pods a person may see; summed when the first one is asked for.
#[derive(Debug)]
pub struct Requests {
    pods: Snapshot<Pod>,
    scope: Scope,
    by_node: OnceCell<HashMap<Arc<str>, (u64, u64)>>,
}

impl Requests {
    #[must_use]
    pub const fn new(pods: Snapshot<Pod>, scope: Scope) -> Self {
        Self { pods, scope, by_node: OnceCell::new() }
    }

    /// Millicores and bytes; `None` when no pods may be seen.
    #[must_use]
    pub fn of(&self, node: &str) -> Option<(u64, u64)> {
        if self.scope.is_empty() {
            return None;
        }
        let by_node = self.by_node.get_or_init(|| {
            let permitted = self.scope.filter(&self.pods).map(|pods| {
                let mut by_node: HashMap<Arc<str>, (u64, u64)> = HashMap::new();
                for pod in pods {
                    if let (Some(node), Some((cpu, memory))) = (&pod.node, asked(pod)) {
                        let sum = by_node.entry(Arc::clone(node)).or_default();
                        *sum = (sum.0 + cpu, sum.1 + memory);
                    }
                }
                by_node
            });
            permitted.release() // goes into the cells of a permitted window
        });
        Some(by_node.get(node).copied().unwrap_or_default())
    }
}

/// What a pod that is not finished asks for: millicores, bytes.
pub(super) fn asked(pod: &Pod) -> Option<(u64, u64)> {
    if matches!(&*pod.phase, "Succeeded" | "Failed") {
        return None;
    }
    let running = pod.containers.iter().filter(|one| one.role != Role::Init);
    Some(running.fold((0, 0), |(cpu, memory), one| {
        (cpu + u64::from(one.cpu_request.unwrap_or_default()), memory + one.memory_request.unwrap_or_default())
    }))
}
