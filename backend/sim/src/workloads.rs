//! Builds objects the way the control plane would: pods from templates, their status, events, defaults.

use crate::Shared;
use crate::clock::rfc3339;
use crate::kinds::Kind;
use crate::load::{hash, mix};
use crate::run::Behaviour;
use crate::store::Object;
use serde_json::{Value, json};

/// A name's random end, of the letters Kubernetes uses.
pub(crate) fn suffix(seed: u64, number: u64, length: usize) -> String {
    let letters = b"bcdfghjklmnpqrstvwxz2456789";
    let mut state = mix(seed, number);
    (0..length)
        .map(|_| {
            let letter = letters.get((state % letters.len() as u64) as usize).copied().unwrap_or(b'x');
            state = mix(state, 1);
            char::from(letter)
        })
        .collect()
}

/// The hash that names a ReplicaSet of a template.
pub(crate) fn template_hash(template: &Value) -> String {
    suffix(hash(0, &template.to_string()), 0, 9)
}

/// A pod as its controller creates it: no node, no status but Pending.
pub(crate) fn pod(owner: &Object, template: &Value, name: &str) -> Value {
    let spec = owner.kind.spec();
    let mut metadata = template["metadata"].clone();
    if !metadata.is_object() {
        metadata = json!({});
    }
    metadata["name"] = json!(name);
    metadata["namespace"] = json!(owner.namespace());
    metadata["ownerReferences"] = json!([{
        "apiVersion": spec.api_version(), "kind": spec.kind, "name": owner.name(), "uid": &*owner.uid,
        "controller": true, "blockOwnerDeletion": true,
    }]);
    metadata["managedFields"] = json!([{
        "manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:labels": {}}, "f:spec": {"f:containers": {}}},
    }]);
    let mut pod = json!({"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": template["spec"]});
    default_pod(&mut pod);
    pod
}

/// What the API server fills into a created object.
pub(crate) fn default(shared: &Shared, kind: Kind, value: &mut Value) {
    let fill = |object: &mut Value, key: &str, default: Value| {
        if object[key].is_null() {
            object[key] = default;
        }
    };
    match kind {
        Kind::Pod => default_pod(value),
        Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet => {
            fill(&mut value["spec"], "replicas", json!(1));
            value["status"] = json!({});
        }
        Kind::Namespace => {
            value["spec"] = json!({"finalizers": ["kubernetes"]});
            value["status"] = json!({"phase": "Active"});
            let name = value["metadata"]["name"].clone();
            fill(&mut value["metadata"], "labels", json!({}));
            value["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
        }
        Kind::Service => {
            let spec = &mut value["spec"];
            fill(spec, "type", json!("ClusterIP"));
            if spec["type"] != "ExternalName" {
                let number = shared.store.version();
                fill(spec, "clusterIP", json!(format!("10.96.{}.{}", 100 + number / 250 % 150, 1 + number % 250)));
                let ip = spec["clusterIP"].clone();
                fill(spec, "clusterIPs", json!([ip]));
                fill(spec, "ipFamilies", json!(["IPv4"]));
                fill(spec, "ipFamilyPolicy", json!("SingleStack"));
            }
            fill(spec, "sessionAffinity", json!("None"));
            fill(spec, "internalTrafficPolicy", json!("Cluster"));
            for port in spec["ports"].as_array_mut().into_iter().flatten() {
                let number = port["port"].clone();
                fill(port, "protocol", json!("TCP"));
                fill(port, "targetPort", number);
            }
            fill(value, "status", json!({"loadBalancer": {}}));
        }
        _ => {}
    }
}

fn default_pod(pod: &mut Value) {
    let qos = qos(pod);
    let spec = &mut pod["spec"];
    for (key, value) in [
        ("restartPolicy", json!("Always")),
        ("dnsPolicy", json!("ClusterFirst")),
        ("serviceAccountName", json!("default")),
        ("schedulerName", json!("default-scheduler")),
        ("terminationGracePeriodSeconds", json!(30)),
    ] {
        if spec[key].is_null() {
            spec[key] = value;
        }
    }
    pod["status"] = json!({"phase": "Pending", "qosClass": qos});
}

fn qos(pod: &Value) -> &'static str {
    let containers = pod["spec"]["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let guaranteed = containers.iter().all(|one| {
        let resources = &one["resources"];
        ["cpu", "memory"].iter().all(|name| {
            resources["limits"][name].is_string() && resources["limits"][name] == resources["requests"][name]
        })
    });
    let any =
        containers.iter().any(|one| one["resources"]["requests"].is_object() || one["resources"]["limits"].is_object());
    match (guaranteed, any) {
        (true, _) => "Guaranteed",
        (false, true) => "Burstable",
        (false, false) => "BestEffort",
    }
}

