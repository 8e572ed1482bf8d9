//! The first page and the shell's counts, made of what the person may see and of nothing else.

use super::board::State;
use super::digest;
use super::findings::{self, Found};
use super::fold;
use super::hub::Shared;
use super::permits::Sight;
use super::silent;
use super::views::{self, scope_of};
use crate::cluster::Cache;
use crate::notices::Notices;
use crate::printers::Printer;
use crate::session::gate::Resource;
use crate::session::{Permitted, Scope};
use std::sync::Arc;
use wire::chart::Metric;
use wire::object::Finding;
use wire::overview::{Attention, Gauge, Namespaces, NodeTile, Overview};
use wire::table::Tally;
use wire::{Kind, Level, Millis, Ref};

/// Kinds with a count in the rail.
pub(super) const COUNTED: [Kind; 4] = [Kind::Node, Kind::Pod, Kind::Deployment, Kind::Service];
const LISTED: usize = 50;
const TILES: usize = 200;
const HOUR: Millis = 3_600_000;
const UNKNOWN: Gauge = Gauge { used: f64::NAN, requested: f64::NAN, allocatable: f64::NAN, capacity: f64::NAN };

/// The first page of a scope.
pub(super) fn overview(shared: &Shared, sight: &Sight, spaces: &[String], now: Millis) -> Permitted<Overview> {
    let (objects, history) = (&shared.parts.objects, &shared.parts.history);
    let scope = |kind: Kind| sight.list(kind, scope_of(kind, spaces));
    let (runs, nodes) = (shared.runs(now), objects.nodes.snapshot());
    let (deployments, services) = (objects.deployments.snapshot(), objects.services.snapshot());
    // Nodes have no namespaces: all of them, or none.
    let sees_nodes = scope(Kind::Node) == Scope::All;
    let usage = sees_nodes && !sight.list(Resource::NODE_METRICS, &[]).is_empty();
    let used = used(shared, sight, spaces, usage, now);
    let told = shared.told(sight, spaces);
    let workloads = scope(Kind::Deployment).filter(&deployments).and(scope(Kind::Service).filter(&services));
    let permitted = digest::seen(&runs, &scope(Kind::Pod)).and(scope(Kind::Node).filter(&nodes)).and(workloads);
    permitted.map(|((runs, nodes), (deployments, services))| {
        let unavailable = needing(&deployments, |deployment| findings::of(deployment));
        let pods = runs.iter().flat_map(|run| &run.needing).map(|(pod, found)| (&**pod, item(&**pod, found.clone())));
        let mut attention = fold::fold(pods, unavailable);
        let loads = digest::loads(&runs);
        let down = needing(&nodes, |node| digest::told(loads.get(&*node.meta.name), findings::of(node)));
        let failing = needing(&services, |service| {
            let found = told.of(&service.meta).cloned();
            // Endpoints do not say since when they are as they are.
            found.map(|Finding { level, say }| Found { level, say, since: 0 }).into_iter().collect()
        });
        attention.extend(fold::into_nodes(down, failing));
        attention.extend(silent::items(&nodes, &shared.parts.coverage));
        if sees_nodes {
            attention.extend(installation(&shared.parts.notices));
        }
        attention.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.at.cmp(&b.at)));
        let attention_total = number(attention.len());
        attention.truncate(LISTED);
        let mut tally: Vec<Tally> = Vec::new();
        for ((level, word), count) in runs.iter().flat_map(|run| &run.tally) {
            match tally.iter_mut().find(|known| known.level == *level && known.word == *word) {
                Some(known) => known.count += count,
                None => tally.push(Tally { level: *level, word: (*word).into(), count: *count }),
            }
        }
        let restarts = runs.iter().flat_map(|run| &run.ends).filter(|end| now - **end < HOUR).count();
        tally.sort_by(|a, b| (b.level, &a.word).cmp(&(a.level, &b.word)));
        let tile = |node: &Arc<crate::cluster::kinds::Node>| {
            let (level, status) = node.state(now);
            let load = loads.get(&*node.meta.name);
            let (count, cpu, memory) =
                load.map(|load| (load.pods, load.cpu as f64, load.memory as f64)).unwrap_or_default();
            let used = |metric| {
                let known = usage.then(|| history.node(&node.meta.name, metric, now, 1)).flatten();
                known.map_or(f64::NAN, |usage| f64::from(usage.used))
            };
            let known = |value: Option<u64>| value.map_or(f64::NAN, |value| value as f64);
            let coverage = shared.parts.coverage.get(&node.meta.name).unwrap_or_default();
            let ready = node.conditions.iter().find(|one| &*one.kind == "Ready");
            let gauge = |used, requested, allocatable, capacity| Gauge {
                used,
                requested,
                allocatable: known(allocatable),
                capacity: known(capacity),
            };
            NodeTile {
                name: node.meta.name.to_string(),
                level,
                status: status.into(),
                since: ready.and_then(|one| one.since).unwrap_or_default(),
                pods: count,
                cpu: gauge(used(Metric::Cpu), cpu, node.allocatable.cpu, node.capacity.cpu),
                memory: gauge(used(Metric::Memory), memory, node.allocatable.memory, node.capacity.memory),
                heard: coverage.good.unwrap_or_default(),
                problem: coverage.problem,
            }
        };
        let (mut cpu, mut memory) = (UNKNOWN, UNKNOWN);
        (cpu.used, memory.used) = used;
        if sees_nodes {
            let sum = |of: &dyn Fn(&crate::cluster::kinds::Node) -> Option<u64>| {
                nodes.iter().filter_map(|node| of(node)).sum::<u64>() as f64
            };
            (cpu.allocatable, cpu.capacity) = (sum(&|node| node.allocatable.cpu), sum(&|node| node.capacity.cpu));
            (memory.allocatable, memory.capacity) =
                (sum(&|node| node.allocatable.memory), sum(&|node| node.capacity.memory));
        }
        cpu.requested = loads.values().map(|load| load.cpu as f64).sum();
        memory.requested = loads.values().map(|load| load.memory as f64).sum();
        let (names, all, _) = &sight.namespaces;
        Overview {
            attention,
            attention_total,
            nodes: sees_nodes.then(|| nodes.iter().take(TILES).map(|node| tile(node)).collect()),
            nodes_total: number(nodes.len()),
            pods: tally,
            pods_total: runs.iter().map(|run| run.pods).sum(),
            cpu,
            memory,
            restarts: number(restarts),
            scope: (number(if spaces.is_empty() { names.len() } else { spaces.len() }), *all && spaces.is_empty()),
        }
    })
}

