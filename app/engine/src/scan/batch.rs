//! One batch through model, attributor and features: from pixels to rows.

use super::job::Job;
use super::stages::{Stage, Stages};
use crate::likeness::agreement;
use ascan_core::{
    Attribution, AttributionBatch, Context, Error, Forward, ModelBackend, PassRequest, Result, Tensor, TensorView,
    guard,
};
use ascan_math::resize::resize_map;
use ascan_store::Outcome;
use ascan_store::plan::AttributionPlan;

/// Decoded images, in the order of their rows.
pub(super) struct Batch {
    /// Place in the order of work.
    pub index: usize,
    /// Rows of the batch; those that could not be decoded carry the reason.
    pub rows: Vec<(usize, Result<(), String>)>,
    /// `[m, c, h, w]` of the `m` images that could be decoded.
    pub images: Vec<f32>,
}

/// What became of a batch.
pub(super) struct BatchOutcome {
    /// Place in the order of work.
    pub index: usize,
    /// One entry per row.
    pub rows: Vec<Result<Outcome, String>>,
    /// The error, if the model or the attributor failed on every image it was given.
    pub failed: Option<Error>,
}

/// Decodes the rows of a batch; an image that cannot be read costs only itself.
pub(super) fn decode(job: &Job, index: usize, rows: impl Iterator<Item = usize>, stages: &Stages) -> Batch {
    stages.time(Stage::Decode, || {
        let len: usize = job.plan.model.input_shape.iter().product();
        let mut images = Vec::new();
        let rows = rows
            .map(|row| {
                let loaded = guarded("the decoder", || job.images.load(row)).and_then(|pixels| {
                    if pixels.len() == len {
                        Ok(pixels)
                    } else {
                        Err(Error::shape("image", format!("{len} values"), pixels.len()))
                    }
                });
                let loaded = loaded.map_err(|error| reason(&error));
                (row, loaded.map(|pixels| if images.is_empty() { images = pixels } else { images.extend(pixels) }))
            })
            .collect();
        Batch { index, rows, images }
    })
}

/// Runs a batch. If it fails as a whole its images are tried one by one, so that a bad one costs only itself.
pub(super) fn run(
    job: &Job,
    backend: &dyn ModelBackend,
    batch: Batch,
    context: &Context,
    stages: &Stages,
) -> Result<BatchOutcome> {
    let Batch { index, rows, images } = batch;
    let [c, h, w] = job.plan.model.input_shape;
    let decoded: Vec<usize> = rows.iter().filter(|(_, decoded)| decoded.is_ok()).map(|(row, _)| *row).collect();
    let n = decoded.len();
    let run = |images: &[f32], rows: &[usize]| -> Result<Vec<Result<Outcome, String>>> {
        let shape = [rows.len(), c, h, w];
        explain(job, backend, TensorView::new(&shape, images)?, rows, context, stages)
    };
    let mut failed = None;
    let outcomes = match run(&images, &decoded) {
        Ok(outcomes) => outcomes,
        Err(Error::Cancelled) => return Err(Error::Cancelled),
        Err(error) => {
            let mut singles = Vec::with_capacity(n);
            let mut n_failed = 0;
            for (image, row) in images.chunks_exact(c * h * w).zip(&decoded) {
                // A batch of one has just had its try.
                let single = if n == 1 { Err(error.clone()) } else { run(image, std::slice::from_ref(row)) };
                singles.push(match single {
                    Ok(mut outcome) => outcome.remove(0),
                    Err(Error::Cancelled) => return Err(Error::Cancelled),
                    Err(error) => {
                        n_failed += 1;
                        Err(reason(&error))
                    }
                });
            }
            failed = (n_failed == n).then_some(error);
            singles
        }
    };
    let mut outcomes = outcomes.into_iter();
    let rows = rows
        .into_iter()
        .map(|(_, decoded)| decoded.and_then(|()| outcomes.next().unwrap_or_else(|| Err("no result".into()))))
        .collect();
    Ok(BatchOutcome { index, rows, failed })
}

