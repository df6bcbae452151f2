//! Gradients through quantisation, which differences of logits do not show: rounding is passed straight through.

use super::rules::{C, SIDE, images, node};
use ascan_core::{OpenModel, OutputKind, Runtime, Tensor};
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::tensor_proto::DataType;
use ascan_onnx::proto::{NodeProto, TensorProto};
use std::path::Path;

/// ∂logit/∂image of a net of these nodes.
fn gradient(runtime: &ascan_ort::OrtRuntime, build: &dyn Fn(&mut GraphBuilder, &str) -> String) -> Tensor {
    let mut graph = GraphBuilder::empty(20, 7);
    graph.input("image", DataType::Float, &[None, Some(C), Some(SIDE), Some(SIDE)]);
    let x = build(&mut graph, "image");
    let x = graph.flatten("flat", &x);
    let logits = graph.linear("logits", &x, C * SIDE * SIDE, 3);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.onnx");
    graph.finish(&logits, &path).save(&path).unwrap();
    let model = runtime.open(&OpenModel::new(&path)).unwrap();
    let images = images(C);
    model.gradients(images.view(), &[0, 2], &["image"]).unwrap().gradients.remove(0)
}

fn bytes(name: &str, values: Vec<u8>) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: vec![values.len() as i64],
        data_type: 2,
        raw_data: values,
        ..Default::default()
    }
}

#[test]
fn rounding_is_passed_straight_through_inside_the_range() {
    let Some(runtime) = super::runtime() else { return };
    let plain = gradient(&runtime, &|graph, x| graph.node("Identity", &[x], "same"));
    // One scale a channel: values from -z·s to (255 - z)·s have a place.
    let (scales, zeros) = ([0.01f32, 0.02, 0.005, 0.01], [128u8, 100, 0, 255]);
    let quantised = gradient(&runtime, &|graph, x| {
        let scale = graph.floats("scale", &[C], &scales);
        let zero = graph.constant(bytes("zero", zeros.to_vec()));
        let q = graph.push(node("QuantizeLinear", &[x, &scale, &zero]));
        graph.push(node("DequantizeLinear", &[&q, &scale, &zero]))
    });
    let images = images(C);
    let mut n_cut = 0;
    for (i, (&x, (&got, &whole))) in images.data().iter().zip(quantised.data().iter().zip(plain.data())).enumerate() {
        let channel = i / (SIDE * SIDE) % C;
        let (scale, zero) = (scales[channel], f32::from(zeros[channel]));
        let inside = (-zero * scale..=(255.0 - zero) * scale).contains(&x);
        n_cut += usize::from(!inside);
        let expected = if inside { whole } else { 0.0 };
        assert!((got - expected).abs() < 1e-6, "value {i}, {x}: {got}, not {expected}");
    }
    assert!(n_cut > 10 && n_cut < images.data().len() - 10, "both sides are there: {n_cut}");
}

/// An operator on floats, and the same on bytes: weights `bytes - 17` of this shape.
fn bytes_agree(whole: &str, real: &str, shape: &[usize], pads: &[i64]) {
    let Some(runtime) = super::runtime() else { return };
    let n: usize = shape.iter().product();
    let weights: Vec<u8> = (0..n).map(|i| (i * 5 % 36) as u8).collect();
    let with_pads = |node: NodeProto| if pads.is_empty() { node } else { node.with_ints("pads", pads) };
    let plain = gradient(&runtime, &|graph, x| {
        let w = graph.floats("w", shape, &weights.iter().map(|&w| f32::from(w) - 17.0).collect::<Vec<_>>());
        graph.push(with_pads(NodeProto::new(real, &[x, &w], "product")))
    });
    let dynamic = gradient(&runtime, &|graph, x| {
        let mut node = NodeProto::new("DynamicQuantizeLinear", &[x], "q");
        node.output.extend(["scale".to_owned(), "zero".to_owned()]);
        graph.push(node);
        let dims = shape.iter().map(|&dim| dim as i64).collect();
        let w = graph.constant(TensorProto { dims, ..bytes("w", weights.clone()) });
        let w_zero = graph.constant(TensorProto { dims: vec![], ..bytes("w_zero", vec![17]) });
        let product = graph.push(with_pads(NodeProto::new(whole, &["q", &w, "zero", &w_zero], "whole")));
        let product = graph.push(NodeProto::new("Cast", &[&product], "real").with_int("to", 1));
        graph.node("Mul", &[&product, "scale"], "product")
    });
    let largest = plain.data().iter().fold(0.0f32, |largest, v| largest.max(v.abs()));
    for (got, expected) in dynamic.data().iter().zip(plain.data()) {
        assert!((got - expected).abs() < 1e-5 * largest, "{whole}: {got}, not {expected}");
    }
}

#[test]
fn a_product_of_bytes_has_the_gradient_of_the_product() {
    bytes_agree("MatMulInteger", "MatMul", &[SIDE, SIDE], &[]);
}

#[test]
fn a_convolution_of_bytes_has_the_gradient_of_the_convolution() {
    bytes_agree("ConvInteger", "Conv", &[C, C, 3, 3], &[1, 1, 1, 1]);
}

#[test]
fn activations_in_half_precision_have_the_gradients_of_float32() {
    let Some(runtime) = super::runtime() else { return };
    let activations = |graph: &mut GraphBuilder, x: &str| {
        let x = graph.push(node("HardSwish", &[x]));
        let x = graph.push(node("Gelu", &[&x]));
        let s = graph.push(node("Sigmoid", &[&x]));
        graph.node("Mul", &[&x, &s], "silu")
    };
    let plain = gradient(&runtime, &activations);
    let half = gradient(&runtime, &|graph, x| {
        let x = graph.push(NodeProto::new("Cast", &[x], "half").with_int("to", 10));
        let x = activations(graph, &x);
        graph.push(NodeProto::new("Cast", &[&x], "single").with_int("to", 1))
    });
    let largest = plain.data().iter().fold(0.0f32, |largest, v| largest.max(v.abs()));
    for (got, expected) in half.data().iter().zip(plain.data()) {
        assert!((got - expected).abs() < 4e-3 * largest, "{got}, not {expected}");
    }
}

/// The forms of one net that quantisers write, beside float32 (see `golden/make_exported.py`).
#[test]
fn quantised_forms_of_a_net_have_about_the_gradients_of_float32() {
    let Some(runtime) = super::runtime() else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/exported");
    let image: Vec<f32> = (0..2 * 3 * 16 * 16).map(|i| ((i * 37 + (i / 11) * 5) % 256) as f32 / 255.0).collect();
    let images = Tensor::new([2, 3, 16, 16], image).unwrap();
    let of = |name: &str| {
        let model = runtime.open(&OpenModel::new(folder.join(format!("{name}.onnx")))).unwrap();
        assert_eq!((model.info().output, &model.info().no_gradients), (OutputKind::Logits, &None), "{name}");
        let input = model.info().input.clone();
        model.gradients(images.view(), &[0, 1], &[&input]).unwrap().gradients.remove(0)
    };
    let expected = of("float");
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|value| value * value).sum::<f32>().sqrt();
    let size = square(&mut expected.data().iter().copied());
    for name in ["half", "qdq", "dynamic"] {
        let found = of(name);
        let distance = square(&mut found.data().iter().zip(expected.data()).map(|(a, b)| a - b)) / size;
        println!("{name}: {distance}");
        // A ReLU whose input lies within a step of quantisation from 0 may open or close.
        assert!(distance < if name == "half" { 1e-3 } else { 0.25 }, "{name}: {distance}");
    }
}
