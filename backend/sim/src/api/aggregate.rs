//! The aggregation layer for `metrics.k8s.io`: requests go on with the front proxy's certificate and the user's name, to
//! who is verified by the APIService's `caBundle` of that moment.

use crate::Shared;
use crate::access::User;
use crate::kinds::Kind;
use crate::serve::Body;
use crate::status::Status;
use base64::Engine as _;
use http::{HeaderName, HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use parking_lot::RwLock;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where `metrics.k8s.io` is served.
#[derive(Clone, Debug)]
pub(crate) struct Aggregated {
    pub(crate) address: SocketAddr,
    tls: Arc<RwLock<Verified>>,
}

/// The `caBundle` that was used last, and what was made of it.
type Verified = Option<(String, Arc<rustls::ClientConfig>)>;

// === impl Aggregated ===

impl Aggregated {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, tls: Arc::default() }
    }

    /// How the server is verified: by what the APIService of the path's version says now.
    fn tls(&self, shared: &Shared, path: &str) -> Result<Arc<rustls::ClientConfig>, Box<dyn Error + Send + Sync>> {
        let version = path.split('/').nth(3).unwrap_or_default();
        let name = format!("{}.metrics.k8s.io", if version == "v1" { "v1" } else { "v1beta1" });
        let service = shared.store.get(Kind::APIService, "", &name).ok_or("there is no APIService")?;
        let service = service.value();
        let bundle = service.pointer("/spec/caBundle").and_then(serde_json::Value::as_str).unwrap_or_default();
        if let Some((known, tls)) = &*self.tls.read()
            && known == bundle
        {
            return Ok(Arc::clone(tls));
        }
        let pem = String::from_utf8(base64::engine::general_purpose::STANDARD.decode(bundle)?)?;
        let tls = crate::pki::client(&shared.front_proxy.client, &pem)?;
        *self.tls.write() = Some((bundle.to_owned(), Arc::clone(&tls)));
        Ok(tls)
    }
}

pub(crate) async fn proxy(shared: &Shared, user: &User, request: Request<Incoming>) -> Result<Response<Body>, Status> {
    let Some(to) = shared.aggregated.read().clone() else { return Err(Status::no_such_path()) };
    send(shared, &to, user, request)
        .await
        .map_err(|error| Status::new(503, "ServiceUnavailable", format!("error trying to reach service: {error}")))
}

async fn send(
    shared: &Shared,
    to: &Aggregated,
    user: &User,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Box<dyn Error + Send + Sync>> {
    let stream = TcpStream::connect(to.address).await?;
    let name = rustls_pki_types::ServerName::try_from("taffrail.kube-system.svc")?;
    let tls = to.tls(shared, request.uri().path())?;
    let stream = TlsConnector::from(tls).connect(name, stream).await?;
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
