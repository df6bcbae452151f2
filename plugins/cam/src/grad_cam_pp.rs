//! Grad-CAM++: channels weighted by their positive slopes, more where a channel is active at few places.
//!
//! `map = relu(Σ_k w_k A_k)` with `w_k = Σ_ij α_kij relu(g_kij)` and, for the score `exp(logit)`,
//! `α_kij = g² / (2 g² + g³ ΣA_k) = 1 / (2 + g ΣA_k)`. The constant `exp(logit)` that all weights share is left out, so
//! maps of different images can be compared.
//!
//! # Shapes
//! Maps `[n, h_l, w_l]`, at the resolution of the layer.
//!
//! # Units
//! Logits, up to the weights α in (0, ½].
//!
//! # Cost
//! As Grad-CAM.
//!
//! # When it misleads
//! It drops all evidence against the class. At layers with negative activations (no ReLU before) `2 + g ΣA_k` can come
//! near zero, and one channel then paints the map. pytorch-grad-cam adds 1e-6 to the unsimplified denominator, which
//! shrinks the weights wherever `g²` is not far above 1e-6, as it is not in large nets; here nothing is added.
//!
//! # Source
//! Chattopadhyay et al. 2018, arXiv 1710.11063, equations 10 and 19.

use crate::evidence::Evidence;
use crate::layerwise::{Formula, Layerwise};
use crate::params::CamParams;
use ascan_core::Tensor;

/// See the [module](self).
pub type GradCamPlusPlus = Layerwise<Rule>;

/// The formula.
pub struct Rule;

impl Formula for Rule {
    const NAME: &'static str = "grad_cam_pp";
    const SUMMARY: &'static str =
        "Grad-CAM++ (Chattopadhyay et al. 2018): positive gradients, those at few places weighted more";
    const TITLE: &'static str = "Grad-CAM++";
    type Params = CamParams;

    fn maps(_params: &CamParams, evidence: &Evidence) -> Tensor {
        evidence.weighted(|activations, slope| {
            let total: f64 = activations.iter().map(|&a| f64::from(a)).sum();
            let one = |g: f64| if g > 0.0 { g / (2.0 + g * total) } else { 0.0 };
            (0..activations.len()).map(|place| one(slope.at(place))).sum()
        })
    }
}
