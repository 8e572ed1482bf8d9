//! The way to a kubelet: the kept connection, or a new one to the first address that answers.

use super::client::{Failed, Kubelets, Target, authority, broken};
use super::material::Material;
use crate::kubelet::config::Verify;
use crate::kubelet::failure::Failure;
use crate::kubelet::verify::{Judge, Key, NodeVerifier};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use wire::Millis;

/// The most that one address may take to connect while others wait.
const CONNECT: Duration = Duration::from_secs(2);
/// A remembered address is given up for the preferred order after this.
const REMEMBER: Duration = Duration::from_secs(600);
/// The least that hyper takes. A connection keeps it between scrapes, and without a bound the size of its last page;
/// of that, 5,000 would hold hundreds of megabytes.
const BUFFER: usize = 8 * 1024;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) address: String,
    pub(super) port: u16,
    pub(super) generation: u64,
    pub(super) sender: SendRequest<Empty<Bytes>>,
    /// Bytes that came over it so far, before TLS is added.
    pub(super) received: Arc<AtomicU64>,
    /// When the kubelet's certificate ends.
    pub(super) expires: Option<Millis>,
}

/// What a new connection is used by.
type Opened = (SendRequest<Empty<Bytes>>, Arc<AtomicU64>, Option<Millis>);

/// A stream whose incoming bytes are counted.
struct Counted<S> {
    stream: S,
    received: Arc<AtomicU64>,
}

// === impl Counted ===

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let ended = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.received.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        ended
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

// === impl Kubelets ===

impl Kubelets {
    /// The kept connection, if it still leads to an address of the node.
    pub(super) fn idle(&self, target: &Target, material: &Material) -> Option<Connection> {
        let idle = self.nodes.lock().get_mut(&target.node)?.idle.take()?;
        let fits = idle.port == target.port
            && idle.generation == material.generation
            && target.addresses.contains(&idle.address)
            && !idle.sender.is_closed()
            && idle.sender.is_ready();
        fits.then_some(idle)
    }

    pub(super) fn keep(&self, target: &Target, connection: Connection) {
        let mut nodes = self.nodes.lock();
        let client = nodes.entry(Arc::clone(&target.node)).or_default();
        let now = Instant::now();
        if client.remembered.as_ref().is_none_or(|(known, _)| *known != connection.address) {
            client.remembered = Some((connection.address.clone(), now));
        }
        // After ten minutes the preferred order is tried from the top again, with a new connection.
        if client.remembered.as_ref().is_some_and(|(_, since)| now.duration_since(*since) >= REMEMBER) {
            client.remembered = None;
            return;
        }
        client.idle = Some(connection);
    }

    /// A connection to the first address that answers.
    pub(super) async fn connect(
        &self,
        target: &Target,
        material: &Material,
        deadline: Instant,
        at: &mut String,
    ) -> Result<Connection, Failed> {
        let remembered = self.nodes.lock().get(&target.node).and_then(|client| client.remembered.clone());
        let first = remembered.map(|(address, _)| address).filter(|address| target.addresses.contains(address));
        let rest = target.addresses.iter().filter(|address| Some(*address) != first.as_ref());
        let mut last = None;
        for address in first.iter().chain(rest) {
            at.clone_from(address);
            match self.dial(target, address, material, deadline).await {
                Ok((sender, received, expires)) => {
                    let (address, generation) = (address.clone(), material.generation);
                    return Ok(Connection { address, port: target.port, generation, sender, received, expires });
                }
                Err(failure) => {
                    self.meters.failed(failure.code());
                    let next = failure.is_of_address();
                    // A name that does not resolve says less than an address that refuses, and that less than one where
                    // somebody answers with the wrong certificate.
                    let weight = |failure: &Failure| match failure {
                        Failure::Dns(_) => 0,
                        Failure::Connect(_) => 1,
                        _ => 2,
                    };
                    if last.as_ref().is_none_or(|last: &Failed| weight(&last.failure) <= weight(&failure)) {
                        last = Some(Failed { failure, address: authority(address, target.port) });
                    }
                    if !next {
                        break;
                    }
                }
            }
        }
        Err(last.unwrap_or(Failed { failure: Failure::NoAddress, address: String::new() }))
    }

