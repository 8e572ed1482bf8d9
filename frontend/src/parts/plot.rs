//! One chart: a live view of the server's, drawn on canvas, with a crosshair that all charts of the page share.

use crate::browser::{self, observe};
use crate::nav::Nav;
use crate::words::{text, word};
use crate::{format, link, words};
use chart::{Palette, Scene, Series, Unit};
use leptos::html::{Canvas, Div};
use leptos::prelude::*;
use wire::chart::{Chart, ChartAsk, Metric, Target};
use wire::{Server, View};

/// Where the pointer is in time, for every chart of the page; provided by a page that has several.
#[derive(Clone, Copy)]
pub(crate) struct Crosshair(pub(crate) RwSignal<Option<f64>>);

/// Lines of a target over time.
#[component]
pub(crate) fn Plot(
    /// What [`watch_chart`] keeps; several plots may share one.
    chart: RwSignal<Option<Chart>>,
    metric: Metric,
    /// Only this container's line and levels.
    #[prop(optional, into)]
    only: Option<String>,
    /// The page's own charts: taller, with the area below the line filled.
    #[prop(optional)]
    tall: bool,
) -> impl IntoView {
    let shown = chart;
    let nav = expect_context::<Nav>();
    let crosshair = use_context::<Crosshair>().unwrap_or_else(|| Crosshair(RwSignal::new(None)));
    let holder = NodeRef::<Div>::new();
    let canvas = NodeRef::<Canvas>::new();
    let size = RwSignal::new((0.0_f64, 0.0_f64));
    observe::size(holder, move |width, height| size.set((width, height)));
    let only = StoredValue::new(only);
    let scene = Memo::new_with_compare(
        move |_| {
            nav.redraw.track();
            let size = size.get();
            shown.with(|shown| compose(shown.as_ref()?, metric, size, only.get_value().as_deref(), tall))
        },
        |_, _| true,
    );
    Effect::new(move |_| {
        if let (Some(canvas), Some(scene)) = (canvas.get(), scene.get()) {
            browser::plot::draw(&canvas, &scene);
        }
    });
    let reading = move || {
        let at = crosshair.0.get()?;
        scene.with(|scene| read(scene.as_ref()?, at, metric))
    };
    let moved = move |event: leptos::ev::PointerEvent| {
        let x = f64::from(event.offset_x());
        let time = scene.with_untracked(|scene| chart::value_at(scene.as_ref()?, x).map(|(time, _)| time));
        crosshair.0.set(time);
    };
    let why = move || shown.with(|shown| silence(shown.as_ref()));
    let spoken = move || {
        let last = shown.with(|shown| {
            let mine = |label: &str| only.with_value(|only| only.as_deref().is_none_or(|only| only == label));
            let line = shown.as_ref()?.lines.iter().find(|line| mine(&line.label))?;
            line.values.iter().rev().find(|value| value.is_finite()).copied()
        });
        let last = last.map_or_else(|| text!("no sample").to_owned(), |value| format::both(f64::from(value), metric));
        format!("{}: {last}", if metric == Metric::Cpu { text!("CPU") } else { text!("Memory") })
    };
    view! {
        <div class="plot" class:tall=tall node_ref=holder>
            <canvas
                node_ref=canvas
                role="img"
                aria-label=spoken
                on:pointermove=moved
                on:pointerleave=move |_| crosshair.0.set(None)
            ></canvas>
            {move || reading().map(|(x, label)| view! {
                <span class="cross" style:left=format!("{x}px") aria-hidden="true"></span>
                <span class="reading" aria-hidden="true">{label}</span>
            })}
            {move || why().map(|why| view! { <p class="why">{why}</p> })}
        </div>
    }
}

