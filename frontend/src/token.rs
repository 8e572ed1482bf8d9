//! What a pasted token looks like before anybody is asked: pure hints; the decision is the API server's.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use wire::{Millis, Say};

/// Tokens are at most this long.
const MOST: usize = 16 << 10;

struct Claims {
    exp: Millis,
    sub: String,
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
        && claims.exp <= now
    {
        return Err(expired(&claims, now));
    }
    Ok(token)
}

/// What is inside a base64-encoded token.
pub(crate) fn decoded(pasted: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(clean(pasted.trim())).ok()?).ok()
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
    // Seconds, in some issuers' tokens with a fraction.
    let exp: i64 = claim(&json, "exp")?.split('.').next()?.parse().ok()?;
    Some(Claims { exp: exp.saturating_mul(1000), sub: claim(&json, "sub").unwrap_or_default().to_owned() })
}

/// The text of a claim at the top level of a token's JSON, as it stands there. Enough for a hint, and no reader of JSON
/// in every first load.
fn claim<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let bare = |text: &'a str| text.trim().trim_matches('"');
    let (mut depth, mut quoted, mut escaped, mut start) = (0_u32, false, false, 0);
    for (at, byte) in json.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => {
                depth += 1;
                start = if depth == 1 { at + 1 } else { start };
            }
            b',' | b'}' if depth == 1 => {
                let (key, value) = json.get(start..at)?.split_once(':')?;
                if bare(key) == name {
                    return Some(bare(value));
                }
                start = at + 1;
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn expired(claims: &Claims, now: Millis) -> Say {
    let account = claims.sub.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    let (namespace, name) = account.unwrap_or(("<namespace>", "<serviceaccount>"));
    let say = Say::new("LOGIN_EXPIRED").with("ago", wire::age::human(now - claims.exp)).with("sub", &*claims.sub);
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
    fn a_claim_is_read_at_the_top_level_alone() {
        let json = r#"{"iss":"a:b,}","kubernetes.io":{"sub":"x","list":[{"sub":1},2]},"say":"\"sub\":","sub" : "u","exp":12.5}"#;
        assert_eq!(
            (claim(json, "sub"), claim(json, "exp"), claim(json, "iss")),
            (Some("u"), Some("12.5"), Some("a:b,}"))
        );
        assert_eq!((claim(json, "list"), claim("{}", "sub"), claim("not json", "sub")), (None, None, None));
        check_is(&jwt(r#"{"exp":1999.9}"#), "LOGIN_EXPIRED");
        let odd = jwt(r#"{"exp":"soon"}"#);
        check_is(&odd, &odd);
    }

    #[test]
    fn a_token_inside_base64_is_offered_decoded() {
        let encoded = STANDARD.encode("eyJhbGciOiJub25lIn0.e30.c2ln__");
        check_is(&encoded, "LOGIN_BASE64");
        assert_eq!(decoded(&encoded).as_deref(), Some("eyJhbGciOiJub25lIn0.e30.c2ln__"));
    }
}
