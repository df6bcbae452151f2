//! [`Regularizer`] across the boundary.

use super::context::ForeignReporter;
use super::library::state_mut;
use super::reply::{Reply, answer};
use super::table::{Entry, Table};
use super::tensor::{AscanTensor, slice};
use super::types::{AscanHost, AscanReply};
use crate::{Regularizer, Suppression, Tensor, TrainingBatch, TrainingSet};
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
    /// `[n]` in [0, 1], or NULL (minor version 3).
    pub label_probs: *const f32,
    /// `[n]` ≥ 0, or NULL (minor version 3).
    pub disagreement: *const f32,
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
#[derive(Debug, Clone, Copy)]
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
    // Of minor version 3: a table that ends here, or has NULL here, does without.
    /// Reply JSON `{"kept": number or null}`; reply tensors `direction` `[d]` and `through` `[d]` where it is a number.
    pub suppress: Option<
        unsafe extern "C" fn(
            regularizer: *mut c_void,
            features: AscanTensor,
            set: *const AscanTrainingSet,
            host: *const AscanHost,
            reply: *mut AscanReply,
        ) -> i32,
    >,
}

/// What `suppress` sends beside its tensors.
#[derive(Serialize, Deserialize)]
pub(super) struct Suppressed {
    pub kept: Option<f32>,
}

/// What `select` sends.
#[derive(Serialize, Deserialize)]
pub(super) struct Selected {
    pub rows: Vec<usize>,
    pub labels: Vec<usize>,
}

/// What `prepare` sends beside its tensors.
#[derive(Serialize, Deserialize)]
pub(super) struct Prepared {
    pub labels: Vec<usize>,
    pub sources: Vec<usize>,
    pub penalty_strength: Option<f32>,
}

pub(super) static EXPORT: AscanRegularizerTable = AscanRegularizerTable {
    size: size_of::<AscanRegularizerTable>(),
    select,
    prepare,
    observe,
    state,
    restore,
    suppress: Some(suppress),
};

/// A column of `n` values that may be missing.
///
/// # Safety
/// `ptr` is NULL or points to `n` values that live for `'a`.
unsafe fn column<'a, T>(ptr: *const T, n: usize) -> Option<&'a [T]> {
    // SAFETY: as required of the caller.
    (!ptr.is_null()).then(|| unsafe { slice(ptr, n) })
}

/// The set behind what a host lends.
///
/// # Safety
/// The columns are NULL or have as many values as the set says, for `'a`.
unsafe fn training_set<'a>(raw: &AscanTrainingSet) -> TrainingSet<'a> {
    // SAFETY: as required of the caller.
    unsafe {
        TrainingSet {
            labels: slice(raw.labels, raw.n),
            spuriousness: column(raw.spuriousness, raw.n),
            groups: column(raw.groups, raw.n),
            predicted_classes: column(raw.predicted_classes, raw.n),
            corrected_labels: column(raw.corrected_labels, raw.n),
            label_probs: column(raw.label_probs, raw.n),
            disagreement: column(raw.disagreement, raw.n),
            epoch: raw.epoch,
        }
    }
}

unsafe extern "C" fn suppress(
    regularizer: *mut c_void,
    features: AscanTensor,
    set: *const AscanTrainingSet,
    host: *const AscanHost,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let set = training_set(&*set);
            let reporter = ForeignReporter::new(host);
            let regularizer = state_mut::<dyn Regularizer>(regularizer);
            let Some(made) = regularizer.suppress(features.view()?, &set, &reporter.context())? else {
                return Reply::json(&Suppressed { kept: None });
            };
            let column = |values: Vec<f32>| Tensor::new([values.len()], values);
            let Suppression { direction, through, kept } = made;
            let reply = Reply::json(&Suppressed { kept: Some(kept) })?;
            Ok(reply.with("direction", column(direction)?).with("through", column(through)?))
        })
    }
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
            let set = training_set(&*raw);
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

// SAFETY: a size, then a function for each entry.
unsafe impl Table for AscanRegularizerTable {
    const WHAT: &'static str = "regularizer";
    const ENTRIES: &'static [Entry] = &[
        Entry::needed("select"),
        Entry::needed("prepare"),
        Entry::needed("observe"),
        Entry::needed("state"),
        Entry::needed("restore"),
        Entry::later("suppress"),
    ];
}
