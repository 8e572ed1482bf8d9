//! EndpointSlices, as Services' selectors find pods.

use crate::Shared;
use crate::kinds::Kind;
use crate::load::hash;
use crate::selector::Selector;
use crate::store::{Key, Object};
use crate::workloads::suffix;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The Services that select a pod.
pub(super) fn selecting(shared: &Shared, pod: &Object) -> Vec<Key> {
    let (services, _) = shared.store.list(Kind::Service, pod.namespace(), None);
    let selects = |service: &&Arc<Object>| {
        let selector = Selector::of_object(&service.value()["spec"]["selector"]);
        !selector.is_empty() && selector.matches(|key| pod.label(key))
    };
    services.iter().filter(selects).map(|service| service.key.clone()).collect()
}

/// The EndpointSlice of a Service, as its selector finds pods. At most a hundred endpoints a slice.
pub(super) fn endpoints(shared: &Shared, service: &Object, now: i64) {
    endpoints_among(shared, service, &shared.store.list(Kind::Pod, service.namespace(), None).0, now);
}

/// The same, looking at these pods alone: all the Service can select.
pub(crate) fn endpoints_among(shared: &Shared, service: &Object, pods: &[Arc<Object>], now: i64) {
    let value = service.value();
    let selector = Selector::of_object(&value["spec"]["selector"]);
    if selector.is_empty() {
        return;
    }
    // Pods with the same resolved ports share slices.
    let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let published = value["spec"]["publishNotReadyAddresses"] == true;
    for pod in pods {
        let Some(run) = pod.run.as_deref().filter(|run| !run.finished) else { continue };
        let ip = pod.field("status.podIP").unwrap_or_default();
        if ip.is_empty() || !selector.matches(|key| pod.label(key)) {
            continue;
        }
        let node = pod.field("spec.nodeName").unwrap_or_default();
        let zone = shared
            .store
            .get(Kind::Node, "", node)
            .and_then(|node| node.label("topology.kubernetes.io/zone").map(str::to_owned));
        let ports = resolve(&value["spec"]["ports"], &pod.value());
        groups.entry(ports.to_string()).or_default().push(json!({
            "addresses": [ip], "nodeName": node, "zone": zone,
            "conditions": {"ready": published || (run.ready && !pod.deleting), "serving": run.ready, "terminating": pod.deleting},
            "targetRef": {"kind": "Pod", "namespace": pod.namespace(), "name": pod.name(), "uid": &*pod.uid},
        }));
    }
    if groups.is_empty() {
        groups.insert("[]".to_owned(), Vec::new());
    }
    let mut kept = BTreeSet::new();
    for (ports, endpoints) in groups {
        let ports: Value = serde_json::from_str(&ports).unwrap_or_default();
        let chunks: Vec<&[Value]> = if endpoints.is_empty() { vec![&[]] } else { endpoints.chunks(100).collect() };
        for chunk in chunks {
            let name = format!("{}-{}", service.name(), suffix(hash(shared.seed, &service.uid), kept.len() as u64, 5));
            kept.insert(name.clone());
            write_slice(shared, service, &value, &name, &ports, chunk, now);
        }
    }
    for slice in shared.store.owned(&service.uid) {
        if slice.kind == Kind::EndpointSlice && !kept.contains(slice.name()) {
            shared.store.delete(Kind::EndpointSlice, slice.namespace(), slice.name());
        }
    }
}

fn write_slice(
    shared: &Shared,
    service: &Object,
    value: &Value,
    name: &str,
    ports: &Value,
    endpoints: &[Value],
    now: i64,
) {
    let known = shared.store.modify(Kind::EndpointSlice, service.namespace(), name, |slice| {
        let same = slice["endpoints"] == json!(endpoints) && slice["ports"] == *ports;
        slice["endpoints"] = json!(endpoints);
        slice["ports"] = ports.clone();
        Ok(!same)
    });
    if known.is_ok() {
        return;
    }
    let mut labels = json!({"kubernetes.io/service-name": service.name(), "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"});
    if value["spec"]["clusterIP"] == "None" {
        labels["service.kubernetes.io/headless"] = json!("");
    }
    let slice = json!({
        "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv4",
        "metadata": {"name": name, "namespace": service.namespace(), "labels": labels,
            "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": service.name(), "uid": &*service.uid, "controller": true, "blockOwnerDeletion": true}]},
        "endpoints": endpoints, "ports": ports,
    });
    if let Err(status) = shared.store.create(Kind::EndpointSlice, slice, now) {
        tracing::debug!(message = status.message, "slice not stored");
    }
}

/// A Service's ports on one pod; a port whose name the pod does not have is left out.
fn resolve(ports: &Value, pod: &Value) -> Value {
    let containers = pod["spec"]["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let resolved: Vec<Value> = ports
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|port| {
            let protocol = port["protocol"].as_str().unwrap_or("TCP");
            let number = match &port["targetPort"] {
                Value::String(name) => {
                    containers.iter().flat_map(|one| one["ports"].as_array().into_iter().flatten()).find_map(|one| {
                        (one["name"] == *name && one["protocol"].as_str().unwrap_or("TCP") == protocol)
                            .then(|| one["containerPort"].clone())
                    })?
                }
                Value::Null => port["port"].clone(),
                number => number.clone(),
            };
            Some(json!({"name": port["name"].as_str().unwrap_or_default(), "protocol": protocol, "port": number}))
        })
        .collect();
    Value::Array(resolved)
}
