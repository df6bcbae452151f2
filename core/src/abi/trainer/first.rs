//! The table of trainers of the first header of ABI 1.0, which knew no checkpoints; its last header put them in the middle.
//! Their sizes tell the forms apart. What the first form lacks is filled in, by these functions.

use super::{AscanTrainerTable, AscanTrainingStep};
use crate::Error;
use crate::abi::reply::{Reply, answer};
use crate::abi::table::{self, Entry, Table};
use crate::abi::tensor::AscanNamedTensor;
use crate::abi::types::AscanReply;
use std::ffi::c_void;

/// Functions of a trainer that cannot be interrupted.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct FirstTrainerTable {
    size: usize,
    step: unsafe extern "C" fn(trainer: *mut c_void, step: *const AscanTrainingStep, reply: *mut AscanReply) -> i32,
    weight_gradients:
        unsafe extern "C" fn(trainer: *mut c_void, step: *const AscanTrainingStep, reply: *mut AscanReply) -> i32,
    weights: unsafe extern "C" fn(trainer: *mut c_void, reply: *mut AscanReply) -> i32,
    destroy: unsafe extern "C" fn(trainer: *mut c_void),
}

// SAFETY: a size, then a function for each entry.
unsafe impl Table for FirstTrainerTable {
    const WHAT: &'static str = "trainer";
    const ENTRIES: &'static [Entry] =
        &[Entry::needed("step"), Entry::needed("weight_gradients"), Entry::needed("weights"), Entry::needed("destroy")];
}

/// The table of today with what the first form lacks filled in.
///
/// # Safety
/// As [`table::read`].
pub(super) unsafe fn read_trainers(first: *const FirstTrainerTable) -> Result<AscanTrainerTable, String> {
    // SAFETY: as required of the caller.
    let FirstTrainerTable { step, weight_gradients, weights, destroy, .. } = unsafe { table::read(first) }?;
    let size = size_of::<AscanTrainerTable>();
    Ok(AscanTrainerTable { size, step, weight_gradients, weights, state: no_state, restore: no_restore, destroy })
}

fn no_checkpoints() -> Error {
    Error::unsupported(
        "this trainer cannot be stopped and gone on with: its plugin is built against the first plugin ABI",
        "build the plugin against a newer ascan-core (or its ascan.h)",
    )
}

unsafe extern "C" fn no_state(_trainer: *mut c_void, reply: *mut AscanReply) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe { answer(reply, || Err::<Reply, _>(no_checkpoints())) }
}

unsafe extern "C" fn no_restore(
    _trainer: *mut c_void,
    _tensors: *const AscanNamedTensor,
    _n_tensors: usize,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe { answer(reply, || Err::<Reply, _>(no_checkpoints())) }
}
