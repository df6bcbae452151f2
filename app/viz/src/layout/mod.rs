//! Where the tiles of a mosaic lie: shapes without pixels.

mod hexagons;
pub(crate) mod power;
mod voronoi;

use crate::grid;
use crate::shape::{TileShape, tile_aspect};

/// A tile is at least this share of its cell, however small its weight.
const MIN_SHARE: f64 = 0.35;

/// How tiles are laid out. In each, similar slices are neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// Rectangles in columns and rows.
    #[default]
    Grid,
    /// A honeycomb.
    Hexagons,
    /// Cells whose area is their weight, without gaps.
    Voronoi,
}

/// Lays out a tile for each position, in a room of this size.
///
/// `weights` are the wanted areas, in any unit; equal ones for equal tiles. Grid and honeycomb have equal cells, which a
/// tile fills by its weight (the heaviest all of it, none less than 35 %); Voronoi cells have these areas, to a few
/// percent.
///
/// # Panics
/// If there are not as many weights as positions.
pub fn tiles(layout: Layout, positions: &[[f64; 2]], weights: &[f64], size: [f64; 2]) -> Vec<TileShape> {
    assert_eq!(positions.len(), weights.len(), "one weight per tile");
    match layout {
        Layout::Grid => {
            let room = [0.0, 0.0, size[0], size[1]];
            let [columns, rows] = grid_of(positions.len(), room);
            in_grid(&grid::assign(positions, columns, rows), [columns, rows], weights, room)
        }
        Layout::Hexagons => hexagons::tiles(positions, weights, size),
        Layout::Voronoi => voronoi::tiles(positions, weights, size),
    }
}

/// Columns and rows for `n` tiles of the usual form inside a rectangle (left, top, right, bottom).
fn grid_of(n: usize, [left, top, right, bottom]: [f64; 4]) -> [usize; 2] {
    grid::shape(n, (right - left) / (bottom - top) / tile_aspect()).into()
}

/// Tiles in their cells `[column, row]` of a grid that fills a rectangle.
fn in_grid(
    cells: &[[usize; 2]],
    [columns, rows]: [usize; 2],
    weights: &[f64],
    [left, top, right, bottom]: [f64; 4],
) -> Vec<TileShape> {
    let (cell_width, cell_height) = ((right - left) / columns as f64, (bottom - top) / rows as f64);
    let tile = |(&[column, row], scale): (&[usize; 2], f64)| {
        let (x, y) = (left + (column as f64 + 0.5) * cell_width, top + (row as f64 + 0.5) * cell_height);
        let (dx, dy) = (cell_width / 2.0 * scale, cell_height / 2.0 * scale);
        TileShape::rectangle([x - dx, y - dy, x + dx, y + dy])
    };
    cells.iter().zip(scales(weights)).map(tile).collect()
}

/// Side of each tile as a share of that of its cell, so that areas are as the weights.
fn scales(weights: &[f64]) -> Vec<f64> {
    let largest = weights.iter().copied().fold(0.0, f64::max);
    let share = |weight: f64| if largest > 0.0 { (weight / largest).max(MIN_SHARE) } else { 1.0 };
    weights.iter().map(|&weight| share(weight).sqrt()).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const SIZE: [f64; 2] = [1200.0, 800.0];

    /// Seeded places in the plane, some of them equal, and weights from 1 to 40.
    pub(crate) fn cloud(n: usize) -> (Vec<[f64; 2]>, Vec<f64>) {
        let mut state = 7u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / (1u64 << 31) as f64
        };
        let positions = (0..n).map(|i| if i % 9 == 5 { [0.5, 0.5] } else { [random(), random() * 3.0] }).collect();
        (positions, (0..n).map(|_| 1.0 + 39.0 * random().powi(3)).collect())
    }

    #[test]
    fn tiles_lie_in_the_room_apart_from_each_other() {
        for layout in [Layout::Grid, Layout::Hexagons, Layout::Voronoi] {
            for n in [1, 2, 3, 7, 40, 240] {
                let (positions, weights) = cloud(n);
                let tiles = tiles(layout, &positions, &weights, SIZE);
                assert_eq!(tiles.len(), n);
                for (i, tile) in tiles.iter().enumerate() {
                    let [left, top, right, bottom] = tile.bounds;
                    let inside = left > -1e-6 && top > -1e-6 && right < SIZE[0] + 1e-6 && bottom < SIZE[1] + 1e-6;
                    assert!(inside && tile.area() > 1.0, "{layout:?} of {n}: {tile:?}");
                    assert!(tile.contains(tile.centre));
                    let holders = tiles.iter().filter(|other| other.contains(tile.centre)).count();
                    assert_eq!(holders, 1, "{layout:?} of {n}: the centre of {i}");
                }
            }
            assert!(tiles(layout, &[], &[], SIZE).is_empty());
        }
    }

    #[test]
    fn the_same_positions_give_the_same_tiles() {
        let (positions, weights) = cloud(60);
        for layout in [Layout::Grid, Layout::Hexagons, Layout::Voronoi] {
            assert_eq!(tiles(layout, &positions, &weights, SIZE), tiles(layout, &positions, &weights, SIZE));
        }
    }

    #[test]
    fn equal_weights_fill_their_cells_and_light_ones_do_not() {
        let positions: Vec<[f64; 2]> = (0..12).map(|i| [f64::from(i % 4), f64::from(i / 4)]).collect();
        for layout in [Layout::Grid, Layout::Hexagons] {
            let full = tiles(layout, &positions, &[3.0; 12], SIZE);
            let mut weights = [4.0; 12];
            (weights[2], weights[5]) = (2.0, 0.01);
            let weighted = tiles(layout, &positions, &weights, SIZE);
            let share = |i: usize| weighted[i].area() / full[i].area();
            assert!((share(0) - 1.0).abs() < 1e-9 && (share(2) - 0.5).abs() < 1e-9, "{layout:?}");
            assert!((share(5) - MIN_SHARE).abs() < 1e-9, "{layout:?}");
        }
    }

    #[test]
    fn similar_slices_are_neighbours() {
        let positions: Vec<[f64; 2]> = (0..48).map(|i| [f64::from(i % 8), f64::from(i / 8)]).collect();
        for layout in [Layout::Grid, Layout::Hexagons, Layout::Voronoi] {
            let tiles = tiles(layout, &positions, &[1.0; 48], SIZE);
            let distance = |i: usize, j: usize| {
                (tiles[i].centre[0] - tiles[j].centre[0]).hypot(tiles[i].centre[1] - tiles[j].centre[1])
            };
            let near: Vec<f64> = (0..47).filter(|i| i % 8 != 7).map(|i| distance(i, i + 1)).collect();
            let far: Vec<f64> = (0..24).map(|i| distance(i, i + 24)).collect();
            let mean = |distances: &[f64]| distances.iter().sum::<f64>() / distances.len() as f64;
            assert!(mean(&near) < 0.2 * SIZE[0] && mean(&near) < 0.6 * mean(&far), "{layout:?}: {near:?}");
            assert!(distance(0, 7) > 0.6 * SIZE[0] && distance(0, 40) > 0.5 * SIZE[1], "{layout:?}");
        }
    }

    #[test]
    fn an_inset_shape_is_smaller_by_the_gap_on_every_side() {
        let square = TileShape::rectangle([0.0, 0.0, 10.0, 20.0]);
        assert_eq!(square.inset(2.0).bounds, [2.0, 2.0, 8.0, 18.0]);
        assert!(square.inset(6.0).polygon.is_empty(), "nothing is left");
        assert!(!square.contains([10.5, 3.0]) && square.contains([9.5, 3.0]));
    }
}
