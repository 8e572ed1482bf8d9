//! What verdicts and the map are computed from: one snapshot of each kind and the indexes that make a Service's pods
//! and slices cheap to find. Building it costs O(pods × labels); nothing here changes afterwards.

use crate::cluster::cache::{Snapshot, Sync};
use crate::cluster::kinds::{EndpointSlice, Labels, Node, Pod, ReplicaSet, Service, ServicePort, TargetPort};
use crate::cluster::{Cache, Objects, kinds::Kind};
use hashbrown::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use wire::Say;

type Pair = (Arc<str>, Arc<str>);

/// One moment of the cluster.
#[derive(Debug)]
pub struct Facts {
    pub services: Snapshot<Service>,
    pub pods: Snapshot<Pod>,
    pub nodes: Snapshot<Node>,
    pub replica_sets: Snapshot<ReplicaSet>,
    /// Kinds that could not be read, and why.
    pub missing: Vec<Say>,
    slices: Snapshot<EndpointSlice>,
    slices_of: HashMap<Pair, Vec<usize>>,
    labelled: HashMap<Arc<str>, HashMap<Pair, Vec<usize>>>,
    pods_in: HashMap<Arc<str>, Vec<usize>>,
}

/// An endpoint of one ServicePort and family, its port resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    pub ip: &'a str,
    pub port: u16,
    pub node: Option<&'a str>,
    /// Empty when no Pod stands behind it.
    pub pod: &'a str,
    pub ready: bool,
    pub serving: bool,
    pub terminating: bool,
    pub hint_zones: &'a [Arc<str>],
    pub hint_nodes: &'a [Arc<str>],
}

/// One ServicePort in one IP family: all a proxy knows of it.
#[derive(Clone, Debug)]
pub struct Path<'a> {
    pub service: &'a Service,
    pub port: &'a ServicePort,
    /// `None`: the family has no ClusterIP, or the Service is headless.
    pub cluster_ip: Option<&'a str>,
    pub external_ips: Vec<&'a str>,
    /// Balancer addresses that nodes translate themselves.
    pub vips: Vec<&'a str>,
    pub ranges: Vec<&'a str>,
    pub targets: Vec<Target<'a>>,
}

// === impl Facts ===

impl Facts {
    /// The facts of this moment.
    #[must_use]
    pub fn of(objects: &Objects) -> Self {
        let mut missing = Vec::new();
        note(&objects.services, &mut missing);
        note(&objects.endpoint_slices, &mut missing);
        note(&objects.pods, &mut missing);
        note(&objects.nodes, &mut missing);
        note(&objects.replica_sets, &mut missing);
        let slices = objects.endpoint_slices.snapshot();
        let mut slices_of: HashMap<Pair, Vec<usize>> = HashMap::new();
        for (index, slice) in slices.iter().enumerate() {
            if let Some(service) = &slice.service {
                let name = (Arc::clone(&slice.meta.namespace), Arc::clone(service));
                slices_of.entry(name).or_default().push(index);
            }
        }
        let pods = objects.pods.snapshot();
        let mut labelled: HashMap<Arc<str>, HashMap<Pair, Vec<usize>>> = HashMap::new();
        let mut pods_in: HashMap<Arc<str>, Vec<usize>> = HashMap::new();
        for (index, pod) in pods.iter().enumerate() {
            let namespace = labelled.entry_ref(&pod.meta.namespace).or_default();
            for pair in pod.meta.labels.iter() {
                namespace.entry_ref(pair).or_default().push(index);
            }
            pods_in.entry_ref(&pod.meta.namespace).or_default().push(index);
        }
        Self {
            services: objects.services.snapshot(),
            pods,
            nodes: objects.nodes.snapshot(),
            replica_sets: objects.replica_sets.snapshot(),
            missing,
            slices,
            slices_of,
            labelled,
            pods_in,
        }
    }

    /// The pods a Service's selector matches; none for a Service without selector.
    #[must_use]
    pub fn selected(&self, service: &Service) -> Vec<&Arc<Pod>> {
        let Some(selector) = service.selector.as_ref().filter(|selector| !selector.is_empty()) else {
            return Vec::new();
        };
        let Some(namespace) = self.labelled.get(&service.meta.namespace) else { return Vec::new() };
        let mut rarest: Option<&Vec<usize>> = None;
        for pair in selector.iter() {
            let Some(pods) = namespace.get(pair) else { return Vec::new() };
            if rarest.is_none_or(|known| pods.len() < known.len()) {
                rarest = Some(pods);
            }
        }
        let matching = rarest.into_iter().flatten().filter_map(|index| self.pods.get(*index));
        matching.filter(|pod| carries(&pod.meta.labels, selector)).collect()
    }

    /// The pods of a namespace, by name.
    pub fn pods_of(&self, namespace: &str) -> impl Iterator<Item = &Arc<Pod>> {
        self.pods_in.get(namespace).into_iter().flatten().filter_map(|index| self.pods.get(*index))
    }

    /// The slices written for a Service.
    pub fn slices_of(&self, service: &Service) -> impl Iterator<Item = &EndpointSlice> {
        let name = (Arc::clone(&service.meta.namespace), Arc::clone(&service.meta.name));
        let indexes = self.slices_of.get(&name).map(Vec::as_slice).unwrap_or_default();
        indexes.iter().filter_map(|index| self.slices.get(*index)).map(AsRef::as_ref)
    }

