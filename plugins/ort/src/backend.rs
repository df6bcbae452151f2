//! A model on onnxruntime: a session for each set of layers and gradients asked for.

use crate::device::Device;
use crate::engine::{Compiled, Engine};
use crate::opened::{Last, Opened};
use ascan_core::backend::{Cotangent, check_forward, check_pass, gradients_by_pass};
use ascan_core::{
    Forward, Gradients, ModelBackend, ModelInfo, OpenModel, Pass, PassRequest, Result, Tensor, TensorView,
};
use ascan_onnx::proto::ModelProto;
use ascan_onnx::{Halved, Halves, Output, Wanted};
use ort::environment::Environment;
use std::cell::RefCell;

/// Feature maps per call of the part behind a layer.
const MAPS_AT_ONCE: usize = 16;

/// A model opened by onnxruntime.
pub struct OrtBackend {
    opened: Opened,
    sessions: RefCell<Vec<(Wanted, Compiled)>>,
    halves: RefCell<Vec<Halves<Compiled>>>,
}

impl OrtBackend {
    /// Opens a model, and the session that a scan will most probably ask for.
    ///
    /// # Errors
    /// `File` for a file that is no image classifier or that onnxruntime refuses.
    pub(crate) fn open(
        request: &OpenModel,
        device: Device,
        last: &Last,
        environment: &'static Environment,
        version: &str,
    ) -> Result<Self> {
        let engine = Engine { environment, n_threads: request.n_threads.max(1), device, path: request.path.clone() };
        let known = last.open(request, &engine, version)?;
        let backend =
            Self { opened: Opened { known, engine }, sessions: RefCell::default(), halves: RefCell::default() };
        backend.session(&backend.opened.known.usual()?)?;
        Ok(backend)
    }

    /// The place of a session that gives this, which is made if there is none yet.
    fn session(&self, wanted: &Wanted) -> Result<usize> {
        let mut sessions = self.sessions.borrow_mut();
        if let Some(at) = sessions.iter().position(|(given, _)| wanted.is_served_by(given)) {
            return Ok(at);
        }
        let Opened { known, engine } = &self.opened;
        sessions.push((wanted.clone(), engine.compile_file(&known.file(wanted)?)?));
        Ok(sessions.len() - 1)
    }

    fn halved<'a>(&'a self, compile: &'a dyn Fn(ModelProto) -> Result<Compiled>) -> Halved<'a, Compiled> {
        let known = &self.opened.known;
        let (model, classifier, info) = (&known.model, &known.classifier, &known.info);
        Halved { model, classifier, info, maps_at_once: MAPS_AT_ONCE, compile }
    }

    fn run(&self, request: &PassRequest) -> Result<Pass> {
        let Opened { known, engine } = &self.opened;
        let at = self.session(&Wanted::of(&known.info, request.layers, request.gradients_of)?)?;
        let (given, graph) = &mut self.sessions.borrow_mut()[at];
        let inputs = graph.inputs.clone();
        // There and back, one image at a time is fastest on the CPU.
        let n = if given.has_gradients() && engine.device.is_cpu() { 1 } else { request.images.n_rows() };
        let size = known.classifier.batch.unwrap_or(n);
        let shape = [&[size][..], &known.info.input_shape].concat();
        given.pass((&known.classifier, &known.info), request, size, &mut |images, classes| {
            let values = [graph.floats(&shape, images)?, graph.integers(classes)?];
            let outputs = graph.run(inputs.iter().map(String::as_str).zip(values).collect())?;
            let read = |output| -> Result<Output> {
                let (shape, values) = graph.read(output)?;
                Ok((shape, values.to_vec()))
            };
            outputs.iter().map(read).collect()
        })
    }
}

impl ModelBackend for OrtBackend {
    fn info(&self) -> &ModelInfo {
        &self.opened.known.info
    }

    fn forward(&self, images: TensorView, layers: &[&str]) -> Result<Forward> {
        check_forward(self.info(), images, layers)?;
        Ok(self.run(&PassRequest { images, layers, target_classes: &[], gradients_of: &[] })?.forward)
    }

    fn gradients(&self, images: TensorView, target_classes: &[usize], with_respect_to: &[&str]) -> Result<Gradients> {
        gradients_by_pass(self.info(), images, target_classes, with_respect_to, |request| self.run(request))
    }

    fn pass(&self, request: &PassRequest) -> Result<Pass> {
        check_pass(self.info(), request)?;
        let wanted = Wanted::of(self.info(), request.layers, request.gradients_of)?;
        let is_there = self.sessions.borrow().iter().any(|(given, _)| wanted.is_served_by(given));
        if wanted.has_gradients() && !is_there {
            // A scan that goes there and back in one pass makes no other: its weights need not lie in memory twice.
            self.sessions.borrow_mut().retain(|(given, _)| given.has_gradients());
        }
        self.run(request)
    }

    fn pullback(&self, images: TensorView, layer: &str, cotangent: &mut Cotangent) -> Result<Tensor> {
        let compile = |proto| self.opened.engine.compile(proto);
        self.halved(&compile).pullback(&mut self.halves.borrow_mut(), images, layer, cotangent)
    }

    fn forward_from(
        &self,
        images: TensorView,
        layer: &str,
        feature_maps: TensorView,
        image_of: &[usize],
    ) -> Result<Tensor> {
        let compile = |proto| self.opened.engine.compile(proto);
        let halved = self.halved(&compile);
        halved.forward_from(&mut self.halves.borrow_mut(), images, layer, feature_maps, image_of)
    }
}
