//! Parameters of [`crate::IntegratedGradients`], and the baselines that it shares with other methods.

use ascan_core::{Params, Problems};
use serde::{Deserialize, Serialize};

/// The quadrature rule along the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Gauss–Legendre: exact for gradients that are polynomials of degree 2·n_steps − 1 along the path.
    GaussLegendre,
    /// The trapezoidal rule, ends of the path included.
    Trapezoid,
}

/// Where the path starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// Zero in normalised units: the mean colour of the training set, for usual normalisations.
    Zero,
    /// The mean colour of the image itself.
    Mean,
    /// The image itself, blurred.
    Blur,
    /// The colour in `baseline_values`.
    Given,
}

/// Parameters of [`crate::IntegratedGradients`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IntegratedGradientsParams {
    /// Points on the path. The default is ours (captum's is 50).
    pub n_steps: usize,
    /// The quadrature rule.
    pub method: Method,
    /// Where the path starts.
    pub baseline: Baseline,
    /// One value per channel, in normalised units, for `baseline = "given"`.
    pub baseline_values: Vec<f32>,
    /// Standard deviation of the blur, in pixels. The default is ours.
    pub blur_sigma_px: f32,
    /// Number of points per call of the backend; 0: what the backend prefers.
    pub internal_batch_size: usize,
}

impl Default for IntegratedGradientsParams {
    fn default() -> Self {
        Self {
            n_steps: 32,
            method: Method::GaussLegendre,
            baseline: Baseline::Zero,
            baseline_values: Vec::new(),
            blur_sigma_px: 10.0,
            internal_batch_size: 0,
        }
    }
}

impl Params for IntegratedGradientsParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("n_steps", "points on the path from the baseline to the image"),
        ("method", "\"gauss_legendre\" or \"trapezoid\""),
        ("baseline", "\"zero\", \"mean\" (colour of the image), \"blur\" or \"given\""),
        ("baseline_values", "one value per channel, in normalised units, for baseline = \"given\""),
        ("blur_sigma_px", "standard deviation of the blur, in pixels, for baseline = \"blur\""),
        ("internal_batch_size", "points per call of the backend; 0: what the backend prefers"),
    ];

    fn check(&self, problems: &mut Problems) {
        // A trapezoid has two ends.
        let fewest = if self.method == Method::Trapezoid { 2 } else { 1 };
        problems.range("n_steps", self.n_steps, fewest, 10_000);
        problems.range("internal_batch_size", self.internal_batch_size, 0, 100_000);
        check_baseline(self.baseline, &self.baseline_values, self.blur_sigma_px, problems);
    }
}

/// Finds what is wrong with a choice of baseline.
pub(crate) fn check_baseline(baseline: Baseline, values: &[f32], sigma: f32, problems: &mut Problems) {
    problems.range("blur_sigma_px", sigma, 0.1, 1_000.0);
    let given = baseline == Baseline::Given;
    problems.require(
        given != values.is_empty(),
        "baseline_values",
        if given { "must hold one value per channel" } else { "is only used with baseline = \"given\"" },
        "for example baseline = \"given\" and baseline_values = [-2.1, -2.0, -1.8]",
    );
    let finite = values.iter().all(|v| v.is_finite());
    problems.require(finite, "baseline_values", "must be numbers, not NaN or infinity", "");
}
