//! Light controllers: ReplicaSets and pods for Deployments, placement, the pods' lives, endpoints, garbage, heartbeats.
//!
//! One task. It looks at what changed since its last turn, every [`TURN`]; what is due later is found by looking at the
//! pods that are not settled. Decisions go by the cluster's clock.

use crate::Shared;
use crate::clock::{rfc3339, rfc3339_micro};
use crate::kinds::Kind;
use crate::load::{Curve, hash, mix};
use crate::run::{Behaviour, milli};
use crate::selector::Selector;
use crate::status::Status;
use crate::store::{Changes, Key, Object};
use crate::workloads::{self, Stage, backoff, enter, event, suffix, template_hash};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Real time between two turns.
const TURN: Duration = Duration::from_millis(100);

/// Milliseconds from placement to running, and from the mark of deletion to the end.
const START: i64 = 1_200;

/// Milliseconds between two heartbeats of a node.
const HEARTBEAT: i64 = 10_000;

/// Milliseconds between two attempts to place pending pods.
const RETRY: i64 = 5_000;

/// Runs until it is aborted.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut loops = Loops::new(&shared);
    let mut turns = tokio::time::interval(TURN);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        loops.turn(&shared, shared.clock.now());
    }
}

#[derive(Debug, Default)]
struct Loops {
    seen: BTreeMap<Kind, u64>,
    /// Pods with something to come, and when.
    due: BTreeMap<Key, i64>,
    unplaced: BTreeSet<Key>,
    retry: i64,
    heartbeat: i64,
}

impl Loops {
    fn new(shared: &Shared) -> Self {
        let version = shared.store.version();
        let mut loops = Self { heartbeat: shared.clock.now() + HEARTBEAT, ..Self::default() };
        for kind in Kind::ALL {
            loops.seen.insert(*kind, version);
        }
        for pod in shared.store.all(Kind::Pod) {
            loops.notice(shared, &pod);
        }
        loops
    }

