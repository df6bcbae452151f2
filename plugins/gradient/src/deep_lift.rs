//! DeepLIFT with the rescale rule: what each value's difference from a baseline adds to the logit's.
//!
//! `map = Σ_c (x − x′) ⊙ m`, where the multipliers `m` come from a backward pass in which each nonlinearity passes on
//! `Δoutput/Δinput` instead of its slope. A product of two changing values divides its change evenly between them.
//!
//! # Shapes
//! Maps `[n, h, w]` at the size of the model's input, signed.
//!
//! # Units
//! Logits; the map sums to `logit(x) − logit(x′)`, and how far rounding takes it from that is the convergence delta.
//!
//! # Cost
//! Two forward passes and one backward pass.
//!
//! # When it misleads
//! As with integrated gradients, what looks like the baseline has no attribution. The rescale rule hides evidence that
//! cancels inside the net. captum 0.9 leaves SiLU, GELU, ReLU6 and products at their slopes, keeps one window's share
//! where pooling windows overlap, and gives a ReLU in front of a max pool the pool's plain gradient: its sums miss the
//! logit, or its values are others (by 15 % of the largest on a ResNet). Here all are rescaled; with these mended
//! captum's values are ours. Nets with softmax or layer normalisation inside (transformers, ConvNeXt) are refused by
//! name.
//!
//! # Source
//! Shrikumar et al. 2017, arXiv 1704.02685.

use crate::baseline::baselines;
use crate::params::Baseline;
use crate::path::target_logits;
use crate::pixels::{deltas, finish, requirements, sum_channels};
use ascan_core::RelevanceRule;
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, ModelBackend, ModelInfo, Params, Plugin, Problems,
    Requirements, Result,
};
use serde::{Deserialize, Serialize};

/// Parameters of the [module](self)'s method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeepLiftParams {
    /// What counts as no evidence.
    pub baseline: Baseline,
    /// One value per channel, in normalised units, for `baseline = "given"`.
    pub baseline_values: Vec<f32>,
    /// Standard deviation of the blur, in pixels.
    pub blur_sigma_px: f32,
}

impl Default for DeepLiftParams {
    fn default() -> Self {
        Self { baseline: Baseline::Zero, baseline_values: Vec::new(), blur_sigma_px: 10.0 }
    }
}

impl Params for DeepLiftParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("baseline", "\"zero\", \"mean\" (colour of the image), \"blur\" or \"given\""),
        ("baseline_values", "one value per channel, in normalised units, for baseline = \"given\""),
        ("blur_sigma_px", "standard deviation of the blur, in pixels, for baseline = \"blur\""),
    ];

    fn check(&self, problems: &mut Problems) {
        crate::params::check_baseline(self.baseline, &self.baseline_values, self.blur_sigma_px, problems);
    }
}

/// See the [module](self).
pub struct DeepLift {
    params: DeepLiftParams,
}

impl Plugin for DeepLift {
    const NAME: &'static str = "deep_lift";
    const SUMMARY: &'static str = "DeepLIFT, rescale rule (Shrikumar et al. 2017)";
    type Params = DeepLiftParams;

    fn new(params: DeepLiftParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Attributor for DeepLift {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        Ok(Requirements { relevance: true, ..requirements(info, "DeepLIFT (rescale)".into()) })
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let info = backend.info();
        let n = batch.check(info)?;
        context.progress(Self::NAME, 0, n)?;
        let DeepLiftParams { baseline, baseline_values, blur_sigma_px } = &self.params;
        let baselines = baselines(*baseline, baseline_values, *blur_sigma_px, batch.images)?;
        let rule = RelevanceRule::DeepLift { baselines: baselines.view() };
        let relevance = backend.relevance(batch.images, batch.target_classes, &rule)?;
        let maps = sum_channels(relevance.view(), |at| f64::from(relevance.data()[at]))?;
        let starts = target_logits(backend, &baselines, batch.target_classes)?;
        let delta = deltas(&maps, |i| f64::from(batch.forward.logits.row(i)[batch.target_classes[i]]) - starts[i]);
        finish(Self::NAME, maps, Some(delta))
    }
}
