//! [`Runtime`] and [`ModelBackend`] across the boundary.

use super::explain::{self, AscanCotangent};
use super::library::{free_state, into_state, state_ref};
use super::load::State;
use super::reply::{Reply, answer, argument, ask};
use super::trainer::{AscanTrainerTable, ForeignTrainer};
use super::types::{AscanReply, AscanStr, AscanTensor, slice};
use crate::backend::Cotangent;
use crate::{
    Capabilities, Error, Forward, Gradients, LinearHead, ModelBackend, ModelInfo, OpenModel, RelevanceRule, Result,
    Runtime, Tensor, TensorView, Trainer, TrainerOptions,
};
use std::cell::RefCell;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Functions of an engine.
#[repr(C)]
#[derive(Debug)]
pub struct AscanRuntimeTable {
    /// `sizeof(AscanRuntimeTable)` on the library's side.
    pub size: usize,
    /// Reply JSON: `{"gradients": bool, "training": bool}`.
    pub capabilities: unsafe extern "C" fn(runtime: *mut c_void, reply: *mut AscanReply) -> i32,
    /// 0 if the engine can run here.
    pub available: unsafe extern "C" fn(runtime: *mut c_void, reply: *mut AscanReply) -> i32,
    /// Opens a model. Request: `{"path", "device", "n_threads", "image_size": [h, w] or null}`.
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
/// Entries from `pullback` on are of minor version 1: a table that ends before them, or has NULL there, does without.
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
}

impl AscanBackendTable {
    /// Bytes that every version has.
    pub(super) const FIRST_SIZE: usize = std::mem::offset_of!(Self, pullback);

    /// The table with the entries that its maker did not know of left empty.
    ///
    /// # Safety
    /// `table` begins with its size in bytes, which is at least [`Self::FIRST_SIZE`].
    unsafe fn read(table: *const Self) -> Self {
        let mut read = Self { pullback: None, forward_from: None, relevance: None, ..BACKEND };
        // SAFETY: as required of the caller; no more is read than both tables have.
        unsafe {
            let size = (&raw const (*table).size).read().min(size_of::<Self>());
            std::ptr::copy_nonoverlapping(table.cast::<u8>(), (&raw mut read).cast::<u8>(), size);
        }
        read
    }
}

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

static BACKEND: AscanBackendTable = AscanBackendTable {
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

/// # Safety
/// `names` points to `n` valid texts.
unsafe fn texts(names: *const AscanStr, n: usize) -> Vec<String> {
    // SAFETY: as required of the caller.
    unsafe { slice(names, n).iter().map(|name| name.get().into_owned()).collect() }
}

/// Lends a backend to an attributor: its own table if it came through the boundary, else one over the Rust object.
pub(super) fn lend_backend<R>(backend: &dyn ModelBackend, call: impl FnOnce(*const AscanBackend) -> R) -> R {
    if let Some(foreign) = backend.as_foreign() {
        return call(&raw const foreign);
    }
    // The functions expect a pointer to the fat pointer; nobody calls `destroy` on a lent backend.
    let mut object: *const dyn ModelBackend = backend;
    let lent = AscanBackend { state: (&raw mut object).cast(), table: &raw const BACKEND, id: 0 };
    call(&raw const lent)
}

/// An engine of a library.
pub(super) struct ForeignRuntime(pub(super) State<AscanRuntimeTable>);

impl Runtime for ForeignRuntime {
    fn capabilities(&self) -> Capabilities {
        // SAFETY: the arguments are valid for the call.
        let asked = unsafe { ask(self.0.name(), |reply| (self.0.table().capabilities)(self.0.ptr(), reply)) };
        asked.and_then(|asked| asked.parse()).unwrap_or_default()
    }

    fn available(&self) -> Result<()> {
        // SAFETY: the arguments are valid for the call.
        unsafe { ask(self.0.name(), |reply| (self.0.table().available)(self.0.ptr(), reply)) }.map(drop)
    }

    fn open(&self, request: &OpenModel) -> Result<Box<dyn ModelBackend>> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let (state, functions) = (&self.0, self.0.table());
        let request = Reply::json(request)?.json;
        let mut backend = std::ptr::null_mut();
        // SAFETY: the arguments are valid for the call.
        unsafe {
            ask(state.name(), |reply| (functions.open)(state.ptr(), AscanStr::new(&request), &raw mut backend, reply))
        }?;
        // SAFETY: a library's tables live as long as the process.
        let destroy = unsafe { (&raw const (*functions.backend).destroy).read() };
        let owner = state.made(backend, destroy)?;
        let raw =
            AscanBackend { state: backend, table: functions.backend, id: NEXT_ID.fetch_add(1, Ordering::Relaxed) };
        // SAFETY: the model was just opened.
        Ok(Box::new(unsafe { ForeignBackend::new(state.name(), raw, Some(owner)) }?))
    }
}

/// An opened model of a library, owned by the host or lent to an attributor.
pub(super) struct ForeignBackend {
    name: Arc<str>,
    raw: AscanBackend,
    table: AscanBackendTable,
    info: Arc<ModelInfo>,
    _owner: Option<State<AscanRuntimeTable>>,
    // Called from one thread at a time: not `Sync`.
    _one_thread: PhantomData<*mut ()>,
}

// SAFETY: the boundary allows a model to move between threads.
unsafe impl Send for ForeignBackend {}

