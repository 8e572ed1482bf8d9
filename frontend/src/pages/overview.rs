//! The first page: what needs a person, and how full the cluster is.

use crate::nav::Nav;
use crate::parts::item::item;
use crate::parts::mark::{State, class};
use crate::parts::plot::{Crosshair, Plot, watch_chart};
use crate::parts::standing::{Note, Standing};
use crate::parts::usage::Gauge;
use crate::words::{self, text};
use crate::{browser, format, link};
use leptos::prelude::*;
use wire::chart::{Metric, Target};
use wire::overview::{Gauge as Full, NodeTile, Overview};
use wire::table::Tally;
use wire::{Level, Server, View};

/// The page.
#[component]
pub(crate) fn OverviewPage() -> impl IntoView {
    let nav = expect_context::<Nav>();
    provide_context(Crosshair(RwSignal::new(None)));
    let page = RwSignal::new(None::<Overview>);
    let standing = RwSignal::new(Standing::default());
    link::watch(
        move || View::Overview { namespaces: nav.namespaces.get() },
        move |frame| {
            standing.try_update(|standing| standing.hear(frame));
            if let Server::Overview { overview, .. } = frame {
                page.try_set(Some(overview.clone()));
            }
            true
        },
    );
    // Half of the cluster is not shown as if it were all of it.
    let known = move || page.get().filter(|_| !standing.with(Standing::loading));
    let range = Memo::new(move |_| nav.query("range").parse().unwrap_or(3600_u32));
    let all = RwSignal::new(false);
    let target = Memo::new(move |_| match nav.namespaces.get().as_slice() {
        [one] => Target::Namespace(one.clone()),
        _ => Target::Cluster,
    });
    let ranges = [(900, text!("15 min")), (3600, text!("1 h")), (21_600, text!("6 h")), (86_400, text!("24 h"))];
    view! {
        <main class="page">
            <div class="head">
                <h1>{move || known().map_or_else(|| text!("Loading…").to_owned(), |page| words::needs(page.attention_total))}</h1>
                <div class="right"><span class="seg" role="group" aria-label=text!("Time range")>
                    {ranges.map(|(seconds, title)| view! {
                        <button aria-pressed=move || (range.get() == seconds).to_string() on:click=move |_| nav.set(&[("range", &seconds.to_string())])>{title}</button>
                    })}
                </span></div>
            </div>
            <Note standing what=text!("objects")/>
            <div class="board over">
                {move || {
                    let target = target.get();
                    view! { <Fill title=text!("CPU") metric=Metric::Cpu target=target.clone() range page/> <Fill title=text!("Memory") metric=Metric::Memory target range page/> }
                }}
                {move || known().map(|page| view! {
                    <section class="panel tall"><header><h2>{text!("Needs attention")}</h2><span class="right">{text!("worst first")}</span></header>
                        <div class="att" class:all=move || all.get()>{page.attention.iter().map(|one| item(one.level, &one.at, "", words::say(&one.say), one.since)).collect_view()}</div>
                        // Only a narrow page, where the list stands above all else, begins with its worst.
                        {(page.attention_total > 6).then(|| view! {
                            <button class="more" aria-expanded=move || all.get().to_string() on:click=move |_| all.update(|all| *all = !*all)>
                                {move || if all.get() { text!("Show fewer").to_owned() } else { words::with(text!("Show all {n}"), &[("n", &page.attention_total.to_string())]) }}
                            </button>
                        })}
                        {(page.attention_total == 0).then(|| view! { <div class="in mid">{text!("Nothing is broken in this scope.")}</div> })}
                    </section>
                    {page.nodes.map(|nodes| view! {
                        <section class="panel wide"><header><h2>{text!("Nodes")}</h2><span class="right">{text!("used of allocatable; the tick is what is requested")}</span></header>
                            <div class="in"><div class="nodes">{nodes.into_iter().map(|tile| view! { <Tile tile/> }).collect_view()}</div></div>
                        </section>
                    })}
                    <Pods pods=page.pods total=page.pods_total restarts=page.restarts/>
                })}
            </div>
        </main>
    }
}

