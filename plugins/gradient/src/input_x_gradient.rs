//! Input × gradient: the terms of the linear model that approximates the net at the image.
//!
//! `map = Σ_c x_c ⊙ ∂logit/∂x_c`.
//!
//! # Shapes
//! Maps `[n, h, w]` at the size of the model's input, signed.
//!
//! # Units
//! Logits. For a net of ReLUs without biases the map sums to the logit, and it is LRP-0 and DeepLIFT against zero.
//!
//! # Cost
//! One forward and one backward pass, which `saliency` shares.
//!
//! # When it misleads
//! Pixels that are zero after normalisation (the mean colour) have no attribution, whatever they show.
//!
//! # Source
//! Shrikumar et al. 2016, arXiv 1605.01713.

use crate::pixels::{finish, requirements, sum_channels};
use ascan_core::params::NoParams;
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, ModelBackend, ModelInfo, Plugin, Requirements, Result,
};

/// See the [module](self).
pub struct InputXGradient;

impl Plugin for InputXGradient {
    const NAME: &'static str = "input_x_gradient";
    const SUMMARY: &'static str = "input times its gradient (Shrikumar et al. 2016)";
    type Params = NoParams;

    fn new(_params: NoParams) -> Result<Self> {
        Ok(Self)
    }
}

impl Attributor for InputXGradient {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        Ok(Requirements { gradients_of: vec![info.input.clone()], ..requirements(info, "input × gradient".into()) })
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
        let gradient = batch.gradient(backend, &info.input)?;
        let gradient = gradient.data();
        let x = batch.images.data();
        finish(Self::NAME, sum_channels(batch.images, |at| f64::from(gradient[at]) * f64::from(x[at]))?, None)
    }
}
