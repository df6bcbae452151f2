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

use crate::evidence::Evidence;
use crate::layerwise::{Formula, Layerwise};
use crate::params::CamParams;
use ascan_core::Tensor;

/// See the [module](self).
pub type LayerCam = Layerwise<Rule>;

/// The formula.
pub struct Rule;

impl Formula for Rule {
    const NAME: &'static str = "layer_cam";
    const SUMMARY: &'static str = "LayerCAM (Jiang et al. 2021): positive gradient times activation at each place";
    const TITLE: &'static str = "LayerCAM";
    type Params = CamParams;

    fn maps(_params: &CamParams, evidence: &Evidence) -> Tensor {
        evidence.pointwise(|a, g| g.max(0.0) * a)
    }
}
