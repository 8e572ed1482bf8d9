//! Asks one kubelet for its page: address, connection, TLS, credentials, bounds.
//!
//! One HTTP/1.1 connection per node is kept and used again. The deadline covers the whole page. One more attempt is
//! made after a second, only when the connection broke before any byte of an answer. Redirects are not followed and no
//! proxy of the environment is used.

use super::config::{Config, KubeletCredentials, TokenSource};
use super::failure::Failure;
use super::verify::NodeVerifier;
use crate::cluster::kinds::Node;
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, HOST};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::collections::HashMap;
use std::io;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::warn;
use wire::Millis;

/// Before the one other attempt.
const RETRY: Duration = Duration::from_secs(1);
/// The most that one address may take to connect while others wait.
const CONNECT: Duration = Duration::from_secs(2);
/// A remembered address is given up for the preferred order after this.
const REMEMBER: Duration = Duration::from_secs(600);
/// A token's file is read again after this.
const TOKEN_AGE: Duration = Duration::from_secs(60);
/// Of an error's body: enough for the kubelet's sentence.
const ERROR_TEXT: usize = 1024;
/// Pages gzip 8 to 1; what grows more than this is no page.
const GZIP_RATIO: usize = 200;
/// Below this size the ratio says nothing.
const GZIP_SLACK: usize = 1 << 20;

/// A page as it came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    /// When the request was sent, by our clock.
    pub(super) sent: Millis,
}

/// A failure and the address it happened at (empty: before any).
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) failure: Failure,
    pub(super) address: String,
}

/// What a scrape needs to know of a node.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) node: Arc<str>,
    addresses: Vec<String>,
    port: u16,
    path: Option<String>,
}

/// The clients of all kubelets.
#[derive(Debug)]
pub(super) struct Kubelets {
    config: Config,
    credentials: KubeletCredentials,
    current: ArcSwap<Material>,
    token_read: Mutex<Option<Instant>>,
    nodes: Mutex<HashMap<Arc<str>, NodeClient>>,
}

/// Credentials as last read; a new one means new connections.
#[derive(Debug)]
struct Material {
    /// `None`: plain HTTP or unverified.
    roots: Option<Arc<RootCertStore>>,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    token: Option<http::HeaderValue>,
    /// The bytes it was made of.
    source: [Option<Vec<u8>>; 3],
    generation: u64,
}

#[derive(Debug, Default)]
struct NodeClient {
    generation: u64,
    tls: Option<Arc<ClientConfig>>,
    /// The address that worked and since when it has been tried first.
    remembered: Option<(String, Instant)>,
    /// Not in use; taken out for a request.
    idle: Option<Connection>,
}

#[derive(Debug)]
struct Connection {
    address: String,
    port: u16,
    generation: u64,
    sender: SendRequest<Empty<Bytes>>,
}

// === impl Target ===

impl Target {
    pub(super) fn of(node: &Node, config: &Config) -> Self {
        let of_type = |kind: &String| {
            let kind = kind.clone();
            node.addresses.iter().filter(move |(known, _)| **known == *kind).map(|(_, address)| address.to_string())
        };
        let port = if config.use_node_status_port && node.kubelet_port != 0 { node.kubelet_port } else { config.port };
        let path = node.metrics_path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/metrics/resource");
        Self {
            node: Arc::clone(&node.meta.name),
            addresses: config.address_types.iter().flat_map(of_type).collect(),
            port,
            path: path.starts_with('/').then(|| path.to_owned()),
        }
    }
}

// === impl Kubelets ===

