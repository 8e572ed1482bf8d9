//! A Service as a pod of the cluster sees it: every access it offers, and in one sentence why it does not answer.
//!
//! Nodes that a verdict can't tell apart are asked once; only Local policies and topology hints make nodes differ.

use super::choice::excluded;
use super::facts::{Facts, Path, Target, families, headless, label, target_text, zone};
use super::verdict::{Access, Attempt, Client, Mode, Outcome, Verdict, decide};
use crate::cluster::kinds::{Pod, Role, Service, ServicePort, TargetPort};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::map::Reach;
use wire::{Level, Say};

/// How one ServicePort is.
#[derive(Clone, Debug)]
pub struct Finding {
    pub say: Say,
    pub level: Level,
    pub ready: usize,
    pub not_ready: usize,
    /// A pod whose labels come closest, when the selector matches none.
    pub near: Option<Arc<Pod>>,
}

impl Finding {
    /// Which of a Service's findings is told: the worst, and of equals one that no node explains.
    #[must_use]
    pub fn weight(&self) -> (Level, bool) {
        (self.level, self.say.code != "S_NODEDOWN")
    }
}

/// What happens to a pod that dials the Service, by port and access.
#[must_use]
pub fn service(facts: &Facts, service: &Service, mode: &str) -> Vec<Reach> {
    if &*service.kind == "ExternalName" {
        return vec![named(service)];
    }
    service.ports.iter().flat_map(|slot| port(facts, service, slot, mode).1).collect()
}

/// The finding and the accesses of one port.
#[must_use]
pub fn port(facts: &Facts, service: &Service, slot: &ServicePort, mode: &str) -> (Finding, Vec<Reach>) {
    let mut all = Vec::new();
    let mut finding: Option<Finding> = None;
    for family in families(service) {
        let path = facts.path(service, slot, family);
        let found = diagnose(facts, &path);
        all.extend(accesses(facts, &path, &found, mode));
        if finding.as_ref().is_none_or(|known| found.weight() > known.weight()) {
            finding = Some(found);
        }
    }
    let mut finding = finding.unwrap_or_else(|| plain("S_NOSELECTOR", Level::Bad));
    // A path that fails on some nodes only is worse than its endpoints look.
    if let Some(worst) = all.iter().max_by_key(|reach| reach.level).filter(|reach| reach.level > finding.level) {
        finding.level = worst.level;
        finding.say = worst.say.clone();
    }
    (finding, all)
}

fn accesses(facts: &Facts, path: &Path<'_>, found: &Finding, mode: &str) -> Vec<Reach> {
    let service = path.service;
    if service.foreign_proxy.is_some() {
        let address = path.cluster_ip.unwrap_or_default();
        return vec![outlying(path, "ClusterIP", address, "external", "V16", found)];
    }
    if headless(service) {
        return vec![by_name(path, found)];
    }
    let mut all = Vec::new();
    let number = path.port.port;
    if let Some(address) = path.cluster_ip {
        all.push(proxied(facts, path, Access::ClusterIp, &joined(address, number), found, mode));
    }
    if let Some(node_port) = path.port.node_port.filter(|port| *port != 0) {
        all.push(proxied(facts, path, Access::NodePort, &format!("any node:{node_port}"), found, mode));
    }
    for address in &path.external_ips {
        all.push(proxied(facts, path, Access::ExternalIp, &joined(address, number), found, mode));
    }
    for address in &path.vips {
        all.push(proxied(facts, path, Access::Vip, &joined(address, number), found, mode));
    }
    if &*service.kind == "LoadBalancer" {
        if service.balancer.is_empty() {
            let pending = Finding { say: Say::new("S_PENDING"), level: Level::Busy, ..found.clone() };
            all.push(outlying(path, "LoadBalancer", "", "pending", "V16", &pending));
        }
        for ingress in service.balancer.iter() {
            let away = ingress.hostname.as_deref().filter(|_| ingress.ip.is_none());
            if let Some(name) = away.or(ingress.ip.as_deref().filter(|_| !ingress.vip)) {
                let left =
                    Finding { say: Say::new("S_EXTERNAL").with("name", name), level: Level::Gone, ..found.clone() };
                all.push(outlying(path, "LoadBalancer", &joined(name, number), "external", "V16", &left));
            }
        }
    }
    all
}

