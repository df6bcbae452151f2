//! Ablation-CAM: channels weighted by the share of the logit that is lost when they are set to zero.
//!
//! `map = relu(Σ_k w_k A_k)` with `w_k = (y − y_k) / |y|`, where `y` is the target logit and `y_k` the logit with
//! channel `k` of the layer set to zero.
//!
//! # Shapes
//! Maps `[n, h_l, w_l]`, at the resolution of the layer.
//!
//! # Units
//! Activation; a weight is the share of the logit that the channel carries.
//!
//! # Cost
//! A run of what is behind the layer for each channel that is not zero already; nothing beyond the forward pass where
//! the head is linear in the layer's spatial mean, since there `y − y_k = weight[class, k] · mean(A_k)`.
//!
//! # When it misleads
//! Channels that stand in for each other have no weight, because each can be spared. With a logit near zero all weights
//! are large. The paper divides by `y` itself, which flips the sign of maps for negative logits. pytorch-grad-cam sets
//! channels not to zero but far below the lowest activation wherever that is not zero, and so explains something else
//! at layers without a ReLU.
//!
//! # Source
//! Desai & Ramaswamy 2020, doi 10.1109/WACV45572.2020.9093360.

use crate::maps::{finish, weighted_sum};
use crate::params::CamParams;
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, Error, LinearHead, ModelBackend, ModelInfo, Plugin,
    Requirements, Result, Tensor,
};

/// Number of maps per call of the backend.
const MAPS_AT_ONCE: usize = 64;

/// See the [module](self).
pub struct AblationCam {
    params: CamParams,
}

impl Plugin for AblationCam {
    const NAME: &'static str = "ablation_cam";
    const SUMMARY: &'static str =
        "Ablation-CAM (Desai & Ramaswamy 2020): channels weighted by what the logit loses without them";
    type Params = CamParams;

    fn new(params: Self::Params) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Attributor for AblationCam {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        let layer = info.layer(&self.params.layer)?;
        let [c, h, w] = layer.shape;
        let closed_form = info.linear_head_of(&layer.name).is_some();
        // Kept in a scan's plan, by which it is resumed: these words stay as they are.
        let how = if closed_form { "closed form".into() } else { format!("{c} runs of the head an image") };
        Ok(Requirements {
            layers: vec![layer.name.clone()],
            gradients: !closed_form,
            map_size: [h, w],
            method: format!("Ablation-CAM at `{}`, {how}", layer.name),
            ..Requirements::default()
        })
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let info = backend.info();
        let n = batch.check(info)?;
        let layer = &info.layer(&self.params.layer)?.name;
        let map = batch.feature_map(layer)?;
        if map.n_rows() != n {
            return Err(Error::shape("feature map", format!("{n} images"), map.shape()));
        }
        context.progress(Self::NAME, 0, n)?;
        let mut weights = Vec::with_capacity(n);
        for i in 0..n {
            context.progress(Self::NAME, i, n)?;
            let class = batch.target_classes[i];
            let logit = f64::from(batch.forward.logits.row(i)[class]);
            let losses = match info.linear_head_of(layer) {
                Some(head) => closed_form(head, map, i, class)?,
                None => ablate(backend, batch, layer, map, i)?,
            };
            let scale = if logit == 0.0 { 1.0 } else { logit.abs() };
            weights.push(losses.into_iter().map(|loss| loss / scale).collect());
        }
        finish(Self::NAME, weighted_sum(map, &weights)?, self.params.relu)
    }
}

/// `weight[class, k] · mean(A_k)`.
fn closed_form(head: &LinearHead, map: &Tensor, i: usize, class: usize) -> Result<Vec<f64>> {
    let [_, c, h, w] = map.view().dims("feature map", "[n, c, h, w]")?;
    if head.weight.view().row_len() != c {
        return Err(Error::shape("linear head", format!("[n_classes, {c}]"), head.weight.shape()));
    }
    let mean = |values: &[f32]| values.iter().map(|&v| f64::from(v)).sum::<f64>() / (h * w) as f64;
    let channels = map.row(i).chunks_exact((h * w).max(1)).zip(head.weight.row(class));
    Ok(channels.map(|(channel, &weight)| f64::from(weight) * mean(channel)).collect())
}

/// What the logit loses with each channel, by running the head.
fn ablate(
    backend: &dyn ModelBackend,
    batch: &AttributionBatch,
    layer: &str,
    map: &Tensor,
    i: usize,
) -> Result<Vec<f64>> {
    let [_, c, h, w] = map.view().dims("feature map", "[n, c, h, w]")?;
    let class = batch.target_classes[i];
    let image = Tensor::new([&[1][..], &batch.images.shape()[1..]].concat(), batch.images.row(i).to_vec())?;
    let own = map.row(i);
    let places = |k: usize| k * h * w..(k + 1) * h * w;
    let active: Vec<usize> = (0..c).filter(|&k| own[places(k)].iter().any(|v| *v != 0.0)).collect();
    let mut losses = vec![0.0; c];
    let logit = f64::from(batch.forward.logits.row(i)[class]);
    for channels in active.chunks(MAPS_AT_ONCE) {
        let mut maps = Tensor::zeros([channels.len(), c, h, w]);
        for (without, &k) in maps.data_mut().chunks_exact_mut(c * h * w).zip(channels) {
            without.copy_from_slice(own);
            without[places(k)].fill(0.0);
        }
        let logits = backend.forward_from(image.view(), layer, maps.view(), &vec![0; channels.len()])?;
        for (row, &k) in channels.iter().enumerate() {
            losses[k] = logit - f64::from(logits.row(row)[class]);
        }
    }
    Ok(losses)
}
