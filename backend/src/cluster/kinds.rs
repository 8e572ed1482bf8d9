//! The slim objects: what the product's tables, verdicts and metrics need, and nothing else of them. An ordinary pod
//! is below 1.2 KB with its map entry (k8s-openapi's is 33 KB). Strings that repeat from object to object are shared.
//!
//! Times are Unix milliseconds. An absent number is `None`, never zero.

use std::sync::Arc;
use wire::Millis;

/// Sorted by key.
pub type Labels = Arc<[(Arc<str>, Arc<str>)]>;

/// Key, value, effect.
pub type Taint = (Box<str>, Box<str>, Arc<str>);

/// Key, operator, values.
pub type Expression = (Arc<str>, Arc<str>, Box<[Arc<str>]>);

/// What every object has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Our number for it: the same while the object (its uid) lives, across relists. Never reused.
    pub id: u64,
    pub uid: Box<str>,
    /// Empty for cluster-scoped kinds.
    pub namespace: Arc<str>,
    pub name: Arc<str>,
    pub labels: Labels,
    /// Zero when unknown.
    pub created: Millis,
    /// `deletionTimestamp`.
    pub deleted: Option<Millis>,
    /// The controlling owner.
    pub owner: Option<Arc<Owner>>,
}

/// A controlling owner reference; shared by the siblings it owns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    pub kind: Arc<str>,
    pub name: Arc<str>,
    pub uid: Box<str>,
}

/// A kind of the cache.
pub trait Kind: Send + std::marker::Sync + Sized + PartialEq + 'static {
    const KIND: wire::Kind;
    fn meta(&self) -> &Meta;
    fn meta_mut(&mut self) -> &mut Meta;
}

#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    pub meta: Meta,
    /// `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`, or empty without a status.
    pub phase: Arc<str>,
    /// `status.reason`.
    pub reason: Option<Arc<str>>,
    pub message: Option<Box<str>>,
    pub node: Option<Arc<str>>,
    pub nominated_node: Option<Arc<str>>,
    /// The first of `podIPs`, or `podIP`.
    pub ip: Option<Box<str>>,
    pub qos: Option<Arc<str>>,
    pub service_account: Option<Arc<str>>,
    pub host_network: bool,
    pub hostname: Option<Box<str>>,
    pub subdomain: Option<Arc<str>>,
    pub started: Option<Millis>,
    /// In spec order: init containers first (restartable ones are sidecars), then containers.
    pub containers: Box<[Container]>,
    /// Ephemeral containers that have ended: kubelets may go on naming them.
    pub ended: Box<[Arc<str>]>,
    pub conditions: Box<[Condition]>,
    pub readiness_gates: Box<[Arc<str>]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Init,
    /// A restartable init container.
    Sidecar,
    Container,
}

