//! A canvas that knows its size, its density and the page's tokens.

use leptos::html::Canvas;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

/// What is drawn on; coordinates are CSS pixels.
pub(crate) struct Pen {
    context: web_sys::CanvasRenderingContext2d,
    style: web_sys::CssStyleDeclaration,
}

// === impl Pen ===

impl Pen {
    /// A clean canvas in the element's present size; `None` while it is not shown.
    pub(crate) fn of(canvas: NodeRef<Canvas>) -> Option<Self> {
        let canvas = canvas.get_untracked()?;
        let canvas: &web_sys::HtmlCanvasElement = &canvas;
        let (width, height) = (f64::from(canvas.client_width()), f64::from(canvas.client_height()));
        if width < 1.0 || height < 1.0 {
            return None;
        }
        let density = window().device_pixel_ratio().max(1.0);
        let (wide, high) = ((width * density) as u32, (height * density) as u32);
        if canvas.width() != wide || canvas.height() != high {
            canvas.set_width(wide);
            canvas.set_height(high);
        }
        let context: web_sys::CanvasRenderingContext2d = canvas.get_context("2d").ok()??.dyn_into().ok()?;
        let style = window().get_computed_style(&document().document_element()?).ok()??;
        let pen = Self { context, style };
        pen.context.set_transform(density, 0.0, 0.0, density, 0.0, 0.0).ok()?;
        pen.context.clear_rect(0.0, 0.0, width, height);
        Some(pen)
    }

    fn token(&self, name: &str) -> String {
        self.style.get_property_value(name).unwrap_or_default()
    }

    /// A filled outline.
    pub(crate) fn area(&self, points: &[(f64, f64)], token: &str, alpha: f64) {
        self.trace(points);
        self.context.set_global_alpha(alpha);
        self.context.set_fill_style_str(&self.token(token));
        self.context.fill();
        self.context.set_global_alpha(1.0);
    }

    /// A box with round corners: filled, then outlined in a token's colour and width, dashed or not.
    pub(crate) fn panel(
        &self,
        (x, y): (f64, f64),
        (width, height): (f64, f64),
        fill: &str,
        (token, thick, dash): (&str, f64, bool),
    ) {
        self.context.begin_path();
        // Half a pixel in, a hairline covers one row of pixels and not two.
        let (left, top) = (x.round() + 0.5, y.round() + 0.5);
        // Refused only for a radius below zero.
        let _ = self.context.round_rect_with_f64(left, top, width.round() - 1.0, height.round() - 1.0, 4.0);
        self.context.set_fill_style_str(&self.token(fill));
        self.context.fill();
        self.dash(dash);
        self.context.set_line_width(thick);
        self.context.set_stroke_style_str(&self.token(token));
        self.context.stroke();
        self.dash(false);
    }

    /// A smooth line between two points, level at both ends.
    pub(crate) fn curve(&self, from: (f64, f64), to: (f64, f64), token: &str, alpha: f64, dash: bool) {
        let middle = (from.0 + to.0) / 2.0;
        self.context.begin_path();
        self.context.move_to(from.0, from.1);
        self.context.bezier_curve_to(middle, from.1, middle, to.1, to.0, to.1);
        self.dash(dash);
        self.context.set_global_alpha(alpha);
        self.context.set_line_width(1.1);
        self.context.set_stroke_style_str(&self.token(token));
        self.context.stroke();
        self.context.set_global_alpha(1.0);
        self.dash(false);
    }

    /// A text; `anchor` is `start`, `end` or `center`.
    pub(crate) fn text(&self, text: &str, at: (f64, f64), token: &str, font: (&str, f64), anchor: &str) {
        let family = self.token("--font");
        self.context.set_font(&format!("{} {}px {family}", font.0, font.1));
        self.context.set_text_align(anchor);
        self.context.set_fill_style_str(&self.token(token));
        // Refused only for numbers that are not finite.
        let _ = self.context.fill_text(text, at.0, at.1);
    }

    pub(crate) fn dot(&self, at: (f64, f64), radius: f64, token: &str, hollow: bool) {
        self.context.begin_path();
        let _ = self.context.arc(at.0, at.1, radius, 0.0, std::f64::consts::TAU);
        if hollow {
            self.context.set_stroke_style_str(&self.token(token));
            self.context.set_line_width(1.4);
            self.context.stroke();
        } else {
            self.context.set_fill_style_str(&self.token(token));
            self.context.fill();
        }
    }

    fn trace(&self, points: &[(f64, f64)]) {
        self.context.begin_path();
        for (at, (x, y)) in points.iter().enumerate() {
            if at == 0 { self.context.move_to(*x, *y) } else { self.context.line_to(*x, *y) }
        }
    }

    fn dash(&self, on: bool) {
        let pattern = js_sys::Array::new();
        if on {
            pattern.push(&5.into());
            pattern.push(&4.into());
        }
        let _ = self.context.set_line_dash(&pattern);
    }
}
