//! The watches of all kinds: built without I/O, run as one task per kind.

use super::cache::{Cache, Objects};
use super::decode::{Decode, Decoder};
use super::watch::{Timing, Watch};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::task::JoinSet;
use tracing::{Instrument as _, error, error_span};
use wire::Kind;

/// What to watch.
#[derive(Clone, Debug)]
pub struct Config {
    pub kinds: Vec<Kind>,
    /// The metrics API alone reads them: pods in phase Running, and of each only what it needs.
    pub metrics_only: bool,
}

/// What the watches did so far.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests to the API server.
    pub requests: AtomicU64,
    /// Objects that could not be read.
    pub malformed: AtomicU64,
    /// The last number given to an object.
    pub(super) ids: AtomicU64,
}

/// The watches, not running yet.
pub struct Watches {
    client: kube::Client,
    config: Config,
    objects: Objects,
    counters: Arc<Counters>,
    timing: Timing,
}

/// Wires caches and watches. The client must not retry by itself (`kube::Config::default_retry = false`): the watches
/// do, and tell.
#[must_use]
pub fn build(client: kube::Client, config: Config) -> (Objects, Watches) {
    let objects = Objects::default();
    let watches =
        Watches { client, config, objects: objects.clone(), counters: Arc::default(), timing: Timing::default() };
    (objects, watches)
}

// === impl Watches ===

impl std::fmt::Debug for Watches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watches({:?})", self.config)
    }
}

impl Watches {
    #[must_use]
    pub fn with_timing(self, timing: Timing) -> Self {
        Self { timing, ..self }
    }

    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Runs until `stop` resolves; then every connection is dropped at once.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut tasks = JoinSet::new();
        for kind in &self.config.kinds {
            match kind {
                Kind::Node => self.spawn(&mut tasks, &self.objects.nodes),
                Kind::Namespace => self.spawn(&mut tasks, &self.objects.namespaces),
                Kind::Pod => self.spawn(&mut tasks, &self.objects.pods),
                Kind::ReplicaSet => self.spawn(&mut tasks, &self.objects.replica_sets),
                Kind::Deployment => self.spawn(&mut tasks, &self.objects.deployments),
                Kind::Service => self.spawn(&mut tasks, &self.objects.services),
                Kind::EndpointSlice => self.spawn(&mut tasks, &self.objects.endpoint_slices),
                Kind::Event => self.spawn(&mut tasks, &self.objects.events),
            }
        }
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(ended) = tasks.join_next() => if let Err(error) = ended {
                    error!(%error, "a watch died and its kind is no longer followed");
                },
            }
        }
        tasks.shutdown().await;
    }

    fn spawn<K: Decode + std::marker::Sync>(&self, tasks: &mut JoinSet<()>, cache: &Cache<K>) {
        let thin = self.config.metrics_only;
        let running = K::KIND == Kind::Pod && thin;
        let watch = Watch {
            client: self.client.clone(),
            cache: cache.clone(),
            decoder: Decoder { thin, ..Decoder::default() },
            counters: Arc::clone(&self.counters),
            timing: self.timing,
            selector: if running { "&fieldSelector=status.phase%3DRunning" } else { "" },
            failures: 0,
            refusals: 0,
        };
        tasks.spawn(watch.run().instrument(error_span!("watch", kind = K::KIND.name())));
    }
}
