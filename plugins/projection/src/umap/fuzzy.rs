//! How much two images are neighbours: a weight that falls with the distance, on the scale of each image's own
//! surroundings.

use ascan_math::graph::Graph;
use ascan_math::knn::Neighbours;
use rayon::ThreadPool;
use rayon::prelude::*;

/// The least scale, as a share of the mean distance.
const LEAST_SCALE: f64 = 1e-3;

/// The weights of each image to its neighbours, `[n, k]`.
///
/// `exp(−max(0, d − ρ) / σ)`, with σ such that they sum to `log₂` of the number of neighbours, the image itself
/// included. ρ is the distance to the nearest other image if `connected`, so that every image has a neighbour of weight
/// 1; 0 for images that are placed among others.
pub fn weights(
    neighbours: &Neighbours,
    distance: impl Fn(f32) -> f64 + Sync,
    connected: bool,
    pool: &ThreadPool,
) -> Vec<f32> {
    let distances: Vec<f64> = neighbours.sq_distances.iter().map(|&d| distance(d)).collect();
    let mean_of_all = mean(&distances);
    let of_row = |row: &[f64], weights: &mut [f32]| {
        let nearest = row.iter().copied().find(|&d| d > 0.0).unwrap_or(0.0);
        let rho = if connected { nearest } else { 0.0 };
        // Rows that are placed must not depend on each other.
        let typical = if rho > 0.0 || !connected { mean(row) } else { mean_of_all };
        let sigma = scale(row, rho, connected).max(LEAST_SCALE * typical);
        for (weight, &d) in weights.iter_mut().zip(row) {
            *weight = if d <= rho || sigma == 0.0 { 1.0 } else { (-(d - rho) / sigma).exp() as f32 };
        }
    };
    let mut weights = vec![0.0; distances.len()];
    let k = neighbours.k.max(1);
    pool.install(|| {
        let rows = weights.par_chunks_exact_mut(k).zip(distances.par_chunks_exact(k)).with_min_len(64);
        rows.for_each(|(weights, row)| of_row(row, weights));
    });
    weights
}

/// σ, by bisection.
fn scale(distances: &[f64], rho: f64, with_self: bool) -> f64 {
    let target = ((distances.len() + usize::from(with_self)) as f64).log2();
    let (mut low, mut high, mut sigma) = (0.0, f64::INFINITY, 1.0);
    for _ in 0..64 {
        let sum: f64 = distances.iter().map(|&d| if d <= rho { 1.0 } else { (-(d - rho) / sigma).exp() }).sum();
        if (sum - target).abs() < 1e-5 {
            break;
        }
        if sum > target {
            high = sigma;
            sigma = f64::midpoint(low, high);
        } else {
            low = sigma;
            sigma = if high.is_finite() { f64::midpoint(low, high) } else { sigma * 2.0 };
        }
    }
    sigma
}

/// The fuzzy union: an edge is there if it is there from one end or from the other.
pub fn union(neighbours: &Neighbours, weights: &[f32]) -> Graph {
    Graph::symmetric(neighbours, weights, |a, b| a + b - a * b)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
