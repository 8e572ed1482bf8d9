//! Whether kubelets give their pages to who asks from here, with the flags of the installation.

use super::report::Report;
use super::{Patient, clock, list, text};
use crate::cluster::decode;
use crate::cluster::kinds::Node;
use crate::kubelet::{self, Probed};
use crate::settings;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Nodes that a sentence names.
const NAMED: usize = 5;
/// A node's sample is that much older than the page at most: kubelets measure every ten to fifteen seconds.
const AGE: f64 = 60.0;

pub(super) async fn examine(patient: &Patient<'_>, report: &mut Report) {
    let nodes = match patient.get("/api/v1/nodes").await {
        Ok(nodes) => nodes.unwrap_or_default(),
        Err(error) => {
            return report.warn(
                "Nodes",
                format!("nodes cannot be listed: {error}"),
                "run this as somebody who may list nodes",
            );
        }
    };
    let config = match settings::kubelet(&patient.flags.serve) {
        Ok(config) => config,
        Err(error) => return report.bad("Flags", format!("{error:#}"), "correct the flag"),
    };
    let nodes: Vec<Arc<Node>> = list(&nodes, "/items")
        .iter()
        .filter_map(|node| decode::object(node).ok())
        .filter(|node: &Node| config.node_selector.matches(&node.meta.labels))
        .map(Arc::new)
        .collect();
    let asked = nodes.len();
    let probed = match kubelet::probe(config, patient.account.kubelet.clone(), &nodes).await {
        Ok(probed) => probed,
        Err(error) => return report.bad("Flags", error.to_string(), "correct the --kubelet-… flag"),
    };
    let mut by_reason: BTreeMap<String, Vec<&Probed>> = BTreeMap::new();
    for one in probed.iter().filter(|one| one.problem.is_some()) {
        let code = one.problem.as_ref().map(|problem| problem.code.clone()).unwrap_or_default();
        by_reason.entry(code).or_default().push(one);
    }
    for (code, failed) in &by_reason {
        failing(patient, code, failed, &nodes, report).await;
    }
    let good: Vec<&Probed> = probed.iter().filter(|one| one.problem.is_none()).collect();
    for one in &good {
        if let Some(sampled) = one.sampled
            && ((one.received - sampled) as f64 / 1000.0).abs() > AGE
        {
            clock::skew(&format!("node {}", one.node), sampled / 1000, report);
        }
        if one.left_out > 0 {
            let cause = format!("{} lines of the page of {} cannot be read and are left out", one.left_out, one.node);
            report.warn(
                "MalformedLines",
                cause,
                format!("kubectl get --raw /api/v1/nodes/{}/proxy/metrics/resource", one.node),
            );
        }
    }
    if !good.is_empty() {
        report.good("Kubelets", format!("{} of {asked} kubelets give their pages", good.len()));
    }
}

/// What nodes with the same reason are told as.
async fn failing(patient: &Patient<'_>, code: &str, failed: &[&Probed], nodes: &[Arc<Node>], report: &mut Report) {
    let Some(problem) = failed.first().and_then(|first| first.problem.as_ref()) else { return };
    let down = failed.iter().filter(|one| nodes.iter().any(|node| node.meta.name == one.node && !node.is_ready()));
    let names: Vec<&str> = failed.iter().take(NAMED).map(|one| &*one.node).collect();
    let more = failed.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let at = problem.arg("address");
    let at = if at.is_empty() { String::new() } else { format!(" at {at}") };
    let mut cause = format!("kubelets of {}{more}{at}: {}", names.join(", "), problem.arg("cause"));
    let mut remedy = problem.arg("remedy").to_owned();
    if code == "TLSUnknownAuthority" {
        remedy.push_str(&pending(patient).await);
    }
    if down.count() == failed.len() {
        cause.push_str(" (their nodes are not ready)");
        return report.warn(code, cause, remedy);
    }
    report.bad(code, cause, remedy);
}

/// Requests for serving certificates that wait for somebody's approval.
async fn pending(patient: &Patient<'_>) -> String {
    let path = "/apis/certificates.k8s.io/v1/certificatesigningrequests?fieldSelector=spec.signerName%3Dkubernetes.io/kubelet-serving";
    let Ok(Some(requests)) = patient.get(path).await else { return String::new() };
    let waiting: Vec<&str> = list(&requests, "/items")
        .iter()
        .filter(|request| list(request, "/status/conditions").is_empty())
        .map(|request| text(request, "/metadata/name"))
        .collect();
    match waiting.as_slice() {
        [] => String::new(),
        names => format!("; {} wait: kubectl certificate approve {}", names.len(), names.join(" ")),
    }
}
