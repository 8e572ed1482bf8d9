//! Light controllers: ReplicaSets and pods for Deployments, placement, the pods' lives, endpoints, garbage, heartbeats.
//!
//! One task. It looks at what changed since its last turn, every [`TURN`]; what is due later is found by looking at the
//! pods that are not settled. Decisions go by the cluster's clock.

mod endpoints;
mod pods;
mod rollout;
mod scheduler;

pub(crate) use endpoints::endpoints_among;
pub(crate) use pods::pod_ip;
pub(crate) use rollout::replica_set;
pub(crate) use scheduler::schedule_failure;

use crate::Shared;
use crate::clock::{rfc3339, rfc3339_micro};
use crate::kinds::Kind;
use crate::store::{Changes, Key, Object};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Real time between two turns.
const TURN: Duration = Duration::from_millis(100);

/// Milliseconds between two heartbeats of a node.
const HEARTBEAT: i64 = 10_000;

/// Milliseconds between two reports of a node whose status stays the same.
const REPORT: i64 = 300_000;

/// Runs until it is aborted. What there is is seen here and now: nothing that is written before the first turn is
/// missed.
pub(crate) fn run(shared: Arc<Shared>) -> impl Future<Output = ()> {
    let mut loops = Loops::new(&shared);
    async move {
        let mut turns = tokio::time::interval(TURN);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            loops.turn(&shared, shared.clock.now());
        }
    }
}

#[derive(Debug, Default)]
struct Loops {
    seen: BTreeMap<Kind, u64>,
    /// Pods with something to come, and when.
    due: BTreeMap<Key, i64>,
    unplaced: BTreeSet<Key>,
    retry: i64,
    heartbeat: i64,
}

impl Loops {
    fn new(shared: &Shared) -> Self {
        let version = shared.store.version();
        let mut loops = Self { heartbeat: shared.clock.now() + HEARTBEAT, ..Self::default() };
        for kind in Kind::ALL {
            loops.seen.insert(*kind, version);
        }
        for pod in shared.store.all(Kind::Pod) {
            loops.notice(shared, &pod);
        }
        loops
    }

    fn turn(&mut self, shared: &Shared, now: i64) {
        let mut workloads: BTreeSet<(Kind, Key)> = BTreeSet::new();
        let mut services: BTreeSet<Key> = BTreeSet::new();
        for kind in Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Event && *kind != Kind::Lease) {
            let since = self.seen.get(&kind).copied().unwrap_or(0);
            let Changes::Since(changes, version) = shared.store.changes(kind, since) else {
                // More happened in one turn than the ring holds: look at everything.
                self.seen.insert(kind, shared.store.version());
                for object in shared.store.all(kind) {
                    match kind {
                        Kind::Pod => self.notice(shared, &object),
                        Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::Job => {
                            workloads.insert((kind, object.key.clone()));
                        }
                        _ => {}
                    }
                }
                services.extend(shared.store.all(Kind::Service).iter().map(|service| service.key.clone()));
                continue;
            };
            self.seen.insert(kind, version);
            for change in changes {
                let object = &change.new;
                match kind {
                    Kind::Pod => {
                        self.notice(shared, object);
                        if change.deleted {
                            self.due.remove(&object.key);
                            self.unplaced.remove(&object.key);
                        }
                        services.extend(endpoints::selecting(shared, object));
                        if let Some(old) = &change.old {
                            services.extend(endpoints::selecting(shared, old));
                        }
                    }
                    Kind::Service => drop(services.insert(object.key.clone())),
                    Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::Job if !change.deleted => {
                        workloads.insert((kind, object.key.clone()));
                    }
                    _ => {}
                }
                for uid in object.owners() {
                    workloads.extend(rollout::owner(shared, object.namespace(), uid));
                }
                if change.deleted {
                    collect(shared, object);
                }
            }
        }
        for (kind, key) in workloads {
            let Some(object) = shared.store.get(kind, &key.0, &key.1) else { continue };
            let done = match kind {
                Kind::Deployment => rollout::deployment(shared, &object, now),
                _ => rollout::replicas(shared, &object, now),
            };
            if let Err(status) = done {
                tracing::debug!(message = status.message, "workload not reconciled");
            }
        }
        for key in services {
            if let Some(service) = shared.store.get(Kind::Service, &key.0, &key.1) {
                endpoints::endpoints(shared, &service, now);
            }
        }
        self.place(shared, now);
        self.live(shared, now);
        if now >= self.heartbeat {
            // A real node writes every 10 s; very many nodes write less often.
            self.heartbeat = now + HEARTBEAT * (1 + shared.store.len(Kind::Node) as i64 / 500);
            heartbeats(shared, now);
        }
    }
}

/// Deletes what a deleted object owned, and what a deleted namespace held.
fn collect(shared: &Shared, gone: &Object) {
    for dependent in shared.store.owned(&gone.uid) {
        shared.store.delete(dependent.kind, dependent.namespace(), dependent.name());
    }
    if gone.kind == Kind::Namespace {
        for kind in Kind::ALL.iter().copied().filter(|kind| kind.spec().namespaced) {
            for object in shared.store.list(kind, gone.name(), None).0 {
                shared.store.delete(kind, object.namespace(), object.name());
            }
        }
    }
}

/// The kubelets that are well renew their Leases, and now and then what they report of their nodes.
fn heartbeats(shared: &Shared, now: i64) {
    for node in shared.store.all(Kind::Node) {
        let value = node.value();
        if !scheduler::is_ready(&value) {
            continue;
        }
        let renewed = shared.store.modify(Kind::Lease, "kube-node-lease", node.name(), |value| {
            value["spec"]["renewTime"] = json!(rfc3339_micro(now));
            Ok(true)
        });
        if let Err(status) = renewed {
            tracing::debug!(message = status.message, "lease not renewed");
        }
        let last = value["status"]["conditions"][0]["lastHeartbeatTime"].as_str().and_then(crate::clock::parse);
        if last.is_some_and(|last| now - last < REPORT) {
            continue;
        }
        let reported = shared.store.modify(Kind::Node, "", node.name(), |value| {
            for condition in value["status"]["conditions"].as_array_mut().into_iter().flatten() {
                condition["lastHeartbeatTime"] = json!(rfc3339(now));
            }
            Ok(true)
        });
        if let Err(status) = reported {
            tracing::debug!(message = status.message, "node not reported");
        }
    }
}
