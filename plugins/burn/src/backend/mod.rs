//! [`BurnBackend`]: forward passes and gradients of an opened model.

mod explain;
pub(crate) mod relevance;

use crate::device;
use crate::graph::{Graph, Preparation, rows};
use crate::trainer::{BurnTrainer, Place};
use crate::value::{Float, MAX_RANK, Value};
use ascan_core::backend::{Cotangent, check_forward, check_gradients};
use ascan_core::params::NoParams;
use ascan_core::{
    Capabilities, Error, Forward, Gradients, ModelBackend, ModelInfo, OpenModel, Plugin, RelevanceRule, Result,
    Runtime, Strengths, Tensor, TensorView, Trainer, TrainerOptions,
};
use ascan_onnx::{Classifier, Layout, Model};
use burn::tensor::{Device, Tensor as BurnTensor};
use std::ops::Range;
use std::sync::OnceLock;

const CAPABILITIES: Capabilities = Capabilities { gradients: true, training: true, relevance: true };

/// The burn engine.
#[derive(Debug)]
pub struct BurnRuntime;

impl Plugin for BurnRuntime {
    const NAME: &'static str = "burn";
    const SUMMARY: &'static str = "burn: forward passes, gradients at any layer and training, on the CPU or a GPU";
    /// Between 1.05 and 1.11 times as long as PyTorch, there and back.
    const STRENGTHS: Strengths = Strengths { speed: 90, ..Strengths::none() };
    type Params = NoParams;

    fn new(_params: NoParams) -> Result<Self> {
        Ok(Self)
    }

    fn detail() -> String {
        let names: Vec<&str> = crate::claimed_operators().into_iter().map(|(name, _)| name).collect();
        let (oldest, newest) = (crate::OPSETS.start(), crate::OPSETS.end());
        format!("{} ONNX operators, operator sets {oldest} to {newest}: {}", names.len(), names.join(", "))
    }
}

impl Runtime for BurnRuntime {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn open(&self, request: &OpenModel) -> Result<Box<dyn ModelBackend>> {
        Ok(Box::new(BurnBackend::open(request)?))
    }
}

/// A classifier on burn.
#[derive(Debug)]
pub struct BurnBackend {
    model: Model,
    pub(crate) info: ModelInfo,
    layouts: Vec<Layout>,
    pub(crate) device: Device,
    n_threads: usize,
    /// The only number of images that the graph takes, if it is fixed; shorter calls are padded.
    pub(crate) fixed_batch: Option<usize>,
    /// Batch normalisation merged into convolutions, for speed.
    merged: Graph,
    /// Every tensor of the file, made when a layer is asked for that merging has removed.
    complete: OnceLock<Graph>,
}

/// The results of a call for some of its images.
struct Part {
    logits: Tensor,
    gradients: Vec<Tensor>,
    values: Vec<Tensor>,
}

impl Part {
    /// The results of the first `n` images.
    fn first(self, n: usize) -> Self {
        let all = |tensors: Vec<Tensor>| tensors.into_iter().map(|tensor| first(tensor, n)).collect();
        Self { logits: first(self.logits, n), gradients: all(self.gradients), values: all(self.values) }
    }
}

/// The first `n` rows, or all if there are no more.
pub(crate) fn first(tensor: Tensor, n: usize) -> Tensor {
    if tensor.n_rows() <= n {
        return tensor;
    }
    let shape = [&[n][..], &tensor.shape()[1..]].concat();
    let len = shape.iter().product();
    let mut data = tensor.into_data();
    data.truncate(len);
    Tensor::new(shape, data).unwrap_or_default()
}