/// Millicores and bytes in use: by all nodes for who sees all of them and all pods, otherwise by the pods of the
/// namespaces where both pods and their usage may be seen.
fn used(shared: &Shared, sight: &Sight, spaces: &[String], nodes: bool, now: Millis) -> (f64, f64) {
    let scopes = [sight.list(Kind::Pod, spaces), sight.list(Resource::POD_METRICS, spaces)];
    let history = &shared.parts.history;
    if nodes && scopes.iter().all(|scope| *scope == Scope::All) {
        return (history.total(None, Metric::Cpu, now), history.total(None, Metric::Memory, now));
    }
    let names: Vec<Arc<str>> = if spaces.is_empty() {
        sight.namespaces.0.clone()
    } else {
        spaces.iter().map(|name| Arc::from(name.as_str())).collect()
    };
    let names: Vec<_> = names.into_iter().filter(|name| scopes.iter().all(|scope| scope.allows(name))).collect();
    (history.total(Some(&names), Metric::Cpu, now), history.total(Some(&names), Metric::Memory, now))
}

/// The namespaces and the rail's counts.
pub(super) fn namespaces(shared: &Shared, sight: &Sight, now: Millis) -> Permitted<Namespaces> {
    let objects = &shared.parts.objects;
    let mut counts = Permitted::nothing().map(|()| Vec::new());
    for kind in COUNTED {
        let scope = sight.list(kind, &[]);
        if scope.is_empty() || !views::read(shared, kind) {
            continue;
        }
        let counted = match kind {
            Kind::Node => count(&objects.nodes, &scope, |node| node.state(now)),
            Kind::Pod => digest::seen(&shared.runs(now), &scope).map(|runs| {
                let needing = runs.iter().flat_map(|run| &run.tally).filter(|((level, _), _)| *level >= Level::Warn);
                (runs.iter().map(|run| run.pods).sum(), needing.map(|(_, count)| count).sum())
            }),
            Kind::Deployment => count(&objects.deployments, &scope, |deployment| deployment.state(now)),
            _ => {
                let told = shared.told(sight, &[]);
                count(&objects.services, &scope, |service| told.state(&service.meta, service.state(now)))
            }
        };
        counts = counts.and(counted).map(|(mut counts, (total, needing))| {
            counts.push((kind.word().into(), total, needing));
            counts
        });
    }
    let (names, all, checking) = &sight.namespaces;
    let names = names.iter().map(ToString::to_string).collect();
    // Nodes have no namespaces: all of them, or none.
    let kubelets = (sight.list(Kind::Node, &[]) == Scope::All).then(|| shared.parts.coverage.answering());
    let own = *shared.parts.own.borrow();
    counts.map(|counts| Namespaces { names, all: *all, checking: *checking, counts, kubelets, own })
}

/// How many may be seen, and how many of them need a person.
fn count<K: Printer>(cache: &Cache<K>, scope: &Scope, state: impl Fn(&K) -> State) -> Permitted<(u32, u32)> {
    let objects = cache.snapshot();
    scope.filter(&objects).map(|seen| {
        let bad = seen.iter().filter(|object| state(object).0 >= Level::Warn).count();
        (number(seen.len()), number(bad))
    })
}

/// What is wrong with our own installation. Who sees all nodes looks after the cluster.
fn installation(notices: &Notices) -> Vec<Attention> {
    let own = || Ref { kind: wire::overview::OWN.into(), namespace: String::new(), name: String::new() };
    let item = |(say, since)| Attention { level: Level::Warn, at: own(), say, since };
    notices.all().into_iter().map(item).collect()
}

/// What is wrong with each of the objects, at worst.
fn needing<'a, K: Printer>(objects: &[&'a Arc<K>], found: impl Fn(&'a K) -> Vec<Found>) -> Vec<Attention> {
    let worst = |object: &'a K| Some(item(object, found(object).into_iter().next()?));
    objects.iter().filter_map(|object| worst(object)).collect()
}

fn item<K: Printer>(object: &K, Found { level, say, since }: Found) -> Attention {
    let meta = object.meta();
    let (namespace, name) = (meta.namespace.to_string(), meta.name.to_string());
    Attention { level, at: Ref { kind: K::KIND.name().into(), namespace, name }, say, since }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
