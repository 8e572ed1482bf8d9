//! The live link in a house whose rights a test turns: a socket, a person, objects.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's own setting"
)]

use axum::Extension;
use backend::cluster::kinds::{Meta, Namespace};
use backend::cluster::{Objects, Sync};
use backend::http::origin::{self, OriginConfig};
use backend::http::tls::Peer;
use backend::live::door::Namespaces;
use backend::live::{Authority, Door, Guest, Parts, routes};
use backend::people::Traffic;
use backend::session::gate::{Resource, Verb};
use backend::session::{GateError, Identity, Scope};
use futures::future::BoxFuture;
use futures::{SinkExt, StreamExt};
use http::HeaderMap;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use wire::browser::Resume;
use wire::session::{Credential, Refusal};
use wire::table::TableAsk;
use wire::{Browser, Kind, Say, Server, Sub, View};

pub type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

#[derive(Debug)]
pub struct House {
    /// Resources (plural) nobody may list or get; `*`: none at all.
    pub closed: Mutex<Vec<&'static str>>,
    /// Where namespaced resources may be seen; `None`: everywhere.
    pub only: Mutex<Option<Vec<&'static str>>>,
    /// No question gets a decision.
    pub away: AtomicBool,
    /// Questions are answered when this is open.
    pub answering: watch::Sender<bool>,
    pub revoked: watch::Sender<u64>,
    pub ended: watch::Sender<bool>,
    /// When the session ends at the latest.
    pub expires: AtomicI64,
    /// How often the person did something.
    pub used: AtomicU32,
    identity: Identity,
}

impl Authority for House {
    fn scope<'a>(
        &'a self,
        _who: &'a Identity,
        _verb: Verb,
        resource: Resource,
        asked: &'a [String],
    ) -> BoxFuture<'a, Result<Scope, GateError>> {
        let closed = self.closed.lock().unwrap().iter().any(|plural| [resource.plural, "*"].contains(plural));
        let namespaced = !matches!(resource.plural, "nodes" | "namespaces");
        let named = |names: Vec<&str>| Scope::In(Arc::new(names.into_iter().map(Into::into).collect()));
        let scope = match (&*self.only.lock().unwrap(), asked) {
            _ if closed => Scope::In(Arc::default()),
            (Some(only), _) if namespaced => named(
                only.iter().copied().filter(|name| asked.is_empty() || asked.iter().any(|one| one == name)).collect(),
            ),
            (None, [_, ..]) if namespaced => named(asked.iter().map(String::as_str).collect()),
            _ => Scope::All,
        };
        let mut answering = self.answering.subscribe();
        Box::pin(async move {
            answering.wait_for(|open| *open).await.unwrap();
            if self.away.load(Ordering::SeqCst) {
                return Err(GateError::Undecided("away".into()));
            }
            Ok(scope)
        })
    }
    fn object<'a>(
        &'a self,
        who: &'a Identity,
        resource: Resource,
        namespace: &'a str,
        _name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Scope>, GateError>> {
        Box::pin(async move {
            let scope = self.scope(who, Verb::Get, resource, &[]).await?;
            let one = || Scope::In(Arc::new([Arc::from(namespace)].into()));
            Ok(scope.allows(namespace).then(one))
        })
    }
    fn namespaces<'a>(&'a self, _who: &'a Identity) -> BoxFuture<'a, Result<Namespaces, GateError>> {
        Box::pin(async { Ok((vec!["bank".into(), "shop".into()], true, 0)) })
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
        self.0.expires.load(Ordering::SeqCst)
    }
    fn ended(&self) -> watch::Receiver<bool> {
        self.0.ended.subscribe()
    }
    fn proves(&self, proof: &str) -> bool {
        proof == "proof"
    }
    fn why(&self) -> Say {
        backend::session::End::Expired.say()
    }
    fn used(&self) {
        self.0.used.fetch_add(1, Ordering::SeqCst);
    }
    fn end(&self) {
        self.0.ended.send_replace(true);
    }
    fn yaml<'a>(&'a self, _kind: Kind, _ns: &'a str, name: &'a str) -> BoxFuture<'a, Result<String, Say>> {
        Box::pin(async move {
            if name == "never" {
                std::future::pending::<()>().await;
            }
            Ok(format!("name: {name}\n"))
        })
    }
}

#[derive(Debug)]
struct Porch(Arc<House>);

impl Door for Porch {
    fn find(&self, _headers: &HeaderMap) -> Option<Arc<dyn Guest>> {
        Some(Arc::new(Visitor(Arc::clone(&self.0))))
    }
    fn origin(&self, headers: &HeaderMap, peer: &Peer) -> Result<(), Say> {
        origin::allowed(headers, peer, &OriginConfig::default()).map_err(Say::new)
    }
    fn sign_in<'a>(&'a self, _credential: Credential, _peer: &'a Peer) -> BoxFuture<'a, Result<String, Refusal>> {
        Box::pin(async { Ok("claim".into()) })
    }
}

pub struct Place {
    pub address: SocketAddr,
    pub objects: Objects,
    pub coverage: backend::kubelet::Coverage,
    pub latest: backend::kubelet::Latest,
    pub notices: backend::notices::Notices,
    pub house: Arc<House>,
    counter: AtomicU32,
    _draining: watch::Sender<bool>,
    pub pages: backend::history::Pages,
    pub keeper: backend::history::Keeper,
}

