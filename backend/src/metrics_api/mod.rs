//! `metrics.k8s.io` v1 and v1beta1 behind the API aggregator: discovery, nodes and pods, health.
//!
//! Every request is authenticated, then authorized, then routed: who may not ask learns nothing of what is there. The
//! front proxy's headers are known on this listener alone. Answers are JSON, YAML or protobuf; they are made from [`Latest`]
//! and the caches and wait for nothing else.

mod authn;
mod authz;
mod discovery;
mod health;
mod lists;
mod meters;
mod missing;
mod openapi;
mod request;
mod reviews;
mod routes;
mod sources;
mod status;
mod trust;

use crate::cluster::Objects;
use crate::http::tls;
use crate::kubelet::selector::LabelSelector;
use crate::kubelet::{self, Coverage, Latest};
use crate::notices::Notices;
use authn::Authenticator;
use authz::Authorizer;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use http::header::{CACHE_CONTROL, STRICT_TRANSPORT_SECURITY};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use meters::Meters;
use request::{Asks, Query, Served, Wish};
use routes::Long;
use status::Status;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};
use tower_http::compression::{CompressionLayer, CompressionLevel};

pub use sources::Trusted;
pub use trust::Follower;

/// Plain data: flags of metrics-server by their names.
#[derive(Clone, Debug)]
pub struct Config {
    /// `--metric-resolution`.
    pub resolution: Duration,
    /// `--node-selector`.
    pub node_selector: LabelSelector,
    /// `--authorization-always-allow-paths`.
    pub always_allow_paths: Vec<String>,
    /// `--authentication-token-webhook-cache-ttl`.
    pub token_cache: Duration,
    /// `--authorization-webhook-cache-authorized-ttl`.
    pub allowed_cache: Duration,
    /// `--authorization-webhook-cache-unauthorized-ttl`.
    pub denied_cache: Duration,
    /// Whose certificates are believed.
    pub trusted: Trusted,
    /// `--strict-transport-security-directives`; empty: no such header.
    pub transport_security: String,
    /// `--max-requests-inflight`.
    pub max_requests_inflight: usize,
    /// `--request-timeout`.
    pub request_timeout: Duration,
    /// `--ready-when=serving`: ready as soon as the caches are filled.
    pub ready_when_serving: bool,
    /// `--serve-swap`.
    pub serve_swap: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            resolution: Duration::from_secs(15),
            node_selector: LabelSelector::default(),
            always_allow_paths: ["/healthz", "/readyz", "/livez"].into_iter().map(Into::into).collect(),
            token_cache: Duration::from_secs(10),
            allowed_cache: Duration::from_secs(10),
            denied_cache: Duration::from_secs(10),
            trusted: Trusted::default(),
            transport_security: String::new(),
            max_requests_inflight: 400,
            request_timeout: Duration::from_secs(60),
            ready_when_serving: false,
            serve_swap: true,
        }
    }
}

struct Api {
    config: Config,
    latest: Latest,
    objects: Objects,
    coverage: Coverage,
    scraper: kubelet::Meters,
    meters: Meters,
    draining: watch::Receiver<bool>,
    transport_security: Option<HeaderValue>,
    authenticator: Authenticator,
    authorizer: Authorizer,
    places: Arc<Semaphore>,
}

/// Who reviews for us, and what is answered from.
#[derive(Clone)]
pub struct Parts {
    /// Reviews tokens and reads whom to trust: `--authentication-kubeconfig`, or our own account.
    pub authentication: kube::Client,
    /// Reviews access: `--authorization-kubeconfig`, or our own account.
    pub authorization: kube::Client,
    pub latest: Latest,
    pub objects: Objects,
    pub coverage: Coverage,
    /// What the scraper tells of itself.
    pub scraper: kubelet::Meters,
    /// Where it says that whom to trust cannot be read.
    pub notices: Notices,
    /// True from the first signal to stop on.
    pub draining: watch::Receiver<bool>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("latest", &self.latest).finish_non_exhaustive()
    }
}

