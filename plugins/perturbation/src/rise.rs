//! RISE: the image seen through many random masks; the value of a pixel is the mean logit over the masks that show it.
//!
//! `map(p) = 1/(n_masks · share) · Σ_m logit(x ⊙ M_m) · M_m(p)`, with smooth masks `M_m` in [0, 1]: a coarse grid of
//! cells that show with probability `share`, resized to a little more than the image and shifted at random.
//!
//! # Shapes
//! Maps `[n, h, w]` at the size of the model's input, signed.
//!
//! # Units
//! Logits, up to the common level of all masked images: only differences within a map mean something. (The paper uses
//! probabilities; logits do not saturate.)
//!
//! # Cost
//! `n_masks` forward passes; no gradients.
//!
//! # When it misleads
//! The error of the mean falls with `1/√n_masks`: few masks give speckles that look like findings. Cells much larger
//! than the object blur it away.
//!
//! # Source
//! Petsiuk et al. 2018, arXiv 1806.07421.

use crate::masked::logits;
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, ModelBackend, ModelInfo, Params, Plugin, Problems,
    Requirements, Result, Tensor,
};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

/// Parameters of [`Rise`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RiseParams {
    /// Number of masks.
    pub n_masks: usize,
    /// Cells along each side of a mask.
    pub n_cells: usize,
    /// Probability that a cell shows the image.
    pub share: f64,
    /// Number of masked images per call of the backend; 0: what the backend prefers.
    pub internal_batch_size: usize,
}

impl Default for RiseParams {
    fn default() -> Self {
        Self { n_masks: 1000, n_cells: 7, share: 0.5, internal_batch_size: 0 }
    }
}

impl Params for RiseParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("n_masks", "number of masks, one forward pass each"),
        ("n_cells", "cells along each side of a mask"),
        ("share", "probability that a cell shows the image"),
        ("internal_batch_size", "masked images per call of the backend; 0: what the backend prefers"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_masks", self.n_masks, 1, 1_000_000);
        problems.range("n_cells", self.n_cells, 1, 1_000);
        problems.range("share", self.share, 0.01, 0.99);
        problems.range("internal_batch_size", self.internal_batch_size, 0, 100_000);
    }
}

/// See the [module](self).
pub struct Rise {
    params: RiseParams,
}

impl Plugin for Rise {
    const NAME: &'static str = "rise";
    const SUMMARY: &'static str = "RISE (Petsiuk et al. 2018): mean logit of the image under many random masks";
    type Params = RiseParams;

    fn new(params: RiseParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Rise {
    /// Mask number `index`, `[h, w]` in [0, 1].
    pub fn mask(&self, seed: u64, index: usize, [h, w]: [usize; 2]) -> Vec<f32> {
        let n = self.params.n_cells;
        // A mask's numbers depend on the seed and its own number alone.
        let seed = seed ^ (index as u64 + 1).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        let mut numbers = Xoshiro256PlusPlus::seed_from_u64(seed);
        // One cell more than fits, so that the shift never runs out of mask.
        let side = n + 1;
        let cells: Vec<f64> =
            (0..side * side).map(|_| f64::from(u8::from(numbers.random_bool(self.params.share)))).collect();
        let shift: [f64; 2] = [numbers.random(), numbers.random()];
        let at = |axis: usize, i: usize, length: usize| {
            // Between the centres of cells, from 0 to n.
            let position = (i as f64 + 0.5) / length as f64 * (n as f64 - 1.0).max(0.0) + shift[axis];
            let first = (position as usize).min(side - 1);
            (first, (first + 1).min(side - 1), position - first as f64)
        };
        let mut mask = Vec::with_capacity(h * w);
        for y in 0..h {
            let (top, bottom, down) = at(0, y, h);
            for x in 0..w {
                let (left, right, across) = at(1, x, w);
                let along = |row: usize| (1.0 - across) * cells[row * side + left] + across * cells[row * side + right];
                mask.push(((1.0 - down) * along(top) + down * along(bottom)) as f32);
            }
        }
        mask
    }
}

impl Attributor for Rise {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        let [_, h, w] = info.input_shape;
        let RiseParams { n_masks, n_cells, .. } = self.params;
        Ok(Requirements {
            map_size: [h, w],
            method: format!("RISE, {n_masks} masks of {n_cells} × {n_cells} cells, one forward pass each"),
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
        let mut maps = Tensor::zeros([n, h, w]);
        for i in 0..n {
            let show = |version: usize, pixels: &mut Vec<f32>| {
                let mask = self.mask(context.seed, version, [h, w]);
                pixels.extend(batch.images.row(i).iter().zip(mask.iter().cycle()).map(|(x, m)| x * m));
            };
            let call = (backend, batch, context);
            let shown = logits(call, (Self::NAME, self.params.internal_batch_size), i, self.params.n_masks, show)?;
            let mut sums = vec![0.0f64; h * w];
            for (version, logit) in shown.into_iter().enumerate() {
                let mask = self.mask(context.seed, version, [h, w]);
                sums.iter_mut().zip(mask).for_each(|(sum, m)| *sum += logit * f64::from(m));
            }
            let scale = self.params.n_masks as f64 * self.params.share;
            let map = &mut maps.data_mut()[i * h * w..(i + 1) * h * w];
            map.iter_mut().zip(sums).for_each(|(value, sum)| *value = (sum / scale) as f32);
        }
        Ok(Attribution { maps, convergence_delta: None })
    }
}
