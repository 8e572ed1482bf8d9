//! Nodes and their Leases; one has lost its kubelet.

use super::{Seeder, is_broken, node_name};
use crate::clock::{rfc3339, rfc3339_micro};
use crate::kinds::Kind;
use crate::load::hash;
use crate::workloads::event;
use crate::{Config, KubeletFault};
use serde_json::{Value, json};

impl Seeder<'_> {
    pub(super) fn node(&self, config: &Config, index: u32, ports: &[u16]) {
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
}
