//! `[spread]`: how marks spread.

use ascan_core::params::{Params, Problems};
use ascan_math::label_spreading::Kernel;
use ascan_math::points::Normalise;
use serde::{Deserialize, Serialize};

/// `[spread]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpreadSettings {
    /// Weight of the neighbours in what an image becomes; the rest is its own mark.
    pub alpha: f64,
    /// Which images are alike.
    pub kernel: Kernel,
    /// Width of the Gaussian kernel, `None`: such that about `n_neighbors` other images count for an image.
    pub gamma: Option<f64>,
    /// Number of other images that count for an image.
    pub n_neighbors: usize,
    /// Scaling of each embedding.
    pub normalise: Normalise,
    /// Largest number of steps.
    pub max_iter: usize,
    /// Stop when no image's share changes by more.
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
        ("alpha", "weight of the neighbours in what an image becomes, from 0 to below 1; the rest is its own mark"),
        (
            "kernel",
            "similarity of images: \"rbf\" (all pairs, a Gaussian), \"knn\", or \"auto\": rbf up to 50,000 images per class",
        ),
        ("gamma", "width of the Gaussian; not set: such that about n_neighbors other images count for an image"),
        ("n_neighbors", "number of other images that count for an image"),
        ("normalise", "scaling of each embedding: \"l2\" (to length 1) or \"none\""),
        ("max_iter", "largest number of steps"),
        ("tol", "stop when no image's share changes by more"),
        (
            "prior",
            "spuriousness of images about which the marks of their class say nothing; not set: the share of spurious in all marks",
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
                "leave it out to choose it automatically",
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
