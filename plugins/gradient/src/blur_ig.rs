//! Blur integrated gradients: the path from a blurred image to the sharp one.
//!
//! `Σ_c Σ_s ∂logit(L(σ_s))/∂x ⊙ (L(σ_{s+½}) − L(σ_{s−½}))`, where `L(σ)` is the image under a Gaussian of `σ` pixels
//! and `σ` falls from `max_sigma_px` to 0 in equal steps: the midpoint rule on the path.
//!
//! # Shapes
//! Maps `[n, h, w]` at the size of the model's input, signed.
//!
//! # Units
//! Logits; the map tends to sum to `logit(x) − logit(L(max_sigma_px))`, and how far it is from that is kept as the
//! convergence delta.
//!
//! # Cost
//! `n_steps` forward and backward passes, and two blurs per step.
//!
//! # When it misleads
//! There is no baseline colour, but a scale that counts as empty: evidence that survives the widest blur has no
//! attribution. Values lie on edges, where blurring changes the image.
//!
//! # Source
//! Xu et al. 2020, arXiv 2004.03383.

use crate::baseline::blurred;
use crate::path::{Points, gradients, target_logits};
use crate::pixels::{deltas, finish, requirements, sum_channels};
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, ModelBackend, ModelInfo, Params, Plugin, Problems,
    Requirements, Result,
};
use serde::{Deserialize, Serialize};

/// Parameters of the [module](self)'s method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlurIgParams {
    /// Steps on the path.
    pub n_steps: usize,
    /// Standard deviation of the widest blur, in pixels.
    pub max_sigma_px: f64,
    /// Number of points per call of the backend; 0: what the backend prefers.
    pub internal_batch_size: usize,
}

impl Default for BlurIgParams {
    fn default() -> Self {
        Self { n_steps: 32, max_sigma_px: 20.0, internal_batch_size: 0 }
    }
}

impl Params for BlurIgParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("n_steps", "steps from the widest blur to none"),
        ("max_sigma_px", "standard deviation of the widest blur, in pixels"),
        ("internal_batch_size", "points per call of the backend; 0: what the backend prefers"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_steps", self.n_steps, 1, 10_000);
        problems.range("max_sigma_px", self.max_sigma_px, 0.1, 1_000.0);
        problems.range("internal_batch_size", self.internal_batch_size, 0, 100_000);
    }
}

/// See the [module](self).
pub struct BlurIg {
    params: BlurIgParams,
}

impl Plugin for BlurIg {
    const NAME: &'static str = "blur_ig";
    const SUMMARY: &'static str = "integrated gradients along a path of decreasing blur (Xu et al. 2020)";
    type Params = BlurIgParams;

    fn new(params: BlurIgParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Attributor for BlurIg {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        let BlurIgParams { n_steps, max_sigma_px, .. } = self.params;
        Ok(requirements(info, format!("integrated gradients from a blur of {max_sigma_px} px, {n_steps} steps")))
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let info = backend.info();
        let n = batch.check(info)?;
        let (len, n_steps) = (batch.images.row_len(), self.params.n_steps);
        let sigma = |place: f64| self.params.max_sigma_px * (1.0 - place / n_steps as f64);
        // Ends of the steps, and their middles, as whole batches.
        let ends = (0..=n_steps).map(|s| blurred(sigma(s as f64), batch.images)).collect::<Result<Vec<_>>>()?;
        let middles = (0..n_steps).map(|s| blurred(sigma(s as f64 + 0.5), batch.images)).collect::<Result<Vec<_>>>()?;
        let mut sums = vec![0.0f64; n * len];
        let points = Points { name: Self::NAME, n: n_steps, batch_size: self.params.internal_batch_size };
        let middle = |image: usize, step: usize, pixels: &mut Vec<f32>| pixels.extend(middles[step].row(image));
        gradients((backend, batch, context), points, middle, |image, step, gradient| {
            let (from, to) = (ends[step].row(image), ends[step + 1].row(image));
            for (at, sum) in sums[image * len..(image + 1) * len].iter_mut().enumerate() {
                *sum += (f64::from(to[at]) - f64::from(from[at])) * f64::from(gradient[at]);
            }
        })?;
        let maps = sum_channels(batch.images, |at| sums[at])?;
        let starts = target_logits(backend, &ends[0], batch.target_classes)?;
        let delta = deltas(&maps, |i| f64::from(batch.forward.logits.row(i)[batch.target_classes[i]]) - starts[i]);
        finish(Self::NAME, maps, Some(delta))
    }
}
