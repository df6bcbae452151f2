//! SmoothGrad: the input gradient, averaged over noisy copies of the image.
//!
//! `map = max_c |1/n Σ_s ∂logit(x + ε_s)/∂x_c|`, `ε ~ N(0, σ²)`, `σ = noise_level · (max x − min x)` of each image.
//!
//! # Shapes
//! Maps `[n, h, w]` at the size of the model's input, ≥ 0.
//!
//! # Units
//! Logits per unit of the normalised input.
//!
//! # Cost
//! `n_samples` forward and backward passes.
//!
//! # When it misleads
//! As `saliency`, with less noise; it explains the model smoothed by the noise, which may behave differently. The noise
//! depends on the seed alone and is the same for every image.
//!
//! # Source
//! Smilkov et al. 2017, arXiv 1706.03825.

use crate::noise::numbers;
use crate::path::{Points, gradients};
use crate::pixels::{finish, max_channels, requirements};
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, ModelBackend, ModelInfo, Params, Plugin, Problems,
    Requirements, Result,
};
use rand::RngExt;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

/// Parameters of the [module](self)'s method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SmoothGradParams {
    /// Noisy copies of each image.
    pub n_samples: usize,
    /// Standard deviation of the noise as a share of the image's range.
    pub noise_level: f64,
    /// Number of points per call of the backend; 0: what the backend prefers.
    pub internal_batch_size: usize,
}

impl Default for SmoothGradParams {
    fn default() -> Self {
        Self { n_samples: 25, noise_level: 0.15, internal_batch_size: 0 }
    }
}

impl Params for SmoothGradParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("n_samples", "noisy copies of each image"),
        ("noise_level", "standard deviation of the noise as a share of the image's range"),
        ("internal_batch_size", "points per call of the backend; 0: what the backend prefers"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_samples", self.n_samples, 1, 100_000);
        problems.range("noise_level", self.noise_level, 0.0, 10.0);
        problems.range("internal_batch_size", self.internal_batch_size, 0, 100_000);
    }
}

/// See the [module](self).
pub struct SmoothGrad {
    params: SmoothGradParams,
}

impl Plugin for SmoothGrad {
    const NAME: &'static str = "smooth_grad";
    const SUMMARY: &'static str = "input gradient averaged over noisy copies (Smilkov et al. 2017)";
    type Params = SmoothGradParams;

    fn new(params: SmoothGradParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Attributor for SmoothGrad {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        Ok(requirements(info, format!("SmoothGrad, {} samples", self.params.n_samples)))
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let info = backend.info();
        let n = batch.check(info)?;
        let len = batch.images.row_len();
        let deviation = |i: usize| {
            let row = batch.images.row(i);
            let high = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let low = row.iter().copied().fold(f32::INFINITY, f32::min);
            self.params.noise_level * f64::from(high - low)
        };
        let mut sums = vec![0.0f64; n * len];
        let points = Points { name: Self::NAME, n: self.params.n_samples, batch_size: self.params.internal_batch_size };
        let noisy = |image: usize, sample: usize, pixels: &mut Vec<f32>| {
            let normal = numbers(context.seed, sample).sample_iter::<f64, _>(StandardNormal);
            let deviation = deviation(image);
            pixels
                .extend(batch.images.row(image).iter().zip(normal).map(|(x, normal)| x + (deviation * normal) as f32));
        };
        gradients((backend, batch, context), points, noisy, |image, _, gradient| {
            let sums = &mut sums[image * len..(image + 1) * len];
            sums.iter_mut().zip(gradient).for_each(|(sum, &g)| *sum += f64::from(g));
        })?;
        let n_samples = self.params.n_samples as f64;
        finish(Self::NAME, max_channels(batch.images, |at| (sums[at] / n_samples).abs())?, None)
    }
}
