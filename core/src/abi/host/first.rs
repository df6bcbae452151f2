//! Regularizers of the first header, which knew neither selections nor checkpoints; see [`crate::abi::trainer`].

use crate::abi::regularizer::{AscanRegularizerTable, AscanTrainingBatch, AscanTrainingSet, Selected};
use crate::abi::reply::{Reply, answer};
use crate::abi::table::{self, Entry, Table};
use crate::abi::tensor::{AscanTensor, slice};
use crate::abi::types::{AscanHost, AscanReply};
use crate::{Error, Tensor};
use std::ffi::c_void;

/// Functions of a regularizer that keeps nothing between runs. Its `prepare` takes a [`FirstTrainingBatch`].
#[repr(C)]
#[derive(Clone, Copy)]
struct FirstRegularizerTable {
    size: usize,
    prepare: unsafe extern "C" fn(
        regularizer: *mut c_void,
        batch: *const AscanTrainingBatch,
        host: *const AscanHost,
        reply: *mut AscanReply,
    ) -> i32,
    observe: unsafe extern "C" fn(
        regularizer: *mut c_void,
        losses: *const f32,
        n_losses: usize,
        reply: *mut AscanReply,
    ) -> i32,
}

// SAFETY: a size, then a function for each entry.
unsafe impl Table for FirstRegularizerTable {
    const WHAT: &'static str = "regularizer";
    const ENTRIES: &'static [Entry] = &[Entry::needed("prepare"), Entry::needed("observe")];
}

/// A batch without what the first model said of each image.
#[repr(C)]
pub(super) struct FirstTrainingBatch {
    size: usize,
    images: AscanTensor,
    labels: *const usize,
    masks: AscanTensor,
    spuriousness: *const f32,
    groups: *const i32,
    step: u64,
}

impl FirstTrainingBatch {
    pub(super) fn new(batch: &AscanTrainingBatch) -> Self {
        let &AscanTrainingBatch { images, labels, masks, spuriousness, groups, step, .. } = batch;
        Self { size: size_of::<Self>(), images, labels, masks, spuriousness, groups, step }
    }
}

/// A copy of a library's table, checked, and whether it takes batches of the first form; the reason if it cannot be
/// used.
///
/// # Safety
/// As [`table::read`].
pub(super) unsafe fn read_regularizer(table: *const c_void) -> Result<(AscanRegularizerTable, bool), String> {
    // SAFETY: as required of the caller.
    unsafe {
        if !table::is_first::<FirstRegularizerTable>(table) {
            return Ok((table::read(table.cast())?, false));
        }
        let FirstRegularizerTable { prepare, observe, .. } = table::read(table.cast())?;
        let size = size_of::<AscanRegularizerTable>();
        Ok((AscanRegularizerTable { size, select, prepare, observe, state, restore, suppress: None }, true))
    }
}

/// All images, as they are.
unsafe extern "C" fn select(
    _regularizer: *mut c_void,
    set: *const AscanTrainingSet,
    _host: *const AscanHost,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let set = &*set;
            Reply::json(&Selected { rows: (0..set.n).collect(), labels: slice(set.labels, set.n).to_vec() })
        })
    }
}

unsafe extern "C" fn state(_regularizer: *mut c_void, reply: *mut AscanReply) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe { answer(reply, || Ok(Reply::tensors([("state", Tensor::zeros([0]))]))) }
}

unsafe extern "C" fn restore(
    _regularizer: *mut c_void,
    _values: *const f32,
    n_values: usize,
    reply: *mut AscanReply,
) -> i32 {
    let nothing = || match n_values {
        0 => Ok(Reply::default()),
        n => Err(Error::shape("state of the regularizer", "nothing", n)),
    };
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe { answer(reply, nothing) }
}
