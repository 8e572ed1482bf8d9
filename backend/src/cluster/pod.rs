//! Pods: the spec's containers joined with their statuses.

use super::decode::Decode;
use super::intern::Interner;
use super::kinds::{Container, ContainerPort, ContainerSpec, ContainerStatus, Pod, Role, State, Terminated};
use super::quantity;
use super::raw::{List, RawCondition, RawMeta, Stamp, Text, boxed, conditions, each, some, str};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Debug, Deserialize)]
pub struct RawPod<'a> {
    #[serde(borrow)]
    metadata: Option<RawMeta<'a>>,
    spec: Option<RawSpec<'a>>,
    status: Option<RawStatus<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSpec<'a> {
    #[serde(borrow)]
    node_name: Option<Text<'a>>,
    service_account_name: Option<Text<'a>>,
    host_network: Option<bool>,
    hostname: Option<Text<'a>>,
    subdomain: Option<Text<'a>>,
    init_containers: List<RawContainer<'a>>,
    containers: List<RawContainer<'a>>,
    readiness_gates: List<RawGate<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawGate<'a> {
    #[serde(borrow)]
    condition_type: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawContainer<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    image: Option<Text<'a>>,
    restart_policy: Option<Text<'a>>,
    ports: List<RawPort<'a>>,
    resources: Option<RawResources<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPort<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    container_port: Option<u16>,
    protocol: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
struct RawResources<'a> {
    #[serde(borrow)]
    requests: Option<RawAmounts<'a>>,
    limits: Option<RawAmounts<'a>>,
}

#[derive(Debug, Deserialize)]
struct RawAmounts<'a> {
    #[serde(borrow)]
    cpu: Option<Text<'a>>,
    memory: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawStatus<'a> {
    #[serde(borrow)]
    phase: Option<Text<'a>>,
    reason: Option<Text<'a>>,
    message: Option<Text<'a>>,
    nominated_node_name: Option<Text<'a>>,
    #[serde(rename = "podIP")]
    pod_ip: Option<Text<'a>>,
    #[serde(rename = "podIPs")]
    pod_ips: List<RawIp<'a>>,
    qos_class: Option<Text<'a>>,
    start_time: Option<Stamp>,
    conditions: List<RawCondition<'a>>,
    init_container_statuses: List<RawContainerStatus<'a>>,
    container_statuses: List<RawContainerStatus<'a>>,
    ephemeral_container_statuses: List<RawContainerStatus<'a>>,
}

#[derive(Debug, Deserialize)]
struct RawIp<'a> {
    #[serde(borrow)]
    ip: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawContainerStatus<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    image: Option<Text<'a>>,
    ready: Option<bool>,
    started: Option<bool>,
    restart_count: Option<u32>,
    state: Option<RawState<'a>>,
    last_state: Option<RawState<'a>>,
}

#[derive(Debug, Default, Deserialize)]
struct RawState<'a> {
    #[serde(borrow)]
    waiting: Option<RawWaiting<'a>>,
    running: Option<RawRunning>,
    terminated: Option<RawTerminated<'a>>,
}

#[derive(Debug, Deserialize)]
struct RawWaiting<'a> {
    #[serde(borrow)]
    reason: Option<Text<'a>>,
    message: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRunning {
    started_at: Option<Stamp>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTerminated<'a> {
    #[serde(borrow)]
    reason: Option<Text<'a>>,
    message: Option<Text<'a>>,
    exit_code: Option<i32>,
    signal: Option<i32>,
    started_at: Option<Stamp>,
    finished_at: Option<Stamp>,
}

impl Decode for Pod {
    type Raw<'a> = RawPod<'a>;

    fn version<'r>(raw: &'r RawPod<'_>) -> &'r str {
        raw.metadata.as_ref().map_or("", |meta| str(&meta.resource_version))
    }

    fn project(raw: RawPod<'_>, strings: &mut Interner) -> Self {
        let meta = raw.metadata.unwrap_or_default().project(strings);
        let spec = raw.spec.unwrap_or_default();
        let status = raw.status.unwrap_or_default();
        let mut containers = Vec::new();
        join(spec.init_containers, status.init_container_statuses, Role::Init, &mut containers, strings);
        join(spec.containers, status.container_statuses, Role::Container, &mut containers, strings);
        let ended =
            |status: &RawContainerStatus<'_>| status.state.as_ref().is_some_and(|state| state.terminated.is_some());
        let ended =
            each(status.ephemeral_container_statuses).filter(ended).map(|one| strings.text(str(&one.name))).collect();
        let first = status.pod_ips.iter().flatten().next().and_then(|ip| boxed(&ip.ip));
        Self {
            meta,
            phase: strings.text(str(&status.phase)),
            reason: strings.word(some(&status.reason)),
            message: boxed(&status.message),
            node: strings.word(some(&spec.node_name)),
            nominated_node: strings.word(some(&status.nominated_node_name)),
            ip: first.or_else(|| boxed(&status.pod_ip)),
            qos: strings.word(some(&status.qos_class)),
            service_account: strings.word(some(&spec.service_account_name)),
            host_network: spec.host_network.unwrap_or(false),
            hostname: boxed(&spec.hostname),
            subdomain: strings.word(some(&spec.subdomain)),
            started: Stamp::known(status.start_time),
            containers: containers.into(),
            ended,
            conditions: conditions(status.conditions, strings),
            readiness_gates: each(spec.readiness_gates).map(|gate| strings.text(str(&gate.condition_type))).collect(),
        }
    }

