//! Refusals as responses.

use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use wire::session::Refusal;

/// How a body is written: the page speaks postcard, command lines speak JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Postcard,
    Json,
}

impl Format {
    /// The format of a request's body; for requests without one, what it accepts.
    pub fn of(headers: &HeaderMap) -> Self {
        let says = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = says(CONTENT_TYPE);
        let kind = if kind.is_empty() { says(http::header::ACCEPT) } else { kind };
        if kind.starts_with("application/json") { Self::Json } else { Self::Postcard }
    }

    /// A body in this format.
    pub fn body<T: serde::Serialize>(self, status: StatusCode, value: &T) -> Response {
        match self {
            Self::Postcard => {
                (status, [(CONTENT_TYPE, "application/octet-stream")], wire::encode(value)).into_response()
            }
            Self::Json => match serde_json::to_vec(value) {
                Ok(bytes) => (status, [(CONTENT_TYPE, "application/json")], bytes).into_response(),
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            },
        }
    }

    /// A refusal with the status that fits its code.
    pub fn refuse(self, refusal: &Refusal) -> Response {
        let mut response = self.body(status(&refusal.say.code), refusal);
        if refusal.say.code == "LOGIN_RATE"
            && let Ok(seconds) = refusal.say.arg("s").parse::<u32>()
        {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

fn status(code: &str) -> StatusCode {
    match code {
        "LOGIN_RATE" => StatusCode::TOO_MANY_REQUESTS,
        "LOGIN_APIDOWN" => StatusCode::SERVICE_UNAVAILABLE,
        "LOGIN_INSECURE" => StatusCode::FORBIDDEN,
        "LOGIN_CHARS" | "LOGIN_EMPTY" | "LOGIN_CERTBAD" | "LOGIN_CERTOFF" => StatusCode::BAD_REQUEST,
        "LOGIN_TOOBIG" => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::UNAUTHORIZED,
    }
}
