//! Pieces of the API's JSON as they arrive: borrowed where the text has no escapes, dropped after projection.
//!
//! Every field may be missing or `null`, whatever the schema says; unknown fields are skipped unread.

#![expect(clippy::ref_option, reason = "fields as they arrive; `as_ref()` at a hundred places says nothing")]

use super::intern::Interner;
use super::kinds::{Condition, Labels, Meta, Owner, Selector};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use wire::Millis;

/// A text; borrows when it can. (serde's `Option<Cow<str>>` never borrows.) Numbers become their text: quantities and
/// int-or-strings come both ways.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text<'a>(Cow<'a, str>);

/// RFC 3339 as Unix milliseconds; zero when it cannot be read: something is there, its time unknown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stamp(Millis);

/// A map of texts, sorted by key.
#[derive(Debug, Default)]
pub(super) struct Pairs<'a>(Vec<(Text<'a>, Text<'a>)>);

/// A list whose entries may be `null`.
pub(super) type List<T> = Option<Vec<T>>;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawMeta<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    namespace: Option<Text<'a>>,
    uid: Option<Text<'a>>,
    pub(super) resource_version: Option<Text<'a>>,
    labels: Option<Pairs<'a>>,
    pub(super) annotations: Option<Annotations<'a>>,
    pub(super) generation: Option<i64>,
    creation_timestamp: Option<Stamp>,
    deletion_timestamp: Option<Stamp>,
    owner_references: List<RawOwner<'a>>,
}

/// The annotations the product reads.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Annotations<'a> {
    #[serde(borrow, rename = "deployment.kubernetes.io/revision")]
    pub(super) revision: Option<Text<'a>>,
    #[serde(rename = "metrics.k8s.io/resource-metrics-path")]
    pub(super) metrics_path: Option<Text<'a>>,
    #[serde(rename = "taffrail.dev/kubelet-key")]
    pub(super) kubelet_key: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
struct RawOwner<'a> {
    #[serde(borrow)]
    kind: Option<Text<'a>>,
    name: Option<Text<'a>>,
    uid: Option<Text<'a>>,
    controller: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawCondition<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    status: Option<Text<'a>>,
    reason: Option<Text<'a>>,
    message: Option<Text<'a>>,
    last_transition_time: Option<Stamp>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawSelector<'a> {
    #[serde(borrow)]
    match_labels: Option<Pairs<'a>>,
    match_expressions: List<RawRequirement<'a>>,
}

#[derive(Debug, Deserialize)]
struct RawRequirement<'a> {
    #[serde(borrow)]
    key: Option<Text<'a>>,
    operator: Option<Text<'a>>,
    values: List<Text<'a>>,
}

// === impl Text ===

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }
            fn visit_unit<E>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

/// The text, or an empty one.
pub(super) fn str<'t>(text: &'t Option<Text<'_>>) -> &'t str {
    text.as_ref().map_or("", Text::as_str)
}

/// The text unless it is missing or empty.
pub(super) fn some<'t>(text: &'t Option<Text<'_>>) -> Option<&'t str> {
    text.as_ref().map(Text::as_str).filter(|text| !text.is_empty())
}

pub(super) fn boxed(text: &Option<Text<'_>>) -> Option<Box<str>> {
    some(text).map(Box::from)
}

pub(super) fn each<T>(list: List<T>) -> impl ExactSizeIterator<Item = T> {
    list.unwrap_or_default().into_iter()
}

// === impl Stamp ===

impl Stamp {
    pub(super) fn known(stamp: Option<Self>) -> Option<Millis> {
        stamp.map(|stamp| stamp.0).filter(|millis| *millis != 0)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        Ok(Self(text.as_str().parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_millisecond)))
    }
}

// === impl Pairs ===

impl Pairs<'_> {
    pub(super) fn share(pairs: Option<&Self>, strings: &mut Interner) -> Vec<(Arc<str>, Arc<str>)> {
        pairs.map_or_else(Vec::new, |pairs| {
            pairs.0.iter().map(|(key, value)| (strings.text(key.as_str()), strings.text(value.as_str()))).collect()
        })
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.as_str() == key).map(|(_, value)| value.as_str())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of texts")
            }
            fn visit_unit<E: Error>(self) -> Result<Pairs<'de>, E> {
                Ok(Pairs::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                pairs.sort_unstable();
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}

// === impl RawMeta and the rest ===

impl RawMeta<'_> {
    /// `id` is settled by the watch, which knows whether the object is new.
    pub(super) fn project(&self, strings: &mut Interner) -> Meta {
        let labels = Pairs::share(self.labels.as_ref(), strings);
        let controller = self.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        Meta {
            id: 0,
            uid: str(&self.uid).into(),
            namespace: strings.text(str(&self.namespace)),
            name: str(&self.name).into(),
            labels: strings.labels(labels),
            created: self.creation_timestamp.map_or(0, |stamp| stamp.0),
            deleted: self.deletion_timestamp.map(|stamp| stamp.0),
            owner: controller.map(|owner| {
                let (kind, name) = (strings.text(str(&owner.kind)), strings.text(str(&owner.name)));
                strings.owner(Owner { kind, name, uid: str(&owner.uid).into() })
            }),
        }
    }

    pub(super) fn label(&self, key: &str) -> Option<&str> {
        self.labels.as_ref().and_then(|labels| labels.get(key))
    }

    pub(super) fn revision(&self) -> Option<u32> {
        str(&self.annotations.as_ref()?.revision).parse().ok()
    }
}

pub(super) fn conditions(list: List<RawCondition<'_>>, strings: &mut Interner) -> Box<[Condition]> {
    each(list)
        .map(|raw| Condition {
            kind: strings.text(str(&raw.kind)),
            status: strings.text(str(&raw.status)),
            reason: strings.word(some(&raw.reason)),
            message: boxed(&raw.message),
            since: Stamp::known(raw.last_transition_time),
        })
        .collect()
}

pub(super) fn labels(pairs: Option<&Pairs<'_>>, strings: &mut Interner) -> Labels {
    let pairs = Pairs::share(pairs, strings);
    strings.labels(pairs)
}

pub(super) fn selector(raw: Option<RawSelector<'_>>, strings: &mut Interner) -> Selector {
    let Some(raw) = raw else { return Selector::default() };
    Selector {
        labels: Pairs::share(raw.match_labels.as_ref(), strings).into(),
        expressions: each(raw.match_expressions)
            .map(|requirement| {
                let values = each(requirement.values).map(|value| strings.text(value.as_str())).collect();
                (strings.text(str(&requirement.key)), strings.text(str(&requirement.operator)), values)
            })
            .collect(),
    }
}
