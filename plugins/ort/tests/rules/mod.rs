//! The law of each rule: along any direction, the gradient is the limit of differences of logits.
//!
//! A case is a small net `image [n, c, 6, 6] → nodes under test → linear layer`, so that every value of the tested nodes has a
//! gradient of its own.

mod activations;
mod arithmetic;
mod arrangements;
mod convolutions;
mod indexing;
mod norms;
mod older;
mod pools;

use ascan_core::{OpenModel, Runtime, Tensor};
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::NodeProto;
use ascan_onnx::proto::tensor_proto::DataType;
use ascan_onnx::{Model, Operator, differentiates};
use ascan_ort::OrtRuntime;
use std::collections::BTreeSet;

pub const SIDE: usize = 6;
/// Channels of most cases, which onnxruntime keeps in blocks.
pub const C: usize = 4;
const N_CLASSES: usize = 3;
const N_IMAGES: usize = 2;

/// Nodes under test behind the image, `[n, C, SIDE, SIDE]`: gives their last tensor, `[n, …]` of `len` values an image.
pub struct Case {
    pub name: &'static str,
    pub opset: i64,
    pub len: usize,
    pub build: fn(&mut GraphBuilder, &str) -> String,
}

/// A case on the operators of version 13.
pub const fn case(name: &'static str, len: usize, build: fn(&mut GraphBuilder, &str) -> String) -> Case {
    Case { name, opset: 13, len, build }
}

impl Case {
    pub const fn opset(self, opset: i64) -> Self {
        Self { opset, ..self }
    }

    fn net(&self, channels: usize) -> Model {
        let mut graph = GraphBuilder::empty(self.opset, 7);
        graph.input("image", DataType::Float, &[None, Some(channels), Some(SIDE), Some(SIDE)]);
        let x = (self.build)(&mut graph, "image");
        let len = self.len * channels / C;
        let rows = graph.ints("rows", &[0, len as i64]);
        let x = graph.node("Reshape", &[&x, &rows], "flat");
        let logits = graph.linear("logits", &x, len, N_CLASSES);
        graph.finish(&logits, "case.onnx")
    }
}

/// Values in about [-2, 2], no two alike.
pub fn images(channels: usize) -> Tensor {
    let n = N_IMAGES * channels * SIDE * SIDE;
    Tensor::new([N_IMAGES, channels, SIDE, SIDE], (0..n).map(|i| noise(i, 1)).collect()).unwrap()
}

/// Number `i` of a sequence that looks random, in [-2, 2].
fn noise(i: usize, seed: usize) -> f32 {
    let x = ((i * 7919 + seed * 104_729) as f64 * 0.618_033_988_75).fract();
    (4.0 * x - 2.0) as f32
}

/// A node with one attribute after the other.
pub fn node(op_type: &str, inputs: &[&str]) -> NodeProto {
    NodeProto::new(op_type, inputs, &format!("tested_{op_type}"))
}

fn check(runtime: &OrtRuntime, case: &Case, channels: usize) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case.onnx");
    case.net(channels).save(&path).unwrap();
    let model = runtime.open(&OpenModel::new(&path)).map_err(|error| error.to_string())?;
    if let Some(why) = &model.info().no_gradients {
        return Err(why.clone());
    }
    let images = images(channels);
    let classes = [0, N_CLASSES - 1];
    let made = model.gradients(images.view(), &classes, &["image"]).map_err(|error| error.to_string())?;
    let gradient = &made.gradients[0];
    let logits = |shift: f32, direction: &[f32]| {
        let mut moved = images.clone();
        moved.data_mut().iter_mut().zip(direction).for_each(|(x, v)| *x += shift * v);
        model.forward(moved.view(), &[]).unwrap().logits
    };
    let len = images.view().row_len();
    for seed in 2..6 {
        let direction: Vec<f32> = (0..images.data().len()).map(|i| noise(i, seed)).collect();
        for (i, &class) in classes.iter().enumerate() {
            let (g, v) = (gradient.row(i), &direction[i * len..(i + 1) * len]);
            let along: f64 = g.iter().zip(v).map(|(g, v)| f64::from(*g) * f64::from(*v)).sum();
            let size = g.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
            // Large steps cross kinks, small ones drown in rounding.
            let error = [0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4].map(|step: f32| {
                let (up, down) = (logits(step, &direction).row(i)[class], logits(-step, &direction).row(i)[class]);
                let slope = (f64::from(up) - f64::from(down)) / f64::from(2.0 * step);
                (slope - along).abs() / size
            });
            let error = error.into_iter().fold(f64::INFINITY, f64::min);
            if size == 0.0 || error.is_nan() || error > 2e-3 {
                return Err(format!(
                    "the gradient along direction {seed} is wrong by {error:.1e} of its length {size}"
                ));
            }
        }
    }
    Ok(())
}

fn all() -> Vec<&'static Case> {
    let small = [activations::CASES, arithmetic::CASES, arrangements::CASES, indexing::CASES];
    let large = [convolutions::CASES, norms::CASES, pools::CASES, older::CASES];
    small.into_iter().chain(large).flatten().collect()
}

#[test]
fn gradients_are_limits_of_differences() {
    let Some(runtime) = super::runtime() else { return };
    let mut failed = Vec::new();
    for case in all() {
        if let Err(why) = check(&runtime, case, C) {
            failed.push(format!("{}: {why}", case.name));
        }
    }
    // Three channels are not kept in blocks, and are written otherwise.
    for case in activations::CASES {
        if let Err(why) = check(&runtime, case, 3) {
            failed.push(format!("{}, three channels: {why}", case.name));
        }
    }
    assert!(failed.is_empty(), "{} cases fail:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn every_rule_has_a_case() {
    let nets: Vec<Model> = all().iter().map(|case| case.net(C)).collect();
    let nodes = nets.iter().flat_map(|net| &net.proto.graph.as_ref().unwrap().node);
    let tested: BTreeSet<&str> = nodes.map(|node| node.op_type.as_str()).collect();
    // Step functions of rounding, which `quantised.rs` tests.
    let others = ["QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"];
    let missing: Vec<&str> = Operator::ALL
        .iter()
        .filter(|&&operator| differentiates(operator))
        .map(|operator| operator.name())
        .filter(|name| !tested.contains(name) && !others.contains(name))
        .collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}
