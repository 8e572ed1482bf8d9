//! Services and endpoint slices.

use super::decode::Decode;
use super::intern::Interner;
use super::kinds::{BalancerIngress, Endpoint, EndpointSlice, Service, ServicePort, SlicePort, TargetPort};
use super::raw::{List, Pairs, RawMeta, Text, boxed, each, labels, some, str};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub struct RawService<'a> {
    #[serde(borrow)]
    metadata: Option<RawMeta<'a>>,
    spec: Option<RawSpec<'a>>,
    status: Option<RawStatus<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSpec<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<Text<'a>>,
    #[serde(rename = "clusterIPs")]
    cluster_ips: List<Text<'a>>,
    ip_families: List<Text<'a>>,
    #[serde(rename = "externalIPs")]
    external_ips: List<Text<'a>>,
    external_name: Option<Text<'a>>,
    ports: List<RawPort<'a>>,
    selector: Option<Pairs<'a>>,
    publish_not_ready_addresses: Option<bool>,
    external_traffic_policy: Option<Text<'a>>,
    internal_traffic_policy: Option<Text<'a>>,
    session_affinity: Option<Text<'a>>,
    load_balancer_source_ranges: List<Text<'a>>,
    health_check_node_port: Option<u16>,
    allocate_load_balancer_node_ports: Option<bool>,
    traffic_distribution: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPort<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    protocol: Option<Text<'a>>,
    port: Option<u16>,
    target_port: Option<Text<'a>>,
    node_port: Option<u16>,
    app_protocol: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawStatus<'a> {
    #[serde(borrow)]
    load_balancer: Option<RawBalancer<'a>>,
}

#[derive(Debug, Deserialize)]
struct RawBalancer<'a> {
    #[serde(borrow)]
    ingress: List<RawIngress<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawIngress<'a> {
    #[serde(borrow)]
    ip: Option<Text<'a>>,
    hostname: Option<Text<'a>>,
    ip_mode: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawSlice<'a> {
    #[serde(borrow)]
    metadata: Option<RawMeta<'a>>,
    address_type: Option<Text<'a>>,
    ports: List<RawPort<'a>>,
    endpoints: List<RawEndpoint<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEndpoint<'a> {
    #[serde(borrow)]
    addresses: List<Text<'a>>,
    conditions: Option<RawConditions>,
    node_name: Option<Text<'a>>,
    zone: Option<Text<'a>>,
    target_ref: Option<RawRef<'a>>,
    hints: Option<RawHints<'a>>,
}

#[derive(Debug, Default, Deserialize)]
struct RawConditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct RawRef<'a> {
    #[serde(borrow)]
    kind: Option<Text<'a>>,
    name: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawHints<'a> {
    #[serde(borrow)]
    for_zones: List<RawHint<'a>>,
    for_nodes: List<RawHint<'a>>,
}

#[derive(Debug, Deserialize)]
struct RawHint<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
}

fn boxes(list: List<Text<'_>>) -> Box<[Box<str>]> {
    each(list).map(|text| text.as_str().into()).collect()
}

impl Decode for Service {
    type Raw<'a> = RawService<'a>;

    fn version<'r>(raw: &'r RawService<'_>) -> &'r str {
        raw.metadata.as_ref().map_or("", |meta| str(&meta.resource_version))
    }

