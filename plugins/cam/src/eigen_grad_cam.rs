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

use crate::evidence::Evidence;
use crate::layerwise::{Formula, Layerwise};
use crate::params::EigenParams;
use crate::principal::principal_maps;
use ascan_core::Tensor;

/// See the [module](self).
pub type EigenGradCam = Layerwise<Rule>;

/// The formula.
pub struct Rule;

impl Formula for Rule {
    const NAME: &'static str = "eigen_grad_cam";
    const SUMMARY: &'static str =
        "Eigen-CAM of gradient times activation: the principal direction of the evidence for the class";
    const TITLE: &'static str = "Eigen-Grad-CAM";
    type Params = EigenParams;

    fn maps(params: &EigenParams, evidence: &Evidence) -> Tensor {
        principal_maps(evidence, params.centre, |a, g| g * a)
    }
}
