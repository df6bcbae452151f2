//! A place in two dimensions for each slice.

/// First two principal coordinates of a set of vectors.
///
/// From the Gram matrix of the centred vectors, so the cost does not grow with its square in `d`;
/// the sign of each axis makes its largest coordinate positive.
///
/// # Shapes
/// `centres`: `k` vectors `[d]`; returns `k` points.
pub(super) fn principal_plane(centres: &[Vec<f64>]) -> Vec<[f64; 2]> {
    let k = centres.len();
    let d = centres.first().map_or(0, Vec::len);
    let mean: Vec<f64> = (0..d).map(|j| centres.iter().map(|c| c[j]).sum::<f64>() / k as f64).collect();
    let centred: Vec<Vec<f64>> = centres.iter().map(|c| c.iter().zip(&mean).map(|(v, m)| v - m).collect()).collect();
    let mut gram: Vec<Vec<f64>> = centred.iter().map(|a| centred.iter().map(|b| dot(a, b)).collect()).collect();

    let mut points = vec![[0.0; 2]; k];
    for axis in 0..2 {
        let (value, vector) = leading(&gram);
        for (i, point) in points.iter_mut().enumerate() {
            point[axis] = vector[i] * value.max(0.0).sqrt();
        }
        for (i, row) in gram.iter_mut().enumerate() {
            row.iter_mut().zip(&vector).for_each(|(g, v)| *g -= value * vector[i] * v);
        }
    }
    points
}

/// The leading eigenvalue and eigenvector of a symmetric positive matrix, by power iteration.
fn leading(matrix: &[Vec<f64>]) -> (f64, Vec<f64>) {
    // A fixed start without symmetry, so that it is orthogonal to no likely eigenvector.
    let mut vector: Vec<f64> = (0..matrix.len()).map(|i| ((i + 1) as f64 * 1.618).sin() + 0.1).collect();
    let mut value = 0.0;
    for _ in 0..500 {
        let next: Vec<f64> = matrix.iter().map(|row| dot(row, &vector)).collect();
        let norm = dot(&next, &next).sqrt();
        if norm <= f64::EPSILON {
            return (0.0, vec![0.0; matrix.len()]);
        }
        vector = next.into_iter().map(|v| v / norm).collect();
        let settled = (norm - value).abs() <= 1e-12 * norm;
        value = norm;
        if settled {
            break;
        }
    }
    let largest = vector.iter().copied().fold(0.0, |a: f64, v| if v.abs() > a.abs() { v } else { a });
    let sign = if largest < 0.0 { -1.0 } else { 1.0 };
    (value, vector.into_iter().map(|v| v * sign).collect())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_in_a_plane_are_kept() {
        // A 4 by 1 rectangle, put obliquely into three dimensions.
        let axes = [[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]];
        let corners = [[0.0, 0.0], [4.0, 0.0], [4.0, 1.0], [0.0, 1.0]];
        let centres: Vec<Vec<f64>> =
            corners.iter().map(|[a, b]| (0..3).map(|j| a * axes[0][j] + b * axes[1][j] + 7.0).collect()).collect();
        let points = principal_plane(&centres);
        let distance = |i: usize, j: usize| {
            let [a, b] = [points[i], points[j]];
            ((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)).sqrt()
        };
        assert!((distance(0, 1) - 4.0).abs() < 1e-6 && (distance(1, 2) - 1.0).abs() < 1e-6);
        assert!((points[0][0].abs() - 2.0).abs() < 1e-6, "the long side is the first axis");
    }

    #[test]
    fn equal_centres_share_a_point() {
        assert_eq!(principal_plane(&[vec![3.0, 1.0], vec![3.0, 1.0]]), [[0.0; 2]; 2]);
        assert_eq!(principal_plane(&[]), [] as [[f64; 2]; 0]);
    }
}
