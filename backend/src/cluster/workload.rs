//! Deployments and replica sets.

use super::decode::Decode;
use super::intern::Interner;
use super::kinds::{Deployment, ReplicaSet};
use super::raw::{List, RawCondition, RawMeta, RawSelector, Text, boxed, conditions, each, selector, some, str};
use serde::Deserialize;
use std::sync::Arc;

/// Both kinds: their fields do not collide.
#[derive(Debug, Deserialize)]
pub struct RawWorkload<'a> {
    #[serde(borrow)]
    metadata: Option<RawMeta<'a>>,
    spec: Option<RawSpec<'a>>,
    status: Option<RawStatus<'a>>,
}

#[derive(Debug, Default, Deserialize)]
struct RawSpec<'a> {
    replicas: Option<u32>,
    paused: Option<bool>,
    #[serde(borrow)]
    strategy: Option<RawStrategy<'a>>,
    selector: Option<RawSelector<'a>>,
    template: Option<RawTemplate<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawStrategy<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    rolling_update: Option<RawRolling<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRolling<'a> {
    #[serde(borrow)]
    max_surge: Option<Text<'a>>,
    max_unavailable: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
struct RawTemplate<'a> {
    #[serde(borrow)]
    spec: Option<RawTemplateSpec<'a>>,
}

#[derive(Debug, Deserialize)]
struct RawTemplateSpec<'a> {
    #[serde(borrow)]
    containers: List<RawContainer<'a>>,
}

#[derive(Debug, Deserialize)]
struct RawContainer<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    image: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawStatus<'a> {
    replicas: Option<u32>,
    ready_replicas: Option<u32>,
    updated_replicas: Option<u32>,
    available_replicas: Option<u32>,
    observed_generation: Option<i64>,
    #[serde(borrow)]
    conditions: List<RawCondition<'a>>,
}

fn containers(template: Option<RawTemplate<'_>>, strings: &mut Interner) -> Box<[(Arc<str>, Arc<str>)]> {
    each(template.and_then(|template| template.spec).and_then(|spec| spec.containers))
        .map(|container| (strings.text(str(&container.name)), strings.text(str(&container.image))))
        .collect()
}

impl Decode for ReplicaSet {
    type Raw<'a> = RawWorkload<'a>;

    fn version<'r>(raw: &'r RawWorkload<'_>) -> &'r str {
        raw.metadata.as_ref().map_or("", |meta| str(&meta.resource_version))
    }

    fn project(raw: RawWorkload<'_>, strings: &mut Interner) -> Self {
        let meta = raw.metadata.unwrap_or_default();
        let spec = raw.spec.unwrap_or_default();
        let status = raw.status.unwrap_or_default();
        Self {
            revision: meta.revision(),
            meta: meta.project(strings),
            desired: spec.replicas.unwrap_or(1), // the API server's default
            current: status.replicas.unwrap_or(0),
            ready: status.ready_replicas.unwrap_or(0),
            available: status.available_replicas.unwrap_or(0),
            containers: containers(spec.template, strings),
            selector: selector(spec.selector, strings),
        }
    }
}

impl Decode for Deployment {
    type Raw<'a> = RawWorkload<'a>;

    fn version<'r>(raw: &'r RawWorkload<'_>) -> &'r str {
        raw.metadata.as_ref().map_or("", |meta| str(&meta.resource_version))
    }

    fn project(raw: RawWorkload<'_>, strings: &mut Interner) -> Self {
        let meta = raw.metadata.unwrap_or_default();
        let spec = raw.spec.unwrap_or_default();
        let status = raw.status.unwrap_or_default();
        let strategy = spec.strategy.as_ref();
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        Self {
            revision: meta.revision(),
            generation: meta.generation.unwrap_or(0),
            meta: meta.project(strings),
            desired: spec.replicas.unwrap_or(1), // the API server's default
            replicas: status.replicas.unwrap_or(0),
            ready: status.ready_replicas.unwrap_or(0),
            updated: status.updated_replicas.unwrap_or(0),
            available: status.available_replicas.unwrap_or(0),
            observed: status.observed_generation.unwrap_or(0),
            paused: spec.paused.unwrap_or(false),
            strategy: strings.text(strategy.and_then(|strategy| some(&strategy.kind)).unwrap_or("RollingUpdate")),
            surge: rolling.and_then(|rolling| boxed(&rolling.max_surge)),
            unavailable: rolling.and_then(|rolling| boxed(&rolling.max_unavailable)),
            containers: containers(spec.template, strings),
            selector: selector(spec.selector, strings),
            conditions: conditions(status.conditions, strings),
        }
    }
}
