//! Reads the golden nets of this folder and compares backends with them; README.md has the format.
//!
//! Included by path where it is needed, since the golden files are no crate.
// Each test binary uses its part.
#![allow(dead_code)]

use ascan_core::{ModelBackend, OpenModel, Optimizer, Runtime, Tensor, Trainable, TrainerOptions, TrainingStep};
use safetensors::SafeTensors;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Index {
    families: Vec<Family>,
}

/// A net, the settings of its reference numbers, and its ONNX files.
#[derive(Deserialize)]
pub struct Family {
    pub family: String,
    golden: String,
    pub input_shape: [usize; 3],
    pub n_classes: usize,
    pub target_classes: Vec<usize>,
    pub labels: Vec<usize>,
    pub ig_steps: usize,
    #[serde(default)]
    pub train_labels: Vec<usize>,
    pub exports: Vec<Export>,
    pub training: Vec<Training>,
    #[serde(skip)]
    tensors: HashMap<String, Tensor>,
}

/// The net as one exporter wrote it.
#[derive(Deserialize)]
pub struct Export {
    pub exporter: String,
    pub file: String,
    pub input: String,
    pub logits: String,
    pub layer: String,
    weights: Vec<Weight>,
}

#[derive(Deserialize)]
struct Weight {
    name: String,
    gradient: String,
}

/// What a few optimiser steps made of some weights.
#[derive(Deserialize)]
pub struct Training {
    exporter: String,
    optimizer: String,
    batch_norm: String,
    learning_rate: f32,
    weight_decay: f32,
    #[serde(default)]
    momentum: f32,
    #[serde(default)]
    beta_1: f32,
    #[serde(default)]
    beta_2: f32,
    #[serde(default)]
    epsilon: f32,
    losses: Vec<f32>,
    weights: Vec<Trained>,
}

#[derive(Deserialize)]
struct Trained {
    name: String,
    value: String,
}

fn folder() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = manifest.ancestors().find(|folder| folder.join("tests/golden/index.json").is_file());
    root.expect("the golden files lie in tests/golden").join("tests/golden")
}

/// Every family of `index.json`, with its tensors.
pub fn families() -> Vec<Family> {
    let index = std::fs::read(folder().join("index.json")).unwrap();
    let mut families = serde_json::from_slice::<Index>(&index).unwrap().families;
    for family in &mut families {
        let bytes = std::fs::read(folder().join(&family.golden)).unwrap();
        for (name, tensor) in SafeTensors::deserialize(&bytes).unwrap().iter() {
            let values = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
            family.tensors.insert(name.to_owned(), Tensor::new(tensor.shape(), values).unwrap());
        }
    }
    families
}

/// Runs `check` on every file of every family `but` some, and panics with the list of those that failed.
pub fn every_export(runtime: &dyn Runtime, but: &[&str], check: impl Fn(&dyn ModelBackend, &Family, &Export)) {
    let families = families();
    assert!(families.len() >= 17, "index.json lists the families");
    let mut failed = Vec::new();
    for family in &families {
        for export in family.exports.iter().filter(|export| !but.contains(&&*export.file)) {
            let run = || check(&*runtime.open(&family.open(&export.exporter)).unwrap(), family, export);
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err() {
                failed.push(export.file.as_str());
            }
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
}

impl Family {
    /// A golden tensor.
    pub fn tensor(&self, name: &str) -> &Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("{} has no `{name}`", self.golden))
    }

    /// Whether this golden has the tensor.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// How to open the export of this name.
    pub fn open(&self, exporter: &str) -> OpenModel {
        let export = self.exports.iter().find(|export| export.exporter == exporter).expect("an export of this family");
        OpenModel::new(folder().join(&export.file))
    }
}

/// Largest difference as a share of the largest expected value.
pub fn deviation(got: &[f32], expected: &[f32]) -> f32 {
    let largest = expected.iter().fold(f32::MIN_POSITIVE, |largest, v| largest.max(v.abs()));
    let difference = got.iter().zip(expected).map(|(a, b)| (a - b).abs());
    // Once NaN, always NaN: it must not pass.
    difference.fold(0.0, |worst: f32, d| if d > worst || d.is_nan() { d } else { worst }) / largest
}

/// Panics unless `got` has the expected shape and deviates by less than `tolerance`.
pub fn assert_close(what: &str, got: &Tensor, expected: &Tensor, tolerance: f32) {
    assert_eq!(got.shape(), expected.shape(), "{what}: shape");
    let deviation = deviation(got.data(), expected.data());
    assert!(deviation < tolerance, "{what}: deviates by {deviation:e} of the maximum, allowed {tolerance:e}");
}

