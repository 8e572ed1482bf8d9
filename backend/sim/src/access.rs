//! Who asks, and whether they may: tokens, client certificates, and RBAC evaluated on the stored objects.

use crate::kinds::Kind;
use crate::status::Status;
use crate::store::Store;
use parking_lot::RwLock;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Somebody authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) groups: Vec<String>,
}

/// Bearer tokens of the cluster.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// `cluster-admin`.
    pub admin: String,
    /// `view` in `orders` and `payments`; may list namespaces.
    pub viewer: String,
    /// `edit` in `media`; may not list namespaces.
    pub narrow: String,
    /// The product's own service account, `kube-system/taffrail`.
    pub taffrail: String,
    /// Those that are no longer known.
    revoked: Arc<RwLock<HashSet<String>>>,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask<'a> {
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    /// Instead of a resource.
    pub(crate) path: Option<&'a str>,
}

impl User {
    pub(crate) fn new(name: &str, groups: &[&str]) -> Self {
        let mut groups: Vec<_> = groups.iter().map(|&group| group.to_owned()).collect();
        groups.push("system:authenticated".to_owned());
        Self { name: name.to_owned(), groups }
    }

    /// The subject of a verified client certificate.
    pub(crate) fn of_certificate(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let subject = certificate.subject();
        let name = subject.iter_common_name().next()?.as_str().ok()?;
        let groups: Vec<_> = subject.iter_organization().filter_map(|one| one.as_str().ok()).collect();
        Some(Self::new(name, &groups))
    }
}

impl Tokens {
    pub(crate) fn new(seed: u64) -> Self {
        let token = |who: &str| {
            let part = |n| crate::load::hash(seed.wrapping_add(n), who);
            format!("{who}.{:016x}{:016x}", part(1), part(2))
        };
        let (admin, viewer, narrow, taffrail) = (token("admin"), token("viewer"), token("narrow"), token("taffrail"));
        Self { admin, viewer, narrow, taffrail, revoked: Arc::default() }
    }

    /// From now on nobody knows this token.
    pub fn revoke(&self, token: &str) {
        self.revoked.write().insert(token.to_owned());
    }

    pub(crate) fn user(&self, token: &str) -> Option<User> {
        if self.revoked.read().contains(token) {
            None
        } else if token == self.admin {
            Some(User::new("admin", &["system:masters"]))
        } else if token == self.viewer {
            Some(User::new("viewer", &["viewers"]))
        } else if token == self.narrow {
            Some(User::new("narrow", &[]))
        } else if token == self.taffrail {
            let groups = ["system:serviceaccounts", "system:serviceaccounts:kube-system"];
            Some(User::new("system:serviceaccount:kube-system:taffrail", &groups))
        } else {
            None
        }
    }
}

impl Ask<'_> {
    /// The API server's sentence for a refusal.
    pub(crate) fn refusal(&self, user: &User) -> Status {
        if let Some(path) = self.path {
            let message = format!("forbidden: User \"{}\" cannot {} path \"{path}\"", user.name, self.verb);
            return Status::new(403, "Forbidden", message);
        }
        let resource = match self.subresource {
            "" => self.resource.to_owned(),
            subresource => format!("{}/{subresource}", self.resource),
        };
        let qualified =
            if self.group.is_empty() { self.resource.to_owned() } else { format!("{}.{}", self.resource, self.group) };
        let subject = if self.name.is_empty() { qualified } else { format!("{qualified} \"{}\"", self.name) };
        let place = match self.namespace {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace \"{namespace}\""),
        };
        let message = format!(
            "{subject} is forbidden: User \"{}\" cannot {} resource \"{resource}\" in API group \"{}\" {place}",
            user.name, self.verb, self.group
        );
        let mut status = Status::new(403, "Forbidden", message);
        status.details = json!({"name": self.name, "group": self.group, "kind": self.resource});
        status
    }

    fn allowed_by(&self, rule: &Value) -> bool {
        let has = |list: &str, wanted: &str| {
            rule[list].as_array().into_iter().flatten().any(|one| one == "*" || one == wanted)
        };
        if !has("verbs", self.verb) {
            return false;
        }
        if let Some(path) = self.path {
            let urls = rule["nonResourceURLs"].as_array().into_iter().flatten().filter_map(Value::as_str);
            return urls.into_iter().any(|url| match url.strip_suffix('*') {
                Some(prefix) => path.starts_with(prefix),
                None => url == path,
            });
        }
        let resource = match self.subresource {
            "" => self.resource.to_owned(),
            subresource => format!("{}/{subresource}", self.resource),
        };
        let any_resource = format!("*/{}", self.subresource);
        let named = rule["resourceNames"].as_array().is_none_or(|names| {
            names.is_empty() || names.iter().any(|name| name == self.name && !self.name.is_empty())
        });
        has("apiGroups", self.group)
            && (has("resources", &resource) || (!self.subresource.is_empty() && has("resources", &any_resource)))
            && named
    }
}

/// Whether RBAC lets the user. `system:masters` may do everything.
pub(crate) fn may(store: &Store, user: &User, ask: &Ask<'_>) -> bool {
    user.groups.iter().any(|group| group == "system:masters")
        || rules(store, user, ask.namespace).iter().any(|rule| ask.allowed_by(rule))
}

/// Every rule that holds for the user in a namespace (empty: cluster-wide ones alone).
pub(crate) fn rules(store: &Store, user: &User, namespace: &str) -> Vec<Value> {
    let mut bindings = store.all(Kind::ClusterRoleBinding);
    if !namespace.is_empty() {
        bindings.extend(store.list(Kind::RoleBinding, namespace, None).0);
    }
    let mut rules = Vec::new();
    for binding in bindings {
        let value = binding.value();
        if !value["subjects"].as_array().into_iter().flatten().any(|subject| names(subject, user)) {
            continue;
        }
        let role = value["roleRef"]["name"].as_str().unwrap_or_default();
        let role = match value["roleRef"]["kind"].as_str() {
            Some("Role") => store.get(Kind::Role, namespace, role),
            _ => store.get(Kind::ClusterRole, "", role),
        };
        if let Some(Value::Array(more)) = role.map(|role| role.value()["rules"].take()) {
            rules.extend(more);
        }
    }
    rules
}

fn names(subject: &Value, user: &User) -> bool {
    let name = subject["name"].as_str().unwrap_or_default();
    match subject["kind"].as_str() {
        Some("User") => user.name == name,
        Some("Group") => user.groups.iter().any(|group| group == name),
        Some("ServiceAccount") => {
            let namespace = subject["namespace"].as_str().unwrap_or_default();
            user.name == format!("system:serviceaccount:{namespace}:{name}")
        }
        _ => false,
    }
}
