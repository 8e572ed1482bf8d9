//! The session cookie: opaque, `HttpOnly`, `SameSite=Strict`, without `Path` and `Domain`.
//!
//! Without `Path` its path is the directory of the URL that set it, which is the prefix as the browser sees it; nothing
//! here knows the prefix. The name differs from installation to installation because localhost's cookies ignore ports.

use http::HeaderMap;
use http::header::{COOKIE, HeaderValue, InvalidHeaderValue};
use sha2::{Digest as _, Sha256};

/// The name of this installation's cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Made of what tells installations apart: cluster, namespace, service.
    pub fn new(installation: &[&str]) -> Self {
        let digest = Sha256::digest(installation.join("\0").as_bytes());
        Self(digest.iter().take(4).fold("taffrail-".into(), |name, byte| format!("{name}{byte:02x}")))
    }

    /// The values a browser sent under this name, in its order: an older cookie of a longer path may come first.
    pub fn values<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        headers
            .get_all(COOKIE)
            .into_iter()
            .filter_map(|header| header.to_str().ok())
            .flat_map(|header| header.split(';'))
            .filter_map(|pair| pair.trim().strip_prefix(self.0.as_str())?.strip_prefix('='))
            .take(4)
    }

    /// The header which sets it.
    ///
    /// # Errors
    /// When the value is no header text; our values are base64url and always are.
    pub fn set(&self, value: &str, secure: bool) -> Result<HeaderValue, InvalidHeaderValue> {
        let mut header =
            HeaderValue::try_from(format!("{}={value}; HttpOnly; SameSite=Strict{}", self.0, flag(secure)))?;
        header.set_sensitive(true);
        Ok(header)
    }

    /// The header which takes it away.
    ///
    /// # Errors
    /// As [`Name::set`].
    pub fn clear(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        HeaderValue::try_from(format!("{}=; HttpOnly; SameSite=Strict; Max-Age=0", self.0))
    }
}

const fn flag(secure: bool) -> &'static str {
    if secure { "; Secure" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_bound_to_no_path_and_no_domain() {
        let name = Name::new(&["cluster", "ns", "svc"]);
        assert_eq!(name.0.len(), "taffrail-".len() + 8);
        assert_ne!(name, Name::new(&["cluster", "ns", "svc2"]));
        let plain = name.set("v", false).unwrap();
        assert_eq!(plain, format!("{}=v; HttpOnly; SameSite=Strict", name.0).as_str());
        assert!(name.set("v", true).unwrap().to_str().unwrap().ends_with("; Secure"));
    }

    #[test]
    fn it_is_found_among_others() {
        let name = Name::new(&["x"]);
        let mut headers = HeaderMap::new();
        let text = format!("a=b; {0}=one; {0}x=no;{0}=two", name.0);
        headers.insert(COOKIE, HeaderValue::try_from(text).unwrap());
        assert_eq!(name.values(&headers).collect::<Vec<_>>(), ["one", "two"]);
    }
}
