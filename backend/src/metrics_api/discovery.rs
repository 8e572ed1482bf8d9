//! The documents of discovery. They do not depend on the state of the data.

use crate::encoding::{Media, Message, envelope, yaml};
use std::sync::LazyLock;

/// Both, the preferred one first.
pub(super) const VERSIONS: [&str; 2] = ["v1", "v1beta1"];
const RESOURCES: [Resource; 2] = [
    Resource { name: "nodes", kind: "NodeMetrics", namespaced: false },
    Resource { name: "pods", kind: "PodMetrics", namespaced: true },
];

/// The aggregated document.
pub(super) static AGGREGATED: LazyLock<String> = LazyLock::new(aggregated);

struct Resource {
    name: &'static str,
    kind: &'static str,
    namespaced: bool,
}

/// `APIResourceList` of one version.
pub(super) fn resources(version: &str, media: Media) -> Vec<u8> {
    let group = format!("metrics.k8s.io/{version}");
    if media == Media::Protobuf {
        let list = RESOURCES.iter().fold(Message::default().text(1, &group), |list, resource| {
            let verbs = Message::default().text(1, "get").text(1, "list");
            let one = Message::default()
                .text(1, resource.name)
                .number(2, u64::from(resource.namespaced))
                .text(3, resource.kind)
                .message(4, &verbs);
            list.message(2, &one)
        });
        return enveloped("APIResourceList", &list);
    }
    let resources: Vec<String> = RESOURCES
        .iter()
        .map(|Resource { name, kind, namespaced }| {
            format!(
                r#"{{"name":"{name}","singularName":"","namespaced":{namespaced},"kind":"{kind}","verbs":["get","list"]}}"#
            )
        })
        .collect();
    text(
        format!(
            "{{\"kind\":\"APIResourceList\",\"apiVersion\":\"v1\",\"groupVersion\":\"{group}\",\"resources\":[{}]}}\n",
            resources.join(",")
        ),
        media,
    )
}

/// `APIGroup`.
pub(super) fn group(media: Media) -> Vec<u8> {
    match media {
        Media::Protobuf => enveloped("APIGroup", &group_message()),
        _ => text(format!("{{\"kind\":\"APIGroup\",\"apiVersion\":\"v1\",{}}}\n", group_members()), media),
    }
}

/// `APIGroupList`.
pub(super) fn groups(media: Media) -> Vec<u8> {
    match media {
        Media::Protobuf => enveloped("APIGroupList", &Message::default().message(1, &group_message())),
        _ => text(
            format!("{{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[{{{}}}]}}\n", group_members()),
            media,
        ),
    }
}

fn group_members() -> String {
    let version = |version: &str| format!(r#"{{"groupVersion":"metrics.k8s.io/{version}","version":"{version}"}}"#);
    let [preferred, _] = VERSIONS;
    format!(
        r#""name":"metrics.k8s.io","versions":[{}],"preferredVersion":{}"#,
        VERSIONS.map(version).join(","),
        version(preferred)
    )
}

fn group_message() -> Message {
    let version = |version: &str| Message::default().text(1, &format!("metrics.k8s.io/{version}")).text(2, version);
    let [preferred, _] = VERSIONS;
    let group = Message::default().text(1, "metrics.k8s.io");
    VERSIONS.iter().fold(group, |group, one| group.message(2, &version(one))).message(3, &version(preferred))
}

/// `APIGroupDiscoveryList`: both versions in the one document, for the aggregator looks each APIService's up in it.
fn aggregated() -> String {
    let resources: Vec<String> = RESOURCES
        .iter()
        .map(|Resource { name, kind, namespaced }| {
            let scope = if *namespaced { "Namespaced" } else { "Cluster" };
            format!(
                r#"{{"resource":"{name}","responseKind":{{"group":"","version":"","kind":"{kind}"}},"scope":"{scope}","singularResource":"","verbs":["get","list"]}}"#
            )
        })
        .collect();
    let resources = resources.join(",");
    let version =
        |version: &str| format!(r#"{{"version":"{version}","freshness":"Current","resources":[{resources}]}}"#);
    format!(
        "{}{}]}}]}}\n",
        concat!(
            r#"{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","metadata":{},"items":["#,
            r#"{"metadata":{"name":"metrics.k8s.io"},"versions":["#
        ),
        VERSIONS.map(version).join(",")
    )
}

fn enveloped(kind: &str, message: &Message) -> Vec<u8> {
    let mut out = envelope("v1", kind, message.bytes().len());
    out.extend_from_slice(message.bytes());
    out
}

fn text(json: String, media: Media) -> Vec<u8> {
    match media {
        Media::Yaml => yaml(json.as_bytes()).unwrap_or(json).into_bytes(),
        _ => json.into_bytes(),
    }
}
