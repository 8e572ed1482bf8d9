//! Scrape coverage: which kubelets answer, how old what autoscalers see is, and why pods are missing.
//!
//! Written with few shapes of markup: each one costs bytes in every first load.

use crate::nav::Nav;
use crate::parts::item::item;
use crate::parts::mark::class;
use crate::parts::standing::{Note, Standing};
use crate::words::{self, text};
use crate::{format, link};
use leptos::prelude::*;
use wire::chart::Metric;
use wire::coverage::{Coverage, CoveredNode};
use wire::{Kind, Level, Ref, Server, View};

/// Rows of the list of kubelets; the squares show all of them.
const ROWS: usize = 200;

/// The page.
#[component]
pub(crate) fn CoveragePage() -> impl IntoView {
    let page = RwSignal::new(None::<Coverage>);
    let standing = RwSignal::new(Standing::default());
    // A reason that the lists are restricted to.
    let only = RwSignal::new(String::new());
    link::watch(
        || View::Coverage,
        move |frame| {
            standing.try_update(|standing| standing.hear(frame));
            if let Server::Coverage { coverage, .. } = frame {
                page.try_set(Some(coverage.clone()));
            }
            true
        },
    );
    let known = move || page.get().filter(|_| !standing.with(Standing::loading));
    let title = move || {
        let Some(page) = known() else { return text!("Coverage").to_owned() };
        let good = page.nodes.iter().filter(|node| node.heard > 0 && node.failures == 0).count();
        words::with(
            text!("{good} of {all} kubelets answer"),
            &[("good", &good.to_string()), ("all", &page.nodes_total.to_string())],
        )
    };
    view! {
        <main class="page">
            <div class="head"><h1>{title}</h1></div>
            <Note standing what=text!("nodes")/>
            <div class="board cover">{move || known().map(|page| parts(page, only))}</div>
        </main>
    }
}

fn parts(page: Coverage, only: RwSignal<String>) -> impl IntoView {
    let mut failing: Vec<(String, u32)> = Vec::new();
    for code in page.nodes.iter().filter_map(|node| Some(&node.problem.as_ref()?.code)) {
        match failing.iter_mut().find(|(known, _)| known == code) {
            Some((_, count)) => *count += 1,
            None => failing.push((code.clone(), 1)),
        }
    }
    let count = page.pods_total.saturating_sub(page.pods_served);
    let facts = facts(&page);
    let Coverage { nodes, reasons, missing, .. } = page;
    let more = [nodes.len().saturating_sub(ROWS), (count as usize).saturating_sub(missing.len())];
    let squares = nodes.iter().map(|node| square(node, only)).collect_view();
    let (nodes, missing) = (StoredValue::new(nodes), StoredValue::new(missing));
    let rows = move || {
        let shown = |node: &&CoveredNode| chosen(only, node.problem.as_ref().map(|problem| &*problem.code));
        nodes.with_value(|nodes| nodes.iter().filter(shown).take(ROWS).map(scrape).collect_view())
    };
    let gaps = move || {
        missing.with_value(|missing| {
            let shown = missing.iter().filter(|gap| chosen(only, Some(&gap.say.code)));
            let line =
                |gap: &wire::coverage::Gap| item(Level::Warn, &gap.at, gap.say.arg("waiting"), words::say(&gap.say), 0);
            shown.map(line).collect_view()
        })
    };
    [
        panel("", text!("As autoscalers see it"), facts, ().into_any(), 0),
        panel(
            "",
            text!("Kubelets"),
            chips(failing, only),
            view! { <div class="squares">{squares}</div> }.into_any(),
            0,
        ),
        panel(
            "tall",
            text!("Pods with gaps"),
            chips(reasons, only),
            view! { <div class="att all">{gaps}</div> }.into_any(),
            more[1],
        ),
        panel("wide", text!("Scrapes"), ().into_any(), view! { <div class="att all">{rows}</div> }.into_any(), more[0]),
    ]
}

