//! Parameters of [`super::Corm`].

use ascan_core::{Params, Problems};
use serde::{Deserialize, Serialize};

/// What is done to the region that should not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Noise lies over the picture, as in the paper.
    Add,
    /// Noise takes the picture's place: what was there says nothing, but a net can learn the noise itself.
    Replace,
    /// What another image of the batch shows there takes its place: the region tells as little, and looks like what
    /// the model will meet.
    Mix,
}

/// Parameters of [`super::Corm`]. The mode is ours, chosen by measurement; the paper adds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CormParams {
    /// What is done to the region that should not count.
    pub mode: Mode,
    /// Standard deviation of the noise, where white is 1; `mix` has none.
    pub sigma: f32,
    /// Weight of the loss on the pictures as they are, beside a weight of 1 on their disturbed copies.
    pub clean_weight: f32,
}

impl Default for CormParams {
    fn default() -> Self {
        Self { mode: Mode::Mix, sigma: 0.25, clean_weight: 1.0 }
    }
}

impl Params for CormParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        (
            "mode",
            "the region that should not count becomes \"mix\" (another image's), \"replace\" (noise) or \"add\" (noise over it)",
        ),
        ("sigma", "standard deviation of the noise, where white is 1; \"mix\" has none"),
        ("clean_weight", "weight of the loss on the pictures as they are; 0: train on disturbed copies only"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("sigma", self.sigma, 0.0, 10.0);
        problems.range("clean_weight", self.clean_weight, 0.0, 100.0);
    }
}
