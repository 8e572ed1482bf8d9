//! The map's canvas: five columns, a lane a namespace, hairlines; colour only where a path is broken or partial.

use crate::browser::{self, canvas::Pen};
use crate::nav::Nav;
use crate::words::{self, text};
use leptos::html::Canvas;
use leptos::prelude::*;
use wire::map::{Box as Node, Layer, Map};
use wire::{Key, Level};

const ROW: f64 = 42.0;
const BOX: f64 = 34.0;
const TOP: f64 = 40.0;

const fn column(layer: Layer) -> (f64, f64) {
    match layer {
        Layer::Entry => (24.0, 176.0),
        Layer::Service => (262.0, 178.0),
        Layer::Endpoints => (500.0, 104.0),
        Layer::Workload => (664.0, 208.0),
        Layer::Node => (1012.0, 150.0),
    }
}

const fn token(level: Level) -> &'static str {
    match level {
        Level::Good => "--good",
        Level::Busy => "--busy",
        Level::Warn => "--warn",
        Level::Bad => "--bad",
        Level::Gone => "--gone",
    }
}

fn corner(node: &Node) -> (f64, f64) {
    (column(node.layer).0, TOP + f64::from(node.row) * ROW)
}

/// The canvas.
#[component]
pub(crate) fn Graph(map: RwSignal<Option<Map>>, selected: RwSignal<Option<Key>>) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let canvas = NodeRef::<Canvas>::new();
    // Offset and scale.
    let eye = RwSignal::new((0.0_f64, 0.0_f64, 1.0_f64));
    let drag = RwSignal::new(None::<(f64, f64)>);
    let draw = move || {
        map.with_untracked(|map| {
            if let (Some(map), Some(pen)) = (map, Pen::of(canvas)) {
                paint(&pen, map, selected.get_untracked(), eye.get_untracked());
            }
        });
    };
    Effect::new(move |_| {
        map.track();
        selected.track();
        eye.track();
        nav.redraw.track();
        canvas.track();
        request_animation_frame(draw);
    });
    // Moves and scales within what there is to see.
    let look = move |change: &dyn Fn(&mut (f64, f64, f64))| {
        let room = canvas.get_untracked().map_or((0.0, 0.0), |canvas| browser::room(&canvas));
        let whole = map.with_untracked(|map| map.as_ref().map_or((0.0, 0.0), extent));
        eye.update(|eye| {
            change(eye);
            *eye = kept(*eye, whole, room);
        });
    };
    // What is selected is in view.
    Effect::new(move |_| {
        let Some(key) = selected.get() else { return };
        let found = map.with_untracked(|map| {
            map.as_ref()?.boxes.iter().find(|node| node.key == key).map(|node| (corner(node), column(node.layer).1))
        });
        let Some(((x, y), width)) = found else { return };
        let (wide, high) = canvas.get_untracked().map_or((0.0, 0.0), |canvas| browser::room(&canvas));
        look(&|eye| {
            eye.0 = shown(eye.0, (x * eye.2, width * eye.2), wide);
            eye.1 = shown(eye.1, ((y - TOP) * eye.2, (BOX + TOP) * eye.2), high);
        });
    });
    let at = move |x: f64, y: f64| {
        let (dx, dy, zoom) = eye.get_untracked();
        let (x, y) = ((x - dx) / zoom, (y - dy) / zoom);
        map.with_untracked(|map| {
            let hit = |node: &&Node| {
                let (left, top) = corner(node);
                (left..left + column(node.layer).1).contains(&x) && (top..top + BOX).contains(&y)
            };
            map.as_ref()?.boxes.iter().find(hit).map(|node| node.key)
        })
    };
    let key = move |event: web_sys::KeyboardEvent| {
        let step = match event.key().as_str() {
            "ArrowDown" => (0, 1),
            "ArrowUp" => (0, -1),
            "ArrowRight" => (1, 0),
            "ArrowLeft" => (-1, 0),
            "Escape" => return selected.set(None),
            _ if event.ctrl_key() || event.meta_key() || event.alt_key() => return,
            "/" => {
                event.prevent_default();
                return browser::focus("find");
            }
            "Enter" => {
                let object = map.with_untracked(|map| {
                    map.as_ref()?.boxes.iter().find(|node| Some(node.key) == selected.get_untracked())?.at.clone()
                });
                if let Some(path) = object.as_ref().and_then(crate::nav::path_of) {
                    nav.go(&path);
                }
                return;
            }
            "+" | "=" => return look(&|eye| eye.2 *= 1.2),
            "-" => return look(&|eye| eye.2 /= 1.2),
            "0" => return eye.set((0.0, 0.0, 1.0)),
            _ => return,
        };
        event.prevent_default();
        map.with_untracked(|map| {
            if let Some(map) = map {
                selected.set(neighbour(map, selected.get_untracked(), step));
            }
        });
    };
    view! {
        <canvas node_ref=canvas id="canvas" tabindex="0" role="application" aria-label=text!("Map: arrows move, Enter opens, slash finds")
            on:keydown=key
            on:wheel=move |event| {
                event.prevent_default();
                if event.ctrl_key() {
                    look(&|eye| eye.2 *= 1.0 - event.delta_y() * 0.002);
                } else {
                    look(&|eye| { eye.0 -= event.delta_x(); eye.1 -= event.delta_y(); });
                }
            }
            on:pointerdown=move |event| {
                drag.set(Some((f64::from(event.client_x()), f64::from(event.client_y()))));
                if let Some(key) = at(f64::from(event.offset_x()), f64::from(event.offset_y())) { selected.set(Some(key)); }
            }
            on:pointermove=move |event| if let Some((x, y)) = drag.get_untracked() {
                let (now_x, now_y) = (f64::from(event.client_x()), f64::from(event.client_y()));
                look(&|eye| { eye.0 += now_x - x; eye.1 += now_y - y; });
                drag.set(Some((now_x, now_y)));
            }
            on:pointerup=move |_| drag.set(None)
            on:pointerleave=move |_| drag.set(None)></canvas>
    }
}

