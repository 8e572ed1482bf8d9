//! The top bar: cluster, namespaces, the link, the person.

use crate::link::{self, Status, Way};
use crate::nav::Nav;
use crate::words::{self, text};
use crate::{browser, session};
use leptos::prelude::*;
use wire::overview::Namespaces;
use wire::session::Session;

/// Taffrail's sign.
#[component]
pub(crate) fn Brand() -> impl IntoView {
    view! {
        <div class="brand">
            <svg viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linecap="round" aria-hidden="true">
                <path d="M2 5h16M4.5 5v4M10 5v4M15.5 5v4M2 9h16"/><path d="M10 9c0 5 3 7 7 8" opacity=".55"/>
            </svg>
            "Taffrail"
        </div>
    }
}

/// The bar.
#[component]
pub(crate) fn Bar(
    session: Session,
    names: RwSignal<Option<Namespaces>>,
    out: impl Fn() + Clone + Send + Sync + 'static,
) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let (picking, menu) = (RwSignal::new(false), RwSignal::new(false));
    let (place, status, way) = (link::place(), link::status(), link::way());
    let chosen = move || {
        let chosen = nav.namespaces.get();
        match (chosen.as_slice(), names.with(|names| names.as_ref().map(|names| names.names.len()))) {
            ([], Some(all)) => format!("{} {all}", text!("all")),
            ([], None) => text!("all").to_owned(),
            ([one], _) => one.clone(),
            (some, _) => some.len().to_string(),
        }
    };
    let link_state = status.clone();
    let link_text = move || match link_state.get() {
        Status::Connecting => text!("connecting").to_owned(),
        Status::Live(at) => {
            let age = (nav.clock.get() - place.get().skew - at).max(0) / 1000;
            words::with(text!("live, {n} s ago"), &[("n", &age.to_string())])
        }
        Status::Lost(tries, at) => {
            let wait = (at - (nav.clock.get() - place.get().skew)).max(0) / 1000;
            words::with(
                text!("reconnecting ({n}), next in {s} s"),
                &[("n", &tries.to_string()), ("s", &wait.to_string())],
            )
        }
    };
    let link_class = move || match status.get() {
        Status::Live(_) => "link",
        Status::Connecting => "link busy",
        Status::Lost(..) => "link bad",
    };
    let link_way = move || match way.get() {
        Way::Socket => text!("over a WebSocket"),
        Way::Stream => text!("over plain requests: something on the way lets no WebSocket through"),
    };
    let cluster = link::place();
    let initials: String = session.user.rsplit(':').next().unwrap_or_default().chars().take(2).collect();
    let person = StoredValue::new(session);
    let out = StoredValue::new(out);
    let shut = move || {
        picking.set(false);
        menu.set(false);
    };
    let elsewhere = window_event_listener(leptos::ev::click, move |event| {
        if !browser::within(&event, ".bar") {
            shut();
        }
    });
    on_cleanup(move || elsewhere.remove());
    view! {
        <header class="bar" on:click=move |event| nav.follow(&event) on:keydown=move |event| if event.key() == "Escape" && (picking.get() || menu.get()) {
            // The drawer below does not close with the menu above it.
            event.stop_propagation();
            browser::focus(if picking.get() { "namespaces" } else { "you" });
            shut();
        }>
            <a class="home" href=move || nav.href("")><Brand/></a>
            <span class="pick cluster">{text!("Cluster")}" "<b>{move || cluster.get().cluster}</b></span>
            <button class="pick" id="namespaces" aria-haspopup="true" aria-expanded=move || picking.get().to_string() on:click=move |_| { menu.set(false); picking.update(|on| *on = !*on); }>
                {text!("Namespaces")}" "<b>{chosen}</b>" "<i aria-hidden="true">"▾"</i>
            </button>
            <div class="end">
                <span class=link_class role="status" title=link_way>{link_text}</span>
                <button class="who" id="you" title=text!("You") aria-haspopup="true" aria-expanded=move || menu.get().to_string() on:click=move |_| { picking.set(false); menu.update(|on| *on = !*on); }>
                    {initials.to_ascii_uppercase()}
                </button>
            </div>
            <Show when=move || picking.get()><Picker names/></Show>
            <Show when=move || menu.get()>
                <div class="menu" role="group" aria-label=text!("You")>
                    <b>{person.with_value(|person| person.user.clone())}</b>
                    <p>{person.with_value(|person| person.groups.join(", "))}</p>
                    <p>{text!("Session ends in")}" "{move || person.with_value(|person| wire::age::human((person.expires - nav.clock.get()).max(0)))}</p>
                    {person.with_value(|person| person.notes.iter().map(|note| view! { <p>{words::say(note)}</p> }).collect_view())}
                    <button on:click=move |_| { flip_theme(); nav.redraw.update(|count| *count += 1); }>{text!("Other theme")}</button>
                    <button on:click=|_| flip_language()>{words::other_language()}</button>
                    <button on:click=move |_| {
                        let proof = person.with_value(|person| person.proof.clone());
                        let out = out.get_value();
                        wasm_bindgen_futures::spawn_local(async move {
                            session::sign_out(&proof).await;
                            out();
                            browser::reload();
                        });
                    }>{text!("Sign out")}</button>
                </div>
            </Show>
        </header>
    }
}

pub(crate) fn flip_theme() {
    browser::set_theme(if browser::theme() == "light" { "dark" } else { "light" });
}

pub(crate) fn flip_language() {
    browser::store("language", if words::chinese() { "en" } else { "zh" });
    browser::reload();
}

/// Which namespaces: none chosen means all.
#[component]
fn Picker(names: RwSignal<Option<Namespaces>>) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let filter = RwSignal::new(String::new());
    let toggle = move |name: &str| {
        let mut chosen = nav.namespaces.get_untracked();
        match chosen.iter().position(|known| known == name) {
            Some(at) => {
                chosen.remove(at);
            }
            None => chosen.push(name.to_owned()),
        }
        nav.set(&[("ns", &chosen.join(","))]);
    };
    let shown = move || {
        let filter = filter.get();
        names.with(|names| {
            names.iter().flat_map(|names| names.names.clone()).filter(|name| name.contains(&filter)).collect::<Vec<_>>()
        })
    };
    request_animation_frame(|| browser::focus("namespace-filter"));
    view! {
        <div class="menu left" role="group" aria-label=text!("Namespaces")>
            <div class="input"><input id="namespace-filter" aria-label=text!("Filter") placeholder=text!("Filter") prop:value=move || filter.get() on:input=move |event| filter.set(event_target_value(&event))/></div>
            <button on:click=move |_| nav.set(&[("ns", "")])>{text!("all")}</button>
            <For each=shown key=Clone::clone children=move |name| {
                let (known, label) = (name.clone(), name.clone());
                view! {
                    <label><input type="checkbox" prop:checked=move || nav.namespaces.get().contains(&known) on:change=move |_| toggle(&name)/>{label}</label>
                }
            }/>
        </div>
    }
}
