//! FullGrad: the contributions of the image and of the biases of all layers to the logit.
//!
//! `Σ_c |x ⊙ g| + Σ_l (h_l·w_l / h·w) · upsampled(Σ_k |b_lk · g_l|)`, `g = ∂logit/∂x`, `g_l` the gradient at a feature
//! map `l` whose operator adds `b_lk` to channel `k` (a convolution's bias, batch normalisation). Bilinear upsampling
//! times the ratio of the areas keeps the sum of each layer.
//!
//! # Shapes
//! Maps `[n, h, w]` at the size of the model's input, ≥ 0.
//!
//! # Units
//! Logits. Before the absolute values, the terms of a net of piecewise linear layers add up to the logit less what the
//! biases behind the last feature map add; how far they are from the logit is kept as the convergence delta.
//!
//! # Cost
//! One forward and one backward pass; the gradients of all layers with biases are held at once.
//!
//! # When it misleads
//! Signs are gone: evidence against the class is bright too. Exact for ReLU and max pools; what swish, GELU, attention
//! and layer normalisation add is in no term, and in the delta. The authors stretch each layer to [0, 1] in each image
//! before they add, which makes layers equal and images incomparable; here layers keep their weight.
//!
//! # Source
//! Srinivas & Fleuret 2019, arXiv 1905.00780.

use crate::pixels::{finish, requirements, sum_channels};
use ascan_core::params::NoParams;
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, Error, ModelBackend, ModelInfo, Plugin, Requirements, Result,
    Tensor, TensorView,
};
use ascan_math::resize::resize_map;

/// See the [module](self).
pub struct FullGrad;

impl Plugin for FullGrad {
    const NAME: &'static str = "full_grad";
    const SUMMARY: &'static str =
        "full gradients (Srinivas & Fleuret 2019): contributions of the image and of all biases";
    type Params = NoParams;

    fn new(_params: NoParams) -> Result<Self> {
        Ok(Self)
    }
}

impl Attributor for FullGrad {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        Ok(requirements(info, format!("full gradients, {} layers with biases", info.biases.len())))
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let info = backend.info();
        let n = batch.check(info)?;
        let [_, h, w] = info.input_shape;
        let layers: Vec<&str> = info.biases.keys().map(String::as_str).collect();
        let sources = [&[info.input.as_str()], &layers[..]].concat();
        let mut maps = Vec::with_capacity(n * h * w);
        let mut deltas = Vec::with_capacity(n);
        // One by one: an image's gradients are as large as all of its feature maps.
        for image in 0..n {
            context.progress(Self::NAME, image, n)?;
            let shape = [&[1], &batch.images.shape()[1..]].concat();
            let one = TensorView::new(&shape, batch.images.row(image))?;
            let class = batch.target_classes[image];
            let mut gradients = backend.gradients(one, &[class], &sources)?.gradients.into_iter();
            let slope = gradients.next().filter(|slope| slope.shape() == shape);
            let slope = slope.ok_or_else(|| Error::shape("input gradients", format!("{shape:?}"), "others"))?;
            let product = |at: usize| f64::from(one.data()[at]) * f64::from(slope.data()[at]);
            let mut total: f64 = (0..one.data().len()).map(product).sum();
            let mut map = sum_channels(one, |at| product(at).abs())?.into_data();
            for (gradient, bias) in gradients.zip(info.biases.values()) {
                let (term, sum) = bias_term(&gradient, bias)?;
                total += sum;
                let [_, _, h_l, w_l] = gradient.view().dims("gradients", "[1, c, h, w]")?;
                let share = (h_l * w_l) as f32 / (h * w) as f32;
                let upsampled = resize_map(&term, [h_l, w_l], [h, w]);
                map.iter_mut().zip(upsampled).for_each(|(value, term)| *value += share * term);
            }
            maps.extend(map);
            deltas.push((total - f64::from(batch.forward.logits.row(image)[class])) as f32);
        }
        finish(Self::NAME, Tensor::new([n, h, w], maps)?, Some(deltas))
    }
}

/// `Σ_k |b_k · g_k|` at each place, and the sum of all `b_k · g_k`.
fn bias_term(gradient: &Tensor, bias: &[f32]) -> Result<(Vec<f32>, f64)> {
    let [_, c, ..] = gradient.view().dims::<4>("gradients", "[1, c, h, w]")?;
    if c != bias.len() {
        return Err(Error::shape("biases", format!("one for each of {c} channels"), bias.len()));
    }
    let area = gradient.data().len() / c.max(1);
    let product = |at: usize| f64::from(bias[at / area]) * f64::from(gradient.data()[at]);
    let term = sum_channels(gradient.view(), |at| product(at).abs())?.into_data();
    Ok((term, (0..gradient.data().len()).map(product).sum()))
}