/// Width and height of the whole map.
fn extent(map: &Map) -> (f64, f64) {
    let rows = map.boxes.iter().map(|node| node.row + 1).max().unwrap_or(0);
    let (left, width) = column(Layer::Node);
    (left + width + 24.0, TOP + f64::from(rows) * ROW + 12.0)
}

/// An offset and scale that leaves no more empty than there must be.
fn kept((x, y, zoom): (f64, f64, f64), whole: (f64, f64), room: (f64, f64)) -> (f64, f64, f64) {
    let zoom = zoom.clamp(0.3, 3.0);
    let edge = |offset: f64, whole: f64, room: f64| offset.clamp((room - whole * zoom).min(0.0), 0.0);
    (edge(x, whole.0, room.0), edge(y, whole.1, room.1), zoom)
}

/// The offset nearest to the present one that shows a span of `(from, length)` in `room`.
fn shown(offset: f64, (from, length): (f64, f64), room: f64) -> f64 {
    offset.min(room - from - length).max(-from)
}

/// The nearest box in a direction; the first one without a selection.
fn neighbour(map: &Map, from: Option<Key>, step: (i32, i32)) -> Option<Key> {
    let Some(from) = map.boxes.iter().find(|node| Some(node.key) == from) else {
        return map.boxes.iter().min_by_key(|node| (node.row, node.layer)).map(|node| node.key);
    };
    let sign = |a: i64, b: i64| (b - a).signum();
    let layer = |node: &Node| node.layer as i64;
    let fits = |node: &&Node| match step {
        (0, dy) => node.layer == from.layer && sign(from.row.into(), node.row.into()) == i64::from(dy),
        (dx, _) => sign(layer(from), layer(node)) == i64::from(dx),
    };
    let far = |node: &&Node| {
        ((layer(node) - layer(from)).abs() * 3 + (i64::from(node.row) - i64::from(from.row)).abs(), node.key)
    };
    map.boxes.iter().filter(fits).min_by_key(far).map_or(Some(from.key), |node| Some(node.key))
}

