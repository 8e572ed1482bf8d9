//! Kubernetes' `Status`: what the API server answers when it does not answer with an object.

use crate::kinds::Kind;
use serde_json::{Value, json};

/// A refusal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Status {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Value,
    /// Seconds, sent as `Retry-After` too.
    pub(crate) retry_after: Option<u32>,
}

impl Status {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null, retry_after: None }
    }

    fn about(mut self, kind: Kind, name: &str) -> Self {
        let spec = kind.spec();
        self.details = json!({"name": name, "group": spec.group, "kind": spec.plural});
        self
    }

    pub(crate) fn not_found(kind: Kind, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} \"{name}\" not found", kind.spec().qualified())).about(kind, name)
    }

    pub(crate) fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    pub(crate) fn exists(kind: Kind, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} \"{name}\" already exists", kind.spec().qualified()))
            .about(kind, name)
    }

    pub(crate) fn conflict(kind: Kind, name: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": the object has been modified; please apply your changes to the latest version and try again",
            kind.spec().qualified()
        );
        Self::new(409, "Conflict", message).about(kind, name)
    }

    pub(crate) fn invalid(kind: Kind, name: &str, cause: &str) -> Self {
        let message = format!("{} \"{name}\" is invalid: {cause}", kind.spec().kind);
        Self::new(422, "Invalid", message).about(kind, name)
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut details = self.details.clone();
        if let Some(seconds) = self.retry_after {
            if details.is_null() {
                details = json!({});
            }
            if let Some(map) = details.as_object_mut() {
                map.insert("retryAfterSeconds".to_owned(), json!(seconds));
            }
        }
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let (Some(map), false) = (status.as_object_mut(), details.is_null()) {
            map.insert("details".to_owned(), details);
        }
        status
    }
}
