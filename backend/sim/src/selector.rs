//! Label and field selectors, as the list and watch parameters spell them.

use crate::status::Status;
use serde_json::Value;

/// Requirements that all must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
}

impl Selector {
    /// `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
    pub(crate) fn parse(text: &str) -> Result<Self, Status> {
        split(text).into_iter().map(requirement).collect::<Result<_, _>>().map(Self)
    }

    /// `spec.selector` with `matchLabels` and `matchExpressions`, or a Service's plain map.
    pub(crate) fn of_object(selector: &Value) -> Self {
        let labels = selector.get("matchLabels").or_else(|| match selector.get("matchExpressions") {
            Some(_) => None,
            None => Some(selector),
        });
        let mut all: Vec<_> = labels
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(key, value)| Requirement {
                key: key.clone(),
                test: Test::In(vec![value.as_str().unwrap_or_default().to_owned()]),
            })
            .collect();
        for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| expression.get(name).and_then(Value::as_str).unwrap_or_default();
            let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
            let values = values.filter_map(Value::as_str).map(str::to_owned).collect();
            let test = match text("operator") {
                "In" => Test::In(values),
                "NotIn" => Test::NotIn(values),
                "DoesNotExist" => Test::Absent,
                _ => Test::Exists,
            };
            all.push(Requirement { key: text("key").to_owned(), test });
        }
        Self(all)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the values that `lookup` finds satisfy every requirement.
    pub(crate) fn matches<'a>(&self, lookup: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|requirement| {
            let value = lookup(&requirement.key);
            match &requirement.test {
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
                Test::In(values) => value.is_some_and(|value| values.iter().any(|one| one == value)),
                Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|one| one != value)),
            }
        })
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|requirement| requirement.key.as_str())
    }
}

/// Cuts at commas outside of parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    text.split(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
    .collect()
}

fn requirement(text: &str) -> Result<Requirement, Status> {
    let one = |key: &str, test| Ok(Requirement { key: key.trim().to_owned(), test });
    let single = |value: &str| vec![value.trim().trim_start_matches('=').to_owned()];
    if let Some(open) = text.find('(') {
        let (head, list) = text.split_at(open);
        let values = list.trim_matches(['(', ')']).split(',').map(|value| value.trim().to_owned()).collect();
        let head = head.trim();
        if let Some(key) = head.strip_suffix(" notin") {
            return one(key, Test::NotIn(values));
        }
        if let Some(key) = head.strip_suffix(" in") {
            return one(key, Test::In(values));
        }
    } else if let Some((key, value)) = text.split_once("!=") {
        return one(key, Test::NotIn(single(value)));
    } else if let Some((key, value)) = text.split_once('=') {
        return one(key, Test::In(single(value)));
    } else if let Some(key) = text.strip_prefix('!') {
        return one(key, Test::Absent);
    } else if !text.contains(char::is_whitespace) {
        return one(text, Test::Exists);
    }
    Err(Status::bad_request(format!("unable to parse requirement: {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(selector: &str, labels: &[(&str, &str)], expected: bool) {
        let parsed = Selector::parse(selector).unwrap();
        let found = parsed.matches(|key| labels.iter().find(|(k, _)| *k == key).map(|(_, v)| *v));
        assert_eq!(found, expected, "{selector} on {labels:?}");
    }

    #[test]
    fn every_operator_of_label_selectors_is_read() {
        let labels = [("app", "cart"), ("tier", "web")];
        check("", &labels, true);
        check("app=cart", &labels, true);
        check("app==cart,tier=web", &labels, true);
        check("app!=cart", &labels, false);
        check("other!=x", &labels, true);
        check("app in (cart, checkout),tier", &labels, true);
        check("app notin (cart)", &labels, false);
        check("!app", &labels, false);
        check("!other", &labels, true);
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(Selector::parse("a b").unwrap_err().code, 400);
    }
}
