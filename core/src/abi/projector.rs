//! [`Projector`] and [`Projection`] across the boundary.

use super::context::ForeignReporter;
use super::library::{free_state, into_state, state_ref};
use super::reply::{Reply, answer};
use super::state::ManyThreads;
use super::table::{Entry, Table};
use super::tensor::AscanTensor;
use super::types::{AscanHost, AscanReply};
use crate::{Projection, Projector};
use serde_json::json;
use std::ffi::c_void;

/// Functions of a projector.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AscanProjectorTable {
    /// `sizeof(AscanProjectorTable)` on the library's side.
    pub size: usize,
    /// Fits to embeddings `[n, d]`, and makes a projection. Reply JSON: `{"n_dims": k}`.
    pub fit: unsafe extern "C" fn(
        projector: *mut c_void,
        embeddings: AscanTensor,
        host: *const AscanHost,
        projection: *mut *mut c_void,
        reply: *mut AscanReply,
    ) -> i32,
    /// Reply tensor `embeddings` `[n, n_dims]`.
    pub project: unsafe extern "C" fn(
        projection: *mut c_void,
        embeddings: AscanTensor,
        host: *const AscanHost,
        reply: *mut AscanReply,
    ) -> i32,
    /// Frees a projection.
    pub destroy_projection: unsafe extern "C" fn(projection: *mut c_void),
}

pub(super) static EXPORT: AscanProjectorTable =
    AscanProjectorTable { size: size_of::<AscanProjectorTable>(), fit, project, destroy_projection };

unsafe extern "C" fn fit(
    projector: *mut c_void,
    embeddings: AscanTensor,
    host: *const AscanHost,
    projection: *mut *mut c_void,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let reporter = ForeignReporter::new(host);
            let fitted = state_ref::<dyn Projector>(projector).fit(embeddings.view()?, &reporter.context())?;
            let facts = Reply::json(&json!({ "n_dims": fitted.n_dims() }))?;
            projection.write(into_state(fitted));
            Ok(facts)
        })
    }
}

unsafe extern "C" fn project(
    projection: *mut c_void,
    embeddings: AscanTensor,
    host: *const AscanHost,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let reporter = ForeignReporter::new(host);
            let projection = state_ref::<dyn Projection>(projection);
            let projected = projection.project(embeddings.view()?, &reporter.context())?;
            Ok(Reply::tensors([("embeddings", projected)]))
        })
    }
}

unsafe extern "C" fn destroy_projection(projection: *mut c_void) {
    // SAFETY: the projection came from `fit`.
    let _ = std::panic::catch_unwind(|| unsafe { free_state::<dyn Projection>(projection) });
}

// SAFETY: a size, then a function for each entry.
unsafe impl Table for AscanProjectorTable {
    const WHAT: &'static str = "projector";
    const ENTRIES: &'static [Entry] =
        &[Entry::needed("fit"), Entry::needed("project"), Entry::needed("destroy_projection")];
}

// SAFETY: a projector does not change, nor does what it fits.
unsafe impl ManyThreads for AscanProjectorTable {}
