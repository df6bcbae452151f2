//! CAM, the original: a linear head's weights applied before the pool.
//!
//! `map = Σ_k weight[class, k] · A_k`, signed.
//!
//! # Shapes
//! Maps `[n, h_l, w_l]`, at the resolution of the layer that the head pools.
//!
//! # Units
//! Logits: the map's mean is the logit less its bias. Grad-CAM there, before clipping, is this divided by `h·w`.
//!
//! # Cost
//! One forward pass.
//!
//! # When it misleads
//! A place's value is what it adds to the logit, but what is seen there comes from the whole receptive field.
//!
//! # Source
//! Zhou et al. 2016, arXiv 1512.04150.

use crate::evidence::{explain, requirements};
use crate::params::SignedCamParams;
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, Error, ModelBackend, ModelInfo, Plugin, Requirements, Result,
};

/// See the [module](self).
pub struct Cam {
    params: SignedCamParams,
}

impl Plugin for Cam {
    const NAME: &'static str = "cam";
    const SUMMARY: &'static str = "CAM (Zhou et al. 2016): the weights of a linear head, applied before its pool";
    type Params = SignedCamParams;

    fn new(params: Self::Params) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Attributor for Cam {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        let layer = info.layer(&self.params.layer)?;
        if info.linear_head_of(&layer.name).is_none() {
            return Err(Error::unsupported(
                format!(
                    "CAM needs a layer that is pooled over all places and then mapped linearly to the logits; `{}` is not",
                    layer.name
                ),
                match &info.linear_head {
                    Some(head) => format!("use `layer = \"{}\"`, or `plugin = \"hires_cam\"`", head.layer),
                    None => "use `plugin = \"hires_cam\"`, which is the same where both can be had".into(),
                },
            ));
        }
        requirements(info, &self.params.layer, "CAM", false)
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        self.requirements(backend.info())?;
        let call = (backend, batch, context);
        explain(Self::NAME, &self.params.layer, true, self.params.relu, call, |evidence| {
            let area = (evidence.shape[2] * evidence.shape[3]) as f64;
            evidence.pointwise(|a, g| g * area * a)
        })
    }
}
