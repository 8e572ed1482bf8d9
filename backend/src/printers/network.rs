//! Services and endpoint slices.

use super::selector::labels;
use super::{Printer, described, or, three, words};
use crate::cluster::kinds::{EndpointSlice, Service};
use std::collections::BTreeSet;
use wire::table::{Cell, Column};
use wire::{Level, Millis};

/// The balancer's addresses, unique and sorted.
fn balancer(service: &Service) -> BTreeSet<&str> {
    let address = service.balancer.iter().filter_map(|ingress| ingress.ip.as_deref().or(ingress.hostname.as_deref()));
    address.collect()
}

fn external(service: &Service) -> String {
    let own = service.external_ips.iter().map(|ip| &**ip);
    let (all, nothing): (Vec<&str>, &str) = match &*service.kind {
        "ClusterIP" | "NodePort" => (own.collect(), "<none>"),
        "LoadBalancer" => (balancer(service).into_iter().chain(own).collect(), "<pending>"),
        "ExternalName" => (service.external_name.as_deref().into_iter().collect(), ""),
        _ => (Vec::new(), "<unknown>"),
    };
    if all.is_empty() { nothing.to_owned() } else { all.join(",") }
}

fn ports(service: &Service) -> String {
    let port = service.ports.iter().map(|port| match port.node_port {
        Some(node_port) => format!("{}:{node_port}/{}", port.port, port.protocol),
        None => format!("{}/{}", port.port, port.protocol),
    });
    port.collect::<Vec<_>>().join(",")
}

impl Printer for Service {
    fn columns() -> Vec<Column> {
        described(&["name", "type", "cluster-ip", "external-ip", "ports", "age", "wide:selector"])
    }

    fn cells(&self, _now: Millis) -> Vec<Cell> {
        vec![
            words(&*self.meta.name),
            words(&*self.kind),
            or(self.cluster_ips.first().map(|ip| &**ip).or(self.cluster_ip.as_deref()), "<none>"),
            words(external(self)),
            or(Some(&ports(self)), "<none>"),
            Cell::Time(self.meta.created),
            words(labels(self.selector.as_ref())),
        ]
    }

    fn state(&self, _now: Millis) -> (Level, &'static str) {
        match () {
            () if self.meta.deleted.is_some() => (Level::Busy, "terminating"),
            () if &*self.kind == "LoadBalancer" && self.balancer.is_empty() => (Level::Busy, "pending"),
            () => (Level::Good, "active"),
        }
    }
}

impl Printer for EndpointSlice {
    fn columns() -> Vec<Column> {
        described(&["name", "address-type", "ports", "endpoints", "age"])
    }

    fn cells(&self, _now: Millis) -> Vec<Cell> {
        let ports: Vec<String> = self
            .ports
            .iter()
            .map(|port| match (port.port, &port.name) {
                (Some(number), _) => number.to_string(),
                (None, Some(name)) => name.as_ref().to_owned(),
                (None, None) => "*".to_owned(),
            })
            .collect();
        let addresses: Vec<String> =
            self.endpoints.iter().flat_map(|endpoint| &endpoint.addresses).map(|ip| ip.as_ref().to_owned()).collect();
        vec![
            words(&*self.meta.name),
            words(&*self.address_type),
            three(&ports, "<unset>"),
            three(&addresses, "<unset>"),
            Cell::Time(self.meta.created),
        ]
    }

    fn state(&self, _now: Millis) -> (Level, &'static str) {
        match () {
            () if self.endpoints.is_empty() => (Level::Gone, "empty"),
            // An unset condition means ready, by the API's own definition.
            () if self.endpoints.iter().any(|endpoint| endpoint.ready.unwrap_or(true)) => (Level::Good, "active"),
            () => (Level::Warn, "notready"),
        }
    }
}
