//! What is wrong with an object, why, and since when: pure, from the object alone. Services have [`super::Verdicts`].
//! Codes are stable; the sentences are the browser's.

use crate::cluster::kinds::{Condition, Deployment, Node, Pod, State};
use std::any::Any;
use std::cmp::Reverse;
use wire::object::Finding;
use wire::{Level, Millis, Say};

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub level: Level,
    pub say: Say,
    /// Zero when unknown.
    pub since: Millis,
}

/// Findings of any kind that can have some without looking at other objects, worst first.
pub fn of(object: &dyn Any) -> Vec<Found> {
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

impl Found {
    /// As the browser gets it beside the object itself.
    #[must_use]
    pub fn finding(self) -> Finding {
        Finding { level: self.level, say: self.say }
    }
}

/// When a condition became what it is.
fn since(conditions: &[Condition], kind: &str) -> Option<Millis> {
    conditions.iter().find(|one| &*one.kind == kind)?.since
}

fn pod_findings(pod: &Pod) -> Vec<Found> {
    let mut found = Vec::new();
    let unready = since(&pod.conditions, "Ready").unwrap_or(pod.meta.created);
    for one in &pod.containers {
        let Some(status) = one.status.as_deref() else { continue };
        let name = |code: &str| Say::new(code).with("container", &*one.name);
        let end = match (&status.state, &status.last) {
            (State::Terminated(end), _) => Some(end),
            (_, Some(end)) => Some(&**end),
            _ => None,
        };
        let ended = end.and_then(|end| end.finished).unwrap_or(unready);
        let killed = end.is_some_and(|end| end.reason.as_deref() == Some("OOMKilled"));
        if killed && !status.ready {
            let limit = one.memory_limit.map(|limit| limit.to_string()).unwrap_or_default();
            found.push(Found { level: Level::Bad, say: name("POD_OOM").with("limit", limit), since: ended });
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
                    found.push(Found { level: Level::Bad, say, since: ended });
                }
                "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull" => {
                    let say = name("POD_IMAGE").with("image", &*one.image).with("message", message);
                    found.push(Found { level: Level::Bad, say, since: unready });
                }
                "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
                    let say = name("POD_CONFIG").with("reason", &**reason).with("message", message);
                    found.push(Found { level: Level::Bad, say, since: unready });
                }
                _ => {}
            }
        }
    }
    let unscheduled = pod.conditions.iter().find(|one| &*one.kind == "PodScheduled" && &*one.status == "False");
    if let Some(condition) = unscheduled.filter(|_| &*pod.phase == "Pending") {
        let say = Say::new("POD_PENDING").with("message", condition.message.as_deref().unwrap_or_default());
        found.push(Found { level: Level::Warn, say, since: condition.since.unwrap_or(pod.meta.created) });
    }
    if &*pod.phase == "Failed" && found.is_empty() {
        let say = Say::new("POD_FAILED")
            .with("reason", pod.reason.as_deref().unwrap_or_default())
            .with("message", pod.message.as_deref().unwrap_or_default());
        let ends = pod.containers.iter().filter_map(|one| match &one.status.as_ref()?.state {
            State::Terminated(end) => end.finished,
            _ => None,
        });
        found.push(Found { level: Level::Bad, say, since: ends.max().unwrap_or(unready) });
    }
    found
}

fn node_findings(node: &Node) -> Vec<Found> {
    let finding = |level: Level, code: &str, one: &Condition| {
        let say = Say::new(code)
            .with("reason", one.reason.as_deref().unwrap_or(&one.kind))
            .with("message", one.message.as_deref().unwrap_or_default());
        Found { level, say, since: one.since.unwrap_or_default() }
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

fn deployment_findings(deployment: &Deployment) -> Vec<Found> {
    let stuck = deployment.conditions.iter().find(|one| {
        &*one.kind == "Progressing"
            && &*one.status == "False"
            && one.reason.as_deref() == Some("ProgressDeadlineExceeded")
    });
    let mut found = Vec::new();
    if let Some(one) = stuck {
        let say = Say::new("DEPLOY_DEADLINE").with("message", one.message.as_deref().unwrap_or_default());
        found.push(Found { level: Level::Bad, say, since: one.since.unwrap_or_default() });
    }
    let unavailable = deployment.conditions.iter().find(|one| &*one.kind == "Available" && &*one.status == "False");
    if let Some(one) = unavailable.filter(|_| deployment.available < deployment.desired) {
        let say = Say::new("DEPLOY_UNAVAILABLE")
            .with("ready", deployment.ready.to_string())
            .with("desired", deployment.desired.to_string());
        found.push(Found { level: Level::Bad, say, since: one.since.unwrap_or_default() });
    }
    found
}
