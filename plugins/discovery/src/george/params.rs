//! Parameters of [`super::George`].

use ascan_core::{Params, Problems};
use ascan_math::points::Normalise;
use serde::{Deserialize, Serialize};

/// Parameters of [`super::George`]; the defaults are published, `normalise` apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GeorgeParams {
    /// Most clusters of a class; the number is the one of 2 to this with the best mean silhouette.
    pub max_clusters: usize,
    /// Into how many parts each cluster is split on trial.
    pub n_splits: usize,
    /// Least size of a part that is kept, as a share of its class.
    pub min_share: f64,
    /// Least size of a part that is kept, in images.
    pub min_size: usize,
    /// Restarts of each k-means.
    pub n_init: usize,
    /// What is done to each embedding first.
    pub normalise: Normalise,
}

impl Default for GeorgeParams {
    fn default() -> Self {
        Self { max_clusters: 10, n_splits: 5, min_share: 0.005, min_size: 25, n_init: 3, normalise: Normalise::None }
    }
}

impl Params for GeorgeParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("max_clusters", "largest number of clusters per class; the number is chosen by the mean silhouette"),
        ("n_splits", "number of parts into which each cluster is split on trial"),
        ("min_share", "least size of a part that is kept, as a share of its class"),
        ("min_size", "least size of a part that is kept, in images"),
        ("n_init", "restarts of each k-means"),
        ("normalise", "\"none\" or \"l2\": whether embeddings are scaled to length 1 first"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("max_clusters", self.max_clusters, 2, 1_000);
        problems.range("n_splits", self.n_splits, 2, 100);
        problems.range("min_share", self.min_share, 0.0, 1.0);
        problems.range("min_size", self.min_size, 1, 1_000_000);
        problems.range("n_init", self.n_init, 1, 1_000);
    }
}