/// What the model says it is, its logits and its feature map.
pub fn check_forward(model: &dyn ModelBackend, family: &Family, export: &Export) {
    let info = model.info();
    assert_eq!(info.input_shape, family.input_shape, "{}", export.file);
    assert_eq!(info.n_classes, family.n_classes, "{}", export.file);
    let forward = model.forward(family.tensor("images").view(), &[&export.layer]).unwrap();
    assert_close(&format!("{}: logits", export.file), &forward.logits, family.tensor("logits"), 1e-4);
    let map = forward.feature_map(&export.layer).expect("the layer asked for");
    assert_close(&format!("{}: feature map", export.file), map, family.tensor("feature_map"), 1e-4);
}

/// Gradients of the logits with respect to the images and the feature map.
pub fn check_gradients(model: &dyn ModelBackend, family: &Family, export: &Export) {
    let wanted = [model.info().input.as_str(), export.layer.as_str()];
    let gradients = model.gradients(family.tensor("images").view(), &family.target_classes, &wanted).unwrap();
    assert_close(&format!("{}: logits", export.file), &gradients.logits, family.tensor("logits"), 1e-4);
    for (got, name) in gradients.gradients.iter().zip(["input_gradient", "feature_gradient"]) {
        assert_close(&format!("{}: {name}", export.file), got, family.tensor(name), 1e-3);
    }
    for (got, name) in gradients.values.iter().zip(["images", "feature_map"]) {
        assert_close(&format!("{}: {name}", export.file), got, family.tensor(name), 1e-4);
    }
}

/// Gradients of the mean cross-entropy with respect to some weights.
pub fn check_weight_gradients(model: &dyn ModelBackend, family: &Family, export: &Export) {
    let names = export.weights.iter().map(|weight| weight.name.clone()).collect();
    let options = TrainerOptions { trainable: Trainable::Names(names), ..TrainerOptions::default() };
    let mut trainer = model.trainer(&options).unwrap();
    let step = TrainingStep {
        images: family.tensor("images").view(),
        labels: &family.labels,
        weights: &vec![1.0; family.labels.len()],
        learning_rate: 0.0,
        penalty: None,
    };
    let gradients: HashMap<String, Tensor> = trainer.weight_gradients(&step).unwrap().into_iter().collect();
    assert_eq!(gradients.len(), export.weights.len(), "{}: only the weights asked for", export.file);
    for weight in &export.weights {
        let what = format!("{}: gradient of `{}`", export.file, weight.name);
        let got = gradients.get(&weight.name).unwrap_or_else(|| panic!("{what} is missing"));
        assert_close(&what, got, family.tensor(&weight.gradient), 1e-3);
    }
}

/// Losses of each step and the weights after the last, from `model`'s trainer.
pub fn check_training(model: &dyn ModelBackend, family: &Family, training: &Training) {
    let what = format!("{} {} {}", family.family, training.optimizer, training.batch_norm);
    // AdamW divides by the root of tiny squared gradients: PyTorch's own f32 is 4e-4 from its f64.
    let (optimizer, tolerance) = match training.optimizer.as_str() {
        "sgd" => (Optimizer::Sgd { momentum: training.momentum }, 1e-3),
        _ => {
            let Training { beta_1, beta_2, epsilon, .. } = *training;
            (Optimizer::AdamW { beta_1, beta_2, epsilon }, 5e-3)
        }
    };
    let mut trainer = model
        .trainer(&TrainerOptions {
            optimizer,
            weight_decay: training.weight_decay,
            trainable: Trainable::All,
            train_batch_norm: training.batch_norm == "batch",
            seed: 0,
        })
        .unwrap();
    let before: HashMap<String, Tensor> = trainer.weights().unwrap().into_iter().collect();
    let step = TrainingStep {
        images: family.tensor("train_images").view(),
        labels: &family.train_labels,
        weights: &vec![1.0; family.train_labels.len()],
        learning_rate: training.learning_rate,
        penalty: None,
    };
    for &expected in &training.losses {
        let losses = trainer.step(&step).unwrap().losses;
        let mean = losses.iter().sum::<f32>() / losses.len() as f32;
        assert!((mean - expected).abs() < 1e-4 * expected.max(1.0), "{what}: loss {mean}, expected {expected}");
    }
    let after: HashMap<String, Tensor> = trainer.weights().unwrap().into_iter().collect();
    for Trained { name, value } in &training.weights {
        let statistic = name.ends_with("running_mean") || name.ends_with("running_var");
        if statistic && training.batch_norm == "frozen" {
            assert_eq!(after.get(name), before.get(name), "{what}: frozen statistics stay");
            continue;
        }
        // Compared by how far they moved: the steps are small beside the weights.
        let start = before.get(name).unwrap_or_else(|| panic!("{what}: no weight `{name}`"));
        let moved = |end: &Tensor| {
            let values = end.data().iter().zip(start.data()).map(|(end, start)| end - start).collect();
            Tensor::new(end.shape(), values).unwrap()
        };
        assert_eq!(after[name].shape(), start.shape(), "{what}: `{name}`");
        assert_close(&format!("{what}: `{name}`"), &moved(&after[name]), &moved(family.tensor(value)), tolerance);
    }
}

impl Training {
    /// The export that is trained.
    pub fn exporter(&self) -> &str {
        &self.exporter
    }
}
