//! Kubernetes' `Status`: how this API says no.

use crate::encoding::{Indent, Media, Message, envelope, quoted, yaml};
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
    /// Of `details`, each by field, reason and sentence.
    pub(super) causes: Vec<(&'static str, &'static str, String)>,
    /// Kubernetes says it as bare text, in no object.
    pub(super) bare: bool,
}

impl Status {
    pub(super) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None, causes: Vec::new(), bare: false }
    }

    /// Told as text, whatever the client accepts.
    pub(super) fn bare(code: u16, message: impl Into<String>) -> Self {
        Self { bare: true, ..Self::new(code, "", message) }
    }

    pub(super) fn with(mut self, details: &[(&'static str, &str)]) -> Self {
        self.details = Some(details.iter().map(|(key, value)| (*key, (*value).to_owned())).collect());
        self
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// What contradicts itself or the rules of its kind: field, reason and sentence of each cause.
    pub(super) fn invalid(kind: &'static str, causes: Vec<(&'static str, &'static str, String)>) -> Self {
        let said: Vec<String> = causes.iter().map(|(field, _, sentence)| format!("{field}: {sentence}")).collect();
        let said = if let [one] = said.as_slice() { one.clone() } else { format!("[{}]", said.join(", ")) };
        let status = Self::new(422, "Invalid", format!("{kind}.meta.k8s.io \"\" is invalid: {said}"));
        Self { causes, ..status.with(&[("group", "meta.k8s.io"), ("kind", kind)]) }
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message)
    }

    pub(super) fn not_acceptable(message: impl Into<String>) -> Self {
        Self::new(406, "NotAcceptable", message)
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

    /// In the form that was negotiated.
    pub(super) fn response(&self, media: Media, pretty: bool) -> Response {
        let (kind, body) = match media {
            _ if self.bare => ("text/plain; charset=utf-8", format!("{}\n", self.message).into_bytes()),
            Media::Protobuf => (media.name(), self.protobuf()),
            Media::Yaml => (media.name(), yaml(self.json().as_bytes()).unwrap_or_else(|_| self.json()).into_bytes()),
            Media::Json if pretty => {
                let mut out = Vec::new();
                Indent::default().push(self.json().as_bytes(), &mut out);
                (media.name(), out)
            }
            Media::Json => (media.name(), self.json().into_bytes()),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if matches!(self.code, 429 | 503) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.code == 403 || self.bare {
            headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        }
        response
    }

    fn json(&self) -> String {
        let mut text =
            String::from(r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"#);
        text.push_str(&quoted(&self.message));
        if !self.reason.is_empty() {
            text.push_str(r#","reason":"#);
            text.push_str(&quoted(self.reason));
        }
        if let Some(details) = &self.details {
            let mut members: Vec<String> =
                details.iter().map(|(key, value)| format!("{}:{}", quoted(key), quoted(value))).collect();
            let causes = self.causes.iter().map(|(field, reason, sentence)| {
                let (reason, sentence, field) = (quoted(reason), quoted(sentence), quoted(field));
                format!("{{\"reason\":{reason},\"message\":{sentence},\"field\":{field}}}")
            });
            let causes: Vec<String> = causes.collect();
            if !causes.is_empty() {
                members.push(format!("\"causes\":[{}]", causes.join(",")));
            }
            text.push_str(&format!(",\"details\":{{{}}}", members.join(",")));
        }
        text.push_str(&format!(",\"code\":{}}}\n", self.code));
        text
    }

    fn protobuf(&self) -> Vec<u8> {
        let mut status = Message::default().text(2, "Failure").text(3, &self.message).text(4, self.reason);
        if let Some(details) = &self.details {
            let number = |key: &str| match key {
                "name" => 1,
                "group" => 2,
                _ => 3,
            };
            let details = details.iter().fold(Message::default(), |all, (key, value)| all.text(number(key), value));
            let details = self.causes.iter().fold(details, |all, (field, reason, sentence)| {
                all.message(4, &Message::default().text(1, reason).text(2, sentence).text(3, field))
            });
            status = status.message(5, &details);
        }
        let status = status.number(6, u64::from(self.code));
        let mut out = envelope("v1", "Status", status.bytes().len());
        out.extend_from_slice(status.bytes());
        out
    }
}

/// As Go's `%q`: in double quotes, with what would end them or cannot be seen escaped.
pub(super) fn go_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
