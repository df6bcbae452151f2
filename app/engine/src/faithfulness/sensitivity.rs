//! Sensitivity-n: whether the sum of an attribution over a part of the image tells how far the logit falls without it.
//!
//! The parts are random subsets of the cells of a grid, the same for every method: single pixels change nothing that a
//! convolutional network would notice.
//!
//! # Source
//! Ancona et al. 2018, arXiv 1711.06104.

use crate::seeds::seed_of;
use ascan_math::likeness::pearson;
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
    cells.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed_of(seed, [11, i as u64])));
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
