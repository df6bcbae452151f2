//! Guided integrated gradients: on the path to the image, the values to which the logit is least sensitive move first.
//!
//! The map is `Σ_c Σ_s g_s ⊙ (x_{s+1} − x_s)` over the steps of a path from a baseline `x_0 = x′` to the image
//! `x_n = x`, with `g_s = ∂logit(x_s)/∂x`. Each step shortens the distance by `1/n_steps` of `Σ|x − x′|`: the
//! `fraction` of the values with the smallest gradients move towards the image, then the next ones, until the step is done. No
//! value gets further than `max_distance` ahead of the straight path, or behind it.
//!
//! # Shapes
//! Maps `[n, h, w]` at the size of the model's input, signed.
//!
//! # Units
//! Logits; the sum of the map tends to `logit(x) − logit(x′)` as steps and `max_distance` shrink, and how far it is
//! from that is kept as the convergence delta.
//!
//! # Cost
//! `n_steps` forward and backward passes, one after the other, since the path depends on the gradients.
//!
//! # When it misleads
//! What looks like the baseline has no attribution. The path avoids slopes, so the sum falls short of the logit, the
//! more the larger `max_distance`: look at the delta. Neighbours that look alike may move in different steps, which
//! leaves grain.
//!
//! # Source
//! Kapishnikov et al. 2021, arXiv 2106.09788; defaults but for `n_steps` (there 200) as in the authors' package
//! `saliency`.

use crate::baseline::baselines;
use crate::params::{Baseline, check_baseline};
use crate::path::{Points, gradients, target_logits};
use crate::pixels::{deltas, finish, requirements, sum_channels};
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, ModelBackend, ModelInfo, Params, Plugin, Problems,
    Requirements, Result, Silent,
};
use serde::{Deserialize, Serialize};

/// Parameters of the [module](self)'s method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GuidedIgParams {
    /// Steps on the path. The default is ours.
    pub n_steps: usize,
    /// Share of all values that may move at once.
    pub fraction: f64,
    /// How far a value may be from the straight path, as a share of its total change.
    pub max_distance: f64,
    /// Where the path starts.
    pub baseline: Baseline,
    /// One value per channel, in normalised units, for `baseline = "given"`.
    pub baseline_values: Vec<f32>,
    /// Standard deviation of the blur, in pixels.
    pub blur_sigma_px: f32,
    /// Number of images per call of the backend; 0: what the backend prefers.
    pub internal_batch_size: usize,
}

impl Default for GuidedIgParams {
    fn default() -> Self {
        Self {
            n_steps: 50,
            fraction: 0.25,
            max_distance: 0.02,
            baseline: Baseline::Zero,
            baseline_values: Vec::new(),
            blur_sigma_px: 10.0,
            internal_batch_size: 0,
        }
    }
}

impl Params for GuidedIgParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("n_steps", "steps on the path from the baseline to the image"),
        ("fraction", "share of all values that may move at once, the smallest gradients first"),
        (
            "max_distance",
            "how far a value may be from the straight path, as a share of its total change; 0: integrated gradients",
        ),
        ("baseline", "\"zero\", \"mean\" (colour of the image), \"blur\" or \"given\""),
        ("baseline_values", "one value per channel, in normalised units, for baseline = \"given\""),
        ("blur_sigma_px", "standard deviation of the blur, in pixels, for baseline = \"blur\""),
        ("internal_batch_size", "images per call of the backend; 0: what the backend prefers"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_steps", self.n_steps, 1, 10_000);
        problems.range("fraction", self.fraction, 0.001, 1.0);
        problems.range("max_distance", self.max_distance, 0.0, 1.0);
        problems.range("internal_batch_size", self.internal_batch_size, 0, 100_000);
        check_baseline(self.baseline, &self.baseline_values, self.blur_sigma_px, problems);
    }
}

/// See the [module](self).
pub struct GuidedIg {
    params: GuidedIgParams,
}

impl Plugin for GuidedIg {
    const NAME: &'static str = "guided_ig";
    const SUMMARY: &'static str = "integrated gradients along a path of small gradients (Kapishnikov et al. 2021)";
    type Params = GuidedIgParams;

