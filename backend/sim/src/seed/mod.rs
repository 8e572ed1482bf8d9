//! The cluster's first objects: nodes, namespaces, roles, workloads with a past, and what is broken among them.

mod access;
mod nodes;
mod services;
mod workloads;

use crate::clock::rfc3339;
use crate::kinds::Kind;
use crate::load::hash;
use crate::store::Object;
use crate::{Config, Shared};
use serde_json::{Value, json};
use std::sync::Arc;

const NAMESPACES: &[&str] = &[
    "default",
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "edge",
    "orders",
    "payments",
    "media",
    "data",
    "batch",
    "notify",
];

pub(crate) fn node_name(index: u32) -> String {
    format!("node-{}", index + 1)
}

/// Stores everything. A seed gives the same objects each time, apart from the clock's base.
pub(crate) fn fill(shared: &Shared, config: &Config, ports: &[u16], ca_pem: &str) {
    let seeder = Seeder { shared, now: shared.started };
    for &name in NAMESPACES {
        let labels = json!({"kubernetes.io/metadata.name": name});
        seeder.put(Kind::Namespace, "", name, 60, json!({"metadata": {"labels": labels}, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}));
        seeder.put(Kind::ServiceAccount, name, "default", 60, json!({}));
    }
    seeder.access(ca_pem);
    for index in 0..config.nodes {
        seeder.node(config, index, ports);
    }
    seeder.pods(config);
    seeder.services();
}

/// The APIServices of `metrics.k8s.io`, once it is aggregated; whom to trust is for their owner to write.
pub(crate) fn register_metrics(shared: &Shared) {
    let seeder = Seeder { shared, now: shared.clock.now() };
    for (version, priority) in [("v1", 200), ("v1beta1", 100)] {
        let name = format!("{version}.metrics.k8s.io");
        shared.store.delete(Kind::APIService, "", &name);
        seeder.put(Kind::APIService, "", &name, 0, json!({
            "spec": {"group": "metrics.k8s.io", "version": version, "groupPriorityMinimum": 100, "versionPriority": priority,
                "service": {"namespace": "kube-system", "name": "taffrail", "port": 443}},
            "status": {"conditions": [{"type": "Available", "status": "True", "reason": "Passed", "message": "all checks passed", "lastTransitionTime": rfc3339(seeder.now)}]},
        }));
    }
}

struct Seeder<'a> {
    shared: &'a Shared,
    now: i64,
}

impl Seeder<'_> {
    /// Stores an object that is `days` old.
    fn put(&self, kind: Kind, namespace: &str, name: &str, days: i64, mut value: Value) -> Option<Arc<Object>> {
        let spec = kind.spec();
        value["kind"] = json!(spec.kind);
        value["apiVersion"] = json!(spec.api_version());
        if !value["metadata"].is_object() {
            value["metadata"] = json!({});
        }
        value["metadata"]["name"] = json!(name);
        if spec.namespaced {
            value["metadata"]["namespace"] = json!(namespace);
        }
        let jitter = (hash(self.shared.seed, name) % 86_400_000) as i64;
        if value["metadata"]["creationTimestamp"].is_null() {
            value["metadata"]["creationTimestamp"] = json!(rfc3339(self.now - days * 86_400_000 - jitter));
        }
        self.shared.store.create(kind, value, self.now).ok()
    }
}

/// The fourth node has lost its kubelet.
fn is_broken(config: &Config, index: u32) -> bool {
    config.nodes >= 4 && index == 3
}
