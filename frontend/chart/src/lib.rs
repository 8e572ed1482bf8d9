//! Usage over time, drawn by plotters on any backend: SVG in tests, a canvas in the browser ([`Canvas`]).
//!
//! A [`Scene`] is plain data; [`draw`] and [`spark`] are pure functions of it. Gaps (NaN) split a line into pieces and
//! are never bridged. A line costs at most two points (minimum and maximum) per column of pixels. Where the plot sits
//! inside the canvas is in [`layout`], so that a crosshair made of plain elements lines up with it.
#![warn(missing_docs)]

mod axis;
mod canvas;
mod draw;
pub mod layout;
mod scene;

pub use axis::label;
pub use canvas::{Canvas, Refused};
pub use draw::{draw, spark};
pub use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
pub use scene::{Mark, Palette, Rgb, Rule, Scene, Series, Unit, value_at};
