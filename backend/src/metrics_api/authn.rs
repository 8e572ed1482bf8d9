//! Who asks: the front proxy's word, a client certificate, a bearer token, or nobody. The chain of Kubernetes'
//! delegated authentication.
//!
//! The front proxy's headers are looked at only when the connection's certificate chains to the request-header
//! authority of this moment. Authorities come from the ConfigMap `kube-system/extension-apiserver-authentication`; it
//! is read when a certificate is shown and the last reading is older than [`FRESH`], or when a chain fails, so that a
//! rotation is in effect at once and an idle plane asks nothing.

use super::request::decoded;
use super::reviews::Reviews;
use super::status::Status;
use crate::http::tls::Peer;
use arc_swap::ArcSwapOption;
use futures::FutureExt;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tracing::warn;

/// Authorities read longer ago than this are read again before a certificate is judged.
const FRESH: Duration = Duration::from_secs(30);
/// Between two readings because of a chain that failed: a storm of bad certificates is not passed on.
const AGAIN: Duration = Duration::from_secs(1);
/// One review, all its attempts together.
const REVIEW: Duration = Duration::from_secs(10);

/// An authenticated caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) groups: Vec<String>,
    pub(super) extra: BTreeMap<String, Vec<String>>,
}

pub(super) struct Authenticator {
    client: kube::Client,
    sources: ArcSwapOption<Sources>,
    /// One reading at a time.
    gate: Semaphore,
    tokens: Reviews<[u8; 32], Option<User>>,
}

/// The ConfigMap as last read.
#[derive(Debug)]
struct Sources {
    read: Instant,
    clients: Vec<TrustAnchor<'static>>,
    proxies: Vec<TrustAnchor<'static>>,
    proxy_names: Vec<String>,
    user_headers: Vec<String>,
    group_headers: Vec<String>,
    uid_headers: Vec<String>,
    extra_prefixes: Vec<String>,
}

/// What one step of the chain says.
enum Step {
    User(User),
    NoOpinion,
    Refused,
}

impl User {
    pub(super) fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == "system:masters")
    }

    fn anonymous() -> Self {
        Self { name: "system:anonymous".into(), groups: vec!["system:unauthenticated".into()], ..Self::default() }
    }

    fn authenticated(mut self) -> Self {
        let told = |group: &String| group == "system:authenticated" || group == "system:unauthenticated";
        if !self.groups.iter().any(told) && self.name != "system:anonymous" {
            self.groups.push("system:authenticated".into());
        }
        self
    }
}

// === impl Authenticator ===

impl Authenticator {
    pub(super) fn new(client: kube::Client, life: Duration) -> Self {
        Self { client, sources: ArcSwapOption::empty(), gate: Semaphore::new(1), tokens: Reviews::new(life) }
    }

    pub(super) async fn who(&self, headers: &HeaderMap, peer: Option<&Peer>) -> Result<User, Status> {
        let mut refused = false;
        let certificates = peer.map(|peer| Arc::clone(&peer.certificates)).unwrap_or_default();
        if !certificates.is_empty() {
            match self.by_certificate(headers, &certificates).await? {
                Step::User(user) => return Ok(user.authenticated()),
                Step::NoOpinion => {}
                Step::Refused => refused = true,
            }
        }
        match self.by_token(headers).await {
            Step::User(user) => return Ok(user.authenticated()),
            Step::NoOpinion => {}
            Step::Refused => refused = true,
        }
        if refused { Err(Status::new(401, "Unauthorized", "Unauthorized")) } else { Ok(User::anonymous()) }
    }

