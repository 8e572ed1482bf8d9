//! Whether a caller may do something: `system:masters`, the paths open to all, else a `SubjectAccessReview`.

use super::authn::User;
use super::meters::Meters;
use super::request::{Asks, Field};
use super::reviews::{Lives, Reviews};
use super::status::{Status, go_quoted};
use crate::kubelet::selector::{Operator, Requirement};
use futures::FutureExt;
use k8s_openapi::api::authorization::v1::{
    FieldSelectorAttributes, LabelSelectorAttributes, NonResourceAttributes, ResourceAttributes, SubjectAccessReview,
    SubjectAccessReviewSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldSelectorRequirement, LabelSelectorRequirement};
use kube::api::{Api, PostParams};
use std::sync::Arc;

/// Questions whose parts chosen by the caller are larger are not kept.
const KEPT: usize = 10_000;

pub(super) struct Authorizer {
    client: kube::Client,
    open: Vec<String>,
    meters: Meters,
    reviews: Reviews<String, Verdict>,
}

#[derive(Clone, Debug)]
struct Verdict {
    allowed: bool,
    reason: String,
}

impl Authorizer {
    pub(super) fn new(client: kube::Client, open: Vec<String>, lives: Lives, meters: Meters) -> Self {
        let life = |verdict: &Verdict, (allowed, denied): Lives| if verdict.allowed { allowed } else { denied };
        Self { client, open, meters, reviews: Reviews::new(lives, life) }
    }

    pub(super) async fn check(&self, user: &User, asks: &Asks, uri: &str) -> Result<(), Status> {
        if user.is_master() || asks.resource.is_none() && self.is_open(&asks.path) {
            return Ok(());
        }
        let spec = spec(user, asks);
        let key = serde_json::to_string(&spec).map_err(|error| failed(uri, &error.to_string()))?;
        let client = self.client.clone();
        let ask = move || review(client, spec).boxed();
        let (verdict, cached) =
            if asks.size() > KEPT { (ask().await, false) } else { self.reviews.get(key, ask).await };
        let result = match &verdict {
            Ok(Verdict { allowed: true, .. }) => "allowed",
            Ok(_) => "denied",
            Err(_) => "error",
        };
        self.meters.reviewed("access", result, cached);
        let verdict = verdict.map_err(|error| failed(uri, &error))?;
        if verdict.allowed { Ok(()) } else { Err(forbidden(user, asks, &verdict.reason)) }
    }

    fn is_open(&self, path: &str) -> bool {
        let path = path.trim_start_matches('/');
        self.open.iter().map(|open| open.trim_start_matches('/')).any(|open| match open.strip_suffix('*') {
            Some(prefix) => path.starts_with(prefix),
            None => path == open,
        })
    }
}

fn spec(user: &User, asks: &Asks) -> SubjectAccessReviewSpec {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut spec = SubjectAccessReviewSpec {
        user: text(&user.name),
        uid: text(&user.uid),
        groups: Some(user.groups.clone()),
        extra: (!user.extra.is_empty()).then(|| user.extra.clone()),
        ..SubjectAccessReviewSpec::default()
    };
    match &asks.resource {
        Some(resource) => {
            spec.resource_attributes = Some(ResourceAttributes {
                namespace: text(&resource.namespace),
                verb: text(&asks.verb),
                group: text(&resource.group),
                version: text(&resource.version),
                resource: text(&resource.plural),
                subresource: text(&resource.subresource),
                name: resource.name.clone(),
                field_selector: fields(&asks.fields),
                label_selector: labels(&asks.labels),
            });
        }
        None => {
            spec.non_resource_attributes =
                Some(NonResourceAttributes { path: text(&asks.path), verb: text(&asks.verb) });
        }
    }
    spec
}

/// What a list is restricted to: an authorizer may allow less than the whole.
fn fields(fields: &[Field]) -> Option<FieldSelectorAttributes> {
    let requirement = |field: &Field| FieldSelectorRequirement {
        key: field.key.clone(),
        operator: if field.equal { "In" } else { "NotIn" }.to_owned(),
        values: Some(vec![field.value.clone()]),
    };
    (!fields.is_empty()).then(|| FieldSelectorAttributes {
        requirements: Some(fields.iter().map(requirement).collect()),
        ..FieldSelectorAttributes::default()
    })
}

fn labels(labels: &[Requirement]) -> Option<LabelSelectorAttributes> {
    let requirement = |label: &Requirement| {
        let operator = match label.operator {
            Operator::In => "In",
            Operator::NotIn => "NotIn",
            Operator::Exists => "Exists",
            Operator::DoesNotExist => "DoesNotExist",
            // Reviews have no words for comparisons; without the requirement the question is about more, not less.
            Operator::GreaterThan | Operator::LessThan => return None,
        };
        let mut values = label.values.clone();
        values.sort_unstable();
        let values = (!values.is_empty()).then_some(values);
        Some(LabelSelectorRequirement { key: label.key.clone(), operator: operator.to_owned(), values })
    };
    let mut requirements: Vec<_> = labels.iter().filter_map(requirement).collect();
    requirements.sort_by(|one, other| one.key.cmp(&other.key));
    (!requirements.is_empty())
        .then(|| LabelSelectorAttributes { requirements: Some(requirements), ..LabelSelectorAttributes::default() })
}

async fn review(client: kube::Client, spec: SubjectAccessReviewSpec) -> Result<Verdict, Arc<str>> {
    let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
    let (api, once) = (Api::<SubjectAccessReview>::all(client), PostParams::default());
    let answer = super::authn::retried(|| api.create(&once, &review)).await?;
    let status = answer.status.unwrap_or_default();
    let allowed = status.allowed && status.denied != Some(true);
    Ok(Verdict { allowed, reason: status.reason.unwrap_or_default() })
}

fn forbidden(user: &User, asks: &Asks, reason: &str) -> Status {
    let (user, verb) = (go_quoted(&user.name), &asks.verb);
    // What the API server says itself is not the caller's text.
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let Some(resource) = &asks.resource else {
        let message = format!("forbidden: User {user} cannot {verb} path {}", go_quoted(&asks.path));
        return Status::new(403, "Forbidden", escaped(&message) + &why).with(&[]);
    };
    let group = &resource.group;
    let kind = if group.is_empty() { resource.plural.clone() } else { format!("{}.{group}", resource.plural) };
    let scope = match resource.namespace.as_str() {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace {}", go_quoted(namespace)),
    };
    let object = resource.name.as_ref().map(|name| format!(" {}", go_quoted(name))).unwrap_or_default();
    let whole = match resource.subresource.as_str() {
        "" => resource.plural.clone(),
        subresource => format!("{}/{subresource}", resource.plural),
    };
    let (whole, quoted) = (go_quoted(&whole), go_quoted(group));
    let message = format!(
        "{kind}{object} is forbidden: User {user} cannot {verb} resource {whole} in API group {quoted} {scope}"
    );
    let mut details = Vec::new();
    if let Some(name) = &resource.name {
        details.push(("name", name.as_str()));
    }
    if !group.is_empty() {
        details.push(("group", group));
    }
    details.push(("kind", &resource.plural));
    Status::new(403, "Forbidden", escaped(&message) + &why).with(&details)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn failed(uri: &str, error: &str) -> Status {
    Status::bare(500, escaped(&format!("Internal Server Error: {}: {error}", go_quoted(uri))))
}
