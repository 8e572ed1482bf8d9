//! How the API server comes to trust us: our own authority, shared between replicas by a Secret; the certificate we
//! serve, renewed while we run; the `caBundle` of our APIServices.
//!
//! Nothing here is needed for answers: what is not permitted is a [notice](crate::notices), and the process goes on with
//! an authority that lives in its memory.

mod authority;
mod names;
mod registration;
mod secret;

use crate::http::cert::{CertError, Serving};
use crate::notices::Notices;
use authority::{RENEW, SPREAD};
use futures::TryStreamExt as _;
use futures::future::select_all;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::api::{Api, WatchParams};
use kube::core::WatchEvent;
use registration::{NAMES, RegisterError, Registered, register};
use rustls_pki_types::CertificateDer;
use secret::SecretError;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info};
use wire::Say;

pub use authority::{Authority, AuthorityError};
pub use names::names;
pub use secret::ROTATE;

/// Everything is looked at this often, whatever the watches say.
const ROUND: Duration = Duration::from_secs(300);
/// Between two looks, however much changes: an APIService that flaps is not followed step by step.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Seconds asked of the server, which ends a watch then.
const WATCH: u32 = 290;

/// Plain data.
#[derive(Clone, Debug)]
pub struct Config {
    /// `--serving-ca-secret`.
    pub secret: String,
    /// `--service-namespace` and `--service-name`: whose APIServices are ours, and where the Secret is.
    pub service: (String, String),
    /// `--manage-apiservices`.
    pub manage: bool,
    /// Names and addresses in the certificate we serve.
    pub names: Vec<String>,
}