/// Subscribes a chart for as long as the component lives.
pub(crate) fn watch_chart(target: Target, metric: Metric, range: Signal<u32>) -> RwSignal<Option<Chart>> {
    let chart = RwSignal::new(None::<Chart>);
    link::watch(
        move || View::Chart(ChartAsk { target: target.clone(), metric, range_s: range.get(), points: 360 }),
        move |frame| match frame {
            Server::Chart { chart: whole, .. } => {
                chart.try_set(Some(whole.clone()));
                true
            }
            Server::ChartTail { from, values, newest, problem, .. } => chart
                .try_update(|chart| {
                    let Some(chart) = chart else { return false };
                    if values.len() != chart.lines.len() {
                        return false;
                    }
                    for (line, new) in chart.lines.iter_mut().zip(values) {
                        let drop = new.len().min(line.values.len());
                        line.values.drain(..drop);
                        line.values.extend_from_slice(new);
                    }
                    (chart.from, chart.newest) = (*from, *newest);
                    chart.problem.clone_from(problem);
                    true
                })
                .unwrap_or(true),
            _ => true,
        },
    );
    chart
}

/// Why there is no line.
fn silence(shown: Option<&Chart>) -> Option<String> {
    let Some(chart) = shown else { return Some(text!("Reading…").to_owned()) };
    match &chart.problem {
        Some(say) => Some(words::say(say)),
        None => empty(chart).then(|| text!("First value after the second kubelet sample.").to_owned()),
    }
}

fn empty(chart: &Chart) -> bool {
    chart.lines.iter().all(|line| line.values.iter().all(|value| value.is_nan()))
}

/// Charts count in cores, the wire in millicores.
fn scale(metric: Metric) -> f32 {
    if metric == Metric::Cpu { 1000.0 } else { 1.0 }
}

/// Place and text of the values at a time.
fn read(scene: &Scene, at: f64, metric: Metric) -> Option<(f64, String)> {
    let (left, width) = chart::layout::span(scene);
    let x = left + (at - scene.from) / (scene.to - scene.from) * width;
    let (time, values) = chart::value_at(scene, x)?;
    let value = |value: Option<f32>| match value {
        Some(value) => format::both(f64::from(value * scale(metric)), metric),
        None => text!("no sample").to_owned(),
    };
    let values: Vec<String> = values.into_iter().map(value).collect();
    Some((x, format!("{} · {}", browser::clock((time * 1000.0) as i64), values.join(" · "))))
}

/// The server's chart as a scene in the page's colours; nothing while there is no room.
fn compose(from: &Chart, metric: Metric, size: (f64, f64), only: Option<&str>, fill: bool) -> Option<Scene> {
    let (width, height) = (size.0 as u32, size.1 as u32);
    if width < 60 || height < 40 || from.step == 0 {
        return None;
    }
    let colors = browser::plot::colors();
    let scale = scale(metric);
    let mine = |label: &str| only.is_none_or(|only| only == label || label.is_empty());
    // Memory has the third colour where it stands alone: it is told from CPU at a glance.
    let first = if metric == Metric::Memory && (only.is_some() || from.lines.len() < 3) { 2 } else { 0 };
    let series = from.lines.iter().filter(|line| mine(&line.label)).enumerate().map(|(at, line)| Series {
        values: line.values.iter().map(|value| value / scale).collect(),
        color: colors.series(first + at),
        fill: fill && at == 0,
    });
    let silent = empty(from);
    let rules = from.rules.iter().filter(|rule| mine(&rule.label)).map(|rule| chart::Rule {
        value: rule.value / f64::from(scale),
        // What stands in the place of the lines is not written over.
        label: match word(&rule.word) {
            _ if silent => String::new(),
            word if fill => format!("{word} {}", format::both(rule.value, metric)),
            word => word,
        },
        color: if rule.word == "limit" { colors.bad } else { colors.quiet },
        dash: true,
    });
    let marks = from
        .marks
        .iter()
        .map(|mark| chart::Mark { at: mark.at as f64 / 1000.0, label: words::headline(&words::say(&mark.say)).0 });
    let length = from.lines.iter().map(|line| line.values.len()).max().unwrap_or(0);
    let start = from.from as f64 / 1000.0;
    let step = f64::from(from.step) / 1000.0;
    Some(Scene {
        size: (width, height),
        from: start,
        to: start + step * (length.max(2) - 1) as f64,
        step,
        series: series.collect(),
        rules: rules.collect(),
        marks: marks.collect(),
        unit: if metric == Metric::Cpu { Unit::Cores } else { Unit::Bytes },
        palette: Palette { ink: colors.quiet, grid: colors.grid, mark: colors.line },
        offset_minutes: browser::plot::offset_minutes(),
    })
}