impl ForeignBackend {
    /// # Safety
    /// `raw` is valid as long as the result lives.
    unsafe fn new(name: &str, raw: AscanBackend, owner: Option<State<AscanRuntimeTable>>) -> Result<Self> {
        // SAFETY: as required of the caller.
        let (info, table) = unsafe { (read_info(name, &raw)?, AscanBackendTable::read(raw.table)) };
        Ok(Self { name: name.into(), raw, table, info, _owner: owner, _one_thread: PhantomData })
    }

    /// A backend that the host lends for one call.
    ///
    /// # Safety
    /// `raw` is valid for the length of the call.
    pub(super) unsafe fn borrowed(raw: AscanBackend) -> Result<Self> {
        thread_local! {
            // A worker explains one model all the time: its info (a class-by-channel matrix) is read once.
            static LAST: RefCell<Option<(u64, Arc<ModelInfo>)>> = const { RefCell::new(None) };
        }
        let kept = LAST.with_borrow(|last| last.as_ref().filter(|(id, _)| *id == raw.id && raw.id != 0).cloned());
        let info = match kept {
            Some((_, info)) => info,
            // SAFETY: as required of the caller.
            None => unsafe { read_info("backend", &raw) }?,
        };
        LAST.set(Some((raw.id, Arc::clone(&info))));
        // SAFETY: as required of the caller.
        let table = unsafe { AscanBackendTable::read(raw.table) };
        Ok(Self { name: "backend".into(), raw, table, info, _owner: None, _one_thread: PhantomData })
    }

    pub(super) fn table(&self) -> &AscanBackendTable {
        &self.table
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn state(&self) -> *mut c_void {
        self.raw.state
    }
}

/// # Safety
/// `raw` is valid.
unsafe fn read_info(name: &str, raw: &AscanBackend) -> Result<Arc<ModelInfo>> {
    #[derive(serde::Deserialize)]
    struct HeadLayer {
        head_layer: Option<String>,
    }
    // SAFETY: as required of the caller.
    let mut asked = unsafe { ask(name, |reply| ((&raw const (*raw.table).info).read())(raw.state, reply)) }?;
    let mut info: ModelInfo = asked.parse()?;
    if let Some(layer) = asked.parse::<HeadLayer>()?.head_layer {
        info.linear_head = Some(LinearHead { layer, weight: asked.take("head")? });
    }
    Ok(Arc::new(info))
}

impl ModelBackend for ForeignBackend {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, images: TensorView, layers: &[&str]) -> Result<Forward> {
        let names: Vec<AscanStr> = layers.iter().map(|name| AscanStr::new(name)).collect();
        // SAFETY: the arguments are valid for the call.
        let mut asked = unsafe {
            ask(&self.name, |reply| {
                let images = AscanTensor::new(images);
                (self.table().forward)(self.raw.state, images, names.as_ptr(), names.len(), reply)
            })
        }?;
        let logits = asked.take("logits")?;
        let maps = layers.iter().map(|&name| Ok((name.to_owned(), asked.take(name)?)));
        Ok(Forward { feature_maps: maps.collect::<Result<_>>()?, logits })
    }

    fn gradients(&self, images: TensorView, target_classes: &[usize], with_respect_to: &[&str]) -> Result<Gradients> {
        crate::backend::check_gradients(&self.info, images, target_classes, with_respect_to)?;
        let names: Vec<AscanStr> = with_respect_to.iter().map(|name| AscanStr::new(name)).collect();
        // SAFETY: the arguments are valid for the call, with one class an image.
        let mut asked = unsafe {
            ask(&self.name, |reply| {
                let (images, classes) = (AscanTensor::new(images), target_classes.as_ptr());
                (self.table().gradients)(self.raw.state, images, classes, names.as_ptr(), names.len(), reply)
            })
        }?;
        let mut take = |what: &str| -> Result<Vec<Tensor>> {
            with_respect_to.iter().map(|name| asked.take(&format!("{what}:{name}"))).collect()
        };
        Ok(Gradients { gradients: take("gradient")?, values: take("value")?, logits: asked.take("logits")? })
    }

    fn pullback(&self, images: TensorView, layer: &str, cotangent: &mut Cotangent) -> Result<Tensor> {
        self.ask_pullback(images, layer, cotangent)
    }

    fn forward_from(
        &self,
        images: TensorView,
        layer: &str,
        feature_maps: TensorView,
        image_of: &[usize],
    ) -> Result<Tensor> {
        self.ask_forward_from(images, layer, feature_maps, image_of)
    }

    fn relevance(&self, images: TensorView, target_classes: &[usize], rule: &RelevanceRule) -> Result<Tensor> {
        self.ask_relevance(images, target_classes, rule)
    }

    fn trainer(&self, options: &TrainerOptions) -> Result<Box<dyn Trainer>> {
        let options = Reply::json(options)?.json;
        let mut trainer = std::ptr::null_mut();
        // SAFETY: the arguments are valid for the call.
        unsafe {
            ask(&self.name, |reply| {
                (self.table().trainer)(self.raw.state, AscanStr::new(&options), &raw mut trainer, reply)
            })
        }?;
        // SAFETY: a library's tables live as long as the process.
        let Some(functions) = (unsafe { self.table.trainers.as_ref() }) else {
            return Err(Error::plugin(&*self.name, "made a trainer without functions", "tell its author"));
        };
        // SAFETY: as above; the trainer was just made by this library.
        Ok(Box::new(ForeignTrainer(unsafe { State::new(&self.name, trainer, functions, functions.destroy) }?)))
    }

    fn as_foreign(&self) -> Option<AscanBackend> {
        Some(self.raw)
    }
}
