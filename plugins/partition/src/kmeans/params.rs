//! Parameters of [`super::KMeans`].

use ascan_core::{Params, Problems};
use ascan_math::points::Normalise;
use serde::{Deserialize, Serialize};

/// Parameters of [`super::KMeans`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KMeansParams {
    /// Number of slices. The default is ours: tens of slices.
    pub n_slices: usize,
    /// Restarts from other seeds; the tightest result is kept.
    pub n_init: usize,
    /// Limit of iterations of each restart.
    pub max_iterations: usize,
    /// A restart ends when the squared movement of all centres is below this share of the mean
    /// variance of a dimension (as in scikit-learn).
    pub tolerance: f64,
    /// What is done to each embedding first.
    pub normalise: Normalise,
}

impl Default for KMeansParams {
    fn default() -> Self {
        Self { n_slices: 40, n_init: 4, max_iterations: 300, tolerance: 1e-4, normalise: Normalise::None }
    }
}

impl Params for KMeansParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("n_slices", "number of slices"),
        ("normalise", "\"none\" or \"l2\": whether embeddings are scaled to length 1 first"),
        ("n_init", "restarts; the tightest result is kept"),
        ("max_iterations", "limit of iterations of each restart"),
        ("tolerance", "movement of the centres, as a share of the variance, at which a restart ends"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_slices", self.n_slices, 1, 100_000);
        problems.range("n_init", self.n_init, 1, 1_000);
        problems.range("max_iterations", self.max_iterations, 1, 1_000_000);
        problems.range("tolerance", self.tolerance, 0.0, 1.0);
    }
}