impl BurnBackend {
    /// Opens a model.
    ///
    /// # Errors
    /// `File` for a file that is no model; `UnsupportedOperator`; `Unsupported` for a device this build lacks.
    pub fn open(request: &OpenModel) -> Result<Self> {
        let device = device::device(&request.device)?;
        let original = Model::load(&request.path)?;
        // The analysis fails behind an unknown operator: then that operator is what to report.
        let classifier = Classifier::analyse(&original, request.image_size, &request.output)
            .map_err(|error| rows(&original).err().unwrap_or(error))?;
        // On the CPU one image at a time is fastest, and makes a result independent of its batch.
        let at_once = classifier.batch.unwrap_or(1);
        let preferred_batch = if device::is_cpu(&device) { at_once * request.n_threads.max(1) } else { 32 };
        let info = classifier.model_info("burn 0.22.1", CAPABILITIES, preferred_batch);
        let names: Vec<&str> = classifier.layers.iter().map(|layer| layer.info.name.as_str()).collect();
        let model = Model::from_proto(ascan_onnx::prepare(&original, &classifier, &names, None)?, &request.path);
        // Merging cannot remove an output, so only the layer that is asked for most is one here.
        let usual: Vec<&str> = info.default_layer.as_deref().into_iter().collect();
        let lean = Model::from_proto(ascan_onnx::prepare(&original, &classifier, &usual, None)?, &request.path);
        let merged = Graph::new(&lean, &device, &Preparation { merge_batch_norm: true, live: &[] })?;
        Ok(Self {
            model,
            info,
            layouts: classifier.layers.into_iter().map(|layer| layer.layout).collect(),
            device,
            n_threads: request.n_threads.max(1),
            fixed_batch: classifier.batch,
            merged,
            complete: OnceLock::new(),
        })
    }

    /// The fastest graph that has all these tensors, and their slots in it.
    pub(crate) fn graph(&self, names: &[&str]) -> Result<(&Graph, Vec<usize>)> {
        let slots = |graph: &Graph| names.iter().map(|name| graph.slot(name)).collect::<Option<Vec<_>>>();
        if let Some(slots) = slots(&self.merged) {
            return Ok((&self.merged, slots));
        }
        if self.complete.get().is_none() {
            // Another thread may have been faster; both graphs are the same.
            let _ = self.complete.set(Graph::new(&self.model, &self.device, &Preparation::default())?);
        }
        let complete = self.complete.get().unwrap_or(&self.merged);
        match slots(complete) {
            Some(slots) => Ok((complete, slots)),
            None => Err(Error::unknown_name("tensor", names.join(", "), Vec::<String>::new())),
        }
    }

    /// The layout of a layer; `None` for the input, which is returned as it came.
    pub(crate) fn layout(&self, name: &str) -> Option<&Layout> {
        self.info.layers.iter().position(|layer| layer.name == name).map(|i| &self.layouts[i])
    }

    pub(crate) fn feed(&self, graph: &Graph, images: TensorView, range: Range<usize>) -> Result<(usize, Value)> {
        let mut shape = images.shape().to_vec();
        shape[0] = self.fixed_batch.unwrap_or(range.len());
        let last = images.row(range.end - 1);
        let mut values = images.rows(range.clone()).to_vec();
        (range.len()..shape[0]).for_each(|_| values.extend(last));
        let image = Float::new(values, &shape, &self.device)?;
        let missing = || Error::unknown_name("input", &self.info.input, Vec::<String>::new());
        Ok((graph.slot(&self.info.input).ok_or_else(missing)?, Value::Float(image)))
    }

    /// Runs `work` on every image, on as many threads as there are; on a GPU on all images at once.
    pub(crate) fn in_parts<T: Send>(
        &self,
        n: usize,
        work: impl Fn(Range<usize>) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let size = match (self.fixed_batch, device::is_cpu(&self.device)) {
            (Some(size), _) => size,
            (None, true) => 1,
            (None, false) => n.max(1),
        };
        self.on_threads((0..n).step_by(size).map(|start| start..(start + size).min(n)).collect(), work)
    }

    /// Runs `work` on each piece, on as many threads as there are; on a GPU one after the other.
    pub(crate) fn on_threads<P: Clone + Sync, T: Send>(
        &self,
        pieces: Vec<P>,
        work: impl Fn(P) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let n_threads = self.n_threads.min(pieces.len());
        if n_threads <= 1 || !device::is_cpu(&self.device) {
            return pieces.into_iter().map(work).collect();
        }
        let next = std::sync::atomic::AtomicUsize::new(0);
        let worker = || {
            let mut done = Vec::new();
            loop {
                let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                match pieces.get(i) {
                    Some(piece) => done.push((i, work(piece.clone()))),
                    None => return done,
                }
            }
        };
        let mut parts: Vec<(usize, Result<T>)> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..n_threads).map(|_| scope.spawn(worker)).collect();
            workers
                .into_iter()
                .flat_map(|worker| match worker.join() {
                    Ok(parts) => parts,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
                .collect()
        });
        parts.sort_by_key(|&(i, _)| i);
        parts.into_iter().map(|(_, part)| part).collect()
    }

    pub(crate) fn to_nchw(&self, name: &str, tensor: &Float) -> Result<Tensor> {
        match self.layout(name) {
            Some(layout) => layout.to_nchw(&tensor.shape(), &tensor.to_vec()),
            None => tensor.to_plain(),
        }
    }

    pub(crate) fn float(&self, value: Value) -> Result<Float> {
        match value {
            Value::Float(float) => Ok(float),
            Value::Ints(ints) => ints.to_float(&self.device),
        }
    }
}

