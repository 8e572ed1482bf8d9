//! One object in the drawer: what is wrong, what it is made of, what happened to it. The list stays behind it.

use crate::nav::{Nav, object_path};
use crate::parts::mark::{Mark, State, class};
use crate::parts::plot::{Plot, watch_chart};
use crate::parts::standing::{Note, Standing};
use crate::words::{self, plural, text};
use crate::{browser, format, link};
use leptos::prelude::*;
use wire::chart::{Chart, Metric, Target};
use wire::map::Reach;
use wire::object::{Container, Finding, Object, Value};
use wire::server::ViewState;
use wire::{Kind, Ref, Say, Server, View};

/// What is known of the object.
#[derive(Clone, Debug, PartialEq)]
enum Known {
    Loading,
    Never,
    /// Not for this person, or not now.
    Hidden,
    Here(Box<Object>),
}

/// The drawer.
#[component]
pub(crate) fn Drawer(kind: Kind, namespace: String, name: String) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let known = RwSignal::new(Known::Loading);
    let standing = RwSignal::new(Standing::default());
    let yaml = Memo::new(move |_| nav.query("tab") == "yaml");
    let part = move |yaml: bool| nav.set(&[("tab", if yaml { "yaml" } else { "" })]);
    let (space, title, label) = (namespace.clone(), name.clone(), name.clone());
    let view = View::Object { kind, namespace: namespace.clone(), name: name.clone() };
    link::watch(
        move || view.clone(),
        move |frame| {
            standing.try_update(|standing| standing.hear(frame));
            match frame {
                Server::Object { object: Some(object), .. } => {
                    drop(known.try_set(Known::Here(Box::new(object.clone()))));
                }
                Server::Object { object: None, .. } => drop(known.try_set(Known::Never)),
                // The sentence of its state stands in its place.
                Server::Revoked { .. } | Server::State { state: ViewState::Denied(_) | ViewState::Failed(_), .. } => {
                    drop(known.try_set(Known::Hidden));
                }
                _ => {}
            }
            true
        },
    );
    let charts = match kind {
        Kind::Pod => Some(Target::Pod(namespace.clone(), name.clone())),
        Kind::Node => Some(Target::Node(name.clone())),
        _ => None,
    };
    let range = Signal::derive(|| 1800);
    let charts = charts
        .map(|target| (watch_chart(target.clone(), Metric::Cpu, range), watch_chart(target, Metric::Memory, range)));
    // The list has the focus again, unless the person is at work elsewhere on the page.
    let close = move || {
        if browser::focused(".drawer") || browser::focused(".table") {
            browser::focus("rows");
        }
        nav.close(kind);
    };
    let escape = window_event_listener(leptos::ev::keydown, move |event| {
        if event.key() == "Escape" {
            close();
        }
    });
    let turn = move |event: web_sys::KeyboardEvent| {
        if matches!(event.key().as_str(), "ArrowLeft" | "ArrowRight") {
            event.prevent_default();
            let next = !yaml.get_untracked();
            part(next);
            browser::focus(if next { "tab-yaml" } else { "tab-summary" });
        }
    };
    let active = move |on: bool| if on { "0" } else { "-1" };
    on_cleanup(move || escape.remove());
    let never = Say::new("E-NEVER").with("kind", kind.name()).with("name", &*name).with("namespace", &*namespace);
    let asked = (namespace, name);
    view! {
        <aside class="drawer" id="drawer" tabindex="-1" aria-label=label>
            <div class="top">
                <div class="crumb"><a href=move || nav.beside(kind.word())>{plural(kind)}</a>
                    {(!space.is_empty()).then(|| view! { " / "<span>{space}</span> })}
                    <button class="dim push" on:click=move |_| close()>{text!("Close")}" "<kbd aria-hidden="true">"Esc"</kbd></button></div>
                <h1>{title}</h1>
                {move || known.with(|known| match known {
                    Known::Here(object) => {
                        let created = object.created;
                        let ago = move || words::with(text!("created {time} ago"), &[("time", &nav.age(created))]);
                        Some(view! { <State level=object.level word=words::word(&object.status)/>" "<span class="dim">{ago}</span> })
                    }
                    _ => None,
                })}
            </div>
            <Note standing what=kind.resource()/>
            {move || match known.get() {
                Known::Here(object) => object.findings.into_iter().map(|finding| view! { <Verdict finding/> }).collect_view().into_any(),
                Known::Never if !standing.with(Standing::loading) => view! { <p class="empty" role="status">{words::say(&never)}</p> }.into_any(),
                Known::Loading if standing.with(|standing| standing.sentence("").is_none()) => view! { <p class="empty">{text!("Loading…")}</p> }.into_any(),
                Known::Loading | Known::Never | Known::Hidden => ().into_any(),
            }}
            <div class="tabs" role="tablist" on:keydown=turn>
                <button role="tab" id="tab-summary" aria-controls="part" tabindex=move || active(!yaml.get()) aria-selected=move || (!yaml.get()).to_string() on:click=move |_| part(false)>{text!("Summary")}</button>
                <button role="tab" id="tab-yaml" aria-controls="part" tabindex=move || active(yaml.get()) aria-selected=move || yaml.get().to_string() on:click=move |_| part(true)>"YAML"</button>
            </div>
            <div id="part" role="tabpanel" aria-labelledby=move || if yaml.get() { "tab-yaml" } else { "tab-summary" }>
            {move || if yaml.get() {
                let (namespace, name) = asked.clone();
                view! { <Yaml kind namespace name/> }.into_any()
            } else {
                match known.get() {
                    Known::Here(object) => view! { <Summary object=*object charts/> }.into_any(),
                    _ => ().into_any(),
                }
            }}
            </div>
        </aside>
    }
}

