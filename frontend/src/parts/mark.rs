//! State as a shape and a word, so that it reads without colour.

use leptos::prelude::*;
use wire::Level;

pub(crate) const fn class(level: Level) -> &'static str {
    match level {
        Level::Good => "good",
        Level::Busy => "busy",
        Level::Warn => "warn",
        Level::Bad => "bad",
        Level::Gone => "gone",
    }
}

/// The shape alone.
#[component]
pub(crate) fn Mark(level: Level) -> impl IntoView {
    let shape = match level {
        Level::Good => view! { <circle cx="5" cy="5" r="4" fill="currentColor"/> }.into_any(),
        Level::Busy => {
            view! { <circle cx="5" cy="5" r="3.2" fill="none" stroke="currentColor" stroke-width="1.8" stroke-dasharray="12 8"/> }.into_any()
        }
        Level::Warn => view! { <path d="M5 .6 9.7 9.2H.3Z" fill="currentColor"/> }.into_any(),
        Level::Bad => view! { <rect x=".8" y=".8" width="8.4" height="8.4" rx="1" fill="currentColor"/> }.into_any(),
        Level::Gone => {
            view! { <circle cx="5" cy="5" r="3.4" fill="none" stroke="currentColor" stroke-width="1.4"/> }.into_any()
        }
    };
    view! { <svg viewBox="0 0 10 10" aria-hidden="true">{shape}</svg> }
}

/// Shape and word.
#[component]
pub(crate) fn State(level: Level, #[prop(into)] word: String) -> impl IntoView {
    view! { <span class=format!("st {}", class(level))><Mark level/><span>{word}</span></span> }
}
