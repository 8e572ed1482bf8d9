//! One object's page, a chart's levels and marks, and the objects a person may see.

use super::digest;
use super::findings;
use super::hub::Shared;
use super::permits::Sight;
use super::silent;
use super::views::scope_of;
use crate::cluster::kinds::{Container, Deployment, Node, Pod, ReplicaSet, Role, Service, State};
use crate::cluster::{Objects, Sync};
use crate::printers::Printer;
use crate::session::Permitted;
use crate::session::gate::denied;
use std::any::Any;
use wire::object::{Condition, EventLine, Exit, Fact, Object, Value};
use wire::table::Cell;
use wire::{Kind as K, Level, Millis, Ref};

/// Events shown of an object.
const EVENTS: usize = 100;

/// The last state of an object somebody looks at: shown when it is gone.
pub(super) type Seen = Object;

/// The object, or its last state with the time it went, for who may see it.
pub(super) fn seen(seen: &mut Option<Box<Seen>>, found: Option<Object>, now: Millis) -> Option<Object> {
    match found {
        Some(object) => *seen = Some(Box::new(object)),
        None => {
            if let Some(last) = seen {
                last.gone.get_or_insert(now);
            }
        }
    }
    seen.as_deref().cloned()
}

/// The page of an object that may be seen. What its permit alone does not cover is released into it by its own.
pub(super) fn page<T: Printer>(shared: &Shared, object: &T, sight: &Sight, now: Millis) -> Object {
    let meta = object.meta();
    let any: &dyn Any = object;
    let space = [if T::KIND.namespaced() { meta.namespace.to_string() } else { "default".into() }];
    let mut found = findings::of(any);
    let (mut level, mut word) = object.state(now);
    let columns = T::columns();
    let cells = object.cells(now);
    let status = cells.iter().find_map(|cell| if let Cell::State(_, text) = cell { Some(text.clone()) } else { None });
    let mut facts: Vec<Fact> =
        columns.iter().zip(&cells).filter_map(|(column, cell)| fact(&column.word, cell)).collect();
    let mut page = Object {
        at: Ref { kind: T::KIND.name().into(), namespace: meta.namespace.to_string(), name: meta.name.to_string() },
        level,
        status: status.clone().unwrap_or_default(),
        created: meta.created,
        gone: None,
        findings: Vec::new(),
        facts: Vec::new(),
        conditions: Vec::new(),
        containers: Vec::new(),
        owners: owners(shared, sight, meta, &space),
        events: None,
        reach: Vec::new(),
        labels: meta.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
    };
    let link = |word: &str, kind: &str, name: &str| Fact {
        word: word.into(),
        value: Value::Object(Ref { kind: kind.into(), namespace: String::new(), name: name.into() }),
    };
    if let Some(pod) = any.downcast_ref::<Pod>() {
        facts.retain(|fact| fact.word != "node");
        facts.extend(pod.node.as_deref().map(|node| link("node", "Node", node)));
        facts.extend(pod.qos.as_deref().map(|qos| Fact { word: "qos".into(), value: Value::Text(qos.into()) }));
        page.conditions = pod.conditions.iter().map(condition).collect();
        page.containers = pod.containers.iter().map(container).collect();
    } else if let Some(node) = any.downcast_ref::<Node>() {
        page.conditions = node.conditions.iter().map(condition).collect();
        let runs = shared.runs(now);
        let told = |runs: Vec<&_>| digest::told(digest::loads(&runs).get(&*node.meta.name), found);
        found = digest::listed(&runs, sight).map(told).release();
        found.extend(shared.parts.coverage.get(&node.meta.name).and_then(|known| silent::of(node, &known)));
        facts.extend(
            node.allocatable.cpu.map(|cpu| Fact { word: "allocatable-cpu".into(), value: Value::Cpu(cpu as f64) }),
        );
        let memory = node.allocatable.memory;
        facts.extend(memory.map(|bytes| Fact { word: "allocatable-memory".into(), value: Value::Bytes(bytes as f64) }));
    } else if let Some(deployment) = any.downcast_ref::<Deployment>() {
        page.conditions = deployment.conditions.iter().map(condition).collect();
    } else if let Some(service) = any.downcast_ref::<Service>() {
        let told = shared.told(sight, &space);
        page.findings.extend(told.of(meta).cloned());
        (level, word) = told.state(meta, (level, word));
        if told.scopes.iter().all(|scope| scope.allows(&meta.namespace)) {
            let visible = visible(shared, sight, &space);
            page.reach = visible.map(|visible| shared.parts.topology.reach(&visible, service)).release();
        }
    }
    page.level = level;
    if status.is_none() {
        page.status = word.into();
    }
    page.findings.extend(found.into_iter().map(findings::Found::finding));
    page.facts = facts;
    page.events = events(shared, sight, T::KIND, meta, &space);
    page
}

