//! Parameters of [`super::Umap`].

use ascan_core::{Params, Problems};
use serde::{Deserialize, Serialize};

/// How far apart two embeddings are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Length of the difference.
    Euclidean,
    /// One minus the cosine of the angle.
    Cosine,
}

/// Parameters of [`super::Umap`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UmapParams {
    /// Dimensions of the layout: 8 to cluster in, 2 to look at.
    pub n_dims: usize,
    /// Neighbours that make an image's surroundings, itself included; more show coarser structure.
    pub n_neighbors: usize,
    /// Distance in the layout below which images need not be pushed apart; 0 gives the tightest clusters.
    pub min_dist: f64,
    /// Distance in the layout over which an attraction fades.
    pub spread: f64,
    /// Rounds of the layout; 0 means 500 to 10,000 images and 200 beyond.
    pub n_epochs: usize,
    /// How far apart two embeddings are.
    pub metric: Metric,
    /// First length of a step, falling to 0.
    pub learning_rate: f64,
    /// Images from which an image is pushed away, for each neighbour to which it is pulled.
    pub negative_sample_rate: usize,
    /// Weight of the push.
    pub repulsion_strength: f64,
}

impl Default for UmapParams {
    fn default() -> Self {
        Self {
            n_dims: 8,
            n_neighbors: 15,
            min_dist: 0.0,
            spread: 1.0,
            n_epochs: 0,
            metric: Metric::Euclidean,
            learning_rate: 1.0,
            negative_sample_rate: 5,
            repulsion_strength: 1.0,
        }
    }
}

impl UmapParams {
    /// Rounds of the layout of `n` images.
    pub fn n_epochs_for(&self, n: usize) -> usize {
        match self.n_epochs {
            0 if n <= 10_000 => 500,
            0 => 200,
            n_epochs => n_epochs,
        }
    }
}

impl Params for UmapParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("n_dims", "dimensions of the layout: 8 to cluster in, 2 to look at"),
        ("n_neighbors", "neighbours that make an image's surroundings, itself included; more show coarser structure"),
        ("min_dist", "distance below which images need not be pushed apart; 0 gives the tightest clusters"),
        ("spread", "distance over which an attraction fades"),
        ("metric", "\"euclidean\" or \"cosine\""),
        ("n_epochs", "rounds of the layout; 0 means 500 to 10,000 images and 200 beyond"),
        ("learning_rate", "initial step size, falling to 0"),
        ("negative_sample_rate", "number of repulsions per attraction"),
        ("repulsion_strength", "weight of the push"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_dims", self.n_dims, 1, 128);
        problems.range("n_neighbors", self.n_neighbors, 2, 1_000);
        problems.range("spread", self.spread, 0.01, 100.0);
        problems.range("min_dist", self.min_dist, 0.0, self.spread);
        problems.range("n_epochs", self.n_epochs, 0, 100_000);
        problems.range("learning_rate", self.learning_rate, 1e-6, 100.0);
        problems.range("negative_sample_rate", self.negative_sample_rate, 1, 100);
        problems.range("repulsion_strength", self.repulsion_strength, 0.0, 100.0);
    }
}
