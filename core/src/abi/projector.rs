//! [`Projector`] and [`Projection`] across the boundary.

use super::host::{ForeignReporter, lend};
use super::library::{free_state, into_state, state_ref};
use super::load::State;
use super::reply::{Reply, answer, ask};
use super::types::{AscanHost, AscanReply, AscanTensor};
use crate::{Context, Projection, Projector, Result, Tensor, TensorView};
use serde_json::json;
use std::ffi::c_void;

/// Functions of a projector.
#[repr(C)]
#[derive(Debug)]
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

/// A projector of a library.
pub(super) struct ForeignProjector(pub(super) State<AscanProjectorTable>);

struct ForeignProjection {
    state: State<AscanProjectorTable>,
    n_dims: usize,
}

impl Projector for ForeignProjector {
    fn fit(&self, embeddings: TensorView, context: &Context) -> Result<Box<dyn Projection>> {
        let (projector, functions) = (&self.0, self.0.table());
        let mut projection = std::ptr::null_mut();
        let asked = lend(context, |host| {
            let embeddings = AscanTensor::new(embeddings);
            // SAFETY: the arguments are valid for the call.
            unsafe {
                ask(projector.name(), |reply| {
                    (functions.fit)(projector.ptr(), embeddings, host, &raw mut projection, reply)
                })
            }
        })?;
        let state = projector.made(projection, functions.destroy_projection)?;
        #[derive(serde::Deserialize)]
        struct Facts {
            n_dims: usize,
        }
        Ok(Box::new(ForeignProjection { n_dims: asked.parse::<Facts>()?.n_dims, state }))
    }
}

impl Projection for ForeignProjection {
    fn n_dims(&self) -> usize {
        self.n_dims
    }

    fn project(&self, embeddings: TensorView, context: &Context) -> Result<Tensor> {
        let state = &self.state;
        let mut asked = lend(context, |host| {
            let embeddings = AscanTensor::new(embeddings);
            // SAFETY: the arguments are valid for the call.
            unsafe { ask(state.name(), |reply| (state.table().project)(state.ptr(), embeddings, host, reply)) }
        })?;
        asked.take("embeddings")
    }
}
