//! Features of images, computed once, where only the head trains.
//!
//! Kept for a head that is linear in the spatial mean of a feature map: an image is then one vector. A method that
//! disturbs pictures gets the features of several disturbed copies of each image, drawn before the first step.

use super::data::Labelled;
use super::evaluate::Load;
use ascan_core::{Context, Error, ModelInfo, OpenModel, RegularizedBatch, Result, Runtime, TensorView};
use ascan_onnx::proto::NodeProto;
use ascan_onnx::proto::tensor_shape_proto::dimension::Value as Dim;
use ascan_onnx::proto::type_proto::Value as Type;
use ascan_onnx::{Classifier, Model, cut_after, prepare};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Places over which a vector stands in for its feature map: two, since a map of one place could be taken for an image
/// with its channels last. Their mean is the vector.
pub const N_PLACES: usize = 2;

/// Features of the images of a repair.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Features {
    /// Length of a vector.
    pub d: usize,
    /// `[n]` of the training images as they are, if the method does not disturb; `None` where one cannot be read.
    pub clean: Vec<Option<Vec<f32>>>,
    /// `[n_draws][n]` rows of disturbed copies of each training image: features, label, weight. Empty if the method
    /// does not disturb.
    pub draws: Vec<Vec<Vec<Row>>>,
    /// `[n_validation]`
    pub validation: Vec<Option<Vec<f32>>>,
}

/// A row of a disturbed batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// `[d]`
    pub features: Vec<f32>,
    /// The label it is trained on.
    pub label: usize,
    /// Its weight.
    pub weight: f32,
}

/// The head alone, a model whose input is its feature map with [`N_PLACES`] places; `None` if the head is not linear
/// in the mean of the map, or cannot be cut off.
pub fn head_model(original: &Model, open: &OpenModel) -> Option<Model> {
    let classifier = Classifier::analyse(original, open.image_size).ok()?;
    let layer = classifier.linear_head.as_ref()?.layer.clone();
    let whole = Model::from_proto(prepare(original, &classifier, &[&layer], None).ok()?, &original.path);
    let mut head = cut_after(&whole, &layer, &[&classifier.logits]).ok()?;
    let graph = head.graph.as_mut()?;
    // The layer stays a tensor that a node gives: an input is no feature map.
    let input = graph.input.first_mut()?;
    input.name = format!("{layer}/features");
    graph.node.insert(0, NodeProto::new("Identity", &[&input.name], &layer));
    let Some(Type::TensorType(tensor)) = input.r#type.as_mut()?.value.as_mut() else { return None };
    let dims = &mut tensor.shape.as_mut()?.dim;
    let [_, _, h, w] = dims.as_mut_slice() else { return None };
    (h.value, w.value) = (Some(Dim::DimValue(1)), Some(Dim::DimValue(N_PLACES as i64)));
    let head = Model::from_proto(head, &original.path);
    // What the cut has made must still be a classifier.
    Classifier::analyse(&head, None).ok().filter(|cut| cut.n_classes == classifier.n_classes)?;
    Some(head)
}

/// A vector over all places of the head's input.
pub fn spread_out(features: &[f32]) -> impl Iterator<Item = f32> + '_ {
    features.iter().flat_map(|&value| [value; N_PLACES])
}

/// Runs a model up to the layer that its head reads.
pub struct Extractor<'a> {
    /// Opens it.
    pub runtime: &'a dyn Runtime,
    /// Which model.
    pub open: &'a OpenModel,
    /// What it is.
    pub info: &'a ModelInfo,
    /// Threads and progress.
    pub context: &'a Context<'a>,
}

