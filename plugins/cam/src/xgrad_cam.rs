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

use crate::evidence::Evidence;
use crate::layerwise::{Formula, Layerwise};
use crate::params::CamParams;
use ascan_core::Tensor;

/// See the [module](self).
pub type XGradCam = Layerwise<Rule>;

/// The formula.
pub struct Rule;

impl Formula for Rule {
    const NAME: &'static str = "xgrad_cam";
    const SUMMARY: &'static str = "XGrad-CAM (Fu et al. 2020): gradients averaged in proportion to the activation";
    const TITLE: &'static str = "XGrad-CAM";
    type Params = CamParams;

    fn maps(_params: &CamParams, evidence: &Evidence) -> Tensor {
        evidence.weighted(|activations, slope| {
            let total: f64 = activations.iter().map(|&a| f64::from(a)).sum();
            let product = |(place, &a): (usize, &f32)| f64::from(a) * slope.at(place);
            if total == 0.0 { 0.0 } else { activations.iter().enumerate().map(product).sum::<f64>() / total }
        })
    }
}
