//! The cluster's first objects: nodes, namespaces, roles, workloads with a past, and what is broken among them.

use crate::clock::{rfc3339, rfc3339_micro};
use crate::controllers::{endpoints, pod_ip, schedule_failure};
use crate::kinds::Kind;
use crate::load::{hash, mix, unit};
use crate::run::BEHAVIOUR;
use crate::store::Object;
use crate::workloads::{self, Stage, enter, event, suffix};
use crate::{Config, KubeletFault, Shared};
use serde_json::{Value, json};
use std::sync::Arc;

const NAMESPACES: &[&str] = &[
    "default",
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "edge",
    "orders",
    "payments",
    "media",
    "data",
    "batch",
    "notify",
];

/// A Deployment or StatefulSet: namespace, name, replicas, behaviour, stateful.
type Line = (&'static str, &'static str, u32, &'static str, bool);

/// What every cluster has, the broken first, so that small ones have them too.
const FIXED: &[Line] = &[
    ("orders", "checkout", 3, "leak", false),
    ("orders", "inventory", 2, "crash", false),
    ("notify", "mailer", 1, "pull", false),
    ("notify", "push", 2, "unready", false),
    ("payments", "ledger-api", 3, "", false),
    ("kube-system", "coredns", 2, "", false),
    ("edge", "gateway", 2, "", false),
    ("orders", "cart", 2, "", false),
    ("payments", "fraud", 1, "", false),
    ("data", "postgres", 1, "", true),
    ("data", "search", 2, "", true),
    ("media", "thumbs", 6, "", false),
];

/// What fills the rest.
const MORE: &[(&str, &str)] = &[
    ("edge", "web"),
    ("orders", "pricing"),
    ("media", "transcode"),
    ("data", "cache"),
    ("payments", "payouts"),
    ("batch", "etl-worker"),
    ("edge", "auth"),
    ("orders", "shipping"),
    ("notify", "sms"),
    ("media", "catalog"),
    ("payments", "invoices"),
    ("data", "stream"),
];

pub(crate) fn node_name(index: u32) -> String {
    format!("node-{}", index + 1)
}

/// Stores everything. A seed gives the same objects each time, apart from the clock's base.
pub(crate) fn fill(shared: &Shared, config: &Config, ports: &[u16], ca_pem: &str) {
    let seeder = Seeder { shared, now: shared.started };
    for &name in NAMESPACES {
        let labels = json!({"kubernetes.io/metadata.name": name});
        seeder.put(Kind::Namespace, "", name, 60, json!({"metadata": {"labels": labels}, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}));
        seeder.put(Kind::ServiceAccount, name, "default", 60, json!({}));
    }
    seeder.access(ca_pem);
    for index in 0..config.nodes {
        seeder.node(config, index, ports);
    }
    seeder.pods(config);
    seeder.services();
}

/// The APIService of `metrics.k8s.io`, once it is aggregated.
pub(crate) fn register_metrics(shared: &Shared, ca_pem: &str) {
    use base64::Engine as _;
    let bundle = base64::engine::general_purpose::STANDARD.encode(ca_pem);
    let name = "v1beta1.metrics.k8s.io";
    shared.store.delete(Kind::APIService, "", name);
    let seeder = Seeder { shared, now: shared.clock.now() };
    seeder.put(Kind::APIService, "", name, 0, json!({
        "spec": {"group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100, "caBundle": bundle,
            "service": {"namespace": "kube-system", "name": "taffrail", "port": 443}},
        "status": {"conditions": [{"type": "Available", "status": "True", "reason": "Passed", "message": "all checks passed", "lastTransitionTime": rfc3339(seeder.now)}]},
    }));
}

struct Seeder<'a> {
    shared: &'a Shared,
    now: i64,
}