/// Keeps the certificate, the Secret and the APIServices right. The only writer of each.
#[derive(Debug)]
pub struct Registrar {
    config: Config,
    client: Clients,
    serving: Serving,
    notices: Notices,
    /// In memory until the Secret was read.
    authority: Authority,
    shared: bool,
    /// When the leaf that is served was made, and the authority that issued it.
    leaf: (SystemTime, CertificateDer<'static>),
}

struct Clients {
    secrets: Api<Secret>,
    services: Api<APIService>,
}

/// Makes a certificate to serve from the first moment on, by an authority that nobody else knows yet.
///
/// # Errors
/// [`CertError`] when a name fits in no certificate.
pub fn build(config: Config, client: kube::Client, notices: Notices) -> Result<(Serving, Registrar), CertError> {
    let now = SystemTime::now();
    let authority = Authority::new(now)?;
    let leaf = authority.issue(&config.names, now)?;
    let serving = Serving::issued(&leaf.certificate, &leaf.key)?;
    let secrets = Api::namespaced(client.clone(), &config.service.0);
    let client = Clients { secrets, services: Api::all(client) };
    let leaf = (now, authority.newest());
    let registrar = Registrar { config, client, serving: serving.clone(), notices, authority, shared: false, leaf };
    Ok((serving, registrar))
}

// === impl Clients ===

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

// === impl Registrar ===

impl Registrar {
    /// Runs until `stop` resolves.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = stop => {}
            () = self.keep() => {}
        }
    }

    async fn keep(&mut self) {
        let mut pause = PAUSE;
        loop {
            let began = Instant::now();
            let (versions, away) = self.look().await;
            pause = if away { (pause * 2).min(PAUSE_MAX) } else { PAUSE };
            sleep(pause).await;
            if !away {
                let due = (began + self.next(SystemTime::now())).saturating_duration_since(Instant::now());
                // A change or the clock: both mean to look again.
                let _ = timeout(due, changed(&self.client.services, versions)).await;
            }
        }
    }

    /// Looks at everything once: the versions to watch the APIServices from, and whether the API server is away.
    async fn look(&mut self) -> (Vec<(&'static str, String)>, bool) {
        let now = SystemTime::now();
        let mut away = false;
        match secret::shared(&self.client.secrets, &self.config.secret, now).await {
            Ok(authority) => {
                self.shared = true;
                self.authority = authority;
                self.notices.clear("SERVING_CA");
            }
            Err(SecretError::Away(error)) => {
                debug!(%error, "cannot read our Secret now");
                away = true;
            }
            Err(error) => {
                let (namespace, name) = (&self.config.service.0, &self.config.secret);
                let say = Say::new("SERVING_CA").with("secret", format!("{namespace}/{name}"));
                self.notices.set(say.with("cause", error.to_string()));
            }
        }
        self.serve(now);
        if !self.config.manage {
            return (Vec::new(), away);
        }
        let mut versions = Vec::new();
        for name in NAMES {
            match self.register(name).await {
                Some(version) => versions.push((name, version)),
                None => away = true,
            }
        }
        (versions, away)
    }

    /// The version to watch from; `None` when the API server is away.
    async fn register(&self, name: &'static str) -> Option<String> {
        let (namespace, service) = &self.config.service;
        let of = (namespace.as_str(), service.as_str());
        let ended = register(&self.client.services, name, of, &self.authority, self.shared).await;
        let say = |code: &'static str| Say::new(code).with("apiservice", name);
        match ended {
            Ok((version, registered)) => {
                self.notices.clear_of("APISERVICE_RIGHTS", name);
                match registered {
                    Registered::Ours { patched } => {
                        if patched {
                            info!(apiservice = name, "caBundle is now our authority's");
                        }
                        self.notices.clear_of("APISERVICE_OTHERS", name);
                    }
                    // What is not installed is doctor's to say: a start before `kubectl apply` is no problem.
                    Registered::Absent => self.notices.clear_of("APISERVICE_OTHERS", name),
                    Registered::Others(owner) => self.notices.set(
                        say("APISERVICE_OTHERS")
                            .with("owner", if owner.is_empty() { "the API server itself".to_owned() } else { owner })
                            .with("own", format!("{namespace}/{service}")),
                    ),
                }
                Some(version)
            }
            Err(RegisterError::Refused(cause)) => {
                self.notices.set(say("APISERVICE_RIGHTS").with("cause", cause));
                Some(String::new())
            }
            Err(RegisterError::Away(error)) => {
                debug!(apiservice = name, %error, "cannot look at it now");
                None
            }
        }
    }

    /// Exchanges the leaf that is served where it is time.
    fn serve(&mut self, now: SystemTime) {
        let (made, by) = &self.leaf;
        let newest = self.authority.newest();
        // A leaf by an authority that the bundle does not have is of no use to anybody who verifies.
        let known = self.authority.has(by);
        let old = now.duration_since(*made).unwrap_or_default() >= RENEW;
        let spread = *by != newest && now >= self.authority.made() + SPREAD;
        if known && !old && !spread {
            return;
        }
        let issued = self.authority.issue(&self.config.names, now);
        let replaced =
            issued.map_err(CertError::from).and_then(|leaf| self.serving.replace(&leaf.certificate, &leaf.key));
        match replaced {
            Ok(()) => {
                info!("serving a new certificate");
                self.leaf = (now, newest);
                self.notices.clear("SERVING_CERT");
            }
            Err(error) => self.notices.set(Say::new("SERVING_CERT").with("cause", error.to_string())),
        }
    }

    /// Until something is due by the clock.
    fn next(&self, now: SystemTime) -> Duration {
        let (made, by) = &self.leaf;
        let left = |due: SystemTime| due.duration_since(now).unwrap_or_default().max(PAUSE);
        let spread = if *by == self.authority.newest() { ROUND } else { left(self.authority.made() + SPREAD) };
        ROUND.min(left(*made + RENEW)).min(spread)
    }
}

/// Resolves when one of the APIServices changes; never where none can be watched.
async fn changed(services: &Api<APIService>, versions: Vec<(&'static str, String)>) {
    let watched: Vec<_> =
        versions.into_iter().map(|(name, version)| Box::pin(change(services, name, version))).collect();
    if watched.is_empty() {
        return std::future::pending().await;
    }
    select_all(watched).await;
}

async fn change(services: &Api<APIService>, name: &str, mut version: String) {
    let one = WatchParams::default().fields(&format!("metadata.name={name}")).timeout(WATCH);
    // Without a version a watch begins with what is there already.
    let from = if version.is_empty() { "0".to_owned() } else { std::mem::take(&mut version) };
    let known = from != "0";
    match services.watch(&one, &from).await {
        Ok(events) => {
            futures::pin_mut!(events);
            while let Ok(Some(event)) = events.try_next().await {
                match event {
                    WatchEvent::Added(_) | WatchEvent::Modified(_) | WatchEvent::Deleted(_) if known => return,
                    // An absent one that appears.
                    WatchEvent::Added(_) => return,
                    _ => {}
                }
            }
        }
        Err(error) => debug!(apiservice = name, %error, "cannot watch it; it is looked at every five minutes"),
    }
    std::future::pending::<()>().await;
}
