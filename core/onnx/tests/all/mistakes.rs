//! Models that are no image classifiers: what is said.

use crate::support::{open, tiny, trunk, with_output};
use ascan_core::Error;
use ascan_core::OutputChoice;
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::NodeProto;
use ascan_onnx::proto::tensor_proto::DataType;
use ascan_onnx::{Classifier, Model, cut_after, prepare};

fn complaint(model: &Model) -> String {
    let error = Classifier::analyse(model, None, &OutputChoice::default()).expect_err("not an image classifier");
    assert!(matches!(&error, Error::File { path, .. } if path == &model.path), "{error:?}");
    assert!(error.hint().is_some());
    error.to_string()
}

#[test]
fn an_input_that_is_no_image_is_described() {
    let mut graph = GraphBuilder::with_input_shape("tokens", &[8], 0);
    let logits = graph.linear("logits", "tokens", 8, 2);
    let message = complaint(&graph.finish(&logits, "model.onnx"));
    assert_eq!(message, "model.onnx: the model's input is not an image tensor: `tokens`: float32 [?, 8]");
}

#[test]
fn integer_images_and_several_inputs_are_described() {
    let mut graph = GraphBuilder::empty(13, 0);
    graph.input("pixels", DataType::Int32, &open([3, 8, 6]));
    graph.push(NodeProto::new("Cast", &["pixels"], "image").with_int("to", 1));
    let x = trunk(&mut graph, "image");
    assert!(complaint(&with_output(graph, &x, &open([5, 4, 3]))).contains("`pixels`: int32 [?, 3, 8, 6]"));

    let mut graph = GraphBuilder::new("image", [3, 8, 6], 0);
    graph.input("mask", DataType::Float, &open([1]));
    let x = trunk(&mut graph, "image");
    let x = graph.global_average_pool("pool", &x);
    let x = graph.flatten("flat", &x);
    let x = graph.node("Mul", &[&x, "mask"], "masked");
    let message = complaint(&with_output(graph, &x, &open([5])));
    assert!(message.contains("2 inputs") && message.contains("`mask`: float32 [?, 1]"), "{message}");
}

#[test]
fn a_model_without_classes_lists_its_outputs() {
    let mut graph = GraphBuilder::new("image", [3, 8, 6], 0);
    let x = trunk(&mut graph, "image");
    let message = complaint(&with_output(graph, &x, &open([5, 4, 3])));
    assert!(message.contains("gives maps (as for segmentation)"), "{message}");
    assert!(message.contains("`relu2` [n, 5, 4, 3] (a map)"), "{message}");
}

#[test]
fn an_open_image_size_is_asked_for() {
    let mut graph = GraphBuilder::empty(13, 0);
    graph.input("image", DataType::Float, &[None, None, None, None]);
    let x = trunk(&mut graph, "image");
    let x = graph.global_average_pool("pool", &x);
    let x = graph.flatten("flat", &x);
    let logits = graph.linear("logits", &x, 5, 4);
    let model = graph.finish(&logits, "model.onnx");
    let error = Classifier::analyse(&model, None, &OutputChoice::default()).unwrap_err();
    assert_eq!(error.key(), Some("image_size"));
    assert!(error.hint().unwrap().contains("model.image_size"));
    let classifier = Classifier::analyse(&model, Some([20, 30]), &OutputChoice::default()).unwrap();
    assert_eq!(classifier.input_shape, [3, 20, 30]);
    assert_eq!(classifier.layer("relu2").unwrap().info.shape, [5, 10, 15]);
}

#[test]
fn another_size_than_the_files_is_refused() {
    let error = Classifier::analyse(&tiny(), Some([8, 8]), &OutputChoice::default()).unwrap_err();
    assert_eq!(error.to_string(), "`image_size`: is [8, 8], but tiny.onnx takes images of [8, 6] only");
    assert!(Classifier::analyse(&tiny(), Some([8, 6]), &OutputChoice::default()).is_ok());
}

#[test]
fn a_contradiction_names_its_node() {
    let mut graph = GraphBuilder::new("image", [3, 8, 6], 0);
    let x = trunk(&mut graph, "image");
    let x = graph.flatten("flat", &x);
    let logits = graph.linear("logits", &x, 5, 4);
    let message = complaint(&graph.finish(&logits, "model.onnx"));
    assert!(message.contains("node `logits` (Gemm)") && message.contains("[1, 60]"), "{message}");
}

#[test]
fn unknown_layers_list_the_known_ones() {
    let model = tiny();
    let classifier = Classifier::analyse(&model, None, &OutputChoice::default()).unwrap();
    for error in [classifier.layer("conv9").unwrap_err(), prepare(&model, &classifier, &["conv9"], None).unwrap_err()] {
        assert_eq!(error.to_string(), "unknown layer `conv9`");
        assert!(error.hint().unwrap().contains("conv1, conv2, relu1, relu2"), "{:?}", error.hint());
    }
    assert!(cut_after(&model, "conv9", &["logits"]).is_err());
}

#[test]
fn a_function_that_calls_itself_ends() {
    use ascan_onnx::proto::FunctionProto;
    let mut model = tiny();
    let call = || NodeProto { domain: "own".into(), ..NodeProto::new("Loop", &["x"], "y") };
    model.proto.functions.push(FunctionProto {
        name: "Loop".into(),
        domain: "own".into(),
        input: vec!["x".into()],
        output: vec!["y".into()],
        node: vec![call(), NodeProto { domain: "own".into(), ..NodeProto::new("Loop", &["x"], "z") }],
        ..Default::default()
    });
    model.proto.graph.as_mut().unwrap().node.push(call());
    assert!(complaint(&model).contains("calls itself"));
}

#[test]
fn nodes_out_of_order_and_tensors_given_twice_are_refused() {
    let mut model = tiny();
    model.proto.graph.as_mut().unwrap().node.swap(0, 1);
    assert!(complaint(&model).contains("reads `conv1` before it is computed"));
    let mut model = tiny();
    model.proto.graph.as_mut().unwrap().node.push(NodeProto::new("Identity", &["logits"], "relu1"));
    assert!(complaint(&model).contains("gives `relu1`, which another node gives too"));
}
