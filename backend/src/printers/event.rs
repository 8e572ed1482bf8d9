//! Events.

use super::{Printer, described, words};
use crate::cluster::kinds::Event;
use wire::table::{Cell, Column};
use wire::{Level, Millis};

impl Printer for Event {
    fn columns() -> Vec<Column> {
        described(&[
            "last-seen",
            "type",
            "reason",
            "object",
            "wide:subobject",
            "wide:source",
            "message",
            "wide:first-seen",
            "wide:count#",
            "wide:name",
        ])
    }

    fn cells(&self, _now: Millis) -> Vec<Cell> {
        let kind = self.about_kind.to_lowercase();
        let parts = [&*self.component, &*self.host];
        let source: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        vec![
            Cell::Time(self.last.unwrap_or(0)),
            words(&*self.kind),
            words(&*self.reason),
            words(if self.about_name.is_empty() { kind } else { format!("{kind}/{}", self.about_name) }),
            words(self.about_field.as_deref().unwrap_or("")),
            words(source.join(", ")),
            words(self.message.trim()),
            Cell::Time(self.first.unwrap_or(0)),
            Cell::Int(self.count.into()),
            words(&*self.meta.name),
        ]
    }

    fn state(&self, _now: Millis) -> (Level, &'static str) {
        if &*self.kind == "Warning" { (Level::Warn, "warning") } else { (Level::Good, "normal") }
    }
}
