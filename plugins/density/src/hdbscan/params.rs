//! Parameters of [`super::Hdbscan`].

use ascan_core::{Params, Problems};
use ascan_math::points::Normalise;
use serde::{Deserialize, Serialize};

/// Which clusters of the tree become slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// Those with the largest excess of mass: the most persistent ones, of any size.
    Eom,
    /// The leaves: many small, even clusters.
    Leaf,
}

/// Parameters of [`super::Hdbscan`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HdbscanParams {
    /// Images of the smallest slice. The default is ours: small enough for a rare error, large enough to judge a rate.
    pub min_cluster_size: usize,
    /// Neighbours that make a place dense; more give more noise. 0 means `min_cluster_size`.
    pub min_samples: usize,
    /// Which clusters of the tree become slices.
    pub selection: Selection,
    /// Clusters closer than this distance are not split; 0 splits all.
    pub epsilon: f64,
    /// Whether all images may be one slice.
    pub allow_single_cluster: bool,
    /// What is done to each embedding first.
    pub normalise: Normalise,
}

impl Default for HdbscanParams {
    fn default() -> Self {
        Self {
            min_cluster_size: 15,
            min_samples: 0,
            selection: Selection::Eom,
            epsilon: 0.0,
            allow_single_cluster: false,
            normalise: Normalise::None,
        }
    }
}

impl HdbscanParams {
    /// The neighbours that make a place dense.
    pub fn n_neighbours(&self) -> usize {
        if self.min_samples == 0 { self.min_cluster_size } else { self.min_samples }
    }
}

impl Params for HdbscanParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("min_cluster_size", "size of the smallest slice, in images"),
        ("min_samples", "neighbours that make a place dense; more give more noise; 0 means min_cluster_size"),
        ("selection", "\"eom\" (the most persistent clusters) or \"leaf\" (the finest)"),
        ("epsilon", "clusters closer than this distance are not split; 0 splits all"),
        ("allow_single_cluster", "whether all images may be one slice"),
        ("normalise", "\"none\" or \"l2\": whether embeddings are scaled to length 1 first"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("min_cluster_size", self.min_cluster_size, 2, 1_000_000);
        problems.range("min_samples", self.min_samples, 0, 1_000);
        // Every neighbour is kept: `min_cluster_size` alone must not ask for thousands.
        let implied = self.min_samples > 0 || self.min_cluster_size <= 1_000;
        let hint = "set `min_samples`, for example to 15";
        problems.require(implied, "min_samples", "must be set for a `min_cluster_size` above 1000", hint);
        problems.range("epsilon", self.epsilon, 0.0, f64::MAX);
    }
}
