//! Parameters of [`super::PlaneSpot`].

use ascan_core::{Params, Problems};
use serde::{Deserialize, Serialize};

/// Which probability goes beside the plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// That of the label; of the predicted class where the label is unknown.
    Label,
    /// That of the predicted class.
    PredictedClass,
}

/// Parameters of [`super::PlaneSpot`]. Where nothing else is said, defaults are the published ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlaneSpotParams {
    /// Fewest components that are tried.
    pub min_components: usize,
    /// Most components that are tried.
    pub max_components: usize,
    /// Weight of the confidence beside a plane of side 1.
    pub confidence_weight: f64,
    /// Which probability the confidence is. Published for one class at a time, where the class is the label; for
    /// several classes the default is ours.
    pub confidence: Confidence,
    /// Restarts from other seeds of each number of components; the likeliest is kept.
    pub n_init: usize,
    /// Limit of iterations of each restart.
    pub max_iterations: usize,
    /// Change of the mean log-likelihood of an image at which a restart ends.
    pub tolerance: f64,
    /// Added to the variance of each dimension.
    pub reg_covar: f64,
}

impl Default for PlaneSpotParams {
    fn default() -> Self {
        Self {
            min_components: 10,
            max_components: 32,
            confidence_weight: 0.025,
            confidence: Confidence::Label,
            n_init: 1,
            max_iterations: 100,
            tolerance: 1e-3,
            reg_covar: 1e-6,
        }
    }
}

impl Params for PlaneSpotParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("min_components", "fewest slices that are tried"),
        (
            "max_components",
            "most slices that are tried; the number with the best Bayesian information criterion is taken",
        ),
        ("confidence_weight", "weight of the model's confidence, beside a plane of side 1"),
        ("confidence", "\"label\" or \"predicted_class\": class whose probability is used"),
        ("n_init", "restarts for each number of slices; the likeliest result is kept"),
        ("max_iterations", "limit of iterations of each restart"),
        ("tolerance", "change of the mean log-likelihood of an image at which a restart ends"),
        ("reg_covar", "added to the variance of each dimension, so that no slice collapses to a point"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("min_components", self.min_components, 1, 10_000);
        problems.require(
            self.max_components >= self.min_components && self.max_components <= 10_000,
            "max_components",
            format!("must be between min_components ({}) and 10000, got {}", self.min_components, self.max_components),
            "",
        );
        problems.range("confidence_weight", self.confidence_weight, 0.0, 1e6);
        problems.range("n_init", self.n_init, 1, 1_000);
        problems.range("max_iterations", self.max_iterations, 1, 1_000_000);
        problems.range("tolerance", self.tolerance, 0.0, 1e6);
        problems.range("reg_covar", self.reg_covar, 0.0, 1e6);
    }
}
