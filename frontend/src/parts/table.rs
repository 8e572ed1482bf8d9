//! Rows of a table: only those in view are in the page, each redraws only the cell that changed.

use crate::browser;
use crate::nav::{Nav, object_path};
use crate::parts::mark::{Mark, State, class};
use crate::parts::usage::UsageCell;
use crate::state::Table;
use crate::words::{self, text};
use leptos::prelude::*;
use wire::chart::Metric;
use wire::table::{Cell, Column, ColumnId};
use wire::{Key, Kind, Level};

/// Width of a column by its word.
fn width(word: &str) -> &'static str {
    match word {
        "name" => "minmax(200px, 2.2fr)",
        "ready" | "available" | "up-to-date" => "72px",
        "status" | "external-ip" | "ports" => "minmax(110px, 1fr)",
        "restarts" => "110px",
        "cpu" | "memory" => "172px",
        "age" => "68px",
        _ => "minmax(80px, .8fr)",
    }
}

/// Head and rows.
#[component]
pub(crate) fn Rows(
    kind: Kind,
    table: RwSignal<Table>,
    /// First visible row and how many fit.
    window: RwSignal<(u32, u32)>,
    #[prop(into)] sort: Signal<Vec<(ColumnId, bool)>>,
    /// The object whose drawer is open.
    #[prop(into)]
    open: Signal<Option<(String, String)>>,
) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let cursor = RwSignal::new(0_u32);
    let height = Memo::new(move |_| {
        nav.redraw.track();
        row_height()
    });
    let columns = Memo::new(move |_| table.with(|table| arranged(&table.columns)));
    let keys = Memo::new(move |_| table.with(|table| table.rows.iter().map(|row| row.key).collect::<Vec<_>>()));
    let cols =
        move || columns.with(|columns| columns.iter().map(|column| width(&column.word)).collect::<Vec<_>>().join(" "));
    let scroll = move |event: web_sys::Event| {
        if let Some((top, tall)) = browser::scrolled(&event) {
            let height = height.get_untracked();
            let next = ((top / height) as u32, ((tall - 30.0) / height).ceil().max(1.0) as u32);
            if window.get_untracked() != next {
                window.set(next);
            }
        }
    };
    Effect::new(move |_| {
        nav.redraw.track();
        window.update(|window| window.1 = fitting());
    });
    // A drawer that is open, by its address or a click, is where the keys go on from.
    Effect::new(move |_| {
        let place = open.with(|open| {
            let (namespace, name) = open.as_ref()?;
            table.with_untracked(|table| {
                let at = table.rows.iter().position(|row| row.namespace == *namespace && row.name == *name)?;
                Some(table.start + at as u32)
            })
        });
        if let Some(place) = place {
            cursor.set(place);
        }
    });
    let at_cursor = move || {
        table.with_untracked(|table| {
            let at = cursor.get_untracked().checked_sub(table.start)?;
            table.rows.get(at as usize).map(|row| object_path(kind, &row.namespace, &row.name))
        })
    };
    let key = move |event: web_sys::KeyboardEvent| {
        // A column's head has keys of its own, and so has the browser.
        if browser::within(&event, "button") || event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
        let last = table.with_untracked(|table| table.matched).saturating_sub(1);
        let page = window.get_untracked().1;
        let now = cursor.get_untracked();
        let next = match event.key().as_str() {
            "ArrowDown" | "j" => (now + 1).min(last),
            "ArrowUp" | "k" => now.saturating_sub(1),
            "PageDown" => (now + page).min(last),
            "PageUp" => now.saturating_sub(page),
            "Home" | "g" => 0,
            "End" | "G" => last,
            "/" => {
                event.prevent_default();
                return browser::focus("filter");
            }
            "Enter" => {
                event.prevent_default();
                let Some(path) = at_cursor() else { return };
                if nav.shows(&path) {
                    browser::focus("drawer");
                } else {
                    nav.go(&path);
                }
                return;
            }
            _ => return,
        };
        event.prevent_default();
        cursor.set(next);
        browser::scroll_row("rows", f64::from(next), height.get_untracked());
        if open.get_untracked().is_some()
            && let Some(path) = at_cursor()
        {
            nav.go(&path);
        }
    };
    let active = move || {
        table.with(|table| {
            let at = cursor.get().checked_sub(table.start)?;
            table.rows.get(at as usize).map(|row| format!("row-{}", row.key.0))
        })
    };
    view! {
        <div class="table" id="rows" role="grid" tabindex="0" aria-label=text!("Rows") aria-activedescendant=active aria-rowcount=move || table.with(|table| table.matched + 1).to_string()
            on:scroll=scroll on:keydown=key style=("--cols", cols)>
            <div class="thead" role="row" aria-rowindex="1">
                <For each=move || columns.get() key=|column| column.id.0 children=move |column| view! { <Head column sort/> }/>
            </div>
            <div class="rows" role="rowgroup" style:height=move || format!("{}px", f64::from(table.with(|table| table.matched)) * height.get())>
                <For each=move || keys.get() key=|key| key.0 children=move |key| view! { <Line kind key table columns height open cursor/> }/>
            </div>
        </div>
    }
}

#[component]
fn Head(column: Column, sort: Signal<Vec<(ColumnId, bool)>>) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let id = column.id;
    let down = move || sort.with(|sort| sort.iter().find(|(known, _)| *known == id).map(|(_, down)| *down));
    let first_down = column.numeric && column.word != "age";
    let click = move |_| {
        let next = match down() {
            None => first_down,
            Some(down) => !down,
        };
        nav.set(&[("sort", &format!("{}{}", if next { "-" } else { "" }, id.0))]);
    };
    view! {
        <div class=format!("th c-{}", column.word) class:num=column.numeric role="columnheader" aria-sort=move || down().map(|down| if down { "descending" } else { "ascending" })>
            <button on:click=click>{words::word(&column.word)}{move || match down() { Some(true) => " ↓", Some(false) => " ↑", None => "" }}</button>
        </div>
    }
}

