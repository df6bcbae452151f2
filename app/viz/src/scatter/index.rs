//! Which point is nearest to the pointer.

/// Mean number of points per square of the index.
const PER_SQUARE: usize = 4;

/// Points sorted into squares, so that the nearest one is found without looking at all.
#[derive(Debug, Clone, Default)]
pub struct Index {
    origin: [f32; 2],
    /// Side of a square.
    side: f32,
    columns: usize,
    rows: usize,
    /// Where the points of each square begin in `order`; one more at the end.
    starts: Vec<u32>,
    order: Vec<u32>,
    points: Vec<[f32; 2]>,
}

impl Index {
    /// Sorts points; those that are not finite are never found.
    pub fn new(points: &[[f32; 2]]) -> Self {
        let finite = |point: &[f32; 2]| point.iter().all(|v| v.is_finite());
        let n = points.iter().filter(|point| finite(point)).count();
        if n == 0 {
            return Self::default();
        }
        let ends = |axis: usize| {
            let values = points.iter().filter(|point| finite(point)).map(|point| point[axis]);
            values.fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], v| [low.min(v), high.max(v)])
        };
        let [x, y] = [ends(0), ends(1)];
        let (width, height) = (x[1] - x[0], y[1] - y[0]);
        // As many squares as there should be, but never thousands in a row for points on a line.
        let n_squares = n.div_ceil(PER_SQUARE) as f32;
        let side = (width * height / n_squares).sqrt().max(width.max(height) / 1000.0).max(f32::MIN_POSITIVE);
        let count = |length: f32| (length / side) as usize + 1;
        let mut index = Self {
            origin: [x[0], y[0]],
            side,
            columns: count(width),
            rows: count(height),
            points: points.to_vec(),
            ..Self::default()
        };
        let squares: Vec<Option<usize>> =
            points.iter().map(|point| finite(point).then(|| index.square_of(*point))).collect();
        let mut starts = vec![0u32; index.columns * index.rows + 1];
        squares.iter().flatten().for_each(|&square| starts[square + 1] += 1);
        for square in 1..starts.len() {
            starts[square] += starts[square - 1];
        }
        let mut next = starts.clone();
        index.order = vec![0; n];
        for (i, square) in squares.iter().enumerate() {
            if let &Some(square) = square {
                index.order[next[square] as usize] = i as u32;
                next[square] += 1;
            }
        }
        index.starts = starts;
        index
    }

    /// The point nearest to this one, within a radius in the units of the plane; of several as near, the first.
    pub fn nearest(&self, point: [f32; 2], radius: f32) -> Option<usize> {
        if self.order.is_empty() || !point.iter().all(|v| v.is_finite()) {
            return None;
        }
        let range = |axis: usize, n: usize| {
            let square = |v: f32| ((v - self.origin[axis]) / self.side).floor().clamp(0.0, (n - 1) as f32) as usize;
            square(point[axis] - radius)..=square(point[axis] + radius)
        };
        let mut best: Option<(f32, usize)> = None;
        for row in range(1, self.rows) {
            for column in range(0, self.columns) {
                let square = row * self.columns + column;
                for &i in &self.order[self.starts[square] as usize..self.starts[square + 1] as usize] {
                    let i = i as usize;
                    let distance = (self.points[i][0] - point[0]).hypot(self.points[i][1] - point[1]);
                    if distance <= radius && best.is_none_or(|best| (distance, i) < best) {
                        best = Some((distance, i));
                    }
                }
            }
        }
        best.map(|(_, i)| i)
    }

    fn square_of(&self, point: [f32; 2]) -> usize {
        let along = |axis: usize, n: usize| (((point[axis] - self.origin[axis]) / self.side) as usize).min(n - 1);
        along(1, self.rows) * self.columns + along(0, self.columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brute(points: &[[f32; 2]], point: [f32; 2], radius: f32) -> Option<usize> {
        let distance = |i: usize| (points[i][0] - point[0]).hypot(points[i][1] - point[1]);
        let near = (0..points.len()).filter(|&i| distance(i) <= radius);
        near.min_by(|&a, &b| distance(a).total_cmp(&distance(b)).then(a.cmp(&b)))
    }

    #[test]
    fn the_nearest_is_the_one_that_a_look_at_all_finds() {
        // A spiral with a far point, doubles, and points that are not there.
        let mut points: Vec<[f32; 2]> =
            (0..3000).map(|i| i as f32 * 0.013).map(|t| [t * t.sin(), t * t.cos()]).collect();
        points.push([300.0, -4.0]);
        points.push(points[17]);
        points.push([f32::NAN, 0.0]);
        let index = Index::new(&points);
        for i in 0..500 {
            let at = [(i % 25) as f32 * 4.0 - 50.0, (i / 25) as f32 * 4.0 - 40.0];
            for radius in [0.0, 0.3, 6.0, 1000.0] {
                assert_eq!(index.nearest(at, radius), brute(&points, at, radius), "{at:?} within {radius}");
            }
        }
        assert_eq!(index.nearest(points[17], 1.0), Some(17), "the first of two at one place");
        assert_eq!(index.nearest([301.0, -4.0], 2.0), Some(3000));
    }

    #[test]
    fn points_on_a_line_or_at_one_place_or_none_are_no_trouble() {
        assert_eq!(Index::new(&[]).nearest([0.0; 2], 9.0), None);
        assert_eq!(Index::new(&[[f32::NAN; 2]]).nearest([0.0; 2], 9.0), None);
        assert_eq!(Index::new(&[[2.0, 2.0]; 5]).nearest([2.5, 2.0], 1.0), Some(0));
        let line: Vec<[f32; 2]> = (0..10_000).map(|i| [i as f32, 3.0]).collect();
        assert_eq!(Index::new(&line).nearest([777.2, 2.9], 1.0), Some(777));
    }
}