#[component]
fn Fill(
    title: &'static str,
    metric: Metric,
    target: Target,
    #[prop(into)] range: Signal<u32>,
    page: RwSignal<Option<Overview>>,
) -> impl IntoView {
    let chart = watch_chart(target, metric, range);
    let full =
        move || page.with(|page| page.as_ref().map(|page| if metric == Metric::Cpu { page.cpu } else { page.memory }));
    view! {
        <section class="panel">
            <header><h2>{title}</h2><span class="right">{move || full().map(|full| words::with(text!("of {amount}"), &[("amount", &format::both(full.capacity, metric))]))}</span></header>
            <div class="in">
                {move || full().map(|full: Full| {
                    let (number, unit) = format::amount(full.used, metric);
                    let used = format::percent(format::share(full.used, full.allocatable));
                    let requested = format::percent(format::share(full.requested, full.allocatable));
                    let (big, shares) = if full.used.is_finite() {
                        let shares = words::with(text!("{used} used, {requested} requested"), &[("used", &used), ("requested", &requested)]);
                        (view! { <span class="big">{number}<span class="unit">{unit}</span></span>" " }.into_any(), shares)
                    } else {
                        let shares = words::with(text!("usage unknown, {requested} requested"), &[("requested", &requested)]);
                        (().into_any(), shares)
                    };
                    view! { <div class="fill">{big}<span class="mid">{shares}</span></div> }
                })}
                <Plot chart metric tall=true/>
            </div>
        </section>
    }
}

#[component]
fn Tile(tile: NodeTile) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let path = crate::nav::object_path(wire::Kind::Node, "", &tile.name);
    let gauge = |word: &'static str, full: Full| {
        let share = format::share(full.used, full.allocatable);
        view! { <div class="g">{word}<Gauge share tick=format::share(full.requested, full.allocatable)/><span>{format::percent(share)}</span></div> }
    };
    let known = tile.cpu.used.is_finite() || tile.memory.used.is_finite();
    let since = tile.since;
    let state = match tile.level {
        Level::Good => view! { <span class="dim">{words::count(tile.pods, wire::Kind::Pod)}</span> }.into_any(),
        level => {
            view! { <State level word=words::word(&tile.status)/><span class="dim">{move || nav.age(since)}</span> }
                .into_any()
        }
    };
    let heard = if tile.heard > 0 {
        words::with(text!("last heard {time}"), &[("time", &browser::clock(tile.heard))])
    } else {
        text!("never heard").to_owned()
    };
    view! {
        <a class=format!("node {}", class(tile.level)) href=move || nav.href(&path)>
            <b>{tile.name}" "{state}</b>
            {if known {
                view! { {gauge(text!("cpu"), tile.cpu)}{gauge(text!("mem"), tile.memory)} }.into_any()
            } else {
                view! { <div class="g one">{heard}</div><div class="g one">{tile.problem.as_ref().map_or_else(|| text!("usage unknown").to_owned(), |say| words::headline(&words::say(say)).0)}</div> }.into_any()
            }}
        </a>
    }
}

#[component]
fn Pods(pods: Vec<Tally>, total: u32, restarts: u32) -> impl IntoView {
    let bar = pods
        .iter()
        .filter(|tally| tally.count > 0)
        .map(|tally| view! { <i class=class(tally.level) style=("--n", tally.count.to_string())></i> })
        .collect_view();
    let legend = pods
        .into_iter()
        .map(|tally| view! { <State level=tally.level word=format!("{} {}", tally.count, words::lower(&tally.word))/> })
        .collect_view();
    view! {
        <section class="panel wide"><header><h2>{text!("Pods")}</h2><span class="right">{total}</span></header>
            <div class="in"><div class="stack" aria-hidden="true">{bar}</div>
                <div class="legend">{legend}<span class="dim push">{words::with(text!("{n} restarts in the last hour"), &[("n", &restarts.to_string())])}</span></div>
            </div>
        </section>
    }
}
