//! The people plane's routes, and the guard before and after all of them.
//!
//! Outside in: limits, base path, foreign headers, cross-site rules, the route, the headers of every response. The
//! guard knows nothing of the routes, so a route that is added later is guarded too.

use super::assets::Assets;
use super::origin::{self, OriginConfig};
use super::tls::Peer;
use super::{headers, signin};
use crate::session::Sessions;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::sync::watch;
use wire::session::Place;

const LARGEST_BODY: usize = 64 * 1024;
const LARGEST_HEADERS: usize = 64 * 1024;
const MOST_HEADERS: usize = 100;
const LONGEST_URL: usize = 8 * 1024;
/// First segments that are no pages.
const SERVICES: [&str; 16] = [
    "a",
    "api",
    "session",
    "claim",
    "sign-out",
    "oidc-start",
    "oidc-callback",
    "ws",
    "stream",
    "poll",
    "send",
    "blob",
    "text",
    "healthz",
    "readyz",
    "place",
];

/// What is set from outside.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `--base-path`, `/taffrail`; empty when the front end strips it or there is none.
    pub base_path: String,
    pub origin: OriginConfig,
    /// `--hsts`.
    pub hsts: bool,
}

/// What the routes serve.
#[derive(Debug)]
pub struct Parts {
    pub sessions: Sessions,
    pub assets: Assets,
    pub config: Config,
    /// `kubernetes` and `now` are filled in when it is asked for.
    pub place: Place,
    /// The API server's version; empty while it is away.
    pub kubernetes: watch::Receiver<String>,
    /// What `readyz` says.
    pub ready: watch::Receiver<bool>,
    /// The live link's routes.
    pub extra: Router,
}

pub(super) type Shared = Arc<Inner>;

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) sessions: Sessions,
    pub(super) config: Config,
    assets: Assets,
    place: Place,
    kubernetes: watch::Receiver<String>,
    ready: watch::Receiver<bool>,
}

/// All routes.
pub fn router(parts: Parts) -> Router {
    let Parts { sessions, assets, config, place, kubernetes, ready, extra } = parts;
    let shared = Arc::new(Inner { sessions, config, assets, place, kubernetes, ready });
    let routes = Router::new()
        .route("/place", get(place_of))
        .route("/session", get(signin::whoami).post(signin::sign_in).delete(signin::sign_out))
        .route("/claim", get(signin::claim))
        .route("/sign-out", post(signin::sign_out))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .fallback(page)
        .with_state(Arc::clone(&shared))
        .merge(extra)
        .layer(DefaultBodyLimit::max(LARGEST_BODY));
    // The guard rewrites the path, so it stands before the router that reads it.
    Router::new().fallback_service(routes).layer(from_fn_with_state(shared, guard))
}

pub(super) fn text(status: StatusCode, line: &'static str) -> Response {
    (status, line).into_response()
}

async fn place_of(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let kubernetes = shared.kubernetes.borrow().clone();
    let place = Place { kubernetes, now: crate::session::now(), ..shared.place.clone() };
    super::refusal::Format::of(&headers).body(StatusCode::OK, &place)
}

async fn readyz(State(shared): State<Shared>) -> Response {
    let ready = *shared.ready.borrow();
    if ready { text(StatusCode::OK, "ok") } else { text(StatusCode::SERVICE_UNAVAILABLE, "starting") }
}

/// A file, or the application for every page path: it says itself when there is no such page.
async fn page(State(shared): State<Shared>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "pages are read with GET");
    }
    let path = uri.path().trim_start_matches('/');
    if let Some(file) = shared.assets.file(path, &headers) {
        return file;
    }
    if let Some(bare) = path.strip_suffix('/') {
        return redirect(bare, uri.query());
    }
    let depth = path.split('/').filter(|segment| !segment.is_empty()).count();
    let first = path.split('/').next().unwrap_or_default();
    if SERVICES.contains(&first) || path.contains("//") {
        return text(StatusCode::NOT_FOUND, "no such file or service");
    }
    shared.assets.page(depth)
}

/// Takes a trailing slash away. Relative: only the browser knows the prefix.
fn redirect(path: &str, query: Option<&str>) -> Response {
    let last = path.rsplit('/').next().unwrap_or_default();
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    match HeaderValue::try_from(format!("../{last}{query}")) {
        Ok(to) if !last.is_empty() => (StatusCode::PERMANENT_REDIRECT, [(LOCATION, to)]).into_response(),
        _ => text(StatusCode::NOT_FOUND, "no such page"),
    }
}

async fn guard(State(shared): State<Shared>, mut request: Request, next: Next) -> Response {
    let peer = shared.config.peer(&request);
    let hsts = shared.config.hsts && peer.tls && !is_loopback(request.headers());
    request.extensions_mut().insert(peer.clone());
    headers::strip(request.headers_mut());
    let mut response = match shared.check(&mut request, &peer) {
        Ok(()) => next.run(request).await,
        Err(refused) => *refused,
    };
    headers::apply(response.headers_mut(), hsts);
    response
}

fn is_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    ["localhost", "127.", "[::1]"].iter().any(|start| host.starts_with(start))
}

