//! A kind's list: filter, states, the table, and what it equals in kubectl.

use crate::nav::{Nav, Page};
use crate::parts::mark::class;
use crate::parts::table::{self, Rows};
use crate::state::Table;
use crate::words::{self, plural, text};
use crate::{browser, link};
use leptos::prelude::*;
use wire::table::{ColumnId, TableAsk};
use wire::{Kind, Level, Say, View};

/// Rows above and below the visible ones.
const SPARE: u32 = 8;

/// The page.
#[component]
pub(crate) fn List(kind: Kind) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let table = RwSignal::new(Table::default());
    // First visible row and how many fit.
    let window = RwSignal::new((0_u32, table::fitting()));
    let typed = RwSignal::new(nav.query("q"));
    let timer = StoredValue::new(None::<TimeoutHandle>);
    let filter = Memo::new(move |_| nav.query("q"));
    let sort = Memo::new(move |_| parse_sort(&nav.query("sort")));
    // Scrolling by a row asks for nothing: the window moves in steps of the spare rows.
    let asked = Memo::new(move |_| {
        let (first, fit) = window.get();
        let start = (first / SPARE * SPARE).saturating_sub(SPARE);
        // Nothing is above the first rows, which are also those that somebody waits for.
        let spare = if first < SPARE { 2 * SPARE } else { 3 * SPARE };
        (start, (fit + spare).min(60))
    });
    link::watch(
        move || {
            let (start, count) = asked.get();
            let namespaces = if kind.namespaced() { nav.namespaces.get() } else { Vec::new() };
            View::Table(TableAsk { kind, namespaces, filter: filter.get(), sort: sort.get(), start, count })
        },
        move |frame| table.try_update(|table| table.take(frame)).unwrap_or(true),
    );
    let input = move |event: web_sys::Event| {
        typed.set(event_target_value(&event));
        if let Some(running) = timer.get_value() {
            running.clear();
        }
        let later = set_timeout_with_handle(
            move || nav.set(&[("q", &typed.get_untracked())]),
            std::time::Duration::from_millis(120),
        );
        timer.set_value(later.ok());
    };
    let open = Memo::new(move |_| match nav.page.get() {
        Page::List(_, open) => open,
        _ => None,
    });
    let command = move || {
        let scope = nav.namespaces.get();
        let scope = match scope.as_slice() {
            _ if !kind.namespaced() => String::new(),
            [one] => format!(" -n {one}"),
            _ => " -A".to_owned(),
        };
        format!("kubectl get {}{scope}", kind.resource())
    };
    let rows = move || {
        let (first, fit) = window.get();
        let matched = table.with(|table| table.matched);
        let (from, to) = ((first + 1).min(matched), (first + fit).min(matched));
        let [from, to, matched] = [from, to, matched].map(|number| number.to_string());
        words::with(text!("rows {from}–{to} of {n}"), &[("from", &from), ("to", &to), ("n", &matched)])
    };
    view! {
        <main class="page flush">
            <div class="tools">
                <h1>{plural(kind)}</h1>
                <div class="input">
                    <input type="search" id="filter" aria-label=text!("Filter by name, label or field") placeholder=text!("Filter by name, label or field")
                        prop:value=move || typed.get() on:input=input
                        on:keydown=|event| if matches!(event.key().as_str(), "Enter" | "ArrowDown") { event.prevent_default(); browser::focus("rows"); }/>
                </div>
                {move || table.with(|table| table.tally.iter().map(|tally| {
                    let (word, level) = (tally.word.clone(), tally.level);
                    let term = format!("status:{word}");
                    let on = filter.get() == term;
                    view! {
                        <button class=format!("chip {}", if matches!(level, Level::Bad | Level::Warn) { class(level) } else { "" }) class:on=on aria-pressed=on.to_string()
                            on:click=move |_| { let next = if on { String::new() } else { term.clone() }; typed.set(next.clone()); nav.set(&[("q", &next)]); }>
                            <b>{tally.count}</b>" "{words::lower(&word)}
                        </button>
                    }
                }).collect_view())}
                <span class="dim push">{move || table.with(|table| words::count(table.total, kind))}</span>
            </div>
            {move || table.with(|table| table.notes.iter().map(|note| view! { <div class="note" role="status">{words::say(note)}</div> }).collect_view())}
            {move || table.with(|table| state_text(table, kind, &filter.get())).map(|(bare, sentence)| view! {
                <div class=if bare { "empty" } else { "note" } role="status">{sentence}
                    {(bare && !filter.get().is_empty()).then(|| view! {
                        <p><button class="btn" on:click=move |_| { typed.set(String::new()); nav.set(&[("q", "")]); }>{text!("Clear the filter")}</button></p>
                    })}
                </div>
            })}
            <Rows kind table window sort open/>
            <div class="status">
                <span class="mono">{command}</span>
                <span class="push">{rows}</span>
                <span>{move || {
                    let age = ((nav.clock.get() - table.with(|table| table.as_of)).max(0)) / 1000;
                    words::with(text!("updated {n} s ago"), &[("n", &age.to_string())])
                }}</span>
            </div>
        </main>
    }
}

/// What stands instead of rows (true) or above them, and why.
fn state_text(table: &Table, kind: Kind, filter: &str) -> Option<(bool, String)> {
    let empty = table.rows.is_empty();
    if let Some(sentence) = table.standing.sentence(kind.resource()) {
        return Some((empty, sentence));
    }
    match (table.loaded, empty && table.matched == 0) {
        (false, _) => Some((true, text!("Loading…").to_owned())),
        (true, true) if !filter.is_empty() => {
            let say = Say::new("E-FILTER").with("kind", kind.word()).with("filter", filter);
            Some((true, words::say(&say.with("n", table.total.to_string()))))
        }
        (true, true) => {
            Some((true, words::say(&Say::new("E-NONE").with("kind", kind.word()).with("scope", text!("this scope")))))
        }
        (true, false) => None,
    }
}

/// `3`, `-3` or several with commas: column numbers, descending with a minus.
fn parse_sort(text: &str) -> Vec<(ColumnId, bool)> {
    text.split(',')
        .filter_map(|part| {
            let down = part.starts_with('-');
            part.trim_start_matches('-').parse().ok().map(|id| (ColumnId(id), down))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sort_is_read_from_the_address() {
        assert_eq!(parse_sort("-101,2"), vec![(ColumnId(101), true), (ColumnId(2), false)]);
        assert_eq!(parse_sort("x"), Vec::new());
    }
}
