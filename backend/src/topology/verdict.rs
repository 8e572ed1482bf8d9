//! What happens to a connection: one ServicePort and family, one client, one entry node, one proxy mode. The rows are
//! numbered `V1` to `V20`; rows that need no proxy (headless, ExternalName, foreign balancers) are in `reach`.

use super::choice::choose;
use super::facts::{Path, Target};
use std::net::IpAddr;

/// The kind of address dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    ClusterIp,
    NodePort,
    ExternalIp,
    /// A load-balancer address that nodes translate.
    Vip,
}

/// Who dials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// An address of the pod network.
    Pod,
    /// A process on the entry node.
    Host,
    /// Anything else.
    Outside,
}

/// What a node's proxy is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Iptables,
    Nftables,
    Ipvs,
    Userspace,
}

/// One attempt to connect.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    pub access: Access,
    pub client: Client,
    /// The node whose proxy handles the packet.
    pub node: &'a str,
    /// Empty when the node has none.
    pub zone: &'a str,
    /// The client's address, where it matters (source ranges, hairpin).
    pub source: Option<IpAddr>,
}

/// What the client sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    Reject,
    Drop,
    /// Forwarded without source translation: the answer never matches.
    ReplyLost,
    /// This access is not offered in this family.
    NoPath,
}

/// The outcome.
#[derive(Debug)]
pub struct Outcome<'a> {
    pub verdict: Verdict,
    pub rule: &'static str,
    pub backends: Vec<&'a Target<'a>>,
    /// Whether the backend sees a node's address; `None` when no backend is reached.
    pub snat: Option<bool>,
}

impl Verdict {
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Reject => "REJECT",
            Self::Drop => "DROP",
            Self::ReplyLost => "DROP(reply unSNATed)",
            Self::NoPath => "no path",
        }
    }
}

impl Mode {
    /// The mode of a name; iptables semantics where the name says nothing about verdicts.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            "nftables" => Self::Nftables,
            "ipvs" => Self::Ipvs,
            "userspace" => Self::Userspace,
            _ => Self::Iptables,
        }
    }
}

/// Decides one attempt.
#[must_use]
pub fn decide<'a>(path: &'a Path<'a>, attempt: &Attempt<'_>, mode: Mode) -> Outcome<'a> {
    if !offered(path, attempt.access) {
        return refused(Verdict::NoPath, "V20");
    }
    let mut outcome = match attempt.access {
        Access::ClusterIp => inside(path, attempt, mode),
        Access::NodePort | Access::ExternalIp | Access::Vip => outside(path, attempt, mode),
    };
    if hairpin(attempt, &outcome.backends) || (mode == Mode::Userspace && !outcome.backends.is_empty()) {
        outcome.snat = Some(true);
    }
    outcome
}

fn offered(path: &Path<'_>, access: Access) -> bool {
    match access {
        Access::ClusterIp => path.cluster_ip.is_some(),
        Access::NodePort => path.port.node_port.is_some_and(|port| port != 0),
        Access::ExternalIp => !path.external_ips.is_empty(),
        Access::Vip => !path.vips.is_empty(),
    }
}

fn inside<'a>(path: &'a Path<'a>, attempt: &Attempt<'_>, mode: Mode) -> Outcome<'a> {
    let choice = choose(path, attempt.node, attempt.zone);
    let snat = attempt.client != Client::Pod;
    if !choice.has_any {
        return refused(Verdict::Reject, "V1");
    }
    if !path.service.internal_local {
        return accepted("V4", choice.cluster, snat);
    }
    if !choice.local.is_empty() {
        return accepted("V3", choice.local, snat);
    }
    match mode {
        Mode::Ipvs if choice.cluster.is_empty() => refused(Verdict::Reject, "V2"),
        Mode::Ipvs => accepted("V2", choice.cluster, snat), // leaks: one virtual server holds both sets
        Mode::Iptables | Mode::Nftables | Mode::Userspace => refused(Verdict::Drop, "V2"),
    }
}

fn outside<'a>(path: &'a Path<'a>, attempt: &Attempt<'_>, mode: Mode) -> Outcome<'a> {
    let choice = choose(path, attempt.node, attempt.zone);
    if !choice.has_any {
        return refused(Verdict::Reject, "V5");
    }
    if attempt.access == Access::Vip && !admitted(&path.ranges, attempt.source) {
        return refused(Verdict::Drop, "V6");
    }
    if !path.external_local() {
        return accepted("V7", choice.cluster, true);
    }
    let (rule, snat) = match attempt.client {
        Client::Pod => ("V8", false),
        Client::Host => ("V9", mode != Mode::Ipvs),
        Client::Outside if !choice.local.is_empty() => return accepted("V10", choice.local, false),
        Client::Outside if mode == Mode::Ipvs => {
            return Outcome { verdict: Verdict::ReplyLost, rule: "V11", backends: choice.cluster, snat: Some(false) };
        }
        Client::Outside => return refused(Verdict::Drop, "V11"),
    };
    let short = mode != Mode::Ipvs || choice.local.is_empty();
    accepted(rule, if short { choice.cluster } else { choice.local }, snat)
}

fn accepted<'a>(rule: &'static str, backends: Vec<&'a Target<'a>>, snat: bool) -> Outcome<'a> {
    Outcome { verdict: Verdict::Ok, rule, backends, snat: Some(snat) }
}

fn refused<'a>(verdict: Verdict, rule: &'static str) -> Outcome<'a> {
    Outcome { verdict, rule, backends: Vec::new(), snat: None }
}

/// A pod that is its own only backend always sees its node's address.
fn hairpin(attempt: &Attempt<'_>, backends: &[&Target<'_>]) -> bool {
    let source = attempt.source.filter(|_| !backends.is_empty());
    source.is_some_and(|source| backends.iter().all(|target| target.ip.parse() == Ok(source)))
}

/// Whether source ranges let a client through; no ranges let everybody through.
fn admitted(ranges: &[&str], source: Option<IpAddr>) -> bool {
    ranges.is_empty() || source.is_some_and(|source| ranges.iter().any(|range| within(range, source)))
}

fn within(range: &str, source: IpAddr) -> bool {
    let Some((network, bits)) = range.split_once('/') else { return range.parse() == Ok(source) };
    let Ok(bits) = bits.parse::<u32>() else { return false };
    match (network.parse(), source) {
        (Ok(IpAddr::V4(network)), IpAddr::V4(source)) if bits <= 32 => {
            (u32::from(network) ^ u32::from(source)).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (Ok(IpAddr::V6(network)), IpAddr::V6(source)) if bits <= 128 => {
            (u128::from(network) ^ u128::from(source)).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}