// === impl Inner ===

impl Inner {
    fn check(&self, request: &mut Request, peer: &Peer) -> Result<(), Box<Response>> {
        let refuse = |status, line| Err(Box::new(text(status, line)));
        let size = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
        if request.headers().len() > MOST_HEADERS || size > LARGEST_HEADERS {
            return refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "too many or too large headers");
        }
        if request.uri().path_and_query().is_some_and(|path| path.as_str().len() > LONGEST_URL) {
            return refuse(StatusCode::URI_TOO_LONG, "URL is longer than 8 KiB");
        }
        if let Some(redirect) = self.config.below(request.uri()) {
            return Err(Box::new(redirect));
        }
        if !self.config.rebase(request) {
            return refuse(StatusCode::NOT_FOUND, "outside of --base-path");
        }
        if request.method() == Method::OPTIONS {
            return refuse(StatusCode::METHOD_NOT_ALLOWED, "no cross-origin requests here");
        }
        let length =
            request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > LARGEST_BODY) {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "body is larger than 64 KiB");
        }
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return Ok(());
        }
        let headers = request.headers();
        if headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin") {
            return refuse(StatusCode::FORBIDDEN, "cross-site request");
        }
        if headers.contains_key(http::header::ORIGIN)
            && let Err(reason) = origin::allowed(headers, peer, &self.config.origin)
        {
            return refuse(StatusCode::FORBIDDEN, reason);
        }
        if (length.is_some_and(|length| length > 0) || headers.contains_key(TRANSFER_ENCODING)) && !typed(headers) {
            return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "body is neither JSON nor octets");
        }
        // Signing in needs no proof: it proves more. An old cookie must not keep anybody out.
        let signing_in = request.method() == Method::POST && request.uri().path() == "/session";
        if !signing_in && let Some(session) = self.sessions.find_cookie(headers) {
            let proof = headers.get("x-taffrail-proof").and_then(|proof| proof.to_str().ok());
            let proven = proof.is_some_and(|proof| session.proof_matches(proof));
            if session.has_ended() {
                self.sessions.end(&session, session.why());
            }
            if !proven {
                return refuse(StatusCode::FORBIDDEN, "X-Taffrail-Proof is missing or wrong");
            }
        }
        Ok(())
    }
}

fn typed(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    ["application/json", "application/octet-stream"].iter().any(|known| kind.eq_ignore_ascii_case(known))
}

// === impl Config ===

impl Config {
    /// The connection's peer; `tls` also when a trusted proxy ended it. Without a peer nothing is believed.
    fn peer(&self, request: &Request) -> Peer {
        let nobody = || Peer {
            address: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
            tls: false,
            certificates: [].into(),
        };
        let mut peer = request.extensions().get::<Peer>().cloned().unwrap_or_else(nobody);
        let proto = request.headers().get("x-forwarded-proto");
        peer.tls |= self.trusted(&peer) && proto.is_some_and(|proto| proto == "https");
        peer
    }

    /// The peer with the address of whoever spoke to the trusted proxies, for counting failures: the last address of
    /// `X-Forwarded-For` that is not one of them. A loopback peer stays loopback only if nobody stands behind it.
    pub(super) fn client(&self, headers: &HeaderMap, peer: &Peer) -> Peer {
        if !self.trusted(peer) {
            return peer.clone();
        }
        let hops = headers.get_all("x-forwarded-for").into_iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<IpAddr> =
            hops.flat_map(|value| value.split(',')).filter_map(|hop| hop.trim().parse().ok()).collect();
        let client = hops.into_iter().rev().find(|hop| !self.origin.trusted_proxies.trust(*hop));
        Peer { address: client.map_or(peer.address, |ip| SocketAddr::new(ip, 0)), ..peer.clone() }
    }

    fn trusted(&self, peer: &Peer) -> bool {
        self.origin.trusted_proxies.trust(peer.address.ip())
    }

    /// `/taffrail` is sent to `/taffrail/`: relative addresses would otherwise lead out of it.
    fn below(&self, uri: &Uri) -> Option<Response> {
        let base = self.base_path.trim_end_matches('/');
        let last = base.rsplit('/').next().filter(|last| !last.is_empty() && uri.path() == base)?;
        let to = HeaderValue::try_from(format!("{last}/")).ok()?;
        Some((StatusCode::PERMANENT_REDIRECT, [(LOCATION, to)]).into_response())
    }

    /// Takes `--base-path` off. Probes stay at the root whatever it says. False: not below it.
    fn rebase(&self, request: &mut Request) -> bool {
        let base = self.base_path.trim_end_matches('/');
        let path = request.uri().path();
        if base.is_empty() || matches!(path, "/healthz" | "/readyz") {
            return true;
        }
        let Some(rest) = path.strip_prefix(base).filter(|rest| rest.starts_with('/')) else {
            return false;
        };
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let Ok(path) = PathAndQuery::try_from(format!("{rest}{query}")) else { return false };
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = Some(path);
        let Ok(uri) = Uri::from_parts(parts) else { return false };
        *request.uri_mut() = uri;
        true
    }
}
