//! Draws the map on a canvas: hairlines and boxes, colour only where a path is broken or partial.

use crate::parts::graph_scene::{BOX, Camera, HEAD, ROW, Rect, Scene, column, top};
use wasm_bindgen::JsCast as _;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};
use wire::map::{Edge, Layer};
use wire::{Key, Level};

/// The tokens a drawing needs, read from the style sheet once per theme.
#[derive(Clone, Debug)]
pub(crate) struct Ink {
    deck: String,
    line: String,
    ink: String,
    ink_2: String,
    ink_3: String,
    accent: String,
    good: String,
    warn: String,
    bad: String,
    bad_soft: String,
    gone: String,
    font: String,
}

impl Ink {
    /// As the page's theme has them now.
    #[must_use]
    pub(crate) fn of_page() -> Option<Self> {
        let window = web_sys::window()?;
        let style = window.get_computed_style(&window.document()?.document_element()?).ok()??;
        let token = |name: &str| style.get_property_value(name).map(|text| text.trim().to_owned()).unwrap_or_default();
        Some(Self {
            deck: token("--deck"),
            line: token("--line-strong"),
            ink: token("--ink"),
            ink_2: token("--ink-2"),
            ink_3: token("--ink-3"),
            accent: token("--accent"),
            good: token("--good"),
            warn: token("--warn"),
            bad: token("--bad"),
            bad_soft: token("--bad-soft"),
            gone: token("--gone"),
            font: token("--font"),
        })
    }

    fn level(&self, level: Level) -> &str {
        match level {
            Level::Good => &self.good,
            Level::Busy => &self.accent,
            Level::Warn => &self.warn,
            Level::Bad => &self.bad,
            Level::Gone => &self.gone,
        }
    }
}

/// What is drawn beside the map itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    pub(crate) selected: Option<Key>,
    /// Boxes on the selected one's path; everything else is faint while it is not empty.
    pub(crate) path: Vec<Key>,
    /// Titles of the columns, left to right.
    pub(crate) titles: Vec<String>,
    /// In words why a box is not well, by box.
    pub(crate) words: Vec<(Key, String)>,
}

/// Draws everything that is in view. Costs one pass over boxes and lines.
pub(crate) fn map(canvas: &HtmlCanvasElement, scene: &Scene, camera: Camera, ink: &Ink, marks: &Marks) {
    let Some(context) = context(canvas) else { return };
    let ratio = web_sys::window().map_or(1.0, |window| window.device_pixel_ratio());
    let (width, height) = (f64::from(canvas.client_width()), f64::from(canvas.client_height()));
    fit(canvas, width * ratio, height * ratio);
    let brush = Brush { context: &context, ink };
    let reset = context.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
    if reset.is_err() {
        return; // a canvas without a size has no transform, and nothing to draw on
    }
    context.clear_rect(0.0, 0.0, width, height);
    let zoom = camera.zoom * ratio;
    if context.set_transform(zoom, 0.0, 0.0, zoom, -camera.x * zoom, -camera.y * zoom).is_err() {
        return;
    }
    let view = Rect { x: camera.x, y: camera.y, w: width / camera.zoom, h: height / camera.zoom };
    brush.lanes(scene, view);
    for line in &scene.map.edges {
        brush.edge(scene, line, marks);
    }
    for one in &scene.map.boxes {
        if let Some(rect) = scene.place(one.key).filter(|rect| rect.y + BOX >= view.y && rect.y <= view.y + view.h) {
            brush.one(one, rect, marks);
        }
    }
    for (key, text) in &marks.words {
        if let Some(rect) = scene.place(*key) {
            brush.text(text, rect.x + rect.w + 6.0, rect.y + 8.0, 150.0, &ink.bad, "550 11px");
        }
    }
    brush.titles(scene, view, &marks.titles);
}

fn context(canvas: &HtmlCanvasElement) -> Option<CanvasRenderingContext2d> {
    canvas.get_context("2d").ok()??.dyn_into().ok()
}

