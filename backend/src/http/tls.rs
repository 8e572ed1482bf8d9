//! The accept loop of every listener: TLS by rustls or plain, HTTP/1.1 and HTTP/2, handshakes outside `accept`.
//!
//! A slow or silent client costs one of [`CONNECTIONS`] places until a timeout, never another client's time. The
//! protocol is the one ALPN agreed on; without ALPN and without TLS it is HTTP/1.1, whose header timeout then begins
//! with the connection.

use axum::Router;
use axum::body::Body;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::ServiceExt;
use tracing::{debug, warn};

/// Open connections of one listener. One that is full accepts the next when a place is free.
pub const CONNECTIONS: usize = 1024;
/// From accept to the end of the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// From a request's first byte (or the connection's start) to the end of its headers.
const HEADERS: Duration = Duration::from_secs(10);
/// How long requests in flight may go on after `stop`.
const DRAIN: Duration = Duration::from_secs(10);
/// Pause after `accept` failed: usually out of file descriptors, which only time frees.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Requests in flight on one HTTP/2 connection.
const STREAMS: u32 = 250;

/// How a listener speaks TLS.
#[derive(Clone, Debug)]
pub struct Tls {
    pub config: Arc<rustls::ServerConfig>,
    /// Requests in flight on one HTTP/2 connection; 0 is [`STREAMS`].
    pub streams: u32,
}

/// Put into every request's extensions.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    /// Whether the connection is TLS on our own listener.
    pub tls: bool,
    /// The client's certificate chain as it presented it, possession proven, chain NOT verified; empty without one.
    pub certificates: Arc<[rustls_pki_types::CertificateDer<'static>]>,
}

/// Serves until `stop` resolves, then lets requests in flight end for at most ten seconds. Upgraded connections
/// (WebSockets) end by their own tasks.
pub async fn serve(listener: TcpListener, tls: Option<Tls>, app: Router, stop: impl Future<Output = ()>) {
    let streams = tls.as_ref().map(|tls| tls.streams).filter(|streams| *streams > 0).unwrap_or(STREAMS);
    let acceptor = tls.map(|tls| tokio_rustls::TlsAcceptor::from(tls.config));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let (stopping, stopped) = watch::channel(false);
    let mut open = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let place = tokio::select! {
            () = &mut stop => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        while open.try_join_next().is_some() {}
        match accepted {
            Ok((stream, address)) => {
                // A listener of both families tells an IPv4 client as a mapped one.
                let address = SocketAddr::new(address.ip().to_canonical(), address.port());
                let connection = Connection {
                    address,
                    acceptor: acceptor.clone(),
                    streams,
                    app: app.clone(),
                    stopped: stopped.clone(),
                };
                open.spawn(async move {
                    connection.run(stream).await;
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    stopping.send_replace(true);
    if timeout(DRAIN, async { while open.join_next().await.is_some() {} }).await.is_err() {
        warn!(connections = open.len(), "closing connections that did not end in time");
    }
}

struct Connection {
    address: SocketAddr,
    acceptor: Option<tokio_rustls::TlsAcceptor>,
    streams: u32,
    app: Router,
    stopped: watch::Receiver<bool>,
}

impl Connection {
    async fn run(self, stream: TcpStream) {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "cannot set TCP_NODELAY");
        }
        let address = self.address;
        let Some(acceptor) = self.acceptor.clone() else {
            let peer = Peer { address, tls: false, certificates: Arc::new([]) };
            return self.http(stream, peer, false).await;
        };
        match timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Err(_) => debug!(%address, "TLS handshake took too long"),
            Ok(Err(error)) => debug!(%address, %error, "TLS handshake failed"),
            Ok(Ok(stream)) => {
                let session = stream.get_ref().1;
                let certificates = session.peer_certificates().unwrap_or_default();
                let h2 = session.alpn_protocol() == Some(b"h2");
                let peer = Peer {
                    address,
                    tls: true,
                    certificates: certificates.iter().map(|der| der.clone().into_owned()).collect(),
                };
                self.http(stream, peer, h2).await;
            }
        }
    }

    async fn http<S>(mut self, stream: S, peer: Peer, h2: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.streams)
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(15));
        let builder = if h2 { builder.http2_only() } else { builder.http1_only() };
        let (app, address) = (self.app, self.address);
        let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer.clone());
            app.clone().oneshot(request)
        });
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            // An error means that `serve` itself is gone: the same.
            _ = self.stopped.changed() => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(%address, %error, "connection ended");
        }
    }
}
