//! [`Slicer`] and [`SliceModel`] across the boundary.

use super::context::ForeignReporter;
use super::library::{free_state, into_state, state_ref};
use super::reply::{Reply, answer};
use super::state::ManyThreads;
use super::table::{Entry, Table};
use super::tensor::{AscanTensor, slice};
use super::types::{AscanHost, AscanReply};
use crate::{Result, SliceModel, SliceTable, Slicer};
use serde_json::json;
use std::ffi::c_void;

/// What a slicer sees; see [`SliceTable`].
#[repr(C)]
#[derive(Debug)]
pub struct AscanSliceTable {
    /// `sizeof(AscanSliceTable)` on the host's side.
    pub size: usize,
    /// `[n, d]`
    pub embeddings: AscanTensor,
    /// `[n]`, −1 where unknown.
    pub labels: *const i32,
    /// `[n]`
    pub predicted_classes: *const i32,
    /// `[n, n_classes]`
    pub probs: AscanTensor,
    /// `[n]`, NaN where the label is unknown.
    pub losses: *const f32,
    /// `[n, h, w]`; its shape is NULL where there are none.
    pub maps: AscanTensor,
}

/// Functions of a slicer.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AscanSlicerTable {
    /// `sizeof(AscanSlicerTable)` on the library's side.
    pub size: usize,
    /// Fits, and makes a model. Reply JSON: `{"n_slices": k}`.
    pub fit: unsafe extern "C" fn(
        slicer: *mut c_void,
        table: *const AscanSliceTable,
        host: *const AscanHost,
        model: *mut *mut c_void,
        reply: *mut AscanReply,
    ) -> i32,
    /// Reply tensor `membership` `[n, n_slices]`.
    pub membership: unsafe extern "C" fn(
        model: *mut c_void,
        table: *const AscanSliceTable,
        host: *const AscanHost,
        reply: *mut AscanReply,
    ) -> i32,
    /// Frees a model.
    pub destroy_model: unsafe extern "C" fn(model: *mut c_void),
}

/// # Safety
/// `raw` and all it points to is valid for `'a`; the columns have as many rows as the embeddings.
unsafe fn table<'a>(raw: *const AscanSliceTable) -> Result<SliceTable<'a>> {
    // SAFETY: as required of the caller.
    unsafe {
        let raw = &*raw;
        let embeddings = raw.embeddings.view()?;
        let n = embeddings.n_rows();
        Ok(SliceTable {
            embeddings,
            labels: slice(raw.labels, n),
            predicted_classes: slice(raw.predicted_classes, n),
            probs: raw.probs.view()?,
            losses: slice(raw.losses, n),
            maps: if raw.maps.is_none() { None } else { Some(raw.maps.view()?) },
        })
    }
}

pub(super) static EXPORT: AscanSlicerTable =
    AscanSlicerTable { size: size_of::<AscanSlicerTable>(), fit, membership, destroy_model };

unsafe extern "C" fn fit(
    slicer: *mut c_void,
    raw: *const AscanSliceTable,
    host: *const AscanHost,
    model: *mut *mut c_void,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let reporter = ForeignReporter::new(host);
            let fitted = state_ref::<dyn Slicer>(slicer).fit(&table(raw)?, &reporter.context())?;
            let facts = Reply::json(&json!({ "n_slices": fitted.n_slices() }))?;
            model.write(into_state(fitted));
            Ok(facts)
        })
    }
}

unsafe extern "C" fn membership(
    model: *mut c_void,
    raw: *const AscanSliceTable,
    host: *const AscanHost,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let reporter = ForeignReporter::new(host);
            let membership = state_ref::<dyn SliceModel>(model).membership(&table(raw)?, &reporter.context())?;
            Ok(Reply::tensors([("membership", membership)]))
        })
    }
}

unsafe extern "C" fn destroy_model(model: *mut c_void) {
    // SAFETY: the model came from `fit`.
    let _ = std::panic::catch_unwind(|| unsafe { free_state::<dyn SliceModel>(model) });
}

// SAFETY: a size, then a function for each entry.
unsafe impl Table for AscanSlicerTable {
    const WHAT: &'static str = "slicer";
    const ENTRIES: &'static [Entry] =
        &[Entry::needed("fit"), Entry::needed("membership"), Entry::needed("destroy_model")];
}

// SAFETY: a slicer does not change, nor does what it fits.
unsafe impl ManyThreads for AscanSlicerTable {}
