//! Which pages may talk to us: the origin rule of every socket and of every request that is not a GET.
//!
//! Behind `kubectl proxy` `Host` is the API server's, so loopback origins are taken whatever `Host` says. That is safe
//! because a cookie alone opens nothing: the proof is needed too, and only our own page can read it.

use super::proxies::Proxies;
use super::tls::Peer;
use http::HeaderMap;
use http::header::{COOKIE, HOST, ORIGIN};

/// Origins beyond our own.
#[derive(Clone, Debug, Default)]
pub struct OriginConfig {
    /// `--public-url`: scheme, host and port; a path is ignored.
    pub public_urls: Vec<String>,
    pub trusted_proxies: Proxies,
}

/// Whether the page a request comes from may make it.
///
/// # Errors
/// One line that says why not.
pub fn allowed(headers: &HeaderMap, peer: &Peer, config: &OriginConfig) -> Result<(), &'static str> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else {
        // Command-line clients send none; browsers always do with a socket or a POST.
        return if headers.contains_key(COOKIE) { Err("a request with a cookie needs an Origin") } else { Ok(()) };
    };
    if origins.next().is_some() {
        return Err("more than one Origin");
    }
    let origin = origin.to_str().map_err(|_| "Origin is not text")?;
    if origin == "null" {
        return Err("Origin is null");
    }
    let (scheme, authority) = split(origin).ok_or("Origin is not a web origin")?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text(HOST.as_str()).is_some_and(|host| same(scheme, authority, host)) || loopback(authority) {
        return Ok(());
    }
    let public = config.public_urls.iter().filter_map(|url| split(url));
    if public.into_iter().any(|(known, host)| known.eq_ignore_ascii_case(scheme) && same(scheme, authority, host)) {
        return Ok(());
    }
    if config.trusted_proxies.trust(peer.address.ip())
        && text("x-forwarded-proto").is_some_and(|proto| proto.eq_ignore_ascii_case(scheme))
        && text("x-forwarded-host").is_some_and(|host| same(scheme, authority, host))
    {
        return Ok(());
    }
    Err("Origin is not this server; name it with --public-url")
}

/// Scheme and authority of a web origin.
fn split(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    (web && !authority.is_empty() && !authority.contains(['@', '?', '#'])).then_some((scheme, authority))
}

/// Equal host and port; a port left out is the scheme's.
fn same(scheme: &str, one: &str, other: &str) -> bool {
    let port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    let bare = |text: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
    bare(one) == bare(other)
}

fn loopback(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<http::uri::Authority>() else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], expected: bool) {
        let map = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        let peer = Peer { address: "10.0.0.9:1".parse().unwrap(), tls: true, certificates: [].into() };
        let config = OriginConfig {
            public_urls: vec!["https://public.example/taffrail".into()],
            trusted_proxies: Proxies(vec!["10.0.0.9".parse().unwrap()]),
        };
        assert_eq!(allowed(&map.collect(), &peer, &config).is_ok(), expected, "{headers:?}");
    }

    #[test]
    fn our_own_pages_pass() {
        check(&[("origin", "https://a.example"), ("host", "a.example")], true);
        check(&[("origin", "https://a.example:443"), ("host", "a.example")], true);
        check(&[("origin", "https://public.example"), ("host", "x")], true);
        check(&[("origin", "http://localhost:8001"), ("host", "127.0.0.1:6443")], true);
        check(&[("origin", "http://127.0.0.2:1"), ("host", "x")], true);
        check(&[("origin", "https://[::1]:8443"), ("host", "x")], true);
        check(
            &[("origin", "https://f.example"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "f.example")],
            true,
        );
        check(&[("host", "x")], true);
    }

    #[test]
    fn foreign_pages_do_not() {
        check(&[("origin", "https://evil.example"), ("host", "a.example")], false);
        check(&[("origin", "https://a.example:444"), ("host", "a.example")], false);
        check(&[("origin", "http://public.example"), ("host", "x")], false);
        check(&[("origin", "http://localhost.evil.example"), ("host", "x")], false);
        check(&[("origin", "http://localhost@evil.example"), ("host", "x")], false);
        check(&[("origin", "null"), ("host", "x")], false);
        check(&[("origin", "file://localhost"), ("host", "x")], false);
        check(&[("cookie", "a=b"), ("host", "x")], false);
        check(
            &[("origin", "http://f.example"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "f.example")],
            false,
        );
    }
}