impl Kubelets {
    /// # Errors
    /// [`Failure::Credentials`] when a file of the configuration cannot be used: fatal at start.
    pub(super) fn new(config: Config, credentials: KubeletCredentials) -> Result<Self, Failure> {
        let read = |path: &Option<std::path::PathBuf>| {
            path.as_deref().map(|path| std::fs::read(path).map_err(|error| unreadable(path, &error))).transpose()
        };
        let files =
            [read(&config.certificate_authority)?, read(&config.client_certificate)?, read(&config.client_key)?];
        let token = match &credentials.token {
            TokenSource::Static(token) => Some(token.clone()),
            TokenSource::File(path) => Some(std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?),
            TokenSource::None => None,
        };
        let material = Material::new(&config, &credentials, files, token.as_deref(), 1)?;
        Ok(Self {
            config,
            credentials,
            current: ArcSwap::from_pointee(material),
            token_read: Mutex::new(Some(Instant::now())),
            nodes: Mutex::default(),
        })
    }

    /// Reads tokens and certificates again where they may have changed; what cannot be read stays as it was.
    pub(super) async fn refresh(&self) {
        let old = self.current.load_full();
        let config = &self.config;
        let paths = [&config.certificate_authority, &config.client_certificate, &config.client_key];
        let mut source = old.source.clone();
        for (path, slot) in paths.into_iter().zip(&mut source) {
            let Some(path) = path else { continue };
            match tokio::fs::read(path).await {
                Ok(bytes) => *slot = Some(bytes),
                Err(error) => warn!(path = %path.display(), %error, "cannot read again; the old one stays"),
            }
        }
        let mut token = None;
        let due = self.token_read.lock().is_none_or(|read| read.elapsed() >= TOKEN_AGE);
        if let (TokenSource::File(path), true) = (&self.credentials.token, due) {
            match tokio::fs::read_to_string(path).await {
                Ok(text) => token = Some(text),
                Err(error) => warn!(path = %path.display(), %error, "cannot read the token again; the old one stays"),
            }
            *self.token_read.lock() = Some(Instant::now());
        }
        let changed = source != old.source;
        if !changed && token.is_none() {
            return;
        }
        let generation = old.generation + u64::from(changed);
        match Material::new(config, &self.credentials, source, token.as_deref(), generation) {
            Ok(mut material) => {
                if token.is_none() {
                    material.token.clone_from(&old.token);
                }
                self.current.store(Arc::new(material));
            }
            Err(error) => warn!(%error, "new kubelet credentials are unusable; the old ones stay"),
        }
    }

    /// Forgets connections to nodes that are no more.
    pub(super) fn retain(&self, known: impl Fn(&Arc<str>) -> bool) {
        self.nodes.lock().retain(|node, _| known(node));
    }

    /// The node's page before `deadline`.
    pub(super) async fn fetch(&self, target: &Target, deadline: Instant) -> Result<Answer, Failed> {
        let begun = Instant::now();
        let nowhere = |failure| Failed { failure, address: String::new() };
        let Some(path) = &target.path else { return Err(nowhere(Failure::BadPath)) };
        if target.addresses.is_empty() {
            return Err(nowhere(Failure::NoAddress));
        }
        let mut at = target.addresses.first().cloned().unwrap_or_default();
        let attempts = async {
            let first = self.attempt(target, path, deadline, &mut at).await;
            match first {
                Err(failed) if failed.failure.is_retried() && Instant::now() + RETRY < deadline => {
                    tokio::time::sleep(RETRY).await;
                    self.attempt(target, path, deadline, &mut at).await
                }
                other => other,
            }
        };
        let answer = timeout_at(deadline, attempts).await;
        answer
            .unwrap_or_else(|_| Err(Failed { failure: Failure::Timeout(deadline - begun), address: String::new() }))
            .map_err(|failed| Failed {
                address: if failed.address.is_empty() { authority(&at, target.port) } else { failed.address },
                ..failed
            })
    }

