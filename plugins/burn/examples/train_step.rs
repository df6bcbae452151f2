//! Times training steps on all weights: forward, backward, update.
//!
//! `cargo run --release -p ascan-burn --example train_step -- resnet18.onnx 32 4 2 frozen`: batches of 32, four steps,
//! two threads, batch normalisation frozen (or `trained`). `benches/torch_train.py` does the same in PyTorch.

use ascan_burn::BurnBackend;
use ascan_core::{ModelBackend, OpenModel, Optimizer, Result, Tensor, Trainable, TrainerOptions, TrainingStep};
use std::time::Instant;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else {
        eprintln!("usage: train_step MODEL.onnx [BATCH [STEPS [THREADS [frozen|trained]]]]");
        std::process::exit(2);
    };
    let mut number = |default| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (n, n_steps, n_threads): (usize, usize, usize) = (number(32), number(4), number(2));
    let train_batch_norm = arguments.next().as_deref() == Some("trained");
    let model = BurnBackend::open(&OpenModel { n_threads, ..OpenModel::new(&path) })?;
    let info = model.info();
    let mut trainer = model.trainer(&TrainerOptions {
        optimizer: Optimizer::Sgd { momentum: 0.9 },
        weight_decay: 0.0,
        trainable: Trainable::All,
        train_batch_norm,
        seed: 0,
    })?;
    let shape = [&[n][..], &info.input_shape].concat();
    let values = (0..shape.iter().product::<usize>()).map(|i| (i as f32 * 0.37).sin()).collect();
    let images = Tensor::new(shape, values)?;
    let labels: Vec<usize> = (0..n).map(|i| i % info.n_classes).collect();
    let step = TrainingStep {
        images: images.view(),
        labels: &labels,
        weights: &vec![1.0; n],
        learning_rate: 1e-4,
        penalty: None,
    };
    let mut best = f64::INFINITY;
    for _ in 0..n_steps {
        let start = Instant::now();
        trainer.step(&step)?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    let mode = if train_batch_norm { "trained" } else { "frozen" };
    println!(
        "batch norm {mode}, {n_threads} threads: {:.0} ms per step of {n} images, {:.1} ms per image",
        best * 1e3,
        best * 1e3 / n as f64
    );
    Ok(())
}
