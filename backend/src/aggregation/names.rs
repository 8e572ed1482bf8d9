//! What we may be called by: the names and addresses of the certificate we serve.

use http::Uri;
use std::net::{IpAddr, UdpSocket};
use tracing::debug;

/// The Service's names, loopback's, the cluster's domain, and the addresses others reach us at.
#[must_use]
pub fn names((namespace, service): &(String, String), bound: IpAddr, told: &[String], api_server: &Uri) -> Vec<String> {
    let domain = domain(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default());
    let mut names = vec![
        service.clone(),
        format!("{service}.{namespace}"),
        format!("{service}.{namespace}.svc"),
        format!("{service}.{namespace}.svc.{domain}"),
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    let own = if bound.is_unspecified() { outward(api_server) } else { Some(bound) };
    // A pod of two families knows its other address by what it is told.
    let told = told.iter().filter_map(|one| one.trim().parse::<IpAddr>().ok());
    for own in own.into_iter().chain(told).map(|own| own.to_string()) {
        if !names.contains(&own) {
            names.push(own);
        }
    }
    names
}

/// The cluster's domain, as a pod's resolver has it.
fn domain(resolver: &str) -> String {
    let searched = resolver.lines().filter_map(|line| line.strip_prefix("search")).flat_map(str::split_whitespace);
    let domain = searched.filter_map(|name| name.strip_prefix("svc.")).next();
    domain.unwrap_or("cluster.local").trim_end_matches('.').to_owned()
}

/// Our address on the way to the API server: a pod's own. Connecting a datagram socket sends nothing.
fn outward(api_server: &Uri) -> Option<IpAddr> {
    let (host, port) = (api_server.host()?.trim_matches(['[', ']']), api_server.port_u16().unwrap_or(443));
    let any = if host.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
    let own = UdpSocket::bind(any).and_then(|socket| {
        socket.connect((host, port))?;
        socket.local_addr()
    });
    own.inspect_err(|error| debug!(%error, "our own address is not known")).ok().map(|own| own.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_is_the_resolvers() {
        assert_eq!(
            domain("nameserver 10.0.0.10\nsearch team.svc.k8s.example. svc.k8s.example. k8s.example.\n"),
            "k8s.example"
        );
        assert_eq!(domain("search example.org\n"), "cluster.local");
        assert_eq!(domain(""), "cluster.local");
    }

    #[test]
    fn names_hold_the_services_and_our_address() {
        let api_server = Uri::from_static("https://127.0.0.1:6443");
        let of = ("monitoring".to_owned(), "taffrail".to_owned());
        let told = ["198.51.100.7", " fd00::7", ""].map(str::to_owned);
        let names = names(&of, "198.51.100.7".parse().unwrap(), &told, &api_server);
        for name in ["taffrail.monitoring.svc", "localhost", "::1", "198.51.100.7", "fd00::7"] {
            assert!(names.iter().any(|known| known == name), "{name} is not in {names:?}");
        }
        assert_eq!(outward(&api_server), Some("127.0.0.1".parse().unwrap()));
    }
}
