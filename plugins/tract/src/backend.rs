//! A model on tract: one optimised plan for each set of layers asked for.

use ascan_core::backend::check_forward;
use ascan_core::{Capabilities, Error, Forward, ModelBackend, ModelInfo, OpenModel, Result, Tensor, TensorView};
use ascan_onnx::{Classifier, Model, calls, prepare};
use std::cell::RefCell;
use std::fmt::Display;
use std::sync::Arc;
use tract_onnx::prelude::{
    DatumType, Framework, InferenceFact, InferenceModelExt, IntoRunnable, TValue, TypedRunnableModel, tvec,
};

/// A model opened by tract.
pub struct TractBackend {
    model: Model,
    classifier: Classifier,
    info: ModelInfo,
    plans: RefCell<Vec<Plan>>,
}

/// The model with logits and some layers as its outputs, optimised for one image per call where the graph allows it.
#[derive(Clone)]
struct Plan {
    layers: Vec<String>,
    runnable: Arc<TypedRunnableModel>,
}

impl TractBackend {
    /// Opens a model, and compiles the plan that a scan will most probably ask for.
    ///
    /// # Errors
    /// `File` for a file that is no image classifier; `UnsupportedOperator` for operators that tract lacks.
    pub fn open(request: &OpenModel) -> Result<Self> {
        let model = Model::load(&request.path)?;
        let classifier = Classifier::analyse(&model, request.image_size, &request.output)?;
        let info = classifier.model_info("tract 0.23", Capabilities::default(), classifier.batch.unwrap_or(1));
        let backend = Self { model, classifier, info, plans: RefCell::default() };
        let usual: Vec<&str> = backend.info.default_layer.as_deref().into_iter().collect();
        backend.plan(&usual)?;
        Ok(backend)
    }

    /// A plan that gives these layers; one with more of them will do.
    fn plan(&self, layers: &[&str]) -> Result<Plan> {
        let gives = |plan: &Plan, layer: &str| plan.layers.iter().any(|known| known == layer);
        let kept = self.plans.borrow().iter().find(|plan| layers.iter().all(|&layer| gives(plan, layer))).cloned();
        if let Some(plan) = kept {
            return Ok(plan);
        }
        let plan = self.compile(layers)?;
        self.plans.borrow_mut().push(plan.clone());
        Ok(plan)
    }

    fn compile(&self, layers: &[&str]) -> Result<Plan> {
        let path = &self.model.path;
        let fail = |error: &dyn Display| {
            Error::file(path, format!("tract cannot run this model: {error}"), "use `backend = \"burn\"` or `\"ort\"`")
        };
        let proto = prepare(&self.model, &self.classifier, layers, Some(self.call_size()))?;
        let bytes = Model::from_proto(proto, path.clone()).to_bytes();
        // The exporters' recorded shapes are of another batch size than the one compiled here.
        let onnx = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
        let mut graph = onnx.model_for_read(&mut &bytes[..]).map_err(|error| fail(&root(&error)))?;
        for node in graph.nodes() {
            let operator = node.op.name();
            if let Some(operator) = operator.strip_prefix("Unimplemented(") {
                return Err(Error::UnsupportedOperator {
                    operator: operator.trim_end_matches(')').to_owned(),
                    node: node.name.clone(),
                    model: path.display().to_string(),
                    why: "tract does not have it".into(),
                });
            }
        }
        let [c, h, w] = self.info.input_shape;
        let fact = InferenceFact::dt_shape(DatumType::F32, [self.call_size(), c, h, w]);
        graph.set_input_fact(0, fact).map_err(|error| fail(&root(&error)))?;
        let runnable = graph.into_optimized().and_then(IntoRunnable::into_runnable);
        let runnable = runnable.map_err(|error| fail(&root(&error)))?;
        Ok(Plan { layers: layers.iter().map(|&layer| layer.to_owned()).collect(), runnable })
    }

    /// Images in a call.
    fn call_size(&self) -> usize {
        self.classifier.batch.unwrap_or(1)
    }

    /// Logits and the plan's layers of the images of a call.
    fn run(&self, plan: &Plan, images: &[f32]) -> Result<Vec<TValue>> {
        let [c, h, w] = self.info.input_shape;
        let fail = |error: &dyn Display| Error::file(&self.model.path, format!("tract failed: {error}"), "");
        let input = tract_onnx::prelude::Tensor::from_shape(&[self.call_size(), c, h, w], images);
        let input = input.map_err(|error| fail(&error))?;
        Ok(plan.runnable.run(tvec!(input.into())).map_err(|error| fail(&root(&error)))?.into_vec())
    }
}

/// The innermost cause, which names the node and the operator.
fn root(error: &tract_onnx::prelude::TractError) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl ModelBackend for TractBackend {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, images: TensorView, layers: &[&str]) -> Result<Forward> {
        let n = check_forward(&self.info, images, layers)?;
        let layers: Vec<&str> = layers.iter().map(|&name| Ok(self.info.tensor(name)?.0)).collect::<Result<_>>()?;
        let plan = self.plan(&layers)?;
        let mut logits = Vec::with_capacity(n * self.info.n_classes);
        let mut maps: Vec<Vec<f32>> = vec![Vec::new(); layers.len()];
        for (n_rows, images) in calls(images, self.call_size()) {
            let outputs = self.run(&plan, &images)?;
            logits.extend_from_slice(&values(&outputs[0])?[..n_rows * self.info.n_classes]);
            for (map, &layer) in maps.iter_mut().zip(&layers) {
                let at = plan.layers.iter().position(|known| known == layer).unwrap_or_default();
                let output = &outputs[1 + at];
                let plain = self.classifier.to_plain(layer, output.shape(), &values(output)?)?;
                map.extend_from_slice(plain.view().rows(0..n_rows));
            }
        }
        let feature_maps = layers.iter().zip(maps).map(|(&layer, data)| {
            let shape = [vec![n], self.info.tensor(layer)?.1].concat();
            Ok((layer.to_owned(), Tensor::new(shape, data)?))
        });
        Ok(Forward {
            feature_maps: feature_maps.collect::<Result<_>>()?,
            logits: Tensor::new([n, self.info.n_classes], logits)?,
        })
    }
}

fn values(output: &TValue) -> Result<Vec<f32>> {
    let plain = output.try_as_plain_ram().and_then(|plain| Ok(plain.as_slice::<f32>()?.to_vec()));
    plain.map_err(|error| Error::plugin("tract", format!("an output is not f32: {error}"), ""))
}
