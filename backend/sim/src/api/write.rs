//! Create, update, patch and delete.

use super::{Target, read};
use crate::Shared;
use crate::clock::rfc3339;
use crate::kinds::Kind;
use crate::serve::{Body, json, json_bytes};
use crate::status::Status;
use crate::store::Object;
use http::request::Parts;
use http::{Method, Response, StatusCode, header};
use serde_json::{Value, json};

pub(crate) fn answer(shared: &Shared, parts: &Parts, target: &Target, body: &[u8]) -> Result<Response<Body>, Status> {
    let dry = target.query.get("dryRun").is_some_and(|flag| flag == "All");
    let collection = target.name.is_empty();
    match parts.method {
        Method::POST if collection => create(shared, target, parse(body)?, dry),
        Method::PUT if !collection => {
            let new = parse(body)?;
            change(shared, target, dry, |old| {
                *old = if target.subresource == "scale" { rescaled(old, &new) } else { new };
                Ok(())
            })
        }
        Method::PATCH if !collection => {
            let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            let missing = shared.store.get(target.kind, &target.namespace, &target.name).is_none();
            if missing && kind.starts_with("application/apply-patch") {
                let mut value = Value::Null;
                crate::patch::apply(&mut value, kind, body)?;
                return create(shared, target, value, dry);
            }
            change(shared, target, dry, |old| {
                if target.subresource == "scale" {
                    let mut scale = read::scale(old);
                    crate::patch::apply(&mut scale, kind, body)?;
                    *old = rescaled(old, &scale);
                    return Ok(());
                }
                crate::patch::apply(old, kind, body)
            })
        }
        Method::DELETE if collection => {
            let (objects, _) = shared.store.list(target.kind, &target.namespace, None);
            let labels =
                crate::selector::Selector::parse(target.query.get("labelSelector").map_or("", String::as_str))?;
            for object in objects.iter().filter(|object| object.matches(&labels, &crate::selector::Selector::default()))
            {
                remove(shared, object, None)?;
            }
            Ok(json(StatusCode::OK, &json!({"kind": "Status", "apiVersion": "v1", "status": "Success", "code": 200})))
        }
        Method::DELETE => delete(shared, target, body, dry),
        _ => Err(Status::method_not_allowed()),
    }
}

fn parse(body: &[u8]) -> Result<Value, Status> {
    let value: Value = serde_json::from_slice(body)
        .or_else(|_| serde_saphyr::from_slice(body))
        .map_err(|error| Status::bad_request(format!("the object provided is unrecognized: {error}")))?;
    if value.is_object() { Ok(value) } else { Err(Status::bad_request("the object provided is unrecognized")) }
}

