//! A model on onnxruntime: one session for each set of layers asked for, and one for each gradient.

use crate::engine::{Compiled, Engine};
use crate::gradients::{self, Sources};
use crate::halves::{self, Halves};
use crate::opened::{Known, Last, Opened};
use ascan_core::backend::{Cotangent, check_forward, check_gradients, check_pass};
use ascan_core::{
    Forward, Gradients, ModelBackend, ModelInfo, OpenModel, Pass, PassRequest, Result, Tensor, TensorView,
};
use ascan_onnx::calls;
use ort::environment::Environment;
use std::cell::RefCell;

/// A model opened by onnxruntime.
pub struct OrtBackend {
    opened: Opened,
    sessions: RefCell<Vec<Layered>>,
    gradients: RefCell<Vec<Sources>>,
    halves: RefCell<Vec<Halves>>,
}

/// The model with logits and some layers as its outputs.
struct Layered {
    layers: Vec<String>,
    graph: Compiled,
}

impl OrtBackend {
    /// Opens a model, and the session that a scan will most probably ask for.
    ///
    /// # Errors
    /// `File` for a file that is no image classifier or that onnxruntime refuses.
    pub(crate) fn open(
        request: &OpenModel,
        last: &Last,
        environment: &'static Environment,
        version: &str,
    ) -> Result<Self> {
        let known = last.open(request, version)?;
        let engine = Engine { environment, n_threads: request.n_threads.max(1), path: request.path.clone() };
        let backend = Self {
            opened: Opened { known, engine },
            sessions: RefCell::default(),
            gradients: RefCell::default(),
            halves: RefCell::default(),
        };
        let usual: Vec<&str> = backend.info().default_layer.as_deref().into_iter().collect();
        let session = backend.compile(&usual)?;
        backend.sessions.borrow_mut().push(session);
        Ok(backend)
    }

    fn compile(&self, layers: &[&str]) -> Result<Layered> {
        let Opened { known, engine } = &self.opened;
        let graph = engine.compile_file(&known.file(layers, &[])?)?;
        Ok(Layered { layers: layers.iter().map(|&layer| layer.to_owned()).collect(), graph })
    }
}

impl ModelBackend for OrtBackend {
    fn info(&self) -> &ModelInfo {
        &self.opened.known.info
    }

    fn forward(&self, images: TensorView, layers: &[&str]) -> Result<Forward> {
        let Known { classifier, info, .. } = &*self.opened.known;
        let n = check_forward(info, images, layers)?;
        let layers: Vec<&str> = layers.iter().map(|&name| Ok(info.tensor(name)?.0)).collect::<Result<_>>()?;
        let mut sessions = self.sessions.borrow_mut();
        let gives = |kept: &Layered| layers.iter().all(|&layer| kept.layers.iter().any(|known| known == layer));
        let at = match sessions.iter().position(gives) {
            Some(at) => at,
            None => {
                sessions.push(self.compile(&layers)?);
                sessions.len() - 1
            }
        };
        let graph = &mut sessions[at].graph;
        let size = classifier.batch.unwrap_or(n);
        let shape = [&[size][..], &info.input_shape].concat();
        let mut logits = Vec::with_capacity(n * info.n_classes);
        let mut maps: Vec<Vec<f32>> = vec![Vec::new(); layers.len()];
        for (n_rows, values) in calls(images, size) {
            let image = graph.floats(&shape, &values)?;
            let outputs = graph.run(vec![(&info.input, image)])?;
            logits.extend_from_slice(&graph.read(&outputs[0])?.1[..n_rows * info.n_classes]);
            for (map, &layer) in maps.iter_mut().zip(&layers) {
                let output = graph.outputs.iter().zip(&outputs).find(|(name, _)| *name == layer);
                let Some((_, output)) = output else { continue };
                let (shape, data) = graph.read(output)?;
                let plain = classifier.to_plain(layer, &shape, data)?;
                map.extend_from_slice(plain.view().rows(0..n_rows));
            }
        }
        let feature_maps = layers
            .iter()
            .zip(maps)
            .map(|(&layer, data)| Ok((layer.to_owned(), self.opened.known.collect(layer, n, data)?)));
        Ok(Forward {
            feature_maps: feature_maps.collect::<Result<_>>()?,
            logits: Tensor::new([n, info.n_classes], logits)?,
        })
    }

    fn gradients(&self, images: TensorView, target_classes: &[usize], with_respect_to: &[&str]) -> Result<Gradients> {
        let info = self.info();
        check_gradients(info, images, target_classes, with_respect_to)?;
        let classes: Vec<Option<usize>> = target_classes.iter().copied().map(Some).collect();
        let layers: Vec<&str> = with_respect_to.iter().copied().filter(|&name| name != info.input).collect();
        let request = PassRequest { images, layers: &layers, target_classes: &classes, gradients_of: with_respect_to };
        let Pass { forward, gradients } = gradients::pass(&self.opened, &mut self.gradients.borrow_mut(), &request)?;
        let mut maps = forward.feature_maps.into_iter();
        // The input's own value is what was given.
        let value = |&name: &&str| match name == info.input {
            true => Some(images.to_tensor()),
            false => maps.next().map(|(_, map)| map),
        };
        let values = with_respect_to.iter().filter_map(value).collect();
        let gradients = gradients.into_iter().map(|(_, gradient)| gradient).collect();
        Ok(Gradients { logits: forward.logits, gradients, values })
    }

    fn pass(&self, request: &PassRequest) -> Result<Pass> {
        check_pass(self.info(), request)?;
        match request.gradients_of {
            [] => Ok(Pass { forward: self.forward(request.images, request.layers)?, ..Pass::default() }),
            _ => gradients::pass(&self.opened, &mut self.gradients.borrow_mut(), request),
        }
    }

    fn pullback(&self, images: TensorView, layer: &str, cotangent: &mut Cotangent) -> Result<Tensor> {
        halves::pullback(&self.opened, &mut self.halves.borrow_mut(), images, layer, cotangent)
    }

    fn forward_from(
        &self,
        images: TensorView,
        layer: &str,
        feature_maps: TensorView,
        image_of: &[usize],
    ) -> Result<Tensor> {
        halves::forward_from(&self.opened, &mut self.halves.borrow_mut(), images, layer, feature_maps, image_of)
    }
}
