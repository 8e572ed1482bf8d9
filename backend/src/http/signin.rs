//! `session`, `claim`, `sign-out`: how a credential becomes a cookie and a cookie stops being one.

use super::refusal::Format;
use super::router::{Shared, text};
use super::tls::Peer;
use crate::session::End;
use crate::session::sessions::Entered;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use wire::session::{Credential, SignIn};

/// The JSON form of a sign-in, for command lines.
#[derive(Deserialize)]
struct Body {
    token: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
    #[serde(default)]
    secure: bool,
    namespace: Option<String>,
}

impl Body {
    fn sign_in(self) -> Option<SignIn> {
        let credential = match (self.token, self.certificate, self.key) {
            (Some(token), _, _) => Credential::Token(token),
            (None, Some(certificate), Some(key)) => Credential::Certificate { certificate, key },
            _ => return None,
        };
        Some(SignIn { credential, secure: self.secure, namespace: self.namespace })
    }
}

/// `GET session`: who is signed in, and the proof for our own page's memory.
pub(super) async fn whoami(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    // A page of another origin can neither forge the first nor send the second without a preflight, which we refuse.
    let ours = site.map_or_else(|| headers.contains_key("x-taffrail"), |site| site == b"same-origin");
    if !ours {
        return text(StatusCode::FORBIDDEN, "this is for our own page; command lines send X-Taffrail: 1");
    }
    match shared.sessions.find_cookie(&headers) {
        Some(session) => Format::of(&headers).body(StatusCode::OK, &session.page()),
        None => text(StatusCode::UNAUTHORIZED, "not signed in"),
    }
}

/// `POST session`. The body is in no log, at no level.
pub(super) async fn sign_in(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let format = Format::of(&headers);
    let parsed = match format {
        Format::Postcard => wire::decode::<SignIn>(&body).ok(),
        Format::Json => serde_json::from_slice::<Body>(&body).ok().and_then(Body::sign_in),
    };
    drop(body);
    let Some(sign_in) = parsed else {
        return text(StatusCode::BAD_REQUEST, "body is not a sign-in: a token, or a certificate and its key");
    };
    let secure = sign_in.secure;
    let peer = shared.config.client(&headers, &peer);
    match shared.sessions.enter(sign_in, &peer).await {
        Ok(entered) => admit(&shared, format, &entered, secure),
        Err(refusal) => format.refuse(&refusal),
    }
}

/// `GET claim`: the cookie of a sign-in that went over the socket. The header is what makes this GET safe.
pub(super) async fn claim(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let claim = headers.get("x-taffrail-claim").and_then(|claim| claim.to_str().ok());
    let Some(entered) = claim.and_then(|claim| shared.sessions.claim(claim)) else {
        return text(StatusCode::UNAUTHORIZED, "claim is unknown, used or older than 30 s");
    };
    admit(&shared, Format::of(&headers), &entered, headers.contains_key("x-taffrail-secure"))
}

/// `DELETE session` and `POST sign-out`; the guard has seen the proof.
pub(super) async fn sign_out(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let Some(session) = shared.sessions.find_cookie(&headers) else {
        return text(StatusCode::UNAUTHORIZED, "not signed in");
    };
    shared.sessions.end(&session, End::SignedOut);
    match shared.sessions.cookie().clear() {
        Ok(cookie) => (StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response(),
        Err(_) => StatusCode::NO_CONTENT.into_response(),
    }
}

fn admit(shared: &Shared, format: Format, entered: &Entered, secure: bool) -> Response {
    match shared.sessions.cookie().set(&entered.cookie, secure) {
        Ok(cookie) => {
            let mut response = format.body(StatusCode::OK, &entered.session.page());
            response.headers_mut().insert(SET_COOKIE, cookie);
            response
        }
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "cookie can't be written"),
    }
}
