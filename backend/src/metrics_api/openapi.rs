//! OpenAPI 2 and 3 of this API, for `kubectl explain` and for the aggregator, which merges them into the API server's.
//!
//! What they share with Kubernetes' own models (metadata, times, quantities) stands in place, not by reference: a model
//! of the same name and another text would be renamed when the aggregator merges.

use super::discovery::VERSIONS;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A document and its quoted `ETag`.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) text: String,
    pub(super) tag: String,
}

/// By path.
static DOCUMENTS: LazyLock<BTreeMap<String, Document>> = LazyLock::new(documents);

/// Where schemas are in a document, as its references say it.
#[derive(Clone, Copy)]
enum Dialect {
    Two,
    Three,
}

/// The document at a path, if there is one.
pub(super) fn document(path: &str) -> Option<&'static Document> {
    DOCUMENTS.get(path)
}

/// The digest that tags are made of.
pub(super) fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02X}")).collect()
}

fn documents() -> BTreeMap<String, Document> {
    let document = |value: Value| {
        let text = format!("{value}\n");
        let tag = format!("\"{}\"", digest(&text));
        Document { text, tag }
    };
    let mut all = BTreeMap::new();
    let (mut paths, mut models) = (Map::new(), Map::new());
    let mut index = Map::new();
    let info = json!({"title": "Taffrail", "version": env!("CARGO_PKG_VERSION")});
    for version in VERSIONS {
        paths.extend(routes(version, Dialect::Two));
        models.extend(schemas(version, Dialect::Two));
        let three = document(json!({
            "openapi": "3.0.0",
            "info": info,
            "paths": routes(version, Dialect::Three),
            "components": {"schemas": schemas(version, Dialect::Three)},
        }));
        let path = format!("/openapi/v3/apis/metrics.k8s.io/{version}");
        let hash = three.tag.trim_matches('"');
        index.insert(
            format!("apis/metrics.k8s.io/{version}"),
            json!({"serverRelativeURL": format!("{path}?hash={hash}")}),
        );
        all.insert(path, three);
    }
    all.insert("/openapi/v3".to_owned(), document(json!({"paths": index})));
    let two = json!({"swagger": "2.0", "info": info, "paths": paths, "definitions": models});
    all.insert("/openapi/v2".to_owned(), document(two));
    all
}

fn model(version: &str, name: &str) -> String {
    format!("io.k8s.metrics.pkg.apis.metrics.{version}.{name}")
}

impl Dialect {
    fn reference(self, version: &str, name: &str) -> Value {
        let place = match self {
            Self::Two => "#/definitions/",
            Self::Three => "#/components/schemas/",
        };
        json!({"$ref": format!("{place}{}", model(version, name))})
    }

    fn answer(self, schema: &Value) -> Value {
        const MEDIA: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
        match self {
            Self::Two => json!({"200": {"description": "OK", "schema": schema}}),
            Self::Three => {
                let content: Map<String, Value> =
                    MEDIA.iter().map(|media| ((*media).to_owned(), json!({"schema": schema}))).collect();
                json!({"200": {"description": "OK", "content": content}})
            }
        }
    }

    fn parameter(self, place: &str, name: &str, description: &str) -> Value {
        let required = place == "path";
        match self {
            Self::Two => {
                json!({"name": name, "in": place, "description": description, "required": required, "type": "string"})
            }
            Self::Three => {
                let schema = json!({"type": "string"});
                json!({"name": name, "in": place, "description": description, "required": required, "schema": schema})
            }
        }
    }
}

