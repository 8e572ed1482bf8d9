//! Credentials, cookies and proofs are in no log and no `Debug` output. Alone in its process: the log is everybody's.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that can't go on fails")]

mod people;

use backend::session::yaml;
use http::StatusCode;
use people::{CANARY, Place};
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_is_ever_printed_even_at_trace_level() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new("trace"))
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let place = Place::open().await;
    let answer = place.sign_in(CANARY).await;
    assert_eq!(answer.status, StatusCode::OK);
    let (cookie, proof) = (answer.cookie(), answer.session().proof);
    let session = place
        .sessions
        .find_cookie(&http::HeaderMap::from_iter([(http::header::COOKIE, cookie.parse().unwrap())]))
        .unwrap();
    yaml::read(&session, wire::Kind::Pod, "ns", "p").await.unwrap();
    place.sign_in(&format!("wrong-{CANARY}")).await;
    place.sessions.end(&session, backend::session::End::SignedOut);
    let mut text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("signed in") && text.contains("sign-in refused"), "{text}");
    text.push_str(&format!("{session:?} {:?} {:?}", place.sessions, answer.session()));
    for secret in [CANARY, proof.as_str(), cookie.split_once('=').unwrap().1] {
        assert!(!text.contains(secret), "{text}");
    }
}
