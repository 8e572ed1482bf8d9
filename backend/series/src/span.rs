//! What a track says as values over stretches of time.

use crate::track::{Kind, MINUTE, Start, Track, microcores};

/// Which of a track's two columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Microcores.
    Cpu,
    /// Pages of [`PAGE`](crate::PAGE) bytes.
    Memory,
}

/// A value over `(from, to]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Unix milliseconds, not included.
    pub from: i64,
    /// Unix milliseconds, included.
    pub to: i64,
    /// In the metric's unit.
    pub value: f64,
}

impl Track {
    /// Visits what is known between `from` and `to`, in time order and without overlap.
    ///
    /// Two samples make a span when nothing was missed between them and they are at most `limit` apart: a rate for
    /// CPU, the later value for memory. A sample after a gap stands for the `resolution` before it (memory only, a rate
    /// needs two). Before the oldest fine sample the minutes' averages are used. All in milliseconds.
    pub fn spans(
        &self,
        metric: Metric,
        (from, to): (i64, i64),
        (resolution, limit): (i64, i64),
        mut visit: impl FnMut(Span),
    ) {
        let fine = self.fine.oldest().unwrap_or(i64::MAX);
        // Where nothing was freed the samples say it all, and a minute would reach back to before the first of them.
        if from < fine && self.fine.evicted() {
            self.coarse.visit(from.div_euclid(MINUTE), |[minute, cpu, _, _, memory, _, _], _| {
                let value = if metric == Metric::Cpu { *cpu } else { *memory };
                let begin = minute.saturating_mul(MINUTE);
                let span = Span { from: begin, to: begin.saturating_add(MINUTE).min(fine), value: value as f64 };
                if value >= 0 && span.from < span.to && span.from < to {
                    visit(span);
                }
            });
        }
        let mut before: Option<[i64; 3]> = None;
        // The sample before `from` may be the last of its chunk.
        self.fine.visit(from.saturating_sub(limit), |row, start| {
            let [at, cpu, memory] = *row;
            let near = before.filter(|[time, ..]| start == Start::Follows && at.saturating_sub(*time) <= limit);
            let after = before.map_or(i64::MIN, |[time, ..]| time);
            let begin = near.map_or(at.saturating_sub(resolution).max(after), |[time, ..]| time);
            let value = match (metric, self.kind) {
                (Metric::Memory, _) => (memory >= 0).then_some(memory as f64),
                (Metric::Cpu, Kind::Gauge) => (cpu >= 0).then_some(cpu as f64),
                (Metric::Cpu, Kind::Counter) => near.and_then(|[time, count, _]| microcores([time, count], [at, cpu])),
            };
            if let Some(value) = value.filter(|_| begin < to && at > from) {
                visit(Span { from: begin, to: at, value });
            }
            before = Some(*row);
        });
    }
}
