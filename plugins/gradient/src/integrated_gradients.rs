//! Integrated gradients of the target logit along the straight path from a baseline to the image.
//!
//! `(x − x′) ⊙ ∫₀¹ ∂logit(x′ + α(x − x′))/∂x dα`, summed over channels.
//!
//! # Shapes
//! Maps `[n, h, w]` at the size of the model's input, signed.
//!
//! # Units
//! Logits; the sum of the map tends to `logit(x) − logit(x′)`, and how far it is from that is kept as the convergence
//! delta of each image.
//!
//! # Cost
//! `n_steps` forward and backward passes.
//!
//! # When it misleads
//! What looks like the baseline has no attribution, however much it matters: black objects on a black baseline. The
//! path leads through unnatural images, and their noise is in the map.
//!
//! # Source
//! Sundararajan et al. 2017, arXiv 1703.01365.

use crate::baseline;
use crate::params::{Baseline, IntegratedGradientsParams, Method};
use crate::quadrature;
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, Error, ModelBackend, ModelInfo, Plugin, Requirements, Result,
    Tensor, TensorView,
};

/// See the [module](self).
pub struct IntegratedGradients {
    params: IntegratedGradientsParams,
}

impl Plugin for IntegratedGradients {
    const NAME: &'static str = "integrated_gradients";
    const SUMMARY: &'static str = "integrated gradients (Sundararajan et al. 2017) at the pixels";
    type Params = IntegratedGradientsParams;

