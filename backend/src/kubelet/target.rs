//! Where a node's kubelet is to be asked.

use crate::cluster::kinds::Node;
use crate::kubelet::config::Config;
use crate::kubelet::verify::Key;
use std::sync::Arc;

/// What a scrape needs to know of a node.
#[derive(Clone, Debug)]
pub(in crate::kubelet) struct Target {
    pub(in crate::kubelet) node: Arc<str>,
    pub(super) addresses: Vec<String>,
    pub(super) port: u16,
    pub(super) path: Option<String>,
    /// The key that the Node's annotation says is its kubelet's.
    pub(super) key: Option<Key>,
}

// === impl Target ===

impl Target {
    pub(in crate::kubelet) fn of(node: &Node, config: &Config) -> Self {
        let of_type = |kind: &String| {
            let kind = kind.clone();
            node.addresses.iter().filter(move |(known, _)| **known == *kind).map(|(_, address)| address.to_string())
        };
        let port = if config.use_node_status_port && node.kubelet_port != 0 { node.kubelet_port } else { config.port };
        let path = node.metrics_path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/metrics/resource");
        Self {
            node: Arc::clone(&node.meta.name),
            addresses: config.address_types.iter().flat_map(of_type).collect(),
            port,
            path: path.starts_with('/').then(|| escaped(path)),
            key: node.kubelet_key.as_deref().and_then(Key::parse),
        }
    }
}

/// A path as a URL spells it: what would end it, or is no character of one, is escaped.
fn escaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~$&+,:;=@!'()*".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
