//! Expected gradients: integrated gradients averaged over random baselines.
//!
//! `Σ_c mean_s (x − x′_s) ⊙ ∂logit(x′_s + α_s(x − x′_s))/∂x`, where each baseline `x′_s` is an image of one random
//! colour, every channel from N(0, 1) in normalised units, and the `α_s` are one in each of `n_samples` equal parts of
//! [0, 1].
//!
//! The paper draws baselines from the training data. An attributor sees one batch at a time, and its maps must not
//! depend on who is in it: random colours with the mean and spread that the normalisation was made from stand in. That
//! is ours.
//!
//! # Shapes
//! Maps `[n, h, w]` at the size of the model's input, signed.
//!
//! # Units
//! Logits; the map tends to sum to `logit(x)` less the mean logit of the baselines, and how far it is from that is kept
//! as the convergence delta.
//!
//! # Cost
//! `n_samples` forward and backward passes, and as many forward passes for the delta.
//!
//! # When it misleads
//! As integrated gradients, but no colour counts as empty; the error of the mean falls with `1/√n_samples`.
//!
//! # Source
//! Erion et al. 2021, arXiv 1906.10670.

use crate::noise::numbers;
use crate::path::{Points, gradients, target_logits};
use crate::pixels::{deltas, finish, requirements, sum_channels};
use ascan_core::Tensor;
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
pub struct ExpectedGradientsParams {
    /// Baselines, one point on the path from each.
    pub n_samples: usize,
    /// Number of points per call of the backend; 0: what the backend prefers.
    pub internal_batch_size: usize,
}

impl Default for ExpectedGradientsParams {
    fn default() -> Self {
        Self { n_samples: 50, internal_batch_size: 0 }
    }
}

impl Params for ExpectedGradientsParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("n_samples", "random baselines, one point on the path from each"),
        ("internal_batch_size", "points per call of the backend; 0: what the backend prefers"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_samples", self.n_samples, 1, 100_000);
        problems.range("internal_batch_size", self.internal_batch_size, 0, 100_000);
    }
}

/// See the [module](self).
pub struct ExpectedGradients {
    params: ExpectedGradientsParams,
}

impl Plugin for ExpectedGradients {
    const NAME: &'static str = "expected_gradients";
    const SUMMARY: &'static str = "integrated gradients over random baselines (Erion et al. 2021)";
    type Params = ExpectedGradientsParams;

    fn new(params: ExpectedGradientsParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Attributor for ExpectedGradients {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        Ok(requirements(info, format!("expected gradients, {} baselines of random colours", self.params.n_samples)))
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let info = backend.info();
        let n = batch.check(info)?;
        let [_, c, h, w] = batch.images.dims("images", "[n, c, h, w]")?;
        let (len, n_samples) = (batch.images.row_len(), self.params.n_samples);
        // A share of the path and a colour for each sample, the same for every image.
        let samples: Vec<(f64, Vec<f64>)> = (0..n_samples)
            .map(|sample| {
                let mut numbers = numbers(context.seed, sample);
                let alpha = (sample as f64 + numbers.random::<f64>()) / n_samples as f64;
                (alpha, numbers.sample_iter(StandardNormal).take(c).collect())
            })
            .collect();
        let colour = |sample: usize, at: usize| samples[sample].1[at / (h * w) % c];
        let mut sums = vec![0.0f64; n * len];
        let between = |image: usize, sample: usize, pixels: &mut Vec<f32>| {
            let alpha = samples[sample].0;
            let row = batch.images.row(image).iter().enumerate();
            pixels.extend(row.map(|(at, &x)| {
                let start = colour(sample, at);
                (start + alpha * (f64::from(x) - start)) as f32
            }));
        };
        let points = Points { name: Self::NAME, n: n_samples, batch_size: self.params.internal_batch_size };
        gradients((backend, batch, context), points, between, |image, sample, gradient| {
            let row = batch.images.row(image);
            for (at, sum) in sums[image * len..(image + 1) * len].iter_mut().enumerate() {
                *sum += (f64::from(row[at]) - colour(sample, at)) * f64::from(gradient[at]);
            }
        })?;
        let maps = sum_channels(batch.images, |at| sums[at] / n_samples as f64)?;
        let starts = (0..n_samples).flat_map(|sample| (0..len).map(move |at| (sample, at)));
        let starts: Vec<f32> = starts.map(|(sample, at)| colour(sample, at) as f32).collect();
        let starts = Tensor::new([n_samples, c, h, w], starts)?;
        let mut mean_of_class = vec![None; info.n_classes];
        for &class in batch.target_classes {
            if mean_of_class[class].is_none() {
                let logits = target_logits(backend, &starts, &vec![class; n_samples])?;
                mean_of_class[class] = Some(logits.iter().sum::<f64>() / n_samples as f64);
            }
        }
        let delta = deltas(&maps, |i| {
            let class = batch.target_classes[i];
            f64::from(batch.forward.logits.row(i)[class]) - mean_of_class[class].unwrap_or(0.0)
        });
        finish(Self::NAME, maps, Some(delta))
    }
}
