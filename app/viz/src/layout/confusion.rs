//! Tiles grouped as in a confusion matrix.

use super::{grid_of, in_grid};
use crate::shape::TileShape;
use std::collections::BTreeMap;

/// The tiles of one cell of the matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Its row: the ground truth, −1 where unknown.
    pub label: i32,
    /// Its column: what the model said.
    pub predicted_class: i32,
    /// Left, top, right and bottom of the cell.
    pub bounds: [f64; 4],
    /// Its tiles, each with its place in the arguments of [`confusion`].
    pub tiles: Vec<(usize, TileShape)>,
}

/// Room between two rows or columns of the matrix, as a share of the smaller side.
const GAP: f64 = 0.012;

/// Puts tiles into the blocks of a confusion matrix: rows are labels, columns predicted classes, both ascending. Rows
/// and columns are as wide as their fullest block needs for tiles of about one size; blocks without tiles are left out.
/// `cells` are (label, predicted class); `weights` as in [`super::tiles`], inside each block.
///
/// # Panics
/// If there are not as many weights as cells.
pub fn confusion(cells: &[(i32, i32)], weights: &[f64], size: [f64; 2]) -> Vec<Block> {
    assert_eq!(cells.len(), weights.len(), "one weight per tile");
    let mut members: BTreeMap<(i32, i32), Vec<usize>> = BTreeMap::new();
    cells.iter().enumerate().for_each(|(i, &cell)| members.entry(cell).or_default().push(i));
    let gap = GAP * size[0].min(size[1]);
    let rows = spans(members.iter().map(|(&(label, _), tiles)| (label, tiles.len())), size[1], gap);
    let columns = spans(members.iter().map(|(&(_, class), tiles)| (class, tiles.len())), size[0], gap);
    let block = |((label, predicted_class), tiles): ((i32, i32), Vec<usize>)| {
        let ([left, right], [top, bottom]) = (columns[&predicted_class], rows[&label]);
        let bounds = [left, top, right, bottom];
        // In their own order, a row after the other: they come with what matters most first.
        let [columns, rows] = grid_of(tiles.len(), bounds);
        let places: Vec<[usize; 2]> = (0..tiles.len()).map(|i| [i % columns, i / columns]).collect();
        let own_weights: Vec<f64> = tiles.iter().map(|&i| weights[i]).collect();
        let shapes = in_grid(&places, [columns, rows], &own_weights, bounds);
        Block { label, predicted_class, bounds, tiles: tiles.into_iter().zip(shapes).collect() }
    };
    members.into_iter().map(block).collect()
}

/// The ends of each row or column, as long as the square root of the tiles in its fullest block.
fn spans(blocks: impl Iterator<Item = (i32, usize)>, length: f64, gap: f64) -> BTreeMap<i32, [f64; 2]> {
    let mut fullest: BTreeMap<i32, usize> = BTreeMap::new();
    blocks.for_each(|(class, n)| {
        let most = fullest.entry(class).or_default();
        *most = n.max(*most);
    });
    let total: f64 = fullest.values().map(|&n| (n as f64).sqrt()).sum();
    let room = length - gap * fullest.len().saturating_sub(1) as f64;
    let mut start = 0.0;
    let span = |(class, n): (i32, usize)| {
        let end = start + (n as f64).sqrt() / total * room;
        let span = [start, end];
        start = end + gap;
        (class, span)
    };
    fullest.into_iter().map(span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_stand_as_in_a_matrix_and_hold_their_tiles() {
        let cells = [(0, 1), (1, 1), (0, 0), (1, 1), (1, 1), (1, 1), (-1, 1)];
        let blocks = confusion(&cells, &[1.0; 7], [900.0, 600.0]);
        let place = |label: i32, class: i32| {
            blocks.iter().find(|block| (block.label, block.predicted_class) == (label, class)).unwrap()
        };
        assert_eq!(blocks.len(), 4, "(1, 0) has no tiles");
        assert!(place(0, 0).bounds[2] < place(0, 1).bounds[0], "classes side by side");
        assert!(place(-1, 1).bounds[3] < place(0, 1).bounds[1] && place(0, 1).bounds[3] < place(1, 1).bounds[1]);
        assert_eq!(place(0, 1).bounds[0], place(1, 1).bounds[0], "one column is one column");
        assert_eq!(place(1, 1).tiles.iter().map(|(i, _)| *i).collect::<Vec<_>>(), [1, 3, 4, 5]);
        assert_eq!((place(-1, 1).bounds[1], place(1, 1).bounds[3].round()), (0.0, 600.0));
        for block in &blocks {
            let [left, top, right, bottom] = block.bounds;
            for (_, tile) in &block.tiles {
                let [l, t, r, b] = tile.bounds;
                assert!(l > left - 1e-9 && t > top - 1e-9 && r < right + 1e-9 && b < bottom + 1e-9);
            }
        }
        let width = |label: i32, class: i32| place(label, class).bounds[2] - place(label, class).bounds[0];
        assert!((width(1, 1) - 2.0 * width(0, 0)).abs() < 1e-9, "four tiles need two times the side of one");
        assert!(confusion(&[], &[], [10.0, 10.0]).is_empty());
    }
}
