//! The foreign half of an attributor: [`Attributor`] over a table.

use super::context::lend;
use crate::abi::attributor::{AscanAttributionBatch, AscanAttributorTable};
use crate::abi::backend::{AscanBackend, BACKEND};
use crate::abi::foreign_backend::ForeignBackend;
use crate::abi::reply::{ask, to_json};
use crate::abi::state::State;
use crate::abi::tensor::{AscanTensor, lent};
use crate::abi::types::AscanStr;
use crate::{
    Attribution, AttributionBatch, Attributor, Context, Error, ModelBackend, ModelInfo, Requirements, Result, Tensor,
};

/// Longest side of a map; a number above is a mistake.
const MAX_SIDE: usize = 1 << 16;

/// An attributor of a library.
pub(super) struct ForeignAttributor(pub State<AscanAttributorTable>);

impl Attributor for ForeignAttributor {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        let state = &self.0;
        let json = to_json(info)?;
        let (layer, head) = match &info.linear_head {
            Some(head) => (AscanStr::new(&head.layer), AscanTensor::new(head.weight.view())),
            None => (AscanStr::EMPTY, AscanTensor::NONE),
        };
        // SAFETY: the arguments are valid for the call.
        let sent = unsafe {
            ask(state.plugin(), |reply| {
                (state.table().requirements)(state.ptr(), AscanStr::new(&json), layer, head, reply)
            })
        }?;
        let needs: Requirements = sent.json()?;
        let [h, w] = needs.map_size;
        let is_size = (1..=MAX_SIDE).contains(&h) && (1..=MAX_SIDE).contains(&w);
        sent.require(is_size, || format!("says that its maps are {h} × {w}"))?;
        let of_input = needs.gradients_of.iter().filter(|&name| *name != info.input);
        match needs.layers.iter().chain(of_input).find(|name| info.tensor(name).is_err()) {
            Some(name) => Err(sent.broken(format!("needs `{name}`, which the model does not have"))),
            None => Ok(needs),
        }
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
            return Err(Error::shape("target classes", format!("[{n}]"), [batch.target_classes.len()]));
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
        let mut sent = lend(context, |host| {
            lend_backend(backend, |backend| {
                // SAFETY: the arguments are valid for the call.
                unsafe {
                    ask(state.plugin(), |reply| {
                        (state.table().attribute)(state.ptr(), backend, &raw const raw, host, reply)
                    })
                }
            })
        })?;
        // The size of a map depends on the model, which this does not know. A value that is no number is the image's
        // own affair: whoever asked marks the image.
        let maps = sent.take_if("maps", |shape| match *shape {
            [rows, h, w] if rows == n && h <= MAX_SIDE && w <= MAX_SIDE => Ok(()),
            _ => Err(format!("[{n}, h, w]")),
        })?;
        let maps = maps.ok_or_else(|| sent.broken("did not send the tensor `maps`"))?;
        let convergence_delta = sent.take_optional("convergence_delta", &[n])?.map(Tensor::into_data);
        Ok(Attribution { maps, convergence_delta })
    }
}

/// Lends a backend to an attributor: its own functions if it came through the boundary, else those over the Rust object.
fn lend_backend<R>(backend: &dyn ModelBackend, call: impl FnOnce(*const AscanBackend) -> R) -> R {
    if let Some(foreign) = backend.as_any().and_then(|any| any.downcast_ref::<ForeignBackend>()) {
        return call(&foreign.lend());
    }
    // The functions expect a pointer to the fat pointer; nobody calls `destroy` on a lent backend.
    let mut object: *const dyn ModelBackend = backend;
    let lent = AscanBackend { state: (&raw mut object).cast(), table: &raw const BACKEND, id: 0 };
    call(&raw const lent)
}
