//! A honeycomb of hexagons that stand on a corner.

use super::scales;
use crate::grid;
use crate::shape::TileShape;

/// Width of a hexagon whose sides are 1.
const WIDTH: f64 = 1.732_050_807_568_877_2;
/// Distance of its rows.
const ROW: f64 = 1.5;

/// A hexagon for each position in a room of this size, as large as fits; see [`super::tiles`].
pub(super) fn tiles(positions: &[[f64; 2]], weights: &[f64], size: [f64; 2]) -> Vec<TileShape> {
    let n = positions.len();
    if n == 0 {
        return Vec::new();
    }
    let room = |columns: usize, rows: usize| {
        // Every second row is moved by half a hexagon.
        let half = if rows > 1 { 0.5 } else { 0.0 };
        [(columns as f64 + half) * WIDTH, (rows - 1) as f64 * ROW + 2.0]
    };
    let side = |columns: usize| {
        let [width, height] = room(columns, n.div_ceil(columns));
        (size[0] / width).min(size[1] / height)
    };
    let columns = (1..=n).max_by(|&a, &b| side(a).total_cmp(&side(b))).unwrap_or(1);
    let (side, rows) = (side(columns), n.div_ceil(columns));
    let [width, height] = room(columns, rows);
    let margin = [(size[0] - width * side) / 2.0, (size[1] - height * side) / 2.0];
    let centre = |cell: usize| {
        let (column, row) = ((cell % columns) as f64, cell / columns);
        [(column + 0.5 + 0.5 * (row % 2) as f64) * WIDTH, row as f64 * ROW + 1.0]
    };
    let places: Vec<[f64; 2]> = (0..columns * rows).map(centre).collect();
    let cells = grid::assign_to(positions, &places);
    let tile = |(cell, scale): (usize, f64)| {
        let [x, y] = [0, 1].map(|axis| margin[axis] + places[cell][axis] * side);
        let radius = side * scale;
        let corners = [(0.0, -1.0), (0.5, -0.5), (0.5, 0.5), (0.0, 1.0), (-0.5, 0.5), (-0.5, -0.5)];
        TileShape::new(corners.map(|(dx, dy)| [x + dx * WIDTH * radius, y + dy * radius]).into())
    };
    cells.into_iter().zip(scales(weights)).map(tile).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexagons_touch_and_fill_their_room() {
        // Seven across, six high: room for 42.
        let positions: Vec<[f64; 2]> = (0..42).map(|i| [f64::from(i % 7), f64::from(i / 7)]).collect();
        let tiles = tiles(&positions, &[1.0; 42], [750.0, 570.0]);
        let area: f64 = tiles.iter().map(TileShape::area).sum();
        assert!(area > 0.85 * 750.0 * 570.0, "{area}");
        let mut distances: Vec<f64> = (1..42)
            .map(|i| (tiles[i].centre[0] - tiles[0].centre[0]).hypot(tiles[i].centre[1] - tiles[0].centre[1]))
            .collect();
        distances.sort_by(f64::total_cmp);
        let width = tiles[0].bounds[2] - tiles[0].bounds[0];
        assert!((distances[0] - width).abs() < 1e-9 && (distances[1] - width).abs() < 1e-9, "{distances:?}");
    }
}
