//! [`Runtime`] and [`ModelBackend`] across the boundary: the tables, and the export halves.

use super::explain::{self, AscanCotangent};
use super::library::{free_state, into_state, state_ref};
use super::reply::{Reply, answer, argument, texts};
use super::state::ManyThreads;
use super::table::{Entry, Table};
use super::tensor::{AscanTensor, slice};
use super::trainer::AscanTrainerTable;
use super::types::{AscanReply, AscanStr};
use crate::{ModelBackend, ModelInfo, OpenModel, Runtime, TrainerOptions};
use std::ffi::c_void;

/// Functions of an engine.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AscanRuntimeTable {
    /// `sizeof(AscanRuntimeTable)` on the library's side.
    pub size: usize,
    /// Reply JSON: `{"gradients": bool, "training": bool, "relevance": bool}`.
    pub capabilities: unsafe extern "C" fn(runtime: *mut c_void, reply: *mut AscanReply) -> i32,
    /// 0 if the engine can run here.
    pub available: unsafe extern "C" fn(runtime: *mut c_void, reply: *mut AscanReply) -> i32,
    /// Opens a model. Request: `{"path", "device", "n_threads", "image_size": [h, w] or null, "output": {"name", "kind"}}`;
    /// `output` names a graph output and what it means, each null where the graph is to tell.
    pub open: unsafe extern "C" fn(
        runtime: *mut c_void,
        request: AscanStr,
        backend: *mut *mut c_void,
        reply: *mut AscanReply,
    ) -> i32,
    /// Functions of the models it opens.
    pub backend: *const AscanBackendTable,
}

// SAFETY: a table is constant.
unsafe impl Sync for AscanRuntimeTable {}

/// Functions of an opened model.
///
/// Entries from `pullback` on are of minor version 1, `pass` is of 4: a table that ends before them, or has NULL there, does without.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AscanBackendTable {
    /// `sizeof(AscanBackendTable)` on the library's side.
    pub size: usize,
    /// Reply JSON: the model's info; reply tensor `head` `[n_classes, c]` and JSON key `head_layer` where the head is linear.
    pub info: unsafe extern "C" fn(backend: *mut c_void, reply: *mut AscanReply) -> i32,
    /// Images `[n, c, h, w]` and names of layers or attentions → tensor `logits` `[n, n_classes]`, then a tensor for each.
    pub forward: unsafe extern "C" fn(
        backend: *mut c_void,
        images: AscanTensor,
        layers: *const AscanStr,
        n_layers: usize,
        reply: *mut AscanReply,
    ) -> i32,
    /// One class an image, and names of tensors → `logits`, then `gradient:<name>` and `value:<name>` for each.
    pub gradients: unsafe extern "C" fn(
        backend: *mut c_void,
        images: AscanTensor,
        target_classes: *const usize,
        with_respect_to: *const AscanStr,
        n_names: usize,
        reply: *mut AscanReply,
    ) -> i32,
    /// Makes a trainer from options in JSON.
    pub trainer: unsafe extern "C" fn(
        backend: *mut c_void,
        options: AscanStr,
        trainer: *mut *mut c_void,
        reply: *mut AscanReply,
    ) -> i32,
    /// Functions of its trainers; NULL if there are none.
    pub trainers: *const AscanTrainerTable,
    /// Frees the model.
    pub destroy: unsafe extern "C" fn(backend: *mut c_void),
    /// Calls `cotangent(state, …)` once with the feature map of a layer → tensor `gradient`, shaped like the images.
    pub pullback: Option<
        unsafe extern "C" fn(
            backend: *mut c_void,
            images: AscanTensor,
            layer: AscanStr,
            cotangent: AscanCotangent,
            state: *mut c_void,
            reply: *mut AscanReply,
        ) -> i32,
    >,
    /// Feature maps `[m, c, h, w]` of a layer, and the image `[m]` of each → tensor `logits` `[m, n_classes]`.
    pub forward_from: Option<
        unsafe extern "C" fn(
            backend: *mut c_void,
            images: AscanTensor,
            layer: AscanStr,
            feature_maps: AscanTensor,
            image_of: *const usize,
            reply: *mut AscanReply,
        ) -> i32,
    >,
    /// One class an image, and a rule `{"rule": "deep_lift"}`, `{"rule": "lrp_epsilon", "epsilon"}` or
    /// `{"rule": "lrp_gamma_composite", "gamma", "epsilon"}` → tensor `relevance`, shaped like the images.
    /// `baselines`, shaped like the images, comes with `deep_lift`.
    pub relevance: Option<
        unsafe extern "C" fn(
            backend: *mut c_void,
            images: AscanTensor,
            target_classes: *const usize,
            rule: AscanStr,
            baselines: AscanTensor,
            reply: *mut AscanReply,
        ) -> i32,
    >,
    /// `forward` and `gradients` in one pass: names of layers, one class an image (`SIZE_MAX`: the one that this pass predicts,
    /// the first of equal logits), names of tensors, perhaps none → `logits`, a tensor for each layer, `gradient:<name>` for
    /// each tensor. NULL: the two are called one after the other.
    pub pass: Option<
        unsafe extern "C" fn(
            backend: *mut c_void,
            images: AscanTensor,
            layers: *const AscanStr,
            n_layers: usize,
            target_classes: *const usize,
            gradients_of: *const AscanStr,
            n_gradients: usize,
            reply: *mut AscanReply,
        ) -> i32,
    >,
}

