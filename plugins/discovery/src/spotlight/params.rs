//! Parameters of [`super::Spotlight`].

use ascan_core::{Params, Problems};
use serde::{Deserialize, Serialize};

/// How embeddings are scaled. The start of the search has a fixed size, so their scale matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalise {
    /// Not at all: the search starts at the origin with precision 1e-4, as published.
    None,
    /// Centred, and scaled by one number so that a dimension has variance 1 on average; the search starts as wide as the data.
    Scale,
    /// Each embedding to length 1, so that only the direction counts, then as `scale`.
    L2,
}

/// Parameters of [`super::Spotlight`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpotlightParams {
    /// Number of spotlights, one after the other.
    pub n_slices: usize,
    /// Least total weight of a spotlight, as a share of the images.
    pub min_weight: f64,
    /// What is done to the embeddings first. The default is ours: the published start fits one scale only.
    pub normalise: Normalise,
    /// Step of Adam. The default is ours: the published 1e-3 changes the width by a factor of e at most in 1,000 steps, and on
    /// planted errors (2,000 images of 8 to 512 dimensions) needs 5,000 to come where 1e-2 comes in 1,000.
    pub learning_rate: f64,
    /// Steps for each spotlight.
    pub n_steps: usize,
}

impl Default for SpotlightParams {
    fn default() -> Self {
        Self { n_slices: 5, min_weight: 0.02, normalise: Normalise::Scale, learning_rate: 1e-2, n_steps: 1_000 }
    }
}

impl Params for SpotlightParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("n_slices", "number of spotlights, one after the other"),
        ("min_weight", "least total weight of a spotlight, as a share of the images"),
        ("normalise", "\"scale\" (variance 1), \"l2\" (length 1, then scale) or \"none\" (as published)"),
        ("learning_rate", "step of Adam; published: 0.001"),
        ("n_steps", "steps for each spotlight"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_slices", self.n_slices, 1, 1_000);
        problems.range("min_weight", self.min_weight, 1e-6, 0.5);
        problems.range("learning_rate", self.learning_rate, 1e-9, 1.0);
        problems.range("n_steps", self.n_steps, 1, 1_000_000);
    }
}
