//! A chart on canvas: a hairline grid, lines with gaps, levels labelled at their end. Says in words what it shows.

use crate::browser::{self, canvas::Pen};
use crate::format;
use crate::link;
use crate::nav::Nav;
use crate::words;
use leptos::html::Canvas;
use leptos::prelude::*;
use wire::chart::{Chart, ChartAsk, Metric, Target};
use wire::{Server, View};

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

/// The chart.
#[component]
pub(crate) fn Plot(
    chart: RwSignal<Option<Chart>>,
    metric: Metric,
    /// Only the line of this container.
    #[prop(optional, into)]
    only: Option<String>,
    #[prop(optional)] tall: bool,
) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let canvas = NodeRef::<Canvas>::new();
    let only = StoredValue::new(only);
    let draw = move || {
        chart.with_untracked(|chart| {
            if let (Some(chart), Some(pen)) = (chart, Pen::of(canvas)) {
                only.with_value(|only| paint(&pen, chart, metric, only.as_deref()));
            }
        });
    };
    Effect::new(move |_| {
        chart.track();
        nav.redraw.track();
        canvas.track();
        request_animation_frame(draw);
    });
    let spoken = move || {
        chart.with(|chart| match chart {
            None => words::text("Loading…").to_owned(),
            Some(chart) => {
                let last = chart.lines.iter().filter_map(|line| {
                    let value = line.values.iter().rev().find(|value| value.is_finite())?;
                    Some(format!("{} {}", line.label, format::both(f64::from(*value), metric)))
                });
                last.collect::<Vec<_>>().join(", ")
            }
        })
    };
    view! {
        <div class=if tall { "plot tall" } else { "plot low" }><canvas node_ref=canvas role="img" aria-label=spoken></canvas></div>
        {move || chart.with(|chart| chart.as_ref().and_then(|chart| chart.problem.as_ref().map(words::say))).map(|why| view! { <p class="dim">{why}</p> })}
    }
}

fn paint(pen: &Pen, chart: &Chart, metric: Metric, only: Option<&str>) {
    let (left, right, top, bottom) = (46.0, pen.width - 6.0, 16.0, pen.height - 18.0);
    let wanted = |label: &str| only.is_none_or(|only| only == label);
    let lines: Vec<_> = chart.lines.iter().filter(|line| wanted(&line.label)).collect();
    let rules: Vec<_> = chart.rules.iter().filter(|rule| wanted(&rule.label) && rule.value.is_finite()).collect();
    let values = lines.iter().flat_map(|line| &line.values).map(|value| f64::from(*value)).filter(|value| value.is_finite());
    let peak = values.chain(rules.iter().map(|rule| rule.value)).fold(0.0, f64::max);
    let most = if peak > 0.0 { peak * 1.08 } else { 1.0 };
    let y = |value: f64| top + (bottom - top) * (1.0 - value / most);
    let ticks = if pen.height > 150.0 { 3 } else { 1 };
    for tick in 0..=ticks {
        let value = most * f64::from(tick) / f64::from(ticks);
        pen.line(&[(left, y(value)), (right, y(value))], "--grid", 1.0, false);
        pen.text(&format::both(value, metric), (left - 6.0, y(value) + 3.5), "--ink-3", ("400", 10.0), "end");
    }
    let count = lines.iter().map(|line| line.values.len()).max().unwrap_or(0).max(2);
    let x = |at: usize| left + (right - left) * at as f64 / (count - 1) as f64;
    let times = if pen.width > 300.0 { 4 } else { 2 };
    for time in 0..times {
        let at = (count - 1) * (2 * time + 1) / (2 * times);
        let clock = browser::clock(chart.from + i64::from(chart.step) * at as i64);
        pen.text(clock.get(..5).unwrap_or_default(), (x(at), pen.height - 3.0), "--ink-3", ("400", 11.0), "center");
    }
    for rule in &rules {
        let token = if rule.word == "limit" { "--bad" } else { "--ink-3" };
        pen.line(&[(left, y(rule.value)), (right, y(rule.value))], token, 1.0, true);
        let label = format!("{} {}", words::word(&rule.word), format::both(rule.value, metric));
        pen.text(&label, (right, y(rule.value) - 4.0), token, ("400", 11.0), "end");
    }
    let first = if metric == Metric::Cpu { 1 } else { 3 };
    for (at, line) in lines.iter().enumerate() {
        let token = format!("--s{}", (first - 1 + at) % 8 + 1);
        // A gap is two pieces, never a straight line.
        let mut piece: Vec<(f64, f64)> = Vec::new();
        let flush = |piece: &mut Vec<(f64, f64)>| {
            if let (Some(begin), Some(end)) = (piece.first().copied(), piece.last().copied()) {
                if lines.len() == 1 && only.is_none() {
                    let mut area = piece.clone();
                    area.extend([(end.0, bottom), (begin.0, bottom)]);
                    pen.area(&area, &token, 0.12);
                }
                pen.line(piece, &token, 1.5, false);
            }
            piece.clear();
        };
        for (step, value) in line.values.iter().enumerate() {
            if value.is_finite() {
                piece.push((x(step), y(f64::from(*value))));
            } else {
                flush(&mut piece);
            }
        }
        flush(&mut piece);
    }
    for mark in &chart.marks {
        let at = (mark.at - chart.from) as f64 / (f64::from(chart.step.max(1)) * (count - 1) as f64);
        if (0.0..=1.0).contains(&at) {
            let x = left + (right - left) * at;
            pen.line(&[(x, top), (x, bottom)], "--line-strong", 1.0, true);
        }
    }
}