fn fit(canvas: &HtmlCanvasElement, width: f64, height: f64) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a canvas' size is a small positive number")]
    let (width, height) = (width.max(1.0) as u32, height.max(1.0) as u32);
    if canvas.width() != width || canvas.height() != height {
        canvas.set_width(width);
        canvas.set_height(height);
    }
}

struct Brush<'a> {
    context: &'a CanvasRenderingContext2d,
    ink: &'a Ink,
}

impl Brush<'_> {
    fn lanes(&self, scene: &Scene, view: Rect) {
        let end = column(Layer::Node).0 / 1252.0 * scene.width - 30.0;
        for lane in &scene.map.lanes {
            let (y, h) = (top(lane.row), f64::from(lane.rows) * ROW);
            if lane.namespace.is_empty() || y + h < view.y || y > view.y + view.h {
                continue;
            }
            self.context.set_global_alpha(0.55);
            self.context.set_fill_style_str(&self.ink.deck);
            self.context.fill_rect(8.0, y - 2.0, end, h - 6.0);
            self.context.set_global_alpha(1.0);
            self.text(&lane.namespace, 20.0, y + 12.0, 220.0, &self.ink.ink_3, "550 11px");
        }
    }

    fn titles(&self, scene: &Scene, view: Rect, titles: &[String]) {
        let layers = [Layer::Entry, Layer::Service, Layer::Endpoints, Layer::Workload, Layer::Node];
        self.context.set_fill_style_str(&self.ink.deck);
        self.context.set_global_alpha(0.92);
        self.context.fill_rect(view.x, view.y, view.w, HEAD - 12.0);
        self.context.set_global_alpha(1.0);
        for (layer, title) in layers.into_iter().zip(titles) {
            let (x, w) = column(layer);
            self.text(title, x / 1252.0 * scene.width, view.y + 20.0, w, &self.ink.ink_3, "500 12px");
        }
    }

    fn edge(&self, scene: &Scene, line: &Edge, marks: &Marks) {
        let (Some(from), Some(to)) = (scene.place(line.from), scene.place(line.to)) else { return };
        let on_path = marks.path.contains(&line.from) && marks.path.contains(&line.to);
        let to_node = scene.find(line.to).is_some_and(|one| one.layer == Layer::Node);
        let broken = matches!(line.level, Level::Bad | Level::Warn);
        let alpha = match (on_path, marks.path.is_empty(), to_node, broken) {
            (true, ..) | (_, true, false, _) | (_, true, true, true) => 0.9,
            (false, true, true, false) => 0.22,
            (false, false, ..) => 0.12,
        };
        let color = match line.level {
            _ if line.near => &self.ink.accent,
            Level::Bad => &self.ink.bad,
            Level::Warn => &self.ink.warn,
            Level::Good | Level::Busy | Level::Gone => &self.ink.ink_3,
        };
        self.context.set_global_alpha(alpha);
        self.context.set_stroke_style_str(color);
        self.context.set_line_width(if on_path { 1.6 } else { 1.1 });
        self.dash(if line.near { 4.0 } else { 0.0 });
        let (x1, y1, x2, y2) = (from.x + from.w, from.y + BOX / 2.0, to.x, to.y + BOX / 2.0);
        let bend = (x2 - x1) / 2.0;
        self.context.begin_path();
        self.context.move_to(x1, y1);
        self.context.bezier_curve_to(x1 + bend, y1, x2 - bend, y2, x2, y2);
        self.context.stroke();
        self.dash(0.0);
        self.context.set_global_alpha(1.0);
    }

    fn one(&self, one: &wire::map::Box, rect: Rect, marks: &Marks) {
        let faint = !marks.path.is_empty() && !marks.path.contains(&one.key);
        self.context.set_global_alpha(if faint { 0.45 } else { 1.0 });
        let bad = one.level == Level::Bad;
        self.context.set_fill_style_str(if bad { &self.ink.bad_soft } else { &self.ink.deck });
        self.context.set_stroke_style_str(match one.level {
            Level::Bad => &self.ink.bad,
            Level::Warn => &self.ink.warn,
            Level::Good | Level::Busy | Level::Gone => &self.ink.line,
        });
        let selected = marks.selected == Some(one.key);
        self.context.set_line_width(if selected { 2.0 } else { 1.0 });
        if selected && !bad {
            self.context.set_stroke_style_str(&self.ink.accent);
        }
        self.dash(if one.lone { 4.0 } else { 0.0 });
        self.context.begin_path();
        self.rounded(rect, 4.0);
        self.context.fill();
        self.context.stroke();
        self.dash(0.0);
        let dots = self.dots(one, rect);
        self.text(&one.title, rect.x + 10.0, rect.y + 15.0, rect.w - 18.0 - dots, &self.ink.ink, "550 12px");
        self.text(&one.subtitle, rect.x + 10.0, rect.y + 29.0, rect.w - 18.0, if bad { &self.ink.ink_2 } else { &self.ink.ink_3 }, "400 10.5px");
        self.context.set_global_alpha(1.0);
    }

    /// One mark a pod, with a shape for its state; returns the room they took.
    fn dots(&self, one: &wire::map::Box, rect: Rect) -> f64 {
        let more = if one.more > 0 { format!("+{}", one.more) } else { String::new() };
        #[expect(clippy::cast_precision_loss, reason = "at most 24 dots and a few digits")]
        let (count, digits) = (one.dots.len() as f64, more.len() as f64);
        let mut x = rect.x + rect.w - 12.0 - digits * 7.0;
        if !more.is_empty() {
            self.text(&more, x + 4.0, rect.y + 15.0, 40.0, &self.ink.ink_3, "400 10.5px");
            x -= 6.0;
        }
        for level in one.dots.iter().rev() {
            self.context.set_fill_style_str(self.ink.level(*level));
            self.context.set_stroke_style_str(self.ink.level(*level));
            self.context.begin_path();
            let y = rect.y + 12.0;
            match level {
                Level::Bad => self.context.rect(x - 3.5, y - 3.5, 7.0, 7.0),
                Level::Warn => {
                    self.context.move_to(x, y - 4.0);
                    self.context.line_to(x + 4.2, y + 3.5);
                    self.context.line_to(x - 4.2, y + 3.5);
                    self.context.close_path();
                }
                Level::Good | Level::Busy | Level::Gone => {
                    // The only error is a negative radius.
                    let _ = self.context.arc(x, y, 3.4, 0.0, std::f64::consts::TAU);
                }
            }
            if matches!(level, Level::Gone | Level::Busy) {
                self.context.set_line_width(1.4);
                self.context.stroke();
            } else {
                self.context.fill();
            }
            x -= 10.0;
        }
        count * 10.0 + digits * 7.0 + if one.more > 0 { 6.0 } else { 0.0 }
    }

    fn rounded(&self, rect: Rect, radius: f64) {
        let Rect { x, y, w, h } = rect;
        self.context.move_to(x + radius, y);
        // The only error is a negative radius.
        let _ = self.context.arc_to(x + w, y, x + w, y + h, radius);
        let _ = self.context.arc_to(x + w, y + h, x, y + h, radius);
        let _ = self.context.arc_to(x, y + h, x, y, radius);
        let _ = self.context.arc_to(x, y, x + w, y, radius);
        self.context.close_path();
    }

    fn dash(&self, length: f64) {
        let pattern = js_sys::Array::new();
        if length > 0.0 {
            pattern.push(&length.into());
            pattern.push(&(length * 0.8).into());
        }
        // The only error is a negative length.
        let _ = self.context.set_line_dash(&pattern);
    }

    /// Text cut with an ellipsis where it has no room.
    fn text(&self, text: &str, x: f64, y: f64, room: f64, color: &str, font: &str) {
        self.context.set_font(&format!("{font} {}", self.ink.font));
        self.context.set_fill_style_str(color);
        let width = |text: &str| self.context.measure_text(text).map_or(0.0, |metrics| metrics.width());
        let mut shown = text.to_owned();
        if width(&shown) > room {
            while !shown.is_empty() && width(&format!("{shown}…")) > room {
                shown.pop();
            }
            shown.push('…');
        }
        // Text that cannot be drawn (a detached canvas) is drawn with the next frame.
        let _ = self.context.fill_text(&shown, x, y);
    }
}
