//! [`Attributor`] across the boundary. It meets the backend as the backend's own table.

use super::backend::{AscanBackend, ForeignBackend, lend_backend};
use super::host::{ForeignReporter, lend};
use super::library::state_ref;
use super::load::State;
use super::reply::{Reply, answer, ask};
use super::types::{AscanHost, AscanNamedTensor, AscanReply, AscanStr, AscanTensor, slice};
use crate::{
    Attribution, AttributionBatch, Attributor, Context, Forward, ModelBackend, ModelInfo, Requirements, Result, Tensor,
};
use std::ffi::c_void;

/// A batch to explain; see [`AttributionBatch`].
#[repr(C)]
#[derive(Debug)]
pub struct AscanAttributionBatch {
    /// `sizeof(AscanAttributionBatch)` on the host's side.
    pub size: usize,
    /// `[n, c, h, w]`
    pub images: AscanTensor,
    /// `[n]`
    pub target_classes: *const usize,
    /// `[n, n_classes]`
    pub logits: AscanTensor,
    /// The feature maps that `requirements` asked for.
    pub feature_maps: *const AscanNamedTensor,
    /// Number of feature maps.
    pub n_feature_maps: usize,
    /// Gradients of the target logits that are there already, by the name of the tensor (minor version 1).
    pub gradients: *const AscanNamedTensor,
    /// Number of gradients.
    pub n_gradients: usize,
}

/// Functions of an attributor.
#[repr(C)]
#[derive(Debug)]
pub struct AscanAttributorTable {
    /// `sizeof(AscanAttributorTable)` on the library's side.
    pub size: usize,
    /// `info` is the backend's info JSON, `head` the weight of its linear head (its shape is NULL where there is none).
    /// Reply JSON: `{"layers": [..], "gradients": bool, "gradients_of": [..], "map_size": [h, w], "method": ""}`;
    /// `gradients_of` may be left out.
    pub requirements: unsafe extern "C" fn(
        attributor: *mut c_void,
        info: AscanStr,
        head_layer: AscanStr,
        head: AscanTensor,
        reply: *mut AscanReply,
    ) -> i32,
    /// Reply tensors `maps` `[n, h, w]` and, where the method promises a sum, `convergence_delta` `[n]`.
    pub attribute: unsafe extern "C" fn(
        attributor: *mut c_void,
        backend: *const AscanBackend,
        batch: *const AscanAttributionBatch,
        host: *const AscanHost,
        reply: *mut AscanReply,
    ) -> i32,
}

pub(super) static EXPORT: AscanAttributorTable =
    AscanAttributorTable { size: size_of::<AscanAttributorTable>(), requirements, attribute };

unsafe extern "C" fn requirements(
    attributor: *mut c_void,
    info: AscanStr,
    head_layer: AscanStr,
    head: AscanTensor,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let mut info: ModelInfo = super::reply::argument(info)?;
            if !head.is_none() {
                let layer = head_layer.get().into_owned();
                info.linear_head = Some(crate::LinearHead { layer, weight: head.to_tensor()? });
            }
            Reply::json(&state_ref::<dyn Attributor>(attributor).requirements(&info)?)
        })
    }
}

unsafe extern "C" fn attribute(
    attributor: *mut c_void,
    backend: *const AscanBackend,
    raw: *const AscanAttributionBatch,
    host: *const AscanHost,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let raw = &*raw;
            let images = raw.images.view()?;
            let feature_maps = named(raw.feature_maps, raw.n_feature_maps)?;
            let gradients = named(raw.gradients, raw.n_gradients)?;
            let forward = Forward { logits: raw.logits.to_tensor()?, feature_maps };
            let target_classes = slice(raw.target_classes, images.n_rows());
            let batch = AttributionBatch { images, target_classes, forward: &forward, gradients: &gradients };
            let reporter = ForeignReporter::new(host);
            let backend = ForeignBackend::borrowed(*backend)?;
            let made = state_ref::<dyn Attributor>(attributor).attribute(&backend, &batch, &reporter.context())?;
            let reply = Reply::tensors([("maps", made.maps)]);
            Ok(match made.convergence_delta {
                Some(delta) => reply.with("convergence_delta", Tensor::new([delta.len()], delta)?),
                None => reply,
            })
        })
    }
}

/// # Safety
/// `tensors` points to `n` valid tensors.
unsafe fn named(tensors: *const AscanNamedTensor, n: usize) -> Result<Vec<(String, Tensor)>> {
    // SAFETY: as required of the caller.
    let copy = |one: &AscanNamedTensor| unsafe { Ok((one.name.get().into_owned(), one.tensor.to_tensor()?)) };
    // SAFETY: as required of the caller.
    unsafe { slice(tensors, n) }.iter().map(copy).collect()
}

/// These tensors, lent.
fn lent(tensors: &[(String, Tensor)]) -> Vec<AscanNamedTensor> {
    let one = |(name, tensor): &(String, Tensor)| AscanNamedTensor {
        name: AscanStr::new(name),
        tensor: AscanTensor::new(tensor.view()),
    };
    tensors.iter().map(one).collect()
}

/// An attributor of a library.
pub(super) struct ForeignAttributor(pub(super) State<AscanAttributorTable>);

impl Attributor for ForeignAttributor {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        let state = &self.0;
        let json = Reply::json(info)?.json;
        let (layer, head) = match &info.linear_head {
            Some(head) => (AscanStr::new(&head.layer), AscanTensor::new(head.weight.view())),
            None => (AscanStr::EMPTY, AscanTensor::NONE),
        };
        // SAFETY: the arguments are valid for the call.
        let asked = unsafe {
            ask(state.name(), |reply| {
                (state.table().requirements)(state.ptr(), AscanStr::new(&json), layer, head, reply)
            })
        }?;
        asked.parse()
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let state = &self.0;
        let n = batch.images.n_rows();
        if batch.target_classes.len() != n {
            return Err(crate::Error::shape("target classes", format!("[{n}]"), [batch.target_classes.len()]));
        }
        let (maps, gradients) = (lent(&batch.forward.feature_maps), lent(batch.gradients));
        let raw = AscanAttributionBatch {
            size: size_of::<AscanAttributionBatch>(),
            images: AscanTensor::new(batch.images),
            target_classes: batch.target_classes.as_ptr(),
            logits: AscanTensor::new(batch.forward.logits.view()),
            feature_maps: maps.as_ptr(),
            n_feature_maps: maps.len(),
            gradients: gradients.as_ptr(),
            n_gradients: gradients.len(),
        };
        let mut asked = lend(context, |host| {
            lend_backend(backend, |backend| {
                // SAFETY: the arguments are valid for the call.
                unsafe {
                    ask(state.name(), |reply| {
                        (state.table().attribute)(state.ptr(), backend, &raw const raw, host, reply)
                    })
                }
            })
        })?;
        let convergence_delta = asked.take_optional("convergence_delta").map(Tensor::into_data);
        Ok(Attribution { maps: asked.take("maps")?, convergence_delta })
    }
}