    async fn attempt(&self, target: &Target, path: &str, deadline: Instant, at: &mut String) -> Result<Answer, Failed> {
        let material = self.current.load_full();
        let reused = self.idle(target, &material);
        let mut connection = match reused {
            Some(connection) => connection,
            None => self.connect(target, &material, deadline, at).await?,
        };
        at.clone_from(&connection.address);
        let failed = |failure| Failed { failure, address: authority(at, target.port) };
        let sent = unix_millis();
        let request = self.request(target, path, &connection, &material).map_err(failed)?;
        let response = connection.sender.send_request(request).await.map_err(|error| failed(broken(&error)))?;
        let body = self.read(response).await.map_err(failed)?;
        self.keep(target, connection);
        Ok(Answer { body, sent })
    }

    /// The kept connection, if it still leads to an address of the node.
    fn idle(&self, target: &Target, material: &Material) -> Option<Connection> {
        let idle = self.nodes.lock().get_mut(&target.node)?.idle.take()?;
        let fits = idle.port == target.port
            && idle.generation == material.generation
            && target.addresses.contains(&idle.address)
            && !idle.sender.is_closed()
            && idle.sender.is_ready();
        fits.then_some(idle)
    }

    fn keep(&self, target: &Target, connection: Connection) {
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
    async fn connect(
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
                Ok(sender) => {
                    let (address, generation) = (address.clone(), material.generation);
                    return Ok(Connection { address, port: target.port, generation, sender });
                }
                Err(failure) => {
                    let next = failure.is_of_address();
                    // A name that does not resolve says less than an address that refuses.
                    if last.is_none() || !matches!(failure, Failure::Dns(_)) {
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
    ) -> Result<SendRequest<Empty<Bytes>>, Failure> {
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
            return open(stream).await;
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
        open(stream).await
    }

    fn tls(&self, target: &Target, material: &Material) -> Result<Arc<ClientConfig>, Failure> {
        let mut nodes = self.nodes.lock();
        let client = nodes.entry(Arc::clone(&target.node)).or_default();
        if let Some(tls) = client.tls.clone().filter(|_| client.generation == material.generation) {
            return Ok(tls);
        }
        let provider = default_provider();
        let algorithms = provider.signature_verification_algorithms;
        let verifier = NodeVerifier { roots: material.roots.clone(), node: Arc::clone(&target.node), algorithms };
        let unusable = |error: rustls::Error| Failure::Credentials(error.to_string());
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut tls = match &material.identity {
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(unusable)?,
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

    fn request(
        &self,
        target: &Target,
        path: &str,
        connection: &Connection,
        material: &Material,
    ) -> Result<http::Request<Empty<Bytes>>, Failure> {
        let mut request = http::Request::get(path)
            .header(HOST, authority(&connection.address, target.port))
            .header(ACCEPT, "text/plain")
            .header(ACCEPT_ENCODING, "gzip");
        if !self.config.completely_insecure
            && material.identity.is_none()
            && let Some(token) = &material.token
        {
            request = request.header(AUTHORIZATION, token);
        }
        request.body(Empty::new()).map_err(|_| Failure::BadPath)
    }

    async fn read(&self, response: http::Response<Incoming>) -> Result<Vec<u8>, Failure> {
        let status = response.status().as_u16();
        let gzip = response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding.as_bytes() == b"gzip");
        let mut body = response.into_body();
        if status != 200 {
            if status == 401 {
                *self.token_read.lock() = None;
            }
            return Err(Failure::Status(status, error_text(body).await));
        }
        let mut page = Page::new(gzip, self.config.max_body_bytes);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Failure::BadBody(format!("it broke off: {error}")))?;
            if let Ok(data) = frame.into_data() {
                page.write(&data)?;
            }
        }
        page.finish()
    }
}

// === impl Material ===

impl Material {
    fn new(
        config: &Config,
        credentials: &KubeletCredentials,
        source: [Option<Vec<u8>>; 3],
        token: Option<&str>,
        generation: u64,
    ) -> Result<Self, Failure> {
        let [authority, certificate, key] = &source;
        let pem = |error: rustls_pki_types::pem::Error| Failure::Credentials(error.to_string());
        let verified = !config.completely_insecure && (!config.insecure_tls || authority.is_some());
        let roots = if verified {
            let mut roots = RootCertStore::empty();
            if let Some(bytes) = authority.as_ref().or(credentials.ca_pem.as_ref()) {
                for der in CertificateDer::pem_slice_iter(bytes) {
                    roots.add(der.map_err(pem)?).map_err(|error| Failure::Credentials(error.to_string()))?;
                }
            }
            Some(Arc::new(roots))
        } else {
            None
        };
        let certificate = certificate.as_ref().or(credentials.client_cert_pem.as_ref());
        let key = key.as_ref().or(credentials.client_key_pem.as_ref());
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) if !config.completely_insecure => Some((
                CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>().map_err(pem)?,
                PrivateKeyDer::from_pem_slice(key).map_err(pem)?,
            )),
            _ => None,
        };
        let token = token.map(str::trim).filter(|token| !token.is_empty());
        let token = token
            .map(|token| {
                let mut value = http::HeaderValue::from_str(&format!("Bearer {token}"))
                    .map_err(|_| Failure::Credentials("the token is not a header's text".into()))?;
                value.set_sensitive(true);
                Ok(value)
            })
            .transpose()?;
        Ok(Self { roots, identity, token, source, generation })
    }
}

