//! Nodes and namespaces.

use super::{Printer, described, or, with_usage, words};
use crate::cluster::kinds::{Namespace, Node};
use std::collections::BTreeSet;
use wire::table::{Cell, Column};
use wire::{Level, Millis};

fn status(node: &Node) -> String {
    let ready = node.conditions.iter().find(|condition| &*condition.kind == "Ready");
    let word = match ready.map(|condition| &*condition.status) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    format!("{word}{}", if node.unschedulable { ",SchedulingDisabled" } else { "" })
}

/// With the architecture, as servers print it since 1.36.
fn kernel(node: &Node) -> String {
    let version = if node.kernel.is_empty() { "<unknown>" } else { &node.kernel };
    if node.arch.is_empty() { version.to_owned() } else { format!("{version} ({})", node.arch) }
}

fn roles(node: &Node) -> String {
    let roles: BTreeSet<&str> = node
        .meta
        .labels
        .iter()
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None if &**key == "kubernetes.io/role" => Some(&**value),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    if roles.is_empty() { "<none>".to_owned() } else { roles.into_iter().collect::<Vec<_>>().join(",") }
}

impl Printer for Node {
    fn columns() -> Vec<Column> {
        with_usage(described(&[
            "name",
            "status",
            "roles",
            "age",
            "version",
            "wide:internal-ip",
            "wide:external-ip",
            "wide:os-image",
            "wide:kernel-version",
            "wide:container-runtime",
        ]))
    }

    fn cells(&self, now: Millis) -> Vec<Cell> {
        let address = |kind: &str| {
            let found = self.addresses.iter().find(|(known, _)| &**known == kind);
            or(found.map(|(_, address)| &**address), "<none>")
        };
        vec![
            words(&*self.meta.name),
            Cell::State(self.state(now).0, status(self)),
            words(roles(self)),
            Cell::Time(self.meta.created),
            words(&*self.kubelet_version),
            address("InternalIP"),
            address("ExternalIP"),
            or(Some(&self.os_image), "<unknown>"),
            words(kernel(self)),
            or(Some(&self.runtime), "<unknown>"),
            Cell::None,
            Cell::None,
        ]
    }

    fn state(&self, _now: Millis) -> (Level, &'static str) {
        let is = |kind: &str| self.conditions.iter().find(|c| &*c.kind == kind).map(|c| &*c.status);
        let pressure = ["MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"];
        match is("Ready") {
            None => (Level::Gone, "unknown"),
            Some("True") if self.unschedulable => (Level::Warn, "cordoned"),
            Some("True") if pressure.iter().any(|kind| is(kind) == Some("True")) => (Level::Warn, "pressure"),
            Some("True") => (Level::Good, "ready"),
            Some(_) => (Level::Bad, "notready"),
        }
    }
}

impl Printer for Namespace {
    fn columns() -> Vec<Column> {
        described(&["name", "status", "age"])
    }

    fn cells(&self, now: Millis) -> Vec<Cell> {
        vec![
            words(&*self.meta.name),
            Cell::State(self.state(now).0, self.phase.as_ref().to_owned()),
            Cell::Time(self.meta.created),
        ]
    }

    fn state(&self, _now: Millis) -> (Level, &'static str) {
        match &*self.phase {
            "Active" => (Level::Good, "active"),
            "Terminating" => (Level::Busy, "terminating"),
            _ => (Level::Gone, "unknown"),
        }
    }
}
