//! What is used of what is asked for and allowed: a line, a number and a bar.

use crate::format;
use leptos::prelude::*;
use std::fmt::Write;
use wire::chart::Metric;
use wire::table::Usage;

/// A bar with a tick; nothing without a limit.
#[component]
pub(crate) fn Gauge(share: Option<f64>, tick: Option<f64>) -> impl IntoView {
    let wide = |share: f64| format!("{:.1}%", share.clamp(0.0, 1.0) * 100.0);
    view! {
        <span class="gauge" aria-hidden="true">
            {share.map(|share| view! { <i class=level(Some(share)) style=("--share", wide(share))></i> })}
            {tick.map(|tick| view! { <u style=("--at", wide(tick))></u> })}
        </span>
    }
}

/// A bar is quiet until it is nearly full.
pub(crate) fn level(share: Option<f64>) -> &'static str {
    match share {
        Some(share) if share >= 0.95 => "bad",
        Some(share) if share >= 0.8 => "warn",
        _ => "",
    }
}

/// A usage cell of a table.
#[component]
pub(crate) fn UsageCell(usage: Usage, metric: Metric) -> impl IntoView {
    let Usage { used, request, limit, spark: recent } = usage;
    let (used, limit) = (f64::from(used), f64::from(limit));
    if !used.is_finite() {
        return view! { <span class="dim">"–"</span> }.into_any();
    }
    let share = format::share(used, limit);
    let tick = format::share(f64::from(request), limit);
    let (number, unit) = format::amount(used, metric);
    let path = spark(&recent);
    view! {
        <div class=format!("use {}", level(share)) title=format::percent(share)>
            <svg viewBox="0 0 56 18" preserveAspectRatio="none" aria-hidden="true"><path d=path/></svg>
            <div class="num">{number}<span class="unit">{unit}</span><Gauge share tick/></div>
        </div>
    }
    .into_any()
}

/// A path in 56 × 18; a NaN is a gap.
fn spark(values: &[f32]) -> String {
    let most = values.iter().copied().filter(|value| value.is_finite()).fold(0.0_f32, f32::max) * 1.1;
    let most = if most > 0.0 { most } else { 1.0 };
    let step = 56.0 / (values.len().max(2) - 1) as f32;
    let (mut path, mut open) = (String::new(), false);
    for (at, value) in values.iter().enumerate() {
        if value.is_finite() {
            let pen = if open { 'L' } else { 'M' };
            // Writing to a String does not fail.
            let _ = write!(path, "{pen}{:.1} {:.1}", at as f32 * step, 17.0 - value / most * 15.0);
        }
        open = value.is_finite();
    }
    path
}

#[cfg(test)]
mod tests {
    use super::spark;

    #[test]
    fn a_gap_breaks_the_line() {
        assert_eq!(spark(&[1.0, f32::NAN, 1.0]).matches('M').count(), 2);
    }
}
