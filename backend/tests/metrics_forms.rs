//! Every form of an answer of the Metrics API: JSON, YAML and protobuf, tables and bare metadata, long lists, and what
//! is said to who accepts none of them.
#![expect(clippy::unwrap_used, reason = "helpers of tests; clippy.toml lets off only the tests themselves")]

mod metrics;

use axum::body::Body;
use backend::encoding::{Choice, Item, Kind, List, Media};
use backend::kubelet::Served;
use http::Response;
use http_body_util::BodyExt;
use metrics::{World, meta, node, page, pod};
use serde_json::{Value, json};
use std::io::Read as _;
use std::time::{Duration, Instant};

const BASE: &str = "/apis/metrics.k8s.io/v1beta1";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// Two nodes, one of them with metrics; two pods of two containers, of which one pod reports swap.
fn world() -> World {
    let world = World::new(15, true);
    world.objects.nodes.put(node("n1", &[("a", "b")]));
    world.objects.nodes.put(node("n2", &[]));
    for name in ["p1", "p2"] {
        world.objects.pods.put(pod("ns1", name, "Running"));
    }
    sample(&world, &["p1", "p2"]);
    world
}

/// Two rounds of node n1 and pods of namespace ns1.
fn sample(world: &World, pods: &[&str]) {
    let start = Instant::now();
    for round in 0..2_u64 {
        let ts = 15 * round;
        let container = |cpu: u64, mem: u64| json!({"start": -1000, "ts": ts, "cpu": 100 + cpu * round, "mem": mem});
        let pods: serde_json::Map<String, Value> = pods
            .iter()
            .map(|name| (format!("ns1/{name}"), json!({"b": container(3, 2048), "a": container(6, 1_048_576)})))
            .collect();
        let said = json!({"node": {"ts": ts, "cpu": 100 + 15 * round, "mem": 1_616_273_408_u64}, "pods": pods});
        let mut page = page("n1", &said);
        for container in page.pods.iter_mut().filter(|pod| &*pod.name == "p2").flat_map(|pod| pod.containers.iter_mut())
        {
            container.swap = Some(4096);
        }
        world.latest.apply(&page, start + Duration::from_secs(ts), &world.objects.pods);
    }
}

async fn get(world: &World, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
    world.ask("GET", path, headers, None).await
}

