//! Workloads with a past and their pods, the broken among them.

use super::{Seeder, is_broken, node_name};
use crate::Config;
use crate::clock::rfc3339;
use crate::controllers::{pod_ip, schedule_failure};
use crate::kinds::Kind;
use crate::load::{hash, mix, unit};
use crate::run::BEHAVIOUR;
use crate::store::Object;
use crate::workloads::{self, Stage, enter, event, suffix};
use serde_json::{Value, json};

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

impl Seeder<'_> {
    pub(super) fn pods(&self, config: &Config) {
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
            let name = self.free_name("kube-proxy", "kube-system", self.shared.seed, u64::from(index) + 77);
            self.pod(&set, &template, &name, &node_name(index), "", is_broken(config, index));
        }
        config.nodes
    }

    /// A pod's name that nobody has: among five thousand siblings two of five letters meet.
    fn free_name(&self, owner: &str, namespace: &str, seed: u64, number: u64) -> String {
        let name = |salt: u64| format!("{owner}-{}", suffix(seed.wrapping_add(salt), number, 5));
        let taken = |name: &String| self.shared.store.get(Kind::Pod, namespace, name).is_some();
        (0..).map(name).find(|name| !taken(name)).unwrap_or_default()
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
            let pod = self.free_name(&set_name, namespace, hash(self.shared.seed, &set_name), u64::from(index));
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
