//! The written backward pass against burn's interpreter, which differentiates by its own rules: gradients, pullbacks and the
//! part behind a layer agree.

use crate::golden::files::{deviation, families};
use crate::harness::onnxruntime;
use ascan_burn::BurnRuntime;
use ascan_core::testing::toy_images;
use ascan_core::{ModelBackend, OpenModel, Runtime, Tensor, TensorView};
use std::path::Path;

/// Largest difference of gradients, as a share of the largest value.
const TOLERANCE: f32 = 1e-5;
/// The same of what comes before them: two engines that round a deep net's sums in another order.
const FORWARD: f32 = 5e-5;

/// The first and the last layer, one in the middle, and the default one.
fn probed(model: &dyn ModelBackend) -> Vec<String> {
    let info = model.info();
    let n = info.layers.len();
    let some = [0, n / 2, n.saturating_sub(1)].into_iter().filter_map(|i| info.layers.get(i));
    let mut names: Vec<String> = some.map(|layer| layer.name.clone()).chain(info.default_layer.clone()).collect();
    names.extend(info.attentions.first().map(|attention| attention.name.clone()));
    names.dedup();
    names
}

/// What differs between two engines on these images, one sentence each.
fn differences(ours: &dyn ModelBackend, theirs: &dyn ModelBackend, images: TensorView) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: String, ours: &Tensor, theirs: &Tensor| {
        let deviation = deviation(ours.data(), theirs.data());
        let is_gradient = what.starts_with("gradient") || what.starts_with("pullback");
        let tolerance = if is_gradient { TOLERANCE } else { FORWARD };
        if ours.shape() != theirs.shape() || deviation.is_nan() || deviation > tolerance {
            found.push(format!("{what}: {deviation:e}"));
        }
    };
    let info = ours.info();
    let n = images.n_rows();
    let classes: Vec<usize> = (0..n).map(|i| i % info.n_classes).collect();
    let layers = probed(ours);
    let names: Vec<&str> = [info.input.as_str()].into_iter().chain(layers.iter().map(String::as_str)).collect();
    let [a, b] = [ours, theirs].map(|model| model.gradients(images, &classes, &names).unwrap());
    compare("logits".to_owned(), &a.logits, &b.logits);
    for (i, name) in names.iter().enumerate() {
        compare(format!("gradient at {name}"), &a.gradients[i], &b.gradients[i]);
        compare(format!("value at {name}"), &a.values[i], &b.values[i]);
    }
    for layer in layers.iter().filter(|layer| info.layers.iter().any(|known| known.name == **layer)) {
        // Any function of the layer: its gradient is a sawtooth.
        let mut sawtooth = |map: TensorView| {
            let len = map.shape().iter().product();
            Tensor::new(map.shape(), (0..len).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect())
        };
        let [a, b] = [ours, theirs].map(|model| model.pullback(images, layer, &mut sawtooth).unwrap());
        compare(format!("pullback from {layer}"), &a, &b);
        let forward = theirs.forward(images, &[layer]).unwrap();
        let mut map = forward.feature_maps[0].1.clone();
        map.data_mut().iter_mut().step_by(3).for_each(|value| *value = 0.0);
        let image_of: Vec<usize> = (0..n).rev().collect();
        let [a, b] = [ours, theirs].map(|model| model.forward_from(images, layer, map.view(), &image_of).unwrap());
        compare(format!("logits from {layer}"), &a, &b);
    }
    found
}

#[test]
fn small_nets_agree_with_burn() {
    let Some(runtime) = onnxruntime() else { return };
    let mut failed = Vec::new();
    for family in &families() {
        for export in &family.exports {
            let request = family.open(&export.exporter);
            let [ours, theirs] = [runtime.open(&request), BurnRuntime.open(&request)].map(Result::unwrap);
            let images = family.tensor("images").view();
            let found = differences(&*ours, &*theirs, images);
            failed.extend(found.into_iter().map(|what| format!("{}: {what}", export.file)));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn real_models_agree_with_burn() {
    let Some(runtime) = onnxruntime() else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/models");
    let Ok(entries) = std::fs::read_dir(&folder) else { return println!("skipped: ../shared/data is not here") };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    files.sort();
    assert!(!files.is_empty());
    let mut failed = Vec::new();
    for file in &files {
        let request = OpenModel::new(file);
        let [ours, theirs] = [runtime.open(&request), BurnRuntime.open(&request)].map(Result::unwrap);
        let images = toy_images(2, ours.info().input_shape, 3);
        let found = differences(&*ours, &*theirs, images.view());
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        failed.extend(found.into_iter().map(|what| format!("{name}: {what}")));
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
