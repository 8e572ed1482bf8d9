//! What a request asks for, before anybody decides whether it may.

use super::status::Status;
use crate::encoding::Media;
use crate::encoding::accept;
use crate::kubelet::selector::{LabelSelector, Requirement};
use http::HeaderMap;
use http::header::{ACCEPT, USER_AGENT};

/// A request by verb and object, as authorization sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asks {
    /// Lower case.
    pub(super) verb: String,
    pub(super) path: String,
    /// `None`: a non-resource path.
    pub(super) resource: Option<Resource>,
    /// What a list is restricted to; nothing where that cannot be read.
    pub(super) fields: Vec<Field>,
    pub(super) labels: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) version: &'static str,
    /// `nodes` or `pods`.
    pub(super) plural: &'static str,
    /// Empty: the whole cluster.
    pub(super) namespace: String,
    pub(super) name: Option<String>,
}

/// One term of a field selector: field, whether equal, value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    is_namespace: bool,
    pub(super) equal: bool,
    pub(super) value: String,
}

/// How a client wants to be answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    /// The `Accept` header.
    pub(super) accept: &'a str,
    /// JSON for people.
    pub(super) pretty: bool,
}

/// The query's parameters, decoded, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

// === impl Resource ===

impl Resource {
    /// How much of the cluster a request is about, in API servers' words.
    pub(super) fn scope(&self) -> &'static str {
        match (&self.name, &*self.namespace) {
            (Some(_), _) => "resource",
            (None, "") => "cluster",
            (None, _) => "namespace",
        }
    }
}

// === impl Wish ===

impl<'a> Wish<'a> {
    /// Like Kubernetes: `?pretty`, or, without it, a browser or one of the usual tools.
    pub(super) fn of(headers: &'a HeaderMap, query: &Query) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let agent: &str = text(USER_AGENT);
        let pretty = match query.get("pretty").filter(|wish| !wish.is_empty()) {
            Some(wish) => matches!(wish, "1" | "t" | "T" | "true" | "True" | "TRUE"),
            None => ["curl", "Wget", "Mozilla/5.0"].iter().any(|tool| agent.starts_with(tool)),
        };
        Self { accept: text(ACCEPT), pretty }
    }

    /// What an error is written as.
    pub(super) fn media(&self) -> Media {
        accept::choose(self.accept).map(|choice| choice.media).unwrap_or_default()
    }
}

// === impl Query ===

impl Query {
    pub(super) fn parse(text: Option<&str>) -> Self {
        let pairs = text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(key, value)| (decoded(key, true), decoded(value, true)))
                .collect(),
        )
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn is_watch(&self) -> bool {
        self.get("watch").is_some_and(|watch| watch != "0" && watch != "false")
    }

    /// `limit`, `timeoutSeconds` and the rules of `resourceVersionMatch`; all are otherwise without effect.
    pub(super) fn check(&self) -> Result<(), Status> {
        for name in ["limit", "timeoutSeconds"] {
            if let Some(value) = self.get(name).filter(|value| !value.is_empty())
                && value.parse::<i64>().is_err()
            {
                return Err(Status::bad(format!("strconv.ParseInt: parsing \"{value}\": invalid syntax")));
            }
        }
        let invalid = |field: &str, why: &str| {
            let message = format!("ListOptions.meta.k8s.io \"\" is invalid: {field}: Forbidden: {why}");
            Err(Status::new(422, "Invalid", message).with(&[("group", "meta.k8s.io"), ("kind", "ListOptions")]))
        };
        if let Some(rule) = self.get("resourceVersionMatch").filter(|rule| !rule.is_empty()) {
            if self.get("resourceVersion").is_none_or(str::is_empty) {
                let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
                return invalid("resourceVersionMatch", why);
            }
            if !matches!(rule, "Exact" | "NotOlderThan") {
                return invalid("resourceVersionMatch", "supported values: \"Exact\", \"NotOlderThan\"");
            }
        }
        if self.get("sendInitialEvents").is_some() && !self.is_watch() {
            return invalid("sendInitialEvents", "sendInitialEvents is forbidden for list");
        }
        Ok(())
    }

    pub(super) fn fields(&self) -> Result<Vec<Field>, Status> {
        let text = self.get("fieldSelector").unwrap_or_default();
        text.split(',').map(str::trim).filter(|term| !term.is_empty()).map(Field::parse).collect()
    }
}

