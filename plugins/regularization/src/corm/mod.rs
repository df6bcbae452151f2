//! Core Risk Minimization, noise where the model should not look.
//!
//! Each image gets a copy in which the region that should not count ([`TrainingBatch::non_core`]) is noise, or another
//! image's; a model that is right on such copies cannot rely on that region.

mod algorithm;
mod params;
#[cfg(test)]
mod tests;

pub use params::{CormParams, Mode};

use algorithm::Disturbance;
use ascan_core::{Context, Plugin, RegularizedBatch, Regularizer, Result, Tensor, TrainingBatch};

/// Trains on copies with another content in the non-core region, and, with a weight, on the images as they are:
/// `clean_weight · CE(f(x)) + CE(f(x′))`.
///
/// # Units
/// Noise is added in [0, 1] pixel space, before normalisation.
///
/// # Source
/// Singla, Moayeri & Feizi 2022, arXiv 2203.15566 (`add`, `sigma = 0.25`, `clean_weight = 1`). `replace` is ours;
/// `mix` brings the backgrounds of Xiao et al. 2020, arXiv 2006.09994 (Mixed-Rand), into it.
pub struct Corm {
    params: CormParams,
}

impl Plugin for Corm {
    const NAME: &'static str = "corm";
    const SUMMARY: &'static str =
        "CoRM: noise, or another image, in the region that should not count (Singla et al. 2022)";
    type Params = CormParams;

    fn new(params: CormParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Regularizer for Corm {
    fn prepare(&mut self, batch: &TrainingBatch, context: &Context) -> Result<RegularizedBatch> {
        let [n, c, h, w] = batch.check()?;
        let region = batch.non_core()?;
        context.progress("disturbing images", 0, n)?;
        let CormParams { mode, sigma, clean_weight } = self.params;
        let seed = context.seed ^ batch.step.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let disturbance = Disturbance { mode, sigma, seed, n_threads: context.n_threads };
        let disturbed = disturbance.apply(batch.images, &region);
        if clean_weight == 0.0 {
            return Ok(RegularizedBatch { images: disturbed, ..batch.unchanged() });
        }
        // The trainer divides by the rows, which are twice the images.
        let weights = [vec![2.0 * clean_weight; n], vec![2.0; n]].concat();
        let images = Tensor::new([2 * n, c, h, w], [batch.images.data(), disturbed.data()].concat())?;
        let sources = (0..n).chain(0..n).collect();
        Ok(RegularizedBatch { images, labels: batch.labels.repeat(2), weights, sources, penalty: None })
    }
}
