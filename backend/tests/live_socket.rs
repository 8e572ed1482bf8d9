//! The live link keeps its promises to a browser over a real socket: order, credits, limits, resumption, rights.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests; clippy.toml lets off only the tests themselves"
)]

use backend::cluster::kinds::{Meta, Namespace, Service};
use backend::cluster::{Objects, Sync};
use backend::http::tls::Peer;
use backend::live::door::Namespaces;
use backend::live::{Authority, Door, Guest, Parts, Topology, routes};
use backend::session::gate::{Resource, Verb};
use backend::session::{GateError, Identity, Scope};
use futures::future::BoxFuture;
use futures::{SinkExt, StreamExt};
use http::HeaderMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use wire::browser::Resume;
use wire::map::{Map, Reach};
use wire::session::{Credential, Refusal};
use wire::table::{Op, TableAsk};
use wire::{Browser, Kind, Say, Server, Sub, View, ViewState};

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

#[derive(Debug)]
struct House {
    open: AtomicBool,
    revoked: watch::Sender<u64>,
    ended: watch::Sender<bool>,
    identity: Identity,
}

impl Authority for House {
    fn scope<'a>(
        &'a self,
        _who: &'a Identity,
        _verb: Verb,
        _resource: Resource,
        _asked: &'a [String],
    ) -> BoxFuture<'a, Result<Scope, GateError>> {
        let scope = if self.open.load(Ordering::SeqCst) { Scope::All } else { Scope::In(Arc::default()) };
        Box::pin(async { Ok(scope) })
    }
    fn object<'a>(
        &'a self,
        who: &'a Identity,
        resource: Resource,
        _namespace: &'a str,
        _name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Scope>, GateError>> {
        Box::pin(async move { self.scope(who, Verb::Get, resource, &[]).await.map(Some) })
    }
    fn namespaces<'a>(&'a self, _who: &'a Identity) -> BoxFuture<'a, Result<Namespaces, GateError>> {
        Box::pin(async { Ok((vec!["shop".into()], true, 0)) })
    }
    fn revoked(&self) -> watch::Receiver<u64> {
        self.revoked.subscribe()
    }
}

#[derive(Debug)]
struct Visitor(Arc<House>);

impl Guest for Visitor {
    fn id(&self) -> u64 {
        1
    }
    fn identity(&self) -> &Identity {
        &self.0.identity
    }
    fn expires(&self) -> wire::Millis {
        wire::Millis::MAX
    }
    fn ended(&self) -> watch::Receiver<bool> {
        self.0.ended.subscribe()
    }
    fn proves(&self, proof: &str) -> bool {
        proof == "proof"
    }
    fn end(&self) {
        self.0.ended.send_replace(true);
    }
    fn yaml<'a>(&'a self, _kind: Kind, _ns: &'a str, name: &'a str) -> BoxFuture<'a, Result<String, Say>> {
        Box::pin(async move { Ok(format!("name: {name}\n")) })
    }
}

#[derive(Debug)]
struct Porch(Arc<House>);

impl Door for Porch {
    fn find(&self, _headers: &HeaderMap) -> Option<Arc<dyn Guest>> {
        Some(Arc::new(Visitor(Arc::clone(&self.0))))
    }
    fn origin(&self, _headers: &HeaderMap, _peer: &Peer) -> Result<(), Say> {
        Ok(())
    }
    fn sign_in<'a>(&'a self, _credential: Credential, _peer: &'a Peer) -> BoxFuture<'a, Result<String, Refusal>> {
        Box::pin(async { Ok("claim".into()) })
    }
}

#[derive(Debug)]
struct Flat;

impl Topology for Flat {
    fn reach(&self, _objects: &Objects, _service: &Service) -> Vec<Reach> {
        Vec::new()
    }
    fn map(&self, _objects: &Objects, previous: Option<&Map>) -> Map {
        previous.cloned().unwrap_or_else(|| Map {
            lanes: Vec::new(),
            boxes: Vec::new(),
            edges: Vec::new(),
            tally: wire::map::Tally::default(),
            proxy: wire::map::Proxy::default(),
            missing: Vec::new(),
        })
    }
}

struct Place {
    address: SocketAddr,
    objects: Objects,
    house: Arc<House>,
    _draining: watch::Sender<bool>,
    _keeper: backend::history::Keeper,
}

