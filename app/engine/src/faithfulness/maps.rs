//! The maps that are judged: of every method for the same images, of controls, and of a model that knows nothing.

use crate::plan::RunPlan;
use crate::scan::Images;
use crate::seeds::seed_of;
use crate::workers::Workers;
use ascan_core::{AttributionBatch, Context, Error, ModelBackend, PassRequest, Result, TensorView};
use ascan_math::resize::resize_map;
use ascan_onnx::Model;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use std::path::Path;
use std::time::Instant;

/// The map of an image at the size of the model's input, and what it took.
#[derive(Debug, Clone, Default)]
pub(super) struct Map {
    /// `[h, w]`
    pub values: Vec<f32>,
    /// How far the map's sum is from what the method promises, where it promises something.
    pub convergence_delta: Option<f32>,
    /// Forward pass and attribution.
    pub seconds: f64,
}

/// An image and the class that is explained.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    pub row: usize,
    pub target_class: usize,
}

/// The maps of a plan's method for some images, in their order; an error for each map that could not be made.
///
/// # Errors
/// What opening the model reports; `Cancelled`.
pub(super) fn of(plan: &RunPlan, subjects: &[Subject], context: &Context) -> Result<Vec<Result<Map>>> {
    let workers = Workers::open(&*plan.runtime, &plan.config.model.open(1), context)?;
    workers.map(subjects.len(), |backend, i| {
        context.progress("attributing", i, subjects.len())?;
        match one(plan, backend, subjects[i], context) {
            Err(Error::Cancelled) => Err(Error::Cancelled),
            map => Ok(map),
        }
    })
}

fn one(plan: &RunPlan, backend: &dyn ModelBackend, subject: Subject, context: &Context) -> Result<Map> {
    let pixels = plan.load(subject.row)?;
    let [c, h, w] = plan.model.input_shape;
    let shape = [1, c, h, w];
    let images = TensorView::new(&shape, &pixels)?;
    let start = Instant::now();
    let layers: Vec<&str> = plan.method.requirements.layers.iter().map(String::as_str).collect();
    let names: Vec<&str> = plan.method.requirements.gradients_of.iter().map(String::as_str).collect();
    let (classes, target_classes) = ([subject.target_class], [Some(subject.target_class)]);
    let request = PassRequest { images, layers: &layers, target_classes: &target_classes, gradients_of: &names };
    let pass = backend.pass(&request)?;
    let batch =
        AttributionBatch { gradients: &pass.gradients, ..AttributionBatch::new(images, &classes, &pass.forward) };
    let silent = Context { reporter: &ascan_core::Silent, ..*context };
    let found = plan.method.attributor.attribute(backend, &batch, &silent)?;
    let seconds = start.elapsed().as_secs_f64();
    let values = resize_map(found.maps.data(), plan.method.requirements.map_size, [h, w]);
    let convergence_delta = found.convergence_delta.and_then(|deltas| deltas.first().copied());
    Ok(Map { values, convergence_delta, seconds })
}

/// A map that is chance alone: what a figure is worth when nothing is known.
pub(super) fn noise(n: usize, seed: u64, row: usize) -> Map {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed_of(seed, [13, row as u64]));
    Map { values: (0..n).map(|_| rng.random_range(0.0..1.0f32)).collect(), ..Map::default() }
}

/// The edges of the image itself, by Sobel's filter: a map that never asked the model.
///
/// # Shapes
/// `image`: `[c, h, w]`
pub(super) fn edges(image: &[f32], [h, w]: [usize; 2]) -> Map {
    let n = h * w;
    let n_channels = (image.len() / n) as f32;
    let grey: Vec<f32> = (0..n).map(|at| image.iter().skip(at).step_by(n).sum::<f32>() / n_channels).collect();
    let at = |y: usize, x: usize, dy: isize, dx: isize| {
        let inside = |place: usize, step: isize, n: usize| place.saturating_add_signed(step).min(n - 1);
        grey[inside(y, dy, h) * w + inside(x, dx, w)]
    };
    let values = (0..n).map(|place| {
        let (y, x) = (place / w, place % w);
        let side = |dx: isize| at(y, x, -1, dx) + 2.0 * at(y, x, 0, dx) + at(y, x, 1, dx);
        let row = |dy: isize| at(y, x, dy, -1) + 2.0 * at(y, x, dy, 0) + at(y, x, dy, 1);
        (side(1) - side(-1)).hypot(row(1) - row(-1))
    });
    Map { values: values.collect(), ..Map::default() }
}

/// Writes the model with the values of every weight of two and more dimensions drawn anew from its own: it has the
/// architecture and the scale of the old one and knows nothing.
///
/// # Errors
/// `File` for a file that cannot be read or written; `Unsupported` for quantised weights.
///
/// # Source
/// Adebayo et al. 2018, *Sanity Checks for Saliency Maps*, arXiv 1810.03292.
pub(super) fn randomised(model: &Path, to: &Path, seed: u64) -> Result<()> {
    let mut model = Model::load(model)?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut weights = Vec::new();
    for tensor in &model.graph()?.initializer {
        if tensor.dims.len() < 2 {
            continue;
        }
        let constant = ascan_onnx::decode(tensor)?;
        let Some(mut values) = constant.to_f32().filter(|_| constant.values.is_float()) else { continue };
        values.shuffle(&mut rng);
        let shape: Vec<usize> = tensor.dims.iter().map(|&side| usize::try_from(side).unwrap_or(0)).collect();
        weights.push((tensor.name.clone(), ascan_core::Tensor::new(shape, values)?));
    }
    if weights.is_empty() {
        return Err(Error::unsupported("the model has no weights that could be randomised", ""));
    }
    model.set_weights(&weights)?;
    model.save(to)
}