/// A container of the spec joined with its status by name. What the spec says reads as its own fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    /// Shared by the siblings of a template: half of a pod's bytes otherwise.
    pub spec: Arc<ContainerSpec>,
    /// Where its status stands in the status list, whose order is not the spec's: kubectl's word depends on it.
    pub place: u16,
    /// `None`: no status yet.
    pub status: Option<Box<ContainerStatus>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContainerSpec {
    pub name: Arc<str>,
    pub role: Role,
    pub image: Arc<str>,
    pub ports: Box<[ContainerPort]>,
    /// Millicores.
    pub cpu_request: Option<u32>,
    pub cpu_limit: Option<u32>,
    /// Bytes.
    pub memory_request: Option<u64>,
    pub memory_limit: Option<u64>,
    /// False for a status that names a container the spec does not have; kubectl counts its restarts all the same.
    pub listed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContainerPort {
    pub name: Option<Arc<str>>,
    pub number: u16,
    /// `TCP`, `UDP`, `SCTP`.
    pub protocol: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerStatus {
    pub ready: bool,
    pub started: Option<bool>,
    pub restarts: u32,
    pub state: State,
    /// `lastState.terminated`.
    pub last: Option<Box<Terminated>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Unknown,
    Waiting { reason: Option<Arc<str>>, message: Option<Box<str>> },
    Running { started: Option<Millis> },
    Terminated(Terminated),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminated {
    pub exit_code: i32,
    pub signal: i32,
    pub reason: Option<Arc<str>>,
    pub message: Option<Box<str>>,
    pub started: Option<Millis>,
    pub finished: Option<Millis>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub kind: Arc<str>,
    /// `True`, `False`, `Unknown`.
    pub status: Arc<str>,
    pub reason: Option<Arc<str>>,
    pub message: Option<Box<str>>,
    pub since: Option<Millis>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub meta: Meta,
    pub unschedulable: bool,
    pub conditions: Box<[Condition]>,
    /// `status.addresses` in order: type, address.
    pub addresses: Box<[(Arc<str>, Box<str>)]>,
    /// `status.daemonEndpoints.kubeletEndpoint.Port`; zero when absent.
    pub kubelet_port: u16,
    /// Annotation `metrics.k8s.io/resource-metrics-path`.
    pub metrics_path: Option<Box<str>>,
    /// Annotation `taffrail.dev/kubelet-key`: the key that its kubelet's certificate has, `sha256:HEX`.
    pub kubelet_key: Option<Box<str>>,
    /// Millicores, bytes, pods.
    pub capacity: Resources,
    pub allocatable: Resources,
    /// kubeletVersion, osImage, kernelVersion, containerRuntimeVersion; empty when unknown.
    pub kubelet_version: Arc<str>,
    pub os_image: Arc<str>,
    pub kernel: Arc<str>,
    pub runtime: Arc<str>,
    /// operatingSystem, architecture.
    pub os: Arc<str>,
    pub arch: Arc<str>,
    /// key, value, effect.
    pub taints: Box<[Taint]>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    pub cpu: Option<u64>,
    pub memory: Option<u64>,
    pub pods: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Namespace {
    pub meta: Meta,
    pub phase: Arc<str>,
}

/// A selector as the spec has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// `matchLabels`, sorted.
    pub labels: Box<[(Arc<str>, Arc<str>)]>,
    /// `matchExpressions`: key, operator, values.
    pub expressions: Box<[Expression]>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ReplicaSet {
    pub meta: Meta,
    pub desired: u32,
    pub current: u32,
    pub ready: u32,
    pub available: u32,
    /// Annotation `deployment.kubernetes.io/revision`.
    pub revision: Option<u32>,
    /// Template containers: name, image.
    pub containers: Box<[(Arc<str>, Arc<str>)]>,
    pub selector: Selector,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    pub meta: Meta,
    pub desired: u32,
    pub replicas: u32,
    pub ready: u32,
    pub updated: u32,
    pub available: u32,
    pub generation: i64,
    pub observed: i64,
    pub paused: bool,
    /// `RollingUpdate` or `Recreate`.
    pub strategy: Arc<str>,
    /// maxSurge, maxUnavailable as written.
    pub surge: Option<Box<str>>,
    pub unavailable: Option<Box<str>>,
    pub revision: Option<u32>,
    pub containers: Box<[(Arc<str>, Arc<str>)]>,
    pub selector: Selector,
    pub conditions: Box<[Condition]>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    pub meta: Meta,
    /// `ClusterIP`, `NodePort`, `LoadBalancer`, `ExternalName`.
    pub kind: Arc<str>,
    /// `clusterIP`, then `clusterIPs` with `ipFamilies`: `None` stays the text `None`.
    pub cluster_ip: Option<Box<str>>,
    pub cluster_ips: Box<[Box<str>]>,
    /// `IPv4`, `IPv6`.
    pub families: Box<[Arc<str>]>,
    pub external_ips: Box<[Box<str>]>,
    pub external_name: Option<Box<str>>,
    /// `status.loadBalancer.ingress`.
    pub balancer: Box<[BalancerIngress]>,
    pub ports: Box<[ServicePort]>,
    /// `None`: no selector at all.
    pub selector: Option<Labels>,
    pub publish_not_ready: bool,
    /// `externalTrafficPolicy == Local`.
    pub external_local: bool,
    /// `internalTrafficPolicy == Local`.
    pub internal_local: bool,
    pub affinity: bool,
    pub source_ranges: Box<[Box<str>]>,
    pub health_check_port: Option<u16>,
    pub allocate_node_ports: bool,
    pub traffic_distribution: Option<Arc<str>>,
    /// Label `service.kubernetes.io/service-proxy-name`.
    pub foreign_proxy: Option<Box<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalancerIngress {
    pub ip: Option<Box<str>>,
    pub hostname: Option<Box<str>>,
    /// `VIP` or unset: true; `Proxy`: false.
    pub vip: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Empty for the only port of a Service.
    pub name: Arc<str>,
    pub protocol: Arc<str>,
    pub port: u16,
    pub target: TargetPort,
    pub node_port: Option<u16>,
    pub app_protocol: Option<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPort {
    Number(u16),
    Name(Arc<str>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct EndpointSlice {
    pub meta: Meta,
    /// Label `kubernetes.io/service-name`.
    pub service: Option<Arc<str>>,
    /// `IPv4`, `IPv6`, `FQDN`.
    pub address_type: Arc<str>,
    pub ports: Box<[SlicePort]>,
    pub endpoints: Box<[Endpoint]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlicePort {
    pub name: Option<Arc<str>>,
    pub protocol: Arc<str>,
    pub port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub addresses: Box<[Box<str>]>,
    pub ready: Option<bool>,
    pub serving: Option<bool>,
    pub terminating: Option<bool>,
    pub node: Option<Arc<str>>,
    pub zone: Option<Arc<str>>,
    /// `targetRef` when it is a Pod: its name.
    pub pod: Option<Arc<str>>,
    pub hint_zones: Box<[Arc<str>]>,
    pub hint_nodes: Box<[Arc<str>]>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub meta: Meta,
    /// `Normal`, `Warning`.
    pub kind: Arc<str>,
    pub reason: Arc<str>,
    pub message: Box<str>,
    /// involvedObject.
    pub about_kind: Arc<str>,
    pub about_namespace: Arc<str>,
    pub about_name: Arc<str>,
    pub about_uid: Option<Box<str>>,
    pub about_field: Option<Box<str>>,
    /// source.component, source.host, or the reporting pair.
    pub component: Arc<str>,
    pub host: Arc<str>,
    pub first: Option<Millis>,
    pub last: Option<Millis>,
    pub count: u32,
}

impl Node {
    /// Whether its kubelet says that it takes pods.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.conditions.iter().any(|condition| &*condition.kind == "Ready" && &*condition.status == "True")
    }
}

impl std::ops::Deref for Container {
    type Target = ContainerSpec;

    fn deref(&self) -> &ContainerSpec {
        &self.spec
    }
}

macro_rules! kinds {
    ($($kind:ident),*) => {$(
        impl Kind for $kind {
            const KIND: wire::Kind = wire::Kind::$kind;
            fn meta(&self) -> &Meta {
                &self.meta
            }
            fn meta_mut(&mut self) -> &mut Meta {
                &mut self.meta
            }
        }
    )*};
}

kinds!(Node, Namespace, Pod, ReplicaSet, Deployment, Service, EndpointSlice, Event);
