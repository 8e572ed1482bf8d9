//! What is served: API groups, resources, the version, and as much OpenAPI as kubectl needs to send its objects.

use crate::Shared;
use crate::kinds::Kind;
use serde_json::{Value, json};

/// The document at a path, if there is one.
pub(crate) fn document(shared: &Shared, path: &str) -> Option<Value> {
    match path {
        "/version" => Some(json!({
            "major": "1", "minor": "36", "gitVersion": "v1.36.2", "gitCommit": "0000000000000000000000000000000000000000",
            "gitTreeState": "clean", "buildDate": "2026-06-01T00:00:00Z", "goVersion": "go1.26", "compiler": "gc", "platform": "linux/amd64",
        })),
        "/api" => Some(json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})),
        "/apis" => {
            let mut groups: Vec<Value> = Kind::groups()
                .into_iter()
                .filter(|(group, _)| !group.is_empty())
                .map(|(group, version)| listed(group, version))
                .collect();
            for (group, version) in REVIEWS {
                groups.push(listed(group, version));
            }
            if shared.aggregated.read().is_some() {
                groups.push(json!({
                    "name": "metrics.k8s.io",
                    "versions": [
                        {"groupVersion": "metrics.k8s.io/v1", "version": "v1"},
                        {"groupVersion": "metrics.k8s.io/v1beta1", "version": "v1beta1"},
                    ],
                    "preferredVersion": {"groupVersion": "metrics.k8s.io/v1", "version": "v1"},
                }));
            }
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        "/openapi/v3" => {
            let paths: serde_json::Map<String, Value> = Kind::groups()
                .into_iter()
                .map(|(group, version)| prefix(group, version))
                .map(|path| (path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}")})))
                .collect();
            Some(json!({"paths": paths}))
        }
        _ => match path.strip_prefix("/openapi/v3/") {
            Some(of) => openapi(of),
            None => resources(path),
        },
    }
}

const REVIEWS: [(&str, &str); 2] = [("authentication.k8s.io", "v1"), ("authorization.k8s.io", "v1")];

fn prefix(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

fn listed(group: &str, version: &str) -> Value {
    let version = json!({"groupVersion": format!("{group}/{version}"), "version": version});
    json!({"name": group, "versions": [version], "preferredVersion": version})
}

fn resources(path: &str) -> Option<Value> {
    let path = path.trim_start_matches('/');
    let reviews: &[(&str, &str, &str)] = match path {
        "apis/authentication.k8s.io/v1" => {
            &[("tokenreviews", "TokenReview", ""), ("selfsubjectreviews", "SelfSubjectReview", "")]
        }
        "apis/authorization.k8s.io/v1" => &[
            ("subjectaccessreviews", "SubjectAccessReview", ""),
            ("selfsubjectaccessreviews", "SelfSubjectAccessReview", ""),
            ("selfsubjectrulesreviews", "SelfSubjectRulesReview", ""),
        ],
        _ => &[],
    };
    if !reviews.is_empty() {
        let list: Vec<Value> = reviews
            .iter()
            .map(|(plural, kind, _)| json!({"name": plural, "singularName": "", "namespaced": false, "kind": kind, "verbs": ["create"]}))
            .collect();
        return Some(
            json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": path.trim_start_matches("apis/"), "resources": list}),
        );
    }
    if let Some((group, version)) =
        Kind::groups().into_iter().find(|(group, _)| !group.is_empty() && path == format!("apis/{group}"))
    {
        let mut value = listed(group, version);
        value["kind"] = json!("APIGroup");
        value["apiVersion"] = json!("v1");
        return Some(value);
    }
    let (group, version) = Kind::groups().into_iter().find(|(group, version)| path == prefix(group, version))?;
    let mut list = Vec::new();
    for kind in Kind::ALL {
        let spec = kind.spec();
        if (spec.group, spec.version) != (group, version) {
            continue;
        }
        let short: Vec<&str> = [spec.short].into_iter().filter(|short| !short.is_empty()).collect();
        list.push(json!({
            "name": spec.plural, "singularName": spec.kind.to_lowercase(), "namespaced": spec.namespaced, "kind": spec.kind, "shortNames": short,
            "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            "categories": if matches!(spec.plural, "pods" | "services" | "deployments" | "replicasets" | "daemonsets" | "statefulsets" | "jobs" | "cronjobs") { json!(["all"]) } else { json!([]) },
        }));
        for subresource in spec.subresources {
            let verbs = if *subresource == "log" { json!(["get"]) } else { json!(["get", "patch", "update"]) };
            let mut entry = json!({
                "name": format!("{}/{subresource}", spec.plural), "singularName": "", "namespaced": spec.namespaced, "kind": spec.kind, "verbs": verbs,
            });
            if *subresource == "scale" {
                entry["kind"] = json!("Scale");
                entry["group"] = json!("autoscaling");
                entry["version"] = json!("v1");
            }
            list.push(entry);
        }
    }
    let version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": list}))
}

/// Says of every kind that PATCH knows `fieldValidation` and `dryRun`: kubectl then leaves validation to the server.
fn openapi(of: &str) -> Option<Value> {
    let (group, version) = Kind::groups().into_iter().find(|(group, version)| of == prefix(group, version))?;
    let mut paths = serde_json::Map::new();
    for kind in Kind::ALL {
        let spec = kind.spec();
        if (spec.group, spec.version) != (group, version) {
            continue;
        }
        let middle = if spec.namespaced { "/namespaces/{namespace}" } else { "" };
        let parameter =
            |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
        let gvk = json!({"group": group, "version": version, "kind": spec.kind});
        paths.insert(
            format!("/{}{middle}/{}/{{name}}", prefix(group, version), spec.plural),
            json!({"patch": {
                "operationId": format!("patch{}", spec.kind),
                "parameters": [parameter("dryRun"), parameter("fieldValidation")],
                "responses": {"200": {"description": "OK"}},
                "x-kubernetes-action": "patch",
                "x-kubernetes-group-version-kind": gvk,
            }}),
        );
    }
    Some(
        json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.36.2"}, "paths": paths, "components": {"schemas": {}}}),
    )
}
