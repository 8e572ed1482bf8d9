//! A person sees exactly what the API server grants them: no more by cache, race or error, and no less.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that can't go on fails")]

use backend::cluster::kinds::{Meta, Namespace};
use backend::cluster::{Cache, Sync};
use backend::session::gate::{LIFE, Resource, Verb};
use backend::session::{Gate, GateError, Identity, Scope};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

const NAMESPACES: [&str; 4] = ["a", "b", "c", "d"];
const KINDS: [&str; 3] = ["pods", "deployments", "nodes"];
const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];

/// User, verb, resource, namespace, name; empty: any.
type Grant = (String, String, String, String, String);

#[derive(Default)]
struct Api {
    grants: Mutex<BTreeSet<Grant>>,
    asked: AtomicU32,
    broken: AtomicBool,
}

impl Api {
    fn grant(&self, user: &str, verb: &str, resource: &str, namespace: &str, name: &str) {
        let grant = [user, verb, resource, namespace, name].map(str::to_owned);
        self.grants.lock().unwrap().insert(grant.into());
    }

    fn allows(&self, user: &str, verb: &str, resource: &str, namespace: &str, name: &str) -> bool {
        self.grants.lock().unwrap().iter().any(|grant| {
            (grant.0.as_str(), grant.1.as_str(), grant.2.as_str()) == (user, verb, resource)
                && (grant.3.is_empty() || grant.3 == namespace)
                && (grant.4.is_empty() || grant.4 == name)
        })
    }
}

fn gate(api: &Arc<Api>) -> Gate {
    let api = Arc::clone(api);
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let api = Arc::clone(&api);
        async move {
            api.asked.fetch_add(1, Ordering::SeqCst);
            let body = request.into_body().collect_bytes().await?;
            let review: serde_json::Value = serde_json::from_slice(&body)?;
            // The answer comes later than the question, so that questions can meet.
            tokio::task::yield_now().await;
            let spec = &review["spec"];
            let (user, asked) = (spec["user"].as_str().unwrap(), &spec["resourceAttributes"]);
            let text = |key: &str| asked[key].as_str().unwrap();
            let broken = api.broken.load(Ordering::SeqCst);
            let allowed = api.allows(user, text("verb"), text("resource"), text("namespace"), text("name"));
            let answer = if broken {
                serde_json::json!({"kind": "Status", "status": "Failure", "code": 500, "message": "broken"})
            } else {
                serde_json::json!({"status": {"allowed": allowed}})
            };
            let status = if broken { 500 } else { 201 };
            let response = http::Response::builder()
                .status(status)
                .body(kube::client::Body::from(answer.to_string().into_bytes()))?;
            Ok::<_, tower::BoxError>(response)
        }
    });
    let namespaces = Cache::default();
    for (id, name) in NAMESPACES.into_iter().enumerate() {
        let meta = Meta {
            id: id as u64,
            uid: name.into(),
            namespace: "".into(),
            name: name.into(),
            labels: [].into(),
            created: 0,
            deleted: None,
            owner: None,
        };
        namespaces.put(Namespace { meta, phase: "Active".into() });
    }
    namespaces.set_sync(Sync::Live);
    Gate::new(kube::Client::new(service, "default"), namespaces)
}

fn who(user: &str) -> Identity {
    Identity::new(user, "", vec!["system:authenticated".into()], BTreeMap::new())
}

fn resource(plural: &str) -> Resource {
    let kind = wire::Kind::ALL.into_iter().find(|kind| kind.resource() == plural).unwrap();
    kind.into()
}

fn names(scope: &Scope) -> BTreeSet<&str> {
    NAMESPACES.into_iter().filter(|name| scope.allows(name)).collect()
}

