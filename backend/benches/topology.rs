//! The map's model and layout for 10,000 pods behind 1,000 Services, whose budget is 200 ms for facts, verdicts and
//! layout, and for 150,000 behind 15,000, which have none.

use backend::cluster::Objects;
use backend::cluster::kinds::{Endpoint, EndpointSlice, Meta, Owner, Pod, Service, ServicePort, SlicePort, TargetPort};
use backend::topology::{Facts, Scope, map};
use std::sync::Arc;
use std::time::Instant;
use wire::map::Proxy;

fn meta(namespace: &str, name: &str, labels: &[(&str, &str)]) -> Meta {
    Meta {
        id: 0,
        uid: format!("{namespace}/{name}").into(),
        namespace: namespace.into(),
        name: name.into(),
        labels: labels.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect(),
        created: 0,
        deleted: None,
        owner: None,
    }
}

fn pod(namespace: &str, app: &str, index: usize) -> Pod {
    let owner = Owner { kind: "StatefulSet".into(), name: app.into(), uid: format!("{namespace}/{app}").into() };
    let labels = [("app", app), ("pod-template-hash", "5d8f7c9b6"), ("team", namespace)];
    Pod {
        meta: Meta { owner: Some(Arc::new(owner)), ..meta(namespace, &format!("{app}-{index}"), &labels) },
        phase: "Running".into(),
        reason: None,
        message: None,
        node: Some(format!("node-{}", index % 100).into()),
        nominated_node: None,
        ip: Some(format!("10.{}.{}.1", index / 250, index % 250).into()),
        qos: None,
        service_account: None,
        host_network: false,
        hostname: None,
        subdomain: None,
        started: None,
        containers: [].into(),
        conditions: [].into(),
        ended: [].into(),
        readiness_gates: [].into(),
    }
}

fn service(namespace: &str, app: &str) -> Service {
    Service {
        meta: meta(namespace, app, &[]),
        kind: "ClusterIP".into(),
        cluster_ip: Some("10.96.0.10".into()),
        cluster_ips: [].into(),
        families: ["IPv4".into()].into(),
        external_ips: [].into(),
        external_name: None,
        balancer: [].into(),
        ports: [ServicePort {
            name: "".into(),
            protocol: "TCP".into(),
            port: 80,
            target: TargetPort::Number(8080),
            node_port: None,
            app_protocol: None,
        }]
        .into(),
        selector: Some([(Arc::from("app"), Arc::from(app))].into()),
        publish_not_ready: false,
        external_local: false,
        internal_local: false,
        affinity: false,
        source_ranges: [].into(),
        health_check_port: None,
        allocate_node_ports: true,
        traffic_distribution: None,
        foreign_proxy: None,
    }
}

fn slice(namespace: &str, app: &str, pods: &[Pod]) -> EndpointSlice {
    let endpoints = pods.iter().map(|pod| Endpoint {
        addresses: pod.ip.iter().cloned().collect(),
        ready: Some(true),
        serving: Some(true),
        terminating: Some(false),
        node: pod.node.clone(),
        zone: None,
        pod: Some(Arc::clone(&pod.meta.name)),
        hint_zones: [].into(),
        hint_nodes: [].into(),
    });
    EndpointSlice {
        meta: meta(namespace, &format!("{app}-x"), &[]),
        service: Some(app.into()),
        address_type: "IPv4".into(),
        ports: [SlicePort { name: Some("".into()), protocol: "TCP".into(), port: Some(8080) }].into(),
        endpoints: endpoints.collect(),
    }
}

fn cluster(services: usize) -> Objects {
    let objects = Objects::default();
    let (mut pods, mut slices, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for app in 0..services {
        let (namespace, name) = (format!("team-{}", app % (services / 20)), format!("app-{app}"));
        let own: Vec<Pod> = (0..10).map(|index| pod(&namespace, &name, app * 10 + index)).collect();
        all.push(service(&namespace, &name));
        slices.push(slice(&namespace, &name, &own));
        pods.extend(own);
    }
    objects.services.replace(all);
    objects.endpoint_slices.replace(slices);
    objects.pods.replace(pods);
    objects
}

/// The best of five.
fn measure(services: usize, budget: Option<f64>) {
    let objects = cluster(services);
    let pods = services * 10;
    drop(Facts::of(&objects)); // the snapshots are made once per version, and are not the topology's cost
    let mut facts_ms = f64::MAX;
    let mut map_ms = f64::MAX;
    let mut boxes = 0;
    for _ in 0..5 {
        let start = Instant::now();
        let facts = Facts::of(&objects);
        facts_ms = facts_ms.min(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        let (map, _) = map::build(&facts, &Scope { namespaces: None, nodes: true }, None, &Proxy::default());
        map_ms = map_ms.min(start.elapsed().as_secs_f64() * 1e3);
        boxes = map.boxes.len();
    }
    let all = facts_ms + map_ms;
    let budget = budget.map_or_else(
        || "no budget of its own".to_owned(),
        |budget| format!("budget {budget} ms, ratio {:.2}", all / budget),
    );
    println!(
        "bench: map of {pods} pods behind {services} Services, {boxes} boxes: facts {facts_ms:.1} ms, verdicts and layout {map_ms:.1} ms, together {all:.1} ms ({budget})"
    );
}

fn main() {
    measure(1_000, Some(200.0));
    measure(15_000, None);
}
