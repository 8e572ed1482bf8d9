//! Who asks: the front proxy's word, a client certificate, a bearer token, or nobody. The chain of Kubernetes'
//! delegated authentication.
//!
//! The front proxy's headers are looked at only when the connection's certificate chains to the request-header
//! authority of this moment, which [`trust`](super::trust) follows.

use super::meters::Meters;
use super::reviews::Reviews;
use super::sources::Sources;
use super::status::Status;
use super::trust::Trust;
use crate::http::tls::Peer;
use crate::now::jitter;
use futures::FutureExt;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::api::{Api, PostParams};
use parking_lot::Mutex;
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tracing::warn;

/// Refused certificates that are remembered as logged.
const LOGGED: usize = 256;
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
    trust: Trust,
    meters: Meters,
    tokens: Reviews<[u8; 32], Option<User>>,
    /// Digests of refused certificates that the log has. Held for one insertion.
    logged: Mutex<HashSet<[u8; 32]>>,
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
    pub(super) fn new(client: kube::Client, trust: Trust, life: Duration, meters: Meters) -> Self {
        Self {
            client,
            trust,
            meters,
            tokens: Reviews::new((life, life), |_, (life, _)| life),
            logged: Mutex::default(),
        }
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
        let unready = |why| Status::unavailable(format!("authentication is not ready: {why}"));
        let sources = self.trust.sources().await.map_err(unready)?;
        let step = judge(&sources, headers, chain);
        if matches!(step, Step::Refused) {
            self.trust.doubt();
            self.log_refused(chain, &sources);
        }
        Ok(step)
    }

    /// Once per certificate: elsewhere a front proxy that is not believed shows only as a 401.
    fn log_refused(&self, chain: &[CertificateDer<'static>], sources: &Sources) {
        let Some(leaf) = chain.first() else { return };
        {
            let mut logged = self.logged.lock();
            if logged.len() >= LOGGED {
                logged.clear();
            }
            if !logged.insert(Sha256::digest(leaf).into()) {
                return;
            }
        }
        let Ok((_, leaf)) = x509_parser::parse_x509_certificate(leaf) else { return };
        let (subject, issuer, validity) = (leaf.subject(), leaf.issuer(), leaf.validity());
        let (proxies, clients) = (&sources.proxies.subjects, &sources.clients.subjects);
        warn!(
            %subject, %issuer, from = %validity.not_before, to = %validity.not_after, ?proxies, ?clients,
            "a client certificate is by no authority of kube-system/extension-apiserver-authentication, or not allowed"
        );
    }

    async fn by_token(&self, headers: &HeaderMap) -> Step {
        let header = headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok()).unwrap_or_default();
        // As Kubernetes parts it: what follows a second space is not looked at.
        let mut parts = header.trim().splitn(3, ' ');
        let (Some(scheme), Some(token)) = (parts.next(), parts.next()) else { return Step::NoOpinion };
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
            return Step::NoOpinion;
        }
        let (client, owned) = (self.client.clone(), token.to_owned());
        let (answer, cached) =
            self.tokens.get(Sha256::digest(token).into(), move || review(client, owned).boxed()).await;
        let result = match &answer {
            Ok(Some(_)) => "authenticated",
            Ok(None) => "refused",
            Err(_) => "error",
        };
        self.meters.reviewed("token", result, cached);
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

fn judge(sources: &Sources, headers: &HeaderMap, chain: &[CertificateDer<'static>]) -> Step {
    let subject = subject(chain);
    let mut refused = false;
    if !sources.proxies.is_empty() {
        let (name, names) = (&subject.0, &sources.proxy_names);
        if sources.proxies.vouch_for(chain) && (names.is_empty() || names.contains(name)) {
            if let Some(user) = sources.told(headers) {
                return Step::User(user);
            }
        } else {
            refused = true;
        }
    }
    if !sources.clients.is_empty() {
        if !sources.clients.vouch_for(chain) {
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

/// CN and all O of the leaf.
fn subject(chain: &[CertificateDer<'static>]) -> (String, Vec<String>) {
    let parsed = chain.first().and_then(|leaf| x509_parser::parse_x509_certificate(leaf).ok());
    let Some((_, leaf)) = parsed else { return (String::new(), Vec::new()) };
    let subject = leaf.subject();
    let name = subject.iter_common_name().find_map(|name| name.as_str().ok()).unwrap_or_default().to_owned();
    let groups = subject.iter_organization().filter_map(|name| name.as_str().ok()).map(str::to_owned).collect();
    (name, groups)
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
                Err(error) if is_transient(&error) => tokio::time::sleep(pause.mul_f64(1.0 + jitter() / 5.0)).await,
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
