//! Two tables that ABI 1.0 had in two forms: its first header knew neither checkpoints nor selections, its last put
//! them in the middle. Their sizes tell them apart. What the first form lacks is filled in, by these functions.

use super::reply::{Reply, answer};
use super::table::{self, Entry, Table};
use super::tensor::{AscanNamedTensor, is_readable};
use super::trainer::{AscanTrainerTable, AscanTrainingStep};
use super::types::AscanReply;
use crate::Error;
use std::ffi::c_void;

/// Whether the table behind a pointer says that it has as many bytes as `T`, the first form.
///
/// # Safety
/// `table` is NULL or points to a table.
pub(super) unsafe fn is_first<T>(table: *const c_void) -> bool {
    // SAFETY: as required of the caller.
    is_readable(table.cast::<usize>()) && unsafe { table.cast::<usize>().read() } == size_of::<T>()
}

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
