//! Who may do what, and the ConfigMaps that servers read at their start.

use super::Seeder;
use crate::kinds::Kind;
use serde_json::{Value, json};

impl Seeder<'_> {
    pub(super) fn access(&self, ca_pem: &str) {
        let role = |name: &str, rules: Value| self.put(Kind::ClusterRole, "", name, 60, json!({"rules": rules}));
        let read = json!(["get", "list", "watch"]);
        let workloads = json!([
            "pods",
            "pods/log",
            "services",
            "events",
            "configmaps",
            "serviceaccounts",
            "persistentvolumeclaims",
            "resourcequotas",
            "limitranges",
            "pods/status"
        ]);
        let apps = json!([
            "deployments",
            "replicasets",
            "daemonsets",
            "statefulsets",
            "deployments/scale",
            "replicasets/scale",
            "statefulsets/scale"
        ]);
        let view = json!([
            {"apiGroups": [""], "resources": workloads, "verbs": read},
            {"apiGroups": ["apps"], "resources": apps, "verbs": read},
            {"apiGroups": ["batch", "autoscaling", "policy", "discovery.k8s.io", "networking.k8s.io"], "resources": ["*"], "verbs": read},
            {"apiGroups": ["metrics.k8s.io"], "resources": ["pods"], "verbs": read},
        ]);
        role(
            "cluster-admin",
            json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]}]),
        );
        role("view", view);
        role(
            "edit",
            json!([
                {"apiGroups": ["", "apps", "batch", "autoscaling", "policy", "discovery.k8s.io", "networking.k8s.io"], "resources": ["*"], "verbs": ["*"]},
                {"apiGroups": ["metrics.k8s.io"], "resources": ["pods"], "verbs": read},
            ]),
        );
        role("namespace-lister", json!([{"apiGroups": [""], "resources": ["namespaces"], "verbs": read}]));
        role(
            "system:discovery",
            json!([{"nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/version", "/openapi", "/openapi/*"], "verbs": ["get"]}]),
        );
        role(
            "system:basic-user",
            json!([
                {"apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], "verbs": ["create"]},
                {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"]},
            ]),
        );
        role(
            "taffrail",
            json!([
                {"apiGroups": [""], "resources": ["nodes", "namespaces", "pods", "services", "events", "serviceaccounts", "persistentvolumeclaims", "persistentvolumes", "limitranges", "resourcequotas"], "verbs": read},
                {"apiGroups": [""], "resources": ["nodes/metrics", "nodes/stats"], "verbs": ["get"]},
                {"apiGroups": ["apps", "batch", "autoscaling", "policy", "discovery.k8s.io", "networking.k8s.io", "storage.k8s.io", "coordination.k8s.io", "rbac.authorization.k8s.io"], "resources": ["*"], "verbs": read},
                {"apiGroups": ["apiregistration.k8s.io"], "resources": ["apiservices"], "resourceNames": ["v1.metrics.k8s.io", "v1beta1.metrics.k8s.io"], "verbs": ["get", "list", "watch", "patch"]},
                {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
                {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
            ]),
        );
        let bind = |kind: Kind, namespace: &str, role: &str, subject: Value| {
            let name = format!("{role}-{}", subject["name"].as_str().unwrap_or_default().replace(':', "-"));
            let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role});
            self.put(kind, namespace, &name, 60, json!({"roleRef": reference, "subjects": [subject]}));
        };
        let user = |name: &str| json!({"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"});
        let group = |name: &str| json!({"kind": "Group", "name": name, "apiGroup": "rbac.authorization.k8s.io"});
        bind(Kind::ClusterRoleBinding, "", "cluster-admin", group("system:masters"));
        bind(Kind::ClusterRoleBinding, "", "system:discovery", group("system:authenticated"));
        bind(Kind::ClusterRoleBinding, "", "system:basic-user", group("system:authenticated"));
        bind(Kind::ClusterRoleBinding, "", "namespace-lister", user("viewer"));
        bind(Kind::RoleBinding, "orders", "view", user("viewer"));
        bind(Kind::RoleBinding, "payments", "view", user("viewer"));
        bind(Kind::RoleBinding, "media", "edit", user("narrow"));
        let account = json!({"kind": "ServiceAccount", "name": "taffrail", "namespace": "kube-system"});
        bind(Kind::ClusterRoleBinding, "", "taffrail", account.clone());
        // By name alone, as the real cluster and our manifests have it.
        for (role, resource, names, verbs) in [
            (
                "extension-apiserver-authentication-reader",
                "configmaps",
                json!(["extension-apiserver-authentication"]),
                read,
            ),
            ("taffrail:proxy-mode", "configmaps", json!(["kube-proxy", "kube-proxy-config"]), json!(["get"])),
            ("taffrail:serving-ca", "secrets", json!(["taffrail-serving-ca"]), json!(["get", "update"])),
        ] {
            let rules = json!([{"apiGroups": [""], "resources": [resource], "resourceNames": names, "verbs": verbs}]);
            self.put(Kind::Role, "kube-system", role, 60, json!({"rules": rules}));
            let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role});
            let binding = json!({"roleRef": reference, "subjects": [account]});
            self.put(Kind::RoleBinding, "kube-system", &format!("{role}-taffrail"), 60, binding);
        }
        self.put(Kind::Secret, "kube-system", "taffrail-serving-ca", 30, json!({"type": "Opaque"}));
        self.put(Kind::ServiceAccount, "kube-system", "taffrail", 30, json!({}));
        self.put(
            Kind::ConfigMap,
            "kube-system",
            "extension-apiserver-authentication",
            60,
            json!({"data": {
                "client-ca-file": ca_pem,
                "requestheader-client-ca-file": self.shared.front_proxy.ca_pem,
                "requestheader-allowed-names": "[\"front-proxy-client\"]",
                "requestheader-username-headers": "[\"X-Remote-User\"]",
                "requestheader-group-headers": "[\"X-Remote-Group\"]",
                "requestheader-extra-headers-prefix": "[\"X-Remote-Extra-\"]",
            }}),
        );
        self.put(Kind::ConfigMap, "kube-system", "kube-proxy", 60, json!({"data": {
            "config.conf": "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nclusterCIDR: 10.0.0.0/8\nmode: nftables\n",
        }}));
        self.put(Kind::ConfigMap, "kube-system", "coredns", 60, json!({"data": {
            "Corefile": ".:53 {\n    errors\n    health\n    ready\n    kubernetes cluster.local in-addr.arpa ip6.arpa {\n       pods insecure\n    }\n    forward . /etc/resolv.conf\n    cache 30\n}\n",
        }}));
    }
}
