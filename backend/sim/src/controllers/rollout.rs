//! Deployments roll their ReplicaSets; ReplicaSets, StatefulSets and Jobs keep their pods.

use crate::Shared;
use crate::clock::rfc3339;
use crate::kinds::Kind;
use crate::load::{hash, mix};
use crate::status::Status;
use crate::store::{Key, Object};
use crate::workloads::{self, event, suffix, template_hash};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The workload with this uid in a namespace, if it still lives.
pub(super) fn owner(shared: &Shared, namespace: &str, uid: &str) -> Option<(Kind, Key)> {
    [Kind::ReplicaSet, Kind::Deployment, Kind::StatefulSet, Kind::Job].into_iter().find_map(|kind| {
        let (objects, _) = shared.store.list(kind, namespace, None);
        objects.iter().find(|object| &*object.uid == uid).map(|object| (kind, object.key.clone()))
    })
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

pub(super) fn deployment(shared: &Shared, deployment: &Object, now: i64) -> Result<(), Status> {
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
pub(super) fn replicas(shared: &Shared, owner: &Object, now: i64) -> Result<(), Status> {
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
