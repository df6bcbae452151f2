//! Maps on the first principal direction of what they are made from, by Lanczos' method.

use crate::evidence::Evidence;
use ascan_core::Tensor;
use ascan_math::lanes::sum;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};

/// Maximum number of steps; the top of the spectrum is found long before.
const MAX_STEPS: usize = 64;

/// Maximum number of rows for which `X Xᵀ` is written out: with more, two products with `X` per step cost less.
const MAX_GRAM: usize = 2 * MAX_STEPS;

/// Projects `term(A_kij, g_kij)`, a matrix of places and channels, on its first principal direction.
pub fn principal_maps(evidence: &Evidence, centre: bool, term: impl Fn(f64, f64) -> f64) -> Tensor {
    let [n, c, h, w] = evidence.shape;
    let area = h * w;
    let mut maps = Tensor::zeros([n, h, w]);
    let mut matrix = vec![0.0; area * c];
    for i in 0..n {
        let mut towards = vec![0.0; area];
        for k in 0..c {
            let (activations, slope) = evidence.channel(i, k);
            let value = |place: usize| term(f64::from(activations[place]), slope.at(place));
            let mean = if centre { (0..area).map(value).sum::<f64>() / area as f64 } else { 0.0 };
            for (place, towards) in towards.iter_mut().enumerate() {
                matrix[place * c + k] = value(place) - mean;
                *towards += value(place);
            }
        }
        let map = &mut maps.data_mut()[i * area..(i + 1) * area];
        map.iter_mut().zip(projection(&matrix, c, &towards)).for_each(|(value, p)| *value = p as f32);
    }
    maps
}

/// `X v` for the first right singular vector `v` of `X [rows, columns]`, with its sign such that it agrees with
/// `towards [rows]` (a positive scalar product); zeros if `X` is zero.
pub fn projection(x: &[f64], columns: usize, towards: &[f64]) -> Vec<f64> {
    let rows = x.len() / columns.max(1);
    // Eigenvectors of X Xᵀ, in the space of the rows: the projection is its first one times the singular value.
    let gram = (rows <= MAX_GRAM).then(|| gram(x, rows, columns));
    let multiply = |u: &[f64]| -> Vec<f64> {
        if let Some(gram) = &gram {
            return gram.col_iter().map(|column| dot(column.try_as_col_major().unwrap().as_slice(), u)).collect();
        }
        let mut v = vec![0.0; columns];
        for (row, &u) in x.chunks_exact(columns).zip(u) {
            v.iter_mut().zip(row).for_each(|(v, &x)| *v += u * x);
        }
        x.chunks_exact(columns).map(|row| dot(row, &v)).collect()
    };
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let (mut diagonal, mut beside) = (Vec::new(), Vec::new());
    // It must not be orthogonal to the first direction; the ripple makes that unlikely even for symmetric inputs.
    let ripple = |(i, &t): (usize, &f64)| t + 1e-3 * norm(towards) * (1.0 + (i as f64 * 0.7).sin());
    let mut next: Vec<f64> = towards.iter().enumerate().map(ripple).collect();
    if norm(&next) == 0.0 {
        next = (0..rows).map(|i| 1.0 + (i as f64 * 0.7).sin()).collect();
    }
    while basis.len() < rows.min(MAX_STEPS) {
        // Twice is enough: Gram–Schmidt against all before.
        for _ in 0..2 {
            for b in &basis {
                let share = dot(&next, b);
                next.iter_mut().zip(b).for_each(|(n, b)| *n -= share * b);
            }
        }
        let length = norm(&next);
        let scale: f64 = diagonal.iter().fold(0.0, |max: f64, d: &f64| max.max(d.abs()));
        if length <= 1e-13 * scale || length == 0.0 {
            break;
        }
        if !basis.is_empty() {
            beside.push(length);
        }
        next.iter_mut().for_each(|n| *n /= length);
        let image = multiply(&next);
        diagonal.push(dot(&next, &image));
        basis.push(std::mem::replace(&mut next, image));
    }
    let (value, weights) = top_of_tridiagonal(&diagonal, &beside);
    let mut projection = vec![0.0; rows];
    for (b, weight) in basis.iter().zip(weights) {
        projection.iter_mut().zip(b).for_each(|(p, b)| *p += weight * b);
    }
    let sign = if dot(&projection, towards) < 0.0 { -1.0 } else { 1.0 };
    let scale = sign * value.max(0.0).sqrt();
    projection.iter_mut().for_each(|p| *p *= scale);
    projection
}

