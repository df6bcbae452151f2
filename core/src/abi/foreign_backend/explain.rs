//! The foreign half of [`ModelBackend::pullback`], [`ModelBackend::forward_from`], [`ModelBackend::relevance`] and
//! [`ModelBackend::pass`].

use super::{ForeignBackend, of_each};
use crate::abi::explain::{PREDICTED, Rule};
use crate::abi::reply::{CONTRACT, ask, to_json};
use crate::abi::tensor::{AscanTensor, is_readable};
use crate::abi::types::AscanStr;
use crate::backend::{Cotangent, check_forward, check_pass, pass_in_two};
use crate::{Error, ModelBackend, Pass, PassRequest, RelevanceRule, Result, Tensor, TensorView};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

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

    pub(super) fn ask_pass(&self, request: &PassRequest) -> Result<Pass> {
        let Some(function) = self.table().pass else { return pass_in_two(self, request) };
        let PassRequest { images, layers, target_classes, gradients_of } = *request;
        let n = check_pass(self.info(), request)?;
        let texts = |names: &[&str]| names.iter().map(|name| AscanStr::new(name)).collect::<Vec<_>>();
        let (names, gradients) = (texts(layers), texts(gradients_of));
        let classes: Vec<usize> = target_classes.iter().map(|class| class.unwrap_or(PREDICTED)).collect();
        // SAFETY: the arguments are valid for the call, with one class an image.
        let mut sent = unsafe {
            ask(self.plugin(), |reply| {
                let (images, wanted) = (AscanTensor::new(images), gradients.as_ptr());
                let (layers, n_layers) = (names.as_ptr(), names.len());
                function(self.ptr(), images, layers, n_layers, classes.as_ptr(), wanted, gradients.len(), reply)
            })
        }?;
        let shape = |name: &str| match name == self.info().input {
            true => Ok(images.shape().to_vec()),
            false => self.info().tensor(name).map(|(_, shape)| of_each(n, &shape)),
        };
        let mut pass = Pass::default();
        pass.forward.logits = sent.take("logits", &[n, self.info().n_classes])?;
        for &name in layers {
            pass.forward.feature_maps.push((name.to_owned(), sent.take(name, &shape(name)?)?));
        }
        for &name in gradients_of {
            pass.gradients.push((name.to_owned(), sent.take(&format!("gradient:{name}"), &shape(name)?)?));
        }
        Ok(pass)
    }
}
