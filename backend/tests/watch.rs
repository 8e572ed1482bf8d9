//! A watch survives what API servers do: expired versions, shed load, half-open connections, restarts, odd objects.
#![expect(clippy::unwrap_used, reason = "helpers of tests; clippy.toml lets off only the tests themselves")]

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response};
use backend::cluster::kinds::{Kind as _, Namespace};
use backend::cluster::watch::Timing;
use backend::cluster::{Cache, Config, Counters, Objects, Sync, build};
use bytes::Bytes;
use futures::StreamExt as _;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::future::IntoFuture as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// What the server says to one request.
enum Reply {
    Json(u16, &'static [(&'static str, &'static str)], String),
    /// Sends these lines, then ends.
    Lines(Vec<String>),
    /// Sends these lines, then never another byte.
    Silence(Vec<String>),
    /// Sends what the test sends.
    Fed(mpsc::Receiver<String>),
}

#[derive(Clone, Default)]
struct Api {
    script: Arc<Mutex<VecDeque<Reply>>>,
    /// Path and query of every request, with the time it came.
    asked: Arc<Mutex<Vec<(String, Instant)>>>,
}

async fn answer(State(api): State<Api>, request: Request<Body>) -> Response<Body> {
    api.asked.lock().push((request.uri().to_string(), Instant::now()));
    // Without a line in the script the server is busy for ever.
    let reply = api.script.lock().pop_front().unwrap_or(Reply::Silence(Vec::new()));
    let lines =
        |lines: Vec<String>| futures::stream::iter(lines).map(|line| Ok::<_, std::io::Error>(Bytes::from(line)));
    let (status, body) = match reply {
        Reply::Json(status, headers, body) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            return response.body(Body::from(body)).unwrap();
        }
        Reply::Lines(all) => (200, Body::from_stream(lines(all))),
        Reply::Silence(all) => (200, Body::from_stream(lines(all).chain(futures::stream::pending()))),
        Reply::Fed(feed) => (
            200,
            Body::from_stream(futures::stream::unfold(feed, |mut feed| async {
                feed.recv().await.map(|line| (Ok::<_, std::io::Error>(Bytes::from(line)), feed))
            })),
        ),
    };
    Response::builder().status(status).body(body).unwrap()
}

struct Running {
    api: Api,
    objects: Objects,
    counters: Arc<Counters>,
    _stop: oneshot::Sender<()>,
}

async fn serve(api: Api, listener: tokio::net::TcpListener) {
    axum::serve(listener, Router::new().fallback(answer).with_state(api)).await.unwrap();
}

fn watch(api: Api, address: std::net::SocketAddr) -> Running {
    watch_with(api, address, Duration::from_millis(5), Duration::from_millis(50))
}

fn watch_with(api: Api, address: std::net::SocketAddr, pause: Duration, pause_max: Duration) -> Running {
    let mut config = kube::Config::new(format!("http://{address}").parse().unwrap());
    config.default_retry = false;
    let client = kube::Client::try_from(config).unwrap();
    let (objects, watches) = build(client, Config { kinds: vec![wire::Kind::Namespace], pods_running_only: false });
    let watches = watches.with_timing(Timing {
        watch: Duration::from_millis(300),
        grace: Duration::from_millis(100),
        pause,
        pause_max,
        denied: Duration::from_millis(50),
        ..Timing::default()
    });
    let counters = watches.counters();
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(watches.run(async {
        let _ended: Result<(), _> = stopped.await;
    }));
    Running { api, objects, counters, _stop: stop }
}

async fn start(script: Vec<Reply>) -> Running {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let api = Api { script: Arc::new(Mutex::new(script.into())), ..Api::default() };
    tokio::spawn(serve(api.clone(), listener));
    watch(api, address)
}

fn object(name: &str, uid: &str, version: u32, phase: &str) -> String {
    format!(
        r#"{{"metadata":{{"name":"{name}","uid":"{uid}","resourceVersion":"{version}","labels":null}},"spec":null,"status":{{"phase":"{phase}","extra":[1]}}}}"#
    )
}

fn list(next: &str, version: u32, items: &[String]) -> Reply {
    let items = items.join(",");
    let body = format!(r#"{{"metadata":{{"resourceVersion":"{version}","continue":"{next}"}},"items":[{items}]}}"#);
    Reply::Json(200, &[], body)
}

fn event(kind: &str, object: &str) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
}

fn names(cache: &Cache<Namespace>) -> Vec<String> {
    cache.snapshot().iter().map(|object| format!("{}:{}", object.meta().name, object.phase)).collect()
}

/// Waits until the cache is as told; every state seen on the way may be checked.
#[track_caller]
fn until<'r>(
    running: &'r Running,
    mut done: impl FnMut(&Cache<Namespace>) -> bool + 'r,
) -> impl Future<Output = ()> + 'r {
    let at = std::panic::Location::caller();
    async move {
        let cache = &running.objects.namespaces;
        let mut version = cache.version();
        let wait = async {
            while !done(cache) {
                version.changed().await.unwrap();
            }
        };
        let seen = tokio::time::timeout(Duration::from_secs(20), wait).await;
        assert!(seen.is_ok(), "{at}: {:?} {:?} {:?}", names(cache), cache.sync(), running.api.asked.lock());
    }
}

