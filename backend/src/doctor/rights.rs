//! Whether our account may do what the product does, right by right.

use super::report::Report;
use super::{Patient, text};
use serde_json::{Value, json};

/// One right, and what goes wrong without it.
struct Right {
    group: &'static str,
    /// With its subresource.
    resource: &'static str,
    verbs: &'static [&'static str],
    /// `namespace/name`; empty: all.
    of: String,
    without: &'static str,
    /// Whether the metrics API itself is broken without it.
    vital: bool,
}

pub(super) async fn examine(patient: &Patient<'_>, report: &mut Report) {
    let (namespace, name) = &patient.own;
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}");
    match patient.get(&path).await {
        Ok(None) => {
            let remedy =
                "kubectl apply -f manifests/base/rbac.yaml, or name another one with --service-account=NAMESPACE/NAME";
            return report.bad("ServiceAccount", format!("there is no ServiceAccount {namespace}/{name}"), remedy);
        }
        Ok(Some(_)) => {}
        // Not everybody may look; the reviews below say what counts.
        Err(error) => report.warn(
            "ServiceAccount",
            format!("{namespace}/{name} cannot be looked at: {error}"),
            "run this as an administrator",
        ),
    }
    let mut missing = 0;
    let rights = rights(patient);
    for right in &rights {
        for verb in right.verbs {
            match review(patient, (namespace, name), right, verb).await {
                Ok(true) => {}
                Ok(false) => {
                    missing += 1;
                    let Right { group, resource, of, without, vital, .. } = right;
                    let scope = if of.is_empty() { String::new() } else { format!(" {of}") };
                    let group = if group.is_empty() { String::new() } else { format!(".{group}") };
                    let cause = format!("{namespace}/{name} may not {verb} {resource}{group}{scope}: {without}");
                    let remedy = "kubectl apply -f manifests/base/rbac.yaml";
                    if *vital {
                        report.bad("MissingRight", cause, remedy);
                    } else {
                        report.warn("MissingRight", cause, remedy);
                    }
                }
                Err(error) => {
                    let remedy = "run this as somebody who may create subjectaccessreviews";
                    return report.warn("MissingRight", format!("rights cannot be looked at: {error}"), remedy);
                }
            }
        }
    }
    if missing == 0 {
        report.good("Rights", format!("{namespace}/{name} may do everything that is needed"));
    }
}

fn rights(patient: &Patient<'_>) -> Vec<Right> {
    let right =
        |group, resource, verbs, of: String, without, vital| Right { group, resource, verbs, of, without, vital };
    let secret = format!("{}/{}", patient.service.0, patient.flags.serve.serving_ca_secret);
    let watch: &[&str] = &["get", "list", "watch"];
    let mut all = vec![
        right("", "nodes/metrics", &["get"], String::new(), "kubelets answer 403", true),
        right("", "nodes", watch, String::new(), "no node is known", true),
        right("", "pods", watch, String::new(), "no pod is known", true),
        right(
            "authentication.k8s.io",
            "tokenreviews",
            &["create"],
            String::new(),
            "nobody with a token is let in",
            true,
        ),
        right(
            "authorization.k8s.io",
            "subjectaccessreviews",
            &["create"],
            String::new(),
            "nobody may do anything",
            true,
        ),
        right(
            "",
            "configmaps",
            watch,
            "kube-system/extension-apiserver-authentication".to_owned(),
            "the API server's front proxy is a stranger: kubectl top answers 401",
            !patient.flags.serve.delegated.authentication_skip_lookup,
        ),
        right("", "secrets", &["get", "update"], secret, "replicas do not share an authority", false),
    ];
    if patient.flags.serve.manage_apiservices {
        for name in ["v1.metrics.k8s.io", "v1beta1.metrics.k8s.io"] {
            let without = "caBundle is not kept right";
            all.push(right(
                "apiregistration.k8s.io",
                "apiservices",
                &["get", "watch", "patch"],
                name.to_owned(),
                without,
                false,
            ));
        }
    }
    all
}

async fn review(
    patient: &Patient<'_>,
    (namespace, name): (&str, &str),
    right: &Right,
    verb: &str,
) -> Result<bool, String> {
    let (resource, subresource) = right.resource.split_once('/').unwrap_or((right.resource, ""));
    let (of_namespace, of_name) = right.of.split_once('/').unwrap_or(("", &right.of));
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": format!("system:serviceaccount:{namespace}:{name}"),
            "groups": ["system:serviceaccounts", format!("system:serviceaccounts:{namespace}"), "system:authenticated"],
            "resourceAttributes": {
                "group": right.group, "resource": resource, "subresource": subresource, "verb": verb,
                "namespace": of_namespace, "name": of_name,
            },
        },
    });
    let answer = patient.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).await?;
    match answer.pointer("/status/allowed").and_then(Value::as_bool) {
        Some(allowed) => Ok(allowed),
        None => Err(text(&answer, "/status/evaluationError").to_owned()),
    }
}
