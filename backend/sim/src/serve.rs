//! HTTPS on loopback: accepts, does TLS, hands requests with their peer's identity to a service.

use crate::Error;
use crate::access::User;
use crate::pki::Serving;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub(crate) type Body = BoxBody<Bytes, std::io::Error>;

/// Who is at the other end of a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer {
    /// From a verified client certificate.
    pub(crate) user: Option<User>,
}

/// What a listener does with a new connection.
pub(crate) trait Service: Send + Sync + 'static {
    /// The TLS to answer with; `None` cuts the connection.
    fn tls(&self) -> Option<Arc<Serving>>;
    fn call(&self, peer: Peer, request: Request<Incoming>) -> impl Future<Output = Response<Body>> + Send;
}

pub(crate) async fn bind() -> Result<(TcpListener, SocketAddr), Error> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(Error::Bind)?;
    let address = listener.local_addr().map_err(Error::Bind)?;
    Ok((listener, address))
}

/// Serves until the task is aborted; its connections end with it.
pub(crate) async fn run<S: Service>(listener: TcpListener, service: Arc<S>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let Some(tls) = service.tls() else { continue };
                let service = Arc::clone(&service);
                connections.spawn(async move {
                    if let Err(error) = connection(stream, tls, service).await {
                        tracing::debug!(%error, "connection ended");
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection<S: Service>(
    stream: tokio::net::TcpStream,
    tls: Arc<Serving>,
    service: Arc<S>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let stream = TlsAcceptor::from(Arc::clone(&tls.config)).accept(stream).await?;
    let peer = Peer { user: stream.get_ref().1.peer_certificates().and_then(|chain| tls.user(chain)) };
    let serve = service_fn(move |request| {
        let (service, peer) = (Arc::clone(&service), peer.clone());
        async move { Ok::<_, Infallible>(service.call(peer, request).await) }
    });
    hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), serve)
        .await
}

/// The bearer token of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim)
}

pub(crate) fn full(bytes: Bytes) -> Response<Body> {
    Response::new(Full::new(bytes).map_err(|never: Infallible| match never {}).boxed())
}

pub(crate) fn text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = full(Bytes::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

pub(crate) fn json_bytes(status: StatusCode, bytes: Bytes) -> Response<Body> {
    let mut response = full(bytes);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(crate) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    json_bytes(status, Bytes::from(value.to_string()))
}

/// A gzip stream that inflates to `size` zeros or a little more.
pub(crate) fn gzip_zeros(size: usize) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0; 1 << 16];
    for _ in 0..=size / zeros.len() {
        // Writing to a Vec does not fail.
        let _ = encoder.write_all(&zeros);
    }
    encoder.finish().unwrap_or_default()
}
