//! XGrad-CAM: channels weighted by their slope, averaged in proportion to their activation.
//!
//! `map = relu(Σ_k w_k A_k)` with `w_k = Σ_ij (A_kij / ΣA_k) g_kij`, 0 for a channel whose sum is 0.
//!
//! # Shapes
//! Maps `[n, h_l, w_l]`, at the resolution of the layer.
//!
//! # Units
//! Logits. The unclipped map sums to `Σ g·A`, which for a piecewise linear head without biases is the logit.
//!
//! # Cost
//! As Grad-CAM.
//!
//! # When it misleads
//! Where activations of both signs cancel in a channel (no ReLU before), its weight is a ratio of small numbers.
//!
//! # Source
//! Fu et al. 2020, arXiv 2008.02312.

use crate::evidence::{explain, requirements};
use crate::params::CamParams;
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, ModelBackend, ModelInfo, Plugin, Requirements, Result,
};

/// See the [module](self).
pub struct XGradCam {
    params: CamParams,
}

impl Plugin for XGradCam {
    const NAME: &'static str = "xgrad_cam";
    const SUMMARY: &'static str = "XGrad-CAM (Fu et al. 2020): slopes averaged where the channel is active";
    type Params = CamParams;

    fn new(params: Self::Params) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Attributor for XGradCam {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        requirements(info, &self.params.layer, "XGrad-CAM", true)
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let call = (backend, batch, context);
        explain(Self::NAME, &self.params.layer, true, self.params.relu, call, |evidence| {
            Ok(evidence.weighted(|activations, slope| {
                let total: f64 = activations.iter().map(|&a| f64::from(a)).sum();
                let product = |(place, &a): (usize, &f32)| f64::from(a) * slope.at(place);
                if total == 0.0 { 0.0 } else { activations.iter().enumerate().map(product).sum::<f64>() / total }
            }))
        })
    }
}
