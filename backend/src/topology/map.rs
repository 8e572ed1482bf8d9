//! The Service map: boxes in fixed columns, lines between them, and where each box stands.
//!
//! Cold layout is a pure function of the set of objects; warm layout of the previous ranks and the set.
//! Nothing is dropped: a tile's dots and its `more` add up to its pods, and the tally to the Services. Costs O(pods +
//! edges × log edges).

use super::boxes::{boxed, key, node_key, node_level, owners, pod_level, reference, workload};
use super::facts::{Facts, zone};
use super::ranks::{Ranks, settle, sweep};
use super::reach;
use crate::cluster::kinds::{Node, Service};
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::map::{Box, Edge, Lane, Layer, Map, Proxy, Tally};
use wire::{Key, Level, Say};

/// Pods up to which a tile's dots say everything; above, a tile also carries its counts.
const DOTTED: usize = 200;
/// Pods up to which lines from workloads to nodes are drawn; above, they would be a grey field.
const NODE_LINES: usize = 2_000;
/// Dots of a tile.
const DOTS: usize = 24;
/// Sweeps of a cold layout; four is where the crossings of real clusters stop falling.
const SWEEPS: usize = 4;

/// What a person may see of the cluster.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Namespaces in view; `None`: all of them.
    pub namespaces: Option<BTreeSet<Arc<str>>>,
    /// Whether nodes may be shown.
    pub nodes: bool,
}

/// A workload while its pods are counted.
struct Tile<'a> {
    name: &'a str,
    kind: &'a str,
    levels: Vec<Level>,
    nodes: BTreeSet<&'a str>,
    served: bool,
}

/// One namespace while it is laid out.
#[derive(Default)]
struct Ward<'a> {
    /// By port: entries, the Service's box and its endpoints' box.
    ports: Vec<Port>,
    tiles: BTreeMap<Key, Tile<'a>>,
    edges: Vec<Edge>,
}

struct Port {
    entries: Vec<Box>,
    service: Box,
    endpoints: Box,
}

/// Draws the map of a scope.
#[must_use]
pub fn build(facts: &Facts, scope: &Scope, previous: Option<&Ranks>, proxy: &Proxy) -> (Map, Ranks) {
    let seen = |name: &Arc<str>| scope.namespaces.as_ref().is_none_or(|namespaces| namespaces.contains(name));
    let mut wards: BTreeMap<&str, Ward<'_>> = BTreeMap::new();
    let owners = owners(facts);
    let mut tile_of: HashMap<(&str, &str), Key> = HashMap::new();
    let mut on_node: BTreeMap<&str, u32> = BTreeMap::new();
    let mut pods = 0;
    for pod in facts.pods.iter().filter(|pod| seen(&pod.meta.namespace)) {
        pods += 1;
        let (key, kind, name) = workload(pod, &owners);
        let ward = wards.entry(&pod.meta.namespace).or_default();
        let tile = ward.tiles.entry(key).or_insert_with(|| Tile {
            name,
            kind,
            levels: Vec::new(),
            nodes: BTreeSet::new(),
            served: false,
        });
        tile.levels.push(pod_level(pod));
        if let Some(node) = pod.node.as_deref() {
            tile.nodes.insert(node);
            *on_node.entry(node).or_default() += 1;
        }
        tile_of.insert((&pod.meta.namespace, &pod.meta.name), key);
    }
    let mut tally = Tally::default();
    for service in facts.services.iter().filter(|service| seen(&service.meta.namespace)) {
        let ward = wards.entry(&service.meta.namespace).or_default();
        match place(facts, service, &proxy.mode, ward, &tile_of) {
            Level::Bad => tally.broken += 1,
            Level::Warn => tally.partial += 1,
            Level::Good | Level::Busy => tally.answering += 1,
            Level::Gone => tally.other += 1,
        }
    }
    let mut map = Map {
        lanes: Vec::new(),
        boxes: Vec::new(),
        edges: Vec::new(),
        tally,
        proxy: proxy.clone(),
        missing: facts.missing.clone(),
    };
    let nodes: Vec<&Arc<Node>> = facts.nodes.iter().filter(|_| scope.nodes).collect();
    if pods <= NODE_LINES {
        let known: HashMap<&str, Key> = nodes.iter().map(|node| (&*node.meta.name, node_key(node))).collect();
        for ward in wards.values_mut() {
            for (key, tile) in &ward.tiles {
                let ends = tile.nodes.iter().filter_map(|node| known.get(node));
                ward.edges.extend(ends.map(|to| Edge { from: *key, to: *to, level: Level::Gone, near: false }));
            }
        }
    }
    let mut ranks = Ranks::default();
    let mut row = 0;
    for (namespace, ward) in wards {
        let rows = lay(ward, namespace, row, pods > DOTTED, previous, &mut map, &mut ranks);
        map.lanes.push(Lane { namespace: namespace.into(), row, rows });
        row += rows;
    }
    stand(&nodes, &on_node, &mut map);
    map.boxes.sort_by_key(|piece| piece.key);
    map.edges.sort();
    map.edges.dedup_by(|a, b| (a.from, a.to) == (b.from, b.to));
    (map, ranks)
}