fn proxied(facts: &Facts, path: &Path<'_>, access: Access, address: &str, found: &Finding, mode: &str) -> Reach {
    let places = places(facts, path);
    let outcomes: Vec<Outcome<'_>> = places
        .iter()
        .map(|(node, zone)| {
            // A pod's address decides about source ranges and is not known here; ranges are told apart below.
            let attempt = Attempt { access, client: Client::Pod, node, zone, source: None };
            decide(path, &attempt, Mode::of(mode))
        })
        .collect();
    let failing = outcomes.iter().filter(|outcome| outcome.verdict != Verdict::Ok).count();
    let worst = outcomes.iter().max_by_key(|outcome| severity(outcome.verdict));
    let mut reach = Reach {
        port: port_text(path.port),
        access: word(access).into(),
        address: address.into(),
        verdict: worst.map_or("unknown", |outcome| outcome.verdict.text()).into(),
        rule: worst.map_or("", |outcome| outcome.rule).into(),
        level: found.level,
        say: found.say.clone(),
        backends: Vec::new(),
        excluded: Vec::new(),
        source: match outcomes.iter().find_map(|outcome| outcome.snat) {
            Some(true) => "node",
            Some(false) => "client",
            None => "unknown",
        }
        .into(),
    };
    let chosen: BTreeSet<(&str, u16)> =
        outcomes.iter().flat_map(|outcome| &outcome.backends).map(|target| (target.ip, target.port)).collect();
    let (backends, rest): (Vec<_>, Vec<_>) =
        path.targets.iter().partition(|target| chosen.contains(&(target.ip, target.port)));
    reach.backends = backends.into_iter().map(backend).collect();
    let hints = !path.service.internal_local && !path.external_local();
    reach.excluded = rest.into_iter().map(|target| (known_as(target), excluded(target, hints).into())).collect();
    if worst.is_some_and(|outcome| outcome.rule == "V6") {
        reach.verdict = "unknown".into();
        reach.level = Level::Gone;
        reach.say = Say::new("S_RANGES").with("ranges", path.ranges.join(", "));
    } else if failing > 0 && found.level < Level::Bad {
        reach.level = if failing < outcomes.len() { Level::Warn } else { Level::Bad };
        reach.say = Say::new("S_LOCAL")
            .with("nodes", (outcomes.len() - failing).to_string())
            .with("total", outcomes.len().to_string());
    }
    reach
}

/// The nodes to ask: all of them when they may differ, one nameless otherwise.
fn places<'a>(facts: &'a Facts, path: &Path<'_>) -> Vec<(&'a str, &'a str)> {
    let hints = path.targets.iter().any(|target| !target.hint_zones.is_empty() || !target.hint_nodes.is_empty());
    let differ = path.service.internal_local || path.external_local() || hints;
    if !differ || facts.nodes.is_empty() {
        return vec![("", "")];
    }
    facts.nodes.iter().map(|node| (&*node.meta.name, zone(node))).collect()
}

