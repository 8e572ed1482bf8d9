//! The map: nothing is dropped, arrival order never shows, known boxes stay where they are, and a change applied is
//! the new map. And what a Service that does not answer says about itself.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests; clippy.toml lets off only the tests themselves"
)]

use backend::cluster::Objects;
use backend::cluster::kinds::{
    Condition, Endpoint, EndpointSlice, Labels, Meta, Node, Owner, Pod, Resources, Service, ServicePort, SlicePort,
    TargetPort,
};
use backend::topology::change::{apply, diff};
use backend::topology::map::build;
use backend::topology::{Facts, Ranks, Scope, reach};
use proptest::prelude::*;
use std::sync::Arc;
use wire::Level;
use wire::map::{Layer, Map, Proxy};

fn meta(namespace: &str, name: &str, app: &str) -> Meta {
    let labels: Labels = if app.is_empty() { Arc::new([]) } else { [("app".into(), app.into())].into() };
    Meta {
        id: 0,
        uid: format!("{namespace}/{name}").into(),
        namespace: namespace.into(),
        name: name.into(),
        labels,
        created: 0,
        deleted: None,
        owner: None,
    }
}

fn condition(kind: &str, well: bool) -> Condition {
    let status = if well { "True" } else { "False" };
    Condition { kind: kind.into(), status: status.into(), reason: None, message: None, since: None }
}

fn pod(namespace: &str, app: &str, index: usize, ready: bool, node: &str) -> Pod {
    let owner = Owner { kind: "StatefulSet".into(), name: app.into(), uid: format!("set/{namespace}/{app}").into() };
    Pod {
        meta: Meta { owner: Some(Arc::new(owner)), ..meta(namespace, &format!("{app}-{index}"), app) },
        phase: "Running".into(),
        reason: None,
        message: None,
        node: Some(node.into()),
        nominated_node: None,
        ip: Some(format!("10.0.0.{index}").into()),
        qos: None,
        service_account: None,
        host_network: false,
        hostname: None,
        subdomain: None,
        started: None,
        containers: [].into(),
        conditions: [condition("Ready", ready)].into(),
        ended: [].into(),
        readiness_gates: [].into(),
    }
}

