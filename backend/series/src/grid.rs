//! Equal steps over a time, filled with averages.

use crate::Span;

/// Steps people think in, seconds; above a day whole days.
const STEPS: [i64; 16] = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 86_400];

/// Steps that lie on multiples of their length, so that a later grid of the same range has the same ones.
#[derive(Clone, Debug)]
pub struct Grid {
    from: i64,
    step: i64,
    /// Value × milliseconds, and milliseconds, a step.
    sums: Vec<(f64, f64)>,
}

// === impl Grid ===

impl Grid {
    /// At most `points` steps (but at least two) that cover `[from, to]`. The step depends on the range's length alone.
    pub fn new(from: i64, to: i64, points: u16) -> Self {
        let range = to.saturating_sub(from).max(0);
        // The range may begin and end inside a step.
        let least = range / i64::from(points.max(2) - 1) + 1;
        let step = STEPS
            .iter()
            .map(|seconds| seconds * 1000)
            .find(|step| *step >= least)
            .unwrap_or_else(|| least.div_euclid(86_400_000).saturating_add(1).saturating_mul(86_400_000));
        let first = from.div_euclid(step);
        let count = to.max(from).div_euclid(step) - first + 1;
        let count = usize::try_from(count).unwrap_or(1).clamp(1, usize::from(points.max(2)));
        Self { from: first * step, step, sums: vec![(0.0, 0.0); count] }
    }

    /// Time of the first step: a multiple of the step.
    pub const fn from(&self) -> i64 {
        self.from
    }

    /// End of the last step.
    pub fn to(&self) -> i64 {
        self.from.saturating_add(self.step.saturating_mul(self.sums.len() as i64))
    }

    /// Milliseconds between steps.
    pub const fn step(&self) -> i64 {
        self.step
    }

    /// Counts a span in every step it touches, by the time it shares with it.
    pub fn add(&mut self, span: Span) {
        let (begin, end) = (span.from.max(self.from), span.to.min(self.to()));
        if begin >= end {
            return;
        }
        let mut index = usize::try_from((begin - self.from) / self.step).unwrap_or(usize::MAX);
        let mut at = begin;
        while at < end {
            let Some((sum, time)) = self.sums.get_mut(index) else { return };
            let edge = (self.from + self.step * (index as i64 + 1)).min(end);
            *sum += span.value * (edge - at) as f64;
            *time += (edge - at) as f64;
            at = edge;
            index += 1;
        }
    }

    /// The average of every step times `scale`; NaN where nothing is known. The grid is empty afterwards.
    pub fn take(&mut self, scale: f64) -> Vec<f32> {
        self.sums
            .iter_mut()
            .map(|slot| {
                let (sum, time) = std::mem::take(slot);
                if time > 0.0 { (sum / time * scale) as f32 } else { f32::NAN }
            })
            .collect()
    }
}
