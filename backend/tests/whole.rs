//! The whole product before a simulated cluster, asked over its own listener: people come with tokens and certificates,
//! lose rights and credentials, and guess.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

use backend::app::{Extra, Served, run_with};
use backend::config::{Command, Flags};
use clap::Parser as _;
use futures::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sim::{Cluster, Config, Who};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use wire::table::TableAsk;
use wire::{Browser, Kind, Server, Sub, View};

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// A running product; ends when dropped.
struct Product {
    cluster: Cluster,
    address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<anyhow::Result<()>>>,
    _folder: tempfile::TempDir,
}

/// A signed-in browser.
#[derive(Debug)]
struct Person {
    cookie: String,
    session: wire::session::Session,
}

impl Product {
    async fn start() -> Self {
        let cluster = Cluster::start(Config { nodes: 3, pods_per_node: 12, ..Config::default() }).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, cluster.kubeconfig(Who::Taffrail)).unwrap();
        let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
        let line = ["taffrail", "serve", &kubeconfig, "--bind-address=127.0.0.1", "--secure-port=0", "--ui-port=0"];
        let Command::Serve(flags) = Flags::try_parse_from(line).unwrap().command else { panic!("serve was asked for") };
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let serving = Box::new(move |served: &Served| -> Box<dyn std::any::Any> {
                tell.send(served.plain.unwrap()).unwrap();
                Box::new(())
            });
            let listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
            let extra = Extra { listen, free_secure_port: false, past: None, serving };
            run_with(&flags, async { _ = stopped.await }, extra)
        });
        let address = told.await.unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { cluster, address, client, stop: Some(stop), thread: Some(thread), _folder: folder }
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, http::HeaderMap, Bytes) {
        let mut request = http::Request::builder().method(method).uri(format!("http://{}/{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.client.request(request.body(Full::from(body.to_owned())).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        (parts.status.as_u16(), parts.headers, body.collect().await.unwrap().to_bytes())
    }

    async fn sign_in(&self, credential: serde_json::Value) -> Result<Person, (u16, String)> {
        let json = [("content-type", "application/json"), ("accept", "application/json")];
        let (status, headers, body) = self.ask("POST", "session", &json, &credential.to_string()).await;
        if status != 200 {
            let refusal: wire::session::Refusal = serde_json::from_slice(&body).unwrap();
            return Err((status, refusal.say.code));
        }
        let cookie = headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        Ok(Person { cookie, session: serde_json::from_slice(&body).unwrap() })
    }

    async fn with_token(&self, token: &str) -> Person {
        self.sign_in(serde_json::json!({ "token": token })).await.unwrap()
    }

    async fn connect(&self, person: &Person, proof: &str) -> Socket {
        let mut request = format!("ws://{}/ws", self.address).into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", wire::SUBPROTOCOL.parse().unwrap());
        headers.insert("cookie", person.cookie.parse().unwrap());
        headers.insert("origin", format!("http://{}", self.address).parse().unwrap());
        let mut socket = tokio_tungstenite::connect_async(request).await.unwrap().0;
        say(&mut socket, &Browser::Auth { proof: proof.into(), resume: Vec::new() }).await;
        socket
    }

    async fn enter(&self, person: &Person) -> Socket {
        let mut socket = self.connect(person, &person.session.proof).await;
        assert!(matches!(hear(&mut socket).await, Ok(Server::Welcome { .. })));
        socket
    }

    /// Whether the cookie still stands for anybody.
    async fn knows(&self, person: &Person) -> bool {
        let headers = [("cookie", person.cookie.as_str()), ("x-taffrail", "1"), ("accept", "application/json")];
        self.ask("GET", "session", &headers, "").await.0 == 200
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        drop(self.stop.take());
        let end = self.thread.take().map(std::thread::JoinHandle::join);
        // A test that already fails has said why.
        if !std::thread::panicking() {
            end.unwrap().expect("no plane panics").expect("it ends well");
        }
    }
}

async fn say(socket: &mut Socket, frame: &Browser) {
    socket.send(Message::Binary(wire::encode(frame).into())).await.unwrap();
}

/// The next frame that says something, or the close code.
async fn hear(socket: &mut Socket) -> Result<Server, u16> {
    loop {
        match tokio::time::timeout(Duration::from_secs(20), socket.next()).await.expect("a frame in time") {
            Some(Ok(Message::Binary(bytes))) => match wire::decode(&bytes).unwrap() {
                Server::State { .. } | Server::Ping { .. } => {}
                frame => return Ok(frame),
            },
            Some(Ok(Message::Close(Some(frame)))) => return Err(frame.code.into()),
            Some(Ok(Message::Close(None)) | Err(_)) | None => return Err(0),
            Some(Ok(_)) => {}
        }
    }
}

/// Opens the pods of a namespace and waits until some are shown.
async fn pods(socket: &mut Socket, namespace: &str) {
    let (namespaces, filter, sort) = (vec![namespace.to_owned()], String::new(), Vec::new());
    let view = View::Table(TableAsk { kind: Kind::Pod, namespaces, filter, sort, start: 0, count: 60 });
    say(socket, &Browser::Open { sub: Sub(1), view }).await;
    loop {
        let (seq, rows) = match hear(socket).await.unwrap() {
            Server::Page { seq, rows, .. } => (seq, rows.len()),
            Server::Diff { seq, total, .. } => (seq, total as usize),
            Server::Cells { seq, .. } => (seq, 0),
            other => panic!("{other:?}"),
        };
        say(socket, &Browser::Ack { sub: Sub(1), seq }).await;
        if rows > 0 {
            return;
        }
    }
}

fn yaml(namespace: &str, name: &str) -> Browser {
    Browser::Yaml { ask: 1, kind: Kind::Namespace, namespace: namespace.into(), name: name.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_taken_away_takes_the_rows_of_an_open_table_before_the_decision_runs_out() {
    let product = Product::start().await;
    let viewer = product.with_token(&product.cluster.tokens().viewer).await;
    let mut socket = product.enter(&viewer).await;
    pods(&mut socket, "orders").await;
    let admin = kube::config::Kubeconfig::from_yaml(&product.cluster.kubeconfig(Who::Admin)).unwrap();
    let admin = kube::Config::from_custom_kubeconfig(admin, &Default::default()).await.unwrap();
    let admin = kube::Client::try_from(admin).unwrap();
    let bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/orders/rolebindings/view-viewer";
    let began = std::time::Instant::now();
    admin.request_text(http::Request::delete(bindings).body(Vec::new()).unwrap()).await.unwrap();
    loop {
        match hear(&mut socket).await.unwrap() {
            Server::Revoked { sub: Sub(1), .. } => break,
            Server::Cells { seq, .. } | Server::Diff { seq, .. } => {
                say(&mut socket, &Browser::Ack { sub: Sub(1), seq }).await;
            }
            other => panic!("{other:?}"),
        }
    }
    // The decision itself would have held for ten seconds; the promise is two on an idle machine.
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    println!("revoked after {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_ends_the_session_at_its_next_use() {
    let product = Product::start().await;
    let viewer = product.with_token(&product.cluster.tokens().viewer).await;
    let (mut one, mut two) = (product.enter(&viewer).await, product.enter(&viewer).await);
    say(&mut one, &yaml("", "orders")).await;
    assert!(matches!(hear(&mut one).await, Ok(Server::Yaml { text: Ok(_), .. })));
    product.cluster.tokens().revoke(&product.cluster.tokens().viewer);
    assert!(product.knows(&viewer).await, "nobody has asked the API server yet");
    say(&mut one, &yaml("", "orders")).await;
    let told = |say: &wire::Say| say.code == "LOGIN_ENDED" && say.arg("reason").contains("no longer accepts");
    for socket in [&mut one, &mut two] {
        loop {
            match hear(socket).await {
                Ok(Server::Yaml { text: Err(say), .. }) | Ok(Server::Notice(say)) => assert!(told(&say), "{say:?}"),
                Ok(other) => panic!("{other:?}"),
                Err(code) => break assert_eq!(code, 4410),
            }
        }
    }
    assert!(!product.knows(&viewer).await);
    let again = product.sign_in(serde_json::json!({"token": product.cluster.tokens().viewer})).await;
    assert_eq!(again.unwrap_err(), (401, "LOGIN_REFUSED".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_proofs_on_the_socket_and_beside_it_are_counted_together() {
    let product = Product::start().await;
    let viewer = product.with_token(&product.cluster.tokens().viewer).await;
    for _ in 0..2 {
        let mut socket = product.connect(&viewer, "guess").await;
        assert!(matches!(hear(&mut socket).await, Ok(Server::Refused(_))));
        assert_eq!(hear(&mut socket).await, Err(4401));
    }
    let mut open = product.enter(&viewer).await;
    let headers = [("cookie", viewer.cookie.as_str()), ("x-taffrail-proof", "guess")];
    let headers = [headers[0], headers[1], ("content-type", "application/octet-stream")];
    assert_eq!(product.ask("POST", "send?c=a", &headers, "x").await.0, 403);
    assert!(matches!(hear(&mut open).await, Ok(Server::Notice(say)) if say.arg("reason").contains("proof")));
    assert_eq!(hear(&mut open).await, Err(4410));
    assert!(!product.knows(&viewer).await);
    let mut late = product.connect(&viewer, &viewer.session.proof).await;
    assert!(matches!(hear(&mut late).await, Ok(Server::Refused(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_signs_in_and_reads_as_its_owner() {
    let product = Product::start().await;
    let own = product.cluster.certificate();
    let body = serde_json::json!({"certificate": own.certificate_pem, "key": own.key_pem});
    let person = product.sign_in(body).await.unwrap();
    assert_eq!(person.session.user, "cert-admin");
    assert!(person.session.groups.contains(&"system:masters".into()), "{:?}", person.session.groups);
    assert!(person.session.notes.iter().any(|note| note.code == "LOGIN_MASTERS"));
    let mut socket = product.enter(&person).await;
    pods(&mut socket, "media").await;
    say(&mut socket, &yaml("", "media")).await;
    let text = loop {
        match hear(&mut socket).await.unwrap() {
            Server::Yaml { text, .. } => break text.unwrap(),
            Server::Cells { .. } | Server::Diff { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(text.contains("kind: Namespace"), "{text}");

    // One of another authority is nobody's, however well its key fits.
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "cert-admin");
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.self_signed(&key).unwrap().pem();
    let body = serde_json::json!({"certificate": certificate, "key": key.serialize_pem()});
    assert_eq!(product.sign_in(body).await.unwrap_err(), (401, "LOGIN_REFUSED".into()));
}
