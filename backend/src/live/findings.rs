//! What is wrong with an object, and why: pure, from the object alone (a Service: with its slices). Codes are stable;
//! the sentences are the browser's.

use crate::cluster::kinds::{Deployment, EndpointSlice, Node, Pod, Service, State};
use std::any::Any;
use std::cmp::Reverse;
use std::sync::Arc;
use wire::object::Finding;
use wire::{Level, Say};

/// Findings of any kind that can have some without looking at other objects, worst first.
pub fn of(object: &dyn Any) -> Vec<Finding> {
    let mut found = if let Some(pod) = object.downcast_ref::<Pod>() {
        pod_findings(pod)
    } else if let Some(node) = object.downcast_ref::<Node>() {
        node_findings(node)
    } else if let Some(deployment) = object.downcast_ref::<Deployment>() {
        deployment_findings(deployment)
    } else {
        Vec::new()
    };
    found.sort_by_key(|finding| Reverse(finding.level));
    found
}

fn pod_findings(pod: &Pod) -> Vec<Finding> {
    let mut found = Vec::new();
    for one in &pod.containers {
        let Some(status) = one.status.as_deref() else { continue };
        let name = |code: &str| Say::new(code).with("container", &*one.name);
        let killed = match (&status.state, &status.last) {
            (State::Terminated(end), _) => end.reason.as_deref() == Some("OOMKilled"),
            (_, Some(end)) => end.reason.as_deref() == Some("OOMKilled"),
            _ => false,
        };
        if killed && !status.ready {
            let limit = one.memory_limit.map(|limit| limit.to_string()).unwrap_or_default();
            found.push(Finding { level: Level::Bad, say: name("POD_OOM").with("limit", limit) });
        }
        if let State::Waiting { reason: Some(reason), message } = &status.state {
            let message = message.as_deref().unwrap_or_default();
            match &**reason {
                "CrashLoopBackOff" => {
                    let exit = status.last.as_ref();
                    let say = name("POD_CRASHLOOP")
                        .with("exit", exit.map(|exit| exit.exit_code.to_string()).unwrap_or_default())
                        .with("reason", exit.and_then(|exit| exit.reason.as_deref()).unwrap_or_default())
                        .with("restarts", status.restarts.to_string());
                    found.push(Finding { level: Level::Bad, say });
                }
                "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull" => {
                    let say = name("POD_IMAGE").with("image", &*one.image).with("message", message);
                    found.push(Finding { level: Level::Bad, say });
                }
                "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
                    let say = name("POD_CONFIG").with("reason", &**reason).with("message", message);
                    found.push(Finding { level: Level::Bad, say });
                }
                _ => {}
            }
        }
    }
    let unscheduled = pod.conditions.iter().find(|one| &*one.kind == "PodScheduled" && &*one.status == "False");
    if let Some(condition) = unscheduled.filter(|_| &*pod.phase == "Pending") {
        let say = Say::new("POD_PENDING").with("message", condition.message.as_deref().unwrap_or_default());
        found.push(Finding { level: Level::Warn, say });
    }
    if &*pod.phase == "Failed" && found.is_empty() {
        let say = Say::new("POD_FAILED")
            .with("reason", pod.reason.as_deref().unwrap_or_default())
            .with("message", pod.message.as_deref().unwrap_or_default());
        found.push(Finding { level: Level::Bad, say });
    }
    found
}

fn node_findings(node: &Node) -> Vec<Finding> {
    let finding = |level: Level, code: &str, one: &crate::cluster::kinds::Condition| {
        let say = Say::new(code)
            .with("reason", one.reason.as_deref().unwrap_or(&one.kind))
            .with("message", one.message.as_deref().unwrap_or_default());
        Finding { level, say }
    };
    let conditions = node.conditions.iter();
    conditions
        .filter_map(|one| match (&*one.kind, &*one.status) {
            ("Ready", "False" | "Unknown") => Some(finding(Level::Bad, "NODE_NOTREADY", one)),
            ("MemoryPressure" | "DiskPressure" | "PIDPressure" | "NetworkUnavailable", "True") => {
                Some(finding(Level::Warn, "NODE_PRESSURE", one))
            }
            _ => None,
        })
        .collect()
}

fn deployment_findings(deployment: &Deployment) -> Vec<Finding> {
    let stuck = deployment.conditions.iter().find(|one| {
        &*one.kind == "Progressing"
            && &*one.status == "False"
            && one.reason.as_deref() == Some("ProgressDeadlineExceeded")
    });
    let mut found = Vec::new();
    if let Some(one) = stuck {
        let say = Say::new("DEPLOY_DEADLINE").with("message", one.message.as_deref().unwrap_or_default());
        found.push(Finding { level: Level::Bad, say });
    }
    let unavailable = deployment.conditions.iter().any(|one| &*one.kind == "Available" && &*one.status == "False");
    if unavailable && deployment.available < deployment.desired {
        let say = Say::new("DEPLOY_UNAVAILABLE")
            .with("ready", deployment.ready.to_string())
            .with("desired", deployment.desired.to_string());
        found.push(Finding { level: Level::Bad, say });
    }
    found
}

/// What is wrong with a Service, given the slices and pods of its namespace that may be seen.
pub fn service(service: &Service, slices: &[&Arc<EndpointSlice>], pods: &[&Arc<Pod>]) -> Vec<Finding> {
    let Some(selector) = &service.selector else { return Vec::new() };
    let mine = |slice: &&&Arc<EndpointSlice>| {
        slice.meta.namespace == service.meta.namespace && slice.service.as_ref() == Some(&service.meta.name)
    };
    if selector.is_empty() || slices.iter().filter(mine).any(|slice| !slice.endpoints.is_empty()) {
        return Vec::new();
    }
    let pairs: Vec<String> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    // The pod that matches most of the selector: most often it is one letter in one label.
    let score = |pod: &Pod| selector.iter().filter(|pair| pod.meta.labels.contains(pair)).count();
    let near = pods.iter().filter(|pod| pod.meta.namespace == service.meta.namespace);
    let near = near.map(|pod| (score(pod), pod)).filter(|(score, _)| *score > 0).max_by_key(|(score, _)| *score);
    let say = Say::new("SVC_NOENDPOINTS")
        .with("selector", pairs.join(","))
        .with("near", near.map(|(_, pod)| pod.meta.name.to_string()).unwrap_or_default());
    vec![Finding { level: Level::Bad, say }]
}
