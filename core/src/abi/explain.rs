//! What a backend offers to explanations beside forward passes and gradients, across the boundary: both halves of
//! [`ModelBackend::pullback`], [`ModelBackend::forward_from`] and [`ModelBackend::relevance`].
//!
//! These entries of the table are younger than it: a backend of an older minor version, or one that leaves them NULL,
//! is one that does not have them.

use super::foreign_backend::ForeignBackend;
use super::library::state_ref;
use super::reply::{CONTRACT, Reply, answer, argument, ask, to_json};
use super::tensor::{AscanTensor, is_readable, slice};
use super::types::{AscanReply, AscanStr};
use crate::backend::{Cotangent, check_forward};
use crate::{Error, ModelBackend, RelevanceRule, Result, Tensor, TensorView};
use serde::{Deserialize, Serialize};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Given a feature map, writes the gradient of a function of it, of the same shape, to `cotangent`. Returns 0, or
/// another number to end the call that asked for it.
pub type AscanCotangent =
    unsafe extern "C" fn(state: *mut c_void, feature_map: AscanTensor, cotangent: *mut f32) -> i32;

/// [`RelevanceRule`] without its tensors.
#[derive(Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
enum Rule {
    DeepLift,
    LrpEpsilon { epsilon: f32 },
    LrpGammaComposite { gamma: f32, epsilon: f32 },
}

pub(super) unsafe extern "C" fn pullback(
    backend: *mut c_void,
    images: AscanTensor,
    layer: AscanStr,
    cotangent: AscanCotangent,
    state: *mut c_void,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let mut ask_back = |feature_map: TensorView| {
                let mut gradient = Tensor::zeros(feature_map.shape());
                match cotangent(state, AscanTensor::new(feature_map), gradient.data_mut().as_mut_ptr()) {
                    0 => Ok(gradient),
                    // The caller keeps the reason.
                    _ => Err(Error::Cancelled),
                }
            };
            let backend = state_ref::<dyn ModelBackend>(backend);
            let gradient = backend.pullback(images.view()?, &layer.lossy(), &mut ask_back)?;
            Ok(Reply::tensors([("gradient", gradient)]))
        })
    }
}

pub(super) unsafe extern "C" fn forward_from(
    backend: *mut c_void,
    images: AscanTensor,
    layer: AscanStr,
    feature_maps: AscanTensor,
    image_of: *const usize,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let feature_maps = feature_maps.view()?;
            let image_of = slice(image_of, feature_maps.n_rows());
            let backend = state_ref::<dyn ModelBackend>(backend);
            let logits = backend.forward_from(images.view()?, &layer.lossy(), feature_maps, image_of)?;
            Ok(Reply::tensors([("logits", logits)]))
        })
    }
}

pub(super) unsafe extern "C" fn relevance(
    backend: *mut c_void,
    images: AscanTensor,
    target_classes: *const usize,
    rule: AscanStr,
    baselines: AscanTensor,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let images = images.view()?;
            let rule = match argument::<Rule>(rule)? {
                Rule::DeepLift if baselines.is_none() => {
                    return Err(Error::shape("baselines", "one an image", "none"));
                }
                Rule::DeepLift => RelevanceRule::DeepLift { baselines: baselines.view()? },
                Rule::LrpEpsilon { epsilon } => RelevanceRule::LrpEpsilon { epsilon },
                Rule::LrpGammaComposite { gamma, epsilon } => RelevanceRule::LrpGammaComposite { gamma, epsilon },
            };
            let classes = slice(target_classes, images.n_rows());
            let relevance = state_ref::<dyn ModelBackend>(backend).relevance(images, classes, &rule)?;
            Ok(Reply::tensors([("relevance", relevance)]))
        })
    }
}

/// The Rust function behind an [`AscanCotangent`], the shape that it takes, and what it could not hand through.
struct Asked<'a, 'b> {
    plugin: &'a str,
    cotangent: &'a mut Cotangent<'b>,
    shape: Vec<usize>,
    n_calls: usize,
    error: Option<Error>,
}

impl Asked<'_, '_> {
    /// # Safety
    /// Both arguments are valid for the shape, or NULL.
    unsafe fn fill(&mut self, feature_map: AscanTensor, cotangent: *mut f32) -> Result<()> {
        self.n_calls += 1;
        // SAFETY: as required of the caller.
        let shape = unsafe { feature_map.shape() };
        if shape != Ok(&self.shape) || !is_readable(cotangent) {
            let got = shape.map_or_else(|why| format!("that {why}"), |shape| format!("{shape:?}"));
            let message = format!("asked for the cotangent of a feature map {got} instead of {:?}", self.shape);
            return Err(Error::plugin(self.plugin, message, CONTRACT));
        }
        // SAFETY: as required of the caller; of this shape it has as many values as `cotangent` has room for.
        let feature_map = unsafe { feature_map.view() }?;
        let gradient = (self.cotangent)(feature_map)?;
        if gradient.shape() != feature_map.shape() {
            return Err(Error::shape("cotangent", format!("{:?}", feature_map.shape()), gradient.shape()));
        }
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(cotangent, gradient.data().len()) }.copy_from_slice(gradient.data());
        Ok(())
    }
}

