//! Charts on a canvas element, in the page's tokens.

use chart::IntoDrawingArea as _;
use chart::{Rgb, Scene};
use std::cell::RefCell;
use wasm_bindgen::JsCast as _;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

/// The tokens charts are drawn with.
#[derive(Clone, Debug)]
pub(crate) struct Colors {
    series: [Rgb; 8],
    pub(crate) bad: Rgb,
    pub(crate) quiet: Rgb,
    pub(crate) grid: Rgb,
    pub(crate) line: Rgb,
}

impl Colors {
    /// The colour of a line by its place; they repeat after eight.
    pub(crate) fn series(&self, at: usize) -> Rgb {
        self.series.get(at % self.series.len()).copied().unwrap_or(self.quiet)
    }
}

thread_local! {
    /// Of the theme that was asked for last: reading a dozen tokens takes longer than drawing a line.
    static KNOWN: RefCell<Option<(String, Colors)>> = const { RefCell::new(None) };
}

/// As the page's theme has them now.
pub(crate) fn colors() -> Colors {
    let theme = super::theme();
    KNOWN.with_borrow_mut(|known| match known {
        Some((of, colors)) if *of == theme => colors.clone(),
        _ => known.insert((theme, read())).1.clone(),
    })
}

fn read() -> Colors {
    let style = leptos::prelude::document()
        .document_element()
        .and_then(|root| leptos::prelude::window().get_computed_style(&root).ok().flatten());
    let token = |name: &str| {
        let text = style.as_ref().and_then(|style| style.get_property_value(name).ok()).unwrap_or_default();
        rgb(text.trim()).unwrap_or(Rgb(128, 128, 128))
    };
    Colors {
        series: ["--s1", "--s2", "--s3", "--s4", "--s5", "--s6", "--s7", "--s8"].map(token),
        bad: token("--bad"),
        quiet: token("--ink-3"),
        grid: token("--grid"),
        line: token("--line-strong"),
    }
}

/// `#rrggbb`.
fn rgb(text: &str) -> Option<Rgb> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
    let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    Some(Rgb(part(0)?, part(2)?, part(4)?))
}

/// Minutes to add to UTC for the person's clock.
pub(crate) fn offset_minutes() -> i32 {
    -(js_sys::Date::new_0().get_timezone_offset() as i32)
}

/// Draws a scene; one the canvas refuses is drawn with the next change.
pub(crate) fn draw(canvas: &HtmlCanvasElement, scene: &Scene) {
    let ratio = leptos::prelude::window().device_pixel_ratio().max(1.0);
    let (width, height) = (f64::from(scene.size.0) * ratio, f64::from(scene.size.1) * ratio);
    if f64::from(canvas.width()) != width.floor() || f64::from(canvas.height()) != height.floor() {
        canvas.set_width(width as u32);
        canvas.set_height(height as u32);
    }
    let context =
        canvas.get_context("2d").ok().flatten().and_then(|context| context.dyn_into::<CanvasRenderingContext2d>().ok());
    let Some(context) = context else { return };
    match chart::Canvas::new(context, scene.size, ratio) {
        Ok(backend) => {
            let root = backend.into_drawing_area();
            if let Err(error) = chart::draw(&root, scene) {
                leptos::logging::warn!("{error}");
            }
        }
        Err(error) => leptos::logging::warn!("{error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_colours() {
        assert_eq!(rgb("#6cb2f5"), Some(Rgb(0x6c, 0xb2, 0xf5)));
        assert_eq!(rgb("red"), None);
        assert_eq!(rgb("#12"), None);
    }
}
