//! Where the map's boxes stand and what is under the pointer: geometry of `wire::map::Map` in CSS pixels. Pure; the
//! drawing is in `browser/paint.rs`.
//!
//! Grid cells come from the server, so two browsers see one picture; here they only get a size.

use std::collections::HashMap;
use wire::Key;
use wire::map::{Box, Layer, Map};

/// Height of a grid row, of a box in it, and of a lane's title.
pub(crate) const ROW: f64 = 40.0;
pub(crate) const BOX: f64 = 36.0;
/// Room above the first row: the columns' titles.
pub(crate) const HEAD: f64 = 44.0;
const LEFT: f64 = 24.0;

/// Columns at a width of 1252 (1440 without the rail): left edge and width.
const COLUMNS: [(f64, f64); 5] = [(24.0, 178.0), (262.0, 180.0), (500.0, 94.0), (664.0, 210.0), (1012.0, 152.0)];
const DESIGN_WIDTH: f64 = 1252.0;
/// Below this the map pans instead of getting narrower.
const LEAST_WIDTH: f64 = 860.0;

/// A rectangle in map pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rect {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) w: f64,
    pub(crate) h: f64,
}

impl Rect {
    #[must_use]
    pub(crate) fn has(self, x: f64, y: f64) -> bool {
        x >= self.x && x <= self.x + self.w && y >= self.y && y <= self.y + self.h
    }
}

/// A map with a place for everything.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) map: Map,
    pub(crate) width: f64,
    pub(crate) height: f64,
    places: HashMap<Key, (usize, Rect)>,
}

/// What part of the map is on the canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Camera {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) zoom: f64,
}

impl Default for Camera {
    fn default() -> Self {
        Self { x: 0.0, y: 0.0, zoom: 1.0 }
    }
}

/// Where a key leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Left,
    Right,
    Up,
    Down,
}

impl Scene {
    #[must_use]
    pub(crate) fn new(map: Map, canvas_width: f64) -> Self {
        let width = canvas_width.max(LEAST_WIDTH);
        let scale = width / DESIGN_WIDTH;
        let places: HashMap<Key, (usize, Rect)> = map
            .boxes
            .iter()
            .enumerate()
            .map(|(at, one)| {
                let (x, w) = column(one.layer);
                (one.key, (at, Rect { x: x * scale, y: top(one.row), w: w * scale, h: BOX }))
            })
            .collect();
        let rows = map.lanes.iter().map(|lane| lane.row + lane.rows).chain(map.boxes.iter().map(|one| one.row + 1)).max();
        let height = HEAD + f64::from(rows.unwrap_or(0)) * ROW + LEFT;
        Self { map, width, height, places }
    }

    #[must_use]
    pub(crate) fn place(&self, key: Key) -> Option<Rect> {
        self.places.get(&key).map(|(_, rect)| *rect)
    }

    #[must_use]
    pub(crate) fn find(&self, key: Key) -> Option<&Box> {
        self.places.get(&key).and_then(|(at, _)| self.map.boxes.get(*at))
    }

    /// The box at a point of the map.
    #[must_use]
    pub(crate) fn hit(&self, x: f64, y: f64) -> Option<Key> {
        self.map.boxes.iter().map(|one| one.key).find(|key| self.place(*key).is_some_and(|rect| rect.has(x, y)))
    }

    /// Everything on a path through a box: to the left as far as traffic comes from, to the right as far as it goes.
    #[must_use]
    pub(crate) fn path(&self, from: Key) -> Vec<Key> {
        let mut found = vec![from];
        let mut walk = |right: bool| {
            let mut edge = vec![from];
            while let Some(at) = edge.pop() {
                for line in &self.map.edges {
                    let (here, there) = if right { (line.from, line.to) } else { (line.to, line.from) };
                    if here == at && !found.contains(&there) {
                        found.push(there);
                        edge.push(there);
                    }
                }
            }
        };
        walk(true);
        walk(false);
        found
    }

    /// The box a key press leads to: along a line to the sides, to the neighbour in the column up and down.
    #[must_use]
    pub(crate) fn step(&self, from: Option<Key>, step: Step) -> Option<Key> {
        let Some(from) = from.and_then(|key| self.find(key)) else {
            return self.map.boxes.iter().min_by_key(|one| (one.layer, one.row)).map(|one| one.key);
        };
        let near = |key: &Key| self.find(*key).map(|one| one.row.abs_diff(from.row));
        match step {
            Step::Left => self.map.edges.iter().filter(|line| line.to == from.key).map(|line| line.from).min_by_key(near),
            Step::Right => self.map.edges.iter().filter(|line| line.from == from.key).map(|line| line.to).min_by_key(near),
            Step::Up | Step::Down => self
                .map
                .boxes
                .iter()
                .filter(|one| one.layer == from.layer && one.key != from.key && (one.row < from.row) == (step == Step::Up))
                .map(|one| one.key)
                .min_by_key(near),
        }
    }

    /// Boxes whose title has the text, best first: whole title, beginning, anywhere.
    #[must_use]
    pub(crate) fn search(&self, text: &str) -> Vec<Key> {
        let text = text.trim().to_lowercase();
        if text.is_empty() {
            return Vec::new();
        }
        let mut found: Vec<(u8, Layer, u32, Key)> = self
            .map
            .boxes
            .iter()
            .filter_map(|one| {
                let title = one.title.to_lowercase();
                let rank = if title == text {
                    0
                } else if title.starts_with(&text) {
                    1
                } else if title.contains(&text) {
                    2
                } else {
                    return None;
                };
                Some((rank, one.layer, one.row, one.key))
            })
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(.., key)| key).collect()
    }
}

