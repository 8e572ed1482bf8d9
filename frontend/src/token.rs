//! What a pasted token looks like before anybody is asked: pure hints; the decision is the API server's.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use wire::{Millis, Say};

use crate::yaml;

/// Tokens are at most this long.
const MOST: usize = 16 << 10;

struct Claims {
    /// Unix seconds.
    exp: Option<f64>,
    sub: Option<String>,
}

/// The token of a pasted text, without what people paste around it.
///
/// # Errors
/// Why it can not be a token of now.
pub(crate) fn check(pasted: &str, now: Millis) -> Result<String, Say> {
    let text = pasted.trim();
    if text.is_empty() {
        return Err(Say::new("LOGIN_EMPTY"));
    }
    if text.contains("PRIVATE KEY-----") {
        return Err(Say::new("LOGIN_ISKEY"));
    }
    if text.contains("apiVersion")
        && (text.starts_with("apiVersion")
            || text.starts_with("kind:")
            || text.starts_with('{')
            || text.contains("\nkind:"))
    {
        let secret = text.contains("kind: Secret") || text.replace(' ', "").contains("\"kind\":\"Secret\"");
        return Err(Say::new(if secret { "LOGIN_ISSECRET" } else { "LOGIN_ISKUBECONFIG" }));
    }
    if text.len() > MOST {
        return Err(Say::new("LOGIN_TOOBIG").with("size", format!("{} KiB", text.len() / 1024)));
    }
    let token = clean(text);
    if token.is_empty() {
        return Err(Say::new("LOGIN_EMPTY"));
    }
    if let Some((at, bad)) = token.chars().enumerate().find(|(_, letter)| !letter.is_ascii_graphic()) {
        let say = Say::new("LOGIN_CHARS").with("char", bad.escape_debug().to_string());
        return Err(say.with("n", (at + 1).to_string()));
    }
    if token.starts_with("ZXlK")
        && STANDARD.decode(token.trim_end_matches('=')).or_else(|_| STANDARD.decode(&token)).is_ok()
    {
        return Err(Say::new("LOGIN_BASE64"));
    }
    if let Some(claims) = claims(&token)
        && let Some(exp) = claims.exp
        && (exp as i64).saturating_mul(1000) <= now
    {
        return Err(expired(&claims, (exp as i64).saturating_mul(1000), now));
    }
    Ok(token)
}

/// What is inside a base64-encoded token.
pub(crate) fn decoded(pasted: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(clean(pasted.trim())).ok()?).ok()
}

/// The token of a ServiceAccount's Secret, as YAML or JSON.
pub(crate) fn of_secret(pasted: &str) -> Option<String> {
    let root = yaml::read(pasted.trim()).ok()?;
    let plain = root.map("stringData").ok()?.and_then(|data| data.text("token").ok()?);
    let encoded = || root.map("data").ok()?.and_then(|data| data.text("token").ok()?);
    let token = plain.or_else(|| decoded(&encoded()?))?;
    (!token.trim().is_empty()).then_some(token)
}

fn clean(text: &str) -> String {
    let text = text.trim_matches(['"', '\'', '`']).trim();
    let text = text.strip_prefix("Authorization:").map_or(text, str::trim);
    let scheme = text.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer "));
    let text = scheme.and_then(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    text.chars().filter(|letter| !matches!(letter, '\n' | '\r' | ' ' | '\t')).collect()
}

fn claims(token: &str) -> Option<Claims> {
    let mut parts = token.split('.');
    let (_, body, _) = (parts.next()?, parts.next()?, parts.next()?);
    let json = String::from_utf8(URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
    // JSON is YAML, and the reader is there for kubeconfigs.
    let root = yaml::read(&json).ok()?;
    let exp = root.text("exp").ok()?.and_then(|exp| exp.parse().ok()).filter(|exp: &f64| exp.is_finite());
    Some(Claims { exp, sub: root.text("sub").ok()? })
}

fn expired(claims: &Claims, exp: Millis, now: Millis) -> Say {
    let subject = claims.sub.as_deref().unwrap_or_default();
    let account = subject.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    let (namespace, name) = account.unwrap_or(("<namespace>", "<serviceaccount>"));
    let say = Say::new("LOGIN_EXPIRED").with("ago", wire::age::human(now - exp)).with("sub", subject);
    say.with("ns", namespace).with("sa", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_is(pasted: &str, expected: &str) {
        let got = match check(pasted, 2_000_000) {
            Ok(token) => token,
            Err(say) => say.code,
        };
        assert_eq!(got, expected, "{pasted:?}");
    }

    fn jwt(body: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode("{}"), URL_SAFE_NO_PAD.encode(body))
    }

    #[test]
    fn what_people_paste_around_a_token_is_removed() {
        check_is("  abc.def.ghi \n", "abc.def.ghi");
        check_is("\"abc\"", "abc");
        check_is("Bearer abc", "abc");
        check_is("bearer abc", "abc");
        check_is("abc\ndef", "abcdef");
    }

    #[test]
    fn what_is_no_token_is_named() {
        check_is(" \n", "LOGIN_EMPTY");
        check_is("abc\u{7}", "LOGIN_CHARS");
        check_is("abcé", "LOGIN_CHARS");
        check_is(&"a".repeat(MOST + 1), "LOGIN_TOOBIG");
        check_is("apiVersion: v1\nkind: Config\n", "LOGIN_ISKUBECONFIG");
        check_is("kind: Config\napiVersion: v1\n", "LOGIN_ISKUBECONFIG");
        check_is("apiVersion: v1\nkind: Secret\n", "LOGIN_ISSECRET");
        check_is("{\"apiVersion\":\"v1\",\"kind\":\"Config\"}", "LOGIN_ISKUBECONFIG");
        check_is("-----BEGIN PRIVATE KEY-----\nabc", "LOGIN_ISKEY");
    }

    #[test]
    fn a_token_that_ended_names_its_account() {
        let token = jwt(r#"{"exp":1000,"sub":"system:serviceaccount:kube-system:viewer"}"#);
        let say = check(&token, 2_000_000).unwrap_err();
        assert_eq!((say.code.as_str(), say.arg("ns"), say.arg("sa")), ("LOGIN_EXPIRED", "kube-system", "viewer"));
        assert_eq!(say.arg("ago"), "16m");
        let good = jwt(r#"{"exp":3000}"#);
        check_is(&good, &good);
    }

    #[test]
    fn a_secrets_token_is_taken_from_it() {
        let of = |text: &str| of_secret(text);
        assert_eq!(of("apiVersion: v1\nkind: Secret\ndata: {token: YWJj}").as_deref(), Some("abc"));
        assert_eq!(of(r#"{"kind":"Secret","stringData":{"token":"abc"}}"#).as_deref(), Some("abc"));
        assert_eq!(of("kind: Secret\ndata: {password: YWJj}"), None);
        assert_eq!(of("kind: Secret\ndata: {token: '%'}"), None);
    }

    #[test]
    fn a_token_inside_base64_is_offered_decoded() {
        let encoded = STANDARD.encode("eyJhbGciOiJub25lIn0.e30.c2ln__");
        check_is(&encoded, "LOGIN_BASE64");
        assert_eq!(decoded(&encoded).as_deref(), Some("eyJhbGciOiJub25lIn0.e30.c2ln__"));
    }
}