    fn new(params: GuidedIgParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Attributor for GuidedIg {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        Ok(requirements(info, format!("guided integrated gradients, {} steps", self.params.n_steps)))
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let GuidedIgParams { n_steps, baseline, baseline_values, blur_sigma_px, .. } = &self.params;
        let images = batch.images;
        let n = batch.check(backend.info())?;
        let len = images.row_len();
        let starts = baselines(*baseline, baseline_values, *blur_sigma_px, images)?;
        let mut paths: Vec<Path> = (0..n).map(|i| Path::new(starts.row(i), images.row(i))).collect();
        let mut sums = vec![0.0f64; n * len];
        let points = Points { name: Self::NAME, n: 1, batch_size: self.params.internal_batch_size };
        let quiet = Context { reporter: &Silent, ..*context };
        for step in 0..*n_steps {
            context.progress(Self::NAME, step, *n_steps)?;
            let place: Vec<Vec<f32>> = paths.iter().map(Path::place).collect();
            let here = |image: usize, _: usize, pixels: &mut Vec<f32>| pixels.extend_from_slice(&place[image]);
            gradients((backend, batch, &quiet), points, here, |image, _, slopes| {
                let path = &mut paths[image];
                let before = path.alphas.clone();
                path.advance(slopes, (step + 1) as f64 / *n_steps as f64, &self.params);
                let steps = path.alphas.iter().zip(&before).map(|(after, before)| after - before);
                let sums = sums[image * len..(image + 1) * len].iter_mut();
                for ((sum, step), (way, &slope)) in sums.zip(steps).zip(path.ways().zip(slopes)) {
                    *sum += step * way * f64::from(slope);
                }
            })?;
        }
        let maps = sum_channels(images, |at| sums[at])?;
        let starts = target_logits(backend, &starts, batch.target_classes)?;
        let delta = deltas(&maps, |i| f64::from(batch.forward.logits.row(i)[batch.target_classes[i]]) - starts[i]);
        finish(Self::NAME, maps, Some(delta))
    }
}

/// A path from a baseline to an image.
struct Path<'a> {
    start: &'a [f32],
    end: &'a [f32],
    /// How far each value is on its way, in [0, 1].
    alphas: Vec<f64>,
}

impl<'a> Path<'a> {
    fn new(start: &'a [f32], end: &'a [f32]) -> Self {
        Self { start, end, alphas: vec![0.0; start.len()] }
    }

    /// The whole way of each value, signed.
    fn ways(&self) -> impl Iterator<Item = f64> {
        self.start.iter().zip(self.end).map(|(&start, &end)| f64::from(end) - f64::from(start))
    }

    fn place(&self) -> Vec<f32> {
        let values = self.start.iter().zip(self.ways()).zip(&self.alphas);
        values.map(|((&start, way), alpha)| (f64::from(start) + alpha * way) as f32).collect()
    }

    /// Moves on until the share `done` of the whole distance is behind, the flattest slopes first.
    fn advance(&mut self, slopes: &[f32], done: f64, params: &GuidedIgParams) {
        let low = (done - params.max_distance).max(0.0);
        let high = (done + params.max_distance).min(1.0);
        let lengths: Vec<f64> = self.ways().map(f64::abs).collect();
        self.alphas.iter_mut().for_each(|alpha| *alpha = alpha.max(low));
        let left: f64 = lengths.iter().zip(&self.alphas).map(|(length, alpha)| length * (1.0 - alpha)).sum();
        let whole: f64 = lengths.iter().sum();
        let mut excess = left - whole * (1.0 - done);
        let mut open: Vec<usize> =
            (0..slopes.len()).filter(|&at| lengths[at] > 0.0 && self.alphas[at] < high).collect();
        open.sort_by(|&a, &b| slopes[a].abs().total_cmp(&slopes[b].abs()));
        let at_once = 1 + (params.fraction * (slopes.len() - 1) as f64) as usize;
        let mut rest = &open[..];
        while excess > 1e-9 * whole && !rest.is_empty() {
            // Equal slopes move together.
            let last = slopes[rest[at_once.min(rest.len()) - 1]].abs();
            let (movers, later) = rest.split_at(rest.partition_point(|&at| slopes[at].abs().total_cmp(&last).is_le()));
            let reach: f64 = movers.iter().map(|&at| lengths[at] * (high - self.alphas[at])).sum();
            let part = (excess / reach).min(1.0);
            movers.iter().for_each(|&at| self.alphas[at] += part * (high - self.alphas[at]));
            excess -= part * reach;
            rest = later;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_slopes_move_first_and_none_leaves_the_straight_path_too_far() {
        let (start, end) = ([0.0f32; 4], [1.0f32, -1.0, 2.0, 0.0]);
        let slopes = [0.5, -0.1, 0.2, 0.0];
        let mut path = Path::new(&start, &end);
        // The whole distance is 4; a quarter of it is all of the way of the flattest.
        path.advance(&slopes, 0.25, &GuidedIgParams { fraction: 0.01, max_distance: 1.0, ..Default::default() });
        assert_eq!(path.place(), [0.0, -1.0, 0.0, 0.0]);
        // It has arrived; half of the way of the next.
        path.advance(&slopes, 0.5, &GuidedIgParams { fraction: 0.01, max_distance: 1.0, ..Default::default() });
        assert_eq!(path.place(), [0.0, -1.0, 1.0, 0.0]);
        let mut path = Path::new(&start, &end);
        path.advance(&slopes, 0.25, &GuidedIgParams { fraction: 0.01, max_distance: 0.25, ..Default::default() });
        assert_eq!(path.place(), [0.0, -0.5, 0.5, 0.0], "half of the distance ahead is enough");
        path.advance(&slopes, 1.0, &GuidedIgParams::default());
        assert_eq!(path.place(), end);
    }

    #[test]
    fn without_leave_it_is_the_straight_path() {
        let (start, end) = ([0.0f32, 1.0, 2.0], [1.0f32, -1.0, 2.5]);
        let mut path = Path::new(&start, &end);
        path.advance(&[0.1, 0.2, 0.3], 0.5, &GuidedIgParams { max_distance: 0.0, ..Default::default() });
        assert_eq!(path.place(), [0.5, 0.0, 2.25]);
    }
}
