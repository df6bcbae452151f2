//! Times a batch of input gradients, which is what integrated gradients costs.
//!
//! `cargo run --release -p ascan-burn --example gradients -- resnet18.onnx 32 2`: 32 images on 2 threads.

use ascan_burn::BurnBackend;
use ascan_core::{ModelBackend, OpenModel, Result, Tensor};
use std::time::Instant;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else {
        eprintln!("usage: gradients MODEL.onnx [IMAGES [THREADS]]");
        std::process::exit(2);
    };
    let mut number = |default| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (n, n_threads): (usize, usize) = (number(32), number(2));
    let model = BurnBackend::open(&OpenModel { n_threads, ..OpenModel::new(&path) })?;
    let info = model.info();
    let shape = [&[n][..], &info.input_shape].concat();
    let values = (0..shape.iter().product::<usize>()).map(|i| (i as f32 * 0.37).sin()).collect();
    let images = Tensor::new(shape, values)?;
    let time = |what: &str, work: &dyn Fn() -> Result<()>| -> Result<()> {
        let mut best = f64::INFINITY;
        for _ in 0..4 {
            let start = Instant::now();
            work()?;
            best = best.min(start.elapsed().as_secs_f64());
        }
        println!(
            "{what}: {:.1} ms for {n} images, {:.2} ms each, {n_threads} threads",
            best * 1e3,
            best * 1e3 / n as f64
        );
        Ok(())
    };
    time("forward", &|| model.forward(images.view(), &[]).map(drop))?;
    let classes = vec![0; n];
    time("input gradient", &|| model.gradients(images.view(), &classes, &[&info.input]).map(drop))?;
    if let Some(layer) = &info.default_layer {
        time("gradient of the default layer", &|| model.gradients(images.view(), &classes, &[layer]).map(drop))?;
    }
    Ok(())
}
