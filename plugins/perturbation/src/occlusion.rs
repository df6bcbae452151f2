//! Occlusion: a window slides over the image, and what the logit loses under it is the evidence there.
//!
//! `map(p) = mean over the windows W that hold p of logit(x) − logit(x with W at the fill value)`.
//! The last window of a row or column is cut off at the edge.
//!
//! # Shapes
//! Maps `[n, h, w]` at the size of the model's input, signed.
//!
//! # Units
//! Logits.
//!
//! # Cost
//! A forward pass for each window: `(⌈(h − window)/stride⌉ + 1) · (⌈(w − window)/stride⌉ + 1)`.
//!
//! # When it misleads
//! Evidence larger than the window, or present twice, is not found: no single window hides it. The model also sees the
//! fill value itself, and its edges.
//!
//! # Source
//! Zeiler & Fergus 2014, arXiv 1311.2901; values as captum's `Occlusion` with `baselines = fill`.

use crate::masked::logits;
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, ModelBackend, ModelInfo, Params, Plugin, Problems,
    Requirements, Result, Tensor,
};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Parameters of [`Occlusion`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OcclusionParams {
    /// Side of the window in pixels; 0 for an eighth of the shorter side of the image.
    pub window_px: usize,
    /// Step of the window in pixels; 0 for half the window.
    pub stride_px: usize,
    /// Value that fills the window, in normalised units.
    pub fill: f32,
    /// Number of occluded images per call of the backend; 0: what the backend prefers.
    pub internal_batch_size: usize,
}

impl Default for OcclusionParams {
    fn default() -> Self {
        Self { window_px: 0, stride_px: 0, fill: 0.0, internal_batch_size: 0 }
    }
}

impl Params for OcclusionParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("window_px", "side of the window; 0: an eighth of the shorter side of the image"),
        ("stride_px", "step of the window; 0: half the window"),
        ("fill", "value that fills the window, in normalised units"),
        ("internal_batch_size", "occluded images per call of the backend; 0: what the backend prefers"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("window_px", self.window_px, 0, 10_000);
        problems.range("stride_px", self.stride_px, 0, 10_000);
        problems.require(self.fill.is_finite(), "fill", "must be a number, not NaN or infinity", "");
        problems.range("internal_batch_size", self.internal_batch_size, 0, 100_000);
        let skips = self.window_px > 0 && self.stride_px > self.window_px;
        problems.require(!skips, "stride_px", "must not be larger than the window", "or some pixels are never hidden");
    }
}

/// See the [module](self).
pub struct Occlusion {
    params: OcclusionParams,
}

impl Plugin for Occlusion {
    const NAME: &'static str = "occlusion";
    const SUMMARY: &'static str = "occlusion (Zeiler & Fergus 2014): what the logit loses when a window is hidden";
    type Params = OcclusionParams;

    fn new(params: OcclusionParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Occlusion {
    /// Window and step for images of this size.
    fn window(&self, [h, w]: [usize; 2]) -> (usize, usize) {
        let window = match self.params.window_px {
            0 => (h.min(w) / 8).max(1),
            side => side,
        };
        let stride = match self.params.stride_px {
            0 => (window / 2).max(1),
            stride => stride.min(window),
        };
        (window, stride)
    }
}

/// Positions of the windows along an axis; the last one ends at its end.
fn places(length: usize, window: usize, stride: usize) -> Vec<Range<usize>> {
    let n = length.saturating_sub(window).div_ceil(stride) + 1;
    (0..n).map(|i| i * stride..(i * stride + window).min(length)).collect()
}

impl Attributor for Occlusion {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        let [_, h, w] = info.input_shape;
        let (window, stride) = self.window([h, w]);
        let n = places(h, window, stride).len() * places(w, window, stride).len();
        Ok(Requirements {
            map_size: [h, w],
            method: format!("occlusion by {n} windows of {window} px, one forward pass each"),
            ..Requirements::default()
        })
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let n = batch.check(backend.info())?;
        let [_, _, h, w] = batch.images.dims("images", "[n, c, h, w]")?;
        let (window, stride) = self.window([h, w]);
        let columns = places(w, window, stride);
        let windows: Vec<(Range<usize>, Range<usize>)> = places(h, window, stride)
            .into_iter()
            .flat_map(|rows| columns.iter().map(move |columns| (rows.clone(), columns.clone())))
            .collect();
        let mut maps = Tensor::zeros([n, h, w]);
        for i in 0..n {
            let hide = |version: usize, pixels: &mut Vec<f32>| {
                let start = pixels.len();
                pixels.extend(batch.images.row(i));
                let (rows, columns) = &windows[version];
                for channel in pixels[start..].chunks_exact_mut(h * w) {
                    rows.clone()
                        .for_each(|y| channel[y * w + columns.start..y * w + columns.end].fill(self.params.fill));
                }
            };
            let call = (backend, batch, context);
            let hidden = logits(call, (Self::NAME, self.params.internal_batch_size), i, windows.len(), hide)?;
            let logit = f64::from(batch.forward.logits.row(i)[batch.target_classes[i]]);
            let (mut sums, mut counts) = (vec![0.0; h * w], vec![0u32; h * w]);
            for ((rows, columns), hidden) in windows.iter().zip(hidden) {
                for at in rows.clone().flat_map(|y| columns.clone().map(move |x| y * w + x)) {
                    sums[at] += logit - hidden;
                    counts[at] += 1;
                }
            }
            let map = &mut maps.data_mut()[i * h * w..(i + 1) * h * w];
            for ((value, sum), count) in map.iter_mut().zip(sums).zip(counts) {
                *value = (sum / f64::from(count.max(1))) as f32;
            }
        }
        Ok(Attribution { maps, convergence_delta: None })
    }
}
