//! The form of tiles: their sizes on a page, and their outlines in a layout.

use crate::layout::power;

/// Size of a tile's pictures: the large one is square, the small ones a quarter of it.
pub const PICTURES_PX: [u32; 2] = [212, 265];
/// Height of the bar below them.
pub const BAR_PX: u32 = 34;
/// Space between tiles.
pub const GAP_PX: u32 = 14;
/// Size of a whole tile.
pub const TILE_PX: [u32; 2] = [PICTURES_PX[0], PICTURES_PX[1] + BAR_PX];

/// Width of a tile over its height, for choosing a grid.
pub fn tile_aspect() -> f64 {
    f64::from(TILE_PX[0] + GAP_PX) / f64::from(TILE_PX[1] + GAP_PX)
}

/// A tile's outline, in the units of the room it lies in, `y` downwards.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TileShape {
    /// Its corners in order; convex.
    pub polygon: Vec<[f64; 2]>,
    /// Its centre of gravity.
    pub centre: [f64; 2],
    /// Left, top, right and bottom of the smallest rectangle around it.
    pub bounds: [f64; 4],
}

impl TileShape {
    /// The shape with these corners.
    pub fn new(polygon: Vec<[f64; 2]>) -> Self {
        if polygon.is_empty() {
            return Self::default();
        }
        let none = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
        let bounds = polygon
            .iter()
            .fold(none, |[left, top, right, bottom], &[x, y]| [left.min(x), top.min(y), right.max(x), bottom.max(y)]);
        Self { centre: power::area_and_centroid(&polygon).1, bounds, polygon }
    }

    pub(crate) fn rectangle([left, top, right, bottom]: [f64; 4]) -> Self {
        Self::new(vec![[left, top], [right, top], [right, bottom], [left, bottom]])
    }

    /// Its area.
    pub fn area(&self) -> f64 {
        power::area_and_centroid(&self.polygon).0
    }

    /// Whether a point lies in it.
    pub fn contains(&self, [x, y]: [f64; 2]) -> bool {
        let corners = self.polygon.iter().zip(self.polygon.iter().cycle().skip(1));
        let sides = corners.map(|(a, b)| (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]));
        let (mut left, mut right) = (false, false);
        sides.for_each(|side| {
            left |= side < 0.0;
            right |= side > 0.0;
        });
        let outside = self.polygon.is_empty() || (left && right);
        !outside
    }

    /// The shape drawn together towards its centre by this much on every side, for a gap between tiles.
    pub fn inset(&self, by: f64) -> Self {
        Self::new(power::inset(&self.polygon, by))
    }
}
