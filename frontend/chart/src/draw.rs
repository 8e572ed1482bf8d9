//! From a [`Scene`] to strokes. Everything is placed in whole pixels here; plotters carries them to the backend.

use crate::axis::{clock, label, time_step, value_step};
use crate::{Rgb, Scene, Series, layout};
use plotters::coord::Shift;
use plotters::element::{PathElement, Polygon, Text};
use plotters::prelude::{Color, DrawingArea, DrawingAreaErrorKind, DrawingBackend, IntoFont, RGBColor, ShapeStyle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{IntoTextStyle, TextStyle};

type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;
type Point = (i32, i32);

/// How much of a line's colour the area below it has.
const TINT: f64 = 0.12;
/// Half the width of `00:00`.
const HALF_CLOCK: i32 = 16;
/// Length of a dash and of the space after it.
const DASH: i32 = 4;

/// Places times and values.
struct Plot {
    left: f64,
    width: f64,
    top: f64,
    height: f64,
    from: f64,
    to: f64,
    /// The value at the upper edge; the lower edge is zero.
    peak: f64,
}

/// Draws a chart.
///
/// # Errors
/// What the backend reports.
pub fn draw<DB: DrawingBackend>(root: &DrawingArea<DB, Shift>, scene: &Scene) -> Drawn<DB> {
    let (left, width) = layout::span(scene);
    let (top, height) = layout::rise(scene);
    if width <= 0.0 || height <= 0.0 {
        return Ok(());
    }
    let highest = highest(scene);
    let step = value_step(scene.unit, highest, ((height / 32.0) as u32).clamp(1, 5));
    let peak = ((highest / step).ceil() * step).max(step);
    let plot = Plot { left, width, top, height, from: scene.from, to: scene.to.max(scene.from + 1.0), peak };
    grid(root, scene, &plot, step)?;
    for series in &scene.series {
        line(root, series, scene.step, &plot)?;
    }
    rules(root, scene, &plot)?;
    marks(root, scene, &plot)?;
    root.present()
}

/// Draws the lines alone over the whole area: a sparkline.
///
/// # Errors
/// What the backend reports.
pub fn spark<DB: DrawingBackend>(root: &DrawingArea<DB, Shift>, scene: &Scene) -> Drawn<DB> {
    let highest = highest(scene);
    let (width, height) = (f64::from(scene.size.0), f64::from(scene.size.1));
    if width < 3.0 || height < 3.0 {
        return Ok(());
    }
    let plot = Plot {
        left: 1.0,
        width: width - 2.0,
        top: 1.0,
        height: height - 2.0,
        from: scene.from,
        to: scene.to.max(scene.from + 1.0),
        peak: if highest > 0.0 { highest } else { 1.0 },
    };
    scene.series.iter().try_for_each(|series| line(root, series, scene.step, &plot))?;
    root.present()
}

fn highest(scene: &Scene) -> f64 {
    let values = scene.series.iter().flat_map(|series| &series.values).map(|value| f64::from(*value));
    let all = values.chain(scene.rules.iter().map(|rule| rule.value));
    all.filter(|value| value.is_finite()).fold(0.0, f64::max)
}

fn grid<DB: DrawingBackend>(root: &DrawingArea<DB, Shift>, scene: &Scene, plot: &Plot, step: f64) -> Drawn<DB> {
    let ink = scene.palette.ink;
    let hair = stroke(scene.palette.grid);
    let (left, right) = (plot.left.round() as i32, (plot.left + plot.width).round() as i32);
    for index in 0..=(plot.peak / step).round() as u32 {
        let value = f64::from(index) * step;
        let y = plot.y(value);
        root.draw(&PathElement::new(vec![(left, y), (right, y)], hair))?;
        words(root, &label(scene.unit, value), (left - 6, y), ink, HPos::Right, VPos::Center)?;
    }
    let step = time_step(plot.to - plot.from, ((plot.width / 72.0) as u32).clamp(1, 12));
    // Ticks stand on the viewer's round times, not on UTC's.
    let shift = f64::from(scene.offset_minutes) * 60.0;
    let mut at = ((plot.from + shift) / step).ceil() * step - shift;
    let below = (plot.top + plot.height).round() as i32 + 5;
    // A label at the right edge stays inside the picture.
    let most = (left + (plot.width.round() as i32)) + layout::RIGHT as i32 - HALF_CLOCK;
    while at <= plot.to {
        words(root, &clock(at, scene.offset_minutes), (plot.x(at).min(most), below), ink, HPos::Center, VPos::Top)?;
        at += step;
    }
    Ok(())
}

fn line<DB: DrawingBackend>(root: &DrawingArea<DB, Shift>, series: &Series, step: f64, plot: &Plot) -> Drawn<DB> {
    let base = plot.y(0.0);
    for piece in pieces(&series.values, step, plot) {
        let (Some(first), Some(last)) = (piece.first().copied(), piece.last().copied()) else { continue };
        if first == last && piece.len() == 1 {
            // One value has no line; a short stroke keeps it visible.
            root.draw(&PathElement::new(vec![(first.0 - 1, first.1), (first.0 + 1, first.1)], bold(series.color)))?;
            continue;
        }
        if series.fill {
            let mut area = piece.clone();
            area.extend([(last.0, base), (first.0, base)]);
            root.draw(&Polygon::new(area, rgb(series.color).mix(TINT)))?;
        }
        root.draw(&PathElement::new(piece, bold(series.color)))?;
    }
    Ok(())
}

/// The runs between gaps, thinned to the least and greatest value of each column of pixels.
fn pieces(values: &[f32], step: f64, plot: &Plot) -> Vec<Vec<Point>> {
    let mut all: Vec<Vec<Point>> = Vec::new();
    let mut open = false;
    for (index, value) in values.iter().enumerate() {
        let at = plot.from + index as f64 * step;
        if !value.is_finite() || at > plot.to {
            open = false;
            continue;
        }
        let point = (plot.x(at), plot.y(f64::from(*value)));
        match all.last_mut().filter(|_| open) {
            Some(piece) => push(piece, point),
            None => all.push(vec![point]),
        }
        open = true;
    }
    all
}

fn push(piece: &mut Vec<Point>, point: Point) {
    if let [.., before, last] = piece.as_mut_slice()
        && before.0 == point.0
        && last.0 == point.0
    {
        let (low, high) = (before.1.min(last.1), before.1.max(last.1));
        // The newer extreme comes second so that the line leaves the column where it really leaves it.
        if point.1 <= low {
            (before.1, last.1) = (high, point.1);
        } else if point.1 >= high {
            (before.1, last.1) = (low, point.1);
        }
        return;
    }
    piece.push(point);
}

fn rules<DB: DrawingBackend>(root: &DrawingArea<DB, Shift>, scene: &Scene, plot: &Plot) -> Drawn<DB> {
    let (left, right) = (plot.left.round() as i32, (plot.left + plot.width).round() as i32);
    for rule in scene.rules.iter().filter(|rule| rule.value.is_finite() && rule.value >= 0.0) {
        let y = plot.y(rule.value);
        let style = stroke(rule.color);
        let reach = if rule.dash { DASH } else { right - left };
        let mut x = left;
        while x < right {
            root.draw(&PathElement::new(vec![(x, y), ((x + reach).min(right), y)], style))?;
            x += reach + DASH;
        }
        // Where there is no room above, the label goes below.
        let above = y > plot.top.round() as i32 + layout::FONT_PX as i32;
        let (at, side) = if above { (y - 3, VPos::Bottom) } else { (y + 3, VPos::Top) };
        words(root, &rule.label, (right, at), rule.color, HPos::Right, side)?;
    }
    Ok(())
}

fn marks<DB: DrawingBackend>(root: &DrawingArea<DB, Shift>, scene: &Scene, plot: &Plot) -> Drawn<DB> {
    let (top, base) = (plot.top.round() as i32, plot.y(0.0));
    for mark in scene.marks.iter().filter(|mark| (plot.from..=plot.to).contains(&mark.at)) {
        let x = plot.x(mark.at);
        root.draw(&PathElement::new(vec![(x, top), (x, base)], stroke(scene.palette.mark)))?;
        words(root, &mark.label, (x + 4, top), scene.palette.mark, HPos::Left, VPos::Top)?;
    }
    Ok(())
}

fn words<DB: DrawingBackend>(
    root: &DrawingArea<DB, Shift>,
    text: &str,
    at: Point,
    color: Rgb,
    h_pos: HPos,
    v_pos: VPos,
) -> Drawn<DB> {
    if text.is_empty() {
        return Ok(());
    }
    let font = ("sans-serif", f64::from(layout::FONT_PX)).into_font();
    let style: TextStyle<'_> = font.color(&rgb(color)).into_text_style(root).pos(Pos::new(h_pos, v_pos));
    root.draw(&Text::new(text, at, style))
}

fn rgb(color: Rgb) -> RGBColor {
    RGBColor(color.0, color.1, color.2)
}

fn stroke(color: Rgb) -> ShapeStyle {
    rgb(color).stroke_width(1)
}

fn bold(color: Rgb) -> ShapeStyle {
    rgb(color).stroke_width(2)
}

// === impl Plot ===

impl Plot {
    fn x(&self, at: f64) -> i32 {
        (self.left + (at - self.from) / (self.to - self.from) * self.width).round() as i32
    }

    fn y(&self, value: f64) -> i32 {
        (self.top + self.height * (1.0 - value / self.peak)).round() as i32
    }
}
