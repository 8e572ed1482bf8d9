//! A person's credential at rest and at work: kept in one wiped-at-the-end place, used by one client.
//!
//! A client built here takes the API server's address and CA from our own configuration and nothing else of it: not
//! our token, not our headers. When the session ends the token is wiped and every clone of its client goes on without
//! one, so a forgotten clone can do what anonymous can.

use base64::Engine as _;
use http::header::{AUTHORIZATION, HeaderValue};
use kube::client::{Body, ClientBuilder};
use parking_lot::RwLock;
use std::sync::Arc;
use tower::util::MapRequestLayer;
use wire::session::Credential;
use zeroize::Zeroizing;

/// Longest token, in bytes.
pub const LARGEST: usize = 16 * 1024;

/// A token behind a lock, gone after [`Sealed::wipe`].
#[derive(Clone)]
pub struct Sealed {
    /// Written once, at the end.
    token: Arc<RwLock<Option<Zeroizing<String>>>>,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_wiped() { "Sealed(wiped)" } else { "Sealed(…)" })
    }
}

impl Sealed {
    fn new(token: Option<Zeroizing<String>>) -> Self {
        Self { token: Arc::new(RwLock::new(token)) }
    }

    /// Overwrites the token.
    pub fn wipe(&self) {
        self.token.write().take();
    }

    /// Whether nothing is held.
    pub fn is_wiped(&self) -> bool {
        self.token.read().is_none()
    }

    fn header(&self) -> Option<HeaderValue> {
        let token = self.token.read();
        let text = Zeroizing::new(format!("Bearer {}", token.as_ref()?.as_str()));
        let mut value = HeaderValue::try_from(text.as_str()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// Takes what people paste around a token away: space, quotes, `Bearer `, line breaks.
pub fn clean(token: &str) -> Zeroizing<String> {
    let token = token.trim().trim_matches(['"', '\'', '`']).trim();
    let token = token.strip_prefix("Bearer ").or_else(|| token.strip_prefix("bearer ")).unwrap_or(token);
    Zeroizing::new(token.chars().filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n')).collect())
}

/// The API server as `base` reaches it, with no credential at all.
pub fn nobody(base: &kube::Config) -> kube::Config {
    let mut config = base.clone();
    config.auth_info = kube::config::AuthInfo::default();
    config.headers = Vec::new();
    config.default_retry = false;
    config
}

/// A client which is the person, and where its token is held (empty for a certificate, which lives in the client).
///
/// # Errors
/// When the client can't be built: the certificate is not usable.
pub fn client(base: &kube::Config, credential: Credential) -> Result<(kube::Client, Sealed), kube::Error> {
    let mut config = nobody(base);
    let sealed = match credential {
        Credential::Token(token) => Sealed::new(Some(Zeroizing::new(token))),
        Credential::Certificate { certificate, key } => {
            let (certificate, key) = (Zeroizing::new(certificate), Zeroizing::new(key));
            let encode = |pem: &str| base64::engine::general_purpose::STANDARD.encode(pem);
            config.auth_info.client_certificate_data = Some(encode(&certificate));
            config.auth_info.client_key_data = Some(encode(&key).into());
            Sealed::new(None)
        }
    };
    let holder = sealed.clone();
    let sign = MapRequestLayer::new(move |mut request: http::Request<Body>| {
        if let Some(value) = holder.header() {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        request
    });
    Ok((ClientBuilder::try_from(config)?.with_layer(&sign).build(), sealed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_tokens_are_cleaned() {
        for pasted in ["abc.def", " abc.def\n", "\"abc.def\"", "Bearer abc.def", "abc.\n  def", "'Bearer abc.def' "] {
            assert_eq!(clean(pasted).as_str(), "abc.def", "{pasted:?}");
        }
    }

    #[test]
    fn nothing_of_our_own_account_reaches_a_persons_client() {
        let mut base = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        base.auth_info.token_file = Some("/our/token".into());
        base.headers.push((http::HeaderName::from_static("impersonate-user"), HeaderValue::from_static("root")));
        let nobody = nobody(&base);
        assert!(nobody.headers.is_empty());
        assert!(nobody.auth_info.token_file.is_none());
        assert_eq!(nobody.cluster_url, base.cluster_url);
    }

    #[test]
    fn a_wiped_token_makes_no_header_and_is_never_printed() {
        let sealed = Sealed::new(Some(Zeroizing::new("canary".into())));
        assert!(!format!("{sealed:?} {:?}", sealed.header()).contains("canary"));
        sealed.wipe();
        assert!(sealed.is_wiped() && sealed.header().is_none());
    }
}
