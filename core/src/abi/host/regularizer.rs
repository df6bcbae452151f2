//! The foreign half of a regularizer: [`Regularizer`] over a table.

use super::context::lend;
use super::first::FirstTrainingBatch;
use crate::abi::regularizer::{
    AscanRegularizerTable, AscanTrainingBatch, AscanTrainingSet, Prepared, Selected, Suppressed,
};
use crate::abi::reply::{Sent, ask};
use crate::abi::state::State;
use crate::abi::tensor::AscanTensor;
use crate::{
    Context, Error, InputGradientPenalty, RegularizedBatch, Regularizer, Result, Selection, Suppression, Tensor,
    TensorView, TrainingBatch, TrainingSet,
};

/// Most images that a step can become; a number above is a mistake.
const MAX_ROWS: usize = 1 << 24;
/// What values in [0, 1] may be off by.
const ROUNDING: f32 = 1e-3;

/// A regularizer of a library.
pub(in crate::abi) struct ForeignRegularizer {
    pub state: State<AscanRegularizerTable>,
    /// Whether it takes batches in the form of the first header.
    pub takes_first: bool,
}

/// A column that may be missing.
fn pointer<T>(column: Option<&[T]>) -> *const T {
    column.map_or(std::ptr::null(), <[T]>::as_ptr)
}

/// A set as it crosses; it must outlive the call.
fn lent(set: &TrainingSet) -> AscanTrainingSet {
    AscanTrainingSet {
        size: size_of::<AscanTrainingSet>(),
        n: set.labels.len(),
        labels: set.labels.as_ptr(),
        spuriousness: pointer(set.spuriousness),
        groups: pointer(set.groups),
        predicted_classes: pointer(set.predicted_classes),
        corrected_labels: pointer(set.corrected_labels),
        epoch: set.epoch,
        label_probs: pointer(set.label_probs),
        disagreement: pointer(set.disagreement),
    }
}

impl Regularizer for ForeignRegularizer {
    fn select(&mut self, set: &TrainingSet, context: &Context) -> Result<Selection> {
        set.check()?;
        let n = set.labels.len();
        let raw = lent(set);
        let state = &self.state;
        let sent = lend(context, |host| {
            // SAFETY: the arguments are valid for the call.
            unsafe { ask(state.plugin(), |reply| (state.table().select)(state.ptr(), &raw const raw, host, reply)) }
        })?;
        let Selected { rows, labels } = sent.json()?;
        let fits = labels.len() == rows.len() && rows.iter().all(|&row| row < n);
        sent.require(fits, || format!("selected {} rows and {} labels of {n} images", rows.len(), labels.len()))?;
        Ok(Selection { rows, labels })
    }

    fn suppress(&mut self, features: TensorView, set: &TrainingSet, context: &Context) -> Result<Option<Suppression>> {
        set.check()?;
        let [n, d] = features.dims("features", "[n, d]")?;
        if n != set.labels.len() {
            return Err(Error::shape("features", format!("{} rows, one per image", set.labels.len()), n));
        }
        let (raw, state) = (lent(set), &self.state);
        let Some(suppress) = state.table().suppress else { return Ok(None) };
        let mut sent = lend(context, |host| {
            let features = AscanTensor::new(features);
            // SAFETY: the arguments are valid for the call.
            unsafe { ask(state.plugin(), |reply| suppress(state.ptr(), features, &raw const raw, host, reply)) }
        })?;
        let Suppressed { kept } = sent.json()?;
        let Some(kept) = kept else { return Ok(None) };
        sent.require((0.0..=1.0).contains(&kept), || format!("keeps {kept} of a direction, not a share"))?;
        let direction = sent.take("direction", &[d])?.into_data();
        let through = sent.take("through", &[d])?.into_data();
        let length = direction.iter().map(|v| v * v).sum::<f32>().sqrt();
        sent.require((length - 1.0).abs() < ROUNDING, || format!("sent a direction of length {length}, not 1"))?;
        sent.require(through.iter().all(|v| v.is_finite()), || "sent a point that is not finite".into())?;
        Ok(Some(Suppression { direction, through, kept }))
    }

