//! Parameters of [`crate::KMeans`] and [`crate::MiniBatchKMeans`].

use ascan_core::{Params, Problems};
use ascan_math::points::Normalise;
use serde::{Deserialize, Serialize};

/// Parameters of [`crate::KMeans`].
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

/// Parameters of [`crate::MiniBatchKMeans`]. Where nothing else is said, defaults are scikit-learn's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MiniBatchKMeansParams {
    /// Number of slices. The default is ours, as for k-means.
    pub n_slices: usize,
    /// Images of a batch.
    pub batch_size: usize,
    /// Limit of images drawn, as a multiple of the images there are.
    pub max_epochs: usize,
    /// Batches without a better smoothed inertia after which the fit ends.
    pub max_no_improvement: usize,
    /// Centres that have seen less than this share of what the busiest has are moved to random images.
    pub reassignment_ratio: f64,
    /// Seedings; the tightest is used. The default is ours (scikit-learn: 1): a seeding costs a few batches.
    pub n_init: usize,
    /// What is done to each embedding first.
    pub normalise: Normalise,
}

impl Default for MiniBatchKMeansParams {
    fn default() -> Self {
        Self {
            n_slices: 40,
            batch_size: 1024,
            max_epochs: 100,
            max_no_improvement: 10,
            reassignment_ratio: 0.01,
            n_init: 3,
            normalise: Normalise::None,
        }
    }
}

impl Params for MiniBatchKMeansParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("n_slices", "number of slices"),
        ("normalise", "\"none\" or \"l2\": whether embeddings are scaled to length 1 first"),
        ("batch_size", "images of a batch"),
        ("max_epochs", "limit of images drawn, as a multiple of the images there are"),
        ("max_no_improvement", "batches without a better smoothed inertia after which the fit ends"),
        ("reassignment_ratio", "centres that have seen less than this share of the busiest are moved to random images"),
        ("n_init", "seedings; the tightest is used"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_slices", self.n_slices, 1, 100_000);
        problems.range("batch_size", self.batch_size, 1, 10_000_000);
        problems.range("max_epochs", self.max_epochs, 1, 1_000_000);
        problems.range("max_no_improvement", self.max_no_improvement, 1, 1_000_000);
        problems.range("reassignment_ratio", self.reassignment_ratio, 0.0, 1.0);
        problems.range("n_init", self.n_init, 1, 1_000);
    }
}
