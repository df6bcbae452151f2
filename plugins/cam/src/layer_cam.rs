//! LayerCAM: positive slopes times activation, place by place; meant for early layers too.
//!
//! `map = relu(Σ_k relu(g_k) ⊙ A_k)`.
//!
//! # Shapes
//! Maps `[n, h_l, w_l]`, at the resolution of the layer.
//!
//! # Units
//! Logits, evidence for the class alone.
//!
//! # Cost
//! As Grad-CAM.
//!
//! # When it misleads
//! What speaks against the class is dropped channel by channel, before anything is summed: places where channels cancel
//! light up. Maps of classes that share features look alike.
//!
//! # Source
//! Jiang et al. 2021, doi 10.1109/TIP.2021.3089943.

use crate::evidence::{explain, requirements};
use crate::params::CamParams;
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, ModelBackend, ModelInfo, Plugin, Requirements, Result,
};

/// See the [module](self).
pub struct LayerCam {
    params: CamParams,
}

impl Plugin for LayerCam {
    const NAME: &'static str = "layer_cam";
    const SUMMARY: &'static str = "LayerCAM (Jiang et al. 2021): positive slopes times activation at each place";
    type Params = CamParams;

    fn new(params: Self::Params) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Attributor for LayerCam {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        requirements(info, &self.params.layer, "LayerCAM", true)
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let call = (backend, batch, context);
        explain(Self::NAME, &self.params.layer, true, self.params.relu, call, |evidence| {
            Ok(evidence.pointwise(|a, g| g.max(0.0) * a))
        })
    }
}
