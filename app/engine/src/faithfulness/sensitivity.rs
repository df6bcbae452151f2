//! Sensitivity-n: whether the sum of an attribution over a part of the image tells how far the logit falls without it.
//!
//! The parts are random subsets of the cells of a grid, the same for every method: single pixels change nothing that a
//! convolutional network would notice.
//!
//! # Source
//! Ancona et al. 2018, arXiv 1711.06104.

use crate::repair::sample_seed;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;

/// Cells along each side.
const N_SIDE: usize = 8;
/// Cells in a subset.
const N_CELLS: usize = 16;
/// Subsets of an image.
pub(super) const N_SUBSETS: usize = 16;

/// Whether each pixel is in a subset.
///
/// # Shapes
/// Returns `[h, w]`.
pub(super) fn subset([h, w]: [usize; 2], seed: u64, i: usize) -> Vec<bool> {
    let mut cells: Vec<usize> = (0..N_SIDE * N_SIDE).collect();
    cells.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(sample_seed(seed, [11, i as u64])));
    let mut is_taken = [false; N_SIDE * N_SIDE];
    cells[..N_CELLS].iter().for_each(|&cell| is_taken[cell] = true);
    (0..h * w).map(|at| is_taken[(at / w) * N_SIDE / h * N_SIDE + (at % w) * N_SIDE / w]).collect()
}

/// The image with the subset at zero.
pub(super) fn without(image: &[f32], subset: &[bool]) -> Vec<f32> {
    image.iter().zip(subset.iter().cycle()).map(|(&value, &gone)| if gone { 0.0 } else { value }).collect()
}

/// Correlation of what the map promises for each subset with how far the logit fell; `None` where one is constant.
pub(super) fn correlation(map: &[f32], size: [usize; 2], seed: u64, falls: &[f64]) -> Option<f64> {
    let promised: Vec<f64> = (0..falls.len())
        .map(|i| {
            let subset = subset(size, seed, i);
            map.iter().zip(&subset).filter(|(_, gone)| **gone).map(|(&value, _)| f64::from(value)).sum()
        })
        .collect();
    pearson(&promised, falls)
}

/// Pearson's correlation; `None` where one side is constant.
pub(super) fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    let scale = (aa * bb).sqrt();
    (scale > 0.0).then(|| ab / scale)
}

/// Spearman's correlation, ties at their mean rank; `None` where one side is constant.
pub(super) fn spearman(a: &[f32], b: &[f32]) -> Option<f64> {
    pearson(&ranks(a), &ranks(b))
}

fn ranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = start as f64 + (tied.len() - 1) as f64 / 2.0;
        tied.iter().for_each(|&i| ranks[i] = rank);
        start += tied.len();
    }
    ranks
}