impl Extractor<'_> {
    fn layer(&self) -> Result<&str> {
        let layer = self.info.linear_head.as_ref().map(|head| head.layer.as_str());
        layer.ok_or_else(|| Error::unsupported("the head is not linear in the mean of a feature map", ""))
    }

    /// The vectors of `n` inputs; `None` for one that cannot be read.
    ///
    /// # Errors
    /// What opening or running the model reports; `Cancelled`.
    pub fn vectors(&self, n: usize, load: &Load, stage: &str) -> Result<Vec<Option<Vec<f32>>>> {
        let layer = self.layer()?;
        // A worker a thread.
        let open = &OpenModel { n_threads: 1, ..self.open.clone() };
        let next = AtomicUsize::new(0);
        let found: Mutex<Vec<Option<Vec<f32>>>> = Mutex::new(vec![None; n]);
        let work = || -> Result<()> {
            let backend = self.runtime.open(open)?;
            let [c, h, w] = backend.info().input_shape;
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= n {
                    return Ok(());
                }
                let Ok(image) = load(i) else { continue };
                let forward = backend.forward(TensorView::new(&[1, c, h, w], &image)?, &[layer])?;
                let map = forward.feature_map(layer).map(ascan_core::Tensor::view);
                let vector = map.map(|map| means(map.row(0), map.shape()[1]));
                found.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[i] = vector;
                self.context.progress(stage, i, n)?;
            }
        };
        let results: Vec<Result<()>> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.context.n_threads.clamp(1, n.max(1))).map(|_| scope.spawn(work)).collect();
            let join = |worker: std::thread::ScopedJoinHandle<'_, Result<()>>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            workers.into_iter().map(join).collect()
        });
        results.into_iter().collect::<Result<Vec<()>>>()?;
        Ok(found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// The rows of a disturbed batch of `n` images, by image.
    ///
    /// # Errors
    /// As [`Self::vectors`].
    pub fn rows(&self, n: usize, batch: &RegularizedBatch, normalised: &[f32]) -> Result<Vec<Vec<Row>>> {
        let len = normalised.len() / batch.labels.len().max(1);
        let load = |i: usize| Ok(normalised[i * len..(i + 1) * len].to_vec());
        let silent = Context { reporter: &ascan_core::Silent, ..*self.context };
        let vectors = Extractor { context: &silent, ..*self }.vectors(batch.labels.len(), &load, "")?;
        let mut rows = vec![Vec::new(); n];
        for (at, features) in vectors.into_iter().enumerate() {
            if let Some(features) = features {
                let (label, weight) = (batch.labels[at], batch.weights[at]);
                rows[batch.sources[at]].push(Row { features, label, weight });
            }
        }
        Ok(rows)
    }
}

fn means(map: &[f32], c: usize) -> Vec<f32> {
    let len = map.len() / c.max(1);
    let mean = |plane: &[f32]| (plane.iter().map(|&v| f64::from(v)).sum::<f64>() / plane.len() as f64) as f32;
    map.chunks_exact(len.max(1)).map(mean).collect()
}

/// Features of images of a set, as they are.
///
/// # Errors
/// As [`Extractor::vectors`].
pub fn of_images(
    extractor: &Extractor,
    data: &Labelled,
    preprocess: &crate::images::Preprocess,
    stage: &str,
) -> Result<Vec<Option<Vec<f32>>>> {
    extractor.vectors(data.rows.len(), &|i| preprocess.load(&data.images, data.rows[i]), stage)
}

impl Features {
    /// A step on these images by their places, of draw `draw`: inputs, labels, weights and sources of its rows.
    pub fn step(&self, places: &[usize], draw: usize) -> (Vec<f32>, Vec<usize>, Vec<f32>, Vec<usize>) {
        let (mut inputs, mut labels, mut weights, mut sources) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let draw = &self.draws[draw % self.draws.len()];
        for (source, &place) in places.iter().enumerate() {
            for row in &draw[place] {
                inputs.extend(spread_out(&row.features));
                labels.push(row.label);
                weights.push(row.weight);
                sources.push(source);
            }
        }
        (inputs, labels, weights, sources)
    }

    /// Whether an image has features.
    pub fn has(&self, place: usize) -> bool {
        match self.draws.first() {
            Some(draw) => !draw[place].is_empty(),
            None => self.clean[place].is_some(),
        }
    }
}

/// Whether a method leaves pictures as they are: then their features do too.
pub fn is_undisturbed(batch: &RegularizedBatch, images: TensorView) -> bool {
    batch.penalty.is_none() && batch.images.view() == images
}