fn asked(running: &Running) -> Vec<String> {
    running.api.asked.lock().iter().map(|(uri, _)| uri.clone()).collect()
}

#[tokio::test]
async fn pages_and_changes_arrive_and_bookmarks_move_the_version() {
    let first = object("a", "1", 5, "Active");
    let running = start(vec![
        list("to/ken", 10, &[first]),
        list("", 10, &[object("b", "2", 6, "Active")]),
        Reply::Lines(vec![
            event("MODIFIED", &object("a", "1", 11, "Terminating")),
            event("DELETED", &object("b", "2", 12, "Active")),
            event("BOOKMARK", r#"{"metadata":{"resourceVersion":"77"}}"#),
        ]),
    ])
    .await;
    until(&running, |cache| names(cache) == ["a:Terminating"] && cache.sync() == Sync::Live).await;
    while asked(&running).len() < 4 {
        tokio::task::yield_now().await;
    }
    let asked = asked(&running);
    assert_eq!(asked[0], "/api/v1/namespaces?limit=500");
    assert_eq!(asked[1], "/api/v1/namespaces?limit=500&continue=to%2Fken");
    assert!(asked[2].contains("watch=1&allowWatchBookmarks=true") && asked[2].contains("resourceVersion=10"));
    assert!(asked[3].ends_with("resourceVersion=77"), "{asked:?}");
    assert!(running.counters.requests.load(Relaxed) >= 4);
}

#[tokio::test]
async fn an_expired_version_lists_again_and_no_reader_sees_half() {
    let (feed, fed) = mpsc::channel(1); // one line at a time is all the test sends
    let running = start(vec![
        list("", 1, &[object("a", "1", 1, "Active"), object("b", "2", 1, "Active")]),
        Reply::Fed(fed),
        list("more", 9, &[object("a", "1", 8, "Active")]),
        list("", 9, &[object("b", "3", 8, "Active"), object("c", "4", 9, "Active")]),
    ])
    .await;
    until(&running, |cache| cache.sync() == Sync::Live).await;
    let ids = |running: &Running| -> Vec<u64> {
        running.objects.namespaces.snapshot().iter().map(|object| object.meta().id).collect()
    };
    let before = ids(&running);
    feed.send(event("ERROR", r#"{"kind":"Status","status":"Failure","code":410,"message":"too old"}"#)).await.unwrap();
    until(&running, |cache| {
        let seen = names(cache);
        assert!(seen == ["a:Active", "b:Active"] || seen == ["a:Active", "b:Active", "c:Active"], "half: {seen:?}");
        seen.len() == 3
    })
    .await;
    let after = ids(&running);
    assert_eq!(after[0], before[0], "the same uid keeps its number");
    assert!(!before.contains(&after[1]), "another uid of the same name gets another number");
}

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
async fn a_malformed_object_costs_only_itself() {
    let bad = r#"{"metadata":{"name":"bad","uid":"9","resourceVersion":"3"},"status":{"phase":{}}}"#;
    let running = start(vec![
        list("", 1, &[object("a", "1", 1, "Active"), bad.to_owned(), "{}".to_owned()]),
        Reply::Silence(vec![event("ADDED", bad), "\n".into(), event("ADDED", &object("c", "3", 4, "Active"))]),
    ])
    .await;
    until(&running, |cache| names(cache) == [":", "a:Active", "c:Active"]).await;
    assert_eq!(running.counters.malformed.load(Relaxed), 2);
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

#[tokio::test]
async fn a_page_that_expired_and_a_watch_that_expired_begin_again() {
    const GONE: &str = r#"{"kind":"Status","status":"Failure","reason":"Expired","code":410,"message":"too old"}"#;
    let running = start(vec![
        list("next", 1, &[object("a", "1", 1, "Active")]),
        Reply::Json(410, &[], GONE.into()),
        list("", 5, &[object("b", "2", 5, "Active")]),
        Reply::Json(410, &[], GONE.into()),
        list("", 9, &[object("b", "2", 5, "Active"), object("c", "3", 9, "Active")]),
    ])
    .await;
    until(&running, |cache| {
        let seen = names(cache);
        assert!(!seen.iter().any(|name| name == "a:Active"), "half of a list was shown");
        seen == ["b:Active", "c:Active"] && cache.sync() == Sync::Live
    })
    .await;
    let asked = asked(&running);
    assert_eq!(asked[1], "/api/v1/namespaces?limit=500&continue=next");
    assert_eq!(
        (asked[2].as_str(), asked[4].as_str()),
        ("/api/v1/namespaces?limit=500", "/api/v1/namespaces?limit=500")
    );
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
