//! Every answer on every route by every method carries the security headers; files are cached, nothing else is.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that can't go on fails")]

mod people;

use backend::http::Config;
use backend::http::headers::ALWAYS;
use http::{Method, StatusCode};
use people::{Place, peer};

const PATHS: [&str; 16] = [
    "/",
    "/pod",
    "/pod/ns/name",
    "/pod/",
    "/place",
    "/session",
    "/claim",
    "/sign-out",
    "/healthz",
    "/readyz",
    "/a/app.1234.js",
    "/a/missing.js",
    "/api/v1/query",
    "/ws",
    "//evil.example/",
    "/index.html",
];

#[tokio::test]
async fn every_route_and_method_has_every_header() {
    let place = Place::open().await;
    for path in PATHS {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            let answer = place.ask(method.parse().unwrap(), path, &[], "").await;
            for (name, value) in ALWAYS {
                assert_eq!(
                    answer.headers.get(name).map(|value| value.to_str().unwrap()),
                    Some(value),
                    "{method} {path}"
                );
            }
            assert!(answer.headers.contains_key("cache-control"), "{method} {path}");
            assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control")));
            assert!(!answer.headers.contains_key("set-cookie"), "{method} {path}");
            if method == "OPTIONS" {
                assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn requests_out_of_shape_are_refused_before_any_route() {
    let place = Place::open().await;
    let long = format!("/{}", "x".repeat(9000));
    let huge = "x".repeat(70_000);
    let json = ("content-type", "application/json");
    for (method, path, headers, body, status) in [
        (Method::GET, long.as_str(), vec![], "", 414),
        (Method::GET, "/", vec![("x-large", huge.as_str())], "", 431),
        (Method::GET, "/", vec![("x-many", "1"); 101], "", 431),
        (Method::POST, "/session", vec![json], huge.as_str(), 413),
        (Method::POST, "/session", vec![("content-type", "text/plain")], "{}", 415),
        (Method::POST, "/session", vec![], "{}", 415),
        (Method::POST, "/session", vec![json, ("sec-fetch-site", "cross-site")], "{}", 403),
        (Method::POST, "/session", vec![json, ("origin", "https://evil.example"), ("host", "x")], "{}", 403),
        (Method::POST, "/session", vec![json, ("origin", "null")], "{}", 403),
        (Method::POST, "/session", vec![json], "{}", 400),
        (Method::POST, "/session", vec![json], r#"{"exec":{"command":"sh"},"tokenFile":"/etc/passwd"}"#, 400),
    ] {
        let answer = place.ask(method, path, &headers, body).await;
        assert_eq!(answer.status.as_u16(), status, "{} {headers:?}", &path[..path.len().min(20)]);
        assert!(answer.headers.contains_key("content-security-policy"));
    }
}

#[tokio::test]
async fn pages_find_their_way_back_by_depth() {
    let place = Place::open().await;
    for (path, base) in [("/", "./"), ("/pod", "./"), ("/pod/ns", "../"), ("/pod/ns/name", "../../")] {
        let answer = place.ask(Method::GET, path, &[("accept-encoding", "br")], "").await;
        assert_eq!(String::from_utf8(answer.body).unwrap(), format!(r#"<head><base href="{base}"></head>"#));
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert!(!answer.headers.contains_key("content-encoding"));
    }
    let answer = place.ask(Method::GET, "/pod/ns/?tab=logs", &[], "").await;
    assert_eq!((answer.status.as_u16(), &answer.headers["location"]), (308, &"../ns?tab=logs".parse().unwrap()));
}

#[tokio::test]
async fn files_come_in_the_best_encoding_and_are_not_sent_twice() {
    let place = Place::open().await;
    let get = async |headers: &[(&str, &str)]| place.ask(Method::GET, "/a/app.1234.js", headers, "").await;
    for (accept, body) in
        [("br, gzip", "brotli"), ("gzip", "gzip"), ("br;q=0, gzip", "gzip"), ("identity", "plain"), ("", "plain")]
    {
        let answer = get(&[("accept-encoding", accept)]).await;
        assert_eq!(answer.body, body.as_bytes(), "{accept}");
        assert_eq!(answer.headers["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(answer.headers["content-type"], "text/javascript; charset=utf-8");
        let tag = answer.headers["etag"].to_str().unwrap().to_owned();
        let again = get(&[("accept-encoding", accept), ("if-none-match", &format!("\"x\", {tag}"))]).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    }
}

#[tokio::test]
async fn a_base_path_is_taken_off_and_probes_stay_at_the_root() {
    let config = Config { base_path: "/ops/taffrail".into(), hsts: true, ..Config::default() };
    let place = Place::with(config, false).await;
    for (path, status) in [
        ("/ops/taffrail/", 200),
        ("/ops/taffrail/pod/ns/name", 200),
        ("/ops/taffrail/place?x=1", 200),
        ("/ops/taffrail", 308),
        ("/ops/taffrailx/place", 404),
        ("/place", 404),
        ("/healthz", 200),
        ("/readyz", 200),
    ] {
        let answer = place.ask(Method::GET, path, &[("host", "t.example")], "").await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert!(answer.headers.contains_key("strict-transport-security"), "{path}");
    }
    for (from, host, tls) in [("192.0.2.1:1", "t.example", false), ("127.0.0.1:1", "localhost:8443", true)] {
        let answer = place.ask_from(&peer(from, tls), Method::GET, "/healthz", &[("host", host)], "").await;
        assert!(!answer.headers.contains_key("strict-transport-security"), "{from}");
    }
}

#[tokio::test]
async fn the_login_page_learns_the_place_and_no_more() {
    let place = Place::open().await;
    let answer = place.ask(Method::GET, "/place", &[], "").await;
    let told: wire::session::Place = wire::decode(&answer.body).unwrap();
    assert_eq!((told.cluster.as_str(), told.kubernetes.as_str()), ("test", "v1.36.2"));
    assert!(told.now > 1_700_000_000_000);
}