/// A Service's boxes and lines; how it is.
fn place<'a>(
    facts: &'a Facts,
    service: &'a Service,
    mode: &str,
    ward: &mut Ward<'a>,
    tile_of: &HashMap<(&'a str, &'a str), Key>,
) -> Level {
    let at = Some(reference("Service", &service.meta.namespace, &service.meta.name));
    let uid = &service.meta.uid;
    if service.ports.is_empty() || &*service.kind == "ExternalName" {
        let name = service.external_name.as_deref().unwrap_or_default();
        let say = Say::new("S_EXTERNAL").with("name", name);
        let own =
            boxed(key("service", uid, ""), Layer::Service, &service.meta.name, &format!("{} {name}", service.kind));
        let own = Box { at: at.clone(), level: Level::Gone, say: Some(say.clone()), ..own };
        let out = boxed(key("endpoints", uid, ""), Layer::Endpoints, name, "external");
        let out = Box { at, level: Level::Gone, say: Some(say), ..out };
        ward.edges.push(Edge { from: own.key, to: out.key, level: Level::Gone, near: false });
        ward.ports.push(Port { entries: Vec::new(), service: own, endpoints: out });
        return Level::Gone;
    }
    let selected = facts.selected(service);
    let mut worst = Level::Gone;
    for slot in service.ports.iter() {
        let (found, reaches) = reach::port(facts, service, slot, mode);
        let part = format!("{}/{}", slot.name, slot.protocol);
        let say = Some(found.say).filter(|_| found.level != Level::Good);
        let own = Box {
            at: at.clone(),
            level: found.level,
            say: say.clone(),
            ..boxed(key("service", uid, &part), Layer::Service, &service.meta.name, &reach::subtitle(service, slot))
        };
        let rest = match (found.ready, found.not_ready) {
            (0, 0) => "none behind it".to_owned(),
            (_, 0) => "all".to_owned(),
            (_, left) => format!("{left} not ready"),
        };
        let title = format!("{} ready", found.ready);
        let ends = Box {
            at: at.clone(),
            level: found.level,
            say,
            ..boxed(key("endpoints", uid, &part), Layer::Endpoints, &title, &rest)
        };
        let line = |from: Key, to: Key, near: bool| Edge { from, to, level: found.level, near };
        ward.edges.push(line(own.key, ends.key, false));
        let mut entries = Vec::new();
        for reach in reaches.iter().filter(|reach| matches!(&*reach.access, "NodePort" | "externalIP" | "LoadBalancer"))
        {
            let title = if reach.address.is_empty() { "pending" } else { &reach.address };
            let name = key("entry", uid, &format!("{part}/{}/{title}", reach.access));
            let say = Some(reach.say.clone()).filter(|_| reach.level != Level::Good);
            entries.push(Box {
                at: at.clone(),
                level: reach.level,
                say,
                ..boxed(name, Layer::Entry, title, &reach.access)
            });
            ward.edges.push(Edge { level: reach.level, ..line(name, own.key, false) });
        }
        let mut behind: BTreeSet<Key> = BTreeSet::new();
        let by_selector = selected.iter().map(|pod| &*pod.meta.name);
        let by_slice =
            facts.slices_of(service).flat_map(|slice| slice.endpoints.iter()).filter_map(|end| end.pod.as_deref());
        for pod in by_selector.chain(by_slice) {
            behind.extend(tile_of.get(&(&*service.meta.namespace, pod)));
        }
        for tile in behind {
            ward.edges.push(line(ends.key, tile, false));
            if let Some(tile) = ward.tiles.get_mut(&tile) {
                tile.served = true;
            }
        }
        let near = found.near.and_then(|pod| tile_of.get(&(&*service.meta.namespace, &*pod.meta.name)).copied());
        ward.edges.extend(near.map(|tile| Edge { level: Level::Warn, ..line(ends.key, tile, true) }));
        ward.ports.push(Port { entries, service: own, endpoints: ends });
        worst = worst.max(found.level);
    }
    worst
}