/// Largest eigenvalue of a symmetric tridiagonal matrix by bisection, and its eigenvector by inverse iteration.
fn top_of_tridiagonal(diagonal: &[f64], beside: &[f64]) -> (f64, Vec<f64>) {
    let n = diagonal.len();
    let at = |i: usize| beside.get(i).copied().unwrap_or(0.0).abs();
    let radius = |i: usize| at(i) + if i > 0 { at(i - 1) } else { 0.0 };
    let mut high = (0..n).map(|i| diagonal[i] + radius(i)).fold(0.0, f64::max);
    let mut low = (0..n).map(|i| diagonal[i] - radius(i)).fold(high, f64::min);
    // Sylvester: as many eigenvalues lie below x as the pivots of T − x have negative signs.
    let all_below = |x: f64| {
        let mut pivot = 1.0;
        (0..n).all(|i| {
            let coupling = if i > 0 { beside[i - 1] * beside[i - 1] / pivot } else { 0.0 };
            pivot = diagonal[i] - x - coupling;
            if pivot == 0.0 {
                pivot = -f64::MIN_POSITIVE.sqrt();
            }
            pivot < 0.0
        })
    };
    for _ in 0..200 {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if all_below(middle) { high = middle } else { low = middle }
    }
    // Just above the eigenvalue, T − x is negative definite: elimination needs no pivoting.
    let shift = high + high.abs() * 1e-14 + f64::MIN_POSITIVE;
    let mut vector: Vec<f64> = vec![1.0; n];
    for _ in 0..4 {
        let (mut pivots, mut right) = (vec![0.0; n], vector.clone());
        for i in 0..n {
            let factor = if i > 0 { beside[i - 1] / pivots[i - 1] } else { 0.0 };
            pivots[i] = diagonal[i] - shift - if i > 0 { factor * beside[i - 1] } else { 0.0 };
            if pivots[i] == 0.0 {
                pivots[i] = -f64::EPSILON * high.max(f64::MIN_POSITIVE);
            }
            if i > 0 {
                right[i] -= factor * right[i - 1];
            }
        }
        for i in (0..n).rev() {
            let after = if i + 1 < n { beside[i] * right[i + 1] } else { 0.0 };
            right[i] = (right[i] - after) / pivots[i];
        }
        let length = norm(&right);
        if length == 0.0 || !length.is_finite() {
            break;
        }
        vector = right.into_iter().map(|v| v / length).collect();
    }
    (high, vector)
}

/// `X Xᵀ`.
fn gram(x: &[f64], rows: usize, columns: usize) -> Mat<f64> {
    let x = MatRef::from_row_major_slice(x, rows, columns);
    let mut gram = Mat::zeros(rows, rows);
    matmul(&mut gram, Accum::Replace, x, x.transpose(), 1.0, Par::Seq);
    gram
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    sum(a.iter().zip(b).map(|(a, b)| a * b))
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_direction_of_a_matrix_of_rank_one_is_found() {
        let (u, v) = ([1.0, 2.0, 0.0, -1.0], [3.0, -4.0, 0.5]);
        let x: Vec<f64> = u.iter().flat_map(|u| v.map(|v| u * v)).collect();
        let length = norm(&v);
        for sign in [1.0, -1.0] {
            let towards: Vec<f64> = u.iter().map(|u| sign * u).collect();
            for (p, u) in projection(&x, 3, &towards).iter().zip(u) {
                assert!((p - sign * u * length).abs() < 1e-9, "{p} {u}");
            }
        }
    }

    /// The projection is an eigenvector of `X Xᵀ` with the largest eigenvalue, its own squared length.
    #[test]
    fn the_direction_of_any_matrix_explains_most() {
        for (rows, columns) in [(1, 1), (7, 3), (3, 9), (49, 20), (100, 80), (160, 20)] {
            let x: Vec<f64> = (0..rows * columns).map(|i| ((i * i) as f64 * 0.37 + i as f64).sin() + 0.1).collect();
            let towards: Vec<f64> = x.chunks_exact(columns).map(|row| row.iter().sum()).collect();
            let p = projection(&x, columns, &towards);
            let value = dot(&p, &p);
            let mut v = vec![0.0; columns];
            x.chunks_exact(columns).zip(&p).for_each(|(row, p)| v.iter_mut().zip(row).for_each(|(v, x)| *v += p * x));
            for (row, p) in x.chunks_exact(columns).zip(&p) {
                assert!((dot(row, &v) - value * p).abs() < 1e-6 * value * value.sqrt(), "{rows} x {columns}");
            }
            // No direction explains more: power iteration ends at the same value.
            let mut u = towards.clone();
            let mut top = 0.0;
            for _ in 0..3000 {
                let mut v = vec![0.0; columns];
                x.chunks_exact(columns)
                    .zip(&u)
                    .for_each(|(row, u)| v.iter_mut().zip(row).for_each(|(v, x)| *v += u * x));
                u = x.chunks_exact(columns).map(|row| dot(row, &v)).collect();
                top = norm(&u);
                u.iter_mut().for_each(|u| *u /= top);
            }
            assert!((value - top).abs() < 1e-6 * top, "{rows} x {columns}: {value} {top}");
        }
    }

    #[test]
    fn nothing_has_no_direction() {
        assert_eq!(projection(&[0.0; 6], 2, &[0.0; 3]), [0.0; 3]);
    }
}
