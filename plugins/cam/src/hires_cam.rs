//! HiResCAM: slope times activation, place by place.
//!
//! `map = relu(Σ_k g_k ⊙ A_k)`.
//!
//! # Shapes
//! Maps `[n, h_l, w_l]`, at the resolution of the layer.
//!
//! # Units
//! Logits: for a head that is linear in the layer, the unclipped map sums to the logit less its bias, and each place has
//! its own contribution. At a pooled layer with a linear head it is Grad-CAM.
//!
//! # Cost
//! As Grad-CAM.
//!
//! # When it misleads
//! At layers far from the head the slopes are noisy from place to place, and so is the map.
//!
//! # Source
//! Draelos & Carin 2020, arXiv 2011.08891.

use crate::evidence::{explain, requirements};
use crate::params::CamParams;
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, ModelBackend, ModelInfo, Plugin, Requirements, Result,
};

/// See the [module](self).
pub struct HiResCam {
    params: CamParams,
}

impl Plugin for HiResCam {
    const NAME: &'static str = "hires_cam";
    const SUMMARY: &'static str = "HiResCAM (Draelos & Carin 2020): slope times activation at each place";
    type Params = CamParams;

    fn new(params: Self::Params) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Attributor for HiResCam {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        requirements(info, &self.params.layer, "HiResCAM", true)
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let call = (backend, batch, context);
        explain(Self::NAME, &self.params.layer, true, self.params.relu, call, |evidence| {
            Ok(evidence.pointwise(|a, g| g * a))
        })
    }
}