impl Camera {
    /// A point of the canvas as a point of the map.
    #[must_use]
    pub(crate) fn to_map(self, x: f64, y: f64) -> (f64, f64) {
        (x / self.zoom + self.x, y / self.zoom + self.y)
    }

    /// Zooms by a factor around a point of the canvas.
    #[must_use]
    pub(crate) fn zoomed(self, factor: f64, x: f64, y: f64) -> Self {
        let (map_x, map_y) = self.to_map(x, y);
        let zoom = (self.zoom * factor).clamp(0.25, 2.5);
        Self { x: map_x - x / zoom, y: map_y - y / zoom, zoom }
    }

    /// Moved by canvas pixels and kept where there is something to see.
    #[must_use]
    pub(crate) fn moved(self, dx: f64, dy: f64, scene: &Scene, canvas: (f64, f64)) -> Self {
        let most_x = (scene.width - canvas.0 / self.zoom).max(0.0);
        let most_y = (scene.height - canvas.1 / self.zoom).max(0.0);
        Self { x: (self.x + dx / self.zoom).clamp(0.0, most_x), y: (self.y + dy / self.zoom).clamp(0.0, most_y), zoom: self.zoom }
    }

    /// Moved just so far that a rectangle is in view.
    #[must_use]
    pub(crate) fn showing(self, rect: Rect, scene: &Scene, canvas: (f64, f64)) -> Self {
        let need = |at: f64, low: f64, high: f64, size: f64| {
            if low < at {
                low - at
            } else if high > at + size {
                high - at - size
            } else {
                0.0
            }
        };
        let dx = need(self.x, rect.x - LEFT, rect.x + rect.w + LEFT, canvas.0 / self.zoom);
        let dy = need(self.y, rect.y - ROW, rect.y + rect.h + ROW, canvas.1 / self.zoom);
        self.moved(dx * self.zoom, dy * self.zoom, scene, canvas)
    }
}

/// Left edge and width of a layer's column at the design's width.
#[must_use]
pub(crate) const fn column(layer: Layer) -> (f64, f64) {
    match layer {
        Layer::Entry => COLUMNS[0],
        Layer::Service => COLUMNS[1],
        Layer::Endpoints => COLUMNS[2],
        Layer::Workload => COLUMNS[3],
        Layer::Node => COLUMNS[4],
    }
}

/// Top of a grid row.
#[must_use]
pub(crate) fn top(row: u32) -> f64 {
    HEAD + f64::from(row) * ROW
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Level;
    use wire::map::{Edge, Lane, Proxy, Tally};

    fn one(key: u64, layer: Layer, row: u32, title: &str) -> Box {
        Box {
            key: Key(key),
            layer,
            row,
            title: title.into(),
            subtitle: String::new(),
            level: Level::Good,
            dots: Vec::new(),
            more: 0,
            at: None,
            say: None,
            lone: false,
        }
    }

    fn scene() -> Scene {
        let line = |from, to| Edge { from: Key(from), to: Key(to), level: Level::Good, near: false };
        let map = Map {
            lanes: vec![Lane { namespace: "shop".into(), row: 0, rows: 3 }],
            boxes: vec![
                one(1, Layer::Service, 1, "cart"),
                one(2, Layer::Endpoints, 1, "2 ready"),
                one(3, Layer::Workload, 1, "cart"),
                one(4, Layer::Service, 2, "cart-admin"),
            ],
            edges: vec![line(1, 2), line(2, 3)],
            tally: Tally::default(),
            proxy: Proxy::default(),
            missing: Vec::new(),
        };
        Scene::new(map, 1252.0)
    }

    #[test]
    fn a_box_is_hit_inside_and_nowhere_else() {
        let scene = scene();
        let rect = scene.place(Key(1)).unwrap();
        assert_eq!(scene.hit(rect.x + 1.0, rect.y + 1.0), Some(Key(1)));
        assert_eq!(scene.hit(rect.x - 1.0, rect.y + 1.0), None);
    }

    #[test]
    fn arrows_follow_lines_and_columns() {
        let scene = scene();
        assert_eq!(scene.step(None, Step::Down), Some(Key(1)));
        assert_eq!(scene.step(Some(Key(1)), Step::Right), Some(Key(2)));
        assert_eq!(scene.step(Some(Key(3)), Step::Left), Some(Key(2)));
        assert_eq!(scene.step(Some(Key(1)), Step::Down), Some(Key(4)));
        assert_eq!(scene.step(Some(Key(4)), Step::Right), None);
    }

    #[test]
    fn a_path_is_followed_both_ways() {
        let mut path = scene().path(Key(2));
        path.sort();
        assert_eq!(path, [Key(1), Key(2), Key(3)]);
    }

    #[test]
    fn search_puts_the_whole_title_first() {
        assert_eq!(scene().search("CART"), [Key(1), Key(3), Key(4)]);
        assert_eq!(scene().search("  "), []);
    }

    #[test]
    fn zoom_keeps_the_point_under_the_pointer() {
        let camera = Camera { x: 10.0, y: 20.0, zoom: 1.0 };
        assert_eq!(camera.zoomed(2.0, 100.0, 50.0).to_map(100.0, 50.0), camera.to_map(100.0, 50.0));
    }
}