    fn project(raw: RawService<'_>, strings: &mut Interner) -> Self {
        let meta = raw.metadata.unwrap_or_default();
        let spec = raw.spec.unwrap_or_default();
        let balancer = raw.status.unwrap_or_default().load_balancer;
        Self {
            foreign_proxy: meta.label("service.kubernetes.io/service-proxy-name").map(Box::from),
            meta: meta.project(strings),
            kind: strings.text(some(&spec.kind).unwrap_or("ClusterIP")),
            cluster_ip: boxed(&spec.cluster_ip),
            cluster_ips: boxes(spec.cluster_ips),
            families: each(spec.ip_families).map(|family| strings.text(family.as_str())).collect(),
            external_ips: boxes(spec.external_ips),
            external_name: boxed(&spec.external_name),
            balancer: each(balancer.and_then(|balancer| balancer.ingress))
                .map(|ingress| BalancerIngress {
                    ip: boxed(&ingress.ip),
                    hostname: boxed(&ingress.hostname),
                    vip: str(&ingress.ip_mode) != "Proxy",
                })
                .collect(),
            ports: each(spec.ports).map(|port| port.of_service(strings)).collect(),
            selector: spec.selector.map(|pairs| labels(Some(&pairs), strings)),
            publish_not_ready: spec.publish_not_ready_addresses.unwrap_or(false),
            external_local: str(&spec.external_traffic_policy) == "Local",
            internal_local: str(&spec.internal_traffic_policy) == "Local",
            affinity: str(&spec.session_affinity) == "ClientIP",
            source_ranges: boxes(spec.load_balancer_source_ranges),
            health_check_port: spec.health_check_node_port.filter(|port| *port != 0),
            allocate_node_ports: spec.allocate_load_balancer_node_ports.unwrap_or(true),
            traffic_distribution: strings.word(some(&spec.traffic_distribution)),
        }
    }
}

// === impl RawPort ===

impl RawPort<'_> {
    fn of_service(self, strings: &mut Interner) -> ServicePort {
        let port = self.port.unwrap_or(0);
        ServicePort {
            name: strings.text(str(&self.name)),
            protocol: strings.text(some(&self.protocol).unwrap_or("TCP")),
            port,
            target: match some(&self.target_port) {
                None | Some("0") => TargetPort::Number(port),
                Some(target) => {
                    target.parse().map_or_else(|_| TargetPort::Name(strings.text(target)), TargetPort::Number)
                }
            },
            node_port: self.node_port.filter(|port| *port != 0),
            app_protocol: strings.word(some(&self.app_protocol)),
        }
    }
}

impl Decode for EndpointSlice {
    type Raw<'a> = RawSlice<'a>;

    fn version<'r>(raw: &'r RawSlice<'_>) -> &'r str {
        raw.metadata.as_ref().map_or("", |meta| str(&meta.resource_version))
    }

    fn project(raw: RawSlice<'_>, strings: &mut Interner) -> Self {
        let meta = raw.metadata.unwrap_or_default();
        Self {
            service: strings.word(meta.label("kubernetes.io/service-name")),
            meta: meta.project(strings),
            address_type: strings.text(str(&raw.address_type)),
            ports: each(raw.ports)
                .map(|port| SlicePort {
                    // Empty is the name of a Service's only port; absent is no name at all.
                    name: port.name.as_ref().map(|name| strings.text(name.as_str())),
                    protocol: strings.text(some(&port.protocol).unwrap_or("TCP")),
                    port: port.port,
                })
                .collect(),
            endpoints: each(raw.endpoints).map(|endpoint| endpoint.project(strings)).collect(),
        }
    }
}

// === impl RawEndpoint ===

impl RawEndpoint<'_> {
    fn project(self, strings: &mut Interner) -> Endpoint {
        let conditions = self.conditions.unwrap_or_default();
        let hints = self.hints.unwrap_or_default();
        let pod = self.target_ref.filter(|target| str(&target.kind) == "Pod");
        Endpoint {
            addresses: boxes(self.addresses),
            ready: conditions.ready,
            serving: conditions.serving,
            terminating: conditions.terminating,
            node: strings.word(some(&self.node_name)),
            zone: strings.word(some(&self.zone)),
            pod: pod.and_then(|target| some(&target.name).map(Into::into)),
            hint_zones: each(hints.for_zones).map(|hint| strings.text(str(&hint.name))).collect(),
            hint_nodes: each(hints.for_nodes).map(|hint| strings.text(str(&hint.name))).collect(),
        }
    }
}
