//! What a backend offers to explanations beside a call for each of forward pass and gradients, across the boundary: the export half of
//! [`ModelBackend::pullback`], [`ModelBackend::forward_from`], [`ModelBackend::relevance`] and [`ModelBackend::pass`].
//!
//! These entries of the table are younger than it: a backend of an older minor version, or one that leaves them NULL,
//! is one that does not have them.

use super::library::state_ref;
use super::reply::{Reply, answer, argument, texts};
use super::tensor::{AscanTensor, slice};
use super::types::{AscanReply, AscanStr};
use crate::{Error, ModelBackend, PassRequest, RelevanceRule, Tensor, TensorView};
use serde::{Deserialize, Serialize};
use std::ffi::c_void;

/// Given a feature map, writes the gradient of a function of it, of the same shape, to `cotangent`. Returns 0, or
/// another number to end the call that asked for it.
pub type AscanCotangent =
    unsafe extern "C" fn(state: *mut c_void, feature_map: AscanTensor, cotangent: *mut f32) -> i32;

/// In place of a class: the one that the pass predicts.
pub(super) const PREDICTED: usize = usize::MAX;

/// [`RelevanceRule`] without its tensors.
#[derive(Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub(super) enum Rule {
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
                    return Err(Error::shape("baselines", "one per image", "none"));
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

pub(super) unsafe extern "C" fn pass(
    backend: *mut c_void,
    images: AscanTensor,
    layers: *const AscanStr,
    n_layers: usize,
    target_classes: *const usize,
    gradients_of: *const AscanStr,
    n_gradients: usize,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let images = images.view()?;
            let (layers, names) = (texts(layers, n_layers), texts(gradients_of, n_gradients));
            let classes = slice(target_classes, images.n_rows()).iter();
            let classes: Vec<Option<usize>> = classes.map(|&class| (class != PREDICTED).then_some(class)).collect();
            let request = PassRequest {
                images,
                layers: &layers.iter().map(String::as_str).collect::<Vec<_>>(),
                target_classes: &classes,
                gradients_of: &names.iter().map(String::as_str).collect::<Vec<_>>(),
            };
            let made = state_ref::<dyn ModelBackend>(backend).pass(&request)?;
            let mut reply = Reply::tensors([("logits", made.forward.logits)]);
            reply.tensors.extend(made.forward.feature_maps);
            reply.tensors.extend(made.gradients.into_iter().map(|(name, made)| (format!("gradient:{name}"), made)));
            Ok(reply)
        })
    }
}