/// Sets a condition; the transition time moves only with the status.
pub(crate) fn condition(object: &mut Value, kind: &str, status: bool, reason: &str, message: &str, now: i64) {
    let status = if status { "True" } else { "False" };
    let mut new = json!({"type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": rfc3339(now)});
    if !reason.is_empty() {
        new["reason"] = json!(reason);
        new["message"] = json!(message);
    }
    if !object["status"]["conditions"].is_array() {
        object["status"]["conditions"] = json!([]);
    }
    let Some(conditions) = object["status"]["conditions"].as_array_mut() else { return };
    match conditions.iter_mut().find(|one| one["type"] == kind) {
        Some(old) => {
            if old["status"] == status {
                new["lastTransitionTime"] = old["lastTransitionTime"].clone();
            }
            *old = new;
        }
        None => conditions.push(new),
    }
}

/// What a container does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Running {
        since: i64,
    },
    ImagePullBackOff,
    /// Ended at a time, waits for its next start.
    CrashLoop {
        ended: i64,
        restarts: u64,
        oom: bool,
    },
    /// Started again after it ended.
    Restarted {
        since: i64,
        ended: i64,
        restarts: u64,
        oom: bool,
    },
}

/// Writes a pod's status for a stage of its first container; the other ones run since `started`.
pub(crate) fn enter(pod: &mut Value, stage: Stage, node: &str, started: i64, ip: &str, now: i64) {
    let behaviour = Behaviour::of(pod);
    let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let containers = pod["spec"]["containers"].as_array().cloned().unwrap_or_default();
    let mut statuses = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        let id = |n: u64| {
            format!(
                "containerd://{:016x}{:016x}{:016x}{:016x}",
                hash(n, &name),
                mix(n, index as u64),
                hash(n + 1, &name),
                mix(9, n)
            )
        };
        let stage = if index == 0 { stage } else { Stage::Running { since: started } };
        let running = |since: i64| json!({"running": {"startedAt": rfc3339(since)}});
        let ended = |at: i64, oom: bool, restarts: u64| {
            let (code, reason) = if oom { (137, "OOMKilled") } else { (1, "Error") };
            let since = at - if oom { 400_000 } else { 6_000 };
            json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": rfc3339(since), "finishedAt": rfc3339(at), "containerID": id(restarts)}})
        };
        let (state, last, restarts) = match stage {
            Stage::Running { since } => (running(since), json!({}), 0),
            Stage::ImagePullBackOff => {
                let image = container["image"].as_str().unwrap_or_default();
                let message = format!(
                    "Back-off pulling image \"{image}\": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image \"{image}\": not found"
                );
                (json!({"waiting": {"reason": "ImagePullBackOff", "message": message}}), json!({}), 0)
            }
            Stage::CrashLoop { ended: at, restarts, oom } => {
                let container = container["name"].as_str().unwrap_or_default();
                let delay = backoff(restarts) / 1000;
                let pretty = if delay >= 60 { format!("{}m{}s", delay / 60, delay % 60) } else { format!("{delay}s") };
                let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
                let message =
                    format!("back-off {pretty} restarting failed container={container} pod={name}_{namespace}");
                (
                    json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}}),
                    ended(at, oom, restarts),
                    restarts,
                )
            }
            Stage::Restarted { since, ended: at, restarts, oom } => {
                (running(since), ended(at, oom, restarts - 1), restarts)
            }
        };
        let runs = state.get("running").is_some();
        let ready = runs && !(index == 0 && behaviour == Behaviour::Unready);
        let mut status = json!({
            "name": container["name"], "image": container["image"], "imageID": "", "ready": ready, "started": runs,
            "restartCount": restarts, "state": state, "lastState": last,
        });
        if runs {
            status["containerID"] = json!(id(restarts));
        }
        statuses.push(status);
    }
    let broken: Vec<&str> =
        statuses.iter().filter(|one| one["ready"] != true).filter_map(|one| one["name"].as_str()).collect();
    let ready = broken.is_empty();
    let message = format!("containers with unready status: [{}]", broken.join(" "));
    let (reason, message) = if ready { ("", "") } else { ("ContainersNotReady", message.as_str()) };
    let any = statuses.iter().any(|one| one["state"].get("running").is_some() || one["restartCount"] != 0);
    pod["spec"]["nodeName"] = json!(node);
    let status = &mut pod["status"];
    status["phase"] = json!(if any && stage != Stage::ImagePullBackOff { "Running" } else { "Pending" });
    status["startTime"] = json!(rfc3339(started));
    status["hostIP"] = json!("127.0.0.1");
    status["hostIPs"] = json!([{"ip": "127.0.0.1"}]);
    status["podIP"] = json!(ip);
    status["podIPs"] = json!([{"ip": ip}]);
    status["containerStatuses"] = json!(statuses);
    for kind in ["PodReadyToStartContainers", "Initialized", "PodScheduled"] {
        condition(pod, kind, true, "", "", started);
    }
    condition(pod, "ContainersReady", ready, reason, message, now);
    condition(pod, "Ready", ready, reason, message, now);
}