impl Place {
    async fn new() -> Self {
        let objects = Objects::default();
        objects.namespaces.set_sync(Sync::Live);
        let identity = Identity { user: "ann".into(), uid: "1".into(), groups: Arc::new([]), extra: Arc::new([]) };
        let (open, revoked) = (AtomicBool::new(true), watch::Sender::new(0));
        let house = Arc::new(House { open, revoked, ended: watch::Sender::new(false), identity });
        let (drain, draining) = watch::channel(false);
        let config = backend::history::Config { resolution: 15_000 };
        let (_pages, keeper, history) = backend::history::build(&config, objects.clone());
        let parts = Parts {
            objects: objects.clone(),
            history,
            coverage: backend::kubelet::Coverage::default(),
            authority: Arc::<House>::clone(&house),
            door: Arc::new(Porch(Arc::clone(&house))),
            topology: Arc::new(Flat),
            focus: None,
            cluster: "test".into(),
            kubernetes: watch::channel("v1.36.2".to_owned()).1,
            resolution: 15_000,
            draining,
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes(parts)).await });
        Self { address, objects, house, _draining: drain, _keeper: keeper }
    }

    fn put(&self, id: u64, name: &str) {
        let meta = Meta {
            id,
            uid: name.into(),
            namespace: "".into(),
            name: name.into(),
            labels: Arc::new([]),
            created: 0,
            deleted: None,
            owner: None,
        };
        self.objects.namespaces.put(Namespace { meta, phase: "Active".into() });
    }

    async fn connect(&self) -> Socket {
        let mut request = format!("ws://{}/ws", self.address).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", wire::SUBPROTOCOL.parse().unwrap());
        tokio_tungstenite::connect_async(request).await.unwrap().0
    }

    async fn enter(&self, resume: Vec<Resume>) -> Socket {
        let mut socket = self.connect().await;
        say(&mut socket, &Browser::Auth { proof: "proof".into(), resume }).await;
        assert!(matches!(hear(&mut socket).await, Ok(Server::Welcome { .. })));
        socket
    }
}

async fn say(socket: &mut Socket, frame: &Browser) {
    socket.send(Message::Binary(wire::encode(frame).into())).await.unwrap();
}

/// The next frame, or the close code.
async fn hear(socket: &mut Socket) -> Result<Server, u16> {
    loop {
        match tokio::time::timeout(Duration::from_secs(10), socket.next()).await.expect("a frame in time") {
            Some(Ok(Message::Binary(bytes))) => return Ok(wire::decode(&bytes).unwrap()),
            Some(Ok(Message::Close(Some(frame)))) => return Err(frame.code.into()),
            Some(Ok(Message::Close(None)) | Err(_)) | None => return Err(0),
            Some(Ok(_)) => {}
        }
    }
}

/// The next frame that is not about a view's state or the heartbeat.
async fn news(socket: &mut Socket) -> Result<Server, u16> {
    loop {
        match hear(socket).await {
            Ok(Server::State { .. } | Server::Ping { .. }) => {}
            other => return other,
        }
    }
}

fn table() -> View {
    let (namespaces, filter, sort) = (Vec::new(), String::new(), Vec::new());
    View::Table(TableAsk { kind: Kind::Namespace, namespaces, filter, sort, start: 0, count: 60 })
}

async fn page(socket: &mut Socket, sub: Sub) -> (u32, usize) {
    say(socket, &Browser::Open { sub, view: table() }).await;
    match news(socket).await {
        Ok(Server::Page { seq, rows, .. }) => (seq, rows.len()),
        other => panic!("no page: {other:?}"),
    }
}

#[tokio::test]
async fn a_change_arrives_as_a_difference_and_a_broken_connection_goes_on_with_one() {
    let place = Place::new().await;
    place.put(1, "shop");
    let mut socket = place.enter(Vec::new()).await;
    let (seq, rows) = page(&mut socket, Sub(1)).await;
    assert_eq!(rows, 1);
    say(&mut socket, &Browser::Ack { sub: Sub(1), seq }).await;
    place.put(2, "bank");
    let Ok(Server::Diff { base, seq, ops, total, .. }) = news(&mut socket).await else { panic!("no difference") };
    assert_eq!(total, 2);
    assert!(matches!(ops.as_slice(), [Op::Insert(0, row)] if row.name == "bank"), "{ops:?}");
    assert_eq!(base + 1, seq);
    say(&mut socket, &Browser::Ack { sub: Sub(1), seq }).await;
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    place.put(3, "zoo");
    place.put(4, "yard");
    let resume = vec![Resume { sub: Sub(1), view: table(), seq }];
    let mut socket = place.enter(resume).await;
    match news(&mut socket).await {
        Ok(Server::Diff { base, ops, .. }) => {
            assert_eq!(base, seq);
            assert_eq!(ops.len(), 2, "{ops:?}");
        }
        other => panic!("not a difference: {other:?}"),
    }
}

