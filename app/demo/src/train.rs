//! Training the demo's network through a backend's trainer.

use super::pictures::{CLASSES, Entry, SIDE};
use ascan_core::metrics::argmax;
use ascan_core::{
    Context, Error, OpenModel, Optimizer, Result, Runtime, Tensor, Trainable, TrainerOptions, TrainingStep,
};
use ascan_onnx::Model;
use ascan_onnx::builder::GraphBuilder;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use std::path::Path;

const EPOCHS: usize = 12;
const BATCH: usize = 32;
const LEARNING_RATE: f32 = 3e-3;
/// Output channels of the three convolutions.
const CHANNELS: [usize; 3] = [16, 32, 48];

/// Trains a small convolution network on the `train` entries and writes it to `model`.
///
/// Returns its accuracy in the last epoch.
///
/// # Errors
/// `File` for pictures or a model that cannot be read or written; whatever the trainer reports.
pub fn train(folder: &Path, entries: &[Entry], runtime: &dyn Runtime, model: &Path, context: &Context) -> Result<f64> {
    let mut onnx = network(context.seed, model);
    onnx.save(model)?;
    let train: Vec<&Entry> = entries.iter().filter(|entry| entry.split == "train").collect();
    let images: Vec<Vec<f32>> =
        train.iter().map(|entry| pixels(&folder.join(&entry.file_name))).collect::<Result<_>>()?;

    let backend = runtime.open(&OpenModel { n_threads: context.n_threads, ..OpenModel::new(model) })?;
    let mut trainer = backend.trainer(&TrainerOptions {
        optimizer: Optimizer::AdamW { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 },
        weight_decay: 1e-4,
        trainable: Trainable::All,
        train_batch_norm: true,
        seed: context.seed,
    })?;
    let mut rng = StdRng::seed_from_u64(context.seed);
    let mut order: Vec<usize> = (0..train.len()).collect();
    let n_steps = EPOCHS * train.len().div_ceil(BATCH);
    let mut n_right = 0;
    let mut n_done = 0usize;
    for epoch in 0..EPOCHS {
        order.shuffle(&mut rng);
        n_right = 0;
        for (i, batch) in order.chunks(BATCH).enumerate() {
            let data = batch.iter().flat_map(|&row| &images[row]).copied().collect();
            let data = Tensor::new([batch.len(), 3, SIDE as usize, SIDE as usize], data)?;
            let labels: Vec<usize> = batch.iter().map(|&row| train[row].label).collect();
            let outcome = trainer.step(&TrainingStep {
                images: data.view(),
                labels: &labels,
                weights: &vec![1.0; labels.len()],
                // A cosine to zero, so that batch norm's running statistics settle on the final weights.
                learning_rate: LEARNING_RATE
                    * 0.5
                    * (1.0 + (std::f32::consts::PI * n_done as f32 / n_steps as f32).cos()),
                penalty: None,
            })?;
            n_done += 1;
            n_right += labels.iter().enumerate().filter(|(i, label)| argmax(outcome.logits.row(*i)) == **label).count();
            context.progress("training", epoch * train.len() + i * BATCH + batch.len(), EPOCHS * train.len())?;
        }
    }
    onnx.set_weights(&trainer.weights()?)?;
    onnx.save(model)?;
    Ok(n_right as f64 / train.len() as f64)
}

/// Three times convolution, batch norm, ReLU at half the size each; global average pool; linear.
fn network(seed: u64, path: &Path) -> Model {
    let side = SIDE as usize;
    let mut graph = GraphBuilder::new("image", [3, side, side], seed);
    let (mut x, mut c_in) = ("image".to_owned(), 3);
    for (i, c_out) in CHANNELS.into_iter().enumerate() {
        x = graph.conv(&format!("conv{i}"), &x, c_in, c_out, 3, 2);
        x = graph.batch_norm(&format!("norm{i}"), &x, c_out);
        x = graph.relu(&format!("relu{i}"), &x);
        c_in = c_out;
    }
    let x = graph.global_average_pool("pool", &x);
    let x = graph.flatten("flat", &x);
    let logits = graph.linear("logits", &x, c_in, CLASSES.len());
    graph.finish(&logits, path)
}

/// Pixels of a picture in [0, 1], `[3, SIDE, SIDE]`.
fn pixels(path: &Path) -> Result<Vec<f32>> {
    let picture = image::open(path).map_err(|error| Error::file(path, error, "run the demo again"))?.to_rgb8();
    let channel = |c: usize| picture.pixels().map(move |pixel| f32::from(pixel[c]) / 255.0);
    Ok((0..3).flat_map(channel).collect())
}
