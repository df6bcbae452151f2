//! The width of the Gaussian kernel where the user gives none.

use crate::points::Points;
use crate::tiles::{Tile, blocks};
use rayon::ThreadPool;
use rayon::prelude::*;

/// Number of rows for which a width is computed, evenly spaced among all.
const SAMPLE: usize = 256;

/// Number of times the interval that holds the width is halved.
const N_HALVINGS: usize = 30;

/// `γ` at which the kernel of a row covers about `n_neighbors` others: the median, over a sample of rows, of the `γ` at
/// which the perplexity of the row's kernel is that number.
///
/// A rule of distances alone (their median, say) is too wide in many dimensions: all distances are nearly the same
/// there, and every row becomes a neighbour of every other. At most a third of the rows are covered. 1 if all rows are
/// equal.
///
/// # Source
/// Perplexity: Hinton & Roweis 2002. That it sets the width of label spreading is ours; the paper leaves it open.
pub fn gamma(points: &Points, n_neighbors: usize, pool: &ThreadPool) -> f64 {
    let n = points.n();
    let wanted = (n_neighbors.min(n / 3) as f64).max(2.0);
    let rows: Vec<usize> = (0..SAMPLE.min(n)).map(|i| i * n / SAMPLE.min(n)).collect();
    let sample = points.select(rows.iter().copied());
    let of_row = |at: usize| -> Option<f64> {
        let mut tile = Tile::default();
        let mut sq_distances = Vec::with_capacity(n);
        for others in blocks(0..n) {
            tile.fill((&sample, at..at + 1), (points, others.clone()));
            let norms = others.clone().map(|j| sample.sq_norm(at) + points.sq_norm(j));
            sq_distances.extend(norms.zip(tile.row(0)).map(|(norms, product)| (norms - 2.0 * product).max(0.0)));
        }
        sq_distances.swap_remove(rows[at]);
        gamma_of(&sq_distances, wanted)
    };
    let found: Vec<Option<f64>> = pool.install(|| (0..rows.len()).into_par_iter().map(of_row).collect());
    let mut found: Vec<f64> = found.into_iter().flatten().collect();
    found.sort_unstable_by(f64::total_cmp);
    found.get(found.len() / 2).copied().unwrap_or(1.0)
}

/// `γ` at which a row with these squared distances to the others has the wanted perplexity; `None` if all are zero.
fn gamma_of(sq_distances: &[f32], wanted: f64) -> Option<f64> {
    let mean = sq_distances.iter().map(|&d| f64::from(d)).sum::<f64>() / sq_distances.len() as f64;
    let nearest = sq_distances.iter().copied().fold(f32::INFINITY, f32::min);
    if mean.is_nan() || mean <= 0.0 {
        return None;
    }
    // Perplexity falls with γ, from the number of others to that of the nearest ones.
    let (mut low, mut high) = (-20.0f64, 20.0f64);
    for _ in 0..N_HALVINGS {
        let middle = (low + high) / 2.0;
        if perplexity(sq_distances, nearest, middle.exp2() / mean) > wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(high.exp2() / mean)
}

/// Perplexity of the kernel: e to the power of the entropy of its weights, scaled to sum to 1.
fn perplexity(sq_distances: &[f32], nearest: f32, gamma: f64) -> f64 {
    // Σ p ln p with p = k / Σk needs only Σk and Σ k·ln k; `nearest` keeps both in range.
    let (mut sum, mut sum_log) = (0.0f64, 0.0f64);
    for &sq_distance in sq_distances {
        let exponent = -(gamma as f32) * (sq_distance - nearest);
        let kernel = f64::from(exponent.exp());
        sum += kernel;
        sum_log += kernel * f64::from(exponent);
    }
    (sum.ln() - sum_log / sum).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::testing::points;
    use crate::pool;
    use ascan_core::testing::toy_slice_table;
    use ascan_core::{Context, Tensor};

    #[test]
    fn equal_distances_count_each_other_at_any_width() {
        let perplexity = perplexity(&[2.0; 40], 2.0, 7.0);
        assert!((perplexity - 40.0).abs() < 1e-9, "{perplexity}");
    }

    #[test]
    fn a_row_listens_to_as_many_as_wanted() {
        let points = points(toy_slice_table(400, 6, 4).embeddings.view());
        let pool = pool("gamma", &Context::default()).unwrap();
        let mut last = f64::INFINITY;
        for wanted in [5, 15, 60] {
            let gamma = gamma(&points, wanted, &pool);
            assert!(gamma < last, "more neighbours, a wider kernel");
            last = gamma;
            let mut found: Vec<f64> = (0..400)
                .map(|i| {
                    let others = (0..400).filter(|&j| j != i);
                    let distances: Vec<f32> =
                        others.map(|j| crate::tiles::sq_distance(points.row(i), points.row(j))).collect();
                    perplexity(&distances, distances.iter().copied().fold(f32::INFINITY, f32::min), gamma)
                })
                .collect();
            found.sort_by(f64::total_cmp);
            assert!((found[200] / wanted as f64 - 1.0).abs() < 0.15, "wanted {wanted}, found {}", found[200]);
        }
    }

    #[test]
    fn rows_that_are_all_equal_have_some_width() {
        let pool = pool("gamma", &Context::default()).unwrap();
        for n in [0, 1, 2, 9] {
            assert_eq!(gamma(&points(Tensor::zeros([n, 3]).view()), 5, &pool), 1.0);
        }
    }
}
