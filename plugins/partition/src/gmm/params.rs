//! Parameters of [`super::Gmm`].

use ascan_core::{Params, Problems};
use ascan_math::mixture::{Covariance, Settings};
use ascan_math::points::Normalise;
use serde::{Deserialize, Serialize};

/// Parameters of [`super::Gmm`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GmmParams {
    /// Number of slices. The default is ours, as for k-means: tens of slices.
    pub n_slices: usize,
    /// The form of each slice. The default is ours: with tens of slices in tens of dimensions, full covariances
    /// have more numbers than most data sets have images.
    pub covariance: Covariance,
    /// What is done to each embedding first.
    pub normalise: Normalise,
    /// Restarts from other seeds; the likeliest result is kept.
    pub n_init: usize,
    /// Limit of iterations of each restart.
    pub max_iterations: usize,
    /// Change of the mean log-likelihood of an image at which a restart ends.
    pub tolerance: f64,
    /// Added to the variance of each dimension.
    pub reg_covar: f64,
}

impl Default for GmmParams {
    fn default() -> Self {
        Self {
            n_slices: 40,
            covariance: Covariance::Diagonal,
            normalise: Normalise::None,
            n_init: 1,
            max_iterations: 100,
            tolerance: 1e-3,
            reg_covar: 1e-6,
        }
    }
}

impl GmmParams {
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            covariance: self.covariance,
            reg_covar: self.reg_covar,
            max_iterations: self.max_iterations,
            tolerance: self.tolerance,
        }
    }
}

impl Params for GmmParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("n_slices", "number of slices"),
        ("covariance", "\"full\", \"diagonal\" or \"spherical\": the form of each slice"),
        ("normalise", "\"none\" or \"l2\": whether embeddings are scaled to length 1 first"),
        ("n_init", "restarts; the likeliest result is kept"),
        ("max_iterations", "limit of iterations of each restart"),
        ("tolerance", "change of the mean log-likelihood of an image at which a restart ends"),
        ("reg_covar", "added to the variance of each dimension, so that no slice collapses to a point"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_slices", self.n_slices, 1, 100_000);
        problems.range("n_init", self.n_init, 1, 1_000);
        problems.range("max_iterations", self.max_iterations, 1, 1_000_000);
        problems.range("tolerance", self.tolerance, 0.0, 1e6);
        problems.range("reg_covar", self.reg_covar, 0.0, 1e6);
    }
}
