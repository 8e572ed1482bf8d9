//! The Service map: what leads where, and where it breaks. A canvas, with the same as a list for those who do not see it.

use crate::link;
use crate::nav::Nav;
use crate::parts::graph::Graph;
use crate::parts::mark::State;
use crate::words::{self, text};
use leptos::prelude::*;
use wire::map::{Box as Node, Map, MapDiff};
use wire::{Server, View};

/// The page.
#[component]
pub(crate) fn MapPage() -> impl IntoView {
    let nav = expect_context::<Nav>();
    let map = RwSignal::new(None::<Map>);
    let base = RwSignal::new(0_u32);
    let selected = RwSignal::new(None::<wire::Key>);
    let find = RwSignal::new(String::new());
    let list = Memo::new(move |_| nav.query("view") == "table");
    link::watch(
        move || View::Map { namespaces: nav.namespaces.get() },
        move |frame| match frame {
            Server::Map { seq, map: whole, .. } => {
                base.try_set(*seq);
                map.try_set(Some(whole.clone()));
                true
            }
            Server::MapDiff { seq, base: from, diff, .. } => {
                if base.try_get_untracked() != Some(*from) {
                    return false;
                }
                base.set(*seq);
                map.try_update(|map| map.as_mut().map(|map| apply(map, diff)).is_some()).unwrap_or(true)
            }
            _ => true,
        },
    );
    let shown = move || {
        let find = find.get().to_ascii_lowercase();
        map.with(|map| {
            map.iter()
                .flat_map(|map| map.boxes.clone())
                .filter(|node| node.title.to_ascii_lowercase().contains(&find))
                .collect::<Vec<_>>()
        })
    };
    let card = move || {
        selected.get().and_then(|key| map.with(|map| map.as_ref()?.boxes.iter().find(|node| node.key == key).cloned()))
    };
    view! {
        <main class="page flush">
            <div class="tools">
                <h1>{text("Map")}</h1>
                <span class="seg" role="group" aria-label=text("View")>
                    <button aria-pressed=move || (!list.get()).to_string() on:click=move |_| nav.set(&[("view", "")])>{text("Map")}</button>
                    <button aria-pressed=move || list.get().to_string() on:click=move |_| nav.set(&[("view", "table")])>{text("Table")}</button>
                </span>
                <div class="input"><input id="find" type="search" aria-label=text("Find on the map") placeholder=text("Find on the map") prop:value=move || find.get()
                    on:input=move |event| {
                        find.set(event_target_value(&event));
                        selected.set(if find.with_untracked(String::is_empty) { None } else { shown().first().map(|node| node.key) });
                    }/></div>
                {move || map.with(|map| map.as_ref().map(|map| {
                    let tally = map.tally;
                    let proxy = if map.proxy.mode.is_empty() { text("kube-proxy: mode unknown").to_owned() } else { format!("kube-proxy: {}, {}", map.proxy.mode, text(how(&map.proxy.how))) };
                    view! {
                        <span class="chip bad"><b>{tally.broken}</b>" "{text("refused")}</span>
                        <span class="chip"><b>{tally.partial}</b>" "{text("partly ready")}</span>
                        <span class="chip"><b>{tally.answering}</b>" "{text("answer")}</span>
                        <span class="dim push" title=map.proxy.evidence.clone()>{proxy}</span>
                    }
                }))}
            </div>
            <div class="map">
                <Show when=move || !list.get()><Graph map selected/></Show>
                <ul class=move || if list.get() { "mirror" } else { "spoken" }>
                    {move || shown().into_iter().map(|node| view! { <li><Entry node/></li> }).collect_view()}
                </ul>
                {move || card().filter(|_| !list.get()).map(|node| view! { <div class="float" role="status"><b>{node.title.clone()}</b><br/><Entry node/></div> })}
                <Show when=move || map.with(Option::is_none)><p class="empty">{text("Loading…")}</p></Show>
            </div>
            <div class="status"><span class="mono">"kubectl get svc,endpointslice,pod -A"</span>
                <span class="push">{move || map.with(|map| map.as_ref().map(|map| map.missing.iter().map(words::say).collect::<Vec<_>>().join(" ")))}</span></div>
        </main>
    }
}

fn how(how: &str) -> &'static str {
    match how {
        "configured" => "as configured",
        "measured" => "as it reports itself",
        _ => "assumed",
    }
}

#[component]
fn Entry(node: Node) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let path = node.at.as_ref().and_then(crate::nav::path_of);
    let title = node.title;
    view! {
        <State level=node.level word=node.subtitle/>
        {node.say.as_ref().map(|say| view! { <p>{words::say(say)}</p> })}
        {match path {
            Some(path) => view! { " "<a class="act" href=move || nav.href(&path)>{text("Open")}" "{title}</a> }.into_any(),
            None => view! { " "<span class="mid">{title}</span> }.into_any(),
        }}
    }
}

fn apply(map: &mut Map, diff: &MapDiff) {
    if let Some(lanes) = &diff.lanes {
        map.lanes.clone_from(lanes);
    }
    let replaced = |key: &wire::Key| diff.set.iter().any(|node| node.key == *key) || diff.remove.contains(key);
    map.boxes.retain(|node| !replaced(&node.key));
    map.boxes.extend(diff.set.iter().cloned());
    map.boxes.sort_by_key(|node| node.key);
    map.edges.retain(|edge| {
        !diff.remove.contains(&edge.from)
            && !diff.remove.contains(&edge.to)
            && !diff.cut.contains(&(edge.from, edge.to))
            && !diff.edges.iter().any(|new| (new.from, new.to) == (edge.from, edge.to))
    });
    map.edges.extend(diff.edges.iter().cloned());
    map.edges.sort();
    (map.tally, map.proxy) = (diff.tally, diff.proxy.clone());
}