impl Seeder<'_> {
    /// Stores an object that is `days` old.
    fn put(&self, kind: Kind, namespace: &str, name: &str, days: i64, mut value: Value) -> Option<Arc<Object>> {
        let spec = kind.spec();
        value["kind"] = json!(spec.kind);
        value["apiVersion"] = json!(spec.api_version());
        if !value["metadata"].is_object() {
            value["metadata"] = json!({});
        }
        value["metadata"]["name"] = json!(name);
        if spec.namespaced {
            value["metadata"]["namespace"] = json!(namespace);
        }
        let jitter = (hash(self.shared.seed, name) % 86_400_000) as i64;
        if value["metadata"]["creationTimestamp"].is_null() {
            value["metadata"]["creationTimestamp"] = json!(rfc3339(self.now - days * 86_400_000 - jitter));
        }
        self.shared.store.create(kind, value, self.now).ok()
    }

    fn access(&self, ca_pem: &str) {
        let role = |name: &str, rules: Value| self.put(Kind::ClusterRole, "", name, 60, json!({"rules": rules}));
        let read = json!(["get", "list", "watch"]);
        let workloads = json!([
            "pods",
            "pods/log",
            "services",
            "events",
            "configmaps",
            "serviceaccounts",
            "persistentvolumeclaims",
            "resourcequotas",
            "limitranges",
            "pods/status"
        ]);
        let apps = json!([
            "deployments",
            "replicasets",
            "daemonsets",
            "statefulsets",
            "deployments/scale",
            "replicasets/scale",
            "statefulsets/scale"
        ]);
        let view = json!([
            {"apiGroups": [""], "resources": workloads, "verbs": read},
            {"apiGroups": ["apps"], "resources": apps, "verbs": read},
            {"apiGroups": ["batch", "autoscaling", "policy", "discovery.k8s.io", "networking.k8s.io"], "resources": ["*"], "verbs": read},
            {"apiGroups": ["metrics.k8s.io"], "resources": ["pods"], "verbs": read},
        ]);
        role(
            "cluster-admin",
            json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]}]),
        );
        role("view", view);
        role(
            "edit",
            json!([
                {"apiGroups": ["", "apps", "batch", "autoscaling", "policy", "discovery.k8s.io", "networking.k8s.io"], "resources": ["*"], "verbs": ["*"]},
                {"apiGroups": ["metrics.k8s.io"], "resources": ["pods"], "verbs": read},
            ]),
        );
        role("namespace-lister", json!([{"apiGroups": [""], "resources": ["namespaces"], "verbs": read}]));
        role(
            "system:discovery",
            json!([{"nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/version", "/openapi", "/openapi/*"], "verbs": ["get"]}]),
        );
        role(
            "system:basic-user",
            json!([
                {"apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], "verbs": ["create"]},
                {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"]},
            ]),
        );
        role(
            "taffrail",
            json!([
                {"apiGroups": [""], "resources": ["nodes", "namespaces", "pods", "services", "events", "configmaps", "secrets", "serviceaccounts", "persistentvolumeclaims", "persistentvolumes", "limitranges", "resourcequotas"], "verbs": read},
                {"apiGroups": [""], "resources": ["nodes/metrics", "nodes/stats"], "verbs": ["get"]},
                {"apiGroups": ["apps", "batch", "autoscaling", "policy", "discovery.k8s.io", "networking.k8s.io", "storage.k8s.io", "coordination.k8s.io", "apiregistration.k8s.io", "rbac.authorization.k8s.io"], "resources": ["*"], "verbs": read},
                {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
                {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
            ]),
        );
        let bind = |kind: Kind, namespace: &str, role: &str, subject: Value| {
            let name = format!("{role}-{}", subject["name"].as_str().unwrap_or_default().replace(':', "-"));
            let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role});
            self.put(kind, namespace, &name, 60, json!({"roleRef": reference, "subjects": [subject]}));
        };
        let user = |name: &str| json!({"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"});
        let group = |name: &str| json!({"kind": "Group", "name": name, "apiGroup": "rbac.authorization.k8s.io"});
        bind(Kind::ClusterRoleBinding, "", "cluster-admin", group("system:masters"));
        bind(Kind::ClusterRoleBinding, "", "system:discovery", group("system:authenticated"));
        bind(Kind::ClusterRoleBinding, "", "system:basic-user", group("system:authenticated"));
        bind(Kind::ClusterRoleBinding, "", "namespace-lister", user("viewer"));
        bind(Kind::RoleBinding, "orders", "view", user("viewer"));
        bind(Kind::RoleBinding, "payments", "view", user("viewer"));
        bind(Kind::RoleBinding, "media", "edit", user("narrow"));
        let account = json!({"kind": "ServiceAccount", "name": "taffrail", "namespace": "kube-system"});
        bind(Kind::ClusterRoleBinding, "", "taffrail", account);
        self.put(Kind::ServiceAccount, "kube-system", "taffrail", 30, json!({}));
        self.put(
            Kind::ConfigMap,
            "kube-system",
            "extension-apiserver-authentication",
            60,
            json!({"data": {
                "client-ca-file": ca_pem,
                "requestheader-client-ca-file": self.shared.front_proxy.ca_pem,
                "requestheader-allowed-names": "[\"front-proxy-client\"]",
                "requestheader-username-headers": "[\"X-Remote-User\"]",
                "requestheader-group-headers": "[\"X-Remote-Group\"]",
                "requestheader-extra-headers-prefix": "[\"X-Remote-Extra-\"]",
            }}),
        );
        self.put(Kind::ConfigMap, "kube-system", "kube-proxy", 60, json!({"data": {
            "config.conf": "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nclusterCIDR: 10.0.0.0/8\nmode: nftables\n",
        }}));
        self.put(Kind::ConfigMap, "kube-system", "coredns", 60, json!({"data": {
            "Corefile": ".:53 {\n    errors\n    health\n    ready\n    kubernetes cluster.local in-addr.arpa ip6.arpa {\n       pods insecure\n    }\n    forward . /etc/resolv.conf\n    cache 30\n}\n",
        }}));
    }

    fn node(&self, config: &Config, index: u32, ports: &[u16]) {
        let name = node_name(index);
        let broken = is_broken(config, index);
        let cores = config.pods_per_node.div_ceil(12).max(2) * 4;
        let port = ports.get(index as usize).or_else(|| ports.first()).copied().unwrap_or(0);
        let mut annotations = json!({"node.alpha.kubernetes.io/ttl": "0"});
        if ports.len() < config.nodes as usize {
            annotations["metrics.k8s.io/resource-metrics-path"] = json!(format!("/nodes/{name}/metrics/resource"));
        }
        let heartbeat = rfc3339(self.now - if broken { 140_000 } else { 0 });
        let since = rfc3339(self.now - 20 * 86_400_000);
        let mut conditions: Vec<Value> = [
            ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            ("Ready", "KubeletReady", "kubelet is posting ready status"),
        ]
        .into_iter()
        .map(|(kind, reason, message)| {
            let status = if kind == "Ready" { "True" } else { "False" };
            json!({"type": kind, "status": status, "reason": reason, "message": message, "lastHeartbeatTime": heartbeat, "lastTransitionTime": since})
        })
        .collect();
        let mut spec = json!({"podCIDR": format!("10.{}.{}.0/24", 1 + index / 256, index % 256)});
        if broken {
            for condition in &mut conditions {
                condition["status"] = json!("Unknown");
                condition["reason"] = json!("NodeStatusUnknown");
                condition["message"] = json!("Kubelet stopped posting node status.");
                condition["lastTransitionTime"] = json!(rfc3339(self.now - 100_000));
            }
            let at = rfc3339(self.now - 100_000);
            spec["taints"] = json!([
                {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule", "timeAdded": at},
                {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": at},
            ]);
            self.shared.kubelet_faults.write().insert(name.clone(), KubeletFault::Hang);
        }
        let resources = |memory: u32| json!({"cpu": cores.to_string(), "memory": format!("{memory}Ki"), "pods": (config.pods_per_node * 2).max(110).to_string(), "ephemeral-storage": "102624184Ki"});
        let memory = cores * 4 * 1_048_576;
        let node = self.put(Kind::Node, "", &name, 40, json!({
            "metadata": {"annotations": annotations, "labels": {
                "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "node.kubernetes.io/instance-type": format!("c{cores}"),
                "topology.kubernetes.io/region": "north", "topology.kubernetes.io/zone": format!("north-{}", char::from(b'a' + (index % 3) as u8)),
            }},
            "spec": spec,
            "status": {
                "capacity": resources(memory), "allocatable": resources(memory - 102_400), "conditions": conditions,
                "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
                "nodeInfo": {"machineID": format!("{:032x}", hash(1, &name)), "systemUUID": format!("{:032x}", hash(2, &name)), "bootID": format!("{:032x}", hash(3, &name)),
                    "kernelVersion": "6.12.0", "osImage": "Debian GNU/Linux 13 (trixie)", "containerRuntimeVersion": "containerd://2.1.4",
                    "kubeletVersion": "v1.36.2", "kubeProxyVersion": "v1.36.2", "operatingSystem": "linux", "architecture": "amd64"},
            },
        }));
        self.put(
            Kind::Lease,
            "kube-node-lease",
            &name,
            40,
            json!({"spec": {"holderIdentity": name, "leaseDurationSeconds": 40,
            "renewTime": rfc3339_micro(self.now - if broken { 140_000 } else { 0 })}}),
        );
        if let (Some(node), true) = (node, broken) {
            event(
                self.shared,
                &node,
                false,
                "NodeNotReady",
                &format!("Node {name} status is now: NodeNotReady"),
                self.now - 100_000,
            );
        }
    }

    fn pods(&self, config: &Config) {
        let mut left = config.nodes * config.pods_per_node;
        let mut slots = Slots { config, next: 0 };
        if config.pods_per_node >= 3 {
            left -= self.daemons(config);
        }
        for &line in FIXED {
            let replicas = line.2.min(left);
            left -= replicas;
            self.workload(line.0, line.1, replicas, line.3, line.4, &mut slots);
        }
        if left > 0 {
            left -= 1;
            self.pending_job();
        }
        let mut round = 0_u32;
        while left > 0 {
            for (namespace, name) in MORE {
                // Zipf-like sizes, the larger the cluster the larger its workloads.
                let share = 2 + (left / 24).min(58) * (1 + (hash(self.shared.seed, name) % 3) as u32) / 3;
                let replicas = share.min(left);
                left -= replicas;
                let name = if round == 0 { (*name).to_owned() } else { format!("{name}-{}", round + 1) };
                if replicas > 0 {
                    self.workload(namespace, &name, replicas, "", false, &mut slots);
                }
            }
            round += 1;
        }
        self.put(
            Kind::CronJob,
            "batch",
            "nightly-report",
            30,
            json!({"spec": {"schedule": "0 3 * * *", "suspend": false, "concurrencyPolicy": "Forbid",
            "jobTemplate": {"spec": {"template": template("nightly-report", "batch", "", 100, 128)}}}, "status": {}}),
        );
    }

    fn daemons(&self, config: &Config) -> u32 {
        let template = template("kube-proxy", "kube-system", "", 20, 40);
        let counts = config.nodes;
        let Some(set) = self.put(Kind::DaemonSet, "kube-system", "kube-proxy", 40, json!({
            "metadata": {"labels": {"k8s-app": "kube-proxy"}},
            "spec": {"selector": {"matchLabels": {"app": "kube-proxy"}}, "template": template, "updateStrategy": {"type": "RollingUpdate"}},
            "status": {"desiredNumberScheduled": counts, "currentNumberScheduled": counts, "numberReady": counts - u32::from(config.nodes >= 4), "numberAvailable": counts - u32::from(config.nodes >= 4),
                "updatedNumberScheduled": counts, "numberMisscheduled": 0, "observedGeneration": 1},
        })) else {
            return 0;
        };
        for index in 0..config.nodes {
            let name = format!("kube-proxy-{}", suffix(self.shared.seed, u64::from(index) + 77, 5));
            self.pod(&set, &template, &name, &node_name(index), "", is_broken(config, index));
        }
        config.nodes
    }

    fn workload(
        &self,
        namespace: &str,
        name: &str,
        replicas: u32,
        behaviour: &str,
        stateful: bool,
        slots: &mut Slots<'_>,
    ) {
        let size = hash(self.shared.seed, name);
        let template = template(name, namespace, behaviour, 50 + size % 5 * 25, 64 << (size % 3));
        let spec = json!({"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template, "revisionHistoryLimit": 10});
        let days = 1 + (size % 40) as i64;
        let ready = if matches!(behaviour, "crash" | "pull" | "unready") { 0 } else { replicas };
        let status = json!({"replicas": replicas, "readyReplicas": ready, "availableReplicas": ready, "updatedReplicas": replicas, "unavailableReplicas": replicas - ready,
            "observedGeneration": 1, "conditions": [{"type": "Available", "status": if ready > 0 || replicas == 0 { "True" } else { "False" },
                "reason": if ready > 0 { "MinimumReplicasAvailable" } else { "MinimumReplicasUnavailable" }, "message": if ready > 0 { "Deployment has minimum availability." } else { "Deployment does not have minimum availability." }, "lastTransitionTime": rfc3339(self.now - 3_600_000), "lastUpdateTime": rfc3339(self.now - 3_600_000)}]});
        let labels = json!({"app": name});
        if stateful {
            let value = json!({"metadata": {"labels": labels}, "spec": spec, "status": status});
            let Some(set) = self.put(Kind::StatefulSet, namespace, name, days, value) else { return };
            for index in 0..replicas {
                let (node, broken) = slots.take();
                self.pod(&set, &template, &format!("{name}-{index}"), &node, behaviour, broken);
            }
            return;
        }
        let value = json!({"metadata": {"labels": labels, "annotations": {"deployment.kubernetes.io/revision": "1"}}, "spec": spec, "status": status});
        let Some(deployment) = self.put(Kind::Deployment, namespace, name, days, value) else { return };
        let (set, template) = crate::controllers::replica_set(&deployment, &template, replicas, 1);
        let set_name = set["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let mut set = set;
        set["status"] = json!({"replicas": replicas, "fullyLabeledReplicas": replicas, "readyReplicas": ready, "availableReplicas": ready, "observedGeneration": 1});
        let Some(set) = self.put(Kind::ReplicaSet, namespace, &set_name, days, set) else { return };
        for index in 0..replicas {
            let (node, broken) = slots.take();
            let pod = format!("{set_name}-{}", suffix(hash(self.shared.seed, &set_name), u64::from(index), 5));
            self.pod(&set, &template, &pod, &node, behaviour, broken);
        }
    }

    fn pod(&self, owner: &Object, template: &Value, name: &str, node: &str, behaviour: &str, lost: bool) {
        let seed = self.shared.seed;
        let mut pod = workloads::pod(owner, template, name);
        let share = unit(hash(seed, name));
        // Between an hour and ten days old; the broken ones are younger.
        let age = if behaviour.is_empty() {
            3_600_000 + (share * share * 864e6) as i64
        } else {
            1_200_000 + (share * 1_800_000.0) as i64
        };
        let started = self.now - age;
        let stage = match behaviour {
            "crash" => Stage::CrashLoop {
                ended: self.now - (share * 100_000.0) as i64,
                restarts: 6 + mix(seed, age.unsigned_abs()) % 4,
                oom: false,
            },
            "pull" => Stage::ImagePullBackOff,
            // Some way along their leak.
            "leak" => {
                let since = self.now - 60_000 - (share * 180_000.0) as i64;
                Stage::Restarted { since, ended: since - 11_000, restarts: 2 + mix(seed, 3) % 3, oom: true }
            }
            _ => Stage::Running { since: started + 2_000 },
        };
        pod["metadata"]["creationTimestamp"] = json!(rfc3339(started - 1_000));
        let ip = pod_ip(self.shared, node, name);
        enter(
            &mut pod,
            stage,
            node,
            started,
            &ip,
            if behaviour.is_empty() { started + 3_000 } else { self.now - 30_000 },
        );
        if lost {
            workloads::condition(&mut pod, "Ready", false, "NodeNotReady", "", self.now - 100_000);
        }
        let Some(pod) = self.put(Kind::Pod, owner.namespace(), name, 0, pod) else { return };
        match behaviour {
            "crash" => {
                event(
                    self.shared,
                    &pod,
                    true,
                    "BackOff",
                    &format!(
                        "Back-off restarting failed container inventory in pod {name}_{}({})",
                        pod.namespace(),
                        pod.uid
                    ),
                    self.now - 20_000,
                );
            }
            "pull" => {
                let message = "Failed to pull image \"registry.example/notify/mailer:4.1\": not found";
                event(self.shared, &pod, true, "Failed", message, self.now - 40_000);
                event(
                    self.shared,
                    &pod,
                    true,
                    "BackOff",
                    "Back-off pulling image \"registry.example/notify/mailer:4.1\"",
                    self.now - 20_000,
                );
            }
            "unready" => event(
                self.shared,
                &pod,
                true,
                "Unhealthy",
                "Readiness probe failed: HTTP probe failed with statuscode: 503",
                self.now - 10_000,
            ),
            _ => {}
        }
    }

    /// A job that no node has the memory for.
    fn pending_job(&self) {
        let template = template("reindex-28", "batch", "", 500, 4 << 20);
        let Some(job) = self.put(Kind::Job, "batch", "reindex-28", 0, json!({"spec": {"parallelism": 1, "completions": 1, "backoffLimit": 6, "template": template}, "status": {"active": 1}})) else { return };
        let mut pod = workloads::pod(&job, &template, "reindex-28-x7k2p");
        pod["metadata"]["creationTimestamp"] = json!(rfc3339(self.now - 540_000));
        pod["spec"]["restartPolicy"] = json!("OnFailure");
        let message = schedule_failure(self.shared, 500, 4 << 40);
        workloads::condition(&mut pod, "PodScheduled", false, "Unschedulable", &message, self.now - 540_000);
        if let Some(pod) = self.put(Kind::Pod, "batch", "reindex-28-x7k2p", 0, pod) {
            event(self.shared, &pod, true, "FailedScheduling", &message, self.now - 60_000);
        }
    }

    fn services(&self) {
        let mut all: Vec<(String, String, String, Value)> = vec![
            ("payments".into(), "ledger".into(), "ledger".into(), json!({})),
            (
                "kube-system".into(),
                "kube-dns".into(),
                "coredns".into(),
                json!({"clusterIP": "10.96.0.10", "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53}, {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53}]}),
            ),
        ];
        for kind in [Kind::Deployment, Kind::StatefulSet] {
            for workload in self.shared.store.all(kind) {
                let (namespace, name) = (workload.namespace().to_owned(), workload.name().to_owned());
                let extra = match name.as_str() {
                    "gateway" => {
                        json!({"type": "LoadBalancer", "ports": [{"name": "https", "port": 443, "nodePort": 30443, "protocol": "TCP", "targetPort": 8443}]})
                    }
                    "thumbs" => {
                        json!({"type": "NodePort", "ports": [{"name": "http", "port": 90, "nodePort": 30090, "protocol": "TCP", "targetPort": 9090}]})
                    }
                    "postgres" => {
                        json!({"clusterIP": "None", "ports": [{"name": "pg", "port": 5432, "protocol": "TCP", "targetPort": 5432}]})
                    }
                    "coredns" | "mailer" | "ledger-api" => continue,
                    _ => json!({}),
                };
                all.push((namespace, name.clone(), name, extra));
            }
        }
        all.push(("default".into(), "kubernetes".into(), String::new(), json!({"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]})));
        // Nobody selects the API server: it writes its own address.
        self.put(Kind::EndpointSlice, "default", "kubernetes", 60, json!({"metadata": {"labels": {"kubernetes.io/service-name": "kubernetes"}}, "addressType": "IPv4",
            "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}], "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": true}}]}));
        for (index, (namespace, name, app, extra)) in all.into_iter().enumerate() {
            let ip = format!("10.96.{}.{}", 1 + index / 250, 1 + index % 250);
            let mut spec = json!({"type": "ClusterIP", "clusterIP": ip, "sessionAffinity": "None", "internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
                "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}]});
            for (key, value) in extra.as_object().into_iter().flatten() {
                spec[key.as_str()] = value.clone();
            }
            if !app.is_empty() {
                spec["selector"] = json!({"app": app});
            }
            spec["clusterIPs"] = json!([spec["clusterIP"]]);
            let balancer = if spec["type"] == "LoadBalancer" {
                json!({"ingress": [{"ip": "203.0.113.10", "ipMode": "VIP"}]})
            } else {
                json!({})
            };
            let value =
                json!({"metadata": {"labels": {"app": app}}, "spec": spec, "status": {"loadBalancer": balancer}});
            if let Some(service) = self.put(Kind::Service, &namespace, &name, 30, value) {
                endpoints(self.shared, &service, self.now);
            }
        }
    }
}

/// The fourth node has lost its kubelet.
fn is_broken(config: &Config, index: u32) -> bool {
    config.nodes >= 4 && index == 3
}

/// Deals nodes out in turn.
struct Slots<'a> {
    config: &'a Config,
    next: u32,
}

impl Slots<'_> {
    fn take(&mut self) -> (String, bool) {
        let index = self.next % self.config.nodes;
        self.next += 1;
        (node_name(index), is_broken(self.config, index))
    }
}

/// A pod template; memory in MiB. Most have a proxy beside them.
fn template(name: &str, namespace: &str, behaviour: &str, cpu: u64, memory: u64) -> Value {
    let (image, port) = match name {
        "kube-proxy" => ("registry.k8s.io/kube-proxy:v1.36.2".to_owned(), 10249),
        "coredns" => ("registry.k8s.io/coredns/coredns:v1.13.1".to_owned(), 53),
        "postgres" => ("docker.io/library/postgres:17".to_owned(), 5432),
        "gateway" => ("registry.example/edge/gateway:3.2".to_owned(), 8443),
        "thumbs" => ("registry.example/media/thumbs:2.0".to_owned(), 9090),
        _ => (format!("registry.example/{namespace}/{name}:4.1"), 8080),
    };
    let port_name = match name {
        "gateway" => "https",
        "coredns" => "dns-tcp",
        _ => "http",
    };
    let mut containers = vec![json!({
        "name": name, "image": image, "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": port_name, "containerPort": port, "protocol": "TCP"}],
        "env": [{"name": "LOG_LEVEL", "value": "info"}],
        "resources": {"requests": {"cpu": format!("{cpu}m"), "memory": format!("{memory}Mi")}, "limits": {"cpu": format!("{}m", cpu * 4), "memory": format!("{}Mi", memory * 2)}},
    })];
    if !matches!(namespace, "kube-system" | "batch" | "data") {
        containers.push(json!({
            "name": "proxy", "image": "registry.example/edge/proxy:1.9", "imagePullPolicy": "IfNotPresent",
            "ports": [{"name": "admin", "containerPort": 15000, "protocol": "TCP"}],
            "resources": {"requests": {"cpu": "25m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
        }));
    }
    let mut metadata = json!({"labels": {"app": name, "team": namespace}});
    if !behaviour.is_empty() {
        metadata["annotations"] = json!({BEHAVIOUR: behaviour});
    }
    json!({"metadata": metadata, "spec": {"containers": containers, "restartPolicy": "Always", "serviceAccountName": "default", "terminationGracePeriodSeconds": 30}})
}