    fn turn(&mut self, shared: &Shared, now: i64) {
        let mut workloads: BTreeSet<(Kind, Key)> = BTreeSet::new();
        let mut services: BTreeSet<Key> = BTreeSet::new();
        for kind in Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Event && *kind != Kind::Lease) {
            let since = self.seen.get(&kind).copied().unwrap_or(0);
            let Changes::Since(changes, version) = shared.store.changes(kind, since) else {
                // More happened in one turn than the ring holds: go on from here, the next change heals the rest.
                self.seen.insert(kind, shared.store.version());
                continue;
            };
            self.seen.insert(kind, version);
            for change in changes {
                let object = &change.new;
                match kind {
                    Kind::Pod => {
                        self.notice(shared, object);
                        if change.deleted {
                            self.due.remove(&object.key);
                            self.unplaced.remove(&object.key);
                        }
                        services.extend(selecting(shared, object));
                        if let Some(old) = &change.old {
                            services.extend(selecting(shared, old));
                        }
                    }
                    Kind::Service => drop(services.insert(object.key.clone())),
                    Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::Job if !change.deleted => {
                        workloads.insert((kind, object.key.clone()));
                    }
                    _ => {}
                }
                for uid in object.owners() {
                    workloads.extend(owner(shared, object.namespace(), uid));
                }
                if change.deleted {
                    collect(shared, object);
                }
            }
        }
        for (kind, key) in workloads {
            let Some(object) = shared.store.get(kind, &key.0, &key.1) else { continue };
            let done = match kind {
                Kind::Deployment => deployment(shared, &object, now),
                _ => replicas(shared, &object, now),
            };
            if let Err(status) = done {
                tracing::debug!(message = status.message, "workload not reconciled");
            }
        }
        for key in services {
            if let Some(service) = shared.store.get(Kind::Service, &key.0, &key.1) {
                endpoints(shared, &service, now);
            }
        }
        self.place(shared, now);
        self.live(shared, now);
        if now >= self.heartbeat {
            // A real node writes every 10 s; very many nodes write less often.
            self.heartbeat = now + HEARTBEAT * (1 + shared.store.len(Kind::Node) as i64 / 500);
            heartbeats(shared, now);
        }
    }

    /// Notes what a pod waits for.
    fn notice(&mut self, shared: &Shared, pod: &Arc<Object>) {
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

    /// Places the pods without a node: new ones at once, the others again and again.
    fn place(&mut self, shared: &Shared, now: i64) {
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

    /// The kubelets' part: pods start, end, crash and are killed when their time has come.
    fn live(&mut self, shared: &Shared, now: i64) {
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

/// The workload with this uid in a namespace, if it still lives.
fn owner(shared: &Shared, namespace: &str, uid: &str) -> Option<(Kind, Key)> {
    [Kind::ReplicaSet, Kind::Deployment, Kind::StatefulSet, Kind::Job].into_iter().find_map(|kind| {
        let (objects, _) = shared.store.list(kind, namespace, None);
        objects.iter().find(|object| &*object.uid == uid).map(|object| (kind, object.key.clone()))
    })
}

fn selecting(shared: &Shared, pod: &Object) -> Vec<Key> {
    let (services, _) = shared.store.list(Kind::Service, pod.namespace(), None);
    let selects = |service: &&Arc<Object>| {
        let selector = Selector::of_object(&service.value()["spec"]["selector"]);
        !selector.is_empty() && selector.matches(|key| pod.label(key))
    };
    services.iter().filter(selects).map(|service| service.key.clone()).collect()
}

/// Deletes what a deleted object owned, and what a deleted namespace held.
fn collect(shared: &Shared, gone: &Object) {
    for dependent in shared.store.owned(&gone.uid) {
        shared.store.delete(dependent.kind, dependent.namespace(), dependent.name());
    }
    if gone.kind == Kind::Namespace {
        for kind in Kind::ALL.iter().copied().filter(|kind| kind.spec().namespaced) {
            for object in shared.store.list(kind, gone.name(), None).0 {
                shared.store.delete(kind, object.namespace(), object.name());
            }
        }
    }
}

/// A ReplicaSet of a Deployment, and its template.
pub(crate) fn replica_set(deployment: &Object, template: &Value, replicas: u32, revision: u64) -> (Value, Value) {
    let hash = template_hash(template);
    let mut template = template.clone();
    template["metadata"]["labels"]["pod-template-hash"] = json!(hash);
    let labels = template["metadata"]["labels"].clone();
    let set = json!({
        "kind": "ReplicaSet", "apiVersion": "apps/v1",
        "metadata": {
            "name": format!("{}-{hash}", deployment.name()), "namespace": deployment.namespace(), "labels": labels,
            "annotations": {"deployment.kubernetes.io/revision": revision.to_string()},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment.name(), "uid": &*deployment.uid, "controller": true, "blockOwnerDeletion": true}],
        },
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
        "status": {"replicas": 0},
    });
    (set, template)
}

fn deployment(shared: &Shared, deployment: &Object, now: i64) -> Result<(), Status> {
    let value = deployment.value();
    let wanted = value["spec"]["replicas"].as_u64().unwrap_or(1);
    let template = &value["spec"]["template"];
    let name = format!("{}-{}", deployment.name(), template_hash(template));
    let sets: Vec<Arc<Object>> =
        shared.store.owned(&deployment.uid).into_iter().filter(|one| one.kind == Kind::ReplicaSet).collect();
    if !sets.iter().any(|set| set.name() == name) {
        let (set, _) = replica_set(deployment, template, 0, sets.len() as u64 + 1);
        shared.store.create(Kind::ReplicaSet, set, now)?;
        return Ok(()); // Its creation brings us back.
    }
    let count = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let values: Vec<(Arc<Object>, Value)> = sets
        .into_iter()
        .map(|set| {
            let value = set.value();
            (set, value)
        })
        .collect();
    let (new, old): (Vec<_>, Vec<_>) = values.iter().partition(|(set, _)| set.name() == name);
    let Some((new_set, new_value)) = new.first() else { return Ok(()) };
    let old_wanted: u64 = old.iter().map(|(_, value)| count(value, "/spec/replicas")).sum();
    // A quarter more, and a quarter missing, is allowed while it rolls.
    let new_wanted = wanted
        .min((wanted + wanted.div_ceil(4)).saturating_sub(old_wanted))
        .max(count(new_value, "/spec/replicas").min(wanted));
    rescale(shared, deployment, new_set, count(new_value, "/spec/replicas"), new_wanted, now)?;
    let mut allowed = (wanted.saturating_sub(wanted / 4)).saturating_sub(count(new_value, "/status/readyReplicas"));
    for (set, value) in &old {
        let have = count(value, "/spec/replicas");
        let keep = have.min(allowed);
        allowed -= keep;
        rescale(shared, deployment, set, have, keep, now)?;
    }
    let total = |path: &str| values.iter().map(|(_, value)| count(value, path)).sum::<u64>();
    let (replicas, ready) = (total("/status/replicas"), total("/status/readyReplicas"));
    shared.store.modify(Kind::Deployment, deployment.namespace(), deployment.name(), |value| {
        let before = value.clone();
        value["status"]["observedGeneration"] = value["metadata"]["generation"].clone();
        value["status"]["replicas"] = json!(replicas);
        value["status"]["updatedReplicas"] = json!(count(new_value, "/status/replicas"));
        value["status"]["readyReplicas"] = json!(ready);
        value["status"]["availableReplicas"] = json!(ready);
        value["status"]["unavailableReplicas"] = json!(wanted.saturating_sub(ready));
        let available = ready >= wanted - wanted / 4;
        let (reason, message) = if available {
            ("MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        };
        workloads::condition(value, "Available", available, reason, message, now);
        let done = replicas == wanted && count(new_value, "/status/replicas") == wanted;
        let (reason, verb) = if done {
            ("NewReplicaSetAvailable", "has successfully progressed")
        } else {
            ("ReplicaSetUpdated", "is progressing")
        };
        workloads::condition(value, "Progressing", true, reason, &format!("ReplicaSet \"{name}\" {verb}."), now);
        Ok(*value != before)
    })?;
    Ok(())
}

fn rescale(shared: &Shared, deployment: &Object, set: &Object, have: u64, want: u64, now: i64) -> Result<(), Status> {
    if have == want {
        return Ok(());
    }
    shared.store.modify(Kind::ReplicaSet, set.namespace(), set.name(), |value| {
        value["spec"]["replicas"] = json!(want);
        value["metadata"]["generation"] = json!(value["metadata"]["generation"].as_u64().unwrap_or(1) + 1);
        Ok(true)
    })?;
    let way = if want > have { "up" } else { "down" };
    event(
        shared,
        deployment,
        false,
        "ScalingReplicaSet",
        &format!("Scaled {way} replica set {} from {have} to {want}", set.name()),
        now,
    );
    Ok(())
}

/// As many pods as a ReplicaSet, StatefulSet or Job wants.
fn replicas(shared: &Shared, owner: &Object, now: i64) -> Result<(), Status> {
    let value = owner.value();
    let wanted = match owner.kind {
        Kind::Job => value["spec"]["parallelism"].as_u64().unwrap_or(1),
        _ => value["spec"]["replicas"].as_u64().unwrap_or(1),
    } as usize;
    let mut pods: Vec<Arc<Object>> = shared.store.owned(&owner.uid);
    pods.retain(|pod| pod.kind == Kind::Pod && pod.run.as_deref().is_some_and(|run| !run.finished));
    let names: BTreeSet<String> = pods.iter().map(|pod| pod.name().to_owned()).collect();
    pods.retain(|pod| !pod.deleting);
    let template = &value["spec"]["template"];
    let numbered = owner.kind == Kind::StatefulSet;
    for extra in 0..wanted.saturating_sub(pods.len()) {
        let name = if numbered {
            let free = (0..wanted).map(|index| format!("{}-{index}", owner.name())).find(|name| !names.contains(name));
            // A terminating pod still holds its name.
            let Some(name) = free else { break };
            name
        } else {
            format!(
                "{}-{}",
                owner.name(),
                suffix(hash(shared.seed, owner.name()), mix(shared.store.version(), extra as u64), 5)
            )
        };
        let pod = shared.store.create(Kind::Pod, workloads::pod(owner, template, &name), now)?;
        event(shared, owner, false, "SuccessfulCreate", &format!("Created pod: {}", pod.name()), now);
        if numbered {
            break; // One after the other.
        }
    }
    // The unready and the youngest go first; of a StatefulSet the last.
    pods.sort_by_key(|pod| {
        (
            pod.run.as_deref().is_some_and(|run| run.ready),
            std::cmp::Reverse(pod.run.as_deref().and_then(|run| run.started)),
        )
    });
    if numbered {
        pods.sort_by_key(|pod| {
            std::cmp::Reverse(pod.name().rsplit('-').next().and_then(|index| index.parse::<u64>().ok()))
        });
    }
    for pod in pods.iter().take(pods.len().saturating_sub(wanted)) {
        if pod.field("spec.nodeName").is_some_and(str::is_empty) {
            shared.store.delete(Kind::Pod, pod.namespace(), pod.name());
        } else {
            shared.store.modify(Kind::Pod, pod.namespace(), pod.name(), |value| {
                value["metadata"]["deletionTimestamp"] = json!(rfc3339(now + 30_000));
                value["metadata"]["deletionGracePeriodSeconds"] = json!(30);
                Ok(true)
            })?;
        }
        event(shared, owner, false, "SuccessfulDelete", &format!("Deleted pod: {}", pod.name()), now);
    }
    let ready = pods.iter().filter(|pod| pod.run.as_deref().is_some_and(|run| run.ready)).count();
    shared.store.modify(owner.kind, owner.namespace(), owner.name(), |value| {
        let before = value.clone();
        let status = &mut value["status"];
        if owner.kind == Kind::Job {
            status["active"] = json!(pods.len());
        } else {
            status["replicas"] = json!(pods.len());
            status["readyReplicas"] = json!(ready);
            status["availableReplicas"] = json!(ready);
        }
        value["status"]["observedGeneration"] = value["metadata"]["generation"].clone();
        Ok(*value != before)
    })?;
    Ok(())
}

/// The EndpointSlice of a Service, as its selector finds pods. At most a hundred endpoints a slice.
pub(crate) fn endpoints(shared: &Shared, service: &Object, now: i64) {
    let value = service.value();
    let selector = Selector::of_object(&value["spec"]["selector"]);
    if selector.is_empty() {
        return;
    }
    // Pods with the same resolved ports share slices.
    let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let published = value["spec"]["publishNotReadyAddresses"] == true;
    for pod in shared.store.list(Kind::Pod, service.namespace(), None).0 {
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

fn is_ready(node: &Value) -> bool {
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

fn heartbeats(shared: &Shared, now: i64) {
    for node in shared.store.all(Kind::Node) {
        if !is_ready(&node.value()) {
            continue;
        }
        let renewed = shared.store.modify(Kind::Lease, "kube-node-lease", node.name(), |value| {
            value["spec"]["renewTime"] = json!(rfc3339_micro(now));
            Ok(true)
        });
        if let Err(status) = renewed {
            tracing::debug!(message = status.message, "lease not renewed");
        }
    }
}