async fn bytes(response: Response<Body>) -> Vec<u8> {
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

async fn body(world: &World, path: &str, accept: &str) -> (u16, String, Vec<u8>) {
    let response = get(world, path, &[("accept", accept)]).await;
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    (response.status().as_u16(), kind, bytes(response).await)
}

async fn json_of(world: &World, path: &str, accept: &str) -> Value {
    let (status, kind, body) = body(world, path, accept).await;
    assert_eq!((status, &*kind), (200, "application/json"), "{}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn a_list_of_one_node_has_the_golden_bytes() {
    let meta = meta("", "n1", &[("a", "b")]);
    let served =
        Served { at: 1_700_000_015_999, window: 15_046_000_000, cpu: 187_059_437, memory: 1_616_273_408, swap: None };
    let choice = Choice { media: Media::Protobuf, ..Choice::default() };
    let mut list = List::new(Kind::Node, "v1beta1", choice, 1_700_000_030_123);
    let mut items = Vec::new();
    list.item(&Item::node(&meta, served), &mut items);
    let mut whole = list.head(items.len());
    whole.extend(items);
    let hex: String = whole.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = concat!(
        "6b387300",
        "0a290a166d6574726963732e6b38732e696f2f76316265746131120f4e6f64654d6574726963734c697374",
        "125a0a001256",
        "0a160a026e314208089ee2cfaa0610005a060a0161120162",
        "1208088fe2cfaa061000",
        "1a060880fbbe8638",
        "22130a03637075120c0a0a3138373035393433376e",
        "22150a066d656d6f7279120b0a09313537383339324b69"
    );
    assert_eq!(hex, expected);
}

#[tokio::test]
async fn protobuf_and_json_say_the_same() {
    let world = world();
    for (path, kind) in [
        ("/nodes", "NodeMetricsList"),
        ("/nodes/n1", "NodeMetrics"),
        ("/pods", "PodMetricsList"),
        ("/namespaces/ns1/pods/p2", "PodMetrics"),
    ] {
        let (status, content, proto) = body(&world, &format!("{BASE}{path}"), &format!("{PROTOBUF}, */*")).await;
        assert_eq!((status, &*content), (200, PROTOBUF), "{path}");
        let (api_version, name, raw) = unknown(&proto);
        assert_eq!((&*api_version, &*name), ("metrics.k8s.io/v1beta1", kind), "{path}");
        let json = json_of(&world, &format!("{BASE}{path}"), "application/json").await;
        let items = match json.get("items") {
            Some(items) => items.as_array().unwrap().clone(),
            None => vec![json.clone()],
        };
        let messages: Vec<&[u8]> = if json.get("items").is_some() {
            fields(raw).into_iter().filter(|(field, _)| *field == 2).map(|(_, bytes)| bytes).collect()
        } else {
            vec![raw]
        };
        assert_eq!(messages.len(), items.len(), "{path}");
        for (message, item) in messages.iter().zip(&items) {
            let metadata = fields(field(message, 1));
            assert_eq!(text(&metadata, 1), item["metadata"]["name"].as_str().unwrap(), "{path}");
            assert_eq!(text(&metadata, 3), item["metadata"]["namespace"].as_str().unwrap_or_default(), "{path}");
            let usages: Vec<(String, Fields<'_>)> = match item.get("containers") {
                Some(_) => fields(message)
                    .into_iter()
                    .filter(|(number, _)| *number == 4)
                    .map(|(_, container)| {
                        let container = fields(container);
                        (text(&container, 1).to_owned(), container)
                    })
                    .collect(),
                None => vec![(String::new(), fields(message))],
            };
            for (n, (container, entries)) in usages.iter().enumerate() {
                let place = if container.is_empty() { 4 } else { 2 };
                let found: serde_json::Map<String, Value> = entries
                    .iter()
                    .filter(|(number, _)| *number == place)
                    .map(|(_, entry)| {
                        let entry = fields(entry);
                        let quantity = fields(entry.iter().find(|(number, _)| *number == 2).unwrap().1);
                        (text(&entry, 1).to_owned(), json!(text(&quantity, 1)))
                    })
                    .collect();
                let expected = if container.is_empty() { &item["usage"] } else { &item["containers"][n]["usage"] };
                assert_eq!(&Value::Object(found), expected, "{path}");
            }
        }
    }
    let (status, content, proto) = body(&world, &format!("{BASE}/nodes/n2"), PROTOBUF).await;
    assert_eq!((status, &*content), (404, PROTOBUF));
    let (api_version, kind, raw) = unknown(&proto);
    assert_eq!((&*api_version, &*kind), ("v1", "Status"));
    assert_eq!(text(&fields(raw), 3), "nodemetrics.metrics.k8s.io \"n2\" not found");
}

#[tokio::test]
async fn a_table_has_a_column_for_every_resource_of_any_item() {
    let world = world();
    let path = format!("{BASE}/namespaces/ns1/pods");
    let table = json_of(&world, &path, &format!("{TABLE},application/json")).await;
    assert_eq!((&table["kind"], &table["apiVersion"]), (&json!("Table"), &json!("meta.k8s.io/v1")));
    let columns: Vec<&str> =
        table["columnDefinitions"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(columns, ["Name", "cpu", "memory", "swap", "Window"]);
    assert_eq!(table["rows"][0]["cells"], json!(["p1", "600m", "1026Ki", "0", "15s"]));
    assert_eq!(table["rows"][1]["cells"], json!(["p2", "600m", "1026Ki", "8Ki", "15s"]));
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    assert_eq!(table["rows"][0]["object"]["metadata"]["namespace"], "ns1");
    let nodes = json_of(&world, &format!("{BASE}/nodes?includeObject=Object"), TABLE).await;
    assert_eq!(nodes["rows"][0]["cells"], json!(["n1", "1", "1578392Ki", "15s"]));
    assert_eq!(nodes["rows"][0]["object"]["kind"], "NodeMetrics");
    assert_eq!(nodes["rows"][0]["object"]["usage"]["cpu"], "1");
    assert_eq!(nodes["rows"].as_array().unwrap().len(), 1);
    let one = json_of(&world, &format!("{BASE}/nodes/n1?includeObject=None"), TABLE).await;
    assert_eq!((&one["rows"][0]["object"], &one["rows"][1]), (&Value::Null, &Value::Null));
    let empty = get(&world, &format!("{BASE}/namespaces/none/pods"), &[("accept", TABLE)]).await;
    assert_eq!(
        String::from_utf8(bytes(empty).await).unwrap(),
        "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{},\"columnDefinitions\":null,\"rows\":null}\n"
    );
    let (status, _, refused) = body(&world, &format!("{BASE}/nodes?includeObject=x"), TABLE).await;
    assert_eq!(status, 400);
    assert!(String::from_utf8_lossy(&refused).contains("includeObject: Invalid value: \\\"x\\\": must be 'Metadata'"));
}

#[tokio::test]
async fn bare_metadata_is_of_an_object_or_of_a_list() {
    let world = world();
    let (one, all) = ("PartialObjectMetadata", "PartialObjectMetadataList");
    let accept = |shape: &str| format!("application/json;as={shape};g=meta.k8s.io;v=v1");
    let single = json_of(&world, &format!("{BASE}/nodes/n1"), &accept(one)).await;
    assert_eq!((&single["kind"], &single["metadata"]["labels"]["a"]), (&json!(one), &json!("b")));
    assert_eq!(single.as_object().unwrap().len(), 3);
    let list = json_of(&world, &format!("{BASE}/pods"), &accept(all)).await;
    assert_eq!((&list["kind"], &list["items"][1]["metadata"]["name"]), (&json!(all), &json!("p2")));
    let (_, _, proto) = body(&world, &format!("{BASE}/pods"), &accept(all).replace("application/json", PROTOBUF)).await;
    assert_eq!(unknown(&proto).1, all);
    for (path, shape, says) in [
        (
            "/pods",
            one,
            "you requested PartialObjectMetadata, but the requested object is a list (*metrics.PodMetricsList)",
        ),
        (
            "/nodes/n1",
            all,
            "you requested PartialObjectMetadataList, but the requested object is not a list (*metrics.NodeMetrics)",
        ),
    ] {
        let (status, _, refused) = body(&world, &format!("{BASE}{path}"), &accept(shape)).await;
        let refused: Value = serde_json::from_slice(&refused).unwrap();
        assert_eq!((status, &refused["message"]), (406, &json!(says)));
    }
}

#[tokio::test]
async fn yaml_says_what_json_says() {
    let world = world();
    let paths = ["/nodes", "/nodes/n1", "/pods", "/namespaces/none/pods", "/nodes/n2", "", "/namespaces/ns1/pods/p2"];
    let shapes = ["", ";as=Table;v=v1;g=meta.k8s.io"];
    for (path, shape) in paths.iter().flat_map(|path| shapes.map(|shape| (path, shape))) {
        let path = format!("{BASE}{path}");
        let yaml = get(&world, &path, &[("accept", &format!("application/yaml{shape}"))]).await;
        let json = get(&world, &path, &[("accept", &format!("application/json{shape}"))]).await;
        assert_eq!(yaml.status(), json.status(), "{path}");
        if json.status() == 406 {
            continue; // discovery as a table
        }
        assert_eq!(yaml.headers()["content-type"], "application/yaml", "{path}");
        let yaml = String::from_utf8(bytes(yaml).await).unwrap();
        let mut read: Value = serde_saphyr::from_str(&yaml).unwrap();
        let mut json: Value = serde_json::from_slice(&bytes(json).await).unwrap();
        for value in [&mut read, &mut json] {
            undated(value);
        }
        assert_eq!(read, json, "{path}\n{yaml}");
        // For YAML 1.1 a time without quotes is a time, and "1" a number.
        assert!(!yaml.contains("stamp: 20"), "{yaml}");
    }
}

/// The time of the answer differs between two answers.
fn undated(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("creationTimestamp");
            members.values_mut().for_each(undated);
        }
        Value::Array(items) => items.iter_mut().for_each(undated),
        _ => {}
    }
}

#[tokio::test]
async fn people_get_indented_json() {
    let world = world();
    let path = format!("{BASE}/nodes/n2");
    let tidy = "{\n  \"kind\": \"Status\",\n  \"apiVersion\": \"v1\",\n  \"metadata\": {},\n  \"status\": \"Failure\",";
    for (query, agent, expected) in
        [("", "curl/8.0", true), ("?pretty=1", "x", true), ("?pretty=0", "curl/8.0", false), ("", "kubectl/v1", false)]
    {
        let text = bytes(get(&world, &format!("{path}{query}"), &[("user-agent", agent)]).await).await;
        assert_eq!(text.starts_with(tidy.as_bytes()), expected, "{query} {agent}");
    }
    let list = bytes(get(&world, &format!("{BASE}/pods?pretty=true"), &[]).await).await;
    let plain = bytes(get(&world, &format!("{BASE}/pods"), &[]).await).await;
    let (list_value, plain_value): (Value, Value) =
        (serde_json::from_slice(&list).unwrap(), serde_json::from_slice(&plain).unwrap());
    assert_eq!(list_value["items"].as_array().unwrap().len(), plain_value["items"].as_array().unwrap().len());
    assert!(
        list.starts_with(b"{\n  \"kind\": \"PodMetricsList\",\n") && list.ends_with(b"\n  ]\n}"),
        "{}",
        String::from_utf8_lossy(&list)
    );
}

#[tokio::test]
async fn who_accepts_nothing_of_ours_is_told_what_there_is() {
    let world = world();
    let nodes = format!("{BASE}/nodes");
    let available = "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
    let accepted = "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf";
    for (path, accept, message, details) in [
        (&*nodes, "text/html", available, json!({})),
        (&nodes, "application/*", available, json!({})),
        (&nodes, "application/json;as=Nonsense", accepted, Value::Null),
        (&nodes, "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io", accepted, Value::Null),
        (BASE, "text/html", accepted, Value::Null),
        ("/apis", "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList", accepted, Value::Null),
    ] {
        let (status, kind, refused) = body(&world, path, accept).await;
        let refused: Value = serde_json::from_slice(&refused).unwrap();
        assert_eq!(
            (status, &*kind, &refused["message"]),
            (406, "application/json", &json!(message)),
            "{path} {accept}"
        );
        assert_eq!((&refused["reason"], &refused["details"]), (&json!("NotAcceptable"), &details), "{path} {accept}");
    }
}

#[tokio::test]
async fn a_long_list_is_whole_and_compressed_for_who_accepts_that() {
    let world = World::new(15, true);
    let names: Vec<String> = (0..3000).map(|n| format!("pod-{n:04}")).collect();
    for name in &names {
        world.objects.pods.put(pod("ns1", name, "Running"));
    }
    sample(&world, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let path = format!("{BASE}/pods");
    let named = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().unwrap();
        items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    };
    let plain = get(&world, &path, &[]).await;
    assert!(!plain.headers().contains_key("content-encoding"));
    let plain = bytes(plain).await;
    assert!(plain.len() > 600_000, "{}", plain.len());
    assert_eq!(named(&serde_json::from_slice(&plain).unwrap()), names);
    for accept in ["application/json", "application/yaml", PROTOBUF] {
        let packed = get(&world, &path, &[("accept-encoding", "gzip"), ("accept", accept)]).await;
        assert_eq!(packed.headers()["content-encoding"], "gzip", "{accept}");
        assert!(packed.headers()["vary"].to_str().unwrap().eq_ignore_ascii_case("accept-encoding"), "{accept}");
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(&*bytes(packed).await).read_to_end(&mut text).unwrap();
        match accept {
            PROTOBUF => {
                let items = fields(unknown(&text).2).into_iter().filter(|(field, _)| *field == 2).count();
                assert_eq!(items, names.len());
            }
            "application/yaml" => {
                let list: Value = serde_saphyr::from_str(std::str::from_utf8(&text).unwrap()).unwrap();
                assert_eq!(named(&list), names);
            }
            _ => assert_eq!(named(&serde_json::from_slice(&text).unwrap()), names),
        }
    }
    let short = get(&world, &format!("{BASE}/namespaces/none/pods"), &[("accept-encoding", "gzip")]).await;
    assert!(!short.headers().contains_key("content-encoding"));
}

#[tokio::test]
async fn both_documents_of_openapi_know_all_models_and_say_when_they_are_known() {
    let world = World::new(15, true);
    let two: Value = serde_json::from_str(&world.text("/openapi/v2").await.1).unwrap();
    assert_eq!(two["definitions"].as_object().unwrap().len(), 10);
    assert_eq!(two["paths"].as_object().unwrap().len(), 10);
    let index: Value = serde_json::from_str(&world.text("/openapi/v3").await.1).unwrap();
    for version in ["v1", "v1beta1"] {
        let url = index["paths"][format!("apis/metrics.k8s.io/{version}")]["serverRelativeURL"].as_str().unwrap();
        let (status, text) = world.text(url).await;
        let three: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(status, 200);
        let model = format!("io.k8s.metrics.pkg.apis.metrics.{version}.PodMetrics");
        let pod = &three["components"]["schemas"][&model];
        assert_eq!(pod["required"], json!(["timestamp", "window", "containers"]));
        assert_eq!(pod["x-kubernetes-group-version-kind"][0]["version"], version);
        // What a document refers to is in it.
        let models = three["components"]["schemas"].as_object().unwrap();
        for part in text.split("#/components/schemas/").skip(1) {
            assert!(models.contains_key(part.split('"').next().unwrap()), "{part:.60}");
        }
    }
    let known = get(&world, "/openapi/v2", &[]).await.headers()["etag"].to_str().unwrap().to_owned();
    let again = get(&world, "/openapi/v2", &[("if-none-match", &known)]).await;
    assert_eq!(again.status(), 304);
    let version: Value = serde_json::from_str(&world.text("/version").await.1).unwrap();
    assert_eq!(version["gitVersion"], concat!("v", env!("CARGO_PKG_VERSION")));
}

/// `runtime.Unknown` after its four bytes: apiVersion, kind, message.
fn unknown(bytes: &[u8]) -> (String, String, &[u8]) {
    let whole = fields(bytes.strip_prefix(b"k8s\0").unwrap());
    let types = fields(whole.iter().find(|(field, _)| *field == 1).unwrap().1);
    let raw = whole.iter().find(|(field, _)| *field == 2).unwrap().1;
    (text(&types, 1).to_owned(), text(&types, 2).to_owned(), raw)
}

/// A message's fields with bytes, by number.
type Fields<'a> = Vec<(u64, &'a [u8])>;

/// Fields that are numbers are left out.
fn fields(mut bytes: &[u8]) -> Fields<'_> {
    fn number(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let (byte, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let key = number(&mut bytes);
        let value = number(&mut bytes);
        if key & 7 == 2 {
            let (field, rest) = bytes.split_at(value as usize);
            all.push((key >> 3, field));
            bytes = rest;
        }
    }
    all
}

fn field(bytes: &[u8], number: u64) -> &[u8] {
    fields(bytes).into_iter().find(|(field, _)| *field == number).unwrap().1
}

fn text<'a>(fields: &[(u64, &'a [u8])], number: u64) -> &'a str {
    let bytes = fields.iter().find(|(field, _)| *field == number).map(|(_, bytes)| *bytes).unwrap_or_default();
    std::str::from_utf8(bytes).unwrap()
}
