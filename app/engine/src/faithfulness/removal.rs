//! What the model says as the image is taken away, or given back, in the order of the attribution.
//!
//! - **deletion**: the most important pixels become zero first; mean probability of the target class over the shares
//!   removed (area under the curve), low for a faithful map;
//! - **insertion**: a blurred image becomes sharp, the most important pixels first; high for a faithful map;
//! - **ROAD**: pixels are filled in from their neighbours, so that the shape of what is missing tells nothing; half the
//!   difference between removing the least and the most important ones first, high for a faithful map, 0 for chance.
//!
//! # Source
//! Deletion and insertion: Petsiuk et al. 2018, arXiv 1806.07421. ROAD: Rong et al. 2022, arXiv 2202.00449.

use super::impute::Imputer;
use crate::seeds::seed_of;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

/// Steps of the curves of deletion and insertion.
const N_STEPS: usize = 10;
/// Shares of the pixels that ROAD removes.
const ROAD_SHARES: [f64; 4] = [0.2, 0.4, 0.6, 0.8];
/// Standard deviation of the noise on imputed pixels, in units of the model's input.
const ROAD_NOISE: f32 = 0.01;

/// A way of taking a share of the image away.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Removal {
    /// The most important pixels are zero.
    Delete(f64),
    /// Only the most important pixels are sharp.
    Insert(f64),
    /// The most important pixels are imputed.
    RoadMost(f64),
    /// The least important pixels are imputed.
    RoadLeast(f64),
}

/// All removals, in the order in which [`Curves::of`] takes what the model said of them.
pub(super) fn removals() -> Vec<Removal> {
    let steps = || (1..=N_STEPS).map(|i| i as f64 / N_STEPS as f64);
    let deletion = steps().map(Removal::Delete);
    // All of it is the image itself.
    let insertion = steps().take(N_STEPS - 1).map(Removal::Insert);
    let road = ROAD_SHARES.into_iter().flat_map(|share| [Removal::RoadMost(share), Removal::RoadLeast(share)]);
    deletion.chain(insertion).chain(road).collect()
}

/// Pixels from the most to the least important; ties, such as all that a method clips at zero, in a drawn order.
pub(super) fn ranking(map: &[f32], seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..map.len() as u32).collect();
    order.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
    order.sort_by(|&a, &b| map[b as usize].total_cmp(&map[a as usize]));
    order
}

impl Removal {
    /// The image with that share taken away.
    ///
    /// # Shapes
    /// `image` and `blurred`: `[c, h, w]`; `ranking`: `[h·w]`, the most important pixel first
    pub fn apply(self, image: &[f32], blurred: &[f32], ranking: &[u32], size: [usize; 2], seed: u64) -> Vec<f32> {
        let n = ranking.len();
        let places = |share: f64| (share * n as f64).round() as usize;
        match self {
            Self::Delete(share) => {
                let mut left = image.to_vec();
                for plane in left.chunks_exact_mut(n) {
                    ranking[..places(share)].iter().for_each(|&place| plane[place as usize] = 0.0);
                }
                left
            }
            Self::Insert(share) => {
                let mut canvas = blurred.to_vec();
                for (plane, sharp) in canvas.chunks_exact_mut(n).zip(image.chunks_exact(n)) {
                    ranking[..places(share)].iter().for_each(|&at| plane[at as usize] = sharp[at as usize]);
                }
                canvas
            }
            Self::RoadMost(share) => impute(image, &ranking[..places(share)], size, seed),
            Self::RoadLeast(share) => impute(image, &ranking[n - places(share)..], size, seed),
        }
    }
}

fn impute(image: &[f32], removed: &[u32], size: [usize; 2], seed: u64) -> Vec<f32> {
    let n = size[0] * size[1];
    let mut is_removed = vec![false; n];
    removed.iter().for_each(|&place| is_removed[place as usize] = true);
    let imputer = Imputer::new(&is_removed, size);
    let mut filled = image.to_vec();
    for (channel, plane) in filled.chunks_exact_mut(n).enumerate() {
        imputer.fill(plane);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed_of(seed, [7, channel as u64]));
        for (value, _) in plane.iter_mut().zip(&is_removed).filter(|(_, is_removed)| **is_removed) {
            // Twelve uniform numbers less six: normal enough, with variance 1.
            let normal = (0..12).map(|_| rng.random_range(0.0..1.0f32)).sum::<f32>() - 6.0;
            *value += ROAD_NOISE * normal;
        }
    }
    filled
}

/// Figures of one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Curves {
    pub deletion: f64,
    pub insertion: f64,
    pub road: f64,
}

impl Curves {
    /// From the probabilities of the target class: of the image, of the blurred one, and of all removals.
    pub fn of(image: f64, blurred: f64, removed: &[f64]) -> Self {
        let (deleted, rest) = removed.split_at(N_STEPS);
        let (inserted, road) = rest.split_at(N_STEPS - 1);
        let area = |first: f64, between: &[f64], last: f64| {
            (first / 2.0 + between.iter().sum::<f64>() + last / 2.0) / N_STEPS as f64
        };
        let gaps = road.chunks_exact(2).map(|pair| (pair[1] - pair[0]) / 2.0);
        Self {
            deletion: area(image, &deleted[..N_STEPS - 1], deleted[N_STEPS - 1]),
            insertion: area(blurred, inserted, image),
            road: gaps.sum::<f64>() / ROAD_SHARES.len() as f64,
        }
    }
}

/// An image out of focus, so that a model knows nothing of it: three box filters, which are nearly a Gaussian of a
/// standard deviation of one twentieth of the longer side.
///
/// # Shapes
/// `image`: `[c, h, w]`
pub(super) fn blurred(image: &[f32], [h, w]: [usize; 2]) -> Vec<f32> {
    let reach = (h.max(w) as f64 / 20.0).round().max(1.0) as usize;
    let mut out = image.to_vec();
    for plane in out.chunks_exact_mut(h * w) {
        for _ in 0..3 {
            (0..h).for_each(|y| box_filter(plane, y * w, 1, w, reach));
            (0..w).for_each(|x| box_filter(plane, x, w, h, reach));
        }
    }
    out
}

/// Mean over `2·reach + 1` places of a line of the plane, fewer at its ends.
fn box_filter(plane: &mut [f32], start: usize, stride: usize, n: usize, reach: usize) {
    let line: Vec<f32> = (0..n).map(|i| plane[start + i * stride]).collect();
    let mut sums = vec![0.0f64; n + 1];
    line.iter().enumerate().for_each(|(i, &value)| sums[i + 1] = sums[i] + f64::from(value));
    for i in 0..n {
        let (from, to) = (i.saturating_sub(reach), (i + reach + 1).min(n));
        plane[start + i * stride] = ((sums[to] - sums[from]) / (to - from) as f64) as f32;
    }
}
