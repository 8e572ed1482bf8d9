//! One object that needs a look: its name, what is known of it, a sentence, and since when.

use crate::nav::Nav;
use crate::parts::mark::{Mark, class};
use leptos::prelude::*;
use wire::{Level, Millis, Ref};

/// A line that leads to the object; what has no page leads nowhere.
pub(crate) fn item(level: Level, at: &Ref, facts: &str, sentence: String, since: Millis) -> AnyView {
    let nav = expect_context::<Nav>();
    let name = if at.namespace.is_empty() { at.name.clone() } else { format!("{}/{}", at.namespace, at.name) };
    let name = if matches!(at.kind.as_str(), "Pod" | "Node") { name } else { format!("{} {name}", at.kind) };
    let (at, facts) = (at.clone(), facts.to_owned());
    view! {
        <a class=class(level) href=move || nav.href_of(&at)>
            <span><Mark level/></span><div><b>{name}</b>" "<span class="dim">{facts}</span><p>{sentence}</p></div>
            <small>{move || (since > 0).then(|| nav.age(since))}</small>
        </a>
    }
    .into_any()
}
