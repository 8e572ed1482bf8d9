//! The rail: where one can go, with how many there are and how many need a person.

use crate::format;
use crate::nav::{Nav, Page};
use crate::words::{plural, text, with};
use leptos::prelude::*;
use wire::Kind;
use wire::chart::Metric;
use wire::overview::Namespaces;

/// The rail, and at its foot what Taffrail knows and costs.
#[component]
pub(crate) fn Rail(names: RwSignal<Option<Namespaces>>) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let kind = move |kind: Kind| {
        let counts = move || {
            names.with(|names| {
                let (_, total, bad) = names.as_ref()?.counts.iter().find(|(word, ..)| word == kind.word())?;
                Some((*total, *bad))
            })
        };
        let here = move || matches!(nav.page.get(), Page::List(shown, _) if shown == kind);
        view! {
            <a href=move || nav.href(kind.word()) class:on=here aria-current=move || here().then_some("page")>
                {plural(kind)}
                {move || counts().map(|(total, bad)| view! {
                    {(bad > 0).then(|| view! { <em><span class="spoken">{text!("need attention")}" "</span>{bad}</em> })}
                    <span>{total}</span>
                })}
            </a>
        }
    };
    let plain = move |page: Page, path: &'static str, title: &'static str| {
        let shown = page.clone();
        let here = move || nav.page.get() == shown;
        let current = move || (nav.page.get() == page).then_some("page");
        view! { <a href=move || nav.href(path) class:on=here aria-current=current>{title}</a> }
    };
    view! {
        <nav class="rail" aria-label=text!("Pages") on:click=move |event| nav.follow(&event)>
            {plain(Page::Overview, "", text!("Overview"))}
            <h6>{text!("Compute")}</h6>
            {kind(Kind::Node)}{kind(Kind::Pod)}{kind(Kind::Deployment)}
            // For who looks after nodes.
            {move || names.with(|names| names.as_ref().is_some_and(|own| own.kubelets.is_some())).then(|| plain(Page::Coverage, "coverage", text!("Coverage")))}
            <h6>{text!("Network")}</h6>
            {plain(Page::Map, "map", text!("Map"))}{kind(Kind::Service)}
            <div class="foot">
                {move || names.with(|names| names.as_ref().map(|own| {
                    let kubelets = own.kubelets.filter(|(_, all)| *all > 0).map(|(good, all)| with(text!("{good} of {all} kubelets answer"), &[("good", &good.to_string()), ("all", &all.to_string())]));
                    let (cpu, memory) = own.own;
                    let (cpu, memory) = (format::both(f64::from(cpu), Metric::Cpu), format::both(f64::from(memory), Metric::Memory));
                    let cost = with(text!("Taffrail itself: {cpu}, {memory}"), &[("cpu", &cpu), ("memory", &memory)]);
                    view! { {kubelets.map(|kubelets| view! { {kubelets}<br/> })}{cost} }
                }))}
            </div>
        </nav>
    }
}
