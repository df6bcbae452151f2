//! Parameters of [`super::Spray`].

use ascan_core::{Params, Problems};
use ascan_math::points::Normalise;
use serde::{Deserialize, Serialize};

/// Parameters of [`super::Spray`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SprayParams {
    /// Number of slices; 0 lets the eigengap say.
    pub n_slices: usize,
    /// Largest number that the eigengap may say. The default is ours.
    pub max_slices: usize,
    /// Maps that are neighbours of each map.
    pub n_neighbors: usize,
    /// Height and width to which larger maps are averaged. The default is ours: where the model looks, not a shape.
    pub side: usize,
    /// What is done to each map first. The default is ours: the pattern counts, not its strength.
    pub normalise: Normalise,
    /// Restarts of k-means on the eigenvectors; the tightest result is kept.
    pub n_init: usize,
}

impl Default for SprayParams {
    fn default() -> Self {
        Self { n_slices: 0, max_slices: 20, n_neighbors: 10, side: 14, normalise: Normalise::L2, n_init: 10 }
    }
}

impl Params for SprayParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("n_slices", "number of slices; 0: chosen by the eigengap"),
        ("max_slices", "largest number that the eigengap may choose"),
        ("n_neighbors", "maps that are neighbours of each map"),
        ("side", "height and width to which larger maps are averaged"),
        ("normalise", "\"none\" or \"l2\": whether maps are scaled to length 1 first"),
        ("n_init", "restarts of k-means on the eigenvectors; the tightest result is kept"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_slices", self.n_slices, 0, 200);
        problems.range("max_slices", self.max_slices, 2, 200);
        problems.range("n_neighbors", self.n_neighbors, 1, 1_000);
        problems.range("side", self.side, 1, 256);
        problems.range("n_init", self.n_init, 1, 1_000);
    }
}