impl Field {
    fn parse(term: &str) -> Result<Self, Status> {
        let signs = [("!=", false), ("==", true), ("=", true)];
        let split = signs.iter().find_map(|(sign, equal)| Some((term.split_once(sign)?, *equal)));
        let Some(((field, value), equal)) = split else {
            return Err(Status::bad(format!("invalid selector: '{term}'; can't understand '{term}'")));
        };
        let is_namespace = match field {
            "metadata.name" => false,
            "metadata.namespace" => true,
            _ => {
                return Err(Status::bad(format!(
                    "\"{field}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                )));
            }
        };
        Ok(Self { is_namespace, equal, value: value.to_owned() })
    }

    pub(super) fn matches(&self, namespace: &str, name: &str) -> bool {
        let value = if self.is_namespace { namespace } else { name };
        (self.value == value) == self.equal
    }

    pub(super) fn key(&self) -> &'static str {
        if self.is_namespace { "metadata.namespace" } else { "metadata.name" }
    }

    fn only_name(&self) -> Option<&str> {
        (!self.is_namespace && self.equal).then_some(&*self.value)
    }
}

impl Asks {
    pub(super) fn of(method: &http::Method, path: &str, query: &Query) -> Self {
        let resource = resource(path);
        let verb = match &resource {
            None => method.as_str().to_ascii_lowercase(),
            Some(_) if query.is_watch() && method == http::Method::GET => "watch".into(),
            Some(resource) => match (method.as_str(), &resource.name) {
                ("GET" | "HEAD", Some(_)) => "get".into(),
                ("GET" | "HEAD", None) => "list".into(),
                ("POST", _) => "create".into(),
                ("PUT", _) => "update".into(),
                ("DELETE", None) => "deletecollection".into(),
                (other, _) => other.to_ascii_lowercase(),
            },
        };
        let mut asks = Self { verb, path: path.to_owned(), resource, fields: Vec::new(), labels: Vec::new() };
        if matches!(&*asks.verb, "list" | "watch" | "deletecollection")
            && let Some(resource) = &mut asks.resource
        {
            asks.fields = query.fields().unwrap_or_default();
            let labels = LabelSelector::parse(query.get("labelSelector").unwrap_or_default()).unwrap_or_default();
            asks.labels = labels.requirements().to_vec();
            // A list of one name is authorized by that name.
            if let Some(name) = asks.fields.iter().find_map(Field::only_name) {
                resource.name = Some(name.to_owned());
            }
        }
        asks
    }
}

fn resource(path: &str) -> Option<Resource> {
    let rest = path.strip_prefix("/apis/metrics.k8s.io/")?;
    let parts: Vec<String> = rest.split('/').map(|part| decoded(part, false)).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let version = |text: &str| match text {
        "v1" => Some("v1"),
        "v1beta1" => Some("v1beta1"),
        _ => None,
    };
    let (text, plural, namespace, name) = match parts.as_slice() {
        [version, "nodes"] => (version, "nodes", "", None),
        [version, "nodes", name] => (version, "nodes", "", Some(*name)),
        [version, "pods"] => (version, "pods", "", None),
        [version, "namespaces", namespace, "pods"] => (version, "pods", *namespace, None),
        [version, "namespaces", namespace, "pods", name] => (version, "pods", *namespace, Some(*name)),
        _ => return None,
    };
    if name.is_some_and(str::is_empty) || parts.len() > 3 && namespace.is_empty() {
        return None;
    }
    Some(Resource { version: version(text)?, plural, namespace: namespace.into(), name: name.map(Into::into) })
}

/// Percent-decoding; what is not UTF-8 afterwards is replaced, what is not an escape stays.
pub(super) fn decoded(text: &str, plus: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        rest = after;
        match (first, after) {
            (b'%', [high, low, tail @ ..]) => match hex(*high).zip(hex(*low)) {
                Some((high, low)) => {
                    bytes.push(high << 4 | low);
                    rest = tail;
                }
                None => bytes.push(b'%'),
            },
            (b'+', _) if plus => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
