//! Eigen-CAM: what most of a layer's activity has in common, whatever the class.
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
//! where one channel is large everywhere the map is that channel. pytorch-grad-cam takes each channel's mean off first
//! (here: `centre = true`), which the paper does not, and leaves the sign to the linear algebra library, so that its maps
//! may be turned over.
//!
//! # Source
//! Muhammad & Yeasin 2020, arXiv 2008.00299.

use crate::evidence::{explain, requirements};
use crate::maps::principal_maps;
use crate::params::EigenParams;
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, ModelBackend, ModelInfo, Plugin, Requirements, Result,
};

/// See the [module](self).
pub struct EigenCam {
    params: EigenParams,
}

impl Plugin for EigenCam {
    const NAME: &'static str = "eigen_cam";
    const SUMMARY: &'static str = "Eigen-CAM (Muhammad & Yeasin 2020): the first principal direction of the features";
    type Params = EigenParams;

    fn new(params: Self::Params) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Attributor for EigenCam {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        requirements(info, &self.params.layer, "Eigen-CAM", false)
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let call = (backend, batch, context);
        explain(Self::NAME, &self.params.layer, false, self.params.relu, call, |evidence| {
            Ok(principal_maps(evidence, self.params.centre, |a, _| a))
        })
    }
}