fn create(shared: &Shared, target: &Target, mut value: Value, dry: bool) -> Result<Response<Body>, Status> {
    let spec = target.kind.spec();
    if value["kind"].as_str().is_some_and(|kind| kind != spec.kind) {
        return Err(Status::bad_request(format!(
            "{} in API path does not match object kind {}",
            spec.kind, value["kind"]
        )));
    }
    if !value["metadata"].is_object() {
        value["metadata"] = json!({});
    }
    value["kind"] = json!(spec.kind);
    value["apiVersion"] = json!(spec.api_version());
    let metadata = &mut value["metadata"];
    if spec.namespaced {
        let own = metadata["namespace"].as_str().unwrap_or(&target.namespace);
        if target.namespace.is_empty() || own != target.namespace {
            return Err(Status::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        metadata["namespace"] = json!(target.namespace);
        if shared.store.get(Kind::Namespace, "", &target.namespace).is_none() {
            return Err(Status::not_found(Kind::Namespace, &target.namespace));
        }
    }
    if let Some(prefix) = metadata["generateName"].as_str().filter(|_| metadata["name"].is_null()) {
        let suffix = crate::workloads::suffix(shared.seed, shared.store.version(), 5);
        metadata["name"] = json!(format!("{prefix}{suffix}"));
    }
    let name = metadata["name"].as_str().unwrap_or_default().to_owned();
    if name.is_empty() {
        return Err(Status::invalid(
            target.kind,
            "",
            "metadata.name: Required value: name or generateName is required",
        ));
    }
    validate(target.kind, &name, &value)?;
    crate::workloads::default(shared, target.kind, &mut value);
    if dry {
        return Ok(json(StatusCode::CREATED, &value));
    }
    let object = shared.store.create(target.kind, value, shared.clock.now())?;
    Ok(json_bytes(StatusCode::CREATED, object.bytes.clone()))
}

fn validate(kind: Kind, name: &str, value: &Value) -> Result<(), Status> {
    shape(kind, name, value)?;
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | ':');
    if !name.chars().all(good) || name.len() > 253 {
        return Err(Status::invalid(
            kind,
            name,
            &format!(
                "metadata.name: Invalid value: \"{name}\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
            ),
        ));
    }
    if value["spec"]["replicas"].as_i64().is_some_and(|replicas| replicas < 0) {
        return Err(Status::invalid(kind, name, "spec.replicas: Invalid value: must be greater than or equal to 0"));
    }
    Ok(())
}

/// What the control plane writes into must be objects.
fn shape(kind: Kind, name: &str, value: &Value) -> Result<(), Status> {
    for path in [
        "",
        "/metadata",
        "/metadata/labels",
        "/spec",
        "/status",
        "/spec/template",
        "/spec/template/metadata",
        "/spec/template/metadata/labels",
        "/spec/template/spec",
    ] {
        if value.pointer(path).is_some_and(|part| !part.is_object() && !part.is_null()) {
            return Err(Status::invalid(kind, name, &format!("{path}: Invalid value: must be an object")));
        }
    }
    let ports = value.pointer("/spec/ports").and_then(Value::as_array);
    if ports.into_iter().flatten().any(|port| !port.is_object()) {
        return Err(Status::invalid(kind, name, "/spec/ports: Invalid value: must be objects"));
    }
    Ok(())
}

/// The workload with the replicas of a `Scale`.
fn rescaled(workload: &Value, scale: &Value) -> Value {
    let mut workload = workload.clone();
    workload["spec"]["replicas"] = json!(scale["spec"]["replicas"].as_i64().unwrap_or(0));
    if scale["metadata"]["resourceVersion"].is_string() {
        workload["metadata"]["resourceVersion"] = scale["metadata"]["resourceVersion"].clone();
    }
    workload
}

/// Changes an object: what must not change is kept, versions are compared, a changed spec counts.
fn change(
    shared: &Shared,
    target: &Target,
    dry: bool,
    edit: impl FnOnce(&mut Value) -> Result<(), Status>,
) -> Result<Response<Body>, Status> {
    let kind = target.kind;
    let mut tried = None;
    let object = shared.store.modify(kind, &target.namespace, &target.name, |value| {
        let old = value.clone();
        edit(value)?;
        shape(kind, &target.name, value)?;
        let (was, is) = (&old["metadata"], &value["metadata"]);
        if is["resourceVersion"].is_string() && is["resourceVersion"] != was["resourceVersion"] {
            return Err(Status::conflict(kind, &target.name));
        }
        if is["uid"].is_string() && is["uid"] != was["uid"] {
            return Err(Status::conflict(kind, &target.name));
        }
        for field in
            ["uid", "creationTimestamp", "generation", "name", "namespace", "deletionTimestamp", "resourceVersion"]
        {
            if !was[field].is_null() {
                value["metadata"][field] = was[field].clone();
            }
        }
        value["kind"] = old["kind"].clone();
        value["apiVersion"] = old["apiVersion"].clone();
        if target.subresource == "status" {
            let status = value["status"].take();
            *value = old.clone();
            value["status"] = status;
        } else if kind.spec().subresources.contains(&"status") && !old["status"].is_null() {
            value["status"] = old["status"].clone();
        }
        validate(kind, &target.name, value)?;
        if value["spec"] != old["spec"] {
            value["metadata"]["generation"] = json!(old["metadata"]["generation"].as_i64().unwrap_or(0) + 1);
        }
        if dry {
            tried = Some(value.clone());
        }
        Ok(!dry && *value != old)
    })?;
    if let Some(value) = tried {
        return Ok(json(StatusCode::OK, &value));
    }
    if target.subresource == "scale" {
        return Ok(json(StatusCode::OK, &read::scale(&object.value())));
    }
    Ok(json_bytes(StatusCode::OK, object.bytes.clone()))
}

fn delete(shared: &Shared, target: &Target, body: &[u8], dry: bool) -> Result<Response<Body>, Status> {
    let object = shared
        .store
        .get(target.kind, &target.namespace, &target.name)
        .ok_or_else(|| Status::not_found(target.kind, &target.name))?;
    let options: Value = if body.is_empty() { Value::Null } else { parse(body)? };
    let expected = options["preconditions"]["uid"].as_str();
    if expected.is_some_and(|uid| uid != &*object.uid) {
        return Err(Status::conflict(target.kind, &target.name));
    }
    if dry {
        return Ok(json_bytes(StatusCode::OK, object.bytes.clone()));
    }
    let grace = options["gracePeriodSeconds"]
        .as_i64()
        .or_else(|| target.query.get("gracePeriodSeconds").and_then(|seconds| seconds.parse().ok()));
    if options["propagationPolicy"] == "Orphan" {
        for dependent in shared.store.owned(&object.uid) {
            shared.store.modify(dependent.kind, dependent.namespace(), dependent.name(), |value| {
                if let Some(owners) = value["metadata"]["ownerReferences"].as_array_mut() {
                    owners.retain(|owner| owner["uid"] != *object.uid);
                }
                Ok(true)
            })?;
        }
    }
    if target.kind == Kind::Pod {
        let pod = remove(shared, &object, grace)?;
        return Ok(json_bytes(StatusCode::OK, pod));
    }
    remove(shared, &object, grace)?;
    let spec = target.kind.spec();
    Ok(json(
        StatusCode::OK,
        &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {"name": target.name, "group": spec.group, "kind": spec.plural, "uid": &*object.uid}}),
    ))
}

/// Deletes now, or marks a pod for its kubelet to end. Dependents go by garbage collection.
fn remove(shared: &Shared, object: &Object, grace: Option<i64>) -> Result<bytes::Bytes, Status> {
    let now = shared.clock.now();
    let placed = object.field("spec.nodeName").is_some_and(|node| !node.is_empty());
    if object.kind == Kind::Pod && placed && grace != Some(0) {
        let marked = shared.store.modify(object.kind, object.namespace(), object.name(), |value| {
            if value["metadata"]["deletionTimestamp"].is_string() {
                return Ok(false);
            }
            let grace = grace.or_else(|| value["spec"]["terminationGracePeriodSeconds"].as_i64()).unwrap_or(30);
            value["metadata"]["deletionTimestamp"] = json!(rfc3339(now + grace * 1000));
            value["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
            Ok(true)
        })?;
        return Ok(marked.bytes.clone());
    }
    let last = shared.store.delete(object.kind, object.namespace(), object.name());
    Ok(last.map(|last| last.bytes.clone()).unwrap_or_default())
}
