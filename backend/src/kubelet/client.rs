//! Asks one kubelet for its page: address, connection, TLS, credentials, bounds.
//!
//! One HTTP/1.1 connection per node is kept and used again. The deadline covers the whole page. One more attempt is
//! made after a second, only when the connection broke before any byte of an answer. Redirects are not followed and no
//! proxy of the environment is used.

use super::body::{Page, error_text};
use super::config::{Config, KubeletCredentials, TokenSource};
use super::connect::Connection;
use super::failure::Failure;
use super::material::{Material, files, unreadable};
use super::meters::Meters;
use super::verify::Key;
use crate::now::unix_millis;
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, HOST};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use parking_lot::Mutex;
use rustls::ClientConfig;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use wire::Millis;

pub(super) use super::target::Target;

/// Before the one other attempt.
const RETRY: Duration = Duration::from_secs(1);
/// A page as it came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    /// When the request was sent, by our clock.
    pub(super) sent: Millis,
    /// Where it came from.
    pub(super) address: String,
    /// What of it went over the wire, with its headers and before TLS.
    pub(super) wire: u64,
    /// When the certificate it came by ends.
    pub(super) expires: Option<Millis>,
}

/// A failure and the address it happened at (empty: before any).
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) failure: Failure,
    pub(super) address: String,
}

/// The clients of all kubelets.
#[derive(Debug)]
pub(super) struct Kubelets {
    pub(super) config: Config,
    pub(super) credentials: KubeletCredentials,
    pub(super) current: ArcSwap<Material>,
    pub(super) token_read: Mutex<Option<Instant>>,
    pub(super) nodes: Mutex<HashMap<Arc<str>, NodeClient>>,
    /// Counts the attempts that fail.
    pub(super) meters: Meters,
}

#[derive(Debug, Default)]
pub(super) struct NodeClient {
    pub(super) generation: u64,
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// The address that worked and since when it has been tried first.
    pub(super) remembered: Option<(String, Instant)>,
    /// Not in use; taken out for a request.
    pub(super) idle: Option<Connection>,
    /// The key of the first certificate, where keys are what nodes are known by.
    pub(super) pin: Option<Key>,
}

// === impl Kubelets ===

impl Kubelets {
    /// # Errors
    /// [`Failure::Credentials`] when a file of the configuration cannot be used: fatal at start.
    pub(super) fn new(config: Config, credentials: KubeletCredentials, meters: Meters) -> Result<Self, Failure> {
        let read = |path: &Option<std::path::PathBuf>| {
            path.as_deref().map(|path| std::fs::read(path).map_err(|error| unreadable(path, &error))).transpose()
        };
        let [authority, certificate, key] = files(&config, &credentials);
        let files = [read(&authority)?, read(&certificate)?, read(&key)?];
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
            meters,
        })
    }

    /// Forgets connections to nodes that are no more.
    pub(super) fn retain(&self, known: impl Fn(&Arc<str>) -> bool) {
        self.nodes.lock().retain(|node, _| known(node));
    }

    /// The node's page before `deadline`.
    pub(super) async fn fetch(&self, target: &Target, deadline: Instant) -> Result<Answer, Failed> {
        let begun = Instant::now();
        let nowhere = |failure: Failure| {
            self.meters.failed(failure.code());
            Failed { failure, address: String::new() }
        };
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
        answer.unwrap_or_else(|_| Err(nowhere(Failure::Timeout(deadline - begun)))).map_err(|failed| Failed {
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
        let failed = |failure: Failure| {
            self.meters.failed(failure.code());
            Failed { failure, address: authority(at, target.port) }
        };
        let (sent, before) = (unix_millis(), connection.received.load(Ordering::Relaxed));
        let request = self.request(target, path, &connection, &material).map_err(failed)?;
        let response = connection.sender.send_request(request).await;
        let response = response.map_err(|error| {
            let begun = connection.received.load(Ordering::Relaxed) > before;
            failed(broken(&error, begun))
        })?;
        let body = self.read(response).await.map_err(failed)?;
        let wire = connection.received.load(Ordering::Relaxed) - before;
        let (address, expires) = (authority(at, target.port), connection.expires);
        self.keep(target, connection);
        Ok(Answer { body, sent, address, wire, expires })
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

/// Why no answer's head came: a broken connection, TLS that ended in an alert, or something that is not HTTP.
pub(super) fn broken(error: &hyper::Error, begun: bool) -> Failure {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let tls = inner.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(tls) = tls.and_then(|tls| tls.downcast_ref::<rustls::Error>()) {
            return Failure::Tls(std::io::Error::other(tls.clone()));
        }
        cause = inner.source();
    }
    if error.is_parse() || begun {
        return Failure::BadBody(format!("not a whole HTTP answer: {error}"));
    }
    Failure::Reset(error.to_string())
}

pub(super) fn authority(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}
