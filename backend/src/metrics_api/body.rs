//! `NodeMetrics` and `PodMetrics` as JSON, byte for byte as Kubernetes writes them.

use super::quantity;
use crate::cluster::kinds::Meta;
use crate::kubelet::{Served, ServedPod};
use wire::Millis;

/// A JSON string, escaped as Go does (`<`, `>`, `&` as well).
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// RFC 3339, UTC, whole seconds, fraction cut.
pub(super) fn time(at: Millis) -> String {
    let seconds = at.div_euclid(1000);
    jiff::Timestamp::from_second(seconds).map_or_else(|_| "1970-01-01T00:00:00Z".into(), |time| time.to_string())
}

/// What differs between the two kinds of answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) kind: &'static str,
    pub(super) version: &'static str,
    /// Time of the answer.
    pub(super) now: Millis,
}

impl Frame {
    pub(super) fn list(self, items: &[String]) -> String {
        let Self { kind, version, .. } = self;
        let mut text = format!(
            "{{\"kind\":\"{kind}List\",\"apiVersion\":\"metrics.k8s.io/{version}\",\"metadata\":{{}},\"items\":["
        );
        text.reserve(items.iter().map(|item| item.len() + 3).sum());
        for (n, item) in items.iter().enumerate() {
            text.push_str(if n == 0 { "{" } else { ",{" });
            text.push_str(item);
            text.push('}');
        }
        text.push_str("]}\n");
        text
    }

    pub(super) fn single(self, item: &str) -> String {
        let Self { kind, version, .. } = self;
        format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"metrics.k8s.io/{version}\",{item}}}\n")
    }

    /// The members of one node's object.
    pub(super) fn node(self, meta: &Meta, served: &Served) -> String {
        let mut text = self.head(meta, served.at, served.window);
        text.push_str(&usage(served));
        text
    }

    /// The members of one pod's object.
    pub(super) fn pod(self, meta: &Meta, served: &ServedPod) -> String {
        let mut text = self.head(meta, served.at, served.window);
        text.push_str("\"containers\":[");
        for (n, (name, served)) in served.containers.iter().enumerate() {
            if n > 0 {
                text.push(',');
            }
            text.push_str(&format!("{{\"name\":{},{}}}", quoted(name), usage(served)));
        }
        text.push(']');
        text
    }

    fn head(self, meta: &Meta, at: Millis, window: u64) -> String {
        let mut text = format!("\"metadata\":{{\"name\":{}", quoted(&meta.name));
        if !meta.namespace.is_empty() {
            text.push_str(&format!(",\"namespace\":{}", quoted(&meta.namespace)));
        }
        text.push_str(&format!(",\"creationTimestamp\":\"{}\"", time(self.now)));
        if !meta.labels.is_empty() {
            let labels: Vec<String> =
                meta.labels.iter().map(|(key, value)| format!("{}:{}", quoted(key), quoted(value))).collect();
            text.push_str(&format!(",\"labels\":{{{}}}", labels.join(",")));
        }
        text.push_str(&format!("}},\"timestamp\":\"{}\",\"window\":\"{}\",", time(at), quantity::duration(window)));
        text
    }
}

fn usage(served: &Served) -> String {
    let swap = served.swap.map(|swap| format!(",\"swap\":\"{}\"", quantity::memory(swap))).unwrap_or_default();
    let (cpu, memory) = (quantity::cpu(served.cpu), quantity::memory(served.memory));
    format!("\"usage\":{{\"cpu\":\"{cpu}\",\"memory\":\"{memory}\"{swap}}}")
}

/// The documents of discovery. They do not depend on the state of the data.
pub(super) mod discovery {
    const VERSIONS: &str = concat!(
        r#""name":"metrics.k8s.io","versions":[{"groupVersion":"metrics.k8s.io/v1","version":"v1"},"#,
        r#"{"groupVersion":"metrics.k8s.io/v1beta1","version":"v1beta1"}],"#,
        r#""preferredVersion":{"groupVersion":"metrics.k8s.io/v1","version":"v1"}"#
    );

    pub(in super::super) fn resources(version: &str) -> String {
        format!(
            concat!(
                r#"{{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"metrics.k8s.io/{}","resources":["#,
                r#"{{"name":"nodes","singularName":"","namespaced":false,"kind":"NodeMetrics","verbs":["get","list"]}},"#,
                r#"{{"name":"pods","singularName":"","namespaced":true,"kind":"PodMetrics","verbs":["get","list"]}}]}}"#,
                "\n"
            ),
            version
        )
    }

    pub(in super::super) fn group() -> String {
        format!("{{\"kind\":\"APIGroup\",\"apiVersion\":\"v1\",{VERSIONS}}}\n")
    }

    pub(in super::super) fn groups() -> String {
        format!("{{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[{{{VERSIONS}}}]}}\n")
    }

    pub(in super::super) fn aggregated() -> String {
        let version = |version: &str| {
            format!(
                concat!(
                    r#"{{"version":"{}","freshness":"Current","resources":["#,
                    r#"{{"resource":"nodes","responseKind":{{"group":"","version":"","kind":"NodeMetrics"}},"scope":"Cluster","singularResource":"","verbs":["get","list"]}},"#,
                    r#"{{"resource":"pods","responseKind":{{"group":"","version":"","kind":"PodMetrics"}},"scope":"Namespaced","singularResource":"","verbs":["get","list"]}}]}}"#
                ),
                version
            )
        };
        format!(
            "{}{},{}]}}]}}\n",
            concat!(
                r#"{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","metadata":{},"items":["#,
                r#"{"metadata":{"name":"metrics.k8s.io"},"versions":["#
            ),
            version("v1"),
            version("v1beta1")
        )
    }
}
