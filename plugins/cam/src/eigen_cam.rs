//! Eigen-CAM: the first principal direction of a layer's activations, whatever the class.
//!
//! `map = relu(X v₁)`, where `X [h·w, k]` is the feature map by places and `v₁` its first right singular vector. A
//! singular vector has no sign of its own: it is taken such that the map agrees with `Σ_k A_k`.
//!
//! # Shapes
//! Maps `[n, h_l, w_l]`, at the resolution of the layer.
//!
//! # Units
//! Activation.
//!
//! # Cost
//! One forward pass.
//!
//! # When it misleads
//! It knows neither class nor logit: a map says what is salient to the layer, not what speaks for the class. At layers
//! where one channel is large everywhere the map is that channel. pytorch-grad-cam subtracts each channel's mean first
//! (here: `centre = true`), which the paper does not, and leaves the sign to the linear algebra library, so that its
//! maps may have the opposite sign.
//!
//! # Source
//! Muhammad & Yeasin 2020, arXiv 2008.00299.

use crate::evidence::Evidence;
use crate::layerwise::{Formula, Layerwise};
use crate::params::EigenParams;
use crate::principal::principal_maps;
use ascan_core::Tensor;

/// See the [module](self).
pub type EigenCam = Layerwise<Rule>;

/// The formula.
pub struct Rule;

impl Formula for Rule {
    const NAME: &'static str = "eigen_cam";
    const SUMMARY: &'static str = "Eigen-CAM (Muhammad & Yeasin 2020): the first principal direction of the features";
    const TITLE: &'static str = "Eigen-CAM";
    const NEEDS_GRADIENT: bool = false;
    type Params = EigenParams;

    fn maps(params: &EigenParams, evidence: &Evidence) -> Tensor {
        principal_maps(evidence, params.centre, |a, _| a)
    }
}