#[component]
fn Line(
    kind: Kind,
    key: Key,
    table: RwSignal<Table>,
    columns: Memo<Vec<Column>>,
    height: Memo<f64>,
    open: Signal<Option<(String, String)>>,
    cursor: RwSignal<u32>,
) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let place = Memo::new(move |_| {
        table.with(|table| table.row(key).map(|(at, _)| table.start + at as u32)).unwrap_or_default()
    });
    let (namespace, name) = table
        .with_untracked(|table| table.row(key).map(|(_, row)| (row.namespace.clone(), row.name.clone())))
        .unwrap_or_default();
    let path = object_path(kind, &namespace, &name);
    let me = (namespace.clone(), name.clone());
    let selected = Memo::new(move |_| open.with(|open| open.as_ref() == Some(&me)));
    let shown = columns.get_untracked();
    // Kinds without a status in kubectl's columns show their state before the name.
    let stateless = shown.iter().all(|column| column.word != "status");
    let level = Memo::new(move |_| table.with(|table| table.row(key).map_or(Level::Gone, |(_, row)| row.level)));
    let cells = shown
        .into_iter()
        .map(|column| {
            let id = column.id;
            let cell = Memo::new(move |_| {
                table
                    .with(|table| {
                        let at = table.columns.iter().position(|known| known.id == id)?;
                        table.row(key).and_then(|(_, row)| row.cells.get(at).cloned())
                    })
                    .unwrap_or(Cell::None)
            });
            let changes = Memo::new(move |before: Option<&u32>| {
                cell.track();
                before.map_or(0, |count| count + 1)
            });
            // Usage moves with every scrape: washing it would never end.
            let wash = move || match (cell.with(|cell| matches!(cell, Cell::Usage(_))), changes.get()) {
                (true, _) | (_, 0) => None,
                (false, count) => Some(if count % 2 == 0 { "a" } else { "b" }),
            };
            let (namespace, name) = (namespace.clone(), name.clone());
            let is_name = column.word == "name";
            let of_ready = column.word == "ready";
            let metric = if column.word == "cpu" { Metric::Cpu } else { Metric::Memory };
            view! {
                <div class=format!("td c-{}", column.word) class:num=column.numeric role="gridcell" data-wash=wash>
                    {move || if is_name {
                        let quiet = if namespace.is_empty() { String::new() } else { format!("{namespace}/") };
                        let mark = stateless.then(|| view! { <span class=move || format!("st {}", class(level.get()))>{move || view! { <Mark level=level.get()/> }}</span> });
                        view! { {mark}<span class="name"><i>{quiet}</i>{name.clone()}</span> }.into_any()
                    } else {
                        content(cell.get(), metric, nav)
                    }}
                    {of_ready.then(|| view! { <span class="alone">" "{text!("ready")}</span> })}
                </div>
            }
        })
        .collect_view();
    view! {
        <a class="tr" role="row" id=format!("row-{}", key.0) tabindex="-1" aria-rowindex=move || (place.get() + 2).to_string() href=move || nav.beside(&path)
            class:on=move || selected.get() class:cursor=move || cursor.get() == place.get()
            aria-selected=move || selected.get().to_string()
            on:click=move |_| cursor.set(place.get_untracked())
            style:top=move || format!("{}px", f64::from(place.get()) * height.get())>
            {cells}
        </a>
    }
}

fn row_height() -> f64 {
    if browser::narrow() { 58.0 } else { 30.0 }
}

/// How many rows fit the window as it is now.
pub(crate) fn fitting() -> u32 {
    ((browser::size().1 - 160.0) / row_height()).ceil().max(5.0) as u32
}

/// The columns that are shown: kubectl's default ones and a pod's node, with usage before node and age.
fn arranged(columns: &[Column]) -> Vec<Column> {
    let mut shown: Vec<Column> =
        columns.iter().filter(|column| !column.wide || column.word == "node").cloned().collect();
    shown.sort_by_key(|column| match column.word.as_str() {
        "cpu" => 1,
        "memory" => 2,
        "node" => 3,
        "age" => 4,
        _ => 0,
    });
    shown
}

fn content(cell: Cell, metric: Metric, nav: Nav) -> AnyView {
    match cell {
        Cell::None => view! { <span class="dim">"–"</span> }.into_any(),
        Cell::Text(text) if text == "<none>" => view! { <span class="dim">"–"</span> }.into_any(),
        Cell::Text(text) => view! { <span class="mid" title=text>{text.clone()}</span> }.into_any(),
        Cell::Int(number) => number.to_string().into_any(),
        Cell::Time(at) => view! { <span class="mid">{move || nav.age(at)}</span> }.into_any(),
        Cell::State(level, word) => view! { <State level word/> }.into_any(),
        Cell::Ready(ready, all) => {
            let quiet = if ready == all { "mid" } else { "" };
            view! { <span class=quiet>{format!("{ready}/{all}")}</span> }.into_any()
        }
        Cell::Restarts(0, _) => view! { <span class="dim">"0"</span> }.into_any(),
        Cell::Restarts(count, last) => {
            let ago = move || last.map(|at| words::with(text!("{time} ago"), &[("time", &nav.age(at))]));
            view! { <span class="some">{count}" "<span class="dim">{ago}</span></span> }.into_any()
        }
        Cell::Usage(usage) => view! { <UsageCell usage metric/> }.into_any(),
    }
}