    async fn by_certificate(&self, headers: &HeaderMap, chain: &[CertificateDer<'static>]) -> Result<Step, Status> {
        let sources = self.sources(FRESH).await?;
        match judge(&sources, headers, chain) {
            Step::Refused => {
                let newer = self.sources(AGAIN).await?;
                let step = judge(&newer, headers, chain);
                if matches!(step, Step::Refused) && !Arc::ptr_eq(&sources, &newer) {
                    log_refused(chain);
                }
                Ok(step)
            }
            step => Ok(step),
        }
    }

    /// The authorities, read within `age`.
    async fn sources(&self, age: Duration) -> Result<Arc<Sources>, Status> {
        let fresh = || self.sources.load_full().filter(|sources| sources.read.elapsed() < age);
        if let Some(sources) = fresh() {
            return Ok(sources);
        }
        let unready = |why: String| Status::unavailable(format!("authentication is not ready: {why}"));
        let gate = self.gate.acquire().await.map_err(|error| unready(error.to_string()))?;
        if let Some(sources) = fresh() {
            return Ok(sources);
        }
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), "kube-system");
        let read = tokio::time::timeout(REVIEW / 2, api.get("extension-apiserver-authentication")).await;
        let read = match read {
            Ok(Ok(map)) => Sources::of(&map),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the API server did not answer in time".into()),
        };
        let sources = match (read, self.sources.load_full()) {
            (Ok(sources), _) => Arc::new(sources),
            (Err(error), Some(old)) => {
                warn!(%error, "cannot read kube-system/extension-apiserver-authentication again; the old one stays");
                Arc::new(old.again())
            }
            (Err(error), None) => {
                warn!(%error, "cannot read kube-system/extension-apiserver-authentication; our role must allow it");
                return Err(unready(error));
            }
        };
        self.sources.store(Some(Arc::clone(&sources)));
        drop(gate);
        Ok(sources)
    }

    async fn by_token(&self, headers: &HeaderMap) -> Step {
        let header = headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok()).unwrap_or_default();
        let Some((scheme, token)) = header.trim().split_once(' ') else { return Step::NoOpinion };
        let token = token.trim();
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
            return Step::NoOpinion;
        }
        let (client, owned) = (self.client.clone(), token.to_owned());
        let answer = self.tokens.get(Sha256::digest(token).into(), move || review(client, owned).boxed()).await;
        match answer {
            Ok(Some(user)) => Step::User(user),
            Ok(None) => Step::Refused,
            Err(error) => {
                warn!(%error, "cannot review a token");
                Step::Refused
            }
        }
    }
}

// === impl Sources ===

impl Sources {
    fn of(map: &ConfigMap) -> Result<Self, String> {
        let data = map.data.as_ref();
        let text = |key: &str| data.and_then(|data| data.get(key)).map(String::as_str).unwrap_or_default();
        let list = |key: &str| -> Result<Vec<String>, String> {
            let text = text(key).trim();
            if text.is_empty() {
                return Ok(Vec::new());
            }
            serde_json::from_str(text).map_err(|error| format!("{key}: {error}"))
        };
        Ok(Self {
            read: Instant::now(),
            clients: anchors(text("client-ca-file"))?,
            proxies: anchors(text("requestheader-client-ca-file"))?,
            proxy_names: list("requestheader-allowed-names")?,
            user_headers: list("requestheader-username-headers")?,
            group_headers: list("requestheader-group-headers")?,
            uid_headers: list("requestheader-uid-headers")?,
            extra_prefixes: list("requestheader-extra-headers-prefix")?,
        })
    }

    fn again(&self) -> Self {
        Self {
            read: Instant::now(),
            clients: self.clients.clone(),
            proxies: self.proxies.clone(),
            proxy_names: self.proxy_names.clone(),
            user_headers: self.user_headers.clone(),
            group_headers: self.group_headers.clone(),
            uid_headers: self.uid_headers.clone(),
            extra_prefixes: self.extra_prefixes.clone(),
        }
    }

    /// The user whom the (verified) front proxy names.
    fn told(&self, headers: &HeaderMap) -> Option<User> {
        let all = |name: &String| {
            let values = headers.get_all(name.as_str()).into_iter();
            values.filter_map(|value| value.to_str().ok()).map(str::to_owned).collect::<Vec<_>>()
        };
        let first = |names: &[String]| names.iter().flat_map(all).find(|value| !value.is_empty());
        let mut user = User { name: first(&self.user_headers)?, ..User::default() };
        user.uid = first(&self.uid_headers).unwrap_or_default();
        user.groups = self.group_headers.iter().flat_map(all).collect();
        for (name, value) in headers {
            let prefix = |prefix: &String| name.as_str().strip_prefix(&*prefix.to_ascii_lowercase());
            if let (Some(key), Ok(value)) = (self.extra_prefixes.iter().find_map(prefix), value.to_str()) {
                user.extra.entry(decoded(key, false)).or_default().push(value.to_owned());
            }
        }
        Some(user)
    }
}

