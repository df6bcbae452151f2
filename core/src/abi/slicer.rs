//! [`Slicer`] and [`SliceModel`] across the boundary.

use super::host::{ForeignReporter, lend};
use super::library::{free_state, into_state, state_ref};
use super::load::State;
use super::reply::{Reply, answer, ask};
use super::types::{AscanHost, AscanReply, AscanTensor, slice};
use crate::{Context, Error, Result, SliceModel, SliceTable, Slicer, Tensor};
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
#[derive(Debug)]
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

fn lend_table<R>(table: &SliceTable, call: impl FnOnce(*const AscanSliceTable) -> R) -> R {
    let raw = AscanSliceTable {
        size: size_of::<AscanSliceTable>(),
        embeddings: AscanTensor::new(table.embeddings),
        labels: table.labels.as_ptr(),
        predicted_classes: table.predicted_classes.as_ptr(),
        probs: AscanTensor::new(table.probs),
        losses: table.losses.as_ptr(),
        maps: AscanTensor::optional(table.maps),
    };
    call(&raw const raw)
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

/// A slicer of a library.
pub(super) struct ForeignSlicer(pub(super) State<AscanSlicerTable>);

struct ForeignModel {
    state: State<AscanSlicerTable>,
    n_slices: usize,
}

impl Slicer for ForeignSlicer {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        // The boundary passes bare pointers for columns: their lengths must be right before it.
        table.check()?;
        let (slicer, functions) = (&self.0, self.0.table());
        let mut model = std::ptr::null_mut();
        let asked = lend(context, |host| {
            lend_table(table, |raw| {
                // SAFETY: the arguments are valid for the call.
                unsafe { ask(slicer.name(), |reply| (functions.fit)(slicer.ptr(), raw, host, &raw mut model, reply)) }
            })
        })?;
        let state = slicer.made(model, functions.destroy_model)?;
        #[derive(serde::Deserialize)]
        struct Facts {
            n_slices: usize,
        }
        Ok(Box::new(ForeignModel { n_slices: asked.parse::<Facts>()?.n_slices, state }))
    }
}

impl SliceModel for ForeignModel {
    fn n_slices(&self) -> usize {
        self.n_slices
    }

    fn membership(&self, table: &SliceTable, context: &Context) -> Result<Tensor> {
        table.check()?;
        let state = &self.state;
        let mut asked = lend(context, |host| {
            lend_table(table, |raw| {
                // SAFETY: the arguments are valid for the call.
                unsafe { ask(state.name(), |reply| (state.table().membership)(state.ptr(), raw, host, reply)) }
            })
        })?;
        let membership = asked.take("membership")?;
        let expected = [table.n(), self.n_slices];
        if membership.shape() != expected {
            let message = format!("sent a membership of shape {:?} instead of {expected:?}", membership.shape());
            return Err(Error::plugin(state.name(), message, "this is a mistake in the plugin: tell its author"));
        }
        Ok(membership)
    }
}
