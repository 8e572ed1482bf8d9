//! Label selectors: as text and as a test.

use crate::cluster::kinds::{Labels, Selector};
use std::sync::Arc;

/// Whether labels satisfy a selector. An empty selector matches everything; an operator nobody knows matches nothing.
#[must_use]
pub fn matches(selector: &Selector, labels: &[(Arc<str>, Arc<str>)]) -> bool {
    let value = |key: &str| labels.iter().find(|(known, _)| &**known == key).map(|(_, value)| &**value);
    selector.labels.iter().all(|(key, wanted)| value(key) == Some(wanted))
        && selector.expressions.iter().all(|(key, operator, values)| {
            let listed = |value: &str| values.iter().any(|known| &**known == value);
            match &**operator {
                "In" => value(key).is_some_and(listed),
                "NotIn" => !value(key).is_some_and(listed),
                "Exists" => value(key).is_some(),
                "DoesNotExist" => value(key).is_none(),
                _ => false,
            }
        })
}

/// Requirements sorted by key, comma-joined; `None` when one of them is invalid.
pub(super) fn requirements(selector: &Selector) -> Option<String> {
    let mut all: Vec<(&str, String)> =
        selector.labels.iter().map(|(key, value)| (&**key, format!("{key}={value}"))).collect();
    for (key, operator, values) in &selector.expressions {
        let mut sorted: Vec<&str> = values.iter().map(|value| &**value).collect();
        sorted.sort_unstable();
        let list = sorted.join(",");
        let text = match (&**operator, sorted.is_empty()) {
            ("In", false) => format!("{key} in ({list})"),
            ("NotIn", false) => format!("{key} notin ({list})"),
            ("Exists", true) => key.as_ref().to_owned(),
            ("DoesNotExist", true) => format!("!{key}"),
            _ => return None,
        };
        all.push((key, text));
    }
    all.sort_by(|a, b| a.0.cmp(b.0));
    Some(all.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(","))
}

/// `FormatLabels`.
pub(super) fn labels(labels: Option<&Labels>) -> String {
    let mut pairs: Vec<String> =
        labels.into_iter().flat_map(|labels| labels.iter()).map(|(key, value)| format!("{key}={value}")).collect();
    pairs.sort_unstable();
    if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") }
}
