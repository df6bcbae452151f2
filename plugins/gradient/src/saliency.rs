//! Saliency: the size of the input gradient.
//!
//! `map = max_c |∂logit/∂x_c|`.
//!
//! # Shapes
//! Maps `[n, h, w]` at the size of the model's input, ≥ 0.
//!
//! # Units
//! Logits per unit of the normalised input.
//!
//! # Cost
//! One forward and one backward pass, which `input_x_gradient` shares.
//!
//! # When it misleads
//! It says where a small change would matter, not what the logit is made of; where the model is saturated it is noise.
//!
//! # Source
//! Simonyan et al. 2013, arXiv 1312.6034.

use crate::pixels::{finish, max_channels, requirements};
use ascan_core::params::NoParams;
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, ModelBackend, ModelInfo, Plugin, Requirements, Result,
};

/// See the [module](self).
pub struct Saliency;

impl Plugin for Saliency {
    const NAME: &'static str = "saliency";
    const SUMMARY: &'static str = "input gradient (Simonyan et al. 2013), the largest over the channels";
    type Params = NoParams;

    fn new(_params: NoParams) -> Result<Self> {
        Ok(Self)
    }
}

impl Attributor for Saliency {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        Ok(Requirements { gradients_of: vec![info.input.clone()], ..requirements(info, "input gradient".into()) })
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
        finish(Self::NAME, max_channels(batch.images, |at| f64::from(gradient[at]).abs())?, None)
    }
}
