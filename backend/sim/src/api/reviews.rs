//! Token and access reviews.

use crate::Shared;
use crate::access::{Ask, User, may, rules};
use crate::status::Status;
use http::Method;
use http::request::Parts;
use serde_json::{Value, json};

/// The answer to a review, or `None` when the path is not one.
pub(crate) fn answer(
    shared: &Shared,
    user: &User,
    parts: &Parts,
    path: &str,
    body: &[u8],
) -> Option<Result<Value, Status>> {
    let (group, rest) = match path.strip_prefix("/apis/") {
        Some(path) => path.split_once("/v1/")?,
        None => return None,
    };
    let review = rest.rsplit('/').next().unwrap_or_default();
    if !matches!(group, "authentication.k8s.io" | "authorization.k8s.io") {
        return None;
    }
    if parts.method != Method::POST {
        return Some(Err(Status::method_not_allowed()));
    }
    let parsed = match super::protobuf::review(review, body) {
        Some(value) => Ok(value),
        None => serde_json::from_slice::<Value>(body),
    };
    let mut value = match parsed {
        Ok(value) => value,
        Err(error) => {
            return Some(Err(Status::bad_request(format!("the object provided is unrecognized: {error}"))));
        }
    };
    let ask = Ask { verb: "create", group, resource: review, ..Ask::default() };
    if !review.starts_with("selfsubject") && !may(&shared.store, user, &ask) {
        return Some(Err(ask.refusal(user)));
    }
    let status = match review {
        "tokenreviews" => match shared.tokens.user(value["spec"]["token"].as_str().unwrap_or_default()) {
            Some(user) => {
                json!({"authenticated": true, "user": {"username": user.name, "groups": user.groups}, "audiences": ["https://kubernetes.default.svc.cluster.local"]})
            }
            None => json!({"authenticated": false, "error": "invalid bearer token"}),
        },
        "selfsubjectreviews" => json!({"userInfo": {"username": user.name, "groups": user.groups}}),
        "selfsubjectaccessreviews" => decide(shared, user, &value["spec"]),
        "subjectaccessreviews" => {
            let groups = value["spec"]["groups"].as_array().into_iter().flatten();
            let other = User {
                name: value["spec"]["user"].as_str().unwrap_or_default().to_owned(),
                groups: groups.filter_map(Value::as_str).map(str::to_owned).collect(),
            };
            decide(shared, &other, &value["spec"])
        }
        "selfsubjectrulesreviews" => {
            let namespace = value["spec"]["namespace"].as_str().unwrap_or_default();
            let mut all = rules(&shared.store, user, namespace);
            if user.groups.iter().any(|group| group == "system:masters") {
                all.push(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
                all.push(json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
            }
            let (urls, resources): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|rule| rule.get("nonResourceURLs").is_some());
            json!({"resourceRules": resources, "nonResourceRules": urls, "incomplete": false})
        }
        _ => return Some(Err(Status::no_such_path())),
    };
    value["status"] = status;
    Some(Ok(value))
}

fn decide(shared: &Shared, user: &User, spec: &Value) -> Value {
    let attributes = &spec["resourceAttributes"];
    let text = |name: &str| attributes[name].as_str().unwrap_or_default();
    let (resource, inline) = text("resource").split_once('/').unwrap_or((text("resource"), ""));
    let subresource = if text("subresource").is_empty() { inline } else { text("subresource") };
    let path = spec["nonResourceAttributes"]["path"].as_str();
    let verb = spec["nonResourceAttributes"]["verb"].as_str().unwrap_or_else(|| text("verb"));
    let ask = Ask {
        verb,
        group: text("group"),
        resource,
        subresource,
        namespace: text("namespace"),
        name: text("name"),
        path,
    };
    let allowed = may(&shared.store, user, &ask);
    json!({"allowed": allowed, "reason": if allowed { "RBAC: allowed by the bound roles" } else { "" }})
}
