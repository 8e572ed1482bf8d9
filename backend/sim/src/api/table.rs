//! The forms an object is answered in: whole, as a row of a `Table` (what kubectl prints), or its metadata alone.

use crate::kinds::Kind;
use crate::store::Object;
use serde_json::{Value, json};

/// What the `Accept` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Whole,
    Table,
    Metadata,
}

impl Form {
    pub(crate) fn of(accept: &str) -> Self {
        let first = accept.split(',').map(str::trim).find(|one| one.contains("json") || one.contains("*/*"));
        match first {
            Some(one) if one.contains("as=Table") => Self::Table,
            Some(one) if one.contains("as=PartialObjectMetadata") => Self::Metadata,
            _ => Self::Whole,
        }
    }

    /// One object in this form. `whole` rows carry the object's metadata.
    pub(crate) fn object(self, object: &Object, now: i64) -> Value {
        match self {
            Self::Whole => object.value(),
            Self::Metadata => metadata(&object.value()),
            Self::Table => table(object.kind, &[row(object, now)], &object.version.to_string(), ""),
        }
    }
}

fn metadata(value: &Value) -> Value {
    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": value["metadata"]})
}

pub(crate) fn table(kind: Kind, rows: &[Value], version: &str, continues: &str) -> Value {
    let column = |name: &str, priority: u8| json!({"name": name, "type": "string", "format": if name == "Name" { "name" } else { "" }, "description": name, "priority": priority});
    let plain = names(kind).iter().map(|name| column(name, 0));
    let columns: Vec<Value> = plain.chain(wide(kind).iter().map(|name| column(name, 1))).collect();
    let mut meta = json!({"resourceVersion": version});
    if !continues.is_empty() {
        meta["continue"] = json!(continues);
    }
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "columnDefinitions": columns, "rows": rows})
}

fn names(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Pod => &["Name", "Ready", "Status", "Restarts", "Age"],
        Kind::Node => &["Name", "Status", "Roles", "Age", "Version"],
        Kind::Deployment => &["Name", "Ready", "Up-to-date", "Available", "Age"],
        Kind::ReplicaSet => &["Name", "Desired", "Current", "Ready", "Age"],
        Kind::Service => &["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age"],
        Kind::Event => &["Last Seen", "Type", "Reason", "Object", "Message"],
        _ => &["Name", "Age"],
    }
}

/// What `-o wide` adds.
fn wide(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Pod => &["IP", "Node"],
        Kind::Node => &["Internal-IP", "OS-Image", "Kernel-Version", "Container-Runtime"],
        Kind::Service => &["Selector"],
        _ => &[],
    }
}

pub(crate) fn row(object: &Object, now: i64) -> Value {
    let value = object.value();
    let name = object.name();
    let number = |pointer: &str| value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0).to_string();
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or("<none>").to_owned();
    let age = age(value["metadata"]["creationTimestamp"].as_str(), now);
    let cells = match object.kind {
        Kind::Pod => {
            let (ready, total, restarts, status) = pod(&value);
            let ready = format!("{ready}/{total}");
            json!([name, ready, status, restarts.to_string(), age, text("/status/podIP"), text("/spec/nodeName")])
        }
        Kind::Node => {
            let ready = object.value()["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|one| one["type"] == "Ready" && one["status"] == "True");
            let mut status = if ready { "Ready" } else { "NotReady" }.to_owned();
            if value["spec"]["unschedulable"] == true {
                status.push_str(",SchedulingDisabled");
            }
            let addresses = value["status"]["addresses"].as_array().into_iter().flatten();
            let internal = addresses.filter(|one| one["type"] == "InternalIP").find_map(|one| one["address"].as_str());
            let info = |name: &str| text(&format!("/status/nodeInfo/{name}"));
            json!([
                name,
                status,
                "<none>",
                age,
                info("kubeletVersion"),
                internal.unwrap_or("<none>"),
                info("osImage"),
                info("kernelVersion"),
                info("containerRuntimeVersion")
            ])
        }
        Kind::Deployment => json!([
            name,
            format!("{}/{}", number("/status/readyReplicas"), number("/spec/replicas")),
            number("/status/updatedReplicas"),
            number("/status/availableReplicas"),
            age
        ]),
        Kind::ReplicaSet => {
            json!([name, number("/spec/replicas"), number("/status/replicas"), number("/status/readyReplicas"), age])
        }
        Kind::Service => service(&value, name, &age),
        Kind::Event => {
            let seen = self::age(value["lastTimestamp"].as_str(), now);
            let about = format!("{}/{}", text("/involvedObject/kind").to_lowercase(), text("/involvedObject/name"));
            json!([seen, text("/type"), text("/reason"), about, text("/message")])
        }
        _ => json!([name, age]),
    };
    json!({"cells": cells, "object": metadata(&value)})
}

fn service(value: &Value, name: &str, age: &str) -> Value {
    let text = |value: &Value| value.as_str().unwrap_or("<none>").to_owned();
    let each = |list: &Value, of: &dyn Fn(&Value) -> String| {
        let all: Vec<String> = list.as_array().into_iter().flatten().map(of).collect();
        if all.is_empty() { "<none>".to_owned() } else { all.join(",") }
    };
    let port = |port: &Value| {
        let node = port["nodePort"].as_u64().map(|node| format!(":{node}")).unwrap_or_default();
        format!("{}{node}/{}", port["port"], port["protocol"].as_str().unwrap_or("TCP"))
    };
    let spec = &value["spec"];
    let given = each(&value["status"]["loadBalancer"]["ingress"], &|one| text(&one["ip"]));
    let given = if spec["type"] == "LoadBalancer" && given == "<none>" { "<pending>".to_owned() } else { given };
    let labels = spec["selector"].as_object().into_iter().flatten();
    let labels: Vec<String> = labels.map(|(key, value)| format!("{key}={}", text(value))).collect();
    let selector = if labels.is_empty() { "<none>".to_owned() } else { labels.join(",") };
    json!([name, text(&spec["type"]), text(&spec["clusterIP"]), given, each(&spec["ports"], &port), age, selector])
}

fn pod(value: &Value) -> (usize, usize, u64, String) {
    let statuses = value["status"]["containerStatuses"].as_array().map(Vec::as_slice).unwrap_or_default();
    let total = value["spec"]["containers"].as_array().map_or(0, Vec::len);
    let ready = statuses.iter().filter(|one| one["ready"] == true).count();
    let restarts = statuses.iter().filter_map(|one| one["restartCount"].as_u64()).sum();
    let waiting = statuses.iter().find_map(|one| {
        one["state"]["waiting"]["reason"].as_str().or_else(|| one["state"]["terminated"]["reason"].as_str())
    });
    let phase = value["status"]["phase"].as_str().unwrap_or("Unknown");
    let status =
        if value["metadata"]["deletionTimestamp"].is_string() { "Terminating" } else { waiting.unwrap_or(phase) };
    (ready, total, restarts, status.to_owned())
}

fn age(since: Option<&str>, now: i64) -> String {
    let Some(since) = since.and_then(crate::clock::parse) else { return "<unknown>".to_owned() };
    let seconds = (now - since).max(0) / 1000;
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
