//! Events: the old fields and the new ones (`series`, `eventTime`, the reporting pair) as one.

use super::decode::Decode;
use super::intern::Interner;
use super::kinds::Event;
use super::raw::{RawMeta, Stamp, Text, boxed, some, str};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawEvent<'a> {
    #[serde(borrow)]
    metadata: Option<RawMeta<'a>>,
    #[serde(rename = "type")]
    kind: Option<Text<'a>>,
    reason: Option<Text<'a>>,
    message: Option<Text<'a>>,
    involved_object: Option<RawAbout<'a>>,
    source: Option<RawSource<'a>>,
    reporting_component: Option<Text<'a>>,
    reporting_instance: Option<Text<'a>>,
    first_timestamp: Option<Stamp>,
    last_timestamp: Option<Stamp>,
    event_time: Option<Stamp>,
    count: Option<u32>,
    series: Option<RawSeries>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAbout<'a> {
    #[serde(borrow)]
    kind: Option<Text<'a>>,
    namespace: Option<Text<'a>>,
    name: Option<Text<'a>>,
    uid: Option<Text<'a>>,
    field_path: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
struct RawSource<'a> {
    #[serde(borrow)]
    component: Option<Text<'a>>,
    host: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSeries {
    count: Option<u32>,
    last_observed_time: Option<Stamp>,
}

impl Decode for Event {
    type Raw<'a> = RawEvent<'a>;

    fn version<'r>(raw: &'r RawEvent<'_>) -> &'r str {
        raw.metadata.as_ref().map_or("", |meta| str(&meta.resource_version))
    }

    fn project(raw: RawEvent<'_>, strings: &mut Interner) -> Self {
        let about = raw.involved_object.unwrap_or_default();
        let source = raw.source.unwrap_or_default();
        let first = Stamp::known(raw.first_timestamp).or_else(|| Stamp::known(raw.event_time));
        let (last, count) = match raw.series {
            Some(series) => (Stamp::known(series.last_observed_time), series.count.unwrap_or(0)),
            None => (Stamp::known(raw.last_timestamp).or(first), raw.count.filter(|count| *count != 0).unwrap_or(1)),
        };
        Self {
            meta: raw.metadata.unwrap_or_default().project(strings),
            kind: strings.text(str(&raw.kind)),
            reason: strings.text(str(&raw.reason)),
            message: str(&raw.message).into(),
            about_kind: strings.text(str(&about.kind)),
            about_namespace: strings.text(str(&about.namespace)),
            about_name: strings.text(str(&about.name)),
            about_uid: boxed(&about.uid),
            about_field: boxed(&about.field_path),
            component: strings.text(some(&source.component).unwrap_or_else(|| str(&raw.reporting_component))),
            host: strings.text(some(&source.host).unwrap_or_else(|| str(&raw.reporting_instance))),
            first,
            last,
            count,
        }
    }
}