fn paint(pen: &Pen, map: &Map, selected: Option<Key>, (dx, dy, zoom): (f64, f64, f64)) {
    let place = |x: f64, y: f64| (x * zoom + dx, y * zoom + dy);
    let rect = |x: f64, y: f64, w: f64, h: f64| {
        [place(x, y), place(x + w, y), place(x + w, y + h), place(x, y + h), place(x, y)]
    };
    let size = |size: f64| size * zoom;
    for lane in &map.lanes {
        let top = TOP + f64::from(lane.row) * ROW;
        if !lane.namespace.is_empty() {
            pen.area(&rect(8.0, top - 4.0, 940.0, f64::from(lane.rows) * ROW - 2.0), "--deck", 0.55);
            pen.text(&lane.namespace, place(16.0, top + 4.0), "--ink-3", ("550", size(11.0)), "start");
        }
    }
    // Many lines at once would draw a block.
    let faint = if map.edges.len() > 150 { 0.1 } else { 0.22 };
    for edge in &map.edges {
        let ends = |key: Key| map.boxes.iter().find(|node| node.key == key);
        let (Some(from), Some(to)) = (ends(edge.from), ends(edge.to)) else { continue };
        let ((x0, y0), (x1, y1)) = (corner(from), corner(to));
        let chosen = selected.is_some_and(|key| key == edge.from || key == edge.to);
        let (color, alpha) = match (edge.near, edge.level) {
            (true, _) => ("--accent", 1.0),
            (_, Level::Bad) => ("--bad", 1.0),
            (_, Level::Warn) => ("--warn", 1.0),
            _ if to.layer == Layer::Node && !chosen => ("--ink-3", faint),
            _ => ("--ink-3", 0.75),
        };
        let end = place(x1, y1 + BOX / 2.0);
        pen.curve(place(x0 + column(from.layer).1, y0 + BOX / 2.0), end, color, alpha, edge.near);
    }
    for node in &map.boxes {
        let ((x, y), width) = (corner(node), column(node.layer).1);
        let (corner, whole) = (place(x, y), (size(width), size(BOX)));
        let (fill, stroke) = match node.level {
            Level::Bad => ("--bad-soft", "--bad"),
            Level::Warn => ("--deck", "--warn"),
            _ => ("--deck", "--line-strong"),
        };
        let (stroke, thick) = if selected == Some(node.key) { ("--accent", 2.0) } else { (stroke, 1.0) };
        pen.panel(corner, whole, fill, (stroke, thick, node.lone));
        let room = ((width - 20.0) / 6.4) as usize;
        let cut = |text: &str, room: usize| {
            if text.chars().count() > room {
                text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
            } else {
                text.to_owned()
            }
        };
        let dots = node.dots.len().min(8);
        pen.text(
            &cut(&node.title, room.saturating_sub(dots * 2)),
            place(x + 10.0, y + 15.0),
            "--ink",
            ("550", size(12.0)),
            "start",
        );
        pen.text(&cut(&node.subtitle, room + 3), place(x + 10.0, y + 28.0), "--ink-3", ("400", size(10.5)), "start");
        for (at, dot) in node.dots.iter().take(8).enumerate() {
            let (cx, cy) = (x + width - 15.0 - at as f64 * 12.0, y + 11.0);
            match dot {
                Level::Bad => pen.area(&rect(cx - 4.0, cy - 4.0, 8.0, 8.0), "--bad", 1.0),
                Level::Warn => pen.area(
                    &[place(cx, cy - 5.0), place(cx + 5.0, cy + 4.0), place(cx - 5.0, cy + 4.0)],
                    "--warn",
                    1.0,
                ),
                level => pen.dot(place(cx, cy), size(4.0), token(*level), *level == Level::Gone),
            }
        }
        if let (Layer::Endpoints, Level::Bad, Some(say)) = (node.layer, node.level, &node.say) {
            let (head, _) = words::headline(&words::say(say));
            pen.text(&head, place(x + width + 8.0, y + 8.0), token(node.level), ("550", size(11.0)), "start");
        }
    }
    let titles = [
        (Layer::Entry, text!("Entry")),
        (Layer::Service, text!("Service and port")),
        (Layer::Endpoints, text!("Endpoints")),
        (Layer::Workload, text!("Workload, a dot a pod")),
        (Layer::Node, text!("Node")),
    ];
    for (layer, title) in titles {
        let (x, _) = place(column(layer).0, 0.0);
        pen.text(title, (x, 20.0), "--ink-3", ("500", 12.0), "start");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_stays_in_its_window() {
        assert_eq!(kept((50.0, -5000.0, 1.0), (1000.0, 2000.0), (800.0, 600.0)), (0.0, -1400.0, 1.0));
        assert_eq!(kept((-50.0, -50.0, 0.1), (1000.0, 1000.0), (800.0, 600.0)), (0.0, 0.0, 0.3));
    }

    #[test]
    fn what_is_selected_is_brought_into_view() {
        assert_eq!(shown(0.0, (900.0, 100.0), 600.0), -400.0);
        assert_eq!(shown(-400.0, (100.0, 100.0), 600.0), -100.0);
        assert_eq!(shown(-100.0, (200.0, 100.0), 600.0), -100.0);
    }
}
