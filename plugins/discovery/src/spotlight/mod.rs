//! Spotlight: each slice is a spherical Gaussian kernel, moved and narrowed to where the loss is highest.

mod algorithm;
mod frame;
mod params;
#[cfg(test)]
mod tests;

pub use params::{Normalise, SpotlightParams};

use algorithm::{Kernel, Settings, search};
use ascan_core::{Context, Error, Plugin, Result, SliceModel, SliceTable, Slicer, Tensor};
use ascan_math::pool;
use frame::Frame;

/// Spotlights on the images with the highest loss, one after the other.
///
/// A spotlight is the kernel that maximises the mean loss under it while its total weight stays above `min_weight`.
/// Before the next is sought, the loss of each image is multiplied by 1 − its weight, relative to the largest one.
///
/// An image belongs to a spotlight if its weight is among the largest ⌈W⌉ of the fit, W the total weight; how much is
/// its weight, relative to the largest one. All others are noise: a Gaussian has no end, and a slice needs one.
///
/// Images without a label have no loss. They weigh nothing in the search, and are members where they lie in the light.
/// Nothing is drawn at random: the seed does not matter.
///
/// # Source
/// d'Eon et al., FAccT 2022, with the settings of the published implementation (start, barrier, Adam, halving of the step). The size of the
/// start and of the step are ours (see the parameters); `normalise = "none", learning_rate = 0.001` is as published.
pub struct Spotlight {
    params: SpotlightParams,
}

impl Plugin for Spotlight {
    const NAME: &'static str = "spotlight";
    const SUMMARY: &'static str = "Spotlight (FAccT 2022): Gaussian kernels on the images with the highest loss";
    type Params = SpotlightParams;

    fn new(params: SpotlightParams) -> Result<Self> {
        Ok(Self { params })
    }
}

/// A kernel with an end.
struct Light {
    kernel: Kernel,
    /// The largest weight at the fit.
    brightest: f32,
    /// The least weight of a member.
    dimmest: f32,
}

struct SpotlightModel {
    frame: Frame,
    lights: Vec<Light>,
}

impl Slicer for Spotlight {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        table.check()?;
        let [n, d] = table.embeddings.dims("embeddings", "[n, d]")?;
        if n == 0 || d == 0 {
            return Err(Error::shape("embeddings", "at least one image and one dimension", [n, d]));
        }
        let frame = Frame::new(table.embeddings, self.params.normalise)?;
        let known: Vec<usize> = (0..n).filter(|&i| table.losses[i].is_finite()).collect();
        if known.is_empty() {
            return Err(Error::unsupported(
                "spotlight needs losses, and no image has a label",
                "give the data a label column, or use another slicer, for example \"kmeans\"",
            ));
        }
        let mut rows = vec![0.0; known.len() * d];
        for (row, &i) in rows.chunks_exact_mut(d).zip(&known) {
            frame.place(table.embeddings.row(i), row);
        }
        // Never more than 1: the barrier at weight zero. A confident model's losses of 5 and more would buy their way
        // through it, and the light would end on one image, or on none.
        let largest = known.iter().map(|&i| table.losses[i]).fold(1.0, f32::max);
        let losses = known.iter().map(|&i| table.losses[i] / largest).collect();
        let lights = self.lights(&rows, losses, &frame, context)?;
        Ok(Box::new(SpotlightModel { frame, lights }))
    }
}

impl Spotlight {
    fn lights(&self, rows: &[f32], mut losses: Vec<f32>, frame: &Frame, context: &Context) -> Result<Vec<Light>> {
        let pool = pool(Self::NAME, context)?;
        let SpotlightParams { n_slices, min_weight, learning_rate, n_steps, .. } = self.params;
        let settings = Settings { min_weight: min_weight * losses.len() as f64, learning_rate, n_steps };
        let start = Kernel::start(frame.d(), frame.start);
        if start.weights(rows, &pool).iter().all(|&weight| weight == 0.0) {
            return Err(Error::param(
                "normalise",
                "the embeddings are so large that no image lies in the light from which the search starts",
                "normalise = \"scale\"",
            ));
        }
        let mut lights = Vec::with_capacity(n_slices);
        for slice in 0..n_slices {
            let kernel = search(rows, &losses, start.clone(), &settings, &pool, |step| {
                context.progress("spotlight", slice * n_steps + step, n_slices * n_steps)
            })?;
            let weights = kernel.weights(rows, &pool);
            let light = Light::new(kernel, &weights);
            let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
            if total > 0.5 * losses.len() as f64 && losses.len() > 1 {
                context.warn(&format!(
                    "spotlight {slice} covers {:.0} % of the images: it had no time to narrow, or they all lie together; \
                     raise `learning_rate` or `n_steps`",
                    100.0 * total / losses.len() as f64
                ));
            }
            for (loss, weight) in losses.iter_mut().zip(weights) {
                *loss *= 1.0 - weight / light.brightest;
            }
            lights.push(light);
        }
        context.progress("spotlight", n_slices * n_steps, n_slices * n_steps)?;
        Ok(lights)
    }
}

impl Light {
    fn new(kernel: Kernel, weights: &[f32]) -> Self {
        let mut sorted = weights.to_vec();
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
        let n_members = (total.ceil() as usize).clamp(1, sorted.len());
        // A kernel that has lost every image lights none.
        let brightest = sorted[0].max(f32::MIN_POSITIVE);
        Self { kernel, brightest, dimmest: sorted[n_members - 1].max(f32::MIN_POSITIVE) }
    }
}

impl SliceModel for SpotlightModel {
    fn n_slices(&self) -> usize {
        self.lights.len()
    }

    fn membership(&self, table: &SliceTable, context: &Context) -> Result<Tensor> {
        table.check()?;
        let [n, d] = table.embeddings.dims("embeddings", "[n, d]")?;
        if d != self.frame.d() {
            return Err(Error::shape("embeddings", format!("[n, {}], as at the fit", self.frame.d()), [n, d]));
        }
        let pool = pool(Spotlight::NAME, context)?;
        let mut rows = vec![0.0; n * d];
        for (i, row) in rows.chunks_exact_mut(d).enumerate() {
            self.frame.place(table.embeddings.row(i), row);
        }
        let mut membership = Tensor::zeros([n, self.n_slices()]);
        for (slice, light) in self.lights.iter().enumerate() {
            let columns = membership.data_mut().iter_mut().skip(slice).step_by(self.lights.len());
            for (share, weight) in columns.zip(light.kernel.weights(&rows, &pool)) {
                *share = if weight < light.dimmest { 0.0 } else { (weight / light.brightest).min(1.0) };
            }
        }
        Ok(membership)
    }
}
