//! `[spread]`: how marks spread.

use ascan_core::params::{Params, Problems};
use ascan_math::label_spreading::Kernel;
use ascan_math::points::Normalise;
use serde::{Deserialize, Serialize};

/// `[spread]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpreadSettings {
    /// Share of its neighbours in what an image becomes; the rest is its own mark.
    pub alpha: f64,
    /// Which images are alike.
    pub kernel: Kernel,
    /// Width of the Gaussian kernel, `None`: such that an image listens to about `n_neighbors` others.
    pub gamma: Option<f64>,
    /// Other images that an image listens to.
    pub n_neighbors: usize,
    /// What is done to each embedding before.
    pub normalise: Normalise,
    /// Limit of steps.
    pub max_iter: usize,
    /// Done when no image's share moves by more.
    pub tol: f64,
    /// Spuriousness of images about which the marks of their class say nothing, `None`: the share of `spurious` in all
    /// marks.
    pub prior: Option<f32>,
}

impl Default for SpreadSettings {
    fn default() -> Self {
        Self {
            alpha: 0.2,
            kernel: Kernel::Auto,
            gamma: None,
            n_neighbors: 15,
            normalise: Normalise::L2,
            max_iter: 200,
            tol: 1e-4,
            prior: None,
        }
    }
}

impl Params for SpreadSettings {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("alpha", "share of its neighbours in what an image becomes, from 0 up to but not 1; the rest is its own mark"),
        (
            "kernel",
            "which images are alike: \"rbf\" (all pairs, a Gaussian), \"knn\", or \"auto\": rbf to 50,000 images of a class",
        ),
        ("gamma", "width of the Gaussian; nothing: such that an image listens to about n_neighbors others"),
        ("n_neighbors", "other images that an image listens to"),
        ("normalise", "what is done to each embedding before: \"l2\" (to length 1) or \"none\""),
        ("max_iter", "limit of steps"),
        ("tol", "done when no image's share moves by more"),
        (
            "prior",
            "spuriousness of images about which the marks of their class say nothing; nothing: the share of spurious in all marks",
        ),
    ];

    fn check(&self, problems: &mut Problems) {
        let alpha = (0.0..1.0).contains(&self.alpha);
        problems.require(alpha, "alpha", format!("must be at least 0 and below 1, got {}", self.alpha), "");
        if let Some(gamma) = self.gamma {
            let positive = gamma.is_finite() && gamma > 0.0;
            problems.require(
                positive,
                "gamma",
                format!("must be above 0, got {gamma}"),
                "leave it out to have it found",
            );
        }
        problems.range("n_neighbors", self.n_neighbors, 1, 1_000);
        problems.range("max_iter", self.max_iter, 1, 100_000);
        problems.range("tol", self.tol, 0.0, 0.1);
        if let Some(prior) = self.prior {
            problems.range("prior", prior, 0.0, 1.0);
        }
    }
}