// SAFETY: a size, then a function or pointer for each entry; those that may be NULL are pointers or `Option`s.
unsafe impl Table for AscanRuntimeTable {
    const WHAT: &'static str = "runtime";
    const ENTRIES: &'static [Entry] =
        &[Entry::needed("capabilities"), Entry::needed("available"), Entry::needed("open"), Entry::needed("backend")];
}

// SAFETY: as above.
unsafe impl Table for AscanBackendTable {
    const WHAT: &'static str = "backend";
    const ENTRIES: &'static [Entry] = &[
        Entry::needed("info"),
        Entry::needed("forward"),
        Entry::needed("gradients"),
        Entry::needed("trainer"),
        Entry::optional("trainers"),
        Entry::needed("destroy"),
        Entry::later("pullback"),
        Entry::later("forward_from"),
        Entry::later("relevance"),
        Entry::later("pass"),
    ];
}

// SAFETY: an engine does not change.
unsafe impl ManyThreads for AscanRuntimeTable {}

// SAFETY: a table is constant.
unsafe impl Sync for AscanBackendTable {}

/// An opened model, lent to an attributor.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AscanBackend {
    /// First argument of the functions.
    pub state: *mut c_void,
    /// Its functions.
    pub table: *const AscanBackendTable,
    /// The same for the same model in the same process, so that what `info` says can be kept; 0 if it cannot.
    pub id: u64,
}

pub(super) static EXPORT: AscanRuntimeTable = AscanRuntimeTable {
    size: size_of::<AscanRuntimeTable>(),
    capabilities,
    available,
    open,
    backend: &raw const BACKEND,
};

pub(super) static BACKEND: AscanBackendTable = AscanBackendTable {
    size: size_of::<AscanBackendTable>(),
    info,
    forward,
    gradients,
    trainer,
    trainers: &raw const super::trainer::EXPORT,
    destroy,
    pullback: Some(explain::pullback),
    forward_from: Some(explain::forward_from),
    relevance: Some(explain::relevance),
    pass: Some(explain::pass),
};

unsafe extern "C" fn capabilities(runtime: *mut c_void, reply: *mut AscanReply) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe { answer(reply, || Reply::json(&state_ref::<dyn Runtime>(runtime).capabilities())) }
}

unsafe extern "C" fn available(runtime: *mut c_void, reply: *mut AscanReply) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe { answer(reply, || state_ref::<dyn Runtime>(runtime).available().map(|()| Reply::default())) }
}

unsafe extern "C" fn open(
    runtime: *mut c_void,
    request: AscanStr,
    backend: *mut *mut c_void,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let opened = state_ref::<dyn Runtime>(runtime).open(&argument::<OpenModel>(request)?)?;
            backend.write(into_state(opened));
            Ok(Reply::default())
        })
    }
}

unsafe extern "C" fn info(backend: *mut c_void, reply: *mut AscanReply) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let info = state_ref::<dyn ModelBackend>(backend).info();
            let head_layer = info.linear_head.as_ref().map(|head| head.layer.as_str());
            let reply = Reply::json(&Info { info, head_layer })?;
            Ok(match &info.linear_head {
                Some(head) => reply.with("head", head.weight.clone()),
                None => reply,
            })
        })
    }
}

#[derive(serde::Serialize)]
struct Info<'a> {
    #[serde(flatten)]
    info: &'a ModelInfo,
    head_layer: Option<&'a str>,
}

unsafe extern "C" fn forward(
    backend: *mut c_void,
    images: AscanTensor,
    layers: *const AscanStr,
    n_layers: usize,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let names = texts(layers, n_layers);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let made = state_ref::<dyn ModelBackend>(backend).forward(images.view()?, &names)?;
            let mut reply = Reply::tensors([("logits", made.logits)]);
            reply.tensors.extend(made.feature_maps);
            Ok(reply)
        })
    }
}

unsafe extern "C" fn gradients(
    backend: *mut c_void,
    images: AscanTensor,
    target_classes: *const usize,
    with_respect_to: *const AscanStr,
    n_names: usize,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let names = texts(with_respect_to, n_names);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let images = images.view()?;
            let classes = slice(target_classes, images.n_rows());
            let made = state_ref::<dyn ModelBackend>(backend).gradients(images, classes, &names)?;
            let mut reply = Reply::tensors([("logits", made.logits)]);
            for ((name, gradient), value) in names.iter().zip(made.gradients).zip(made.values) {
                reply = reply.with(&format!("gradient:{name}"), gradient).with(&format!("value:{name}"), value);
            }
            Ok(reply)
        })
    }
}

unsafe extern "C" fn trainer(
    backend: *mut c_void,
    options: AscanStr,
    trainer: *mut *mut c_void,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let made = state_ref::<dyn ModelBackend>(backend).trainer(&argument::<TrainerOptions>(options)?)?;
            trainer.write(into_state(made));
            Ok(Reply::default())
        })
    }
}

unsafe extern "C" fn destroy(backend: *mut c_void) {
    // SAFETY: the backend came from `open`.
    let _ = std::panic::catch_unwind(|| unsafe { free_state::<dyn ModelBackend>(backend) });
}