fn panel(place: &'static str, title: &'static str, head: AnyView, body: AnyView, more: usize) -> AnyView {
    let more = (more > 0).then(|| words::with(text!("and {n} more"), &[("n", &more.to_string())]));
    view! {
        <section class=format!("panel {place}")><header><h2>{title}</h2></header><div class="in">{head}</div>{body}<p class="in mid">{more}</p></section>
    }
    .into_any()
}

/// What `metrics.k8s.io` answers with.
fn facts(page: &Coverage) -> AnyView {
    let of = |part: u32, all: u32| {
        words::with(text!("{part} of {all}"), &[("part", &part.to_string()), ("all", &all.to_string())])
    };
    let mut facts = vec![
        (text!("Nodes"), of(page.nodes_served, page.nodes_total)),
        (text!("Running pods"), of(page.pods_served, page.pods_total)),
    ];
    if let Some(fresh) = page.fresh {
        facts.push((text!("Age, median"), seconds(fresh.median)));
        facts.push((text!("Age, 99 %"), seconds(fresh.worst)));
        facts.push((text!("Longest window"), seconds(fresh.window)));
    }
    let facts = facts.into_iter().map(|(name, value)| view! { <dt>{name}</dt><dd>{value}</dd> }).collect_view();
    view! { <dl>{facts}</dl> }.into_any()
}

/// Reasons, to choose one.
fn chips(reasons: Vec<(String, u32)>, only: RwSignal<String>) -> AnyView {
    let chip = |(code, count): (String, u32)| {
        let (this, name) = (code.clone(), code.clone());
        let choose = move |_| only.update(|only| *only = if *only == this { String::new() } else { this.clone() });
        view! { <button class="chip" aria-pressed=move || (only.get() == code).to_string() on:click=choose>{name}" "<b>{count}</b></button> }
    };
    view! { <div class="labels">{reasons.into_iter().map(chip).collect_view()}</div> }.into_any()
}

fn chosen(only: RwSignal<String>, code: Option<&str>) -> bool {
    only.with(|only| only.is_empty() || code == Some(only.as_str()))
}

fn square(node: &CoveredNode, only: RwSignal<String>) -> impl IntoView + use<> {
    let nav = expect_context::<Nav>();
    let code = node.problem.as_ref().map(|problem| problem.code.clone());
    let title = format!("{} {}", node.name, code.clone().unwrap_or_default());
    let (level, at, spoken) = (class(node.level), of_node(node), title.clone());
    let class = move || format!("{level}{}", if chosen(only, code.as_deref()) { "" } else { " off" });
    view! { <a class=class title=title aria-label=spoken href=move || nav.href_of(&at)></a> }
}

fn scrape(node: &CoveredNode) -> AnyView {
    let nav = expect_context::<Nav>();
    let state = match node.level {
        Level::Good => text!("answers"),
        Level::Warn => text!("served with a reservation"),
        Level::Busy => text!("waiting"),
        Level::Bad | Level::Gone => text!("not served"),
    };
    let mut facts = vec![state.to_owned()];
    let mut add = |name: &str, value: String| facts.push(format!("{name} {value}"));
    if node.heard > 0 {
        add(text!("Last scrape"), nav.age(node.heard));
        add(text!("Took"), format!("{} ms, {}", node.took, format::both(f64::from(node.bytes), Metric::Memory)));
    }
    if node.window.is_finite() {
        add(text!("Sample age"), seconds(node.age));
        add(text!("Window"), seconds(node.window));
    }
    if node.failures > 0 {
        add(text!("Failed"), node.failures.to_string());
    }
    let problem = node.problem.as_ref().map(words::say).unwrap_or_default();
    item(node.level, &of_node(node), &facts.join(" · "), problem, 0)
}

fn of_node(node: &CoveredNode) -> Ref {
    Ref { kind: Kind::Node.name().into(), namespace: String::new(), name: node.name.clone() }
}

fn seconds(value: f32) -> String {
    format!("{:.1} s", f64::from(value))
}
