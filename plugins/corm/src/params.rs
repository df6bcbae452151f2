//! Parameters of [`crate::Corm`].

use ascan_core::{Params, Problems};
use serde::{Deserialize, Serialize};

/// What noise does to the region that should not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It lies over the picture, as in the paper.
    Add,
    /// It takes the picture's place; what is left of the picture there says nothing.
    Replace,
}

/// Parameters of [`crate::Corm`]. Defaults are ours, chosen by measurement; the paper adds, with a clean weight of 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CormParams {
    /// What noise does to the region that should not count.
    pub mode: Mode,
    /// Standard deviation of the noise, where white is 1.
    pub sigma: f32,
    /// Weight of the loss on the pictures as they are, beside a weight of 1 on their noisy copies.
    pub clean_weight: f32,
}

impl Default for CormParams {
    fn default() -> Self {
        Self { mode: Mode::Replace, sigma: 0.25, clean_weight: 0.0 }
    }
}

impl Params for CormParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("mode", "\"replace\" (noise instead of the region that should not count) or \"add\" (noise over it)"),
        ("sigma", "standard deviation of the noise, where white is 1"),
        ("clean_weight", "weight of the loss on the pictures as they are; 0: train on noisy copies only"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("sigma", self.sigma, 0.0, 10.0);
        problems.range("clean_weight", self.clean_weight, 0.0, 100.0);
    }
}
