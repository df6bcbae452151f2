//! Grad-CAM: channels weighted by the mean slope of the target logit.
//!
//! `map = relu(Σ_k α_k A_k)` with `α_k = mean_ij(∂logit/∂A_kij)`.
//!
//! # Shapes
//! Maps `[n, h_l, w_l]`, at the resolution of the layer.
//!
//! # Units
//! Logits (gradient × activation). At a pooled layer with a linear head the unclipped map sums to the logit less its bias.
//!
//! # Cost
//! One forward pass, and the way back from the logit to the layer; nothing but the forward pass where the head is linear
//! in the layer's spatial mean.
//!
//! # When it misleads
//! The mean over places throws away where a channel matters: at early layers, or behind a head that looks at places
//! (flatten → linear, attention), a map can light up where the model does not look; compare with `hires_cam`.
//!
//! # Source
//! Selvaraju et al. 2017, arXiv 1610.02391.

use crate::evidence::{explain, requirements};
use crate::params::CamParams;
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, ModelBackend, ModelInfo, Plugin, Requirements, Result,
};

/// See the [module](self).
pub struct GradCam {
    params: CamParams,
}

impl Plugin for GradCam {
    const NAME: &'static str = "grad_cam";
    const SUMMARY: &'static str = "Grad-CAM (Selvaraju et al. 2017), in closed form where the head is linear";
    type Params = CamParams;

    fn new(params: Self::Params) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Attributor for GradCam {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        requirements(info, &self.params.layer, "Grad-CAM", true)
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let call = (backend, batch, context);
        explain(Self::NAME, &self.params.layer, true, self.params.relu, call, |evidence| {
            let area = evidence.shape[2] * evidence.shape[3];
            Ok(evidence.weighted(|_, slope| slope.mean(area)))
        })
    }
}
