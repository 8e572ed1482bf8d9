//! The Service map: what leads where, and where it breaks. A canvas, with the same as a list for those who do not see it.

use crate::nav::Nav;
use crate::parts::graph::Graph;
use crate::parts::mark::{Mark, class};
use crate::parts::standing::{Note, Standing};
use crate::words::{self, text};
use crate::{browser, link};
use leptos::prelude::*;
use wire::map::{Box as Node, Layer, Map, MapDiff};
use wire::{Server, View};

/// The page.
#[component]
pub(crate) fn MapPage() -> impl IntoView {
    let nav = expect_context::<Nav>();
    let map = RwSignal::new(None::<Map>);
    let base = RwSignal::new(0_u32);
    let selected = RwSignal::new(None::<wire::Key>);
    let find = RwSignal::new(String::new());
    // A narrow page has no room for five columns: it begins with the list.
    let list = Memo::new(move |_| {
        nav.redraw.track();
        match nav.query("view").as_str() {
            "table" => true,
            "map" => false,
            _ => browser::narrow(),
        }
    });
    let view = move |name: &'static str| nav.set(&[("view", name)]);
    let standing = RwSignal::new(Standing::default());
    let heard = move |frame: &Server| _ = standing.try_update(|standing| standing.hear(frame));
    link::watch(
        move || View::Map { namespaces: nav.namespaces.get() },
        move |frame| {
            heard(frame);
            match frame {
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
            }
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
                <h1>{text!("Map")}</h1>
                <span class="seg" role="group" aria-label=text!("View")>
                    <button aria-pressed=move || (!list.get()).to_string() on:click=move |_| view("map")>{text!("Map")}</button>
                    <button aria-pressed=move || list.get().to_string() on:click=move |_| view("table")>{text!("Table")}</button>
                </span>
                <div class="input"><input id="find" type="search" aria-label=text!("Find on the map") placeholder=text!("Find on the map") prop:value=move || find.get()
                    on:input=move |event| {
                        find.set(event_target_value(&event));
                        selected.set(if find.with_untracked(String::is_empty) { None } else { best(&shown(), &find.get_untracked()) });
                    }
                    on:keydown=|event| if event.key() == "Enter" { event.prevent_default(); browser::focus("canvas"); }/></div>
                {move || map.with(|map| map.as_ref().map(|map| {
                    let tally = map.tally;
                    let proxy = if map.proxy.mode.is_empty() { text!("kube-proxy: mode unknown").to_owned() } else { words::with(text!("kube-proxy: {mode}, {how}"), &[("mode", &map.proxy.mode), ("how", how(&map.proxy.how))]) };
                    view! {
                        <span class="chip bad"><b>{tally.broken}</b>" "{text!("refused")}</span>
                        <span class="chip"><b>{tally.partial}</b>" "{text!("partly ready")}</span>
                        <span class="chip"><b>{tally.answering}</b>" "{text!("answer")}</span>
                        <span class="dim push" title=map.proxy.evidence.clone()>{proxy}</span>
                    }
                }))}
            </div>
            <Note standing what=text!("objects")/>
            <div class="map">
                <Show when=move || !list.get()><Graph map selected/></Show>
                <ul class=move || if list.get() { "mirror" } else { "spoken" }>
                    {move || listed(shown()).into_iter().map(|node| view! { <li><Entry node/></li> }).collect_view()}
                </ul>
                <Show when=move || list.get() && map.with(Option::is_some) && shown().is_empty()><p class="empty" role="status">{move || words::with(text!("Nothing on the map is called “{name}”."), &[("name", &find.get())])}</p></Show>
                {move || card().filter(|_| !list.get()).map(|node| view! { <div class="float" role="status"><Entry node/></div> })}
                <Show when=move || map.with(Option::is_none) && standing.with(|standing| standing.sentence("").is_none())><p class="empty">{text!("Loading…")}</p></Show>
            </div>
            <div class="status"><span class="mono">"kubectl get svc,endpointslice,pod -A"</span>
                <span class="push">{move || map.with(|map| map.as_ref().map(scope))}</span></div>
        </main>
    }
}

fn how(how: &str) -> &'static str {
    match how {
        "configured" => text!("as configured"),
        "measured" => text!("as it reports itself"),
        _ => text!("assumed"),
    }
}

/// The map as a list, worst first. What there is to say of endpoints their Service says.
fn listed(mut boxes: Vec<Node>) -> Vec<Node> {
    boxes.retain(|node| node.layer != Layer::Endpoints);
    boxes.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| (a.layer, a.row).cmp(&(b.layer, b.row))));
    boxes
}

/// Of what a search finds: what is called just so, then what stands further to the left.
fn best(found: &[Node], wanted: &str) -> Option<wire::Key> {
    found.iter().min_by_key(|node| (node.title != wanted, node.layer, node.row)).map(|node| node.key)
}

/// What is on the map, and what could not be read.
fn scope(map: &Map) -> String {
    let lanes = map.lanes.iter().filter(|lane| !lane.namespace.is_empty()).count();
    let all = words::with(text!("{n} namespaces; nothing left out"), &[("n", &lanes.to_string())]);
    let missing: Vec<String> = map.missing.iter().map(words::say).collect();
    if missing.is_empty() { all } else { missing.join(" ") }
}

#[component]
fn Entry(node: Node) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let path = node.at.as_ref().and_then(crate::nav::path_of);
    let namespace = node.at.as_ref().map(|at| at.namespace.clone()).filter(|namespace| !namespace.is_empty());
    let title =
        view! { <Mark level=node.level/><i>{namespace.map(|namespace| format!("{namespace}/"))}</i>{node.title} };
    view! {
        {match path {
            Some(path) => view! { <a class=format!("name st {}", class(node.level)) href=move || nav.href(&path)>{title}</a> }.into_any(),
            None => view! { <span class=format!("name st {}", class(node.level))>{title}</span> }.into_any(),
        }}
        " "<span class="dim">{node.subtitle}</span>
        {node.say.as_ref().map(|say| view! { <p>{words::say(say)}</p> })}
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
