//! The patch formats of the API: JSON patch, JSON merge patch, strategic merge patch and server-side apply.
//!
//! Server-side apply is a strategic merge: field ownership is not kept.

use crate::status::Status;
use serde_json::Value;

/// Applies a patch of the given content type.
pub(crate) fn apply(document: &mut Value, content_type: &str, body: &[u8]) -> Result<(), Status> {
    let read = |error: serde_json::Error| Status::bad_request(format!("error decoding patch: {error}"));
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/json-patch+json" => {
            let patch: json_patch::Patch = serde_json::from_slice(body).map_err(read)?;
            json_patch::patch(document, &patch).map_err(|error| {
                Status::new(
                    422,
                    "Invalid",
                    format!("the server rejected our request due to an error in our request: {error}"),
                )
            })
        }
        "application/merge-patch+json" => {
            json_patch::merge(document, &serde_json::from_slice(body).map_err(read)?);
            Ok(())
        }
        "application/strategic-merge-patch+json" => {
            strategic(document, serde_json::from_slice(body).map_err(read)?, "");
            Ok(())
        }
        "application/apply-patch+yaml" => {
            let value: Value = serde_saphyr::from_slice(body)
                .map_err(|error| Status::bad_request(format!("error decoding YAML: {error}")))?;
            strategic(document, value, "");
            Ok(())
        }
        other => Err(Status::new(
            415,
            "UnsupportedMediaType",
            format!(
                "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml, got {other}"
            ),
        )),
    }
}

/// The key by which the elements of a list are the same.
fn merge_key(list: &str) -> Option<&'static str> {
    match list {
        "containers" | "initContainers" | "env" | "volumes" | "imagePullSecrets" => Some("name"),
        "conditions" | "addresses" => Some("type"),
        "ports" => Some("port"),
        "volumeMounts" => Some("mountPath"),
        "ownerReferences" => Some("uid"),
        "taints" => Some("key"),
        _ => None,
    }
}

fn strategic(target: &mut Value, patch: Value, field: &str) {
    match patch {
        Value::Object(patch) => {
            if patch.get("$patch").is_some_and(|directive| directive == "replace") {
                *target = Value::Object(patch.into_iter().filter(|(key, _)| !key.starts_with('$')).collect());
                return;
            }
            if !target.is_object() {
                *target = Value::Object(serde_json::Map::new());
            }
            let Some(map) = target.as_object_mut() else { return };
            for (key, value) in patch {
                if let Some(list) = key.strip_prefix("$deleteFromPrimitiveList/") {
                    if let (Some(Value::Array(items)), Some(gone)) = (map.get_mut(list), value.as_array()) {
                        items.retain(|item| !gone.contains(item));
                    }
                } else if key.starts_with('$') {
                    // Orders and retained keys do not change what is stored here.
                } else if value.is_null() {
                    map.remove(&key);
                } else {
                    strategic(map.entry(key.clone()).or_insert(Value::Null), value, &key);
                }
            }
        }
        Value::Array(patch) => merge_list(target, patch, field),
        scalar => *target = scalar,
    }
}

fn merge_list(target: &mut Value, patch: Vec<Value>, field: &str) {
    let key = merge_key(field).map(|key| {
        // A container's ports are keyed by containerPort, a Service's by port.
        let container = key == "port" && patch.iter().any(|item| item.get("containerPort").is_some());
        if container { "containerPort" } else { key }
    });
    let (Some(items), Some(key)) = (target.as_array_mut(), key) else {
        *target = Value::Array(patch.into_iter().filter(|item| item.get("$patch").is_none()).collect());
        return;
    };
    if patch.iter().any(|item| item.get("$patch").is_some_and(|directive| directive == "replace")) {
        *items = patch.into_iter().filter(|item| item.get("$patch").is_none()).collect();
        return;
    }
    for item in patch {
        let same = |one: &Value| one.get(key).is_some() && one.get(key) == item.get(key);
        if item.get("$patch").is_some_and(|directive| directive == "delete") {
            items.retain(|one| !same(one));
        } else if let Some(found) = items.iter_mut().find(|one| same(one)) {
            strategic(found, item, "");
        } else {
            items.push(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(mut document: Value, kind: &str, patch: &Value, expected: &Value) {
        apply(&mut document, kind, patch.to_string().as_bytes()).unwrap();
        assert_eq!(&document, expected);
    }

    #[test]
    fn a_merge_patch_replaces_lists_and_removes_by_null() {
        check(
            json!({"a": 1, "b": [1, 2], "c": {"d": 1}}),
            "application/merge-patch+json",
            &json!({"a": null, "b": [3], "c": {"e": 2}}),
            &json!({"b": [3], "c": {"d": 1, "e": 2}}),
        );
    }

    #[test]
    fn a_strategic_patch_merges_containers_by_name() {
        check(
            json!({"containers": [{"name": "app", "image": "a:1", "env": [{"name": "X", "value": "1"}]}, {"name": "proxy"}]}),
            "application/strategic-merge-patch+json",
            &json!({"$setElementOrder/containers": [{"name": "app"}], "containers": [{"name": "app", "image": "a:2"}, {"name": "proxy", "$patch": "delete"}]}),
            &json!({"containers": [{"name": "app", "image": "a:2", "env": [{"name": "X", "value": "1"}]}]}),
        );
    }

    #[test]
    fn a_json_patch_is_applied_in_order() {
        check(
            json!({"spec": {"replicas": 1}}),
            "application/json-patch+json",
            &json!([{"op": "test", "path": "/spec/replicas", "value": 1}, {"op": "replace", "path": "/spec/replicas", "value": 3}]),
            &json!({"spec": {"replicas": 3}}),
        );
    }
}
