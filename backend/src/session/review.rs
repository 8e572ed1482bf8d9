//! One question to the API server: a `SubjectAccessReview` for exactly the person's identity, with our account.

use super::Identity;
use super::gate::GateError;
use super::scope::{Resource, Verb};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// For the API server's answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether somebody may do something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) verb: Verb,
    pub(super) resource: Resource,
    /// Empty: everywhere.
    pub(super) namespace: Arc<str>,
    /// Empty: any.
    pub(super) name: Arc<str>,
}

/// Asks, when it is this person's turn.
pub(super) async fn review(
    client: kube::Client,
    turns: Arc<Semaphore>,
    who: Identity,
    question: Question,
) -> Result<bool, GateError> {
    let undecided = |reason: String| GateError::Undecided(reason);
    let asked = async {
        let _turn = turns.acquire().await.map_err(|error| undecided(error.to_string()))?;
        let body = serde_json::to_vec(&body(&who, &question)).map_err(|error| undecided(error.to_string()))?;
        let request = http::Request::post("/apis/authorization.k8s.io/v1/subjectaccessreviews")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|error| undecided(error.to_string()))?;
        let answer: Reviewed = client.request(request).await.map_err(|error| match error {
            kube::Error::Api(status) if status.code == 403 => {
                undecided("our own account lacks create subjectaccessreviews (system:auth-delegator)".into())
            }
            kube::Error::Api(status) => undecided(format!("it answered {} {}", status.code, status.reason)),
            error => undecided(error.to_string()),
        })?;
        Ok(answer.status.allowed && !answer.status.denied)
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(decision) => decision,
        Err(_) => Err(undecided(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

#[derive(serde::Deserialize)]
struct Reviewed {
    status: ReviewedStatus,
}

#[derive(serde::Deserialize)]
struct ReviewedStatus {
    allowed: bool,
    #[serde(default)]
    denied: bool,
}

fn body(who: &Identity, question: &Question) -> serde_json::Value {
    let extra: serde_json::Map<_, _> = who
        .extra
        .iter()
        .map(|(key, values)| {
            let values = values.iter().map(|value| serde_json::Value::from(&**value)).collect::<Vec<_>>();
            (String::from(&**key), values.into())
        })
        .collect();
    let verb = match question.verb {
        Verb::Get => "get",
        Verb::List => "list",
        Verb::Watch => "watch",
    };
    let version = if question.resource.group == "metrics.k8s.io" { "v1beta1" } else { "v1" };
    serde_json::json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": &*who.user,
            "uid": &*who.uid,
            "groups": who.groups.iter().map(|group| &**group).collect::<Vec<_>>(),
            "extra": extra,
            "resourceAttributes": {
                "verb": verb,
                "group": question.resource.group,
                "version": version,
                "resource": question.resource.plural,
                "namespace": &*question.namespace,
                "name": &*question.name,
            },
        },
    })
}
