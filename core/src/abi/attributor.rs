//! [`Attributor`] across the boundary. It meets the backend as a table, wherever that came from.

use super::backend::AscanBackend;
use super::context::ForeignReporter;
use super::foreign_backend::ForeignBackend;
use super::library::state_ref;
use super::reply::{Reply, answer, argument};
use super::state::ManyThreads;
use super::table::{Entry, Table};
use super::tensor::{AscanNamedTensor, AscanTensor, named, slice};
use super::types::{AscanHost, AscanReply, AscanStr};
use crate::{AttributionBatch, Attributor, Forward, LinearHead, ModelInfo, Tensor};
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
#[derive(Debug, Clone, Copy)]
pub struct AscanAttributorTable {
    /// `sizeof(AscanAttributorTable)` on the library's side.
    pub size: usize,
    /// `info` is the backend's info JSON, `head` the weight of its linear head (its shape is NULL where there is none).
    /// Reply JSON: `{"layers": [..], "gradients": bool, "gradients_of": [..], "relevance": bool, "map_size": [h, w],
    /// "method": ""}`; `gradients_of` and `relevance` may be left out.
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
            let mut info: ModelInfo = argument(info)?;
            if !head.is_none() {
                let layer = head_layer.lossy().into_owned();
                info.linear_head = Some(LinearHead { layer, weight: head.to_tensor()? });
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

// SAFETY: a size, then a function for each entry.
unsafe impl Table for AscanAttributorTable {
    const WHAT: &'static str = "attributor";
    const ENTRIES: &'static [Entry] = &[Entry::needed("requirements"), Entry::needed("attribute")];
}

// SAFETY: an attributor does not change.
unsafe impl ManyThreads for AscanAttributorTable {}