    fn prepare(&mut self, batch: &TrainingBatch, context: &Context) -> Result<RegularizedBatch> {
        // The boundary passes bare pointers for columns: their lengths must be right before it.
        batch.check_lengths()?;
        let raw = AscanTrainingBatch {
            size: size_of::<AscanTrainingBatch>(),
            images: AscanTensor::new(batch.images),
            labels: batch.labels.as_ptr(),
            masks: AscanTensor::optional(batch.masks),
            spuriousness: pointer(batch.spuriousness),
            groups: pointer(batch.groups),
            predicted_classes: pointer(batch.predicted_classes),
            step: batch.step,
        };
        let first = FirstTrainingBatch::new(&raw);
        // The header of a plugin calls either an `AscanTrainingBatch`.
        let raw = if self.takes_first { (&raw const first).cast() } else { &raw const raw };
        let state = &self.state;
        let sent = lend(context, |host| {
            // SAFETY: the arguments are valid for the call, the batch of the form that the plugin knows.
            unsafe { ask(state.plugin(), |reply| (state.table().prepare)(state.ptr(), raw, host, reply)) }
        })?;
        read_prepared(sent, batch)
    }

    fn observe(&mut self, losses: &[f32]) -> Result<()> {
        let state = &self.state;
        // SAFETY: the arguments are valid for the call.
        unsafe {
            ask(state.plugin(), |reply| (state.table().observe)(state.ptr(), losses.as_ptr(), losses.len(), reply))
        }
        .map(drop)
    }

    fn state(&self) -> Result<Vec<f32>> {
        let state = &self.state;
        // SAFETY: the arguments are valid for the call.
        let mut sent = unsafe { ask(state.plugin(), |reply| (state.table().state)(state.ptr(), reply)) }?;
        let values = sent.take_if("state", |shape| if shape.len() == 1 { Ok(()) } else { Err("[k]".into()) })?;
        values.map(Tensor::into_data).ok_or_else(|| sent.broken("did not send the tensor `state`"))
    }

    fn restore(&mut self, values: &[f32]) -> Result<()> {
        let state = &self.state;
        // SAFETY: the arguments are valid for the call.
        unsafe {
            ask(state.plugin(), |reply| (state.table().restore)(state.ptr(), values.as_ptr(), values.len(), reply))
        }
        .map(drop)
    }
}

/// What `prepare` sent, if a trainer can step on it.
fn read_prepared(mut sent: Sent, batch: &TrainingBatch) -> Result<RegularizedBatch> {
    let [n, c, h, w] = batch.images.dims("images", "[n, c, h, w]")?;
    let Prepared { labels, sources, penalty_strength } = sent.json()?;
    let m = labels.len();
    sent.require(m <= MAX_ROWS, || format!("made {m} images of {n}"))?;
    sent.require(sources.len() == m, || format!("sent {m} labels and {} sources", sources.len()))?;
    if let Some(source) = sources.iter().find(|&&source| source >= n) {
        return Err(sent.broken(format!("sent an image from image {source} of a batch of {n}")));
    }
    let in_range = |values: &[f32]| values.iter().all(|value| (-ROUNDING..=1.0 + ROUNDING).contains(value));
    let images = sent.take("images", &[m, c, h, w])?;
    sent.require(in_range(images.data()), || "sent images with values outside [0, 1]".into())?;
    let weights = sent.take("weights", &[m])?.into_data();
    if let Some(weight) = weights.iter().find(|weight| !(**weight >= 0.0 && weight.is_finite())) {
        return Err(sent.broken(format!("sent a weight of {weight}, which is no number from 0 on")));
    }
    let penalty = match penalty_strength {
        Some(strength) => {
            let is_strength = strength >= 0.0 && strength.is_finite();
            sent.require(is_strength, || format!("sent a penalty of strength {strength}"))?;
            let mask = sent.take("penalty_mask", &[m, h, w])?;
            sent.require(in_range(mask.data()), || "sent a penalty mask with values outside [0, 1]".into())?;
            Some(InputGradientPenalty { mask, strength })
        }
        None => None,
    };
    Ok(RegularizedBatch { images, labels, weights, sources, penalty })
}
