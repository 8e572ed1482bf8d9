//! Proves a credential by asking the API server, with that credential, who it is (`SelfSubjectReview`).
//!
//! `/version` and the like prove nothing: anonymous may read them. What is read here of tokens and certificates only
//! chooses the sentence of a refusal. Costs one request for a good credential, up to three for a refused one.

use super::credential::{self, LARGEST, Sealed};
use super::{Identity, certificate, jwt};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use wire::session::{Credential, Refusal};
use wire::{Millis, Say};
use zeroize::Zeroizing;

/// How long the API server may take to say who somebody is.
const PATIENCE: Duration = Duration::from_secs(10);
const PATHS: [&str; 2] =
    ["/apis/authentication.k8s.io/v1/selfsubjectreviews", "/apis/authentication.k8s.io/v1beta1/selfsubjectreviews"];

/// Proves credentials. Cheap to clone.
#[derive(Clone)]
pub struct Login {
    base: kube::Config,
    /// Our own account: asked for the cluster's issuer when a token was refused.
    own: kube::Client,
    /// Whether client certificates are taken (`--login-client-certificates`).
    certificates: bool,
}

/// A credential the API server knows.
#[derive(Debug)]
pub struct Proven {
    pub identity: Identity,
    pub client: Client,
    pub sealed: Sealed,
    /// When the credential ends by its own data.
    pub expires: Option<Millis>,
    pub notes: Vec<Say>,
}

/// A client which is a person; never prints anything.
#[derive(Clone)]
pub struct Client(pub kube::Client);

/// Why nobody was named.
#[derive(Debug, thiserror::Error)]
pub enum WhoError {
    /// 401.
    #[error("credential refused")]
    Refused,
    /// No answer, or one that decides nothing.
    #[error("API server unavailable: {0}")]
    Down(String),
}

#[derive(Deserialize)]
struct Review {
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    #[serde(rename = "userInfo")]
    user: User,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    username: String,
    uid: String,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Issuer {
    issuer: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login({})", self.base.cluster_url)
    }
}

pub(super) fn refusal(say: Say) -> Refusal {
    Refusal { say }
}

// === impl Login ===

impl Login {
    /// `base` says where the API server is and whom to trust; `own` is a client of our own account.
    pub fn new(base: kube::Config, own: kube::Client, certificates: bool) -> Self {
        Self { base, own, certificates }
    }

    /// A client with no credential: what is left of a session's client after its end.
    ///
    /// # Errors
    /// When the base configuration makes no client.
    pub fn nobody(&self) -> Result<Client, kube::Error> {
        kube::Client::try_from(credential::nobody(&self.base)).map(Client)
    }

    /// Asks the API server who this is.
    ///
    /// # Errors
    /// What to tell the person.
    pub async fn prove(&self, credential: Credential, now: Millis) -> Result<Proven, Refusal> {
        let (credential, hints, expires) = self.inspect(credential, now).map_err(refusal)?;
        let certificate = matches!(credential, Credential::Certificate { .. });
        let (client, sealed) = credential::client(&self.base, credential)
            .map_err(|_| refusal(Say::new("LOGIN_CERTBAD").with("reason", "type not supported")))?;
        let identity = match whoami(&client).await {
            Ok(identity) => identity,
            Err(WhoError::Refused) if certificate => return Err(refusal(Say::new("LOGIN_REFUSED"))),
            Err(WhoError::Refused) => return Err(refusal(self.explain(hints.as_ref(), now).await)),
            Err(WhoError::Down(reason)) => return Err(refusal(Say::new("LOGIN_APIDOWN").with("reason", reason))),
        };
        if &*identity.user == "system:anonymous" {
            return Err(refusal(Say::new(if certificate { "LOGIN_CERTLOST" } else { "LOGIN_ANON" })));
        }
        let masters = certificate && identity.groups.iter().any(|group| &**group == "system:masters");
        let notes = if masters { vec![Say::new("LOGIN_MASTERS")] } else { Vec::new() };
        Ok(Proven { identity, client: Client(client), sealed, expires, notes })
    }

    /// What can be said without the API server.
    fn inspect(
        &self,
        credential: Credential,
        now: Millis,
    ) -> Result<(Credential, Option<jwt::Hints>, Option<Millis>), Say> {
        match credential {
            Credential::Token(token) => {
                let token = Zeroizing::new(token);
                if token.len() > LARGEST * 2 {
                    return Err(too_big(token.len()));
                }
                let token = credential::clean(&token);
                check_characters(&token)?;
                let hints = jwt::read(&token);
                let expires = hints.as_ref().and_then(|hints| hints.expires);
                if let Some(hints) = &hints
                    && let Some(end) = hints.expires.filter(|end| *end <= now)
                {
                    return Err(expired(hints, end, now));
                }
                Ok((Credential::Token(String::clone(&token)), hints, expires))
            }
            Credential::Certificate { .. } if !self.certificates => Err(Say::new("LOGIN_CERTOFF")),
            Credential::Certificate { certificate, key } => {
                let key = Zeroizing::new(key);
                if certificate.len() + key.len() > LARGEST * 3 {
                    return Err(too_big(certificate.len() + key.len()));
                }
                let facts = certificate::check(&certificate, &key, now)
                    .map_err(|error| Say::new("LOGIN_CERTBAD").with("reason", error.to_string()))?;
                Ok((Credential::Certificate { certificate, key: String::clone(&key) }, None, Some(facts.expires)))
            }
        }
    }