fn fact(word: &str, cell: &Cell) -> Option<Fact> {
    let value = match cell {
        Cell::None | Cell::Usage(_) | Cell::State(..) => return None,
        Cell::Text(text) if text.is_empty() || word == "name" => return None,
        Cell::Text(text) => Value::Text(text.clone()),
        Cell::Int(number) => Value::Text(number.to_string()),
        Cell::Time(at) => Value::Time(*at),
        Cell::Ready(ready, total) => Value::Text(format!("{ready}/{total}")),
        Cell::Restarts(count, _) => Value::Text(count.to_string()),
    };
    Some(Fact { word: word.into(), value })
}

/// The chain of controllers. An owner is named by the visible object itself; whose owner it is in turn is said only
/// when the owner may be seen.
fn owners(shared: &Shared, sight: &Sight, meta: &crate::cluster::kinds::Meta, space: &[String]) -> Vec<Ref> {
    let Some(owner) = &meta.owner else { return Vec::new() };
    let refer = |owner: &crate::cluster::kinds::Owner| Ref {
        kind: owner.kind.to_string(),
        namespace: meta.namespace.to_string(),
        name: owner.name.to_string(),
    };
    let mut chain = vec![refer(owner)];
    if &*owner.kind == "ReplicaSet" {
        let set = shared.parts.objects.replica_sets.get(&meta.namespace, &owner.name);
        let set = set.and_then(|set| sight.list(K::ReplicaSet, space).one::<ReplicaSet>(set));
        let next = set.and_then(|set| set.map(|set| set.meta.owner.clone()).release());
        chain.extend(next.as_deref().map(refer));
    }
    chain
}

fn events(
    shared: &Shared,
    sight: &Sight,
    kind: K,
    meta: &crate::cluster::kinds::Meta,
    space: &[String],
) -> Option<Vec<EventLine>> {
    let scope = sight.list(K::Event, space);
    if scope.is_empty() {
        return None;
    }
    let events = shared.parts.objects.events.snapshot();
    let lines = scope.filter(&events).map(|events| {
        let about = events.into_iter().filter(|event| {
            *event.about_kind == *kind.name()
                && event.about_name == meta.name
                && event.about_namespace == meta.namespace
                && event.about_uid.as_ref().is_none_or(|uid| *uid == meta.uid || !kind.namespaced())
        });
        let mut lines: Vec<EventLine> = about
            .map(|event| EventLine {
                last: event.last.or(event.first).unwrap_or(event.meta.created),
                first: event.first.unwrap_or(event.meta.created),
                count: event.count,
                warning: &*event.kind == "Warning",
                reason: event.reason.to_string(),
                message: event.message.to_string(),
                source: event.component.to_string(),
            })
            .collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.last));
        lines.truncate(EVENTS);
        lines
    });
    Some(lines.release())
}