fn diagnose(facts: &Facts, path: &Path<'_>) -> Finding {
    let service = path.service;
    if let Some(owner) = &service.foreign_proxy {
        return Finding { say: Say::new("S_FOREIGN").with("owner", &**owner), ..plain("", Level::Gone) };
    }
    let ready = path.targets.iter().filter(|target| target.ready).count();
    let not_ready = path.targets.len() - ready;
    let fading = path.targets.iter().any(|target| target.serving && target.terminating);
    let say = |say: Say, level: Level| Finding { say, level, ready, not_ready, near: None };
    let (count, left) = (ready.to_string(), not_ready.to_string());
    match (ready, not_ready) {
        (1.., 0) => return say(Say::new("S_OK").with("ready", count), Level::Good),
        (1.., _) => {
            let down = down(facts, path);
            let told = |code: &str| Say::new(code).with("ready", count).with("notready", left);
            if down.is_empty() {
                return say(told("S_PARTIAL"), Level::Warn);
            }
            let nodes = down.len().to_string();
            let called = names(down.into_iter().map(str::to_owned));
            return say(told("S_NODEDOWN").with("count", nodes).with("nodes", called), Level::Warn);
        }
        (0, 1..) if fading => return say(Say::new("S_TERMINATING").with("count", left), Level::Warn),
        (0, 1..) => {
            let pods = names(path.targets.iter().map(known_as));
            return say(Say::new("S_NOTREADY").with("count", left).with("pods", pods), Level::Bad);
        }
        (0, 0) => {}
    }
    let Some(selector) = service.selector.as_ref().filter(|selector| !selector.is_empty()) else {
        return say(Say::new("S_NOSELECTOR").with("service", &*service.meta.name), Level::Bad);
    };
    let pods = facts.selected(service);
    if pods.is_empty() {
        let pairs: Vec<String> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mut found = say(Say::new("S_NOMATCH").with("selector", pairs.join(",")), Level::Bad);
        let near = nearest(facts, service);
        let (text, count) = near.as_ref().map_or((String::new(), 0), |(text, count, _)| (text.clone(), *count));
        found.say = found.say.with("near", text).with("count", count.to_string());
        found.near = near.map(|(_, _, pod)| pod);
        return found;
    }
    let some = pods.len().to_string();
    let called = names(pods.iter().map(|pod| pod.meta.name.as_ref().to_owned()));
    if let TargetPort::Name(name) = &path.port.target
        && !pods.iter().any(|pod| declares(pod, name, &path.port.protocol))
    {
        return say(Say::new("S_PORTNAME").with("port", &**name).with("pods", called), Level::Bad);
    }
    let listed = pods.iter().any(|pod| pod.ip.is_some() && !matches!(&*pod.phase, "Succeeded" | "Failed"));
    let code = if listed { "S_NOSLICE" } else { "S_NOADDRESS" };
    say(Say::new(code).with("count", some).with("pods", called), Level::Bad)
}

/// The nodes that are not ready, if all endpoints that are not ready stand on such: then the Service itself is well.
/// None for those who may not see nodes.
fn down<'a>(facts: &Facts, path: &Path<'a>) -> BTreeSet<&'a str> {
    let unready = path.targets.iter().filter(|target| !target.ready);
    let down = |name: &&str| facts.nodes.find("", name).is_some_and(|node| !node.is_ready());
    unready.map(|target| target.node.filter(down)).collect::<Option<_>>().unwrap_or_default()
}

/// The label values of the namespace closest to a selector that matches nothing: text, pods, the first of them.
fn nearest(facts: &Facts, service: &Service) -> Option<(String, usize, Arc<Pod>)> {
    let selector = service.selector.as_ref()?;
    let mut found: BTreeMap<(usize, String), (usize, &Arc<Pod>)> = BTreeMap::new();
    for pod in facts.pods_of(&service.meta.namespace) {
        let off: Vec<_> = selector
            .iter()
            .filter_map(|(key, value)| Some((key, value, label(&pod.meta.labels, key)?)))
            .filter(|(_, wanted, has)| wanted.as_ref() != *has)
            .collect();
        // A key the pod lacks altogether is no near miss.
        let known = selector.iter().all(|(key, _)| label(&pod.meta.labels, key).is_some());
        let distances: Option<usize> = off.iter().map(|(_, wanted, has)| close(wanted, has)).sum();
        let Some(distance) = distances.filter(|_| known) else { continue };
        let text: Vec<String> = off.iter().map(|(key, _, has)| format!("{key}={has}")).collect();
        found.entry((distance, text.join(","))).or_insert((0, pod)).0 += 1;
    }
    found.into_iter().next().map(|((_, text), (count, pod))| (text, count, Arc::clone(pod)))
}

