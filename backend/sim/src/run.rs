//! What a kubelet needs to know of a pod, read from the object once, when it is stored.

use serde_json::Value;

/// The annotation of a pod template that gives its pods a fault: `crash`, `pull`, `unready` or `leak`.
pub(crate) const BEHAVIOUR: &str = "sim.taffrail.dev/behaviour";

/// How the containers of a pod behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Steady,
    /// Exits with an error a few seconds after each start.
    Crash,
    /// The image can't be pulled.
    Pull,
    /// Runs, but its readiness probe fails.
    Unready,
    /// Memory grows until the limit, then it is OOM killed.
    Leak,
}

#[derive(Debug)]
pub(crate) struct Run {
    /// Millicores and bytes of all containers together.
    pub(crate) cpu: u64,
    pub(crate) memory: u64,
    /// `status.startTime`, Unix milliseconds.
    pub(crate) started: Option<i64>,
    /// Phase Succeeded or Failed: holds nothing.
    pub(crate) finished: bool,
    pub(crate) ready: bool,
    pub(crate) containers: Box<[ContainerRun]>,
}

#[derive(Debug)]
pub(crate) struct ContainerRun {
    pub(crate) name: Box<str>,
    /// Unix milliseconds; `None` when it does not run.
    pub(crate) started: Option<i64>,
    /// Millicores.
    pub(crate) cpu_request: u32,
    /// Bytes.
    pub(crate) memory_request: u64,
    pub(crate) memory_limit: Option<u64>,
    pub(crate) behaviour: Behaviour,
}

impl Behaviour {
    pub(crate) fn of(pod: &Value) -> Self {
        match pod["metadata"]["annotations"][BEHAVIOUR].as_str() {
            Some("crash") => Self::Crash,
            Some("pull") => Self::Pull,
            Some("unready") => Self::Unready,
            Some("leak") => Self::Leak,
            _ => Self::Steady,
        }
    }
}

impl Run {
    pub(crate) fn of(pod: &Value) -> Self {
        let behaviour = Behaviour::of(pod);
        let statuses = pod.pointer("/status/containerStatuses").and_then(Value::as_array);
        let containers: Box<[ContainerRun]> = pod
            .pointer("/spec/containers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate()
            .map(|(index, container)| {
                let name = container["name"].as_str().unwrap_or_default();
                let status = statuses.into_iter().flatten().find(|status| status["name"] == name);
                let resources = &container["resources"];
                let quantity = |list: &str, resource: &str| resources[list][resource].as_str().and_then(milli);
                ContainerRun {
                    name: name.into(),
                    started: status
                        .and_then(|status| status["state"]["running"]["startedAt"].as_str())
                        .and_then(crate::clock::parse),
                    cpu_request: quantity("requests", "cpu").and_then(|cpu| u32::try_from(cpu).ok()).unwrap_or(0),
                    memory_request: quantity("requests", "memory").unwrap_or(0) / 1000,
                    memory_limit: quantity("limits", "memory").map(|limit| limit / 1000),
                    // Sidecars behave.
                    behaviour: if index == 0 { behaviour } else { Behaviour::Steady },
                }
            })
            .collect();
        let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
        Self {
            cpu: containers.iter().map(|container| u64::from(container.cpu_request)).sum(),
            memory: containers.iter().map(|container| container.memory_request).sum(),
            started: pod["status"]["startTime"].as_str().and_then(crate::clock::parse),
            finished: matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")),
            ready: conditions.into_iter().flatten().any(|one| one["type"] == "Ready" && one["status"] == "True"),
            containers,
        }
    }
}

/// A Kubernetes quantity in thousandths: `250m` is 250, `2` is 2000, `1Ki` is 1024000.
pub(crate) fn milli(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let number: f64 = number.parse().ok()?;
    let scale = match suffix {
        "m" => 1.0,
        "" => 1e3,
        "k" => 1e6,
        "M" => 1e9,
        "G" => 1e12,
        "T" => 1e15,
        "Ki" => 1024e3,
        "Mi" => 1_048_576e3,
        "Gi" => 1_073_741_824e3,
        "Ti" => 1_099_511_627_776e3,
        _ => return None,
    };
    Some((number * scale).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::milli;

    #[test]
    fn quantities_are_read_in_thousandths() {
        for (text, expected) in [
            ("250m", Some(250)),
            ("2", Some(2000)),
            ("0.5", Some(500)),
            ("1Ki", Some(1_024_000)),
            ("x", None),
            ("1q", None),
        ] {
            assert_eq!(milli(text), expected, "{text}");
        }
    }
}
