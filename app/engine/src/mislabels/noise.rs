//! How noisy the labels of each slice are.

use super::{Basis, Candidates};
use ascan_core::metrics::wilson_interval;
use serde::Serialize;
use std::collections::BTreeMap;

/// The labels of one slice.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SliceNoise {
    /// The slice; −1 are the images in none.
    pub slice: i32,
    /// Images with a label.
    pub n: usize,
    /// Images among them whose label is probably wrong: the confident candidates, or all where none can be confident.
    pub n_candidates: usize,
    /// Their share.
    pub share: f64,
    /// Wilson interval of the share at 95 %.
    pub interval: [f64; 2],
}

/// The noise of each slice, the noisiest first: by the lower end of the interval, so that small slices do not lead by
/// chance.
///
/// # Shapes
/// `assignment`: `[n]`, the slice of each row of the scan.
pub fn slice_noise(found: &Candidates, assignment: &[i32]) -> Vec<SliceNoise> {
    let mut counts: BTreeMap<i32, (usize, usize)> = BTreeMap::new();
    for (slice, score) in assignment.iter().zip(&found.scores) {
        if !score.is_nan() {
            counts.entry(*slice).or_default().1 += 1;
        }
    }
    let wrong = found.candidates.iter().filter(|c| c.confident || found.basis == Basis::SelfConfidence);
    for slice in wrong.filter_map(|candidate| assignment.get(candidate.row)) {
        counts.entry(*slice).or_default().0 += 1;
    }
    let of_slice = |(slice, (n_candidates, n)): (i32, (usize, usize))| SliceNoise {
        slice,
        n,
        n_candidates,
        share: n_candidates as f64 / n as f64,
        interval: wilson_interval(n_candidates, n).into(),
    };
    let mut noise: Vec<SliceNoise> = counts.into_iter().map(of_slice).collect();
    noise.sort_by(|a, b| b.interval[0].total_cmp(&a.interval[0]).then(a.slice.cmp(&b.slice)));
    noise
}
