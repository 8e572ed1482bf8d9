//! Who is here, the shell, and which page is shown.

use crate::nav::{Nav, Page};
use crate::pages::{
    coverage::CoveragePage, list::List, login::Login, map::MapPage, object::Drawer, overview::OverviewPage,
};
use crate::parts::{bar::Bar, rail::Rail};
use crate::words::{self, text};
use crate::{browser, link, session};
use leptos::prelude::*;
use wire::overview::Namespaces;
use wire::session::Session;
use wire::{Millis, Say, Server, View};

/// Where sign-in stands.
#[derive(Clone, Debug)]
enum Who {
    Asking,
    Nobody,
    Somebody(Session),
    /// The server cannot be asked.
    Away(Say),
}

/// The application.
#[component]
pub(crate) fn App() -> impl IntoView {
    let who = RwSignal::new(Who::Asking);
    wasm_bindgen_futures::spawn_local(async move {
        who.set(match session::current().await {
            Ok(Some(session)) => Who::Somebody(session),
            Ok(None) => Who::Nobody,
            Err(say) => Who::Away(say),
        });
    });
    // Whether this page signed in, and did not find a session.
    let fresh = StoredValue::new(false);
    move || match who.get() {
        Who::Asking => ().into_any(),
        Who::Nobody => {
            view! { <Login done=move |session| { fresh.set_value(true); who.set(Who::Somebody(session)); }/> }
                .into_any()
        }
        Who::Away(say) => view! {
            <main class="login"><div class="card"><h1>"Taffrail"</h1><p class="mid">{words::say(&say)}</p>
                <div class="row"><button class="btn" on:click=|_| browser::reload()>{text!("Try again")}</button></div>
            </div></main>
        }
        .into_any(),
        Who::Somebody(session) => {
            view! { <Shell session fresh=fresh.get_value() out=move || who.set(Who::Nobody)/> }.into_any()
        }
    }
}

/// Rail, bar and page of a signed-in person.
#[component]
fn Shell(
    session: Session,
    /// Whether the person has just signed in.
    fresh: bool,
    /// Called when the session has ended.
    out: impl Fn() + Clone + Send + Sync + 'static,
) -> impl IntoView {
    let nav = Nav::new();
    provide_context(nav);
    let proof = session.proof.clone();
    let ended = out.clone();
    wasm_bindgen_futures::spawn_local(async move {
        link::run(proof).await;
        ended();
    });
    // The kubeconfig's namespace, where no other page was asked for.
    if let Some(namespace) =
        session.namespace.as_deref().filter(|_| fresh && nav.page.get_untracked() == Page::Overview)
        && nav.namespaces.get_untracked().is_empty()
    {
        nav.set(&[("ns", namespace)]);
    }
    let (expires, notes) = (session.expires, session.notes.clone());
    let place = link::place();
    let skew = place.clone();
    let ticking = set_interval_with_handle(
        move || {
            link::tick();
            nav.clock.set(browser::now() + skew.get_untracked().skew);
        },
        std::time::Duration::from_secs(1),
    );
    let resized = window_event_listener(leptos::ev::resize, move |_| nav.redraw.update(|count| *count += 1));
    on_cleanup(move || {
        if let Ok(handle) = ticking {
            handle.clear();
        }
        resized.remove();
    });
    let names = RwSignal::new(None::<Namespaces>);
    link::watch(
        || View::Namespaces,
        move |frame| {
            if let Server::Namespaces { namespaces, .. } = frame {
                names.set(Some(namespaces.clone()));
            }
            true
        },
    );
    Effect::new(move |_| browser::set_title(&format!("{} · {}", title(&nav.page.get()), place.get().cluster)));
    let kind = Memo::new(move |_| match nav.page.get() {
        Page::List(kind, _) => Some(kind),
        Page::Overview | Page::Map | Page::Coverage | Page::Unknown => None,
    });
    let drawer = Memo::new(move |_| match nav.page.get() {
        Page::List(kind, Some(at)) => Some((kind, at)),
        _ => None,
    });
    let plain = Memo::new(move |_| match nav.page.get() {
        Page::List(..) => None,
        page => Some(page),
    });
    view! {
        // The base is the application's, so an address of a part of the page would lead to the first page.
        <a class="skip" href="#main" on:click=|event| { event.prevent_default(); browser::focus("main"); }>{text!("Skip to content")}</a>
        <Bar session names out/>
        <Rail names/>
        <div class="main" id="main" tabindex="-1" on:click=move |event| nav.follow(&event)>
            <Notices notes expires/>
            {move || kind.get().map(|kind| view! { <List kind/> })}
            {move || drawer.get().map(|(kind, (namespace, name))| view! { <Drawer kind namespace name/> })}
            {move || plain.get().map(|page| match page {
                Page::Overview => view! { <OverviewPage/> }.into_any(),
                Page::Map => view! { <MapPage/> }.into_any(),
                Page::Coverage => view! { <CoveragePage/> }.into_any(),
                Page::List(..) | Page::Unknown => view! {
                    <main class="page"><h1>{text!("No such page")}</h1>
                        <p class="mid">{text!("Nothing lives at this address.")}</p><p><a class="act" href=move || nav.href("")>{text!("Overview")}</a></p>
                    </main>
                }.into_any(),
            })}
        </div>
    }
}

/// How long before its end a session says so.
const WARNING: Millis = 5 * 60_000;

/// What the person should know on every page: about the session, and what the server says.
#[component]
fn Notices(
    /// Of the sign-in.
    notes: Vec<Say>,
    /// When the session ends.
    expires: Millis,
) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let told = link::notice();
    let close = told.clone();
    let seen = RwSignal::new(false);
    let left = Memo::new(move |_| {
        let left = expires - nav.clock.get();
        (0..WARNING).contains(&left).then(|| wire::age::human(left))
    });
    let notes = StoredValue::new(notes);
    view! {
        <div class="notices" role="status">
            {move || left.get().map(|left| view! { <div class="note">{words::with(text!("Your session ends in {time}. Sign out and in again to go on."), &[("time", &left)])}</div> })}
            {move || notes.with_value(|notes| (!seen.get() && !notes.is_empty()).then(|| view! {
                <div class="note">{notes.iter().map(words::say).collect::<Vec<_>>().join(" ")}<button class="push" on:click=move |_| seen.set(true)>{text!("Close")}</button></div>
            }))}
            {move || told.get().map(|say| { let close = close.clone(); view! {
                <div class="note">{words::say(&say)}<button class="push" on:click=move |_| close.set(None)>{text!("Close")}</button></div>
            }})}
        </div>
    }
}

fn title(page: &Page) -> String {
    match page {
        Page::Overview => text!("Overview").to_owned(),
        Page::Map => text!("Map").to_owned(),
        Page::Coverage => text!("Coverage").to_owned(),
        Page::List(_, Some((_, name))) => name.clone(),
        Page::List(kind, None) => words::plural(*kind).to_owned(),
        Page::Unknown => "Taffrail".to_owned(),
    }
}