    fn new(params: IntegratedGradientsParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Attributor for IntegratedGradients {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        let [_, h, w] = info.input_shape;
        let rule = match self.params.method {
            Method::GaussLegendre => "Gauss–Legendre",
            Method::Trapezoid => "trapezoid",
        };
        let baseline = match self.params.baseline {
            Baseline::Zero => "zero",
            Baseline::Mean => "the mean colour",
            Baseline::Blur => "the blurred image",
            Baseline::Given => "a given colour",
        };
        Ok(Requirements {
            gradients: true,
            map_size: [h, w],
            method: format!("integrated gradients from {baseline}, {} {rule} steps", self.params.n_steps),
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
        let images = batch.images;
        let n = batch.check(info)?;
        let baselines =
            baseline::baselines(self.params.baseline, &self.params.baseline_values, self.params.blur_sigma_px, images)?;
        let batch_size = match self.params.internal_batch_size {
            0 => info.preferred_batch.max(1),
            size => size,
        };
        let path = Path { images, baselines: baselines.view(), classes: batch.target_classes };
        let points = quadrature::points(self.params.method, self.params.n_steps);
        let means = path.mean_gradients(backend, &points, batch_size, context)?;
        let maps = path.maps(&means)?;
        let start = path.baseline_logits(backend, batch_size)?;
        let convergence_delta = (0..n)
            .map(|i| {
                let sum: f64 = maps.row(i).iter().map(|&v| f64::from(v)).sum();
                let end = f64::from(batch.forward.logits.row(i)[batch.target_classes[i]]);
                (sum - (end - f64::from(start[i]))) as f32
            })
            .collect();
        Ok(Attribution { maps, convergence_delta: Some(convergence_delta) })
    }
}

/// Straight paths from baselines to images.
struct Path<'a> {
    images: TensorView<'a>,
    baselines: TensorView<'a>,
    classes: &'a [usize],
}

impl Path<'_> {
    /// Mean input gradient along each path, `[n, c·h·w]`, summed in f64.
    fn mean_gradients(
        &self,
        backend: &dyn ModelBackend,
        points: &[(f64, f64)],
        batch_size: usize,
        context: &Context,
    ) -> Result<Vec<f64>> {
        let (n, len) = (self.images.n_rows(), self.images.row_len());
        let mut means = vec![0.0f64; n * len];
        let total = n * points.len();
        let mut done = 0;
        for call in calls(n, points.len(), batch_size) {
            context.progress("integrated gradients", done, total)?;
            done += call.len();
            let gradients = self.gradients(backend, points, &call)?;
            for (row, &(image, step)) in call.iter().enumerate() {
                let mean = &mut means[image * len..(image + 1) * len];
                let weight = points[step].1;
                mean.iter_mut().zip(gradients.row(row)).for_each(|(mean, &g)| *mean += weight * f64::from(g));
            }
        }
        Ok(means)
    }

    /// Input gradients at these (image, step) points, `[n_points, c, h, w]`.
    fn gradients(&self, backend: &dyn ModelBackend, points: &[(f64, f64)], call: &[(usize, usize)]) -> Result<Tensor> {
        let mut shape = self.images.shape().to_vec();
        shape[0] = call.len();
        let mut inputs = Vec::with_capacity(shape.iter().product());
        for &(image, step) in call {
            let alpha = points[step].0 as f32;
            let pixels = self.baselines.row(image).iter().zip(self.images.row(image));
            inputs.extend(pixels.map(|(start, end)| start + alpha * (end - start)));
        }
        let inputs = Tensor::new(shape, inputs)?;
        let classes: Vec<usize> = call.iter().map(|&(image, _)| self.classes[image]).collect();
        let result = backend.gradients(inputs.view(), &classes, &[&backend.info().input])?;
        match result.gradients.into_iter().next() {
            Some(gradients) if gradients.shape() == inputs.shape() => Ok(gradients),
            other => {
                let got = other.map(|gradients| gradients.shape().to_vec());
                Err(Error::shape("input gradients", format!("{:?}", inputs.shape()), got))
            }
        }
    }

    /// `Σ_channels (x − x′) · mean gradient`.
    fn maps(&self, means: &[f64]) -> Result<Tensor> {
        let [n, _, h, w] = self.images.dims("images", "[n, c, h, w]")?;
        let len = self.images.row_len();
        let mut maps = Tensor::zeros([n, h, w]);
        let area = h * w;
        for i in 0..n {
            let mut sums = vec![0.0f64; area];
            let pixels = self.images.row(i).iter().zip(self.baselines.row(i)).zip(&means[i * len..]);
            for (at, ((&end, &start), mean)) in pixels.enumerate() {
                sums[at % area] += (f64::from(end) - f64::from(start)) * mean;
            }
            maps.data_mut()[i * area..(i + 1) * area].iter_mut().zip(sums).for_each(|(v, sum)| *v = sum as f32);
        }
        if maps.view().is_finite() { Ok(maps) } else { Err(Error::NotFinite { what: "integrated gradients".into() }) }
    }

    /// Target logit of each baseline.
    fn baseline_logits(&self, backend: &dyn ModelBackend, batch_size: usize) -> Result<Vec<f32>> {
        let n = self.images.n_rows();
        let mut logits = Vec::with_capacity(n);
        for start in (0..n).step_by(batch_size) {
            let rows = start..(start + batch_size).min(n);
            let mut shape = self.images.shape().to_vec();
            shape[0] = rows.len();
            let forward = backend.forward(TensorView::new(&shape, self.baselines.rows(rows.clone()))?, &[])?;
            logits.extend(rows.enumerate().map(|(row, image)| forward.logits.row(row)[self.classes[image]]));
        }
        Ok(logits)
    }
}

/// The (image, step) points of each call of the backend, at most `batch_size` per call.
///
/// A path is either cut into calls of its own or shares a call as a whole, so that calls look the same
/// wherever an image stands in the batch.
pub(crate) fn calls(n_images: usize, n_steps: usize, batch_size: usize) -> Vec<Vec<(usize, usize)>> {
    let of_image = |image: usize| (0..n_steps).map(move |step| (image, step));
    if n_steps > batch_size {
        let paths = (0..n_images).map(|image| of_image(image).collect::<Vec<_>>());
        return paths.flat_map(|path| path.chunks(batch_size).map(<[_]>::to_vec).collect::<Vec<_>>()).collect();
    }
    let per_call = batch_size / n_steps;
    let images: Vec<usize> = (0..n_images).collect();
    images.chunks(per_call).map(|images| images.iter().copied().flat_map(of_image).collect()).collect()
}