#[component]
fn Verdict(finding: Finding) -> impl IntoView {
    let (head, rest) = words::headline(&words::say(&finding.say));
    let (rest, command) = words::command(&rest);
    view! {
        <div class=format!("verdict {}", class(finding.level))><b>{head}</b><p>{rest}</p>
            {command.map(|command| view! { <div class="rules">{command}</div> })}
        </div>
    }
}

#[component]
fn Yaml(kind: Kind, namespace: String, name: String) -> impl IntoView {
    let answer = RwSignal::new(None::<Result<String, Say>>);
    link::yaml(kind, namespace, name, move |text| drop(answer.try_set(Some(text))));
    view! {
        <div class="body">{move || match answer.get() {
            None => text!("Loading…").into_any(),
            Some(Ok(yaml)) => view! { <pre class="yaml" tabindex="0">{yaml}</pre> }.into_any(),
            Some(Err(say)) => view! { <p role="status">{words::say(&say)}</p> }.into_any(),
        }}</div>
    }
}

type Charts = Option<(RwSignal<Option<Chart>>, RwSignal<Option<Chart>>)>;

#[component]
fn Summary(object: Object, charts: Charts) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let whole = charts.filter(|_| object.containers.is_empty()).map(|(cpu, memory)| view! {
        <div class="ctr"><div class="two"><div><span class="key cpu">{text!("CPU")}</span><Plot chart=cpu metric=Metric::Cpu/></div><div><span class="key">{text!("Memory")}</span><Plot chart=memory metric=Metric::Memory/></div></div></div>
    });
    let containers =
        object.containers.into_iter().map(|container| view! { <ContainerCard container charts/> }).collect_view();
    let reach = object
        .reach
        .into_iter()
        .map(|reach| view! { <ReachCard reach namespace=object.at.namespace.clone()/> })
        .collect_view();
    let owners = object
        .owners
        .into_iter()
        .enumerate()
        .map(|(at, owner)| view! { <dt>{(at == 0).then(|| text!("Owner"))}</dt><dd><Object_ at=owner/></dd> })
        .collect_view();
    let facts = object
        .facts
        .into_iter()
        // What is not there needs no line, and the age stands above.
        .filter(|fact| fact.word != "age" && fact.value != Value::Text("<none>".to_owned()))
        .map(|fact| {
            let value = match fact.value {
                Value::Text(value) => view! { <span title=value>{value.clone()}</span> }.into_any(),
                Value::Object(at) => view! { <Object_ lone={at.kind.to_lowercase() != fact.word} at/> }.into_any(),
                Value::Time(at) => (move || nav.age(at)).into_any(),
                Value::Cpu(value) => format::both(value, Metric::Cpu).into_any(),
                Value::Bytes(value) => format::both(value, Metric::Memory).into_any(),
            };
            view! { <dt>{words::word(&fact.word)}</dt><dd>{value}</dd> }
        })
        .collect_view();
    let unconditional = object.conditions.is_empty();
    let conditions = object.conditions.into_iter().map(|condition| view! {
        <dt><State level=condition.level word=condition.kind/></dt>
        <dd class="wrap">{condition.status}" "<span class="dim">{condition.reason}" "{condition.message}</span></dd>
    }).collect_view();
    let events = match object.events {
        None => view! { <p class="dim">{text!("You may not list events here.")}</p> }.into_any(),
        Some(events) if events.is_empty() => view! { <p class="dim">{text!("No events in the last hour.")}</p> }.into_any(),
        Some(events) => events.into_iter().map(|event| {
            let last = event.last;
            view! { <div><span class="dim">{move || nav.age(last)}</span><span class:warn=event.warning>
                <b>{event.reason}</b>" "{event.message}" "<span class="dim">{(event.count > 1).then(|| format!("× {}", event.count))}</span></span></div> }
        }).collect_view().into_any(),
    };
    let unlabelled = object.labels.is_empty();
    let labels = object
        .labels
        .into_iter()
        .map(|(name, value)| view! { <span class="chip mono">{format!("{name}={value}")}</span>" " })
        .collect_view();
    view! {
        <div class="body">
            {whole}{containers}{reach}
            <dl>{owners}{facts}</dl>
            {(!unconditional).then(|| view! { <h2>{text!("Conditions")}</h2><dl class="conditions">{conditions}</dl> })}
            <h2>{text!("Events")}</h2><div class="events">{events}</div>
            {(!unlabelled).then(|| view! { <h2>{text!("Labels")}</h2><div class="labels">{labels}</div> })}
        </div>
    }
}