    /// Left are identity, labels, phase, node, times and the containers' states.
    fn thin(&mut self, strings: &mut Interner) {
        self.meta.owner = None;
        (self.message, self.nominated_node, self.ip, self.qos) = (None, None, None, None);
        (self.service_account, self.hostname, self.subdomain) = (None, None, None);
        (self.conditions, self.readiness_gates) = (Box::default(), Box::default());
        for container in &mut self.containers {
            let (spec, image) = (&container.spec, strings.text(""));
            container.spec = strings.container(ContainerSpec {
                name: Arc::clone(&spec.name),
                role: spec.role,
                image,
                ports: Box::default(),
                cpu_request: None,
                cpu_limit: None,
                memory_request: None,
                memory_limit: None,
                listed: spec.listed,
            });
            if let Some(status) = &mut container.status {
                (status.last, status.restarts) = (None, 0);
            }
        }
    }
}

/// Adds the containers of one list with their statuses, then the statuses that name none of them.
fn join(
    specs: List<RawContainer<'_>>,
    statuses: List<RawContainerStatus<'_>>,
    role: Role,
    into: &mut Vec<Container>,
    strings: &mut Interner,
) {
    let mut statuses: Vec<_> = each(statuses).map(Some).collect();
    for raw in each(specs) {
        let found = statuses
            .iter_mut()
            .enumerate()
            .find_map(|(at, slot)| Some((at, slot.take_if(|status| str(&status.name) == str(&raw.name))?)));
        let restartable = role == Role::Init && str(&raw.restart_policy) == "Always";
        let spec = raw.project(if restartable { Role::Sidecar } else { role }, strings);
        into.push(match found {
            Some((at, status)) => with_status(spec, at, status, strings),
            None => Container { spec: strings.container(spec), place: 0, status: None },
        });
    }
    for (at, status) in statuses.into_iter().enumerate().filter_map(|(at, status)| Some((at, status?))) {
        let spec = ContainerSpec {
            name: strings.text(str(&status.name)),
            role,
            image: strings.text(str(&status.image)),
            ports: Box::default(),
            cpu_request: None,
            cpu_limit: None,
            memory_request: None,
            memory_limit: None,
            listed: false,
        };
        into.push(with_status(spec, at, status, strings));
    }
}

fn with_status(spec: ContainerSpec, at: usize, raw: RawContainerStatus<'_>, strings: &mut Interner) -> Container {
    Container {
        spec: strings.container(spec),
        place: u16::try_from(at).unwrap_or(u16::MAX),
        status: Some(Box::new(raw.project(strings))),
    }
}

// === impl RawContainer ===

impl RawContainer<'_> {
    fn project(self, role: Role, strings: &mut Interner) -> ContainerSpec {
        let resources = self.resources.unwrap_or_default();
        let cpu = |amounts: &Option<RawAmounts<'_>>| {
            let millis = quantity::millicores(some(&amounts.as_ref()?.cpu)?)?;
            Some(u32::try_from(millis).unwrap_or(u32::MAX))
        };
        let memory = |amounts: &Option<RawAmounts<'_>>| quantity::whole(some(&amounts.as_ref()?.memory)?);
        ContainerSpec {
            name: strings.text(str(&self.name)),
            role,
            image: strings.text(str(&self.image)),
            ports: each(self.ports)
                .map(|port| ContainerPort {
                    name: strings.word(some(&port.name)),
                    number: port.container_port.unwrap_or(0),
                    protocol: strings.text(some(&port.protocol).unwrap_or("TCP")),
                })
                .collect(),
            cpu_request: cpu(&resources.requests),
            cpu_limit: cpu(&resources.limits),
            memory_request: memory(&resources.requests),
            memory_limit: memory(&resources.limits),
            listed: true,
        }
    }
}

// === impl RawContainerStatus ===

impl RawContainerStatus<'_> {
    fn project(self, strings: &mut Interner) -> ContainerStatus {
        let state = self.state.unwrap_or_default();
        let last = self.last_state.unwrap_or_default().terminated;
        ContainerStatus {
            ready: self.ready.unwrap_or(false),
            started: self.started,
            restarts: self.restart_count.unwrap_or(0),
            state: match (state.terminated, state.waiting, state.running) {
                (Some(terminated), ..) => State::Terminated(terminated.project(strings)),
                (None, Some(waiting), _) => {
                    State::Waiting { reason: strings.word(some(&waiting.reason)), message: boxed(&waiting.message) }
                }
                (None, None, Some(running)) => State::Running { started: Stamp::known(running.started_at) },
                (None, None, None) => State::Unknown,
            },
            last: last.map(|terminated| Box::new(terminated.project(strings))),
        }
    }
}

// === impl RawTerminated ===

impl RawTerminated<'_> {
    fn project(self, strings: &mut Interner) -> Terminated {
        Terminated {
            exit_code: self.exit_code.unwrap_or(0),
            signal: self.signal.unwrap_or(0),
            reason: strings.word(some(&self.reason)),
            message: boxed(&self.message),
            started: Stamp::known(self.started_at),
            finished: Stamp::known(self.finished_at),
        }
    }
}
