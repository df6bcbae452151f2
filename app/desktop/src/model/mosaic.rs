//! The mosaic: where each tile lies, and which one is under the pointer.

use super::figures::Figure;
use super::session::Session;
use super::{Changes, Model};
use crate::command::{MosaicCommand, View};
use ascan_engine::slices::SliceReport;
use ascan_report::mosaic::MAX_TILES;
use ascan_viz::layout::{self, Layout};
use ascan_viz::shape::TileShape;

/// Layouts in the order of the buttons.
pub const LAYOUTS: [(Layout, &str); 3] =
    [(Layout::Grid, "Grid"), (Layout::Hexagons, "Hexagons"), (Layout::Voronoi, "Voronoi")];
/// What the area of a tile shows.
pub const SIZES: [&str; 2] = ["equal", "images"];
const MAX_ZOOM: f32 = 12.0;
/// Background around cells that touch.
const SEAM: f64 = 1.5;
/// Between tiles, in pixels at zoom 1.
const GAP: f64 = 5.0;

/// A tile and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// The slice.
    pub id: i32,
    /// Its outline, in pixels at zoom 1.
    pub shape: TileShape,
}

/// State of the mosaic.
#[derive(Debug, Clone, Default)]
pub struct Mosaic {
    /// Index into [`LAYOUTS`].
    pub layout: usize,
    /// Index into [`Figure::COLORS`].
    pub metric: usize,
    /// Index into [`SIZES`].
    pub size: usize,
    /// Room for the mosaic in pixels.
    pub room: [f32; 2],
    /// Magnification.
    pub zoom: f32,
    /// Where the upper left corner lies.
    pub pan: [f32; 2],
    /// Slice under the pointer.
    pub hovered: Option<i32>,
    /// The pointer.
    pub pointer: [f32; 2],
    /// Tiles in the order of the set.
    pub tiles: Vec<Placed>,
}

impl Mosaic {
    /// The figure that colours the tiles.
    pub fn figure(&self) -> Figure {
        Figure::COLORS[self.metric]
    }

    /// Whether tiles have outlines that are no rectangles.
    pub fn is_shaped(&self) -> bool {
        self.layout != 0
    }

    /// Places the tiles anew.
    pub fn update(&mut self, session: &Session) {
        if self.zoom == 0.0 {
            self.zoom = 1.0;
        }
        let slices: Vec<&SliceReport> = session.set.slices.iter().take(MAX_TILES).collect();
        let room = self.room.map(|side| f64::from(side).max(60.0));
        let weights: Vec<f64> =
            slices.iter().map(|slice| if self.size == 1 { (slice.size as f64).max(1.0) } else { 1.0 }).collect();
        let positions: Vec<[f64; 2]> = slices.iter().map(|slice| slice.position).collect();
        let shapes = layout::tiles(LAYOUTS[self.layout].0, &positions, &weights, room);
        // Cells that touch are told apart by a line of background.
        let by = if self.is_shaped() { SEAM } else { 0.0 };
        let shapes = shapes.into_iter().map(|shape| shape.inset(by));
        self.tiles = slices.iter().zip(shapes).map(|(slice, shape)| Placed { id: slice.id, shape }).collect();
    }

    /// The slice at a point of the window.
    pub fn at(&self, x: f32, y: f32) -> Option<i32> {
        let point = [f64::from((x - self.pan[0]) / self.zoom), f64::from((y - self.pan[1]) / self.zoom)];
        self.tiles.iter().find(|tile| tile.shape.contains(point)).map(|tile| tile.id)
    }

    /// Magnifies around a point; so many steps of the wheel.
    pub fn zoom_at(&mut self, x: f32, y: f32, steps: f32) {
        let zoom = (self.zoom * 1.15f32.powf(steps)).clamp(1.0, MAX_ZOOM);
        let ratio = zoom / self.zoom;
        self.pan = [x - (x - self.pan[0]) * ratio, y - (y - self.pan[1]) * ratio];
        self.zoom = zoom;
        self.hold();
    }

    /// Moves the mosaic.
    pub fn pan_by(&mut self, dx: f32, dy: f32) {
        self.pan = [self.pan[0] + dx, self.pan[1] + dy];
        self.hold();
    }

    /// The whole mosaic again.
    pub fn fit(&mut self) {
        self.zoom = 1.0;
        self.pan = [0.0; 2];
    }

    /// The mosaic never leaves the window.
    fn hold(&mut self) {
        for axis in 0..2 {
            let least = self.room[axis] * (1.0 - self.zoom);
            self.pan[axis] = self.pan[axis].clamp(least, 0.0);
        }
    }