/// A link to an object; its name alone for kinds without a page.
#[component]
fn Object_(
    at: Ref,
    /// Whether nothing beside it says of what kind it is.
    #[prop(default = true)]
    lone: bool,
) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let title = if lone { format!("{} {}", at.kind, at.name) } else { at.name.clone() };
    match crate::nav::path_of(&at) {
        Some(path) => view! { <a class="act" href=move || nav.href(&path)>{title}</a> }.into_any(),
        None => title.into_any(),
    }
}

#[component]
fn ContainerCard(container: Container, charts: Charts) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let since = container.since;
    let exit = container.last_exit.as_ref().map(|exit| {
        let reason =
            if exit.reason.is_empty() { exit.code.to_string() } else { format!("{}, {}", exit.code, exit.reason) };
        let at = exit.at.map(|at| format!(", {}", browser::clock(at))).unwrap_or_default();
        words::with(text!("; last exit {reason}"), &[("reason", &format!("{reason}{at}"))])
    });
    let state = format!("{} {}", words::word(&container.state), container.reason);
    let state = state.trim_end().to_owned();
    let restarts = words::with(text!("; {n} restarts"), &[("n", &container.restarts.to_string())]);
    let label = container.name.clone();
    view! {
        <div class="ctr">
            <div class=format!("st {}", class(container.level))><Mark level=container.level/><b>{container.name}</b>" "
                <span class="mid">{state}{move || since.map(|at| format!(" {}", nav.age(at)))}{exit}{restarts}</span></div>
            {(!container.message.is_empty()).then(|| view! { <p class="mid">{container.message.clone()}</p> })}
            <p class="mono dim">{container.image}</p>
            {charts.map(|(cpu, memory)| view! {
                <div class="two"><div><span class="key cpu">{text!("CPU")}</span><Plot chart=cpu metric=Metric::Cpu only=label.clone()/></div>
                    <div><span class="key">{text!("Memory")}</span><Plot chart=memory metric=Metric::Memory only=label/></div></div>
            })}
        </div>
    }
}

#[component]
fn ReachCard(reach: Reach, namespace: String) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let backends = reach.backends.into_iter().map(|(address, pod, node)| {
        let path = object_path(Kind::Pod, &namespace, &pod);
        let link = (!pod.is_empty()).then(|| view! { <a class="act" href=move || nav.href(&path)>{pod.clone()}</a> });
        view! { <div><span class="mono">{address}</span><span>{link}" "<span class="dim">{node}</span></span></div> }
    }).collect_view();
    let excluded = reach.excluded.into_iter().map(|(who, why)| view! { <div><span class="mono">{who}</span><span class="dim">{words::word(&why)}</span></div> }).collect_view();
    view! {
        <div class="ctr"><b>{reach.access}" "{reach.port}</b>" "<span class="mono dim">{reach.address}</span>
            <p><State level=reach.level word=reach.verdict/>" "<span class="dim">{reach.rule}</span></p><p class="mid">{words::say(&reach.say)}</p>
            <div class="ends">{backends}{excluded}</div></div>
    }
}