/// The routes of the secure port, and what must run for client certificates to be judged.
///
/// # Errors
/// When a file that says whom to trust cannot be used; what to do is in the text.
pub fn build(config: Config, parts: Parts) -> Result<(Router, Follower), String> {
    let Parts { authentication, authorization, latest, objects, coverage, scraper, notices, draining } = parts;
    let meters = Meters::default();
    let (trust, follower) = trust::build(config.trusted.clone(), authentication.clone(), notices)?;
    let transport_security = match config.transport_security.as_str() {
        "" => None,
        text => Some(
            HeaderValue::from_str(text).map_err(|error| format!("--strict-transport-security-directives: {error}"))?,
        ),
    };
    let lives = (config.allowed_cache, config.denied_cache);
    let authorizer = Authorizer::new(authorization, config.always_allow_paths.clone(), lives, meters.clone());
    let api = Api {
        authenticator: Authenticator::new(authentication, trust, config.token_cache, meters.clone()),
        authorizer,
        places: Arc::new(Semaphore::new(config.max_requests_inflight)),
        config,
        latest,
        objects,
        coverage,
        scraper,
        meters,
        draining,
        transport_security,
    };
    let worth = |_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions| extensions.get::<Long>().is_some();
    let compression = CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(worth);
    Ok((Router::new().fallback(answer).layer(compression).with_state(Arc::new(api)), follower))
}

async fn answer(State(api): State<Arc<Api>>, request: Request) -> Response {
    // Nothing here reads a body.
    let (request, _) = request.into_parts();
    let audit = HeaderName::from_static("audit-id");
    let id = request.headers.get(&audit).cloned().or_else(random_id);
    let began = Instant::now();
    let query = Query::parse(request.uri.query());
    let asks = Asks::of(&request.method, request.uri.path(), &query);
    let wish = Wish::of(&request.headers, &query);
    let answer =
        tokio::time::timeout(api.config.request_timeout, Box::pin(api.answer(&request, (&asks, &query, &wish)))).await;
    let late =
        || Status::new(504, "Timeout", "Timeout: request did not complete within the allotted timeout").with(&[]);
    let response = answer.unwrap_or_else(|_| Err(late()));
    let mut response = response.unwrap_or_else(|status| status.response(wish.media(), wish.pretty));
    if let Some(resource) = &asks.resource {
        let (verb, encoding) = (meters::verb(&asks.verb), wish.media().word());
        // Clients can invent names; these would be series for ever.
        let Served { version, plural } = resource.served.unwrap_or(Served { version: "other", plural: "other" });
        let (scope, code) = (resource.scope(), response.status().as_u16());
        let request = meters::Request { resource: plural, version, verb, scope, encoding, code };
        api.meters.request(request, began.elapsed());
    }
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache, private"));
    if let Some(value) = &api.transport_security {
        headers.insert(STRICT_TRANSPORT_SECURITY, value.clone());
    }
    if let Some(id) = id {
        headers.insert(audit, id);
    }
    response
}

impl Api {
    async fn answer(
        &self,
        request: &http::request::Parts,
        (asks, query, wish): (&Asks, &Query, &Wish<'_>),
    ) -> Result<Response, Status> {
        let user = self.authenticator.who(&request.headers, request.extensions.get::<tls::Peer>()).await?;
        let place = Arc::clone(&self.places).try_acquire_owned().ok();
        if place.is_none() && !user.is_master() {
            return Err(Status::bare(429, "Too many requests, please try again later."));
        }
        let uri = request.uri.path_and_query().map(http::uri::PathAndQuery::as_str).unwrap_or_default();
        self.authorizer.check(&user, asks, uri).await?;
        self.route(request, (asks, query, wish), place).await
    }

    fn is_filled(&self) -> bool {
        self.objects.nodes.is_filled() && self.objects.pods.is_filled()
    }
}

/// A version 4 UUID.
fn random_id() -> Option<HeaderValue> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    let number = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{number:032x}");
    let parts = [hex.get(..8)?, hex.get(8..12)?, hex.get(12..16)?, hex.get(16..20)?, hex.get(20..)?];
    HeaderValue::from_str(&parts.join("-")).ok()
}