    /// The nearest tile in a direction.
    pub fn step(&self, from: Option<i32>, dx: i32, dy: i32) -> Option<i32> {
        let Some(current) = from.and_then(|id| self.tiles.iter().find(|tile| tile.id == id)) else {
            return self.tiles.first().map(|tile| tile.id);
        };
        let (dx, dy) = (f64::from(dx), f64::from(dy));
        let cost = |tile: &&Placed| {
            let [x, y] = [0, 1].map(|axis| tile.shape.centre[axis] - current.shape.centre[axis]);
            let (along, across) = (x * dx + y * dy, x * dy - y * dx);
            // What lies straight ahead is nearer than what lies beside it.
            (along > 1.0).then_some(along + 2.5 * across.abs())
        };
        let nearest = self.tiles.iter().filter_map(|tile| cost(&tile).map(|cost| (cost, tile.id)));
        nearest.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, id)| id).or(from)
    }

    /// Pixels of a tile's picture at zoom 1: `[x, y, width, height]`, less the gap around it.
    pub fn bounds(&self, tile: &Placed) -> [f64; 4] {
        let [x, y, right, bottom] = tile.shape.bounds;
        let (width, height) = (right - x, bottom - y);
        if self.is_shaped() {
            return [x, y, width, height];
        }
        [x + GAP / 2.0, y + GAP / 2.0, (width - GAP).max(4.0), (height - GAP).max(4.0)]
    }
}

impl Mosaic {
    /// How far a tile is magnified: not at all where it is out of sight, so that no large picture of it is kept.
    pub fn zoom_of(&self, [x, y, width, height]: [f64; 4]) -> f32 {
        let seen = |start: f64, side: f64, axis: usize| {
            let low = (start as f32) * self.zoom + self.pan[axis];
            low < self.room[axis] && low + side as f32 * self.zoom > 0.0
        };
        if seen(x, width, 0) && seen(y, height, 1) { self.zoom } else { 1.0 }
    }
}

impl Model {
    pub(super) fn apply_to_mosaic(&mut self, command: MosaicCommand) -> Changes {
        let mosaic = &mut self.mosaic;
        match command {
            MosaicCommand::Pointer(x, y) => {
                mosaic.pointer = [x, y];
                mosaic.hovered = mosaic.at(x, y);
                Changes::HOVER
            }
            MosaicCommand::PointerLeft => {
                mosaic.hovered = None;
                Changes::HOVER
            }
            MosaicCommand::Click(x, y) => {
                let id = mosaic.at(x, y);
                self.select(id)
            }
            // Of a double click the first click selects, and tiles may have made room for the inspector since.
            MosaicCommand::Open(x, y) => match self.selected.or_else(|| mosaic.at(x, y)) {
                Some(id) => self.select(Some(id)) | self.show(View::Images),
                None => Changes::NONE,
            },
            MosaicCommand::Step(dx, dy) => {
                let to = mosaic.step(self.selected, dx, dy);
                self.select(to)
            }
            MosaicCommand::Resize(width, height) => {
                if mosaic.room == [width, height] {
                    return Changes::NONE;
                }
                mosaic.room = [width, height];
                mosaic.fit();
                mosaic.update(&self.session);
                Changes::TILES | Changes::MOSAIC_VIEW
            }
            MosaicCommand::Pan(dx, dy) => {
                mosaic.pan_by(dx, dy);
                mosaic.hovered = None;
                Changes::MOSAIC_VIEW | Changes::HOVER
            }
            MosaicCommand::Zoom { x, y, steps } => {
                mosaic.zoom_at(x, y, steps);
                Changes::MOSAIC_VIEW
            }
            MosaicCommand::Fit => {
                mosaic.fit();
                Changes::MOSAIC_VIEW
            }
            MosaicCommand::Layout(layout) => {
                mosaic.layout = layout;
                self.show(View::Mosaic)
            }
            MosaicCommand::Metric(metric) => {
                mosaic.metric = metric;
                Changes::TILES | Changes::LIST
            }
            MosaicCommand::TileSize(size) => {
                mosaic.size = size;
                mosaic.update(&self.session);
                Changes::TILES
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(id: i32, column: f64, row: f64) -> Placed {
        let (x, y) = (column * 100.0, row * 100.0);
        let polygon = vec![[x, y], [x + 100.0, y], [x + 100.0, y + 100.0], [x, y + 100.0]];
        Placed { id, shape: TileShape::new(polygon) }
    }

    fn mosaic() -> Mosaic {
        let tiles = (0..6).map(|i| square(i, f64::from(i % 3), f64::from(i / 3))).collect();
        Mosaic { tiles, zoom: 1.0, room: [300.0, 200.0], ..Mosaic::default() }
    }

    #[test]
    fn the_tile_under_the_pointer_is_found_at_every_zoom() {
        let mut mosaic = mosaic();
        assert_eq!(mosaic.at(150.0, 150.0), Some(4));
        assert_eq!(mosaic.at(350.0, 150.0), None);
        mosaic.zoom_at(150.0, 150.0, 10.0);
        assert_eq!(mosaic.at(150.0, 150.0), Some(4), "the point under the pointer stays");
        mosaic.pan_by(1e6, 1e6);
        assert_eq!(mosaic.at(1.0, 1.0), Some(0), "held at the edge");
        mosaic.zoom_at(0.0, 0.0, -100.0);
        assert_eq!((mosaic.zoom, mosaic.pan), (1.0, [0.0; 2]));
    }

    #[test]
    fn arrows_go_to_the_neighbour_and_stop_at_the_edge() {
        let mosaic = mosaic();
        assert_eq!(mosaic.step(Some(0), 1, 0), Some(1));
        assert_eq!(mosaic.step(Some(1), 0, 1), Some(4));
        assert_eq!(mosaic.step(Some(2), 1, 0), Some(2));
        assert_eq!(mosaic.step(None, 1, 0), Some(0));
    }
}
