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

use crate::evidence::Evidence;
use crate::layerwise::{Formula, Layerwise};
use crate::params::CamParams;
use ascan_core::Tensor;

/// See the [module](self).
pub type GradCam = Layerwise<Rule>;

/// The formula.
pub struct Rule;

impl Formula for Rule {
    const NAME: &'static str = "grad_cam";
    const SUMMARY: &'static str = "Grad-CAM (Selvaraju et al. 2017), in closed form where the head is linear";
    const TITLE: &'static str = "Grad-CAM";
    type Params = CamParams;

    fn maps(_params: &CamParams, evidence: &Evidence) -> Tensor {
        let area = evidence.shape[2] * evidence.shape[3];
        evidence.weighted(|_, slope| slope.mean(area))
    }
}