    /// Why the API server may have refused a token.
    async fn explain(&self, hints: Option<&jwt::Hints>, now: Millis) -> Say {
        let Some(hints) = hints else { return Say::new("LOGIN_REFUSED") };
        if hints.access {
            return Say::new("LOGIN_NOTIDTOKEN");
        }
        if let Some(from) = hints.valid_from.filter(|from| *from > now + 60_000) {
            let apart = format!("{} s", (from - now) / 1000);
            return Say::new("LOGIN_CLOCK").with("time", time(from)).with("d", apart);
        }
        let (Some(issuer), Some(known)) = (&hints.issuer, self.issuer().await) else {
            return Say::new("LOGIN_REFUSED");
        };
        if *issuer != known {
            return Say::new("LOGIN_OTHERCLUSTER").with("iss", issuer).with("issuer", known);
        }
        if !hints.audience.is_empty() && !hints.audience.contains(&known) {
            return Say::new("LOGIN_AUDIENCE").with("aud", hints.audience.join(", "));
        }
        match hints.service_account() {
            Some((namespace, name)) if self.account_gone(namespace, name).await => {
                Say::new("LOGIN_SAGONE").with("ns", namespace).with("name", name)
            }
            _ => Say::new("LOGIN_REFUSED"),
        }
    }

    /// The cluster's issuer of ServiceAccount tokens, if our account may read it; only a hint hangs on it.
    async fn issuer(&self) -> Option<String> {
        let request = http::Request::get("/.well-known/openid-configuration").body(Vec::new()).ok()?;
        let answer = tokio::time::timeout(PATIENCE, self.own.request::<Issuer>(request)).await.ok()?;
        Some(answer.ok()?.issuer)
    }

    async fn account_gone(&self, namespace: &str, name: &str) -> bool {
        // Both come from an unverified token: only names may become part of a path.
        let plain =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
        if !plain(namespace) || !plain(name) {
            return false;
        }
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}");
        let Ok(request) = http::Request::get(path).body(Vec::new()) else { return false };
        let answer = tokio::time::timeout(PATIENCE, self.own.request::<serde_json::Value>(request)).await;
        matches!(answer, Ok(Err(kube::Error::Api(status))) if status.code == 404)
    }
}

/// Who a client is, by the API server's word.
///
/// # Errors
/// [`WhoError`]; only [`WhoError::Refused`] says something about the credential.
pub async fn whoami(client: &kube::Client) -> Result<Identity, WhoError> {
    for path in PATHS {
        let version = if path.contains("v1beta1") { "v1beta1" } else { "v1" };
        let body = format!(r#"{{"apiVersion":"authentication.k8s.io/{version}","kind":"SelfSubjectReview"}}"#);
        let request = http::Request::post(path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body.into_bytes())
            .map_err(|error| WhoError::Down(error.to_string()))?;
        match tokio::time::timeout(PATIENCE, client.request::<Review>(request)).await {
            Ok(Ok(Review { status: Status { user } })) => {
                return Ok(Identity::new(&user.username, &user.uid, user.groups, user.extra));
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => {}
            Ok(Err(kube::Error::Api(status))) if status.code == 401 => return Err(WhoError::Refused),
            // Anonymous may not review itself; nobody else is without this right by default.
            Ok(Err(kube::Error::Api(status)))
                if status.code == 403 && status.message.contains("\"system:anonymous\"") =>
            {
                return Ok(Identity::new("system:anonymous", "", Vec::new(), BTreeMap::new()));
            }
            Ok(Err(kube::Error::Api(status))) => return Err(WhoError::Down(format!("it answered {}", status.code))),
            Ok(Err(error)) => return Err(WhoError::Down(cause(&error))),
            Err(_) => return Err(WhoError::Down(format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }
    Err(WhoError::Down("it does not serve selfsubjectreviews".into()))
}

/// The innermost cause: "connection refused" says more than "service error".
fn cause(error: &kube::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

fn check_characters(token: &str) -> Result<(), Say> {
    if token.is_empty() {
        return Err(Say::new("LOGIN_EMPTY"));
    }
    if let Some((at, bad)) = token.chars().enumerate().find(|(_, c)| !c.is_ascii_graphic()) {
        let name = format!("U+{:04X}", u32::from(bad));
        return Err(Say::new("LOGIN_CHARS").with("char", name).with("n", (at + 1).to_string()));
    }
    if token.len() > LARGEST { Err(too_big(token.len())) } else { Ok(()) }
}

fn too_big(size: usize) -> Say {
    Say::new("LOGIN_TOOBIG").with("size", format!("{} KiB", size / 1024))
}

fn expired(hints: &jwt::Hints, end: Millis, now: Millis) -> Say {
    let (namespace, name) = hints.service_account().unwrap_or(("<namespace>", "<account>"));
    let ago = (now - end) / 1000;
    let ago = match ago {
        0..120 => format!("{ago} s"),
        120..7200 => format!("{} min", ago / 60),
        7200..172_800 => format!("{} h", ago / 3600),
        _ => format!("{} d", ago / 86_400),
    };
    Say::new("LOGIN_EXPIRED").with("ago", ago).with("time", time(end)).with("ns", namespace).with("sa", name)
}

fn time(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |time| time.to_string())
}
