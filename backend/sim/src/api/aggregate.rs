//! The aggregation layer for `metrics.k8s.io`: requests go on with the front proxy's certificate and the user's name.

use crate::Shared;
use crate::access::User;
use crate::serve::Body;
use crate::status::Status;
use http::{HeaderName, HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where `metrics.k8s.io` is served.
#[derive(Clone, Debug)]
pub(crate) struct Aggregated {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Arc<rustls::ClientConfig>,
}

pub(crate) async fn proxy(shared: &Shared, user: &User, request: Request<Incoming>) -> Result<Response<Body>, Status> {
    let Some(to) = shared.aggregated.read().clone() else { return Err(Status::no_such_path()) };
    send(&to, user, request)
        .await
        .map_err(|error| Status::new(503, "ServiceUnavailable", format!("error trying to reach service: {error}")))
}

async fn send(
    to: &Aggregated,
    user: &User,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(to.address).await?;
    let name = rustls_pki_types::ServerName::IpAddress(to.address.ip().into());
    let stream = TlsConnector::from(Arc::clone(&to.tls)).connect(name, stream).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the exchange: the sender is dropped below and the body's end closes it.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "aggregated connection ended");
        }
    });
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).parse()?;
    *request.uri_mut() = path;
    *request.version_mut() = http::Version::HTTP_11;
    let headers = request.headers_mut();
    headers.remove(header::AUTHORIZATION);
    for name in ["x-remote-user", "x-remote-uid", "x-remote-group"] {
        headers.remove(name);
    }
    headers.insert(header::HOST, HeaderValue::from_str(&to.address.to_string())?);
    headers.insert(HeaderName::from_static("x-remote-user"), HeaderValue::from_str(&user.name)?);
    for group in &user.groups {
        headers.append(HeaderName::from_static("x-remote-group"), HeaderValue::from_str(group)?);
    }
    let response = sender.send_request(request).await?;
    Ok(response.map(|body| body.map_err(std::io::Error::other).boxed()))
}