    async fn dial(
        &self,
        target: &Target,
        address: &str,
        material: &Material,
        deadline: Instant,
    ) -> Result<Opened, Failure> {
        let left = deadline.saturating_duration_since(Instant::now()) / 2;
        let connect = async {
            let addresses: Vec<_> =
                tokio::net::lookup_host((address, target.port)).await.map_err(Failure::Dns)?.collect();
            TcpStream::connect(addresses.as_slice()).await.map_err(Failure::Connect)
        };
        let stream = timeout(CONNECT.min(left), connect)
            .await
            .map_err(|_| Failure::Connect(io::Error::new(io::ErrorKind::TimedOut, "no answer to the connection")))??;
        stream.set_nodelay(true).map_err(Failure::Connect)?;
        if self.config.completely_insecure {
            return open(stream, None).await;
        }
        let tls = self.tls(target, material)?;
        let name = ServerName::try_from(address.to_owned())
            .map_err(|_| Failure::Dns(io::Error::new(io::ErrorKind::InvalidInput, "neither a name nor an address")))?;
        let stream = tokio_rustls::TlsConnector::from(tls).connect(name, stream).await.map_err(|error| {
            // What rustls itself says is wrapped; anything else is the connection.
            if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
                Failure::Tls(error)
            } else {
                Failure::Reset(format!("during the TLS handshake: {error}"))
            }
        })?;
        let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let expires = leaf.and_then(|leaf| x509_parser::parse_x509_certificate(leaf).ok());
        let expires = expires.map(|(_, leaf)| leaf.validity().not_after.timestamp().saturating_mul(1000));
        if self.config.verify == Verify::Pin
            && let Some(key) = leaf.and_then(Key::of)
        {
            let mut nodes = self.nodes.lock();
            nodes.entry(Arc::clone(&target.node)).or_default().pin.get_or_insert(key);
        }
        open(stream, expires).await
    }

    fn tls(&self, target: &Target, material: &Material) -> Result<Arc<ClientConfig>, Failure> {
        let mut nodes = self.nodes.lock();
        let client = nodes.entry(Arc::clone(&target.node)).or_default();
        // Keys come and go with annotations; connections are rare enough to make the settings anew for each.
        let kept = self.config.verify != Verify::Pin && client.generation == material.generation;
        if let Some(tls) = client.tls.clone().filter(|_| kept) {
            return Ok(tls);
        }
        let provider = Arc::clone(&material.provider);
        let algorithms = provider.signature_verification_algorithms;
        let judge = match (&material.authorities, self.config.verify) {
            (None, _) => Judge::Nobody,
            (Some(_), Verify::Pin) => Judge::Pin(target.key.or(client.pin)),
            (Some(authorities), verify) => {
                Judge::Chain { authorities: Arc::clone(authorities), by_node: verify == Verify::AddressOrNode }
            }
        };
        let verifier = NodeVerifier { judge, node: Arc::clone(&target.node), algorithms };
        let unusable = |error: rustls::Error| Failure::Credentials(error.to_string());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut tls = match &material.identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::clone(identity) as _),
            None => builder.with_no_client_auth(),
        };
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        // One kept connection makes full handshakes rare; 5,000 session caches would cost more than they save.
        tls.resumption = rustls::client::Resumption::disabled();
        let tls = Arc::new(tls);
        client.tls = Some(Arc::clone(&tls));
        client.generation = material.generation;
        Ok(tls)
    }
}

async fn open<S>(stream: S, expires: Option<Millis>) -> Result<Opened, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let received = Arc::<AtomicU64>::default();
    let stream = TokioIo::new(Counted { stream, received: Arc::clone(&received) });
    let (sender, connection) =
        Builder::new().max_buf_size(BUFFER).handshake(stream).await.map_err(|error| broken(&error, false))?;
    // Ends with its sender or its stream. Its error arrives at the request as well.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a kubelet's connection ended");
        }
    });
    Ok((sender, received, expires))
}