    /// One ServicePort in one family.
    #[must_use]
    pub fn path<'a>(&'a self, service: &'a Service, port: &'a ServicePort, family: &str) -> Path<'a> {
        let of_family = |address: &&str| family_of(address) == Some(family);
        let vips = service.balancer.iter().filter(|ingress| ingress.vip).filter_map(|ingress| ingress.ip.as_deref());
        Path {
            service,
            port,
            cluster_ip: cluster_ip(service, family),
            external_ips: service.external_ips.iter().map(AsRef::as_ref).filter(of_family).collect(),
            vips: vips.filter(of_family).collect(),
            ranges: service
                .source_ranges
                .iter()
                .map(|range| range.trim())
                .filter(|range| range.split('/').next().and_then(family_of) == Some(family))
                .collect(),
            targets: self.targets(service, port, family),
        }
    }

    fn targets<'a>(&'a self, service: &'a Service, port: &ServicePort, family: &str) -> Vec<Target<'a>> {
        let mut targets = Vec::new();
        let mut seen = HashSet::new();
        for slice in self.slices_of(service).filter(|slice| &*slice.address_type == family) {
            for slot in slice.ports.iter() {
                let matching = slot.name.as_ref() == Some(&port.name) && slot.protocol == port.protocol;
                let Some(number) = slot.port.filter(|number| matching && *number != 0) else { continue };
                for endpoint in slice.endpoints.iter() {
                    let Some(ip) = endpoint.addresses.first() else { continue };
                    if seen.insert((ip, number)) {
                        targets.push(Target {
                            ip,
                            port: number,
                            node: endpoint.node.as_deref(),
                            pod: endpoint.pod.as_deref().unwrap_or_default(),
                            ready: endpoint.ready.unwrap_or(true),
                            serving: endpoint.serving.unwrap_or(true),
                            terminating: endpoint.terminating.unwrap_or(false),
                            hint_zones: &endpoint.hint_zones,
                            hint_nodes: &endpoint.hint_nodes,
                        });
                    }
                }
            }
        }
        targets.sort_by(|a, b| (a.ip, a.port).cmp(&(b.ip, b.port)));
        targets
    }
}

// === impl Path ===

impl Path<'_> {
    /// Whether anything outside the cluster network leads here.
    #[must_use]
    pub fn external(&self) -> bool {
        self.port.node_port.is_some_and(|port| port != 0) || !self.vips.is_empty() || !self.external_ips.is_empty()
    }

    /// `externalTrafficPolicy: Local` where it has an effect.
    #[must_use]
    pub fn external_local(&self) -> bool {
        let exposed = matches!(&*self.service.kind, "LoadBalancer" | "NodePort");
        (exposed || !self.service.external_ips.is_empty()) && self.service.external_local
    }
}

/// The families a Service offers, `IPv4` first unless it says otherwise.
#[must_use]
pub fn families(service: &Service) -> Vec<&str> {
    if !service.families.is_empty() {
        return service.families.iter().map(AsRef::as_ref).collect();
    }
    match service.cluster_ip.as_deref().and_then(family_of) {
        Some(family) => vec![family],
        None => vec!["IPv4"],
    }
}

/// A Service without a proxy: DNS alone.
#[must_use]
pub fn headless(service: &Service) -> bool {
    service.cluster_ip.as_deref() == Some("None")
}

/// A node's zone; empty when it has none.
#[must_use]
pub fn zone(node: &Node) -> &str {
    label(&node.meta.labels, "topology.kubernetes.io/zone").unwrap_or_default()
}

/// A label's value.
#[must_use]
pub fn label<'a>(labels: &'a Labels, key: &str) -> Option<&'a str> {
    labels.iter().find(|(known, _)| &**known == key).map(|(_, value)| &**value)
}

/// What a ServicePort translates to, as the manifest says it.
#[must_use]
pub fn target_text(port: &ServicePort) -> String {
    match &port.target {
        TargetPort::Number(0) => port.port.to_string(),
        TargetPort::Number(number) => number.to_string(),
        TargetPort::Name(name) => name.as_ref().into(),
    }
}

fn carries(labels: &Labels, selector: &Labels) -> bool {
    selector.iter().all(|(key, value)| label(labels, key) == Some(value))
}

fn cluster_ip<'a>(service: &'a Service, family: &str) -> Option<&'a str> {
    let listed = service.families.iter().position(|known| &**known == family);
    let address = match listed {
        Some(index) => service.cluster_ips.get(index).map(AsRef::as_ref).or(service.cluster_ip.as_deref()),
        None if service.families.is_empty() => service.cluster_ip.as_deref(),
        None => None,
    };
    address.filter(|address| family_of(address) == Some(family))
}

fn family_of(address: &str) -> Option<&'static str> {
    match address.parse().ok()? {
        IpAddr::V4(_) => Some("IPv4"),
        IpAddr::V6(_) => Some("IPv6"),
    }
}

fn note<K: Kind>(cache: &Cache<K>, missing: &mut Vec<Say>) {
    if let Sync::Denied(say) = cache.sync() {
        missing.push(say);
    }
}
