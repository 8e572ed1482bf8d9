//! Services and what they find: most answer; one selects nothing, one only pods that are not ready.

use super::Seeder;
use crate::controllers::endpoints_among;
use crate::kinds::Kind;
use crate::store::Object;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

impl Seeder<'_> {
    pub(super) fn services(&self) {
        let mut all: Vec<(String, String, String, Value)> = vec![
            ("payments".into(), "ledger".into(), "ledger".into(), json!({})),
            (
                "kube-system".into(),
                "kube-dns".into(),
                "coredns".into(),
                json!({"clusterIP": "10.96.0.10", "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53}, {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53}]}),
            ),
        ];
        for kind in [Kind::Deployment, Kind::StatefulSet] {
            for workload in self.shared.store.all(kind) {
                let (namespace, name) = (workload.namespace().to_owned(), workload.name().to_owned());
                let extra = match name.as_str() {
                    "gateway" => {
                        json!({"type": "LoadBalancer", "ports": [{"name": "https", "port": 443, "nodePort": 30443, "protocol": "TCP", "targetPort": 8443}]})
                    }
                    "thumbs" => {
                        json!({"type": "NodePort", "ports": [{"name": "http", "port": 90, "nodePort": 30090, "protocol": "TCP", "targetPort": 9090}]})
                    }
                    "postgres" => {
                        json!({"clusterIP": "None", "ports": [{"name": "pg", "port": 5432, "protocol": "TCP", "targetPort": 5432}]})
                    }
                    "coredns" | "mailer" | "ledger-api" => continue,
                    _ => json!({}),
                };
                all.push((namespace, name.clone(), name, extra));
            }
        }
        all.push(("default".into(), "kubernetes".into(), String::new(), json!({"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]})));
        // Nobody selects the API server: it writes its own address.
        self.put(Kind::EndpointSlice, "default", "kubernetes", 60, json!({"metadata": {"labels": {"kubernetes.io/service-name": "kubernetes"}}, "addressType": "IPv4",
            "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}], "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": true}}]}));
        // Every selector is for `app`: thousands of Services would look at all pods of their namespaces otherwise.
        let mut apps: HashMap<(String, String), Vec<Arc<Object>>> = HashMap::new();
        for pod in self.shared.store.all(Kind::Pod) {
            let app = pod.label("app").unwrap_or_default().to_owned();
            apps.entry((pod.namespace().to_owned(), app)).or_default().push(pod);
        }
        for (index, (namespace, name, app, extra)) in all.into_iter().enumerate() {
            let ip = format!("10.96.{}.{}", 1 + index / 250, 1 + index % 250);
            let mut spec = json!({"type": "ClusterIP", "clusterIP": ip, "sessionAffinity": "None", "internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
                "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}]});
            for (key, value) in extra.as_object().into_iter().flatten() {
                spec[key.as_str()] = value.clone();
            }
            if !app.is_empty() {
                spec["selector"] = json!({"app": app});
            }
            spec["clusterIPs"] = json!([spec["clusterIP"]]);
            let balancer = if spec["type"] == "LoadBalancer" {
                json!({"ingress": [{"ip": "203.0.113.10", "ipMode": "VIP"}]})
            } else {
                json!({})
            };
            let value =
                json!({"metadata": {"labels": {"app": app}}, "spec": spec, "status": {"loadBalancer": balancer}});
            if let Some(service) = self.put(Kind::Service, &namespace, &name, 30, value) {
                let pods = apps.get(&(namespace, app)).map(Vec::as_slice).unwrap_or_default();
                endpoints_among(self.shared, &service, pods, self.now);
            }
        }
    }
}
