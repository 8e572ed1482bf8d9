//! Nodes and namespaces.

use super::decode::Decode;
use super::intern::Interner;
use super::kinds::{Namespace, Node, Resources};
use super::quantity;
use super::raw::{List, RawCondition, RawMeta, Text, boxed, conditions, each, some, str};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub struct RawNode<'a> {
    #[serde(borrow)]
    metadata: Option<RawMeta<'a>>,
    spec: Option<RawSpec<'a>>,
    status: Option<RawStatus<'a>>,
}

#[derive(Debug, Default, Deserialize)]
struct RawSpec<'a> {
    unschedulable: Option<bool>,
    #[serde(borrow)]
    taints: List<RawTaint<'a>>,
}

#[derive(Debug, Deserialize)]
struct RawTaint<'a> {
    #[serde(borrow)]
    key: Option<Text<'a>>,
    value: Option<Text<'a>>,
    effect: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawStatus<'a> {
    #[serde(borrow)]
    conditions: List<RawCondition<'a>>,
    addresses: List<RawAddress<'a>>,
    daemon_endpoints: Option<RawDaemons>,
    capacity: Option<RawAmounts<'a>>,
    allocatable: Option<RawAmounts<'a>>,
    node_info: Option<RawInfo<'a>>,
}

#[derive(Debug, Deserialize)]
struct RawAddress<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    address: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDaemons {
    kubelet_endpoint: Option<RawPort>,
}

#[derive(Debug, Deserialize)]
struct RawPort {
    /// Upper case in the API itself.
    #[serde(rename = "Port")]
    port: Option<u16>,
}

#[derive(Debug, Deserialize)]
struct RawAmounts<'a> {
    #[serde(borrow)]
    cpu: Option<Text<'a>>,
    memory: Option<Text<'a>>,
    pods: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawInfo<'a> {
    #[serde(borrow)]
    kubelet_version: Option<Text<'a>>,
    os_image: Option<Text<'a>>,
    kernel_version: Option<Text<'a>>,
    container_runtime_version: Option<Text<'a>>,
    operating_system: Option<Text<'a>>,
    architecture: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct RawNamespace<'a> {
    #[serde(borrow)]
    metadata: Option<RawMeta<'a>>,
    status: Option<RawPhase<'a>>,
}

#[derive(Debug, Deserialize)]
struct RawPhase<'a> {
    #[serde(borrow)]
    phase: Option<Text<'a>>,
}

impl Decode for Node {
    type Raw<'a> = RawNode<'a>;

    fn version<'r>(raw: &'r RawNode<'_>) -> &'r str {
        raw.metadata.as_ref().map_or("", |meta| str(&meta.resource_version))
    }

    fn project(raw: RawNode<'_>, strings: &mut Interner) -> Self {
        let meta = raw.metadata.unwrap_or_default();
        let spec = raw.spec.unwrap_or_default();
        let status = raw.status.unwrap_or_default();
        let info = status.node_info.unwrap_or_default();
        let kubelet = status.daemon_endpoints.and_then(|daemons| daemons.kubelet_endpoint);
        Self {
            metrics_path: meta.annotations.as_ref().and_then(|annotations| boxed(&annotations.metrics_path)),
            kubelet_key: meta.annotations.as_ref().and_then(|annotations| boxed(&annotations.kubelet_key)),
            meta: meta.project(strings),
            unschedulable: spec.unschedulable.unwrap_or(false),
            conditions: conditions(status.conditions, strings),
            addresses: each(status.addresses)
                .map(|address| (strings.text(str(&address.kind)), str(&address.address).into()))
                .collect(),
            kubelet_port: kubelet.and_then(|endpoint| endpoint.port).unwrap_or(0),
            capacity: resources(status.capacity.as_ref()),
            allocatable: resources(status.allocatable.as_ref()),
            kubelet_version: strings.text(str(&info.kubelet_version)),
            os_image: strings.text(str(&info.os_image)),
            kernel: strings.text(str(&info.kernel_version)),
            runtime: strings.text(str(&info.container_runtime_version)),
            os: strings.text(str(&info.operating_system)),
            arch: strings.text(str(&info.architecture)),
            taints: each(spec.taints)
                .map(|taint| (str(&taint.key).into(), str(&taint.value).into(), strings.text(str(&taint.effect))))
                .collect(),
        }
    }
}

fn resources(raw: Option<&RawAmounts<'_>>) -> Resources {
    let Some(raw) = raw else { return Resources::default() };
    Resources {
        cpu: some(&raw.cpu).and_then(quantity::millicores),
        memory: some(&raw.memory).and_then(quantity::whole),
        pods: some(&raw.pods).and_then(quantity::whole),
    }
}

impl Decode for Namespace {
    type Raw<'a> = RawNamespace<'a>;

    fn version<'r>(raw: &'r RawNamespace<'_>) -> &'r str {
        raw.metadata.as_ref().map_or("", |meta| str(&meta.resource_version))
    }

    fn project(raw: RawNamespace<'_>, strings: &mut Interner) -> Self {
        Self {
            meta: raw.metadata.unwrap_or_default().project(strings),
            phase: strings.text(raw.status.as_ref().map_or("", |status| str(&status.phase))),
        }
    }
}
