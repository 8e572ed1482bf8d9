//! Sign-in. Helps before it refuses: which cluster this is, what is wrong with a credential, what makes a better one.

use crate::parts::bar::{Brand, flip_language, flip_theme};
use crate::words::{self, text};
use crate::{browser, link, session, token};
use kubeconfig::{Context, Method};
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;
use wire::Say;
use wire::session::{Credential, Place, Session};

/// The page.
#[component]
pub(crate) fn Login(done: impl Fn(Session) + Copy + Send + Sync + 'static) -> impl IntoView {
    let place = RwSignal::new(None::<Place>);
    // Why the last session ended, when the server ended it.
    let ended = link::notice().try_update(Option::take).flatten().filter(|say| say.code == "LOGIN_ENDED");
    let refusal = RwSignal::new(ended);
    let busy = RwSignal::new(false);
    let file = RwSignal::new(false);
    let pasted = RwSignal::new(String::new());
    let contexts = RwSignal::new(Vec::<Context>::new());
    let chosen = RwSignal::new(0_usize);
    // What was read last, also from a file: a refusal may offer to take something from it.
    let source = StoredValue::new(String::new());
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
    // The first time, the reader is loaded for it; until it answered, there is nothing to sign in with.
    let read = move |content: String| {
        source.set_value(content.clone());
        busy.set(true);
        spawn_local(async move {
            let found: Result<Vec<Context>, Say> = browser::read("contexts", &content).await.unwrap_or_else(unread);
            busy.set(false);
            if source.with_value(|latest| *latest != content) {
                return; // typed on in the meantime
            }
            match found {
                Ok(found) => {
                    refusal.set(kubeconfig::unusable(&found, words::say));
                    chosen.set(found.iter().position(|context| context.credential.is_ok()).unwrap_or(0));
                    contexts.set(found);
                    file.set(true);
                }
                Err(say) => {
                    contexts.set(Vec::new());
                    refusal.set(Some(say));
                }
            }
        });
    };
    let enter = move |credential: Credential, namespace: Option<String>| match &credential {
        Credential::Token(token) => match token::check(token, browser::now()) {
            Ok(token) => submit(Credential::Token(token), namespace),
            Err(say) => refusal.set(Some(say)),
        },
        Credential::Certificate { .. } => submit(credential, namespace),
    };
    let go = move || {
        if file.get_untracked() {
            let context = contexts.with_untracked(|all| all.get(chosen.get_untracked()).cloned());
            match context {
                None => read(pasted.get_untracked()),
                Some(Context { credential: Ok(credential), namespace, .. }) => enter(credential, namespace),
                Some(Context { credential: Err(say), .. }) => refusal.set(Some(say)),
            }
        } else {
            source.set_value(pasted.get_untracked());
            enter(Credential::Token(pasted.get_untracked()), None);
        }
    };
    let take = move |found: Option<String>, none: &str| match found {
        Some(token) => {
            file.set(false);
            pasted.set(token);
            go();
        }
        None => refusal.set(Some(Say::new(none))),
    };
    let of_secret = move |_| {
        spawn_local(async move {
            match browser::read("secret", &source.get_value()).await {
                Ok(found) => take(found, "LOGIN_NOSECRETTOKEN"),
                Err(browser::Unread) => refusal.set(Some(Say::new("LOGIN_READER"))),
            }
        });
    };
    let help = move |code: &str| {
        match code {
        "LOGIN_ISKUBECONFIG" => {
            view! { <button type="button" class="btn" on:click=move |_| read(source.get_value())>{text!("Use it as one")}</button> }.into_any()
        }
        "LOGIN_ISSECRET" => view! {
            <button type="button" class="btn" on:click=of_secret>{text!("Take the token from it")}</button>
        }.into_any(),
        "LOGIN_READER" => view! {
            <button type="button" class="btn" on:click=move |_| read(source.get_value())>{text!("Try again")}</button>
        }.into_any(),
        "LOGIN_BASE64" => view! {
            <button type="button" class="btn" on:click=move |_| take(token::decoded(&source.get_value()), "LOGIN_EMPTY")>{text!("Decode and use")}</button>
        }.into_any(),
        "LOGIN_INSECURE" => view! { <Ways/> }.into_any(),
        _ => ().into_any(),
    }
    };
    let warned = move || {
        let context =
            contexts.with(|all| all.get(chosen.get()).cloned()).filter(|context| context.credential.is_ok())?;
        let place = place.get()?;
        let same = |server: &str| server.trim_end_matches('/') == place.server.trim_end_matches('/');
        let mut notes = Vec::new();
        if context.method == Method::Certificate {
            notes.push(
                text!("The private key is sent to this server and kept in its memory until you sign out.").to_owned(),
            );
        }
        if !context.server.is_empty() && !same(&context.server) {
            let say = Say::new("LOGIN_OTHERSERVER").with("server", context.server);
            notes.push(words::say(&say.with("name", place.cluster)));
        }
        (!notes.is_empty()).then(|| notes.join(" "))
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
                <h1>{move || place.with(|place| match place { Some(place) => words::with(text!("Sign in to {cluster}"), &[("cluster", &place.cluster)]), None => text!("Sign in").to_owned() })}</h1>
                <p class="mid">{move || place.with(|place| place.as_ref().map(|place| {
                    let version = if place.kubernetes.is_empty() { text!("the API server is away").to_owned() } else { place.kubernetes.clone() };
                    words::with(text!("Kubernetes {version}, at {host}"), &[("version", &version), ("host", &browser::host())])
                }))}</p>
                <Show when=move || place.with(Option::is_some) && !open()>
                    <div class="verdict" role="alert" data-code="LOGIN_INSECURE"><b>{words::say(&Say::new("LOGIN_INSECURE"))}</b><Ways/></div>
                </Show>
                <Show when=move || open() && !browser::secure() && !browser::local()>
                    <div class="verdict warn" role="alert" data-code="LOGIN_INSECUREDEV"><b>{words::say(&Say::new("LOGIN_INSECUREDEV"))}</b></div>
                </Show>
                <div class="tabs" role="tablist">
                    <button role="tab" aria-selected=move || (!file.get()).to_string() on:click=move |_| { file.set(false); refusal.set(None); }>{text!("Token")}</button>
                    <button role="tab" aria-selected=move || file.get().to_string() on:click=move |_| { file.set(true); refusal.set(None); }>{text!("Kubeconfig")}</button>
                </div>
                <form on:submit=move |event| { event.prevent_default(); go(); }>
                    <label for="credential">{move || if file.get() { text!("Kubeconfig: paste, drop or choose a file") } else { text!("Token") }}</label>
                    <textarea id="credential" class="area mono" class:bad=move || refusal.with(Option::is_some) class:drop=move || file.get()
                        rows="4" spellcheck="false" autocomplete="off" disabled=move || !open() aria-describedby="refusal"
                        prop:value=move || pasted.get()
                        on:input=move |event| {
                            pasted.set(event_target_value(&event));
                            source.set_value(String::new());
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
                        <label class="btn file">{text!("Choose a file")}<input type="file" class="spoken" on:change=pick/></label>
                        <div class="ctx" role="radiogroup" aria-label=text!("Context")>
                            {move || contexts.get().into_iter().enumerate().map(|(at, context)| {
                                let why = context.credential.as_ref().err().map(words::say);
                                let usable = why.is_none();
                                view! {
                                    <label class:dim=!usable>
                                        <input type="radio" name="context" prop:checked=move || chosen.get() == at disabled=!usable on:change=move |_| chosen.set(at)/>
                                        " "<b>{context.name}</b>" "<span class="dim">{context.server}" · "{context.user}" · "{why.unwrap_or_else(|| method(context.method).to_owned())}</span>
                                    </label>
                                }
                            }).collect_view()}
                        </div>
                        {move || warned().map(|note| view! { <p class="dim" role="status">{note}</p> })}
                    </Show>
                    <div id="refusal" role="alert">
                        {move || refusal.get().map(|say| {
                            let sentence = words::say(&say);
                            let (head, rest) = words::headline(&sentence);
                            let (rest, command) = if say.code == "LOGIN_EXEC" { (rest, None) } else { words::command(&rest) };
                            let code = say.code.clone();
                            let owner = Some(say.arg("sub").to_owned()).filter(|sub| !sub.is_empty());
                            view! {
                                <div class="verdict" data-code=code><b>{head}</b>
                                    {owner.map(|owner| view! { <p>{text!("It belongs to")}" "<span class="mono">{owner}</span>"."</p> })}
                                    <p>{rest}</p>
                                    {command.map(|command| view! { <div class="rules">{command}</div> })}
                                    {help(&say.code)}
                                </div>
                            }
                        })}
                    </div>
                    <Show when=move || !file.get() && refusal.with(Option::is_none)>
                        <p class="dim hint">{text!("This makes one:")}" "<span class="mono">"kubectl -n <namespace> create token <serviceaccount> --duration=8h"</span></p>
                    </Show>
                    <div class="row">
                        <button type="submit" class="btn main" disabled=move || busy.get() || !open()>{text!("Sign in")}</button>
                        <span class="dim">{text!("Kept in this server's memory until you sign out, never in the browser.")}</span>
                    </div>
                </form>
            </div>
            <div class="legal">
                <button on:click=|_| flip_language()>{words::other_language()}</button>
                <span aria-hidden="true">"·"</span>
                <button on:click=|_| flip_theme()>{text!("Dark")}" / "{text!("Light")}</button>
            </div>
        </main>
    }
}

fn unread(_: browser::Unread) -> Result<Vec<Context>, Say> {
    Err(Say::new("LOGIN_READER"))
}

fn method(method: Method) -> &'static str {
    match method {
        Method::Token => text!("token"),
        Method::Certificate => text!("certificate"),
    }
}

/// The ways in that keep a credential safe, with what this page's address tells of the installation filled in.
#[component]
fn Ways() -> impl IntoView {
    let (namespace, service) = browser::service();
    let forward = format!("kubectl -n {namespace} port-forward svc/{service} 8443:443");
    let proxied = format!("http://localhost:8001/api/v1/namespaces/{namespace}/services/https:{service}:443/proxy/");
    let then = |address: &str| words::with(text!("then open {address}"), &[("address", address)]);
    view! {
        <p>{text!("Use one of these:")}</p>
        <div class="rules">{forward}</div><p>{then("https://localhost:8443/")}</p>
        <div class="rules">"kubectl proxy"</div><p>{then(&proxied)}</p>
        <p>{text!("or serve this page with https.")}</p>
    }
}