fn paused<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_scope_is_exactly_what_is_granted(
        grants in proptest::collection::vec((0..3_usize, 0..3_usize, 0..5_usize), 0..12),
        asked in proptest::sample::subsequence(NAMESPACES.to_vec(), 0..4),
    ) {
        let api = Arc::new(Api::default());
        for (person, kind, namespace) in grants {
            let namespace = NAMESPACES.get(namespace).copied().unwrap_or_default();
            api.grant(PEOPLE[person], "list", KINDS[kind], namespace, "");
        }
        let asked: Vec<String> = asked.into_iter().map(String::from).collect();
        paused(async {
            let gate = gate(&api);
            for person in PEOPLE {
                for kind in &KINDS[..2] {
                    let scope = gate.scope(&who(person), Verb::List, resource(kind), &asked).await.unwrap();
                    let expected: BTreeSet<&str> = NAMESPACES.into_iter()
                        .filter(|name| api.allows(person, "list", kind, name, ""))
                        .filter(|name| asked.is_empty() || asked.iter().any(|asked| asked == name))
                        .collect();
                    assert_eq!(names(&scope), expected, "{person} {kind}");
                }
                let nodes = gate.scope(&who(person), Verb::List, resource("nodes"), &[]).await.unwrap();
                assert_eq!(nodes == Scope::All, api.allows(person, "list", "nodes", "", ""));
                let (visible, complete, unchecked) = gate.namespaces(&who(person)).await.unwrap();
                let expected: Vec<&str> = NAMESPACES.into_iter()
                    .filter(|name| KINDS[..2].iter().any(|kind| api.allows(person, "list", kind, name, "")))
                    .collect();
                assert_eq!(visible.iter().map(|name| &**name).collect::<Vec<_>>(), expected);
                assert!(complete && unchecked == 0);
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_denied_person_racing_an_allowed_one_gets_their_own_decision() {
    let api = Arc::new(Api::default());
    api.grant("alice", "list", "pods", "", "");
    let gate = gate(&api);
    let (alice, bob) = (who("alice"), who("bob"));
    let (one, two, three) = tokio::join!(
        gate.scope(&alice, Verb::List, resource("pods"), &[]),
        gate.scope(&bob, Verb::List, resource("pods"), &[]),
        gate.scope(&alice, Verb::List, resource("pods"), &[]),
    );
    assert_eq!((one.unwrap(), three.unwrap()), (Scope::All, Scope::All));
    assert!(two.unwrap().is_empty());
    assert_eq!(api.asked.load(Ordering::SeqCst), 1 + 1 + NAMESPACES.len() as u32, "the same question is asked once");
}

#[tokio::test(start_paused = true)]
async fn decisions_are_kept_for_ten_seconds_and_errors_not_at_all() {
    let api = Arc::new(Api::default());
    let gate = gate(&api);
    let alice = who("alice");
    let object = async || gate.object(&alice, resource("pods"), "a", "p").await;
    api.broken.store(true, Ordering::SeqCst);
    assert!(matches!(object().await, Err(GateError::Undecided(_))));
    assert!(matches!(gate.namespaces(&alice).await, Err(GateError::Undecided(_))));
    api.broken.store(false, Ordering::SeqCst);
    assert!(object().await.unwrap().is_none());
    api.grant("alice", "get", "pods", "a", "p");
    assert!(object().await.unwrap().is_none(), "remembered");
    tokio::time::advance(LIFE).await;
    let scope = object().await.unwrap().unwrap();
    assert!(scope.allows("a") && !scope.allows("b"));
    api.grants.lock().unwrap().clear();
    let mut revoked = gate.revoked();
    gate.forget();
    assert!(revoked.has_changed().unwrap());
    revoked.borrow_and_update();
    assert!(object().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_name_permits_that_object_alone() {
    let api = Arc::new(Api::default());
    api.grant("alice", "get", "pods", "a", "p");
    let gate = gate(&api);
    let alice = who("alice");
    assert!(gate.object(&alice, resource("pods"), "a", "p").await.unwrap().is_some());
    assert!(gate.object(&alice, resource("pods"), "a", "q").await.unwrap().is_none());
    assert!(gate.object(&alice, resource("pods"), "b", "p").await.unwrap().is_none());
    assert!(gate.object(&alice, resource("pods"), "a", "").await.unwrap().is_none());
    assert!(gate.scope(&alice, Verb::List, resource("pods"), &[]).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn another_group_is_another_person() {
    let api = Arc::new(Api::default());
    let gate = gate(&api);
    let more = Identity::new("alice", "", vec!["admins".into()], BTreeMap::new());
    assert!(gate.object(&who("alice"), resource("pods"), "a", "p").await.unwrap().is_none());
    api.grant("alice", "get", "pods", "", "");
    assert!(gate.object(&more, resource("pods"), "a", "p").await.unwrap().is_some());
}
