//! Verdicts are what the case files say, for every proxy mode they assert. `TAFFRAIL_CASES_DIR` names another folder.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests; clippy.toml lets off only the tests themselves"
)]

use backend::cluster::Objects;
use backend::cluster::kinds::{
    BalancerIngress, Endpoint, EndpointSlice, Meta, Service, ServicePort, SlicePort, TargetPort,
};
use backend::topology::Facts;
use backend::topology::verdict::{Access, Attempt, Client, Mode, decide};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    desc: String,
    service: Spec,
    endpoints: Vec<Target>,
    access: String,
    client: String,
    node: String,
    zone: String,
    #[serde(rename = "srcIP")]
    source: Option<String>,
    expect: BTreeMap<String, Expected>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    r#type: String,
    #[serde(rename = "clusterIP")]
    cluster_ip: String,
    port: u16,
    proto: String,
    node_port: u16,
    #[serde(rename = "externalIPs")]
    external_ips: Vec<String>,
    vips: Vec<String>,
    ranges: Vec<String>,
    etp: String,
    itp: String,
    affinity: bool,
    hc: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    addr: String,
    node: Option<String>,
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
    hint_zones: Vec<String>,
    hint_nodes: Vec<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Expected {
    verdict: String,
    backends: BTreeSet<String>,
    snat: Option<bool>,
}

fn arcs(texts: &[String]) -> Box<[Arc<str>]> {
    texts.iter().map(|text| Arc::from(text.as_str())).collect()
}

fn boxes(texts: &[String]) -> Box<[Box<str>]> {
    texts.iter().map(|text| text.as_str().into()).collect()
}

fn meta(name: &str) -> Meta {
    Meta {
        id: 0,
        uid: name.into(),
        namespace: "shop".into(),
        name: name.into(),
        labels: Arc::new([]),
        created: 0,
        deleted: None,
        owner: None,
    }
}

fn service(spec: &Spec, family: &str) -> Service {
    let vips = spec.vips.iter().map(|ip| BalancerIngress { ip: Some(ip.as_str().into()), hostname: None, vip: true });
    Service {
        meta: meta("web"),
        kind: spec.r#type.as_str().into(),
        cluster_ip: Some(spec.cluster_ip.as_str().into()).filter(|_| !spec.cluster_ip.is_empty()),
        cluster_ips: boxes(std::slice::from_ref(&spec.cluster_ip)),
        families: [Arc::from(family)].into(),
        external_ips: boxes(&spec.external_ips),
        external_name: None,
        balancer: vips.collect(),
        ports: [ServicePort {
            name: "p".into(),
            protocol: spec.proto.to_uppercase().into(),
            port: spec.port,
            target: TargetPort::Name("p".into()),
            node_port: Some(spec.node_port).filter(|port| *port != 0),
            app_protocol: None,
        }]
        .into(),
        selector: None,
        publish_not_ready: false,
        external_local: spec.etp == "Local",
        internal_local: spec.itp == "Local",
        affinity: spec.affinity,
        source_ranges: boxes(&spec.ranges),
        health_check_port: Some(spec.hc).filter(|port| *port != 0),
        allocate_node_ports: true,
        traffic_distribution: None,
        foreign_proxy: None,
    }
}

fn slice(index: usize, target: &Target, protocol: &str, family: &str) -> EndpointSlice {
    let (ip, port) = target.addr.rsplit_once(':').unwrap();
    let ip = ip.trim_start_matches('[').trim_end_matches(']');
    EndpointSlice {
        meta: meta(&format!("web-{index}")),
        service: Some("web".into()),
        address_type: family.into(),
        ports: [SlicePort { name: Some("p".into()), protocol: protocol.into(), port: Some(port.parse().unwrap()) }]
            .into(),
        endpoints: [Endpoint {
            addresses: [ip.into()].into(),
            ready: target.ready,
            serving: target.serving,
            terminating: target.terminating,
            node: target.node.as_deref().filter(|node| !node.is_empty()).map(Arc::from),
            zone: None,
            pod: None,
            hint_zones: arcs(&target.hint_zones),
            hint_nodes: arcs(&target.hint_nodes),
        }]
        .into(),
    }
}

fn run(case: &Case) -> Vec<String> {
    let family = if case.service.cluster_ip.contains(':') { "IPv6" } else { "IPv4" };
    let service = service(&case.service, family);
    let objects = Objects::default();
    for (index, target) in case.endpoints.iter().enumerate() {
        objects.endpoint_slices.put(slice(index, target, &service.ports[0].protocol, family));
    }
    let facts = Facts::of(&objects);
    let path = facts.path(&service, &service.ports[0], family);
    let attempt = Attempt {
        access: match case.access.as_str() {
            "clusterIP" => Access::ClusterIp,
            "nodePort" => Access::NodePort,
            "externalIP" => Access::ExternalIp,
            "lbVIP" => Access::Vip,
            other => panic!("{}: unknown access {other}", case.id),
        },
        client: match case.client.as_str() {
            "pod" => Client::Pod,
            "host" => Client::Host,
            "ext" => Client::Outside,
            other => panic!("{}: unknown client {other}", case.id),
        },
        node: &case.node,
        zone: &case.zone,
        source: case.source.as_ref().map(|source| source.parse().unwrap()),
    };
    let mut wrong = Vec::new();
    for (mode, expected) in &case.expect {
        let outcome = decide(&path, &attempt, Mode::of(mode));
        let got = Expected {
            verdict: outcome.verdict.text().into(),
            backends: outcome.backends.iter().map(|target| target.ip.to_owned()).collect(),
            snat: outcome.snat,
        };
        if got != *expected {
            wrong.push(format!("{} {mode} ({}): {got:?}, expected {expected:?}", case.id, case.desc));
        }
    }
    wrong
}

#[test]
fn verdicts_are_what_the_case_file_says() {
    let folder = std::env::vars().find(|(name, _)| name == "TAFFRAIL_CASES_DIR").map(|(_, value)| value);
    let folder = folder.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases").to_owned());
    let text = std::fs::read_to_string(format!("{folder}/paths.json")).unwrap();
    let file: File = serde_json::from_str(&text).unwrap();
    assert!(!file.cases.is_empty());
    let wrong: Vec<String> = file.cases.iter().flat_map(run).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), file.cases.len(), wrong.join("\n"));
}