/// Rows of a batch that can be decoded; an error of one row is in its place, an error of the call is the result's.
fn explain(
    job: &Job,
    backend: &dyn ModelBackend,
    images: TensorView,
    rows: &[usize],
    context: &Context,
    stages: &Stages,
) -> Result<Vec<Result<Outcome, String>>> {
    let n = rows.len();
    if n == 0 {
        return Ok(Vec::new());
    }
    let n_classes = job.question.n_logits();
    let [layers, gradients_of] =
        [&job.layers, &job.gradients_of].map(|names| names.iter().map(String::as_str).collect::<Vec<_>>());
    let target_classes: Vec<Option<usize>> = rows.iter().map(|&row| job.target.of(job.images.label(row))).collect();
    let request = PassRequest { images, layers: &layers, target_classes: &target_classes, gradients_of: &gradients_of };
    let pass = stages.time(Stage::Forward, || guarded("the backend", || backend.pass(&request)))?;
    let forward = &pass.forward;
    check_shape("logits", &forward.logits, &[n, n_classes])?;
    // A row that has failed keeps its place in the call; what comes out for it is dropped.
    let target_classes = request.classes(&forward.logits)?;
    let attributions = stages.time(Stage::Attribution, || -> Result<Vec<Attribution>> {
        let batch =
            AttributionBatch { gradients: &pass.gradients, ..AttributionBatch::new(images, &target_classes, forward) };
        job.attributors
            .iter()
            .map(|attributor| guarded("the attributor", || attributor.attribute(backend, &batch, context)))
            .collect()
    })?;
    for (method, attribution) in job.plan.methods().zip(&attributions) {
        let [h, w] = method.map_size;
        check_shape("attribution maps", &attribution.maps, &[n, h, w])?;
    }

    stages.time(Stage::Features, || {
        let layer = &job.plan.features.settings.layer;
        let feature_map = forward.feature_map(layer).ok_or_else(|| {
            Error::plugin(
                &job.plan.model.backend,
                format!("the feature map `{layer}` was requested but is missing from its answer"),
                "",
            )
        })?;
        let [c, h, w] = job.plan.features.layer_shape;
        check_shape("feature map", feature_map, &[n, c, h, w])?;
        Ok(target_classes
            .iter()
            .enumerate()
            .map(|(i, &class)| {
                outcome(job, forward, feature_map, &attributions, i, class as i32, rows[i])
                    .map_err(|error| reason(&error))
            })
            .collect())
    })
}

fn outcome(
    job: &Job,
    forward: &Forward,
    feature_map: &Tensor,
    attributions: &[Attribution],
    i: usize,
    target_class: i32,
    row: usize,
) -> Result<Outcome> {
    let plan = &job.plan;
    if !forward.logits.row(i).iter().all(|v| v.is_finite()) {
        return Err(Error::NotFinite { what: "the vector of logits".into() });
    }
    let scores = job.scores.as_ref().and_then(|scores| forward.feature_map(scores));
    let scores = scores.map_or(&[][..], |scores| scores.row(i));
    let (kind, label, truth) = (plan.model.output_kind(), job.images.label(row), job.images.truth(row));
    let said = job.question.answer(kind, forward.logits.row(i), scores, label, truth);
    let maps: Vec<(&[f32], [usize; 2])> =
        plan.methods().zip(attributions).map(|(method, made)| (made.maps.row(i), method.map_size)).collect();
    let Some((&(map, map_size), also)) = maps.split_first() else {
        return Err(Error::shape("attribution", "at least one method", 0));
    };
    let features = job.rule.apply(feature_map.row(i), plan.features.layer_shape, map, map_size)?;
    if let Some((method, _)) = plan.also.iter().zip(also).find(|(_, (map, _))| !map.iter().all(|v| v.is_finite())) {
        return Err(Error::NotFinite { what: format!("the attribution map of `{}`", method.title()) });
    }
    let stored = |(method, (map, size)): (&AttributionPlan, &(&[f32], [usize; 2]))| {
        resize_map(map, *size, method.stored_map_size)
    };
    let delta = |made: &Attribution| made.convergence_delta.as_ref().and_then(|deltas| deltas.get(i).copied());
    Ok(Outcome {
        predicted_class: said.answer,
        target_class,
        probs: said.probs,
        loss: said.loss,
        numbers: said.numbers,
        map: resize_map(map, map_size, plan.attribution.stored_map_size),
        also: plan.also.iter().zip(also).map(stored).collect(),
        agreement: agreement(&maps).map(|agreement| agreement as f32),
        embedding: features.embedding,
        attribution_empty: features.attribution_empty,
        convergence_delta: attributions.iter().find_map(delta),
    })
}

fn check_shape(what: &str, tensor: &Tensor, expected: &[usize]) -> Result<()> {
    if tensor.shape() == expected {
        return Ok(());
    }
    Err(Error::shape(what, format!("{expected:?}"), tensor.shape()))
}

/// The reason that a row carries: without the folder of this machine, so that tables do not depend on it.
fn reason(error: &Error) -> String {
    match error {
        Error::File { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

/// A panic in foreign code becomes an error of the call.
pub(super) fn guarded<T>(who: &str, call: impl FnOnce() -> Result<T>) -> Result<T> {
    guard::guarded(call, |text| Error::plugin(who, format!("panicked: {text}"), "this is a defect: please report it"))
}