impl Place {
    pub async fn new() -> Self {
        let objects = Objects::default();
        objects.namespaces.set_sync(Sync::Live);
        let identity = Identity { user: "ann".into(), uid: "1".into(), groups: Arc::new([]), extra: Arc::new([]) };
        let house = Arc::new(House {
            closed: Mutex::default(),
            only: Mutex::default(),
            away: AtomicBool::default(),
            answering: watch::Sender::new(true),
            revoked: watch::Sender::new(0),
            ended: watch::Sender::new(false),
            expires: AtomicI64::new(wire::Millis::MAX),
            used: AtomicU32::new(0),
            identity,
        });
        let (drain, draining) = watch::channel(false);
        let config = backend::history::Config { resolution: 15_000 };
        let (pages, keeper, history) = backend::history::build(&config, objects.clone());
        let coverage = backend::kubelet::Coverage::default();
        let notices = backend::notices::Notices::default();
        let latest = backend::kubelet::Latest::new(std::time::Duration::from_secs(15), 3);
        let parts = Parts {
            own: watch::channel((f32::NAN, f32::NAN)).1,
            objects: objects.clone(),
            history,
            coverage: coverage.clone(),
            latest: latest.clone(),
            notices: notices.clone(),
            authority: Arc::<House>::clone(&house),
            door: Arc::new(Porch(Arc::clone(&house))),
            topology: Arc::new(Traffic { proxy: watch::channel(wire::map::Proxy::default()).1 }),
            focus: None,
            cluster: "test".into(),
            kubernetes: watch::channel("v1.36.2".to_owned()).1,
            resolution: 15_000,
            draining,
        };
        let local = SocketAddr::from(([127, 0, 0, 1], 1));
        let peer = Peer { address: local, tls: false, certificates: Arc::new([]) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes(parts).layer(Extension(peer))).await });
        Self {
            address,
            objects,
            coverage,
            latest,
            notices,
            house,
            counter: AtomicU32::new(100),
            _draining: drain,
            pages,
            keeper,
        }
    }

    pub fn put(&self, id: u64, name: &str) {
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

    /// Objects from their manifests.
    pub fn apply(&self, manifests: &[Value]) {
        let objects = &self.objects;
        for manifest in manifests {
            let id = u64::from(self.counter.fetch_add(1, Ordering::SeqCst));
            macro_rules! put {
                ($cache:ident) => {{
                    let mut object = backend::cluster::decode::object(manifest).unwrap();
                    numbered(&mut object, id);
                    objects.$cache.set_sync(Sync::Live);
                    objects.$cache.put(object);
                }};
            }
            match manifest["kind"].as_str().unwrap() {
                "Node" => put!(nodes),
                "Pod" => put!(pods),
                "Deployment" => put!(deployments),
                "Service" => put!(services),
                _ => put!(endpoint_slices),
            }
        }
    }

    pub async fn connect(&self) -> Socket {
        self.try_connect().await.unwrap()
    }

    pub async fn try_connect(&self) -> Result<Socket, tokio_tungstenite::tungstenite::Error> {
        let mut request = format!("ws://{}/ws", self.address).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", wire::SUBPROTOCOL.parse().unwrap());
        Ok(tokio_tungstenite::connect_async(request).await?.0)
    }

    pub async fn enter(&self, resume: Vec<Resume>) -> Socket {
        let mut socket = self.connect().await;
        say(&mut socket, &Browser::Auth { proof: "proof".into(), resume }).await;
        assert!(matches!(hear(&mut socket).await, Ok(Server::Welcome { .. })));
        socket
    }
}

fn numbered<K: backend::cluster::kinds::Kind>(object: &mut K, id: u64) {
    object.meta_mut().id = id;
}

/// Opens a view on a socket and hears its first frame.
pub async fn open(socket: &mut Socket, sub: u32, view: View) -> Server {
    say(socket, &Browser::Open { sub: Sub(sub), view }).await;
    news(socket).await.unwrap()
}

pub async fn say(socket: &mut Socket, frame: &Browser) {
    socket.send(Message::Binary(wire::encode(frame).into())).await.unwrap();
}

/// The next frame, or the close code.
pub async fn hear(socket: &mut Socket) -> Result<Server, u16> {
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
pub async fn news(socket: &mut Socket) -> Result<Server, u16> {
    loop {
        match hear(socket).await {
            Ok(Server::State { .. } | Server::Ping { .. }) => {}
            other => return other,
        }
    }
}

pub fn table() -> View {
    let (namespaces, filter, sort) = (Vec::new(), String::new(), Vec::new());
    View::Table(TableAsk { kind: Kind::Namespace, namespaces, filter, sort, start: 0, count: 60 })
}

pub async fn page(socket: &mut Socket, sub: Sub) -> (u32, usize) {
    say(socket, &Browser::Open { sub, view: table() }).await;
    match news(socket).await {
        Ok(Server::Page { seq, rows, .. }) => (seq, rows.len()),
        other => panic!("no page: {other:?}"),
    }
}
