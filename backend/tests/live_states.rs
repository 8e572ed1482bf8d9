//! How views stand: what is old, half read or silent is said on every page it is part of, and to nobody it is not for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on fails")]

mod live;

use backend::cluster::Sync;
use backend::kubelet::NodeCoverage;
use live::{Place, Socket, hear, news, open, say};
use serde_json::{Value, json};
use wire::{Browser, Kind, Level, Say, Server, Sub, View, ViewState};

fn node(name: &str) -> Value {
    json!({"kind": "Node", "metadata": {"name": name, "uid": name},
        "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}]}})
}

/// A cluster of which everything is read.
async fn whole() -> Place {
    let place = Place::new().await;
    place.apply(&[node("n1")]);
    let objects = &place.objects;
    objects.pods.set_sync(Sync::Live);
    objects.replica_sets.set_sync(Sync::Live);
    objects.deployments.set_sync(Sync::Live);
    objects.services.set_sync(Sync::Live);
    objects.endpoint_slices.set_sync(Sync::Live);
    place
}

/// The next state of a view; its data are acknowledged.
async fn state(socket: &mut Socket) -> ViewState {
    loop {
        match hear(socket).await.unwrap() {
            Server::State { state, .. } => return state,
            Server::Overview { sub, seq, .. } | Server::Map { sub, seq, .. } | Server::Object { sub, seq, .. } => {
                say(socket, &Browser::Ack { sub, seq }).await;
            }
            Server::Ping { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn opened(place: &Place, view: View) -> (Socket, ViewState) {
    let mut socket = place.enter(Vec::new()).await;
    say(&mut socket, &Browser::Open { sub: Sub(1), view }).await;
    let state = state(&mut socket).await;
    (socket, state)
}

fn old(at: i64) -> Sync {
    Sync::Stale(at, Say::new("E-STALE").with("kind", "deployments"))
}

#[tokio::test]
async fn a_page_is_as_old_as_the_oldest_kind_it_is_made_of() {
    for view in [View::Overview { namespaces: Vec::new() }, View::Map { namespaces: Vec::new() }] {
        let place = whole().await;
        let (mut socket, first) = opened(&place, view).await;
        assert_eq!(first, ViewState::Live);
        place.objects.deployments.set_sync(old(7));
        place.objects.services.set_sync(old(9));
        // The second may come with the first or by itself: the older one is what is said.
        let ViewState::Stale(7, say) = state(&mut socket).await else { panic!("not old") };
        assert_eq!(say.arg("kind"), "deployments");
        place.objects.deployments.set_sync(Sync::Live);
        assert!(matches!(state(&mut socket).await, ViewState::Stale(9, _)));
        place.objects.services.set_sync(Sync::Live);
        assert_eq!(state(&mut socket).await, ViewState::Live);
    }
}

#[tokio::test]
async fn what_a_person_may_not_see_makes_nothing_old_for_them() {
    let place = whole().await;
    place.house.closed.lock().unwrap().push("deployments");
    place.objects.deployments.set_sync(old(7));
    let (_socket, first) = opened(&place, View::Overview { namespaces: Vec::new() }).await;
    assert_eq!(first, ViewState::Live);
}

#[tokio::test]
async fn half_of_a_cluster_is_not_counted_as_all_of_it() {
    let place = whole().await;
    place.objects.pods.set_sync(Sync::Loading(500));
    let (_socket, first) = opened(&place, View::Overview { namespaces: Vec::new() }).await;
    assert_eq!(first, ViewState::Loading(500));
    let mut socket = place.enter(Vec::new()).await;
    let Server::Namespaces { namespaces, .. } = open(&mut socket, 1, View::Namespaces).await else { panic!() };
    let counted: Vec<&str> = namespaces.counts.iter().map(|(word, ..)| word.as_str()).collect();
    assert_eq!(counted, ["node", "deployment", "service"]);
}

#[tokio::test]
async fn a_silent_kubelet_needs_a_person_on_the_first_page_and_on_its_nodes() {
    let place = whole().await;
    let problem = Some(Say::new("Forbidden").with("node", "n1").with("remedy", "grant our role get on nodes/metrics"));
    place.coverage.set("n1", NodeCoverage { failures: 2, problem, since: Some(5), ..NodeCoverage::default() });
    let mut socket = place.enter(Vec::new()).await;
    let Server::Overview { overview, .. } = open(&mut socket, 1, View::Overview { namespaces: Vec::new() }).await
    else {
        panic!()
    };
    let told: Vec<_> = overview.attention.iter().map(|one| (one.at.name.as_str(), one.say.code.as_str())).collect();
    assert_eq!((told, overview.attention_total), (vec![("n1", "Forbidden")], 1));
    let view = View::Object { kind: Kind::Node, namespace: String::new(), name: "n1".into() };
    let Server::Object { object: Some(object), .. } = open(&mut socket, 2, view).await else { panic!() };
    assert_eq!(
        object.findings.iter().map(|one| (one.level, &*one.say.code)).collect::<Vec<_>>(),
        [(Level::Warn, "Forbidden")]
    );
    // Who may not list nodes is not told of them.
    place.house.closed.lock().unwrap().push("nodes");
    let mut socket = place.enter(Vec::new()).await;
    say(&mut socket, &Browser::Open { sub: Sub(1), view: View::Overview { namespaces: Vec::new() } }).await;
    let Ok(Server::Overview { overview, .. }) = news(&mut socket).await else { panic!() };
    assert_eq!(overview.attention, []);
}