#[tokio::test]
async fn bytes_that_are_no_frame_end_the_connection_with_a_code() {
    let place = Place::new().await;
    for (message, code) in [
        (Message::Binary(vec![250, 1, 2].into()), 4400),
        (Message::Text("hello".into()), 4400),
        (Message::Binary(vec![0; 70_000].into()), 4413),
        (Message::Binary(wire::encode(&Browser::SignOut).into()), 4410),
    ] {
        let mut socket = place.enter(Vec::new()).await;
        socket.send(message).await.unwrap();
        let end = loop {
            match hear(&mut socket).await {
                Ok(Server::Notice(_)) => {}
                Ok(other) => panic!("{other:?}"),
                Err(code) => break code,
            }
        };
        assert_eq!(end, code);
    }
}

#[tokio::test]
async fn a_first_frame_that_proves_nothing_is_refused() {
    let place = Place::new().await;
    let mut socket = place.connect().await;
    say(&mut socket, &Browser::Auth { proof: "wrong".into(), resume: Vec::new() }).await;
    assert!(matches!(hear(&mut socket).await, Ok(Server::Refused(_))));
    assert_eq!(hear(&mut socket).await, Err(4401));
    let mut socket = place.connect().await;
    say(&mut socket, &Browser::Pong).await;
    assert_eq!(hear(&mut socket).await, Err(4401));
}

#[tokio::test]
async fn over_a_limit_is_a_fault_and_the_connection_lives() {
    let place = Place::new().await;
    let mut socket = place.enter(Vec::new()).await;
    say(&mut socket, &Browser::Alter { sub: Sub(9), view: table() }).await;
    assert!(matches!(news(&mut socket).await, Ok(Server::Fault { say, .. }) if say.code == "SUB_UNKNOWN"));
    let (seq, _) = page(&mut socket, Sub(0)).await;
    say(&mut socket, &Browser::Ack { sub: Sub(0), seq: seq + 7 }).await;
    assert!(matches!(news(&mut socket).await, Ok(Server::Fault { say, .. }) if say.code == "ACK_UNKNOWN"));
    for sub in 1..16 {
        page(&mut socket, Sub(sub)).await;
    }
    say(&mut socket, &Browser::Open { sub: Sub(16), view: table() }).await;
    assert!(matches!(news(&mut socket).await, Ok(Server::Fault { say, .. }) if say.code == "LIMIT_VIEWS"));
    for _ in 0..200 {
        say(&mut socket, &Browser::Hold { sub: Sub(99), on: true }).await;
    }
    assert!(matches!(news(&mut socket).await, Ok(Server::Fault { say, .. }) if say.code == "LIMIT_RATE"));
}

#[tokio::test]
async fn a_browser_that_acknowledges_nothing_gets_two_frames_and_holds_nobody() {
    let place = Place::new().await;
    place.put(9, "z"); // into an empty table a page is shorter than a difference
    let (mut stuck, mut quick) = (place.enter(Vec::new()).await, place.enter(Vec::new()).await);
    page(&mut stuck, Sub(1)).await;
    let (seq, _) = page(&mut quick, Sub(1)).await;
    say(&mut quick, &Browser::Ack { sub: Sub(1), seq }).await;
    for (id, name) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
        place.put(id, name);
        let Ok(Server::Diff { seq, .. }) = news(&mut quick).await else { panic!("held back") };
        say(&mut quick, &Browser::Ack { sub: Sub(1), seq }).await;
    }
    assert!(matches!(news(&mut stuck).await, Ok(Server::Diff { .. })));
    // The answer to a question overtakes what there is no credit for.
    let ask = Browser::Yaml { ask: 5, kind: Kind::Namespace, namespace: String::new(), name: "a".into() };
    say(&mut stuck, &ask).await;
    assert!(matches!(news(&mut stuck).await, Ok(Server::Yaml { ask: 5, text: Ok(_) })));
}

#[tokio::test]
async fn rows_go_when_the_right_goes() {
    let place = Place::new().await;
    place.put(1, "shop");
    let mut socket = place.enter(Vec::new()).await;
    page(&mut socket, Sub(1)).await;
    place.house.open.store(false, Ordering::SeqCst);
    place.house.revoked.send_modify(|version| *version += 1);
    assert!(matches!(news(&mut socket).await, Ok(Server::Revoked { sub: Sub(1), .. })));
    assert!(matches!(hear(&mut socket).await, Ok(Server::State { state: ViewState::Denied(_), .. })));
}