fn condition(one: &crate::cluster::kinds::Condition) -> Condition {
    let pressure = one.kind.ends_with("Pressure")
        || matches!(&*one.kind, "NetworkUnavailable" | "ReplicaFailure" | "DisruptionTarget");
    let level = match (&*one.status, pressure) {
        ("True", false) | ("False", true) => Level::Good,
        ("True", true) => Level::Bad,
        ("False", false) => Level::Warn,
        ("Unknown", false) if &*one.kind == "Ready" => Level::Bad,
        _ => Level::Gone,
    };
    Condition {
        kind: one.kind.to_string(),
        status: one.status.to_string(),
        level,
        reason: one.reason.as_deref().unwrap_or_default().into(),
        message: one.message.as_deref().unwrap_or_default().into(),
        since: one.since,
    }
}

fn container(one: &Container) -> wire::object::Container {
    let status = one.status.as_deref();
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let (level, state, reason, message, since) = match status.map(|status| &status.state) {
        None | Some(State::Unknown) => (Level::Gone, "", String::new(), String::new(), None),
        Some(State::Waiting { reason, message }) => {
            let creating = matches!(reason.as_deref(), None | Some("ContainerCreating" | "PodInitializing"));
            let level = if creating { Level::Busy } else { Level::Bad };
            (level, "waiting", text(reason.as_deref()), text(message.as_deref()), None)
        }
        Some(State::Running { started }) => {
            let ready = status.is_some_and(|status| status.ready);
            let level = if ready { Level::Good } else { Level::Warn };
            (level, "running", String::new(), String::new(), *started)
        }
        Some(State::Terminated(end)) => {
            let level = if end.exit_code == 0 { Level::Gone } else { Level::Bad };
            (level, "terminated", text(end.reason.as_deref()), text(end.message.as_deref()), end.finished)
        }
    };
    wire::object::Container {
        name: one.name.to_string(),
        role: match one.role {
            Role::Init => "init",
            Role::Sidecar => "sidecar",
            Role::Container => "container",
        }
        .into(),
        image: one.image.to_string(),
        level,
        state: state.into(),
        reason,
        message,
        since,
        ready: status.is_some_and(|status| status.ready),
        restarts: status.map_or(0, |status| status.restarts),
        last_exit: status.and_then(|status| status.last.as_ref()).map(|end| Exit {
            code: end.exit_code,
            signal: end.signal,
            reason: text(end.reason.as_deref()),
            at: end.finished,
        }),
        cpu_request: one.cpu_request.map_or(f64::NAN, f64::from),
        cpu_limit: one.cpu_limit.map_or(f64::NAN, f64::from),
        memory_request: one.memory_request.map_or(f64::NAN, |bytes| bytes as f64),
        memory_limit: one.memory_limit.map_or(f64::NAN, |bytes| bytes as f64),
    }
}

/// The objects a person may see in a scope, as caches of their own. What they may not see at all is said to be missing.
pub(super) fn visible(shared: &Shared, sight: &Sight, asked: &[String]) -> Permitted<Objects> {
    let all = &shared.parts.objects;
    let mut permitted = Permitted::nothing().map(|()| Objects::default());
    macro_rules! copy {
        ($($field:ident: $kind:ident),*) => {$(
            let snapshot = all.$field.snapshot();
            let scope = sight.list(K::$kind, scope_of(K::$kind, asked));
            permitted = permitted.and(scope.filter(snapshot.iter())).map(|(seen, objects)| {
                seen.$field.replace_shared(objects.into_iter().cloned().collect());
                let hidden = Sync::Denied(denied("list", K::$kind.resource()).with("kind", K::$kind.resource()));
                seen.$field.set_sync(if scope.is_empty() { hidden } else { all.$field.sync() });
                seen
            });
        )*};
    }
    copy!(nodes: Node, pods: Pod, replica_sets: ReplicaSet, deployments: Deployment, services: Service, endpoint_slices: EndpointSlice);
    permitted
}