/// A body that is taken in piece by piece and never grows beyond its bounds.
enum Page {
    Plain(Bounded),
    Gzip(Box<flate2::write::GzDecoder<Bounded>>),
}

struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    /// Raised with every compressed byte.
    allowed: usize,
    over: bool,
}

impl Write for Bounded {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + data.len() > self.limit.min(self.allowed) {
            self.over = true;
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "over the bound"));
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn new(gzip: bool, limit: usize) -> Self {
        let allowed = if gzip { GZIP_SLACK } else { usize::MAX };
        let bounded = Bounded { bytes: Vec::new(), limit, allowed, over: false };
        if gzip { Self::Gzip(Box::new(flate2::write::GzDecoder::new(bounded))) } else { Self::Plain(bounded) }
    }

    fn write(&mut self, data: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Plain(bounded) => bounded.write_all(data).map_err(|error| bounded.failure(&error)),
            Self::Gzip(gzip) => {
                let bounded = gzip.get_mut();
                bounded.allowed = bounded.allowed.saturating_add(data.len().saturating_mul(GZIP_RATIO));
                gzip.write_all(data).map_err(|error| gzip.get_ref().failure(&error))
            }
        }
    }

    fn finish(self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Plain(bounded) => Ok(bounded.bytes),
            Self::Gzip(mut gzip) => {
                gzip.try_finish().map_err(|error| gzip.get_ref().failure(&error))?;
                Ok(std::mem::take(&mut gzip.get_mut().bytes))
            }
        }
    }
}

impl Bounded {
    fn failure(&self, error: &io::Error) -> Failure {
        if self.over { Failure::TooLarge(self.limit) } else { Failure::BadBody(format!("not gzip: {error}")) }
    }
}

async fn open<S>(stream: S) -> Result<SendRequest<Empty<Bytes>>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    // Ends with its sender or its stream. Its error arrives at the request as well.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a kubelet's connection ended");
        }
    });
    Ok(sender)
}

/// Why no answer began: a broken connection, or something that is not HTTP.
fn broken(error: &hyper::Error) -> Failure {
    if error.is_parse() { Failure::BadBody(format!("not HTTP: {error}")) } else { Failure::Reset(error.to_string()) }
}

async fn error_text(mut body: Incoming) -> String {
    let mut text = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            text.extend_from_slice(&data);
        }
        if text.len() >= ERROR_TEXT {
            text.truncate(ERROR_TEXT);
            break;
        }
    }
    String::from_utf8_lossy(&text).chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned()
}

fn authority(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::Credentials(format!("cannot read {}: {error}", path.display()))
}

fn unix_millis() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}
