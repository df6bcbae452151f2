//! A place on a grid for each of a set of points, so that neighbours stay neighbours.

use pathfinding::kuhn_munkres::kuhn_munkres_min;
use pathfinding::matrix::Matrix;

/// Columns and rows of a grid for `n` cells: about `aspect` times as wide as high, with few cells left over.
pub fn shape(n: usize, aspect: f64) -> (usize, usize) {
    let cost = |columns: usize| {
        let rows = n.div_ceil(columns);
        let empty = (columns * rows - n) as f64 / n as f64;
        empty + (columns as f64 / rows as f64 / aspect).ln().abs()
    };
    let columns = (1..=n).min_by(|&a, &b| cost(a).total_cmp(&cost(b))).unwrap_or(1);
    (columns, n.div_ceil(columns).max(1))
}

/// The cell `[column, row]` of each point; see [`assign_to`].
///
/// # Panics
/// If there are more points than cells.
pub fn assign(points: &[[f64; 2]], columns: usize, rows: usize) -> Vec<[usize; 2]> {
    let cells: Vec<[f64; 2]> = (0..columns * rows).map(|i| [(i % columns) as f64, (i / columns) as f64]).collect();
    assign_to(points, &cells).into_iter().map(|cell| [cell % columns, cell / columns]).collect()
}

/// The place of each point, each place at most once: the assignment with the smallest sum of squared distances between
/// the points, stretched to the room of the places, and their places (Hungarian method). Places are about 1 apart.
///
/// # Panics
/// If there are more points than places.
pub fn assign_to(points: &[[f64; 2]], places: &[[f64; 2]]) -> Vec<usize> {
    if points.is_empty() {
        return Vec::new();
    }
    let room = |axis: usize| {
        places.iter().fold([f64::MAX, f64::MIN], |[low, high], place| [low.min(place[axis]), high.max(place[axis])])
    };
    let stretched = stretched(points, room(0), room(1));
    // Whole numbers, as the method needs: a millionth of a squared cell.
    let cost = |point: &[f64; 2], place: &[f64; 2]| {
        let (dx, dy) = (point[0] - place[0], point[1] - place[1]);
        ((dx * dx + dy * dy) * 1e6).round() as i64
    };
    let costs = Matrix::from_fn(points.len(), places.len(), |(i, j)| cost(&stretched[i], &places[j]));
    kuhn_munkres_min(&costs).1
}

/// The points moved into a room, given as the ends of its sides.
pub fn stretched(points: &[[f64; 2]], x: [f64; 2], y: [f64; 2]) -> Vec<[f64; 2]> {
    stretch(points, 0, x).into_iter().zip(stretch(points, 1, y)).map(|(x, y)| [x, y]).collect()
}

/// One coordinate of the points, moved between two ends: half by value, half by rank,
/// so that one far point does not press all others into a corner.
fn stretch(points: &[[f64; 2]], axis: usize, [first, last]: [f64; 2]) -> Vec<f64> {
    let values: Vec<f64> = points.iter().map(|point| point[axis]).collect();
    let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(low, high), &v| (low.min(v), high.max(v)));
    let last_rank = points.len().saturating_sub(1).max(1) as f64;
    let share = |v: f64| {
        let by_value = if high > low { (v - low) / (high - low) } else { 0.5 };
        let below = values.iter().filter(|&&other| other < v).count() as f64;
        let ties = values.iter().filter(|&&other| other == v).count() as f64 - 1.0;
        (by_value + (below + ties / 2.0) / last_rank) / 2.0
    };
    values.iter().map(|&v| first + share(v) * (last - first)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_fit_and_waste_little() {
        assert_eq!(shape(40, 1.6), (8, 5));
        assert_eq!(shape(1, 1.6), (1, 1));
        assert_eq!(shape(0, 1.6), (1, 1));
        for n in 1..100 {
            let (columns, rows) = shape(n, 1.6);
            assert!(columns * rows >= n && columns * (rows - 1) < n, "{n}: {columns} x {rows}");
        }
    }

    #[test]
    fn points_on_a_grid_keep_their_cells() {
        let points: Vec<[f64; 2]> = (0..12).map(|i| [f64::from(i % 4) * 10.0, f64::from(i / 4) * 3.0]).collect();
        let cells = assign(&points, 4, 3);
        assert!(cells.iter().enumerate().all(|(i, cell)| *cell == [i % 4, i / 4]), "{cells:?}");
    }

    #[test]
    fn every_point_has_its_own_cell() {
        let points: Vec<[f64; 2]> = (0..37).map(|i| [f64::from(i * i % 17), f64::from(i % 5)]).collect();
        let cells: std::collections::BTreeSet<_> = assign(&points, 8, 5).into_iter().collect();
        assert_eq!(cells.len(), 37);
        assert_eq!(assign(&[[1.0, 1.0]], 1, 1), [[0, 0]]);
    }
}
