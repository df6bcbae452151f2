//! Parameters of [`super::Domino`].

use ascan_core::{Params, Problems};
use serde::{Deserialize, Serialize};

/// Parameters of [`super::Domino`]. Where nothing else is said, defaults are the published ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DominoParams {
    /// Number of slices: the components that are furthest from right. The default is ours (published: 5): all of them,
    /// in their order; among five there may be none of a second kind of error.
    pub n_slices: usize,
    /// Components of the mixture.
    pub n_components: usize,
    /// Dimensions that PCA keeps first; 0 for none.
    pub n_pca_components: usize,
    /// γ: how often the label counts. The default is ours (published: 1 in the package, up to 10 in the paper): with 1, a
    /// hundred dimensions of embedding outvote it.
    pub label_weight: f64,
    /// γ̂: how often the prediction counts.
    pub prediction_weight: f64,
    /// Scale of the noise that parts components which start from the same cell of the confusion matrix.
    pub confusion_noise: f64,
    /// Limit of iterations.
    pub max_iterations: usize,
    /// Change of the mean log-likelihood of an image at which the fit ends.
    pub tolerance: f64,
    /// Added to the variance of each dimension.
    pub reg_covar: f64,
}

impl Default for DominoParams {
    fn default() -> Self {
        Self {
            n_slices: 25,
            n_components: 25,
            n_pca_components: 128,
            label_weight: 10.0,
            prediction_weight: 10.0,
            confusion_noise: 1e-3,
            max_iterations: 100,
            tolerance: 1e-3,
            reg_covar: 1e-6,
        }
    }
}

impl Params for DominoParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("n_slices", "number of slices: the components in which predictions and labels differ most"),
        ("n_components", "components of the mixture, at least n_slices"),
        ("label_weight", "how often the label counts, beside the embedding"),
        ("prediction_weight", "how often the predicted probabilities count, beside the embedding"),
        ("n_pca_components", "dimensions that PCA keeps first; 0 for none"),
        ("confusion_noise", "scale of the noise that separates components with equal starts"),
        ("max_iterations", "limit of iterations"),
        ("tolerance", "change of the mean log-likelihood of an image at which the fit ends"),
        ("reg_covar", "added to the variance of each dimension, so that no component collapses to a point"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_components", self.n_components, 1, 100_000);
        problems.require(
            self.n_slices >= 1 && self.n_slices <= self.n_components,
            "n_slices",
            format!("must be between 1 and n_components ({}), got {}", self.n_components, self.n_slices),
            "the slices are the worst of the components",
        );
        problems.range("n_pca_components", self.n_pca_components, 0, 100_000);
        problems.range("label_weight", self.label_weight, 0.0, 1e6);
        problems.range("prediction_weight", self.prediction_weight, 0.0, 1e6);
        problems.range("confusion_noise", self.confusion_noise, 0.0, 1.0);
        problems.range("max_iterations", self.max_iterations, 1, 1_000_000);
        problems.range("tolerance", self.tolerance, 0.0, 1e6);
        problems.range("reg_covar", self.reg_covar, 0.0, 1e6);
    }
}
