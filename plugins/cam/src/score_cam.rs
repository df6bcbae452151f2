//! Score-CAM: channels weighted by the logit of the image seen through them.
//!
//! `map = relu(Σ_k w_k A_k)` with `w = softmax_k(logit(x ⊙ H_k))`, where `H_k` is `A_k` resized to the image and
//! stretched to [0, 1]. The logit of the empty image, which the paper subtracts from every score, does not change the
//! softmax.
//!
//! # Shapes
//! Maps `[n, h_l, w_l]`, at the resolution of the layer.
//!
//! # Units
//! Activation; the weights are in [0, 1] and sum to 1.
//!
//! # Cost
//! A forward pass for each channel that is not the same everywhere; no gradients.
//!
//! # When it misleads
//! The softmax over all channels often gives one of them nearly all the weight. Masked images lie far from the training
//! data, and "masked" means the grey of zero in normalised units. pytorch-grad-cam resizes with `align_corners = True`;
//! here, as in the authors' code, pixel centres lie on pixel centres.
//!
//! # Source
//! Wang et al. 2020, arXiv 1910.01279.

use crate::maps::{finish, weighted_sum};
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, Error, ModelBackend, ModelInfo, Params, Plugin, Problems,
    Requirements, Result, Tensor,
};
use ascan_math::resize::resize_map;
use serde::{Deserialize, Serialize};

/// Parameters of [`ScoreCam`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScoreCamParams {
    /// The feature map to explain; `auto` is the model's default layer.
    pub layer: String,
    /// Whether negative evidence is clipped at zero.
    pub relu: bool,
    /// Number of masked images per call of the backend; 0: what the backend prefers.
    pub internal_batch_size: usize,
}

impl Default for ScoreCamParams {
    fn default() -> Self {
        Self { layer: "auto".into(), relu: true, internal_batch_size: 0 }
    }
}

impl Params for ScoreCamParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("layer", "the feature map to explain; \"auto\": the last one before the head"),
        ("relu", "whether negative evidence is clipped at zero"),
        ("internal_batch_size", "masked images per call of the backend; 0: what the backend prefers"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.require(!self.layer.is_empty(), "layer", "must name a layer", "use \"auto\"");
        problems.range("internal_batch_size", self.internal_batch_size, 0, 100_000);
    }
}

/// See the [module](self).
pub struct ScoreCam {
    params: ScoreCamParams,
}

impl Plugin for ScoreCam {
    const NAME: &'static str = "score_cam";
    const SUMMARY: &'static str = "Score-CAM (Wang et al. 2020): a forward pass for each channel, no gradients";
    type Params = ScoreCamParams;

    fn new(params: ScoreCamParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Attributor for ScoreCam {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        let layer = info.layer(&self.params.layer)?;
        let [c, h, w] = layer.shape;
        Ok(Requirements {
            layers: vec![layer.name.clone()],
            map_size: [h, w],
            // Kept in a scan's plan, by which it is resumed: these words stay as they are.
            method: format!("Score-CAM at `{}`, {c} forward passes an image", layer.name),
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
        let map = batch.feature_map(&info.layer(&self.params.layer)?.name)?;
        if map.n_rows() != n {
            return Err(Error::shape("feature map", format!("{n} images"), map.shape()));
        }
        let weights = self.weights(backend, batch, map, context)?;
        finish(Self::NAME, weighted_sum(map, &weights)?, self.params.relu)
    }
}

impl ScoreCam {
    /// `softmax_k` of the scores, for each image.
    pub fn weights(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        feature_map: &Tensor,
        context: &Context,
    ) -> Result<Vec<Vec<f64>>> {
        let [n, c, h, w] = feature_map.view().dims("feature map", "[n, c, h, w]")?;
        let [_, _, height, width] = batch.images.dims("images", "[n, c, h, w]")?;
        let at_once = match self.params.internal_batch_size {
            0 => backend.info().preferred_batch.max(1),
            size => size,
        };
        let mut weights = Vec::with_capacity(n);
        for i in 0..n {
            let channel = |k: usize| &feature_map.row(i)[k * h * w..(k + 1) * h * w];
            // A channel that is the same everywhere hides the whole image: one empty image serves for all of them.
            let (flat, seen): (Vec<usize>, Vec<usize>) = (0..c).partition(|&k| stretch(channel(k)).is_none());
            let masks = flat.first().into_iter().chain(&seen).copied().collect::<Vec<_>>();
            let mut scores = vec![0.0; c];
            for chunk in masks.chunks(at_once) {
                context.progress(Self::NAME, i * c + chunk[0], n * c)?;
                let mut images = Vec::with_capacity(chunk.len() * batch.images.row_len());
                for &k in chunk {
                    let mask = match stretch(channel(k)) {
                        None => vec![0.0; height * width],
                        Some(_) => unit(resize_map(channel(k), [h, w], [height, width])),
                    };
                    images.extend(batch.images.row(i).iter().zip(mask.iter().cycle()).map(|(x, mask)| x * mask));
                }
                let shape = [&[chunk.len()][..], &batch.images.shape()[1..]].concat();
                let logits = backend.forward(Tensor::new(shape, images)?.view(), &[])?.logits;
                for (row, &k) in chunk.iter().enumerate() {
                    scores[k] = f64::from(logits.row(row)[batch.target_classes[i]]);
                }
            }
            if let Some((&first, rest)) = flat.split_first() {
                rest.iter().for_each(|&k| scores[k] = scores[first]);
            }
            weights.push(softmax(&scores));
        }
        Ok(weights)
    }
}

/// Lowest and highest value, if they differ.
fn stretch(values: &[f32]) -> Option<(f32, f32)> {
    let low = values.iter().copied().fold(f32::INFINITY, f32::min);
    let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    (high > low).then_some((low, high))
}

/// The values stretched to [0, 1].
fn unit(mut values: Vec<f32>) -> Vec<f32> {
    match stretch(&values) {
        Some((low, high)) => values.iter_mut().for_each(|v| *v = (*v - low) / (high - low)),
        None => values.fill(0.0),
    }
    values
}

fn softmax(scores: &[f64]) -> Vec<f64> {
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}