fn routes(version: &str, dialect: Dialect) -> Map<String, Value> {
    let selectors = || {
        vec![
            dialect.parameter("query", "labelSelector", "Restricts the list by labels."),
            dialect.parameter("query", "fieldSelector", "Restricts the list by metadata.name and metadata.namespace."),
        ]
    };
    let namespace = || dialect.parameter("path", "namespace", "Namespace of the pods.");
    let name = || dialect.parameter("path", "name", "Name of the object.");
    let all = [
        ("/nodes", "list", "NodeMetrics", "listNodeMetrics", selectors()),
        ("/nodes/{name}", "get", "NodeMetrics", "readNodeMetrics", vec![name()]),
        ("/pods", "list", "PodMetrics", "listPodMetricsForAllNamespaces", selectors()),
        (
            "/namespaces/{namespace}/pods",
            "list",
            "PodMetrics",
            "listNamespacedPodMetrics",
            [vec![namespace()], selectors()].concat(),
        ),
        (
            "/namespaces/{namespace}/pods/{name}",
            "get",
            "PodMetrics",
            "readNamespacedPodMetrics",
            vec![namespace(), name()],
        ),
    ];
    let route = |(path, action, kind, operation, parameters): (&str, &str, &str, &str, Vec<Value>)| {
        let answered = if action == "list" { format!("{kind}List") } else { kind.to_owned() };
        let get = json!({
            "operationId": format!("{operation}{version}"),
            "description": format!("{action} objects of kind {kind}"),
            "parameters": parameters,
            "responses": dialect.answer(&dialect.reference(version, &answered)),
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": {"group": "metrics.k8s.io", "version": version, "kind": kind},
        });
        (format!("/apis/metrics.k8s.io/{version}{path}"), json!({"get": get}))
    };
    all.into_iter().map(route).collect()
}

fn schemas(version: &str, dialect: Dialect) -> Map<String, Value> {
    let text = |description: &str| json!({"type": "string", "description": description});
    let metadata = json!({"type": "object", "description": "Name, namespace and labels of the object; its creationTimestamp is the time of the answer."});
    let usage = json!({
        "type": "object",
        "additionalProperties": {"type": "string"},
        "description": "Usage by resource name, as quantities: cpu over the window, memory and swap at the timestamp.",
    });
    let sampled = json!({
        "type": "string", "format": "date-time",
        "description": "When the usage was sampled; what is averaged is averaged over the window before.",
    });
    let window = text("Length of the window, as a duration such as 15s.");
    let (version_text, kind_text) = (text("Version of the schema of this object."), text("Kind of this object."));
    let list = |of: &str| {
        json!({
            "type": "object", "description": format!("A list of {of}."), "required": ["items"],
            "properties": {
                "apiVersion": version_text, "kind": kind_text,
                "metadata": {"type": "object", "description": "Metadata of the list."},
                "items": {"type": "array", "items": dialect.reference(version, of), "description": "The objects."},
            },
            "x-kubernetes-group-version-kind":
                [{"group": "metrics.k8s.io", "version": version, "kind": format!("{of}List")}],
        })
    };
    let node = json!({
        "type": "object", "description": "Resource usage of a node.", "required": ["timestamp", "window", "usage"],
        "properties": {
            "apiVersion": version_text, "kind": kind_text, "metadata": metadata,
            "timestamp": sampled, "window": window, "usage": usage,
        },
        "x-kubernetes-group-version-kind":
            [{"group": "metrics.k8s.io", "version": version, "kind": "NodeMetrics"}],
    });
    let containers = json!({
        "type": "array", "items": dialect.reference(version, "ContainerMetrics"),
        "description": "Usage of every running container, by name.",
    });
    let pod = json!({
        "type": "object", "description": "Resource usage of a pod.", "required": ["timestamp", "window", "containers"],
        "properties": {
            "apiVersion": version_text, "kind": kind_text, "metadata": metadata,
            "timestamp": sampled, "window": window, "containers": containers,
        },
        "x-kubernetes-group-version-kind":
            [{"group": "metrics.k8s.io", "version": version, "kind": "PodMetrics"}],
    });
    let container = json!({
        "type": "object", "description": "Resource usage of a container.", "required": ["name", "usage"],
        "properties": {"name": text("Name of the container."), "usage": usage},
    });
    let (nodes, pods) = (list("NodeMetrics"), list("PodMetrics"));
    [
        ("ContainerMetrics", container),
        ("NodeMetrics", node),
        ("NodeMetricsList", nodes),
        ("PodMetrics", pod),
        ("PodMetricsList", pods),
    ]
    .into_iter()
    .map(|(name, schema)| (model(version, name), schema))
    .collect()
}
