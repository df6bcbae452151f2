//! Parameters of [`super::Dbscan`].

use ascan_core::{Params, Problems};
use ascan_math::points::Normalise;
use serde::{Deserialize, Serialize};

/// Parameters of [`super::Dbscan`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DbscanParams {
    /// Distance at which images are neighbours; 0 finds one: where the distances to the `min_samples`-th neighbour
    /// begin to rise steeply. That rule is ours, and rough: look at the number of slices and the noise it gives.
    pub eps: f64,
    /// Images within `eps`, itself included, that make an image a core of a slice. The default is ours.
    pub min_samples: usize,
    /// What is done to each embedding first.
    pub normalise: Normalise,
}

impl Default for DbscanParams {
    fn default() -> Self {
        Self { eps: 0.0, min_samples: 10, normalise: Normalise::None }
    }
}

impl Params for DbscanParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("eps", "distance at which images are neighbours; 0 finds one from the distances themselves"),
        ("min_samples", "images within eps, itself included, that make an image a core of a slice"),
        ("normalise", "\"none\" or \"l2\": whether embeddings are scaled to length 1 first"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("eps", self.eps, 0.0, 1e18);
        problems.range("min_samples", self.min_samples, 1, 1_000);
    }
}