/// Joins parts along the first axis; `empty` is what no parts give.
pub(crate) fn join(parts: impl Iterator<Item = Tensor>, empty: Vec<usize>) -> Result<Tensor> {
    let mut shape: Option<Vec<usize>> = None;
    let mut data = Vec::new();
    for part in parts {
        match &mut shape {
            None => shape = Some(part.shape().to_vec()),
            Some(shape) => shape[0] += part.n_rows(),
        }
        data.extend(part.into_data());
    }
    Tensor::new(shape.unwrap_or(empty), data)
}

impl BurnBackend {
    fn empty(&self, name: &str) -> Vec<usize> {
        let shape = self.info.tensor(name).map(|(_, shape)| shape);
        [vec![0], shape.unwrap_or(self.info.input_shape.to_vec())].concat()
    }
}

impl ModelBackend for BurnBackend {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, images: TensorView, layers: &[&str]) -> Result<Forward> {
        let n = check_forward(&self.info, images, layers)?;
        let layers = layers.iter().map(|layer| Ok(self.info.tensor(layer)?.0)).collect::<Result<Vec<_>>>()?;
        let names: Vec<&str> = [self.info.logits.as_str()].into_iter().chain(layers.iter().copied()).collect();
        let (graph, slots) = self.graph(&names)?;
        let parts = self.in_parts(n, |range| {
            let n = range.len();
            let feed = self.feed(graph, images, range)?;
            let mut outputs = graph.run(&graph.run_state(), vec![feed], &slots, &mut |_, value| value)?.into_iter();
            let logits = outputs.next().map(|logits| self.float(logits)).transpose()?;
            let logits = logits.ok_or_else(|| Error::shape("outputs", "logits", "none"))?.to_plain()?;
            let values = outputs.zip(&layers).map(|(map, layer)| self.to_nchw(layer, &self.float(map)?));
            Ok(Part { logits, gradients: Vec::new(), values: values.collect::<Result<_>>()? }.first(n))
        })?;
        let mut logits = Vec::with_capacity(parts.len());
        let mut maps: Vec<Vec<Tensor>> = layers.iter().map(|_| Vec::with_capacity(parts.len())).collect();
        for part in parts {
            logits.push(part.logits);
            maps.iter_mut().zip(part.values).for_each(|(maps, map)| maps.push(map));
        }
        let feature_maps = layers
            .iter()
            .zip(maps)
            .map(|(layer, maps)| Ok(((*layer).to_owned(), join(maps.into_iter(), self.empty(layer))?)))
            .collect::<Result<_>>()?;
        Ok(Forward { logits: join(logits.into_iter(), vec![0, self.info.n_classes])?, feature_maps })
    }

    fn gradients(&self, images: TensorView, target_classes: &[usize], with_respect_to: &[&str]) -> Result<Gradients> {
        let n = check_gradients(&self.info, images, target_classes, with_respect_to)?;
        let sources = with_respect_to
            .iter()
            .map(|&name| if name == self.info.input { Ok(name) } else { Ok(self.info.tensor(name)?.0) })
            .collect::<Result<Vec<_>>>()?;
        let names: Vec<&str> = sources.iter().copied().chain([self.info.logits.as_str()]).collect();
        let (graph, mut slots) = self.graph(&names)?;
        let logits_slot = slots.pop().unwrap_or_default();
        let parts = self.in_parts(n, |range| {
            let feed = self.feed(graph, images, range.clone())?;
            let mut leaves: Vec<(usize, BurnTensor<MAX_RANK>, Float)> = Vec::new();
            let mut track = |slot: usize, value: Value| match value {
                Value::Float(value) if slots.contains(&slot) => {
                    let (leaf, tracked) = track(value.clone());
                    leaves.push((slot, leaf, value.map(BurnTensor::without_autodiff)));
                    Value::Float(tracked)
                }
                value => value,
            };
            let output = graph.run(&graph.run_state(), vec![feed], &[logits_slot], &mut track)?.remove(0);
            let logits = self.float(output)?;
            let plain = logits.to_plain()?;
            let n = range.len();
            let classes = &target_classes[range];
            let mut gradients = differentiate(logits, classes);
            let mut part = Part { logits: plain, gradients: Vec::new(), values: Vec::new() };
            for (name, slot) in sources.iter().zip(&slots) {
                let Some((_, leaf, value)) = leaves.iter().find(|leaf| leaf.0 == *slot) else {
                    return Err(Error::unsupported(
                        format!("the logits do not depend on `{name}`"),
                        "choose another layer",
                    ));
                };
                let gradient = gradients.as_mut().and_then(|gradients| leaf.grad(gradients));
                let gradient = gradient.unwrap_or_else(|| value.clone().six().zeros_like());
                part.gradients.push(self.to_nchw(name, &Float::from_six(gradient, value.rank()))?);
                part.values.push(self.to_nchw(name, value)?);
            }
            Ok(part.first(n))
        })?;
        let mut logits = Vec::with_capacity(parts.len());
        let mut columns: Vec<(Vec<Tensor>, Vec<Tensor>)> = sources.iter().map(|_| Default::default()).collect();
        for part in parts {
            logits.push(part.logits);
            for (column, (gradient, value)) in columns.iter_mut().zip(part.gradients.into_iter().zip(part.values)) {
                column.0.push(gradient);
                column.1.push(value);
            }
        }
        let mut result =
            Gradients { logits: join(logits.into_iter(), vec![0, self.info.n_classes])?, ..Gradients::default() };
        for (name, (gradients, values)) in sources.iter().zip(columns) {
            result.gradients.push(join(gradients.into_iter(), self.empty(name))?);
            result.values.push(join(values.into_iter(), self.empty(name))?);
        }
        Ok(result)
    }

    fn pullback(&self, images: TensorView, layer: &str, cotangent: &mut Cotangent) -> Result<Tensor> {
        explain::pullback(self, images, layer, cotangent)
    }

    fn forward_from(
        &self,
        images: TensorView,
        layer: &str,
        feature_maps: TensorView,
        image_of: &[usize],
    ) -> Result<Tensor> {
        explain::forward_from(self, images, layer, feature_maps, image_of)
    }

    fn relevance(&self, images: TensorView, target_classes: &[usize], rule: &RelevanceRule) -> Result<Tensor> {
        relevance::relevance(self, images, target_classes, rule)
    }

    fn trainer(&self, options: &TrainerOptions) -> Result<Box<dyn Trainer>> {
        Ok(Box::new(BurnTrainer::new(
            &self.model,
            &self.info,
            Place { device: &self.device, n_threads: self.n_threads, fixed_batch: self.fixed_batch },
            options,
        )?))
    }
}