/// Gives the boxes of a lane their rows; how many rows it takes.
fn lay(
    ward: Ward<'_>,
    namespace: &str,
    top: u32,
    counted: bool,
    previous: Option<&Ranks>,
    map: &mut Map,
    ranks: &mut Ranks,
) -> u32 {
    let mut links: HashMap<Key, Vec<Key>> = HashMap::new();
    let service_of: HashMap<Key, Key> = ward.ports.iter().map(|port| (port.endpoints.key, port.service.key)).collect();
    for edge in &ward.edges {
        if let Some(service) = service_of.get(&edge.from).filter(|_| ward.tiles.contains_key(&edge.to)) {
            links.entry(*service).or_default().push(edge.to);
            links.entry(edge.to).or_default().push(*service);
        }
    }
    // Names first, so that arrival order never shows.
    let mut ports: Vec<Key> = ward.ports.iter().map(|port| port.service.key).collect();
    let mut tiles: Vec<Key> = ward.tiles.keys().copied().collect();
    let titles: HashMap<Key, &str> = ward
        .ports
        .iter()
        .map(|port| (port.service.key, &*port.service.title))
        .chain(ward.tiles.iter().map(|(key, tile)| (*key, tile.name)))
        .collect();
    ports.sort_by_key(|key| (titles.get(key), *key));
    tiles.sort_by_key(|key| (!links.contains_key(key), titles.get(key).copied(), *key));
    drop(titles);
    match previous {
        None => {
            for _ in 0..SWEEPS {
                sweep(&mut tiles, &ports, &links);
                sweep(&mut ports, &tiles, &links);
            }
            sweep(&mut tiles, &ports, &links);
        }
        Some(previous) => {
            settle(&mut ports, &tiles, &links, previous);
            settle(&mut tiles, &ports, &links, previous);
        }
    }
    for order in [&ports, &tiles] {
        ranks.0.extend(order.iter().zip(0_u32..).map(|(key, rank)| (*key, rank)));
    }
    let mut by_key: HashMap<Key, Port> = ward.ports.into_iter().map(|port| (port.service.key, port)).collect();
    let mut row_of: HashMap<Key, u32> = HashMap::new();
    let mut row = top;
    for key in &ports {
        let Some(mut port) = by_key.remove(key) else { continue };
        port.service.row = row;
        port.endpoints.row = row;
        row_of.insert(*key, row);
        let rows = u32::try_from(port.entries.len()).unwrap_or(u32::MAX).max(1);
        for (entry, row) in port.entries.iter_mut().zip(row..) {
            entry.row = row;
        }
        map.boxes.extend(port.entries);
        map.boxes.extend([port.service, port.endpoints]);
        row += rows;
    }
    let mut next = top;
    for key in &tiles {
        let Some(tile) = ward.tiles.get(key) else { continue };
        let beside = links.get(key).and_then(|ports| ports.iter().filter_map(|port| row_of.get(port)).min());
        next = next.max(beside.copied().unwrap_or(next));
        map.boxes.push(tiled(*key, tile, namespace, next, counted));
        next += 1;
    }
    map.edges.extend(ward.edges);
    row.max(next) - top
}

fn tiled(key: Key, tile: &Tile<'_>, namespace: &str, row: u32, counted: bool) -> Box {
    let mut levels = tile.levels.clone();
    levels.sort_unstable_by(|a, b| b.cmp(a));
    let count = |level: Level| tile.levels.iter().filter(|known| **known == level).count().to_string();
    let counts = || {
        Say::new("S_PODS")
            .with("total", tile.levels.len().to_string())
            .with("good", count(Level::Good))
            .with("busy", count(Level::Busy))
            .with("warn", count(Level::Warn))
            .with("bad", count(Level::Bad))
            .with("gone", count(Level::Gone))
    };
    let level = levels.first().copied().unwrap_or(Level::Gone);
    let more = u32::try_from(levels.len().saturating_sub(DOTS)).unwrap_or(u32::MAX);
    levels.truncate(DOTS);
    Box {
        row,
        level,
        dots: levels,
        more,
        at: Some(reference(tile.kind, namespace, tile.name)),
        say: counted.then(counts),
        lone: !tile.served,
        ..boxed(key, Layer::Workload, tile.name, tile.kind)
    }
}

/// The nodes' own lane, by zone, then name.
fn stand(nodes: &[&Arc<Node>], pods: &BTreeMap<&str, u32>, map: &mut Map) {
    let mut nodes = nodes.to_vec();
    nodes.sort_by_key(|node| (zone(node), &node.meta.name));
    for (node, row) in nodes.iter().zip(0_u32..) {
        let count = pods.get(&*node.meta.name).copied().unwrap_or(0);
        let plain = boxed(node_key(node), Layer::Node, &node.meta.name, &format!("{count} pods"));
        let at = Some(reference("Node", "", &node.meta.name));
        map.boxes.push(Box { row, level: node_level(node), at, ..plain });
    }
    if !nodes.is_empty() {
        map.lanes.push(Lane { namespace: String::new(), row: 0, rows: u32::try_from(nodes.len()).unwrap_or(u32::MAX) });
    }
}
