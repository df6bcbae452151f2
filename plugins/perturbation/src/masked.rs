//! Many versions of one image, run in calls of the size that the backend prefers.

use ascan_core::{AttributionBatch, Context, Error, ModelBackend, Result, Tensor};

/// Target logit of `n_versions` versions of image `i`; `make` appends the pixels of a version.
pub fn logits(
    (backend, batch, context): (&dyn ModelBackend, &AttributionBatch, &Context),
    (name, batch_size): (&str, usize),
    i: usize,
    n_versions: usize,
    make: impl Fn(usize, &mut Vec<f32>),
) -> Result<Vec<f64>> {
    let at_once = if batch_size == 0 { backend.info().preferred_batch.max(1) } else { batch_size };
    let n = batch.images.n_rows();
    let mut logits = Vec::with_capacity(n_versions);
    for start in (0..n_versions).step_by(at_once) {
        context.progress(name, i * n_versions + start, n * n_versions)?;
        let end = (start + at_once).min(n_versions);
        let mut pixels = Vec::with_capacity((end - start) * batch.images.row_len());
        (start..end).for_each(|version| make(version, &mut pixels));
        let shape = [&[end - start][..], &batch.images.shape()[1..]].concat();
        let made = backend.forward(Tensor::new(shape, pixels)?.view(), &[])?.logits;
        logits.extend((0..end - start).map(|row| f64::from(made.row(row)[batch.target_classes[i]])));
    }
    match logits.iter().all(|logit| logit.is_finite()) {
        true => Ok(logits),
        false => Err(Error::NotFinite { what: "a logit of a masked image".into() }),
    }
}