fn judge(sources: &Sources, headers: &HeaderMap, chain: &[CertificateDer<'static>]) -> Step {
    let subject = subject(chain);
    let mut refused = false;
    if !sources.proxies.is_empty() {
        let (name, names) = (&subject.0, &sources.proxy_names);
        if chains(chain, &sources.proxies) && (names.is_empty() || names.contains(name)) {
            if let Some(user) = sources.told(headers) {
                return Step::User(user);
            }
        } else {
            refused = true;
        }
    }
    if !sources.clients.is_empty() {
        if !chains(chain, &sources.clients) {
            refused = true;
        } else if !subject.0.is_empty() {
            let digest = chain.first().map(Sha256::digest).unwrap_or_default();
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            let id = ("authentication.kubernetes.io/credential-id".to_owned(), vec![format!("X509SHA256={hex}")]);
            let (name, groups) = subject;
            return Step::User(User { name, groups, extra: BTreeMap::from([id]), ..User::default() });
        }
    }
    if refused { Step::Refused } else { Step::NoOpinion }
}

fn anchors(pem: &str) -> Result<Vec<TrustAnchor<'static>>, String> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(|der| {
            let der = der.map_err(|error| error.to_string())?;
            Ok(webpki::anchor_from_trusted_cert(&der).map_err(|error| error.to_string())?.to_owned())
        })
        .collect()
}

/// Whether the chain leads to an authority and the leaf is a client's.
fn chains(chain: &[CertificateDer<'static>], anchors: &[TrustAnchor<'static>]) -> bool {
    let Some((leaf, intermediates)) = chain.split_first() else { return false };
    let Ok(leaf) = webpki::EndEntityCert::try_from(leaf) else { return false };
    let usage = webpki::KeyUsage::client_auth();
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    leaf.verify_for_usage(algorithms, anchors, intermediates, UnixTime::now(), usage, None, None).is_ok()
}

/// CN and all O of the leaf.
fn subject(chain: &[CertificateDer<'static>]) -> (String, Vec<String>) {
    let parsed = chain.first().and_then(|leaf| x509_parser::parse_x509_certificate(leaf).ok());
    let Some((_, leaf)) = parsed else { return (String::new(), Vec::new()) };
    let subject = leaf.subject();
    let name = subject.iter_common_name().find_map(|name| name.as_str().ok()).unwrap_or_default().to_owned();
    let groups = subject.iter_organization().filter_map(|name| name.as_str().ok()).map(str::to_owned).collect();
    (name, groups)
}

fn log_refused(chain: &[CertificateDer<'static>]) {
    let parsed = chain.first().and_then(|leaf| x509_parser::parse_x509_certificate(leaf).ok());
    let Some((_, leaf)) = parsed else { return };
    let (subject, issuer, validity) = (leaf.subject(), leaf.issuer(), leaf.validity());
    warn!(
        %subject, %issuer, from = %validity.not_before, to = %validity.not_after,
        "a client certificate is by no authority of kube-system/extension-apiserver-authentication, or not allowed"
    );
}

async fn review(client: kube::Client, token: String) -> Result<Option<User>, Arc<str>> {
    let spec = TokenReviewSpec { token: Some(token), ..TokenReviewSpec::default() };
    let review = TokenReview { spec, ..TokenReview::default() };
    let (api, once) = (Api::<TokenReview>::all(client), PostParams::default());
    let status = retried(|| api.create(&once, &review)).await?.status.unwrap_or_default();
    if status.authenticated != Some(true) {
        return Ok(None);
    }
    let user = status.user.unwrap_or_default();
    Ok(Some(User {
        name: user.username.unwrap_or_default(),
        uid: user.uid.unwrap_or_default(),
        groups: user.groups.unwrap_or_default(),
        extra: user.extra.unwrap_or_default(),
    }))
}

/// A call to the API server: up to five attempts on transient errors, 0.5 s × 1.5ⁿ apart, ten seconds in all.
pub(super) async fn retried<T, F>(call: impl Fn() -> F) -> Result<T, Arc<str>>
where
    F: Future<Output = kube::Result<T>>,
{
    let attempts = async {
        let mut pause = Duration::from_millis(500);
        for _ in 0..4 {
            match call().await {
                Err(error) if is_transient(&error) => tokio::time::sleep(pause).await,
                other => return other,
            }
            pause = pause.mul_f32(1.5);
        }
        call().await
    };
    match tokio::time::timeout(REVIEW, attempts).await {
        Ok(answer) => answer.map_err(|error| error.to_string().into()),
        Err(_) => Err("the API server did not answer in time".into()),
    }
}

fn is_transient(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 429 || status.code >= 500,
        kube::Error::HyperError(_) | kube::Error::Service(_) => true,
        _ => false,
    }
}
