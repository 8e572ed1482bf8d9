//! The kinds the simulated API server serves, in one table.

/// How a kind is addressed.
#[derive(Debug)]
pub(crate) struct Spec {
    /// Empty for the core group.
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) short: &'static str,
    pub(crate) namespaced: bool,
    /// Field selectors beyond `metadata.name` and `metadata.namespace`.
    pub(crate) fields: &'static [&'static str],
    /// Served subresources.
    pub(crate) subresources: &'static [&'static str],
}

impl Spec {
    /// `v1`, `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `pods`, `deployments.apps`, as messages name it.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }
}

macro_rules! kinds {
    ($($kind:ident $group:literal $version:literal $plural:literal $short:literal $namespaced:literal $fields:expr, $subresources:expr;)*) => {
        /// A served kind.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum Kind { $($kind),* }

        impl Kind {
            pub(crate) const ALL: &[Self] = &[$(Self::$kind),*];

            pub(crate) fn spec(self) -> &'static Spec {
                match self {
                    $(Self::$kind => {
                        static SPEC: Spec = Spec {
                            group: $group, version: $version, kind: stringify!($kind), plural: $plural, short: $short,
                            namespaced: $namespaced, fields: $fields, subresources: $subresources,
                        };
                        &SPEC
                    })*
                }
            }
        }
    };
}

const NONE: &[&str] = &[];
const INVOLVED: &[&str] =
    &["involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid", "reason", "type"];

kinds! {
    Node "" "v1" "nodes" "no" false &["spec.unschedulable"], &["status"];
    Namespace "" "v1" "namespaces" "ns" false &["status.phase"], &["status"];
    Pod "" "v1" "pods" "po" true &["status.phase", "spec.nodeName", "spec.serviceAccountName", "status.podIP"], &["status", "log"];
    Service "" "v1" "services" "svc" true &["spec.clusterIP", "spec.type"], &["status"];
    Event "" "v1" "events" "ev" true INVOLVED, NONE;
    ConfigMap "" "v1" "configmaps" "cm" true NONE, NONE;
    Secret "" "v1" "secrets" "" true &["type"], NONE;
    ServiceAccount "" "v1" "serviceaccounts" "sa" true NONE, NONE;
    PersistentVolumeClaim "" "v1" "persistentvolumeclaims" "pvc" true NONE, &["status"];
    PersistentVolume "" "v1" "persistentvolumes" "pv" false NONE, &["status"];
    LimitRange "" "v1" "limitranges" "limits" true NONE, NONE;
    ResourceQuota "" "v1" "resourcequotas" "quota" true NONE, &["status"];
    Deployment "apps" "v1" "deployments" "deploy" true NONE, &["status", "scale"];
    ReplicaSet "apps" "v1" "replicasets" "rs" true NONE, &["status", "scale"];
    DaemonSet "apps" "v1" "daemonsets" "ds" true NONE, &["status"];
    StatefulSet "apps" "v1" "statefulsets" "sts" true NONE, &["status", "scale"];
    Job "batch" "v1" "jobs" "" true NONE, &["status"];
    CronJob "batch" "v1" "cronjobs" "cj" true NONE, &["status"];
    HorizontalPodAutoscaler "autoscaling" "v2" "horizontalpodautoscalers" "hpa" true NONE, &["status"];
    PodDisruptionBudget "policy" "v1" "poddisruptionbudgets" "pdb" true NONE, &["status"];
    EndpointSlice "discovery.k8s.io" "v1" "endpointslices" "" true NONE, NONE;
    Ingress "networking.k8s.io" "v1" "ingresses" "ing" true NONE, &["status"];
    IngressClass "networking.k8s.io" "v1" "ingressclasses" "" false NONE, NONE;
    NetworkPolicy "networking.k8s.io" "v1" "networkpolicies" "netpol" true NONE, NONE;
    StorageClass "storage.k8s.io" "v1" "storageclasses" "sc" false NONE, NONE;
    Role "rbac.authorization.k8s.io" "v1" "roles" "" true NONE, NONE;
    RoleBinding "rbac.authorization.k8s.io" "v1" "rolebindings" "" true NONE, NONE;
    ClusterRole "rbac.authorization.k8s.io" "v1" "clusterroles" "" false NONE, NONE;
    ClusterRoleBinding "rbac.authorization.k8s.io" "v1" "clusterrolebindings" "" false NONE, NONE;
    Lease "coordination.k8s.io" "v1" "leases" "" true NONE, NONE;
    APIService "apiregistration.k8s.io" "v1" "apiservices" "" false NONE, &["status"];
}

impl Kind {
    /// The kind served at `/apis/{group}/{version}/…/{plural}`.
    pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| {
            let spec = kind.spec();
            spec.plural == plural && spec.group == group && spec.version == version
        })
    }

    /// The served groups with their versions, core first, each once.
    pub(crate) fn groups() -> Vec<(&'static str, &'static str)> {
        let mut groups = Vec::new();
        for kind in Self::ALL {
            let pair = (kind.spec().group, kind.spec().version);
            if !groups.contains(&pair) {
                groups.push(pair);
            }
        }
        groups
    }
}
