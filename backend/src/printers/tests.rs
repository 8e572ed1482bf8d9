use super::*;
use crate::cluster::decode::{Decode, object};
use serde_json::json;

const NOW: Millis = 1_767_268_800_000; // 2026-01-01T12:00:00Z

#[track_caller]
fn check<K: Printer + Decode>(json: &serde_json::Value, cells: &[&str], state: (Level, &str)) {
    let object: K = object(json).unwrap();
    let found: Vec<String> = object.cells(NOW).iter().map(|cell| text(cell, NOW)).collect();
    assert_eq!(found, cells);
    assert_eq!(found.len(), K::columns().len());
    assert_eq!(object.state(NOW), state);
}

#[test]
fn a_cordoned_node_says_so() {
    check::<Node>(
        &json!({"metadata": {"name": "n", "creationTimestamp": "2026-01-01T11:00:00Z",
                  "labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "a"}},
            "spec": {"unschedulable": true},
            "status": {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.34.1"},
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}}),
        &[
            "n",
            "Ready,SchedulingDisabled",
            "a,worker",
            "60m",
            "v1.34.1",
            "10.0.0.1",
            "<none>",
            "<unknown>",
            "<unknown>",
            "<unknown>",
            "",
            "",
        ],
        (Level::Warn, "cordoned"),
    );
}

#[test]
fn a_deployment_sorts_its_requirements() {
    check::<Deployment>(
        &json!({"metadata": {"name": "d", "generation": 2}, "spec": {"replicas": 2,
                "selector": {"matchLabels": {"z": "1"}, "matchExpressions": [{"key": "a", "operator": "In", "values": ["y", "x"]}]},
                "template": {"spec": {"containers": [{"name": "c", "image": "i"}, {"name": "e", "image": "j"}]}}},
            "status": {"replicas": 2, "readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1, "observedGeneration": 2}}),
        &["d", "1/2", "2", "1", "<unknown>", "c,e", "i,j", "a in (x,y),z=1"],
        (Level::Warn, "degraded"),
    );
}

#[test]
fn a_balancer_prints_all_its_addresses() {
    check::<Service>(
        &json!({"metadata": {"name": "s"}, "spec": {"type": "LoadBalancer", "clusterIPs": ["10.96.0.9"], "externalIPs": ["9.9.9.9"],
                "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]},
            "status": {"loadBalancer": {"ingress": [{"hostname": "b.example"}, {"ip": "1.2.3.4"}]}}}),
        &["s", "LoadBalancer", "10.96.0.9", "1.2.3.4,b.example,9.9.9.9", "80:30080/TCP,53/UDP", "<unknown>", "<none>"],
        (Level::Good, "active"),
    );
}

#[test]
fn a_slice_prints_three_of_many() {
    check::<EndpointSlice>(
        &json!({"metadata": {"name": "e"}, "addressType": "IPv4", "ports": [{"port": 80}, {"name": "x"}, {}],
            "endpoints": [{"addresses": ["1", "2"]}, {"addresses": ["3", "4", "5"]}]}),
        &["e", "IPv4", "80,x,*", "1,2,3 + 2 more...", "<unknown>"],
        (Level::Good, "active"),
    );
}

#[test]
fn an_event_of_the_new_kind_prints_as_the_old() {
    check::<Event>(
        &json!({"metadata": {"name": "v"}, "type": "Warning", "reason": "BackOff", "message": " slow \n",
            "involvedObject": {"kind": "Pod", "name": "p"}, "reportingComponent": "kubelet", "reportingInstance": "n1",
            "eventTime": "2026-01-01T11:50:00Z", "series": {"count": 7, "lastObservedTime": "2026-01-01T11:59:00Z"}}),
        &["60s", "Warning", "BackOff", "pod/p", "", "kubelet, n1", "slow", "10m", "7", "v"],
        (Level::Warn, "warning"),
    );
}

#[test]
fn a_replica_set_and_a_namespace_print() {
    check::<ReplicaSet>(
        &json!({"metadata": {"name": "r"}, "spec": {"replicas": 0}, "status": null}),
        &["r", "0", "0", "0", "<unknown>", "", "", "<none>"],
        (Level::Gone, "stopped"),
    );
    check::<Namespace>(
        &json!({"metadata": {"name": "ns"}, "status": {"phase": "Active"}}),
        &["ns", "Active", "<unknown>"],
        (Level::Good, "active"),
    );
}
