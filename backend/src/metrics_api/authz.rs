//! Whether a caller may do something: `system:masters`, the paths open to all, else a `SubjectAccessReview`.

use super::authn::User;
use super::meters::Meters;
use super::request::{Asks, Field};
use super::reviews::{Lives, Reviews};
use super::status::Status;
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
        let (verdict, cached) = if key.len() > KEPT { (ask().await, false) } else { self.reviews.get(key, ask).await };
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
                group: text("metrics.k8s.io"),
                version: text(resource.version),
                resource: text(resource.plural),
                name: resource.name.clone(),
                field_selector: fields(&asks.fields),
                label_selector: labels(&asks.labels),
                ..ResourceAttributes::default()
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
        key: field.key().to_owned(),
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
        let values = (!label.values.is_empty()).then(|| label.values.clone());
        Some(LabelSelectorRequirement { key: label.key.clone(), operator: operator.to_owned(), values })
    };
    let requirements: Vec<_> = labels.iter().filter_map(requirement).collect();
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
    let (user, verb) = (&user.name, &asks.verb);
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let Some(resource) = &asks.resource else {
        let message = format!("forbidden: User \"{user}\" cannot {verb} path \"{}\"{why}", asks.path);
        return Status::new(403, "Forbidden", escaped(&message)).with(&[]);
    };
    let plural = resource.plural;
    let scope = if resource.namespace.is_empty() {
        "at the cluster scope".into()
    } else {
        format!("in the namespace \"{}\"", resource.namespace)
    };
    let object = resource.name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
    let message = format!(
        "{plural}.metrics.k8s.io{object} is forbidden: User \"{user}\" cannot {verb} resource \"{plural}\" in API group \
         \"metrics.k8s.io\" {scope}{why}"
    );
    let status = Status::new(403, "Forbidden", escaped(&message));
    match &resource.name {
        Some(name) => status.with(&[("name", name), ("group", "metrics.k8s.io"), ("kind", plural)]),
        None => status.with(&[("group", "metrics.k8s.io"), ("kind", plural)]),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn failed(uri: &str, error: &str) -> Status {
    Status::bare(500, format!("Internal Server Error: \"{}\": {error}", escaped(uri)))
}
