//! A watch of namespaces before an API server that answers by a script.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test's own setting")]

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response};
use backend::cluster::kinds::{Kind as _, Namespace};
use backend::cluster::watch::Timing;
use backend::cluster::{Cache, Config, Counters, Objects, build};
use bytes::Bytes;
use futures::StreamExt as _;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// What the server says to one request.
pub enum Reply {
    Json(u16, &'static [(&'static str, &'static str)], String),
    /// Sends these lines, then ends.
    Lines(Vec<String>),
    /// Sends these lines, then never another byte.
    Silence(Vec<String>),
    /// Sends what the test sends.
    Fed(mpsc::Receiver<String>),
}

#[derive(Clone, Default)]
pub struct Api {
    pub script: Arc<Mutex<VecDeque<Reply>>>,
    /// Path and query of every request, with the time it came.
    pub asked: Arc<Mutex<Vec<(String, Instant)>>>,
}

pub async fn answer(State(api): State<Api>, request: Request<Body>) -> Response<Body> {
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

pub struct Running {
    pub api: Api,
    pub objects: Objects,
    pub counters: Arc<Counters>,
    pub _stop: oneshot::Sender<()>,
}

pub async fn serve(api: Api, listener: tokio::net::TcpListener) {
    axum::serve(listener, Router::new().fallback(answer).with_state(api)).await.unwrap();
}

pub fn watch(api: Api, address: std::net::SocketAddr) -> Running {
    watch_with(api, address, Duration::from_millis(5), Duration::from_millis(50))
}

pub fn watch_with(api: Api, address: std::net::SocketAddr, pause: Duration, pause_max: Duration) -> Running {
    let mut config = kube::Config::new(format!("http://{address}").parse().unwrap());
    config.default_retry = false;
    let client = kube::Client::try_from(config).unwrap();
    let (objects, watches) = build(client, Config { kinds: vec![wire::Kind::Namespace], metrics_only: false });
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

pub async fn start(script: Vec<Reply>) -> Running {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let api = Api { script: Arc::new(Mutex::new(script.into())), ..Api::default() };
    tokio::spawn(serve(api.clone(), listener));
    watch(api, address)
}

pub fn object(name: &str, uid: &str, version: u32, phase: &str) -> String {
    format!(
        r#"{{"metadata":{{"name":"{name}","uid":"{uid}","resourceVersion":"{version}","labels":null}},"spec":null,"status":{{"phase":"{phase}","extra":[1]}}}}"#
    )
}

pub fn list(next: &str, version: u32, items: &[String]) -> Reply {
    let items = items.join(",");
    let body = format!(r#"{{"metadata":{{"resourceVersion":"{version}","continue":"{next}"}},"items":[{items}]}}"#);
    Reply::Json(200, &[], body)
}

pub fn event(kind: &str, object: &str) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
}

pub fn names(cache: &Cache<Namespace>) -> Vec<String> {
    cache.snapshot().iter().map(|object| format!("{}:{}", object.meta().name, object.phase)).collect()
}

/// Waits until the cache is as told; every state seen on the way may be checked.
#[track_caller]
pub fn until<'r>(
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

pub fn asked(running: &Running) -> Vec<String> {
    running.api.asked.lock().iter().map(|(uri, _)| uri.clone()).collect()
}
