//! A model on tract: one optimised plan for each set of layers and gradients asked for.

use crate::compile::{Plan, compile, root, values};
use crate::half::Half;
use ascan_core::backend::{Cotangent, check_forward, check_pass, gradients_by_pass};
use ascan_core::{
    Capabilities, Error, Forward, Gradients, ModelBackend, ModelInfo, OpenModel, Pass, PassRequest, Result,
    Tensor as Plain, TensorView,
};
use ascan_onnx::proto::ModelProto;
use ascan_onnx::{Classifier, Halved, Halves, Model, Output, Wanted, differentiable};
use std::cell::RefCell;
use std::fmt::Display;
use std::sync::Arc;
use tract_onnx::prelude::{DatumType, InferenceFact, TValue, Tensor, tvec};

/// A model opened by tract.
pub struct TractBackend {
    model: Model,
    classifier: Classifier,
    info: ModelInfo,
    plans: RefCell<Vec<(Wanted, Plan)>>,
    halves: RefCell<Vec<Halves<Half>>>,
}

impl TractBackend {
    /// Opens a model, and compiles the plan that a scan will most probably ask for.
    ///
    /// # Errors
    /// `File` for a file that is no image classifier; `UnsupportedOperator` for operators that tract lacks.
    pub fn open(request: &OpenModel) -> Result<Self> {
        let model = Model::load(&request.path)?;
        let classifier = Classifier::analyse(&model, request.image_size, &request.output)?;
        let rules = differentiable(&model, &classifier);
        let info = classifier.model_info("tract 0.23", Capabilities::default(), classifier.batch.unwrap_or(1));
        let mut backend = Self { model, classifier, info, plans: RefCell::default(), halves: RefCell::default() };
        let usual: Vec<&str> = backend.info.default_layer.as_deref().into_iter().collect();
        // Whether tract has the operators of the way back shows when it is compiled; that plan predicts, too.
        let can = match request.gradients {
            true => rules.and_then(|()| {
                let all = [&[backend.info.input.as_str()][..], &usual].concat();
                backend.plan(&Wanted::of(&backend.info, &[], &all)?).map(drop)
            }),
            false => rules,
        };
        if !request.gradients || can.is_err() {
            backend.plan(&Wanted::of(&backend.info, &usual, &[])?)?;
        }
        backend.info.capabilities.gradients = can.is_ok();
        backend.info.no_gradients = can.err().map(|error| error.to_string());
        Ok(backend)
    }

    /// A plan that gives this, and what it gives; one that gives more will do.
    fn plan(&self, wanted: &Wanted) -> Result<(Wanted, Plan)> {
        let mut plans = self.plans.borrow_mut();
        if let Some((given, plan)) = plans.iter().find(|(given, _)| wanted.is_served_by(given)) {
            return Ok((given.clone(), Arc::clone(plan)));
        }
        let plan = self.compile(wanted)?;
        plans.push((wanted.clone(), Arc::clone(&plan)));
        Ok((wanted.clone(), plan))
    }

    fn compile(&self, wanted: &Wanted) -> Result<Plan> {
        let size = self.call_size();
        let proto = wanted.file(&self.model, &self.classifier, Some(size))?;
        let [c, h, w] = self.info.input_shape;
        let mut facts = vec![InferenceFact::dt_shape(DatumType::F32, [size, c, h, w])];
        if wanted.has_gradients() {
            facts.push(InferenceFact::dt_shape(DatumType::I64, [size]));
        }
        compile(&Model::from_proto(proto, &self.model.path).to_bytes(), &self.model.path, facts)
    }

    fn halved<'a>(&'a self, compile: &'a dyn Fn(ModelProto) -> Result<Half>) -> Halved<'a, Half> {
        Halved { model: &self.model, classifier: &self.classifier, info: &self.info, maps_at_once: 1, compile }
    }

    /// Images in a call.
    fn call_size(&self) -> usize {
        self.classifier.batch.unwrap_or(1)
    }

    fn run(&self, request: &PassRequest) -> Result<Pass> {
        let (given, plan) = self.plan(&Wanted::of(&self.info, request.layers, request.gradients_of)?)?;
        let [c, h, w] = self.info.input_shape;
        let size = self.call_size();
        let fail = |error: &dyn Display| Error::file(&self.model.path, format!("tract failed: {error}"), "");
        given.pass((&self.classifier, &self.info), request, size, &mut |images, classes| {
            let images = Tensor::from_shape(&[size, c, h, w], images).map_err(|error| fail(&error))?;
            let mut inputs = tvec!(TValue::from(images));
            if given.has_gradients() {
                inputs.push(Tensor::from_shape(&[size], classes).map_err(|error| fail(&error))?.into());
            }
            let outputs = plan.run(inputs).map_err(|error| fail(&root(&error)))?;
            outputs.iter().map(|output| Ok((output.shape().to_vec(), values(output)?))).collect::<Result<Vec<Output>>>()
        })
    }
}

impl ModelBackend for TractBackend {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, images: TensorView, layers: &[&str]) -> Result<Forward> {
        check_forward(&self.info, images, layers)?;
        Ok(self.run(&PassRequest { images, layers, target_classes: &[], gradients_of: &[] })?.forward)
    }

    fn gradients(&self, images: TensorView, target_classes: &[usize], with_respect_to: &[&str]) -> Result<Gradients> {
        gradients_by_pass(&self.info, images, target_classes, with_respect_to, |request| self.run(request))
    }

    fn pass(&self, request: &PassRequest) -> Result<Pass> {
        check_pass(&self.info, request)?;
        self.run(request)
    }

    fn pullback(&self, images: TensorView, layer: &str, cotangent: &mut Cotangent) -> Result<Plain> {
        let compile = |proto| Half::new(proto, self.model.path.clone());
        self.halved(&compile).pullback(&mut self.halves.borrow_mut(), images, layer, cotangent)
    }

    fn forward_from(
        &self,
        images: TensorView,
        layer: &str,
        feature_maps: TensorView,
        image_of: &[usize],
    ) -> Result<Plain> {
        let compile = |proto| Half::new(proto, self.model.path.clone());
        let halved = self.halved(&compile);
        halved.forward_from(&mut self.halves.borrow_mut(), images, layer, feature_maps, image_of)
    }
}
