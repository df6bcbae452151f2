//! [`Regularizer`] across the boundary.

use super::host::{ForeignReporter, lend};
use super::library::state_mut;
use super::load::State;
use super::reply::{Reply, answer, ask};
use super::types::{AscanHost, AscanReply, AscanTensor, slice};
use crate::{
    Context, Error, InputGradientPenalty, RegularizedBatch, Regularizer, Result, Selection, Tensor, TrainingBatch,
    TrainingSet,
};
use serde::{Deserialize, Serialize};
use std::ffi::c_void;

/// The whole training split; see [`TrainingSet`].
#[repr(C)]
#[derive(Debug)]
pub struct AscanTrainingSet {
    /// `sizeof(AscanTrainingSet)` on the host's side.
    pub size: usize,
    /// Number of images.
    pub n: usize,
    /// `[n]`
    pub labels: *const usize,
    /// `[n]`, or NULL.
    pub spuriousness: *const f32,
    /// `[n]`, or NULL.
    pub groups: *const i32,
    /// `[n]`, or NULL.
    pub predicted_classes: *const i32,
    /// `[n]`, or NULL.
    pub corrected_labels: *const i32,
    /// Epochs done so far.
    pub epoch: u64,
}

/// A batch from the data set; see [`TrainingBatch`].
#[repr(C)]
#[derive(Debug)]
pub struct AscanTrainingBatch {
    /// `sizeof(AscanTrainingBatch)` on the host's side.
    pub size: usize,
    /// `[n, c, h, w]` in [0, 1].
    pub images: AscanTensor,
    /// `[n]`
    pub labels: *const usize,
    /// `[n, h, w]`; its shape is NULL where there are none.
    pub masks: AscanTensor,
    /// `[n]`, or NULL.
    pub spuriousness: *const f32,
    /// `[n]`, or NULL.
    pub groups: *const i32,
    /// `[n]`, or NULL.
    pub predicted_classes: *const i32,
    /// Steps taken so far.
    pub step: u64,
}

/// Functions of a regularizer.
#[repr(C)]
#[derive(Debug)]
pub struct AscanRegularizerTable {
    /// `sizeof(AscanRegularizerTable)` on the library's side.
    pub size: usize,
    /// Reply JSON `{"rows": [m], "labels": [m]}`: the images of an epoch.
    pub select: unsafe extern "C" fn(
        regularizer: *mut c_void,
        set: *const AscanTrainingSet,
        host: *const AscanHost,
        reply: *mut AscanReply,
    ) -> i32,
    /// Reply JSON `{"labels": [m], "sources": [m], "penalty_strength": number or null}`;
    /// reply tensors `images` `[m, c, h, w]`, `weights` `[m]`, and `penalty_mask` `[m, h, w]` with a penalty.
    pub prepare: unsafe extern "C" fn(
        regularizer: *mut c_void,
        batch: *const AscanTrainingBatch,
        host: *const AscanHost,
        reply: *mut AscanReply,
    ) -> i32,
    /// The loss of each image of the last batch.
    pub observe: unsafe extern "C" fn(
        regularizer: *mut c_void,
        losses: *const f32,
        n_losses: usize,
        reply: *mut AscanReply,
    ) -> i32,
    /// Reply tensor `state` `[k]`: what was learnt in the steps so far.
    pub state: unsafe extern "C" fn(regularizer: *mut c_void, reply: *mut AscanReply) -> i32,
    /// Goes on from what `state` gave.
    pub restore: unsafe extern "C" fn(
        regularizer: *mut c_void,
        values: *const f32,
        n_values: usize,
        reply: *mut AscanReply,
    ) -> i32,
}

#[derive(Serialize, Deserialize)]
struct Selected {
    rows: Vec<usize>,
    labels: Vec<usize>,
}

#[derive(Serialize, Deserialize)]
struct Prepared {
    labels: Vec<usize>,
    sources: Vec<usize>,
    penalty_strength: Option<f32>,
}

pub(super) static EXPORT: AscanRegularizerTable =
    AscanRegularizerTable { size: size_of::<AscanRegularizerTable>(), select, prepare, observe, state, restore };

/// A column of `n` values that may be missing.
///
/// # Safety
/// `ptr` is NULL or points to `n` values that live for `'a`.
unsafe fn column<'a, T>(ptr: *const T, n: usize) -> Option<&'a [T]> {
    // SAFETY: as required of the caller.
    (!ptr.is_null()).then(|| unsafe { slice(ptr, n) })
}

fn pointer<T>(column: Option<&[T]>) -> *const T {
    column.map_or(std::ptr::null(), <[T]>::as_ptr)
}

unsafe extern "C" fn select(
    regularizer: *mut c_void,
    raw: *const AscanTrainingSet,
    host: *const AscanHost,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let raw = &*raw;
            let set = TrainingSet {
                labels: slice(raw.labels, raw.n),
                spuriousness: column(raw.spuriousness, raw.n),
                groups: column(raw.groups, raw.n),
                predicted_classes: column(raw.predicted_classes, raw.n),
                corrected_labels: column(raw.corrected_labels, raw.n),
                epoch: raw.epoch,
            };
            let reporter = ForeignReporter::new(host);
            let made = state_mut::<dyn Regularizer>(regularizer).select(&set, &reporter.context())?;
            Reply::json(&Selected { rows: made.rows, labels: made.labels })
        })
    }
}

