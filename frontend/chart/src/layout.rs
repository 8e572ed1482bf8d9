//! Where the plot sits inside the canvas, in CSS pixels. A crosshair beside the canvas uses the same numbers.

use crate::Scene;

/// Left of the plot: the value labels.
pub const LEFT: u32 = 48;
/// Right of the plot.
pub const RIGHT: u32 = 8;
/// Above the plot: half a label.
pub const TOP: u32 = 10;
/// Below the plot: the time labels.
pub const BOTTOM: u32 = 20;
/// Label height.
pub const FONT_PX: u32 = 11;

/// The plot's left edge and width.
#[must_use]
pub fn span(scene: &Scene) -> (f64, f64) {
    (f64::from(LEFT), f64::from(scene.size.0.saturating_sub(LEFT + RIGHT)))
}

/// The plot's top edge and height.
#[must_use]
pub fn rise(scene: &Scene) -> (f64, f64) {
    (f64::from(TOP), f64::from(scene.size.1.saturating_sub(TOP + BOTTOM)))
}
