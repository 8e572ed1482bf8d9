//! Kubernetes' `Status`: how this API says no.

use super::body::quoted;
use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

/// One failure, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) code: u16,
    pub(super) reason: &'static str,
    pub(super) message: String,
    /// The members of `details` in order; `None`: no details at all.
    pub(super) details: Option<Vec<(&'static str, String)>>,
}

impl Status {
    pub(super) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None }
    }

    pub(super) fn with(mut self, details: &[(&'static str, &str)]) -> Self {
        self.details = Some(details.iter().map(|(key, value)| (*key, (*value).to_owned())).collect());
        self
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message)
    }

    pub(super) fn no_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource").with(&[])
    }

    /// The live object is not there.
    pub(super) fn no_object(kind: &'static str, plural: &str, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{plural} \"{name}\" not found")).with(&[("name", name), ("kind", kind)])
    }

    /// The object is there, its metrics are not.
    pub(super) fn no_metrics(kind: &str, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{kind}.metrics.k8s.io \"{name}\" not found")).with(&[
            ("name", name),
            ("group", "metrics.k8s.io"),
            ("kind", kind),
        ])
    }

    pub(super) fn text(&self) -> String {
        let mut text =
            String::from(r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"#);
        text.push_str(&quoted(&self.message));
        if !self.reason.is_empty() {
            text.push_str(r#","reason":"#);
            text.push_str(&quoted(self.reason));
        }
        if let Some(details) = &self.details {
            let members: Vec<String> =
                details.iter().map(|(key, value)| format!("{}:{}", quoted(key), quoted(value))).collect();
            text.push_str(&format!(",\"details\":{{{}}}", members.join(",")));
        }
        text.push_str(&format!(",\"code\":{}}}\n", self.code));
        text
    }
}

impl From<Status> for Response {
    fn from(status: Status) -> Self {
        let mut response = Self::new(Body::from(status.text()));
        *response.status_mut() = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if matches!(status.code, 429 | 503) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if status.code == 403 {
            headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        }
        response
    }
}