unsafe extern "C" fn prepare(
    regularizer: *mut c_void,
    raw: *const AscanTrainingBatch,
    host: *const AscanHost,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let raw = &*raw;
            let images = raw.images.view()?;
            let n = images.n_rows();
            let batch = TrainingBatch {
                images,
                labels: slice(raw.labels, n),
                masks: if raw.masks.is_none() { None } else { Some(raw.masks.view()?) },
                spuriousness: column(raw.spuriousness, n),
                groups: column(raw.groups, n),
                predicted_classes: column(raw.predicted_classes, n),
                step: raw.step,
            };
            let reporter = ForeignReporter::new(host);
            let made = state_mut::<dyn Regularizer>(regularizer).prepare(&batch, &reporter.context())?;
            let penalty_strength = made.penalty.as_ref().map(|penalty| penalty.strength);
            let mut reply = Reply::json(&Prepared { labels: made.labels, sources: made.sources, penalty_strength })?
                .with("images", made.images)
                .with("weights", Tensor::new([made.weights.len()], made.weights)?);
            if let Some(penalty) = made.penalty {
                reply = reply.with("penalty_mask", penalty.mask);
            }
            Ok(reply)
        })
    }
}

unsafe extern "C" fn observe(
    regularizer: *mut c_void,
    losses: *const f32,
    n_losses: usize,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            state_mut::<dyn Regularizer>(regularizer).observe(slice(losses, n_losses)).map(|()| Reply::default())
        })
    }
}

unsafe extern "C" fn state(regularizer: *mut c_void, reply: *mut AscanReply) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let state = state_mut::<dyn Regularizer>(regularizer).state()?;
            Ok(Reply::tensors([("state", Tensor::new([state.len()], state)?)]))
        })
    }
}

unsafe extern "C" fn restore(
    regularizer: *mut c_void,
    values: *const f32,
    n_values: usize,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            state_mut::<dyn Regularizer>(regularizer).restore(slice(values, n_values)).map(|()| Reply::default())
        })
    }
}

/// A regularizer of a library.
pub(super) struct ForeignRegularizer(pub(super) State<AscanRegularizerTable>);

impl Regularizer for ForeignRegularizer {
    fn select(&mut self, set: &TrainingSet, context: &Context) -> Result<Selection> {
        set.check()?;
        let n = set.labels.len();
        let raw = AscanTrainingSet {
            size: size_of::<AscanTrainingSet>(),
            n,
            labels: set.labels.as_ptr(),
            spuriousness: pointer(set.spuriousness),
            groups: pointer(set.groups),
            predicted_classes: pointer(set.predicted_classes),
            corrected_labels: pointer(set.corrected_labels),
            epoch: set.epoch,
        };
        let state = &self.0;
        let asked = lend(context, |host| {
            // SAFETY: the arguments are valid for the call.
            unsafe { ask(state.name(), |reply| (state.table().select)(state.ptr(), &raw const raw, host, reply)) }
        })?;
        let Selected { rows, labels } = asked.parse()?;
        if labels.len() != rows.len() || rows.iter().any(|&row| row >= n) {
            let message = format!("selected {} rows and {} labels of {n} images", rows.len(), labels.len());
            return Err(Error::plugin(state.name(), message, "this is a mistake in the plugin: tell its author"));
        }
        Ok(Selection { rows, labels })
    }

    fn prepare(&mut self, batch: &TrainingBatch, context: &Context) -> Result<RegularizedBatch> {
        let n = batch.images.n_rows();
        for (what, len) in [
            ("labels", batch.labels.len()),
            ("spuriousness", batch.spuriousness.map_or(n, <[f32]>::len)),
            ("groups", batch.groups.map_or(n, <[i32]>::len)),
            ("predicted_classes", batch.predicted_classes.map_or(n, <[i32]>::len)),
        ] {
            // The boundary passes bare pointers for columns: their lengths must be right before it.
            if len != n {
                return Err(Error::shape(what, format!("[{n}], one an image"), [len]));
            }
        }
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
        let state = &self.0;
        let mut asked = lend(context, |host| {
            // SAFETY: the arguments are valid for the call.
            unsafe { ask(state.name(), |reply| (state.table().prepare)(state.ptr(), &raw const raw, host, reply)) }
        })?;
        let Prepared { labels, sources, penalty_strength } = asked.parse()?;
        let penalty = match penalty_strength {
            Some(strength) => Some(InputGradientPenalty { mask: asked.take("penalty_mask")?, strength }),
            None => None,
        };
        let (images, weights) = (asked.take("images")?, asked.take("weights")?.into_data());
        Ok(RegularizedBatch { images, labels, weights, sources, penalty })
    }

    fn observe(&mut self, losses: &[f32]) -> Result<()> {
        let state = &self.0;
        // SAFETY: the arguments are valid for the call.
        unsafe { ask(state.name(), |reply| (state.table().observe)(state.ptr(), losses.as_ptr(), losses.len(), reply)) }
            .map(drop)
    }

    fn state(&self) -> Result<Vec<f32>> {
        let state = &self.0;
        // SAFETY: the arguments are valid for the call.
        let mut asked = unsafe { ask(state.name(), |reply| (state.table().state)(state.ptr(), reply)) }?;
        Ok(asked.take("state")?.into_data())
    }

    fn restore(&mut self, values: &[f32]) -> Result<()> {
        let state = &self.0;
        // SAFETY: the arguments are valid for the call.
        unsafe { ask(state.name(), |reply| (state.table().restore)(state.ptr(), values.as_ptr(), values.len(), reply)) }
            .map(drop)
    }
}
