//! Only a credential the API server knows becomes a session, and nothing of it outlives the session.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that can't go on fails")]

mod people;

use backend::session::yaml;
use http::{Method, StatusCode};
use people::{ISSUER, Place, jwt, peer, trusting};
use std::sync::atomic::Ordering;
use wire::session::{Credential, SignIn};

const JSON: (&str, &str) = ("content-type", "application/json");

#[track_caller]
fn check(answer: &people::Answer, status: u16, code: &str) {
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code));
    assert!(!answer.headers.contains_key("set-cookie"), "a refusal sets no cookie");
}

#[tokio::test]
async fn a_good_token_is_a_session_with_a_cookie_and_a_proof() {
    let place = Place::open().await;
    let answer = place.sign_in("  Bearer good\n").await;
    assert_eq!(answer.status, StatusCode::OK);
    let session = answer.session();
    assert_eq!((session.user.as_str(), session.proof.len()), ("alice", 43));
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("taffrail-") && cookie.ends_with("; HttpOnly; SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains("Path") && !cookie.contains("Domain") && !cookie.contains(&session.proof));
    let headers = [("cookie", &*answer.cookie()), ("x-taffrail", "1"), ("accept", "application/json")];
    assert_eq!(place.ask(Method::GET, "/session", &headers, "").await.session().proof, session.proof);
    let foreign = [headers[0], headers[1], ("sec-fetch-site", "same-site")];
    assert_eq!(place.ask(Method::GET, "/session", &foreign, "").await.status, StatusCode::FORBIDDEN);
    assert_eq!(place.ask(Method::GET, "/session", &headers[1..], "").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn postcard_is_answered_with_postcard_and_https_makes_the_cookie_secure() {
    let place = Place::open().await;
    let sign_in = SignIn { credential: Credential::Token("good".into()), secure: true, namespace: Some("ns".into()) };
    let entered = place.sessions.enter(sign_in, &peer("127.0.0.1:1", false)).await.unwrap();
    assert_eq!(entered.session.page().namespace.as_deref(), Some("ns"));
    let body = r#"{"token":"good","secure":true}"#;
    let answer = place.ask(Method::POST, "/session", &[JSON], body).await;
    assert!(answer.headers["set-cookie"].to_str().unwrap().ends_with("; Secure"));
}

#[tokio::test]
async fn every_refusal_says_why() {
    let place = Place::open().await;
    let future = jiff::Timestamp::now().as_second() + 3600;
    let claims = |iss: &str, aud: &str, nbf: i64| {
        jwt(
            &serde_json::json!({"iss": iss, "aud": [aud], "nbf": nbf, "exp": future, "sub": "system:serviceaccount:ns:gone"}),
        )
    };
    for (token, status, code) in [
        ("wrong".to_owned(), 401, "LOGIN_REFUSED"),
        ("anon".into(), 401, "LOGIN_ANON"),
        (String::new(), 400, "LOGIN_EMPTY"),
        ("naïve".into(), 400, "LOGIN_CHARS"),
        ("x".repeat(17_000), 413, "LOGIN_TOOBIG"),
        (jwt(&serde_json::json!({"exp": 1000})), 401, "LOGIN_EXPIRED"),
        (claims(ISSUER, ISSUER, future), 401, "LOGIN_CLOCK"),
        (claims("https://elsewhere", ISSUER, 0), 401, "LOGIN_OTHERCLUSTER"),
        (claims(ISSUER, "vault", 0), 401, "LOGIN_AUDIENCE"),
    ] {
        check(&place.sign_in(&token).await, status, code);
    }
    assert!(place.sessions.is_empty());
}

#[tokio::test]
async fn a_deleted_accounts_token_is_named_as_such() {
    let place = Place::open().await;
    let token = jwt(&serde_json::json!({"iss": ISSUER, "aud": [ISSUER], "sub": "system:serviceaccount:ns:gone"}));
    check(&place.sign_in(&token).await, 401, "LOGIN_SAGONE");
}

#[tokio::test]
async fn an_api_server_that_is_away_refuses_nobody_for_good() {
    let place = Place::alone();
    for _ in 0..12 {
        check(&place.sign_in("good").await, 503, "LOGIN_APIDOWN");
    }
}

#[tokio::test]
async fn the_eleventh_wrong_token_waits() {
    let place = Place::open().await;
    for _ in 0..10 {
        check(&place.sign_in("wrong").await, 401, "LOGIN_REFUSED");
    }
    let answer = place.sign_in("good").await;
    check(&answer, 429, "LOGIN_RATE");
    assert!(answer.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn certificates_are_checked_first_and_can_be_switched_off() {
    let made = || {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let ((certificate, _), (_, key)) = (made(), made());
    let body = serde_json::json!({"certificate": certificate, "key": key}).to_string();
    for (on, code) in [(true, "LOGIN_CERTBAD"), (false, "LOGIN_CERTOFF")] {
        let place = Place::with(Default::default(), on).await;
        check(&place.ask(Method::POST, "/session", &[JSON], &body).await, 400, code);
        assert_eq!(place.api.reviews.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test]
async fn sign_in_needs_encryption_or_loopback() {
    let place = Place::with(trusting("10.0.0.9"), false).await;
    let https = [JSON, ("x-forwarded-proto", "https")];
    for (from, tls, headers, good) in [
        ("192.0.2.1:1", true, &https[..1], true),
        ("127.0.0.1:1", false, &https[..1], true),
        ("192.0.2.1:1", false, &https[..1], false),
        ("192.0.2.1:1", false, &https[..], false),
        ("10.0.0.9:1", false, &https[..], true),
        ("10.0.0.9:1", false, &https[..1], false),
    ] {
        let answer = place.ask_from(&peer(from, tls), Method::POST, "/session", headers, r#"{"token":"good"}"#).await;
        if good {
            assert_eq!(answer.status, StatusCode::OK, "{from} {tls} {headers:?}");
        } else {
            check(&answer, 403, "LOGIN_INSECURE");
        }
    }
}

#[tokio::test]
async fn a_claim_gives_the_cookie_once() {
    let place = Place::open().await;
    let claim = place.sessions.sign_in(Credential::Token("good".into()), &peer("127.0.0.1:1", false)).await.unwrap();
    let headers = [("x-taffrail-claim", claim.as_str()), ("accept", "application/json")];
    let answer = place.ask(Method::GET, "/claim", &headers, "").await;
    assert_eq!((answer.status, answer.session().user.as_str()), (StatusCode::OK, "alice"));
    assert!(answer.headers.contains_key("set-cookie"));
    assert_eq!(place.ask(Method::GET, "/claim", &headers, "").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn signing_out_wipes_the_credential_and_tells_everybody() {
    let place = Place::open().await;
    let answer = place.sign_in("good").await;
    let (cookie, proof) = (answer.cookie(), answer.session().proof);
    let session = place.sessions.find(cookie.split_once('=').unwrap().1).unwrap();
    let (mut ended, client) = (session.ended(), session.client());
    assert!(yaml::read(&session, wire::Kind::Pod, "ns", "p").await.unwrap().starts_with("apiVersion: v1\nkind: Pod\n"));
    assert_eq!(yaml::read(&session, wire::Kind::Pod, "ns", "secret").await.unwrap_err().code, "E-NOPERM");
    assert_eq!(yaml::read(&session, wire::Kind::Pod, "ns", "q").await.unwrap_err().code, "E-NEVER");

    let without = place.ask(Method::POST, "/sign-out", &[("cookie", &cookie)], "").await;
    assert_eq!(without.status, StatusCode::FORBIDDEN);
    let headers = [("cookie", cookie.as_str()), ("x-taffrail-proof", proof.as_str())];
    let foreign = [headers[0], headers[1], ("origin", "https://evil.example"), ("host", "taffrail")];
    assert_eq!(place.ask(Method::DELETE, "/session", &foreign, "").await.status, StatusCode::FORBIDDEN);
    assert!(!session.has_ended());
    assert_eq!(place.ask(Method::DELETE, "/session", &headers, "").await.status, StatusCode::NO_CONTENT);

    assert!(*ended.wait_for(|ended| *ended).await.unwrap());
    assert!(place.sessions.find_cookie(&headers_of(&cookie)).is_none());
    let request = || http::Request::get("/api/v1/namespaces/ns/pods/p").body(Vec::new()).unwrap();
    for client in [client, session.client()] {
        let answer = client.request_text(request()).await;
        assert!(matches!(answer, Err(kube::Error::Api(status)) if status.code == 401), "a clone kept its power");
    }
    assert_eq!(yaml::read(&session, wire::Kind::Pod, "ns", "p").await.unwrap_err().code, "LOGIN_ENDED");
}

fn headers_of(cookie: &str) -> http::HeaderMap {
    http::HeaderMap::from_iter([(http::header::COOKIE, cookie.parse().unwrap())])
}

#[tokio::test]
async fn three_wrong_proofs_end_the_session() {
    let place = Place::open().await;
    let cookie = place.sign_in("good").await.cookie();
    for _ in 0..3 {
        let headers = [("cookie", cookie.as_str()), ("x-taffrail-proof", "guess")];
        assert_eq!(place.ask(Method::DELETE, "/session", &headers, "").await.status, StatusCode::FORBIDDEN);
    }
    assert!(place.sessions.find_cookie(&headers_of(&cookie)).is_none());
    assert!(place.sessions.is_empty());
}

#[tokio::test]
async fn the_oldest_session_of_a_person_makes_room() {
    let place = Place::open().await;
    let first = place.sign_in("good").await.cookie();
    let ended = place.sessions.find_cookie(&headers_of(&first)).unwrap().ended();
    place.sign_in("other").await;
    for _ in 0..2 {
        place.sign_in("good").await;
    }
    assert!(!*ended.borrow());
    place.sign_in("good").await;
    assert!(*ended.borrow());
    assert_eq!(place.sessions.len(), 4);
}

#[tokio::test]
async fn sessions_end_with_the_credential_the_clock_and_idleness() {
    let place = Place::open().await;
    let now = jiff::Timestamp::now().as_millisecond();
    let signed = place.sign_in("good").await;
    let ended = place.sessions.find_cookie(&headers_of(&signed.cookie())).unwrap().ended();
    place.sessions.sweep(now + 61_000).await;
    assert!(!*ended.borrow(), "still known");
    place.api.revoked.store(true, Ordering::Relaxed);
    place.sessions.sweep(now + 122_000).await;
    assert!(*ended.borrow(), "the API server no longer knows it");
    place.api.revoked.store(false, Ordering::Relaxed);
    place.sign_in("good").await;
    place.sessions.sweep(now + 2 * 3_600_000 + 60_000).await;
    assert!(place.sessions.is_empty(), "idle");
}
