//! HiResCAM: slope times activation, place by place.
//!
//! `map = relu(Σ_k g_k ⊙ A_k)`.
//!
//! # Shapes
//! Maps `[n, h_l, w_l]`, at the resolution of the layer.
//!
//! # Units
//! Logits: for a head that is linear in the layer, the unclipped map sums to the logit less its bias, and each place
//! has its own contribution. At a pooled layer with a linear head it is Grad-CAM.
//!
//! # Cost
//! As Grad-CAM.
//!
//! # When it misleads
//! At layers far from the head the slopes are noisy from place to place, and so is the map.
//!
//! # Source
//! Draelos & Carin 2020, arXiv 2011.08891.

use crate::evidence::Evidence;
use crate::layerwise::{Formula, Layerwise};
use crate::params::CamParams;
use ascan_core::Tensor;

/// See the [module](self).
pub type HiResCam = Layerwise<Rule>;

/// The formula.
pub struct Rule;

impl Formula for Rule {
    const NAME: &'static str = "hires_cam";
    const SUMMARY: &'static str = "HiResCAM (Draelos & Carin 2020): gradient times activation at each place";
    const TITLE: &'static str = "HiResCAM";
    type Params = CamParams;

    fn maps(_params: &CamParams, evidence: &Evidence) -> Tensor {
        evidence.pointwise(|a, g| g * a)
    }
}
