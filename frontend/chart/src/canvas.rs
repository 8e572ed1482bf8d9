//! plotters on a 2D canvas. It never measures text through the document, sets a style only when it differs from the
//! last one, and strokes paths of one style that follow each other at once, as the dashes of a rule do: those are what
//! a redraw would otherwise spend its time on.

use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind};
use std::fmt::Write as _;
use wasm_bindgen::JsValue;
use web_sys::CanvasRenderingContext2d;

/// What the browser answered to a drawing call.
#[derive(Debug)]
pub struct Refused(String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the canvas refused to draw: {}", self.0)
    }
}

impl std::error::Error for Refused {}

/// A 2D context as a plotters backend. One lives for one redraw.
#[derive(Debug)]
pub struct Canvas {
    context: CanvasRenderingContext2d,
    /// CSS pixels.
    size: (u32, u32),
    stroke: Option<(Ink, u32)>,
    /// Whether the canvas' path has lines that are not stroked yet.
    open: bool,
    fill: Option<Ink>,
    font: String,
    anchor: Option<(&'static str, &'static str)>,
}

/// A colour that can be compared: channels and the bits of alpha.
type Ink = ((u8, u8, u8), u64);

type Drawn = Result<(), DrawingErrorKind<Refused>>;

// === impl Canvas ===

impl Canvas {
    /// A cleared canvas of `size` CSS pixels; the element itself must be `size × ratio` device pixels.
    ///
    /// # Errors
    /// What the browser says when the transform is refused.
    pub fn new(context: CanvasRenderingContext2d, size: (u32, u32), ratio: f64) -> Result<Self, Refused> {
        context.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0).map_err(|error| refused(&error))?;
        context.clear_rect(0.0, 0.0, f64::from(size.0), f64::from(size.1));
        context.set_line_join("round");
        Ok(Self { context, size, stroke: None, open: false, fill: None, font: String::new(), anchor: None })
    }

    fn stroke_with<S: BackendStyle>(&mut self, style: &S) {
        let wanted = (ink(style.color()), style.stroke_width());
        if self.stroke != Some(wanted) {
            self.close();
            self.context.set_stroke_style_str(&css(style.color()));
            self.context.set_line_width(f64::from(wanted.1));
            self.stroke = Some(wanted);
        }
    }

    fn fill_with(&mut self, color: BackendColor) {
        self.close();
        if self.fill != Some(ink(color)) {
            self.context.set_fill_style_str(&css(color));
            self.fill = Some(ink(color));
        }
    }

    /// Strokes what was traced: before the path or the style is another one, and at the end.
    fn close(&mut self) {
        if std::mem::take(&mut self.open) {
            self.context.stroke();
        }
    }

    fn trace(&self, points: impl IntoIterator<Item = BackendCoord>, shift: f64) {
        for (index, (x, y)) in points.into_iter().enumerate() {
            let (x, y) = (f64::from(x) + shift, f64::from(y) + shift);
            if index == 0 { self.context.move_to(x, y) } else { self.context.line_to(x, y) }
        }
    }
}

impl DrawingBackend for Canvas {
    type ErrorType = Refused;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        self.close();
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, color: BackendColor) -> Drawn {
        self.fill_with(color);
        self.context.fill_rect(f64::from(x), f64::from(y), 1.0, 1.0);
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S, fill: bool) -> Drawn {
        let (x, y) = (f64::from(from.0), f64::from(from.1));
        let (width, height) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
        if fill {
            self.fill_with(style.color());
            self.context.fill_rect(x, y, width, height);
        } else {
            self.stroke_with(style);
            self.close();
            self.context.stroke_rect(x, y, width, height);
        }
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        self.stroke_with(style);
        // A stroke of odd width is sharp only between two rows of pixels.
        let shift = if style.stroke_width() % 2 == 1 { 0.5 } else { 0.0 };
        if !std::mem::replace(&mut self.open, true) {
            self.context.begin_path();
        }
        self.trace(path, shift);
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(&mut self, at: BackendCoord, radius: u32, style: &S, fill: bool) -> Drawn {
        let (x, y) = (f64::from(at.0), f64::from(at.1));
        self.close();
        self.context.begin_path();
        let turn = std::f64::consts::TAU;
        self.context
            .arc(x, y, f64::from(radius), 0.0, turn)
            .map_err(|e| DrawingErrorKind::DrawingError(refused(&e)))?;
        if fill {
            self.fill_with(style.color());
            self.context.fill();
        } else {
            self.stroke_with(style);
            self.context.stroke();
        }
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, points: I, style: &S) -> Drawn {
        self.fill_with(style.color());
        self.context.begin_path();
        self.trace(points, 0.0);
        self.context.close_path();
        self.context.fill();
        Ok(())
    }

    fn draw_text<T: BackendTextStyle>(&mut self, text: &str, style: &T, (x, y): BackendCoord) -> Drawn {
        // The page's own face first: its digits are narrower than what the browser would take.
        let font = format!("{}px \"Inter Variable\", {}", style.size(), style.family().as_str());
        if self.font != font {
            self.context.set_font(&font);
            self.font = font;
        }
        let anchor = (across(style.anchor().h_pos), upright(style.anchor().v_pos));
        if self.anchor != Some(anchor) {
            self.context.set_text_align(anchor.0);
            self.context.set_text_baseline(anchor.1);
            self.anchor = Some(anchor);
        }
        self.fill_with(style.color());
        let drawn = self.context.fill_text(text, f64::from(x), f64::from(y));
        drawn.map_err(|error| DrawingErrorKind::DrawingError(refused(&error)))
    }

    /// Digits of the interface's font are about 0.6 em wide; placing is done by the canvas itself, by anchor.
    fn estimate_text_size<T: BackendTextStyle>(
        &self,
        text: &str,
        style: &T,
    ) -> Result<(u32, u32), DrawingErrorKind<Refused>> {
        let em = style.size();
        Ok(((text.chars().count() as f64 * em * 0.6).ceil() as u32, em.ceil() as u32))
    }
}

fn refused(error: &JsValue) -> Refused {
    Refused(format!("{error:?}"))
}

fn ink(color: BackendColor) -> Ink {
    (color.rgb, color.alpha.to_bits())
}

fn css(color: BackendColor) -> String {
    let (red, green, blue) = color.rgb;
    let mut text = format!("#{red:02x}{green:02x}{blue:02x}");
    if color.alpha < 1.0 {
        // Writing to a String can't fail.
        let _ = write!(text, "{:02x}", (color.alpha.clamp(0.0, 1.0) * 255.0).round() as u8);
    }
    text
}

const fn across(side: HPos) -> &'static str {
    match side {
        HPos::Left => "left",
        HPos::Center => "center",
        HPos::Right => "right",
    }
}

const fn upright(side: VPos) -> &'static str {
    match side {
        VPos::Top => "top",
        VPos::Center => "middle",
        VPos::Bottom => "bottom",
    }
}