fn service(namespace: &str, name: &str, app: &str) -> Service {
    Service {
        meta: meta(namespace, name, ""),
        kind: "ClusterIP".into(),
        cluster_ip: Some("10.96.0.10".into()),
        cluster_ips: ["10.96.0.10".into()].into(),
        families: ["IPv4".into()].into(),
        external_ips: [].into(),
        external_name: None,
        balancer: [].into(),
        ports: [ServicePort {
            name: "".into(),
            protocol: "TCP".into(),
            port: 80,
            target: TargetPort::Name("http".into()),
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

fn slice(service: &Service, pods: &[(Pod, bool)]) -> EndpointSlice {
    let endpoints = pods.iter().map(|(pod, ready)| Endpoint {
        addresses: [pod.ip.clone().unwrap()].into(),
        ready: Some(*ready),
        serving: Some(*ready),
        terminating: Some(false),
        node: pod.node.clone(),
        zone: None,
        pod: Some(Arc::clone(&pod.meta.name)),
        hint_zones: [].into(),
        hint_nodes: [].into(),
    });
    EndpointSlice {
        meta: Meta {
            namespace: Arc::clone(&service.meta.namespace),
            ..meta("", &format!("{}-x", service.meta.name), "")
        },
        service: Some(Arc::clone(&service.meta.name)),
        address_type: "IPv4".into(),
        ports: [SlicePort { name: Some("".into()), protocol: "TCP".into(), port: Some(8080) }].into(),
        endpoints: endpoints.collect(),
    }
}

fn node(name: &str) -> Node {
    Node {
        meta: meta("", name, ""),
        unschedulable: false,
        conditions: [condition("Ready", true)].into(),
        addresses: [].into(),
        kubelet_port: 10250,
        metrics_path: None,
        kubelet_key: None,
        capacity: Resources::default(),
        allocatable: Resources::default(),
        kubelet_version: "".into(),
        os_image: "".into(),
        kernel: "".into(),
        runtime: "".into(),
        os: "linux".into(),
        arch: "".into(),
        taints: [].into(),
    }
}

/// An app: namespace number, app number, pods (ready or not), whether a Service leads there.
type App = (u8, u8, Vec<bool>, bool);

fn cluster(apps: &[App]) -> Objects {
    let objects = Objects::default();
    for name in ["n1", "n2"] {
        objects.nodes.put(node(name));
    }
    for (namespace, app, pods, served) in apps {
        let (namespace, app) = (format!("ns{namespace}"), format!("app{app}"));
        let pods: Vec<(Pod, bool)> = pods
            .iter()
            .enumerate()
            .map(|(index, ready)| {
                (pod(&namespace, &app, index, *ready, if index % 2 == 0 { "n1" } else { "n2" }), *ready)
            })
            .collect();
        if *served {
            let service = service(&namespace, &app, &app);
            objects.endpoint_slices.put(slice(&service, &pods));
            objects.services.put(service);
        }
        for (pod, _) in pods {
            objects.pods.put(pod);
        }
    }
    objects
}

fn draw(objects: &Objects, previous: Option<&Ranks>) -> (Map, Ranks) {
    build(&Facts::of(objects), &Scope { namespaces: None, nodes: true }, previous, &Proxy::default())
}

/// Three pods of `ledger-api`, and a Service that selects `ledger`.
fn ledger() -> Objects {
    let objects = Objects::default();
    for index in 0..3 {
        objects.pods.put(pod("payments", "ledger-api", index, true, "n1"));
    }
    objects.services.put(service("payments", "ledger", "ledger"));
    objects
}

#[test]
fn a_selector_that_matches_nothing_names_the_pods_that_come_close() {
    let objects = ledger();
    let facts = Facts::of(&objects);
    let reach = &reach::service(&facts, facts.services.get(0).unwrap(), "iptables")[0];
    assert_eq!((&*reach.verdict, &*reach.rule, reach.level), ("REJECT", "V1", Level::Bad));
    assert_eq!(reach.say.code, "S_NOMATCH");
    assert_eq!(reach.say.arg("selector"), "app=ledger");
    assert_eq!(reach.say.arg("near"), "app=ledger-api");
    assert_eq!(reach.say.arg("count"), "3");
}

#[test]
fn the_map_draws_the_nearest_fix_and_marks_its_workload_as_lone() {
    let (map, _) = draw(&ledger(), None);
    let near: Vec<_> = map.edges.iter().filter(|edge| edge.near).collect();
    assert_eq!(near.len(), 1);
    let workload = map.boxes.iter().find(|piece| piece.key == near[0].to).unwrap();
    assert!(workload.lone && workload.title == "ledger-api" && workload.dots.len() == 3);
    assert_eq!(map.tally.broken, 1);
}

#[track_caller]
fn says(objects: &Objects, code: &str, level: Level) {
    let facts = Facts::of(objects);
    let reach = &reach::service(&facts, facts.services.get(0).unwrap(), "nftables")[0];
    assert_eq!((&*reach.say.code, reach.level), (code, level));
}

#[test]
fn a_service_says_how_it_is() {
    says(&cluster(&[(0, 0, vec![true, true], true)]), "S_OK", Level::Good);
    says(&cluster(&[(0, 0, vec![true, false], true)]), "S_PARTIAL", Level::Warn);
    says(&cluster(&[(0, 0, vec![false], true)]), "S_NOTREADY", Level::Bad);
    // n1 has the first and the third pod, n2 the second.
    let down = |pods: Vec<bool>, nodes: &[&str]| {
        let objects = cluster(&[(0, 0, pods, true)]);
        nodes.iter().for_each(|name| objects.nodes.put(Node { conditions: [].into(), ..node(name) }));
        objects
    };
    let objects = down(vec![true, false, true], &["n2"]);
    says(&objects, "S_NODEDOWN", Level::Warn);
    let facts = Facts::of(&objects);
    let say = &reach::service(&facts, facts.services.get(0).unwrap(), "nftables")[0].say;
    assert_eq!(["ready", "notready", "count", "nodes"].map(|name| say.arg(name)), ["2", "1", "1", "n2"]);
    says(&down(vec![true, false, false], &["n2"]), "S_PARTIAL", Level::Warn);
    says(&down(vec![false, false, false], &["n1", "n2"]), "S_NOTREADY", Level::Bad);
    let unseen = down(vec![true, false, true], &[]);
    unseen.nodes.replace(Vec::new());
    says(&unseen, "S_PARTIAL", Level::Warn);
    let alone = Objects::default();
    alone.services.put(Service { selector: None, ..service("ns", "db", "db") });
    says(&alone, "S_NOSELECTOR", Level::Bad);
    let portless = Objects::default();
    portless.services.put(service("ns", "web", "web"));
    portless.pods.put(pod("ns", "web", 0, true, "n1"));
    says(&portless, "S_PORTNAME", Level::Bad);
    let named = Objects::default();
    let external =
        Service { kind: "ExternalName".into(), external_name: Some("db.example".into()), ..service("ns", "db", "") };
    named.services.put(external);
    says(&named, "S_EXTERNAL", Level::Gone);
}

#[test]
fn a_new_workload_moves_no_known_one_above_it() {
    let (before, ranks) = draw(&cluster(&[(0, 1, vec![true], true), (0, 3, vec![true], true)]), None);
    let (after, _) =
        draw(&cluster(&[(0, 1, vec![true], true), (0, 2, vec![true], true), (0, 3, vec![true], true)]), Some(&ranks));
    for piece in &before.boxes {
        let now = after.boxes.iter().find(|other| other.key == piece.key).unwrap();
        assert_eq!(now.row, piece.row, "{}", piece.title);
    }
}

fn apps() -> impl Strategy<Value = Vec<App>> {
    let one = (0..3_u8, 0..8_u8, proptest::collection::vec(any::<bool>(), 1..40), any::<bool>());
    proptest::collection::vec(one, 0..12).prop_map(|mut apps| {
        apps.sort_by_key(|app| (app.0, app.1));
        apps.dedup_by_key(|app| (app.0, app.1));
        apps
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn counts_equal_objects(apps in apps()) {
        let objects = cluster(&apps);
        let (map, _) = draw(&objects, None);
        let tiles = map.boxes.iter().filter(|piece| piece.layer == Layer::Workload);
        let pods: usize = tiles.map(|piece| piece.dots.len() + piece.more as usize).sum();
        prop_assert_eq!(pods, objects.pods.len());
        let tally = map.tally;
        prop_assert_eq!((tally.broken + tally.partial + tally.answering + tally.other) as usize, objects.services.len());
        let mut places: Vec<_> = map.boxes.iter().map(|piece| (piece.layer, piece.row)).collect();
        places.sort_unstable();
        places.dedup();
        prop_assert_eq!(places.len(), map.boxes.len(), "two boxes in one place");
        for edge in &map.edges {
            for end in [edge.from, edge.to] {
                prop_assert!(map.boxes.binary_search_by_key(&end, |piece| piece.key).is_ok());
            }
        }
    }

    #[test]
    fn arrival_order_never_shows(apps in apps()) {
        let mut shuffled = apps.clone();
        shuffled.reverse();
        prop_assert_eq!(wire::encode(&draw(&cluster(&apps), None).0), wire::encode(&draw(&cluster(&shuffled), None).0));
    }

    #[test]
    fn a_change_applied_is_the_new_map(old in apps(), new in apps()) {
        let (mut map, ranks) = draw(&cluster(&old), None);
        let (next, _) = draw(&cluster(&new), Some(&ranks));
        let change = diff(&map, &next);
        apply(&mut map, &change);
        prop_assert_eq!(map, next);
    }

    #[test]
    fn nothing_new_moves_nothing(apps in apps()) {
        let objects = cluster(&apps);
        let (map, ranks) = draw(&objects, None);
        prop_assert_eq!(draw(&objects, Some(&ranks)), (map, ranks));
    }
}
