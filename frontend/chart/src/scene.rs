//! What is drawn: plain data, and what stands under the pointer.

use crate::layout;

/// An opaque colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

/// What the values count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Values in cores; labels in millicores below one core.
    Cores,
    /// Values in bytes; labels in powers of 1024.
    Bytes,
}

/// A line.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Values at equal steps from [`Scene::from`]; NaN is a gap.
    pub values: Vec<f32>,
    /// Its colour.
    pub color: Rgb,
    /// Whether the area below is tinted.
    pub fill: bool,
}

/// A level that does not move with time.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// In the scene's unit.
    pub value: f64,
    /// Drawn at the right end, above the rule.
    pub label: String,
    /// Its colour.
    pub color: Rgb,
    /// Dashed instead of solid.
    pub dash: bool,
}

/// A moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Unix seconds.
    pub at: f64,
    /// Drawn beside the mark's upper end; may be empty.
    pub label: String,
}

/// The colours that do not belong to a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Palette {
    /// Labels.
    pub ink: Rgb,
    /// Hairlines.
    pub grid: Rgb,
    /// Marks.
    pub mark: Rgb,
}

/// A whole chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Width and height in CSS pixels.
    pub size: (u32, u32),
    /// Left end, Unix seconds.
    pub from: f64,
    /// Right end, Unix seconds.
    pub to: f64,
    /// Seconds between two values of a series.
    pub step: f64,
    /// Lines, drawn in order.
    pub series: Vec<Series>,
    /// Levels.
    pub rules: Vec<Rule>,
    /// Moments.
    pub marks: Vec<Mark>,
    /// What the values count.
    pub unit: Unit,
    /// Colours.
    pub palette: Palette,
    /// The viewer's offset from UTC, minutes.
    pub offset_minutes: i32,
}

/// The step nearest to a place on the canvas: its time and each line's value, `None` in a gap. Nothing outside the
/// plot.
#[must_use]
pub fn value_at(scene: &Scene, x_px: f64) -> Option<(f64, Vec<Option<f32>>)> {
    let (left, width) = layout::span(scene);
    if !(left..=left + width).contains(&x_px) || scene.step <= 0.0 || width <= 0.0 {
        return None;
    }
    let time = scene.from + (x_px - left) / width * (scene.to - scene.from);
    let longest = scene.series.iter().map(|series| series.values.len()).max().filter(|length| *length > 0)?;
    let index = (((time - scene.from) / scene.step).round().max(0.0) as usize).min(longest - 1);
    let values = scene.series.iter().map(|series| series.values.get(index).copied().filter(|value| value.is_finite()));
    Some((scene.from + index as f64 * scene.step, values.collect()))
}
