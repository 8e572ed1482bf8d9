//! API servers older and newer than ours, and other people's controllers, leave fields out, write `null` and add what
//! nobody knows. Every field of every kind of a simulated cluster is tried: the object stays readable.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that can't go on fails")]

use backend::cluster::decode::{Decode, object};
use backend::cluster::kinds::{Deployment, EndpointSlice, Event, Namespace, Node, Pod, ReplicaSet, Service};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Every place in a value, as JSON pointers.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    let mut inside = |key: &str, child: &Value| {
        let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        all.push(at.clone());
        places(child, &at, all);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, child)| inside(key, child)),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, child)| inside(&index.to_string(), child)),
        _ => {}
    }
}

/// The place without the numbers of lists: what is tried once for all items.
fn shape(place: &str) -> String {
    place.split('/').map(|part| if part.parse::<u32>().is_ok() { "*" } else { part }).collect::<Vec<_>>().join("/")
}

fn without(original: &Value, place: &str) -> Value {
    let mut value = original.clone();
    let (parent, key) = place.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        Value::Object(fields) => _ = fields.remove(&key.replace("~1", "/").replace("~0", "~")),
        Value::Array(items) => _ = items.remove(key.parse().unwrap()),
        other => panic!("{place} is in {other}"),
    }
    value
}

/// Null, absence and unknown neighbours at every place; how many places were tried.
fn survive<K: Decode>(objects: &[Value]) -> usize {
    let mut tried = BTreeSet::new();
    for original in objects {
        let name = original["metadata"]["name"].as_str().unwrap();
        let mut all = Vec::new();
        places(original, "", &mut all);
        for place in all {
            if !tried.insert(shape(&place)) {
                continue;
            }
            let mut nothing = original.clone();
            // A list has no empty places: an item is there or not.
            if !shape(&place).ends_with('*') {
                *nothing.pointer_mut(&place).unwrap() = Value::Null;
            }
            let mut more = original.clone();
            if let Some(Value::Object(fields)) = more.pointer_mut(&place) {
                // Where all is text, as in labels and quantities, more text is all that may come.
                let text = fields.values().all(Value::is_string);
                let new = if text { json!("text") } else { json!({"a": [1, {"b": null}], "c": "d"}) };
                fields.insert("fromTheFuture".into(), new);
            }
            for (value, what) in
                [(nothing, "null"), (without(original, &place), "absent"), (more, "beside unknown fields")]
            {
                let read = object::<K>(&value);
                // Who has no name cannot be kept; everything else can.
                if what != "beside unknown fields" && ["/metadata", "/metadata/name"].contains(&place.as_str()) {
                    assert!(read.is_err() || read.is_ok_and(|read| read.meta().name.is_empty()), "{place} {what}");
                    continue;
                }
                let read = read.unwrap_or_else(|error| panic!("{} {place} is {what}: {error}", K::KIND.name()));
                assert_eq!(&*read.meta().name, name, "{place} {what}");
            }
            // A value of another type may cost the object, and nothing else.
            for strange in [json!(-1), json!("text"), json!([[]]), json!({"x": 1}), json!(1e300)] {
                let mut value = original.clone();
                *value.pointer_mut(&place).unwrap() = strange;
                drop(object::<K>(&value));
            }
        }
    }
    tried.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_every_kind_may_be_missing_null_or_unknown() {
    let cluster = sim::Cluster::start(sim::Config::default()).await.unwrap();
    let kubeconfig = kube::config::Kubeconfig::from_yaml(&cluster.kubeconfig(sim::Who::Admin)).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
    let client = kube::Client::try_from(config).unwrap();
    let list = async |path: &str| -> Vec<Value> {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        let mut list: Value = client.request(request).await.unwrap();
        serde_json::from_value(list["items"].take()).unwrap()
    };
    for (path, survive) in [
        ("/api/v1/pods", survive::<Pod> as fn(&[Value]) -> usize),
        ("/api/v1/nodes", survive::<Node>),
        ("/api/v1/namespaces", survive::<Namespace>),
        ("/api/v1/services", survive::<Service>),
        ("/api/v1/events", survive::<Event>),
        ("/apis/apps/v1/deployments", survive::<Deployment>),
        ("/apis/apps/v1/replicasets", survive::<ReplicaSet>),
        ("/apis/discovery.k8s.io/v1/endpointslices", survive::<EndpointSlice>),
    ] {
        let tried = survive(&list(path).await);
        assert!(tried > 5, "{path}: {tried} places");
    }
}
