//! Small classifiers as exporters and quantisers write them (`golden/make_exported.py`): every engine that runs one gives
//! onnxruntime's answers, and gradients of quantised and half-precision forms are those of the float32 form.

use ascan_core::{ModelBackend, OpenModel, OutputKind, Plugin, Runtime, Tensor};
use ascan_ort::{OrtParams, OrtRuntime};
use serde_json::Value;
use std::path::{Path, PathBuf};

const SIDE: usize = 16;
const N_IMAGES: usize = 3;

/// What an engine does not have, and says so: onnxruntime's own operators, and types.
const REFUSED: [(&str, &str); 7] = [
    ("burn", "qoperator"),
    ("burn", "extended"),
    ("burn", "all"),
    ("tract", "qoperator"),
    ("tract", "extended"),
    ("tract", "all"),
    ("tract", "half"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/exported")
}

/// `[n, 3, side, side]`, as the script makes them.
fn images(scale: f32) -> Tensor {
    let pixel = |i: usize| ((i * 37 + (i / 11) * 5) % 256) as f32 / scale;
    let n = N_IMAGES * 3 * SIDE * SIDE;
    Tensor::new([N_IMAGES, 3, SIDE, SIDE], (0..n).map(pixel).collect()).unwrap()
}

fn engines() -> Vec<(&'static str, Box<dyn Runtime>)> {
    let mut engines: Vec<(&str, Box<dyn Runtime>)> =
        vec![("burn", Box::new(ascan_burn::BurnRuntime)), ("tract", Box::new(ascan_tract::TractRuntime))];
    let ort = OrtRuntime::new(OrtParams::default()).unwrap();
    match ort.available() {
        Ok(()) => engines.push(("ort", Box::new(ort))),
        Err(error) => println!("skipped: {error}"),
    }
    engines
}

fn rows(entry: &Value) -> Vec<Vec<f32>> {
    serde_json::from_value(entry["numbers"].clone()).unwrap()
}

#[test]
fn every_form_gives_the_answers_of_onnxruntime() {
    let index: Value = serde_json::from_str(&std::fs::read_to_string(folder().join("index.json")).unwrap()).unwrap();
    for (engine, runtime) in engines() {
        for (name, entry) in index.as_object().unwrap() {
            let opened = runtime.open(&OpenModel::new(folder().join(format!("{name}.onnx"))));
            let refused = REFUSED.contains(&(engine, name));
            let backend = match opened {
                Ok(_) if refused => panic!("{engine} runs {name} after all"),
                Ok(backend) => backend,
                Err(error) if refused => {
                    println!("{engine}, {name}: {error}");
                    continue;
                }
                Err(error) => panic!("{engine}, {name}: {error}"),
            };
            let images = images(if name == "bytes" { 1.0 } else { 255.0 });
            let forward = backend.forward(images.view(), &[]).unwrap();
            let expected = rows(entry);
            let largest = expected.iter().flatten().fold(0.0f32, |largest, value| largest.max(value.abs()));
            for (i, expected) in expected.iter().enumerate() {
                let logits = forward.logits.row(i);
                let kind = backend.info().output;
                let found = if entry["what"] == "probs" { kind.probs(logits) } else { logits.to_vec() };
                assert_eq!(found.len(), expected.len(), "{engine}, {name}");
                for (found, expected) in found.iter().zip(expected) {
                    assert!((found - expected).abs() <= 0.01 * largest, "{engine}, {name}: {found}, not {expected}");
                }
            }
        }
    }
}

#[test]
fn what_the_output_means_is_found() {
    let kind = |name: &str| {
        let backend = ascan_burn::BurnRuntime.open(&OpenModel::new(folder().join(format!("{name}.onnx")))).unwrap();
        (backend.info().output, backend.info().n_classes)
    };
    assert_eq!(kind("float"), (OutputKind::Logits, 4));
    assert_eq!(kind("zipmap"), (OutputKind::Softmax, 4));
    assert_eq!(kind("sigmoid"), (OutputKind::Sigmoid, 4));
    assert_eq!(kind("binary"), (OutputKind::Binary, 2));
}

/// ∂logit/∂map at the default layer times the map, summed over channels (Grad-CAM before its mean), and ∂logit/∂input.
fn maps(backend: &dyn ModelBackend) -> [Vec<f32>; 2] {
    let images = images(255.0);
    let info = backend.info().clone();
    let layer = info.default_layer.clone().unwrap();
    let made = backend.gradients(images.view(), &[0, 1, 3], &[&info.input, &layer]).unwrap();
    let (gradient, value) = (&made.gradients[1], &made.values[1]);
    let [n, c, h, w] = gradient.view().dims::<4>("map", "").unwrap();
    let mut cam = vec![0.0; n * h * w];
    for i in 0..n {
        for k in 0..c {
            let of = |tensor: &Tensor| tensor.row(i)[k * h * w..][..h * w].to_vec();
            let weight = of(gradient).iter().sum::<f32>() / (h * w) as f32;
            of(value).iter().enumerate().for_each(|(at, value)| cam[i * h * w + at] += weight * value);
        }
    }
    [cam, made.gradients[0].data().to_vec()]
}

/// Root mean square of the difference, as a share of that of the second.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|value| value * value).sum::<f32>().sqrt();
    square(&mut a.iter().zip(b).map(|(a, b)| a - b)) / square(&mut b.iter().copied())
}

#[test]
fn maps_of_quantised_and_half_precision_forms_are_those_of_float32() {
    let open =
        |name: &str| ascan_burn::BurnRuntime.open(&OpenModel::new(folder().join(format!("{name}.onnx")))).unwrap();
    let expected = maps(&*open("float"));
    for name in ["half", "qdq", "dynamic"] {
        let found = maps(&*open(name));
        // A ReLU whose input lies within a step of quantisation from 0 may open or close: that is one of a hundred units in
        // a net of random weights, a tenth of the gradient of a single pixel, and nothing to a mean over channels.
        for (what, limit, found, expected) in
            [("Grad-CAM", 0.05, &found[0], &expected[0]), ("gradient of pixels", 0.15, &found[1], &expected[1])]
        {
            let distance = distance(found, expected);
            println!("{name}: {what} {distance}");
            assert!(distance < limit, "{name}: {what} is {distance} away");
        }
    }
}
