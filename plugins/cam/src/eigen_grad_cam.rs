//! Eigen-Grad-CAM: the first principal direction of the evidence for the class.
//!
//! `map = relu(X v₁)`, where `X [h·w, k]` is `g ⊙ A` by places and `v₁` its first right singular vector, with the sign
//! that agrees with `Σ_k g_k ⊙ A_k`.
//!
//! # Shapes
//! Maps `[n, h_l, w_l]`, at the resolution of the layer.
//!
//! # Units
//! Logits, up to the rotation of the channels.
//!
//! # Cost
//! As Grad-CAM.
//!
//! # When it misleads
//! Smoother than HiResCAM, because what is not in the first direction is dropped: evidence of two different kinds
//! appears as one of them. Centring and sign as for Eigen-CAM.
//!
//! # Source
//! pytorch-grad-cam (Gildenblat 2021), after Muhammad & Yeasin 2020, arXiv 2008.00299.

use crate::evidence::{explain, requirements};
use crate::maps::principal_maps;
use crate::params::EigenParams;
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, ModelBackend, ModelInfo, Plugin, Requirements, Result,
};

/// See the [module](self).
pub struct EigenGradCam {
    params: EigenParams,
}

impl Plugin for EigenGradCam {
    const NAME: &'static str = "eigen_grad_cam";
    const SUMMARY: &'static str =
        "Eigen-CAM of slope times activation: principal direction of the evidence for the class";
    type Params = EigenParams;

    fn new(params: Self::Params) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Attributor for EigenGradCam {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        requirements(info, &self.params.layer, "Eigen-Grad-CAM", true)
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let call = (backend, batch, context);
        explain(Self::NAME, &self.params.layer, true, self.params.relu, call, |evidence| {
            Ok(principal_maps(evidence, self.params.centre, |a, g| g * a))
        })
    }
}
