//! Deployments and replica sets.

use super::selector::requirements;
use super::{Printer, described, words};
use crate::cluster::kinds::{Deployment, ReplicaSet};
use std::sync::Arc;
use wire::table::{Cell, Column};
use wire::{Level, Millis};

fn names(containers: &[(Arc<str>, Arc<str>)]) -> Cell {
    words(containers.iter().map(|(name, _)| &**name).collect::<Vec<_>>().join(","))
}

fn images(containers: &[(Arc<str>, Arc<str>)]) -> Cell {
    words(containers.iter().map(|(_, image)| &**image).collect::<Vec<_>>().join(","))
}

impl Printer for Deployment {
    fn columns() -> Vec<Column> {
        described(&[
            "name",
            "ready",
            "up-to-date#",
            "available#",
            "age",
            "wide:containers",
            "wide:images",
            "wide:selector",
        ])
    }

    fn cells(&self, _now: Millis) -> Vec<Cell> {
        vec![
            words(&*self.meta.name),
            Cell::Ready(self.ready, self.desired),
            Cell::Int(self.updated.into()),
            Cell::Int(self.available.into()),
            Cell::Time(self.meta.created),
            names(&self.containers),
            images(&self.containers),
            words(requirements(&self.selector).unwrap_or_else(|| "<invalid>".to_owned())),
        ]
    }

    fn state(&self, _now: Millis) -> (Level, &'static str) {
        let condition = |kind: &str| self.conditions.iter().find(|condition| &*condition.kind == kind);
        let stuck = condition("Progressing").is_some_and(|condition| &*condition.status == "False");
        let rolling = self.observed < self.generation || self.updated < self.desired || self.replicas > self.updated;
        match () {
            () if self.meta.deleted.is_some() => (Level::Busy, "terminating"),
            () if stuck => (Level::Bad, "degraded"),
            () if self.paused => (Level::Warn, "paused"),
            () if rolling => (Level::Busy, "progressing"),
            () if self.desired == 0 => (Level::Gone, "stopped"),
            () if self.available == 0 => (Level::Bad, "degraded"),
            () if self.available < self.desired => (Level::Warn, "degraded"),
            () => (Level::Good, "ready"),
        }
    }
}

impl Printer for ReplicaSet {
    fn columns() -> Vec<Column> {
        described(&["name", "desired#", "current#", "ready#", "age", "wide:containers", "wide:images", "wide:selector"])
    }

    fn cells(&self, _now: Millis) -> Vec<Cell> {
        let selector = requirements(&self.selector).unwrap_or_else(|| "<error>".to_owned());
        vec![
            words(&*self.meta.name),
            Cell::Int(self.desired.into()),
            Cell::Int(self.current.into()),
            Cell::Int(self.ready.into()),
            Cell::Time(self.meta.created),
            names(&self.containers),
            images(&self.containers),
            words(if selector.is_empty() { "<none>".to_owned() } else { selector }),
        ]
    }

    fn state(&self, _now: Millis) -> (Level, &'static str) {
        match () {
            () if self.meta.deleted.is_some() => (Level::Busy, "terminating"),
            () if self.current != self.desired => (Level::Busy, "progressing"),
            () if self.desired == 0 => (Level::Gone, "stopped"),
            () if self.ready == 0 => (Level::Bad, "degraded"),
            () if self.ready < self.desired => (Level::Warn, "degraded"),
            () => (Level::Good, "ready"),
        }
    }
}