/// Milliseconds that a kubelet waits before the next start.
pub(crate) fn backoff(restarts: u64) -> i64 {
    (10_000_i64 << restarts.min(5)).min(300_000)
}

/// Says something about an object: a new Event, or one more of the same.
pub(crate) fn event(shared: &Shared, about: &Object, warning: bool, reason: &str, message: &str, now: i64) {
    let number = hash(hash(hash(0, &about.uid), reason), message);
    let name = format!("{}.{:016x}", about.name(), number);
    let namespace = if about.namespace().is_empty() { "default" } else { about.namespace() };
    let seen = shared.store.modify(Kind::Event, namespace, &name, |value| {
        value["count"] = json!(value["count"].as_u64().unwrap_or(1) + 1);
        value["lastTimestamp"] = json!(rfc3339(now));
        Ok(true)
    });
    if seen.is_ok() {
        return;
    }
    let spec = about.kind.spec();
    let component = match reason {
        "Scheduled" | "FailedScheduling" => "default-scheduler",
        "SuccessfulCreate" | "SuccessfulDelete" => "replicaset-controller",
        "ScalingReplicaSet" => "deployment-controller",
        "NodeNotReady" => "node-controller",
        _ => "kubelet",
    };
    let value = json!({
        "kind": "Event", "apiVersion": "v1", "metadata": {"name": name, "namespace": namespace, "creationTimestamp": rfc3339(now)},
        "involvedObject": {"kind": spec.kind, "apiVersion": spec.api_version(), "namespace": about.namespace(), "name": about.name(),
            "uid": &*about.uid, "resourceVersion": about.version.to_string()},
        "reason": reason, "message": message, "type": if warning { "Warning" } else { "Normal" }, "count": 1,
        "firstTimestamp": rfc3339(now), "lastTimestamp": rfc3339(now), "eventTime": null,
        "source": {"component": component}, "reportingComponent": component, "reportingInstance": "",
    });
    if let Err(error) = shared.store.create(Kind::Event, value, now) {
        tracing::debug!(message = error.message, "event not stored");
    }
}
