//! Reads a JWT's claims for hints in messages. Never a decision: nothing is verified here, the API server does that.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use wire::Millis;

/// What hints need of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    pub issuer: Option<String>,
    pub subject: Option<String>,
    pub audience: Vec<String>,
    pub expires: Option<Millis>,
    /// The later of `nbf` and `iat`.
    pub valid_from: Option<Millis>,
    /// The header says that it is an access token (RFC 9068).
    pub access: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Header {
    typ: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
    typ: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Hints {
    /// Namespace and name of the ServiceAccount the token claims to be of.
    pub fn service_account(&self) -> Option<(&str, &str)> {
        self.subject.as_deref()?.strip_prefix("system:serviceaccount:")?.split_once(':')
    }
}

/// The hints of a token; `None` when it is not a JWT.
pub fn read(token: &str) -> Option<Hints> {
    let mut parts = token.split('.');
    let (header, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let header: Header = part(header)?;
    let claims: Claims = part(claims)?;
    let access = header.typ.as_deref().is_some_and(|typ| typ.eq_ignore_ascii_case("at+jwt"))
        || claims.typ.as_deref().is_some_and(|typ| ["Bearer", "Refresh", "Offline"].contains(&typ));
    Some(Hints {
        issuer: claims.iss,
        subject: claims.sub,
        audience: match claims.aud {
            None => Vec::new(),
            Some(Audience::One(one)) => vec![one],
            Some(Audience::Many(many)) => many,
        },
        expires: claims.exp.map(millis),
        valid_from: claims.nbf.map(millis).max(claims.iat.map(millis)),
        access,
    })
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    let bytes = zeroize::Zeroizing::new(URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?);
    serde_json::from_slice(&bytes).ok()
}

/// Saturates: an absurd number is an absurd time, not an error.
fn millis(seconds: f64) -> Millis {
    (seconds * 1000.0) as Millis
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn a_service_account_token_is_read() {
        let hints = read(&token(
            r#"{"alg":"RS256"}"#,
            r#"{"iss":"https://k","sub":"system:serviceaccount:ns:sa","aud":["https://k"],"exp":100,"nbf":40,"iat":50}"#,
        ))
        .unwrap();
        assert_eq!(hints.service_account(), Some(("ns", "sa")));
        assert_eq!((hints.expires, hints.valid_from), (Some(100_000), Some(50_000)));
        assert_eq!(hints.audience, ["https://k"]);
        assert!(!hints.access);
    }

    #[test]
    fn an_access_token_is_known_by_its_type() {
        assert!(read(&token(r#"{"typ":"at+jwt"}"#, "{}")).unwrap().access);
        assert!(read(&token("{}", r#"{"typ":"Bearer","aud":"x"}"#)).unwrap().access);
    }

    #[test]
    fn anything_else_is_no_jwt() {
        for text in ["", "abc", "a.b", "a.b.c.d", "abcdef.0123456789abcdef", "....", "e30.%%.x"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
