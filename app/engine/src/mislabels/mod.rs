//! Images whose label is probably wrong: found, ranked, decided on, and written back as a corrected table.

mod confident;
mod folds;
mod manifest;
mod noise;
#[cfg(test)]
mod tests;

pub use confident::candidates;
pub use folds::{Folds, out_of_sample};
pub use manifest::{Corrected, write_corrected};
pub use noise::{SliceNoise, slice_noise};

use serde::{Deserialize, Serialize};

/// What the probabilities are, and so what can be concluded from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Given by something that has not seen the labels of the images that it judges: confident learning.
    OutOfSample,
    /// Perhaps learnt from these very labels, wrong ones included: a ranking by the probability of the given label,
    /// and no estimate of how many are wrong.
    SelfConfidence,
}

/// An image whose label is probably wrong.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Row of the scan.
    pub row: usize,
    /// Its label.
    pub given: i32,
    /// What the label probably should be.
    pub suggested: i32,
    /// How much speaks for `suggested` against `given`, in [0, 1]; above 0.5 it is more.
    pub score: f32,
    /// Whether another class is as probable as it is for the images of that class, and more than the given one: off
    /// the diagonal of the confident joint. Never with [`Basis::SelfConfidence`].
    pub confident: bool,
}

/// What was found out about the labels of a scan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidates {
    /// What it rests on.
    pub basis: Basis,
    /// Images with a label and probabilities.
    pub n_labelled: usize,
    /// Wrong labels to expect, by the confident joint; `None` with [`Basis::SelfConfidence`].
    pub n_estimated: Option<f64>,
    /// Images for whose label another speaks more, the most suspicious first; among equals in the order of rows.
    pub candidates: Vec<Candidate>,
    /// `[n]`: [`Candidate::score`] of every row, NaN where there is no label. Kept beside the JSON.
    #[serde(skip)]
    pub scores: Vec<f32>,
}
