//! Input gradients at many points per image, in calls of the size that the backend prefers.

use crate::integrated_gradients::calls;
use ascan_core::{AttributionBatch, Context, Error, ModelBackend, Result, Tensor};

/// Points of each image, and how many of them go to the backend in one call (0: as many as it prefers).
#[derive(Clone, Copy)]
pub struct Points<'a> {
    /// Name of the method, for progress.
    pub name: &'a str,
    /// Points per image.
    pub n: usize,
    /// Points per call.
    pub batch_size: usize,
}

/// Calls `see(image, point, gradient)` with the gradient `[c·h·w]` of the target logit at each point; `make` appends
/// the pixels of a point.
pub fn gradients(
    (backend, batch, context): (&dyn ModelBackend, &AttributionBatch, &Context),
    points: Points,
    make: impl Fn(usize, usize, &mut Vec<f32>),
    mut see: impl FnMut(usize, usize, &[f32]),
) -> Result<()> {
    let info = backend.info();
    let n = batch.images.n_rows();
    let at_once = if points.batch_size == 0 { info.preferred_batch.max(1) } else { points.batch_size };
    let mut done = 0;
    for call in calls(n, points.n, at_once) {
        context.progress(points.name, done, n * points.n)?;
        done += call.len();
        let mut pixels = Vec::with_capacity(call.len() * batch.images.row_len());
        call.iter().for_each(|&(image, point)| make(image, point, &mut pixels));
        let inputs = Tensor::new([&[call.len()][..], &batch.images.shape()[1..]].concat(), pixels)?;
        let classes: Vec<usize> = call.iter().map(|&(image, _)| batch.target_classes[image]).collect();
        let made = backend.gradients(inputs.view(), &classes, &[&info.input])?;
        match made.gradients.first().filter(|gradients| gradients.shape() == inputs.shape()) {
            Some(gradients) => {
                call.iter().enumerate().for_each(|(row, &(image, point))| see(image, point, gradients.row(row)));
            }
            None => return Err(Error::shape("input gradients", format!("{:?}", inputs.shape()), "others")),
        }
    }
    Ok(())
}

/// Target logit of each of these images, in calls of at most `at_once`.
pub fn target_logits(backend: &dyn ModelBackend, images: &Tensor, classes: &[usize]) -> Result<Vec<f64>> {
    let at_once = backend.info().preferred_batch.max(1);
    let n = images.n_rows();
    let mut logits = Vec::with_capacity(n);
    for start in (0..n).step_by(at_once) {
        let rows = start..(start + at_once).min(n);
        let shape = [&[rows.len()][..], &images.shape()[1..]].concat();
        let part = Tensor::new(shape, images.view().rows(rows.clone()).to_vec())?;
        let made = backend.forward(part.view(), &[])?.logits;
        logits.extend(rows.enumerate().map(|(row, image)| f64::from(made.row(row)[classes[image]])));
    }
    Ok(logits)
}
