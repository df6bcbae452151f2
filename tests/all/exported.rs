//! Small classifiers as exporters and quantisers write them (`golden/make_exported.py`): every engine that runs one gives
//! onnxruntime's answers, and gradients of quantised and half-precision forms are those of the float32 form.

use crate::harness::onnxruntime;
use ascan_core::{ModelBackend, OpenModel, OutputKind, Runtime, Tensor};
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::tensor_proto::DataType;
use serde_json::Value;
use std::path::{Path, PathBuf};

const SIDE: usize = 16;
const N_IMAGES: usize = 3;

/// What an engine does not have, and says so: onnxruntime's own operators, and types.
const REFUSED: [(&str, &str); 3] = [("burn", "all"), ("tract", "all"), ("tract", "half")];

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
    engines.extend(onnxruntime().map(|ort| ("ort", Box::new(ort) as Box<dyn Runtime>)));
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

/// Mean absolute difference, as a share of the largest value of the second.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    let largest = b.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>() / a.len() as f32 / largest
}

#[test]
fn maps_of_fused_quantised_and_half_precision_forms_are_those_of_float32() {
    let open =
        |name: &str| ascan_burn::BurnRuntime.open(&OpenModel::new(folder().join(format!("{name}.onnx")))).unwrap();
    for (name, of) in [
        ("half", "float"),
        ("qdq", "float"),
        ("dynamic", "float"),
        ("extended", "float"),
        ("qoperator", "float"),
        ("whole", "branched"),
        ("fused", "mixer"),
        ("fused_dynamic", "mixer_dynamic"),
    ] {
        let (found, expected) = (maps(&*open(name)), maps(&*open(of)));
        // A ReLU whose input lies within a step of quantisation from 0 may open or close, and with it single pixels change by
        // more than this: their mean does not.
        for (what, found, expected) in
            [("Grad-CAM", &found[0], &expected[0]), ("gradient of pixels", &found[1], &expected[1])]
        {
            let distance = distance(found, expected);
            println!("{name}: {what} {distance}");
            assert!(distance < 0.05, "{name}: {what} is {distance} away");
        }
    }
}

/// `softmax(X Xᵀ / √d) X` of the images read as `[n, 2, 16, 24]`, by the definition.
fn attention_of(image: &[f32]) -> Vec<f32> {
    let (heads, t, d) = (2, SIDE, 3 * SIDE / 2);
    let mut mixed = Vec::new();
    for head in 0..heads {
        let x = |i: usize| &image[(head * t + i) * d..][..d];
        for i in 0..t {
            let score =
                |j: usize| x(i).iter().zip(x(j)).map(|(a, b)| f64::from(a * b)).sum::<f64>() / (d as f64).sqrt();
            let weights: Vec<f64> = (0..t).map(|j| score(j).exp()).collect();
            let sum: f64 = weights.iter().sum();
            mixed.extend((0..d).map(|k| (0..t).map(|j| weights[j] / sum * f64::from(x(j)[k])).sum::<f64>() as f32));
        }
    }
    mixed
}

#[test]
fn the_operator_attention_is_what_its_definition_says() {
    let mut graph = GraphBuilder::empty(23, 0);
    graph.input("image", DataType::Float, &[None, Some(3), Some(SIDE), Some(SIDE)]);
    let to = graph.ints("to", &[0, 2, SIDE as i64, 3 * SIDE as i64 / 2]);
    graph.node("Reshape", &["image", &to], "tokens");
    graph.node("Attention", &["tokens", "tokens", "tokens"], "mixed");
    let logits = graph.flatten("logits", "mixed");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("attention.onnx");
    graph.finish(&logits, &path).save(&path).unwrap();
    let images = images(255.0);
    for (engine, runtime) in engines() {
        let backend = runtime.open(&OpenModel::new(&path)).unwrap_or_else(|error| panic!("{engine}: {error}"));
        let forward = backend.forward(images.view(), &[]).unwrap();
        for i in 0..N_IMAGES {
            for (found, expected) in forward.logits.row(i).iter().zip(attention_of(images.row(i))) {
                assert!((found - expected).abs() < 1e-4, "{engine}: {found}, not {expected}");
            }
        }
    }
}
