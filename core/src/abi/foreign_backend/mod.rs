//! The foreign half of a backend: [`ModelBackend`] over a table. It serves the host, and an attributor in a library,
//! which meets every backend so.

mod explain;

use crate::abi::backend::{AscanBackend, AscanBackendTable};
use crate::abi::reply::{ask, to_json};
use crate::abi::state::State;
use crate::abi::table;
use crate::abi::tensor::AscanTensor;
use crate::abi::trainer::{ForeignTrainer, read_trainers};
use crate::abi::types::AscanStr;
use crate::backend::{Cotangent, check_gradients, check_info};
use crate::{
    Error, Forward, Gradients, LinearHead, ModelBackend, ModelInfo, Pass, PassRequest, RelevanceRule, Result, Tensor,
    TensorView, Trainer, TrainerOptions,
};
use std::any::Any;
use std::cell::RefCell;
use std::ffi::c_void;
use std::sync::Arc;

/// An opened model behind a table, owned by the host or lent to an attributor. One thread at a time may call it.
pub struct ForeignBackend {
    state: State<AscanBackendTable>,
    #[cfg_attr(not(feature = "host"), allow(dead_code))] // only a host lends it on
    id: u64,
    info: Arc<ModelInfo>,
}

impl ForeignBackend {
    /// A model that was just opened; `id` is its own.
    #[cfg(feature = "host")]
    pub(in crate::abi) fn opened(state: State<AscanBackendTable>, id: u64) -> Result<Self> {
        let info = read_info(&state)?;
        Ok(Self { state, id, info })
    }

    /// A backend that the host lends for one call.
    ///
    /// # Safety
    /// `raw` is valid for the length of the call.
    pub(in crate::abi) unsafe fn borrowed(raw: AscanBackend) -> Result<Self> {
        thread_local! {
            // A worker explains one model all the time: its info (a class-by-channel matrix) is read once.
            static LAST: RefCell<Option<(u64, Arc<ModelInfo>)>> = const { RefCell::new(None) };
        }
        // SAFETY: as required of the caller.
        let table = unsafe { table::read(raw.table) }.map_err(|why| Error::plugin("backend", why, ""))?;
        // SAFETY: as required of the caller.
        let state = unsafe { State::lent("backend", raw.state, table) };
        let kept = LAST.with_borrow(|last| last.as_ref().filter(|(id, _)| *id == raw.id && raw.id != 0).cloned());
        let info = match kept {
            Some((_, info)) => info,
            None => read_info(&state)?,
        };
        LAST.set(Some((raw.id, Arc::clone(&info))));
        Ok(Self { state, id: raw.id, info })
    }

    /// These functions, to be lent on. They are a whole table, whatever the version of their library.
    #[cfg(feature = "host")]
    pub(in crate::abi) fn lend(&self) -> AscanBackend {
        AscanBackend { state: self.ptr(), table: self.table(), id: self.id }
    }

    pub(in crate::abi) fn table(&self) -> &AscanBackendTable {
        self.state.table()
    }

    pub(in crate::abi) fn plugin(&self) -> &str {
        self.state.plugin()
    }

    pub(in crate::abi) fn ptr(&self) -> *mut c_void {
        self.state.ptr()
    }
}

fn read_info(state: &State<AscanBackendTable>) -> Result<Arc<ModelInfo>> {
    #[derive(serde::Deserialize)]
    struct HeadLayer {
        head_layer: Option<String>,
    }
    // SAFETY: the arguments are valid for the call.
    let mut sent = unsafe { ask(state.plugin(), |reply| (state.table().info)(state.ptr(), reply)) }?;
    let mut info: ModelInfo = sent.json()?;
    check_info(&info).map_err(|why| sent.broken(format!("describes a model that cannot be: {why}")))?;
    if let Some(layer) = sent.json::<HeadLayer>()?.head_layer {
        let n_channels = info.layers.iter().find(|known| known.name == layer).map(|known| known.shape[0]);
        let n_channels = n_channels
            .ok_or_else(|| sent.broken(format!("has a head on the layer `{layer}`, which it does not list")))?;
        info.linear_head = Some(LinearHead { layer, weight: sent.take("head", &[info.n_classes, n_channels])? });
    }
    Ok(Arc::new(info))
}

/// Shape of `n` of a tensor of the model.
fn of_each(n: usize, shape: &[usize]) -> Vec<usize> {
    [&[n], shape].concat()
}

impl ModelBackend for ForeignBackend {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, images: TensorView, layers: &[&str]) -> Result<Forward> {
        let names: Vec<AscanStr> = layers.iter().map(|name| AscanStr::new(name)).collect();
        // SAFETY: the arguments are valid for the call.
        let mut sent = unsafe {
            ask(self.plugin(), |reply| {
                let images = AscanTensor::new(images);
                (self.table().forward)(self.ptr(), images, names.as_ptr(), names.len(), reply)
            })
        }?;
        let n = images.n_rows();
        let logits = sent.take("logits", &[n, self.info.n_classes])?;
        let maps = layers.iter().map(|&name| {
            let (_, shape) = self.info.tensor(name)?;
            Ok((name.to_owned(), sent.take(name, &of_each(n, &shape))?))
        });
        Ok(Forward { feature_maps: maps.collect::<Result<_>>()?, logits })
    }

    fn gradients(&self, images: TensorView, target_classes: &[usize], with_respect_to: &[&str]) -> Result<Gradients> {
        let n = check_gradients(&self.info, images, target_classes, with_respect_to)?;
        let names: Vec<AscanStr> = with_respect_to.iter().map(|name| AscanStr::new(name)).collect();
        // SAFETY: the arguments are valid for the call, with one class an image.
        let mut sent = unsafe {
            ask(self.plugin(), |reply| {
                let (images, classes) = (AscanTensor::new(images), target_classes.as_ptr());
                (self.table().gradients)(self.ptr(), images, classes, names.as_ptr(), names.len(), reply)
            })
        }?;
        let mut take = |what: &str| -> Result<Vec<Tensor>> {
            let one = |&name: &&str| match name == self.info.input {
                true => sent.take(&format!("{what}:{name}"), images.shape()),
                false => sent.take(&format!("{what}:{name}"), &of_each(n, &self.info.tensor(name)?.1)),
            };
            with_respect_to.iter().map(one).collect()
        };
        let (gradients, values) = (take("gradient")?, take("value")?);
        Ok(Gradients { gradients, values, logits: sent.take("logits", &[n, self.info.n_classes])? })
    }

    fn pass(&self, request: &PassRequest) -> Result<Pass> {
        self.ask_pass(request)
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
        let options = to_json(options)?;
        let mut trainer = std::ptr::null_mut();
        // SAFETY: the arguments are valid for the call.
        let sent = unsafe {
            ask(self.plugin(), |reply| {
                (self.table().trainer)(self.ptr(), AscanStr::new(&options), &raw mut trainer, reply)
            })
        }?;
        sent.require(!self.table().trainers.is_null(), || "made a trainer without functions".into())?;
        // SAFETY: a library's tables live as long as the process.
        let functions = unsafe { read_trainers(self.table().trainers) }.map_err(|why| sent.broken(why))?;
        // SAFETY: the trainer was just made by this library.
        let state = unsafe { State::made(self.plugin(), trainer, functions, functions.destroy) }?;
        Ok(Box::new(ForeignTrainer { state, n_classes: self.info.n_classes }))
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