/// A leaf whose gradient is that of `value`, and the tensor to continue with.
pub(crate) fn track(value: Float) -> (BurnTensor<MAX_RANK>, Float) {
    let rank = value.rank();
    let tensor = value.six();
    if tensor.is_autodiff() {
        // It already depends on another leaf: add a leaf of zeros, whose gradient is the tensor's.
        let leaf = tensor.clone().without_autodiff().zeros_like().autodiff().require_grad();
        return (leaf.clone(), Float::from_six(tensor.add(leaf), rank));
    }
    let leaf = tensor.autodiff().require_grad();
    (leaf.clone(), Float::from_six(leaf, rank))
}

/// Gradients of the sum over images of each one's target logit. Images do not depend on each other.
pub(crate) fn differentiate(logits: Float, target_classes: &[usize]) -> Option<burn::tensor::Gradients> {
    let [n, n_classes] = logits.shape()[..] else { return None };
    let device = logits.device();
    let mut chosen = vec![0.0; n * n_classes];
    for (row, &class) in chosen.chunks_exact_mut(n_classes).zip(target_classes) {
        row[class] = 1.0;
    }
    let chosen = Float::new(chosen, &[n, n_classes], &device).ok()?.map(BurnTensor::without_autodiff);
    let sum = logits.six().mul(chosen.six()).sum();
    sum.is_tracked().then(|| sum.backward())
}
