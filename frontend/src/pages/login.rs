//! Sign-in. Helps before it refuses: which cluster this is, what is wrong with a credential, what makes a better one.

use crate::kubeconfig::{self, Context};
use crate::parts::bar::{Brand, flip_language, flip_theme};
use crate::words::{self, text};
use crate::{browser, session, token};
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;
use wire::Say;
use wire::session::{Credential, Place, Session};

/// The page.
#[component]
pub(crate) fn Login(done: impl Fn(Session) + Copy + Send + Sync + 'static) -> impl IntoView {
    let place = RwSignal::new(None::<Place>);
    let refusal = RwSignal::new(None::<Say>);
    let busy = RwSignal::new(false);
    let file = RwSignal::new(false);
    let pasted = RwSignal::new(String::new());
    let contexts = RwSignal::new(Vec::<Context>::new());
    let chosen = RwSignal::new(0_usize);
    spawn_local(async move {
        match session::place().await {
            Ok(found) => place.set(Some(found)),
            Err(say) => refusal.set(Some(say)),
        }
    });
    let open = move || {
        browser::secure() || browser::local() || place.with(|place| place.as_ref().is_some_and(|place| place.insecure))
    };
    let submit = move |credential: Credential, namespace: Option<String>| {
        busy.set(true);
        refusal.set(None);
        spawn_local(async move {
            match session::sign_in(credential, namespace).await {
                Ok(session) => done(session),
                Err(say) => refusal.set(Some(say)),
            }
            busy.set(false);
        });
    };
    let read = move |content: String| match kubeconfig::contexts(&content) {
        Ok(found) => {
            refusal.set(None);
            chosen.set(found.iter().position(|context| context.credential.is_ok()).unwrap_or(0));
            contexts.set(found);
            file.set(true);
        }
        Err(say) => {
            contexts.set(Vec::new());
            refusal.set(Some(say));
        }
    };
    let go = move || {
        if file.get_untracked() {
            let context = contexts.with_untracked(|all| all.get(chosen.get_untracked()).cloned());
            match context {
                None => read(pasted.get_untracked()),
                Some(Context { credential: Ok(credential), namespace, .. }) => submit(credential, namespace),
                Some(Context { credential: Err(say), .. }) => refusal.set(Some(say)),
            }
        } else {
            match token::check(&pasted.get_untracked(), browser::now()) {
                Ok(token) => submit(Credential::Token(token), None),
                Err(say) => refusal.set(Some(say)),
            }
        }
    };
    let help = move |say: Say| {
        match say.code.as_str() {
        "LOGIN_ISKUBECONFIG" => view! { <button class="act" on:click=move |_| read(pasted.get_untracked())>{text("Use it as one")}</button> }.into_any(),
        "LOGIN_BASE64" => view! {
            <button class="act" on:click=move |_| if let Some(decoded) = token::decoded(&pasted.get_untracked()) { pasted.set(decoded); go(); }>{text("Decode and use")}</button>
        }.into_any(),
        _ => ().into_any(),
    }
    };
    let pick = move |event: web_sys::Event| {
        if let Some(file) = browser::chosen(&event) {
            spawn_local(async move {
                if let Some(content) = browser::text_of(file).await {
                    read(content);
                }
            });
        }
    };
    view! {
        <main class="login">
            <div class="card">
                <Brand/>
                <h1>{move || place.with(|place| match place { Some(place) => format!("{} {}", text("Sign in to"), place.cluster), None => text("Sign in").to_owned() })}</h1>
                <p class="mid">{move || place.with(|place| place.as_ref().map(|place| {
                    let version = if place.kubernetes.is_empty() { text("the API server is away").to_owned() } else { place.kubernetes.clone() };
                    format!("Kubernetes {version}, {} {}", text("at"), browser::host())
                }))}</p>
                <Show when=move || place.with(Option::is_some) && !open()>
                    <div class="verdict" role="alert"><b>{text("Signing in is off here")}</b>
                        <p>{text("This page is not encrypted and not local. Use one of these:")}</p>
                        <div class="rules">"kubectl -n taffrail port-forward svc/taffrail 8443:443"<br/>"kubectl proxy"</div>
                    </div>
                </Show>
                <div class="tabs" role="tablist">
                    <button role="tab" aria-selected=move || (!file.get()).to_string() on:click=move |_| { file.set(false); refusal.set(None); }>{text("Token")}</button>
                    <button role="tab" aria-selected=move || file.get().to_string() on:click=move |_| { file.set(true); refusal.set(None); }>{text("Kubeconfig")}</button>
                </div>
                <form on:submit=move |event| { event.prevent_default(); go(); }>
                    <label for="credential">{move || if file.get() { text("Kubeconfig: paste, drop or choose a file") } else { text("Token") }}</label>
                    <textarea id="credential" class="area mono" class:bad=move || refusal.with(Option::is_some) class:drop=move || file.get()
                        rows="4" spellcheck="false" autocomplete="off" disabled=move || !open() aria-describedby="refusal"
                        prop:value=move || pasted.get()
                        on:input=move |event| {
                            pasted.set(event_target_value(&event));
                            refusal.set(None);
                            contexts.set(Vec::new());
                            if file.get_untracked() && !pasted.with_untracked(|pasted| pasted.trim().is_empty()) { read(pasted.get_untracked()); }
                        }
                        on:keydown=move |event| if event.key() == "Enter" && !event.shift_key() && !file.get_untracked() { event.prevent_default(); go(); }
                        on:dragover=|event| event.prevent_default()
                        on:drop=move |event| {
                            event.prevent_default();
                            if let Some(file) = browser::dropped(&event) {
                                spawn_local(async move { if let Some(content) = browser::text_of(file).await { read(content) } });
                            }
                        }></textarea>
                    <Show when=move || file.get()>
                        <input type="file" aria-label=text("Kubeconfig") on:change=pick/>
                        <div class="ctx" role="radiogroup" aria-label=text("Context")>
                            {move || contexts.get().into_iter().enumerate().map(|(at, context)| {
                                let why = context.credential.as_ref().err().map(words::say);
                                let usable = why.is_none();
                                view! {
                                    <label class:dim=!usable>
                                        <input type="radio" name="context" prop:checked=move || chosen.get() == at disabled=!usable on:change=move |_| chosen.set(at)/>
                                        " "<b>{context.name}</b>" "<span class="dim">{context.server}" · "{context.user}" · "{why.unwrap_or_else(|| text(context.method).to_owned())}</span>
                                    </label>
                                }
                            }).collect_view()}
                        </div>
                    </Show>
                    <div id="refusal" role="alert">
                        {move || refusal.get().map(|say| {
                            let sentence = words::say(&say);
                            let (head, rest) = words::headline(&sentence);
                            let (rest, command) = match rest.find("kubectl ") {
                                Some(start) => (rest.get(..start).unwrap_or_default().to_owned(), rest.get(start..).map(ToOwned::to_owned)),
                                None => (rest, None),
                            };
                            let code = say.code.clone();
                            let owner = Some(say.arg("sub").to_owned()).filter(|sub| !sub.is_empty());
                            view! {
                                <div class="verdict" data-code=code><b>{head}</b>
                                    {owner.map(|owner| view! { <p>{text("It belongs to")}" "<span class="mono">{owner}</span></p> })}
                                    <p>{rest}</p>
                                    {command.map(|command| view! { <div class="rules">{command}</div> })}
                                    {help(say)}
                                </div>
                            }
                        })}
                    </div>
                    <div class="row">
                        <button type="submit" class="btn main" disabled=move || busy.get() || !open()>{text("Sign in")}</button>
                        <span class="dim">{text("Kept in this server's memory until you sign out, never in the browser.")}</span>
                    </div>
                </form>
            </div>
            <div class="legal">
                <button on:click=|_| flip_language()>{if words::chinese() { "English" } else { "简体中文" }}</button>
                <span>"·"</span>
                <button on:click=|_| flip_theme()>{text("Dark")}" / "{text("Light")}</button>
            </div>
        </main>
    }
}