unsafe extern "C" fn ask_cotangent(state: *mut c_void, feature_map: AscanTensor, cotangent: *mut f32) -> i32 {
    // SAFETY: `ask_pullback` below lends an `Asked` for its call.
    let asked = unsafe { &mut *state.cast::<Asked>() };
    // SAFETY: the backend keeps the contract: the tensor is valid, and there is room for as many values.
    let filled = catch_unwind(AssertUnwindSafe(|| unsafe { asked.fill(feature_map, cotangent) }));
    let crashed = || Err(Error::plugin("", "crashed in a cotangent", "this is a mistake in the caller"));
    match filled.unwrap_or_else(|_| crashed()) {
        Ok(()) => 0,
        Err(error) => {
            asked.error = Some(error);
            1
        }
    }
}

impl ForeignBackend {
    fn without<T>(&self, what: &str) -> Result<T> {
        let hint = "use `model.backend = \"burn\"` or `\"auto\"`, or a newer version of the backend plugin";
        Err(Error::unsupported(format!("{} has no {what}", self.info().engine), hint))
    }

    pub(super) fn ask_pullback(&self, images: TensorView, layer: &str, cotangent: &mut Cotangent) -> Result<Tensor> {
        let Some(function) = self.table().pullback else { return self.without("pullback") };
        let n = check_forward(self.info(), images, &[])?;
        let shape = [&[n], &self.info().layer(layer)?.shape[..]].concat();
        let mut asked = Asked { plugin: self.plugin(), cotangent, shape, n_calls: 0, error: None };
        let lent = (&raw mut asked).cast();
        // SAFETY: the arguments are valid for the call.
        let made = unsafe {
            ask(self.plugin(), |reply| {
                let (images, layer) = (AscanTensor::new(images), AscanStr::new(layer));
                function(self.ptr(), images, layer, ask_cotangent, lent, reply)
            })
        };
        match (asked.error, made) {
            (Some(error), _) => Err(error),
            (None, made) => {
                let mut sent = made?;
                sent.require(asked.n_calls == 1, || format!("asked for {} cotangents, not for one", asked.n_calls))?;
                sent.take("gradient", images.shape())
            }
        }
    }

    pub(super) fn ask_forward_from(
        &self,
        images: TensorView,
        layer: &str,
        feature_maps: TensorView,
        image_of: &[usize],
    ) -> Result<Tensor> {
        let Some(function) = self.table().forward_from else { return self.without("part to run on its own") };
        if image_of.len() != feature_maps.n_rows() {
            return Err(Error::shape("image_of", format!("[{}]", feature_maps.n_rows()), [image_of.len()]));
        }
        // SAFETY: the arguments are valid for the call, with an image for each map.
        let mut made = unsafe {
            ask(self.plugin(), |reply| {
                let (images, maps) = (AscanTensor::new(images), AscanTensor::new(feature_maps));
                function(self.ptr(), images, AscanStr::new(layer), maps, image_of.as_ptr(), reply)
            })
        }?;
        made.take("logits", &[image_of.len(), self.info().n_classes])
    }

    pub(super) fn ask_relevance(
        &self,
        images: TensorView,
        target_classes: &[usize],
        rule: &RelevanceRule,
    ) -> Result<Tensor> {
        let Some(function) = self.table().relevance else { return self.without("rules of relevance") };
        if target_classes.len() != images.n_rows() {
            return Err(Error::shape("target classes", format!("[{}]", images.n_rows()), [target_classes.len()]));
        }
        let (rule, baselines) = match *rule {
            RelevanceRule::DeepLift { baselines } => (Rule::DeepLift, Some(baselines)),
            RelevanceRule::LrpEpsilon { epsilon } => (Rule::LrpEpsilon { epsilon }, None),
            RelevanceRule::LrpGammaComposite { gamma, epsilon } => (Rule::LrpGammaComposite { gamma, epsilon }, None),
        };
        let rule = to_json(&rule)?;
        // SAFETY: the arguments are valid for the call, with one class an image.
        let mut made = unsafe {
            ask(self.plugin(), |reply| {
                let (images, baselines) = (AscanTensor::new(images), AscanTensor::optional(baselines));
                let classes = target_classes.as_ptr();
                function(self.ptr(), images, classes, AscanStr::new(&rule), baselines, reply)
            })
        }?;
        made.take("relevance", images.shape())
    }
}
