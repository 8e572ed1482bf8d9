//! What a request asks for, before anybody decides whether it may.

use super::status::{Status, go_quoted};
use crate::encoding::Media;
use crate::encoding::accept;
use crate::kubelet::selector::{LabelSelector, Requirement};
use http::HeaderMap;
use http::header::{ACCEPT, USER_AGENT};

const NAME: &str = "metadata.name";
const NAMESPACE: &str = "metadata.namespace";

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

/// A resource as Kubernetes reads it from a path, whether there is such a thing or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) group: String,
    pub(super) version: String,
    /// `nodes`, `pods`, or anything.
    pub(super) plural: String,
    pub(super) subresource: String,
    /// Empty: the whole cluster.
    pub(super) namespace: String,
    pub(super) name: Option<String>,
    /// `None`: there is nothing of the kind here.
    pub(super) served: Option<Served>,
}

/// A kind that this API serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) version: &'static str,
    /// `nodes` or `pods`.
    pub(super) plural: &'static str,
}

/// One term of a field selector: field, whether equal, value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) key: String,
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
        self.get("watch").is_some_and(|watch| watch != "0" && !watch.eq_ignore_ascii_case("false"))
    }

    /// What an API server makes of a list's parameters, in its order; what stays of them is the selectors.
    ///
    /// # Errors
    /// 400 for what cannot be read, 422 for what contradicts itself.
    pub(super) fn list_options(&self) -> Result<(LabelSelector, Vec<Field>), Status> {
        for name in ["timeoutSeconds", "limit"] {
            if let Some(value) = self.get(name)
                && let Err(error) = value.parse::<i64>()
            {
                use std::num::IntErrorKind::{NegOverflow, PosOverflow};
                let why = match error.kind() {
                    PosOverflow | NegOverflow => "value out of range",
                    _ => "invalid syntax",
                };
                return Err(Status::bad(format!("strconv.ParseInt: parsing {}: {why}", go_quoted(value))));
            }
        }
        let labels = LabelSelector::parse(self.get("labelSelector").unwrap_or_default())
            .map_err(|error| Status::bad(error.to_string()))?;
        let fields = self.fields()?;
        self.contradictions()?;
        fields.iter().try_for_each(Field::known)?;
        Ok((labels, fields))
    }

    fn contradictions(&self) -> Result<(), Status> {
        let given = |name| self.get(name).filter(|value| !value.is_empty());
        // Field, reason of the cause, sentence.
        let mut causes: Vec<(&str, &str, String)> = Vec::new();
        let forbidden = |why: &str| ("FieldValueForbidden", format!("Forbidden: {why}"));
        if let Some(rule) = given("resourceVersionMatch") {
            let mut add = |(reason, sentence)| causes.push(("resourceVersionMatch", reason, sentence));
            if given("resourceVersion").is_none() {
                add(forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided"));
            }
            if given("continue").is_some() {
                add(forbidden("resourceVersionMatch is forbidden when continue is provided"));
            }
            if !matches!(rule, "Exact" | "NotOlderThan") {
                let rule = go_quoted(rule);
                let supported = "supported values: \"Exact\", \"NotOlderThan\", \"\"";
                add(("FieldValueNotSupported", format!("Unsupported value: {rule}: {supported}")));
            }
            if rule == "Exact" && given("resourceVersion") == Some("0") {
                add(forbidden("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""));
            }
        }
        if self.get("sendInitialEvents").is_some() && !self.is_watch() {
            let (reason, sentence) = forbidden("sendInitialEvents is forbidden for list");
            causes.push(("sendInitialEvents", reason, sentence));
        }
        if causes.is_empty() { Ok(()) } else { Err(Status::invalid("ListOptions", causes)) }
    }

    /// The terms of the field selector, of whatever fields.
    fn fields(&self) -> Result<Vec<Field>, Status> {
        let selector = self.get("fieldSelector").unwrap_or_default();
        let terms = split(selector, |rest| rest.strip_prefix(','));
        terms.into_iter().filter(|term| !term.is_empty()).map(|term| Field::parse(selector, term)).collect()
    }
}

impl Field {
    fn parse(selector: &str, term: &str) -> Result<Self, Status> {
        let signs = [("!=", false), ("==", true), ("=", true)];
        let mut escaped = false;
        let found = term.char_indices().find_map(|(at, c)| {
            let skipped = escaped;
            escaped = c == '\\' && !skipped;
            if skipped {
                return None;
            }
            let (key, rest) = term.split_at_checked(at)?;
            signs.iter().find_map(|(sign, equal)| Some((key, *equal, rest.strip_prefix(sign)?)))
        });
        let Some((key, equal, value)) = found else {
            return Err(Status::bad(format!("invalid selector: '{selector}'; can't understand '{term}'")));
        };
        Ok(Self { key: key.to_owned(), equal, value: unescaped(value)? })
    }

    fn known(&self) -> Result<(), Status> {
        if matches!(&*self.key, NAME | NAMESPACE) {
            return Ok(());
        }
        Err(Status::bad(format!(
            "{} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
            go_quoted(&self.key)
        )))
    }

    pub(super) fn matches(&self, namespace: &str, name: &str) -> bool {
        let value = if self.key == NAMESPACE { namespace } else { name };
        (self.value == value) == self.equal
    }

    fn only_name(&self) -> Option<&str> {
        (self.key == NAME && self.equal).then_some(&*self.value)
    }
}

/// The parts between unescaped separators.
fn split(text: &str, separator: impl Fn(&str) -> Option<&str>) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        let skipped = escaped;
        escaped = c == '\\' && !skipped;
        if skipped {
            continue;
        }
        if let Some(rest) = text.get(at..).and_then(&separator) {
            parts.push(text.get(start..at).unwrap_or_default());
            start = text.len() - rest.len();
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

/// A value as it is meant: `\\`, `\,` and `\=` stand for themselves, without the stroke they may not be there.
fn unescaped(value: &str) -> Result<String, Status> {
    let (mut out, mut chars) = (String::with_capacity(value.len()), value.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(meant @ ('\\' | ',' | '=')) => out.push(meant),
                other => {
                    let sequence: String = std::iter::once('\\').chain(other).collect();
                    return Err(Status::bad(format!("invalid field selector: invalid escape sequence: {sequence}")));
                }
            },
            ',' | '=' => {
                let code = u32::from(c);
                return Err(Status::bad(format!("invalid field selector: unescaped character in value: {code}")));
            }
            other => out.push(other),
        }
    }
    Ok(out)
}

impl Asks {
    /// Bytes of what the caller chooses.
    pub(super) fn size(&self) -> usize {
        let resource = self.resource.as_ref().map_or(0, |resource| {
            let Resource { group, version, plural, subresource, namespace, name, .. } = resource;
            let parts = [group, version, plural, subresource, namespace];
            parts.map(String::len).iter().sum::<usize>() + name.as_ref().map_or(0, String::len)
        });
        let fields: usize = self.fields.iter().map(|field| field.key.len() + field.value.len()).sum();
        let labels =
            self.labels.iter().map(|label| label.key.len() + label.values.iter().map(String::len).sum::<usize>());
        self.verb.len() + self.path.len() + resource + fields + labels.sum::<usize>()
    }

    /// `path` as it was sent.
    pub(super) fn of(method: &http::Method, path: &str, query: &Query) -> Self {
        let path = decoded(path, false);
        let (verb, resource) = resource(method, &path, query)
            .map_or_else(|| (method.as_str().to_ascii_lowercase(), None), |(verb, resource)| (verb, Some(resource)));
        let mut asks = Self { verb, path, resource, fields: Vec::new(), labels: Vec::new() };
        if matches!(&*asks.verb, "list" | "watch" | "deletecollection")
            && let Some(resource) = &mut asks.resource
        {
            asks.fields = query.fields().unwrap_or_default();
            let labels = LabelSelector::parse(query.get("labelSelector").unwrap_or_default()).unwrap_or_default();
            asks.labels = labels.requirements().to_vec();
            // A list of one name is authorized by that name.
            let name = asks.fields.iter().find_map(Field::only_name);
            if let Some(name) = name.filter(|name| !name.is_empty() && !name.contains(['/', '%'])) {
                resource.name = Some(name.to_owned());
            }
        }
        asks
    }
}

/// Verb and resource of a path below `/api` or `/apis`, as k8s.io/apiserver's `RequestInfo` has them.
fn resource(method: &http::Method, path: &str, query: &Query) -> Option<(String, Resource)> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, rest) = match parts.as_slice() {
        ["api", rest @ ..] if rest.len() >= 2 => ("", rest),
        ["apis", group, rest @ ..] if rest.len() >= 2 => (*group, rest),
        _ => return None,
    };
    let (version, mut rest) = rest.split_first()?;
    let mut verb = match method.as_str() {
        "GET" | "HEAD" => "get",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "",
    };
    let mut plain = true;
    if let [special @ ("proxy" | "watch"), after @ ..] = rest {
        if after.is_empty() {
            return None;
        }
        (verb, rest, plain) = (special, after, false);
    }
    let mut namespace = "";
    if let ["namespaces", one, after @ ..] = rest {
        namespace = one;
        if !matches!(after, [] | ["status" | "finalize", ..]) {
            rest = after;
        }
    }
    let (plural, name) = (*rest.first()?, rest.get(1).copied().filter(|name| !name.is_empty()));
    let subresource = rest.get(2).copied().unwrap_or_default();
    match (verb, name) {
        ("get", None) => verb = if query.is_watch() { "watch" } else { "list" },
        ("delete", None) => verb = "deletecollection",
        _ => {}
    }
    let version_served = ["v1", "v1beta1"].into_iter().find(|known| known == version);
    let kind = match (plural, namespace, name) {
        ("nodes", "", _) => Some("nodes"),
        ("pods", "", None) => Some("pods"),
        ("pods", namespace, _) if !namespace.is_empty() => Some("pods"),
        _ => None,
    };
    // Two parts more than a name, or an empty one, are no object's path.
    let whole = plain && group == "metrics.k8s.io" && rest.len() == 1 + usize::from(name.is_some());
    let served = version_served.zip(kind).filter(|_| whole).map(|(version, plural)| Served { version, plural });
    let resource = Resource {
        group: group.into(),
        version: (*version).into(),
        plural: plural.into(),
        subresource: subresource.into(),
        namespace: namespace.into(),
        name: name.map(Into::into),
        served,
    };
    Some((verb.to_owned(), resource))
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