/// How far two values are, when they are close enough to be taken for each other.
fn close(wanted: &str, has: &str) -> Option<usize> {
    let (a, b) = (wanted.to_lowercase(), has.to_lowercase());
    if !a.is_empty() && !b.is_empty() && (a.starts_with(&b) || b.starts_with(&a)) {
        return Some(a.len().abs_diff(b.len()).min(2));
    }
    Some(edits(&a, &b)).filter(|distance| *distance <= 2)
}

/// Levenshtein's distance.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (line, from) in a.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, to) in row.iter_mut().skip(1).zip(b.chars()) {
            let best = (diagonal + usize::from(from != to)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = best;
            left = best;
        }
    }
    row.last().copied().unwrap_or(0)
}

fn declares(pod: &Pod, name: &str, protocol: &str) -> bool {
    let long_lived = pod.containers.iter().filter(|container| container.role != Role::Init);
    let mut ports = long_lived.flat_map(|container| container.ports.iter());
    ports.any(|port| port.name.as_deref() == Some(name) && &*port.protocol == protocol)
}

fn by_name(path: &Path<'_>, found: &Finding) -> Reach {
    let all = path.service.publish_not_ready;
    let (backends, rest): (Vec<_>, Vec<_>) = path.targets.iter().partition(|target| target.ready || all);
    let verdict = if backends.is_empty() { "no path" } else { "OK" };
    let name = format!("{}.{}", path.service.meta.name, path.service.meta.namespace);
    let mut reach = outlying(path, "headless", &name, verdict, "V18", found);
    reach.backends = backends.into_iter().map(backend).collect();
    reach.excluded = rest.into_iter().map(|target| (known_as(target), excluded(target, false).into())).collect();
    reach.source = "client".into();
    reach
}

fn outlying(path: &Path<'_>, access: &str, address: &str, verdict: &str, rule: &str, found: &Finding) -> Reach {
    Reach {
        port: port_text(path.port),
        access: access.into(),
        address: address.into(),
        verdict: verdict.into(),
        rule: rule.into(),
        level: found.level,
        say: found.say.clone(),
        backends: Vec::new(),
        excluded: Vec::new(),
        source: "unknown".into(),
    }
}

fn named(service: &Service) -> Reach {
    let name = service.external_name.as_deref().unwrap_or_default();
    Reach {
        port: String::new(),
        access: "ExternalName".into(),
        address: name.into(),
        verdict: "external".into(),
        rule: "V17".into(),
        level: Level::Gone,
        say: Say::new("S_EXTERNAL").with("name", name),
        backends: Vec::new(),
        excluded: Vec::new(),
        source: "unknown".into(),
    }
}

fn plain(code: &str, level: Level) -> Finding {
    Finding { say: Say::new(code), level, ready: 0, not_ready: 0, near: None }
}

fn backend(target: &Target<'_>) -> (String, String, String) {
    (joined(target.ip, target.port), target.pod.into(), target.node.unwrap_or_default().into())
}

fn known_as(target: &Target<'_>) -> String {
    if target.pod.is_empty() { joined(target.ip, target.port) } else { target.pod.into() }
}

fn joined(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

/// `http 80/TCP`, or `80/TCP` for a port without name.
fn port_text(port: &ServicePort) -> String {
    let number = format!("{}/{}", port.port, port.protocol);
    if port.name.is_empty() { number } else { format!("{} {number}", port.name) }
}

/// The first five names; a sentence can't carry more.
fn names(all: impl Iterator<Item = String>) -> String {
    all.take(5).collect::<Vec<_>>().join(", ")
}

/// `ClusterIP 80 → http`, as the map's second line.
pub(super) fn subtitle(service: &Service, port: &ServicePort) -> String {
    if headless(service) {
        return format!("headless {}", target_text(port));
    }
    format!("{} {} → {}", service.kind, port.port, target_text(port))
}

const fn word(access: Access) -> &'static str {
    match access {
        Access::ClusterIp => "ClusterIP",
        Access::NodePort => "NodePort",
        Access::ExternalIp => "externalIP",
        Access::Vip => "LoadBalancer",
    }
}

const fn severity(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::NoPath => 0,
        Verdict::Ok => 1,
        Verdict::Drop | Verdict::ReplyLost => 2,
        Verdict::Reject => 3,
    }
}
