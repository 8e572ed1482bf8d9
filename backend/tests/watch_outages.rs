//! A watch survives API servers that shed load, fall silent, refuse, and are gone and back.

mod watching;

use axum::Router;
use backend::cluster::Sync;
use parking_lot::Mutex;
use std::future::IntoFuture as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use watching::{Api, Reply, answer, asked, event, list, names, object, serve, start, until, watch, watch_with};

#[tokio::test]
async fn shed_load_waits_as_long_as_the_server_asks() {
    let running = start(vec![
        Reply::Json(429, &[("retry-after", "1")], "busy".into()),
        list("", 1, &[object("a", "1", 1, "Active")]),
    ])
    .await;
    until(&running, |cache| matches!(cache.sync(), Sync::Stale(_, say) if say.arg("reason").contains("429: busy")))
        .await;
    until(&running, |cache| cache.len() == 1).await;
    let asked = running.api.asked.lock();
    assert!(asked[1].1 - asked[0].1 >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_half_open_connection_is_given_up_and_the_watch_goes_on_from_its_version() {
    let running = start(vec![
        list("", 1, &[object("a", "1", 1, "Active")]),
        Reply::Silence(vec![event("ADDED", &object("b", "2", 42, "Active"))]),
        Reply::Silence(vec![event("ADDED", &object("c", "3", 43, "Active"))]),
    ])
    .await;
    until(&running, |cache| {
        matches!(cache.sync(), Sync::Stale(_, say) if say.code == "E-STALE" && say.arg("reason").contains("nothing was heard"))
    })
    .await;
    until(&running, |cache| cache.len() == 3 && cache.sync() == Sync::Live).await;
    assert!(asked(&running)[2].ends_with("resourceVersion=42"));
}

#[tokio::test]
async fn a_missing_right_is_named_and_asked_for_again() {
    let running = start(vec![
        Reply::Json(403, &[], r#"{"kind":"Status","message":"namespaces is forbidden"}"#.into()),
        list("", 1, &[object("a", "1", 1, "Active")]),
        Reply::Silence(vec![]),
    ])
    .await;
    until(&running, |cache| match cache.sync() {
        Sync::Denied(say) => {
            assert_eq!((say.arg("verb"), say.arg("resource")), ("list", "namespaces"));
            assert_eq!(say.arg("reason"), "namespaces is forbidden");
            true
        }
        _ => false,
    })
    .await;
    until(&running, |cache| cache.sync() == Sync::Live && cache.len() == 1).await;
}

#[tokio::test]
async fn a_refusal_after_an_outage_is_doubted_and_what_was_known_is_only_old() {
    let refused = || Reply::Json(403, &[], r#"{"kind":"Status","message":"not yet"}"#.into());
    let (feed, fed) = mpsc::channel(1);
    let running = start(vec![
        list("", 1, &[object("a", "1", 1, "Active")]),
        Reply::Fed(fed),
        refused(),
        refused(),
        Reply::Silence(vec![event("ADDED", &object("b", "2", 42, "Active"))]),
    ])
    .await;
    until(&running, |cache| cache.sync() == Sync::Live).await;
    drop(feed);
    let mut old = false;
    until(&running, |cache| {
        let sync = cache.sync();
        assert!(!matches!(sync, Sync::Denied(_)), "{sync:?}");
        old |= matches!(&sync, Sync::Stale(_, say) if say.arg("reason").contains("not yet"));
        cache.len() == 2 && sync == Sync::Live
    })
    .await;
    assert!(old, "nobody was told");
}

#[tokio::test]
async fn a_right_that_stays_away_is_missed_after_a_while() {
    let refused = || Reply::Json(403, &[], r#"{"kind":"Status","message":"never again"}"#.into());
    let (feed, fed) = mpsc::channel(1);
    let mut script = vec![list("", 1, &[object("a", "1", 1, "Active")]), Reply::Fed(fed)];
    script.extend((0..9).map(|_| refused()));
    let running = start(script).await;
    until(&running, |cache| cache.sync() == Sync::Live).await;
    drop(feed);
    until(&running, |cache| matches!(cache.sync(), Sync::Denied(say) if say.arg("reason") == "never again")).await;
}

#[tokio::test]
async fn a_server_that_is_gone_and_back_is_found_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let api = Api::default();
    api.script.lock().push_back(list("", 1, &[object("a", "1", 1, "Active")]));
    let running = watch(api.clone(), address);
    until(&running, |cache| matches!(cache.sync(), Sync::Stale(..))).await;
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    tokio::spawn(serve(api, listener));
    until(&running, |cache| cache.len() == 1 && cache.sync() == Sync::Live).await;
}

#[tokio::test]
async fn a_server_that_goes_away_under_a_watch_costs_nothing_that_happened_meanwhile() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let api = Api::default();
    let (feed, fed) = mpsc::channel(1); // one line at a time is all the test sends
    api.script.lock().extend([list("", 1, &[object("a", "1", 1, "Active")]), Reply::Fed(fed)]);
    let (gone, going) = oneshot::channel::<()>();
    let app = Router::new().fallback(answer).with_state(api.clone());
    let first =
        tokio::spawn(axum::serve(listener, app).with_graceful_shutdown(async { _ = going.await }).into_future());
    let running = watch(api.clone(), address);
    feed.send(event("ADDED", &object("b", "2", 42, "Active"))).await.unwrap();
    until(&running, |cache| cache.len() == 2 && cache.sync() == Sync::Live).await;
    gone.send(()).unwrap();
    drop(feed);
    first.await.unwrap().unwrap();
    until(&running, |cache| {
        assert_eq!(cache.len(), 2, "what was known stays");
        matches!(cache.sync(), Sync::Stale(_, say) if say.code == "E-STALE")
    })
    .await;
    // Nothing was listed anew: what happened meanwhile comes with the watch that goes on.
    api.script.lock().push_back(Reply::Silence(vec![
        event("ADDED", &object("c", "3", 43, "Active")),
        event("DELETED", &object("a", "1", 44, "Active")),
    ]));
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    tokio::spawn(serve(api, listener));
    until(&running, |cache| names(cache) == ["b:Active", "c:Active"] && cache.sync() == Sync::Live).await;
    let asked = asked(&running);
    assert_eq!(asked.iter().filter(|uri| uri.contains("limit=")).count(), 1, "{asked:?}");
    assert!(asked.last().unwrap().ends_with("resourceVersion=42"), "{asked:?}");
}

// A real API server that restarts keeps no old versions: 410 comes after as many failures as it was away for.
#[tokio::test]
async fn a_server_that_is_back_but_forgot_is_listed_at_once() {
    const GONE: &str = r#"{"kind":"Status","status":"Failure","reason":"Expired","code":410,"message":"too old"}"#;
    let failures = (0..5).map(|_| Reply::Json(500, &[], "{}".into()));
    let mut script = vec![
        list("", 1, &[object("a", "1", 1, "Active")]),
        Reply::Lines(vec![event("MODIFIED", &object("a", "1", 2, "Active"))]),
    ];
    script.extend(failures);
    script.push(Reply::Lines(vec![event("ERROR", GONE)]));
    script.push(list("", 9, &[object("b", "2", 9, "Active")]));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let api = Api { script: Arc::new(Mutex::new(script.into())), ..Api::default() };
    tokio::spawn(serve(api.clone(), listener));
    let running = watch_with(api, address, Duration::from_millis(100), Duration::from_secs(1));
    until(&running, |cache| names(cache) == ["b:Active"] && cache.sync() == Sync::Live).await;
    let asked = running.api.asked.lock().clone();
    let at = |nth: usize| asked[nth].1;
    assert!(asked[8].0.contains("limit="), "{asked:?}");
    let (paused, listed) = (at(7) - at(6), at(8) - at(7));
    assert!(listed < paused / 2, "listed after {listed:?}, where the pause before was {paused:?}");
}
