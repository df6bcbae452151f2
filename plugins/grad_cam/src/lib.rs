//! Attributor plugin: Grad-CAM.

mod algorithm;
#[cfg(test)]
mod tests;

use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, Error, LinearHead, ModelBackend, ModelInfo, Params, Plugin,
    Problems, Requirements, Result, Tensor,
};
use serde::{Deserialize, Serialize};

/// Parameters of [`GradCam`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GradCamParams {
    /// The feature map to explain at; `auto` is the model's default layer.
    pub layer: String,
    /// Whether negative evidence is clipped at zero, as in the paper.
    pub relu: bool,
}

impl Default for GradCamParams {
    fn default() -> Self {
        Self { layer: "auto".into(), relu: true }
    }
}

impl Params for GradCamParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("layer", "the feature map to explain at; \"auto\": the last one before the head"),
        ("relu", "whether negative evidence is clipped at zero"),
    ];

    fn check(&self, problems: &mut Problems) {
        let ok = !self.layer.is_empty();
        problems.require(ok, "layer", "must name a layer", "use \"auto\" for the last feature map before the head");
    }
}

/// Grad-CAM map of one layer for each image's target class.
///
/// Channel weights are the spatial means of ∂logit/∂feature map; the weighted channel sum is clipped at zero
/// (unless `relu` is off). Where the layer is what a linear head pools, the weights are `weight[class, k] / (h·w)`
/// and no backward pass is made.
///
/// # Shapes
/// Maps `[n, h_l, w_l]`, layer resolution, not upsampled.
///
/// # Units
/// Logits (gradient × activation), not rescaled per image.
///
/// # Source
/// Selvaraju et al. 2017, arXiv 1610.02391.
pub struct GradCam {
    params: GradCamParams,
}

impl Plugin for GradCam {
    const NAME: &'static str = "grad_cam";
    const SUMMARY: &'static str = "Grad-CAM (Selvaraju et al. 2017), in closed form where the head is linear";
    type Params = GradCamParams;

    fn new(params: GradCamParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Attributor for GradCam {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        let layer = info.layer(&self.params.layer)?;
        let [_, h, w] = layer.shape;
        let closed_form = linear_head(info, &layer.name).is_some();
        let how = if closed_form { "closed form" } else { "through gradients" };
        Ok(Requirements {
            layers: if closed_form { vec![layer.name.clone()] } else { Vec::new() },
            gradients: !closed_form,
            gradients_of: Vec::new(),
            map_size: [h, w],
            method: format!("Grad-CAM at `{}`, {how}", layer.name),
        })
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let info = backend.info();
        let layer = &info.layer(&self.params.layer)?.name;
        let n = check(info, batch)?;
        context.progress("grad_cam", 0, n)?;
        let maps = match linear_head(info, layer) {
            Some(head) => {
                let feature_map = batch.forward.feature_map(layer).ok_or_else(|| {
                    Error::shape("forward pass", format!("the feature map `{layer}`"), "a forward pass without it")
                })?;
                algorithm::closed_form(feature_map.view(), &head.weight, batch.target_classes)?
            }
            None => {
                let result = backend.gradients(batch.images, batch.target_classes, &[layer])?;
                let (Some(values), Some(gradients)) = (result.values.first(), result.gradients.first()) else {
                    return Err(Error::shape("gradients", "one tensor, as asked", result.gradients.len()));
                };
                algorithm::from_gradients(values.view(), gradients.view())?
            }
        };
        finish(maps, n, self.params.relu)
    }
}

fn linear_head<'a>(info: &'a ModelInfo, layer: &str) -> Option<&'a LinearHead> {
    info.linear_head.as_ref().filter(|head| head.layer == layer)
}

fn check(info: &ModelInfo, batch: &AttributionBatch) -> Result<usize> {
    let n = ascan_core::backend::check_gradients(info, batch.images, batch.target_classes, &[])?;
    if batch.forward.logits.n_rows() != n {
        return Err(Error::shape("forward pass", format!("{n} images"), batch.forward.logits.shape()));
    }
    if !batch.images.is_finite() {
        return Err(Error::NotFinite { what: "images".into() });
    }
    Ok(n)
}

fn finish(mut maps: Tensor, n: usize, relu: bool) -> Result<Attribution> {
    if maps.n_rows() != n {
        return Err(Error::shape("feature map", format!("{n} images"), maps.shape()));
    }
    if !maps.view().is_finite() {
        return Err(Error::NotFinite { what: "Grad-CAM map".into() });
    }
    if relu {
        maps.data_mut().iter_mut().for_each(|value| *value = value.max(0.0));
    }
    Ok(Attribution { maps, convergence_delta: None })
}

ascan_core::export_library!(ascan_grad_cam: attributor GradCam);
