//! Whether `metrics.k8s.io` is ours and reaches us: the chain that the API server's aggregator walks (`metrics-api.md`
//! 14.1), link by link.

use super::report::Report;
use super::{Patient, list, text};
use serde_json::Value;

const APPLY: &str = "kubectl apply -f manifests/base/apiservices.yaml";

pub(super) async fn examine(patient: &Patient<'_>, report: &mut Report) {
    for version in ["v1", "v1beta1"] {
        let name = format!("{version}.metrics.k8s.io");
        match patient.get(&format!("/apis/apiregistration.k8s.io/v1/apiservices/{name}")).await {
            Err(error) => {
                report.warn(
                    "APIService",
                    format!("{name} cannot be looked at: {error}"),
                    "run this as an administrator",
                );
            }
            Ok(None) => {
                let cause = format!("there is no APIService {name}: who asks for {version} gets 404");
                report.bad("APIServiceNotFound", cause, APPLY);
            }
            Ok(Some(service)) => one(patient, &name, &service, report).await,
        }
    }
    served(patient, report).await;
}

async fn one(patient: &Patient<'_>, name: &str, service: &Value, report: &mut Report) {
    let (namespace, own) = (&patient.service.0, &patient.service.1);
    let of = (text(service, "/spec/service/namespace"), text(service, "/spec/service/name"));
    if of != (namespace, own) {
        let owner = if of.1.is_empty() { "the API server itself".to_owned() } else { format!("{}/{}", of.0, of.1) };
        let cause = format!(
            "{name} is served by {owner}, not by {namespace}/{own}: kubectl top and autoscalers read its numbers"
        );
        let remedy =
            format!("uninstall that product, then {APPLY}; or keep it, and pass --manage-apiservices=false to us");
        return report.bad("APIServiceShadowed", cause, remedy);
    }
    if service.pointer("/spec/insecureSkipTLSVerify").and_then(Value::as_bool) == Some(true) {
        let remedy = "let our account patch it: kubectl apply -f manifests/base/rbac.yaml";
        report.warn("InsecureSkipTLSVerify", format!("{name}: the API server does not verify who answers"), remedy);
    } else if text(service, "/spec/caBundle").is_empty() {
        let remedy = "see that Taffrail runs and may patch it: kubectl apply -f manifests/base/rbac.yaml";
        report.bad("NoCABundle", format!("{name} has no caBundle: the API server trusts nobody's answer"), remedy);
    }
    let conditions = list(service, "/status/conditions");
    let Some(available) = conditions.iter().find(|condition| text(condition, "/type") == "Available") else {
        let remedy = "wait some seconds and look again";
        return report.warn("APIServiceUnknown", format!("the API server has not looked at {name} yet"), remedy);
    };
    if text(available, "/status") == "True" {
        return report.good("APIServiceAvailable", format!("{name} is Available and served by {namespace}/{own}"));
    }
    let (reason, message) = (text(available, "/reason"), text(available, "/message"));
    report.bad(reason, format!("{name} is not Available: {message}"), remedy(reason, namespace));
    links(patient, service, report).await;
}

/// What the aggregator's reason asks for.
fn remedy(reason: &str, namespace: &str) -> String {
    match reason {
        "ServiceNotFound" | "ServiceAccessError" => "kubectl apply -f manifests/base/service.yaml".to_owned(),
        "ServicePortError" => "the Service needs the port that spec.service.port names (443): kubectl apply -f manifests/base/service.yaml".to_owned(),
        "EndpointsNotFound" | "EndpointsAccessError" | "MissingEndpoints" => {
            format!("no pod behind the Service is ready: kubectl -n {namespace} get pods, and see /readyz?verbose of port 10443")
        }
        "FailedDiscoveryCheck" => "open --secure-port (10443) from the control plane to the pods; on a managed control plane that is a firewall rule. A certificate that is not trusted is mended by caBundle".to_owned(),
        _ => "see the API server's log".to_owned(),
    }
}

/// The Service and its endpoints, where the aggregator does not get through.
async fn links(patient: &Patient<'_>, service: &Value, report: &mut Report) {
    let (namespace, own) = (&patient.service.0, &patient.service.1);
    let Ok(found) = patient.get(&format!("/api/v1/namespaces/{namespace}/services/{own}")).await else { return };
    let Some(found) = found else {
        let remedy = "kubectl apply -f manifests/base/service.yaml";
        return report.bad("ServiceNotFound", format!("there is no Service {namespace}/{own}"), remedy);
    };
    let wanted = service.pointer("/spec/service/port").and_then(Value::as_u64).unwrap_or(443);
    let number = |port: &&Value| port.get("port").and_then(Value::as_u64) == Some(wanted);
    let Some(port) = list(&found, "/spec/ports").iter().find(number) else {
        return report.bad(
            "ServicePortError",
            format!("the Service {namespace}/{own} has no port {wanted}"),
            "kubectl apply -f manifests/base/service.yaml",
        );
    };
    let path = format!(
        "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?labelSelector=kubernetes.io/service-name%3D{own}"
    );
    let Ok(slices) = patient.get(&path).await else { return };
    let slices = slices.unwrap_or_default();
    let name = text(port, "/name");
    let (mut ready, mut named) = (0, false);
    for slice in list(&slices, "/items") {
        named |= list(slice, "/ports").iter().any(|port| text(port, "/name") == name);
        let is_ready = |end: &&Value| end.pointer("/conditions/ready").and_then(Value::as_bool) != Some(false);
        ready += list(slice, "/endpoints").iter().filter(is_ready).count();
    }
    if ready == 0 {
        let remedy = format!("kubectl -n {namespace} get pods, and see /readyz?verbose of port 10443");
        report.bad("MissingEndpoints", format!("no pod behind the Service {namespace}/{own} is ready"), remedy);
    } else if !named {
        let cause = format!("no endpoint of {namespace}/{own} has a port named {name:?}, as the Service's port is");
        report.bad("MissingEndpoints", cause, "give the Service's port and the endpoints' the same name");
    } else {
        report.good("Endpoints", format!("{ready} endpoints of the Service {namespace}/{own} are ready"));
    }
}

/// Whether an ordinary question gets numbers.
async fn served(patient: &Patient<'_>, report: &mut Report) {
    let (nodes, metrics) = (
        patient.get("/api/v1/nodes?limit=1").await.ok().flatten().unwrap_or_default(),
        patient.get("/apis/metrics.k8s.io/v1beta1/nodes").await,
    );
    let rest = nodes.pointer("/metadata/remainingItemCount").and_then(Value::as_u64).unwrap_or_default();
    let all = list(&nodes, "/items").len() as u64 + rest;
    match metrics {
        Ok(Some(metrics)) => {
            let known = list(&metrics, "/items").len() as u64;
            if known == all {
                return report.good("Metrics", format!("all {all} nodes have metrics"));
            }
            let cause = format!("{known} of {all} nodes have metrics");
            let remedy = "see the kubelets below, and /debug/taffrail/missing of port 10443 for every reason";
            if known == 0 { report.bad("Metrics", cause, remedy) } else { report.warn("Metrics", cause, remedy) }
        }
        Ok(None) => report.bad("Metrics", "the API server does not know metrics.k8s.io", APPLY),
        Err(error) if error.forbidden => {
            report.warn("Metrics", error.to_string(), "run this as somebody who may list nodes of metrics.k8s.io");
        }
        Err(error) => {
            report.bad("Metrics", format!("metrics.k8s.io does not answer: {error}"), "see the APIServices above");
        }
    }
}
