//! `If`s whose condition follows from the shape of the image.

use crate::support::{open, with_output};
use ascan_core::OutputChoice;
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::attribute_proto::AttributeType;
use ascan_onnx::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfoProto};
use ascan_onnx::{Classifier, Model, differentiable, prepare};

fn analyse(model: &Model) -> Classifier {
    Classifier::analyse(model, None, &OutputChoice::default()).unwrap()
}

fn count(proto: &ModelProto, op_type: &str) -> usize {
    proto.graph.as_ref().unwrap().node.iter().filter(|node| node.op_type == op_type).count()
}

fn branch(name: &str, nodes: Vec<NodeProto>, output: &str) -> AttributeProto {
    let output = vec![ValueInfoProto { name: output.to_owned(), ..Default::default() }];
    let graph = GraphProto { name: name.to_owned(), node: nodes, output, ..Default::default() };
    AttributeProto { name: name.to_owned(), r#type: AttributeType::Graph.into(), g: Some(graph), ..Default::default() }
}

/// A choice by the length of an axis of the image: an activation, or the map of a convolution as it is.
fn choice(axis: i64, length: i64) -> Model {
    let mut graph = GraphBuilder::new("image", [3, 8, 6], 1);
    let x = graph.conv("conv", "image", 3, 5, 3, 1);
    let shape = graph.node("Shape", &["image"], "shape");
    let [axis, length] = [("axis", axis), ("length", length)].map(|(name, value)| graph.ints(name, &[value]));
    let found = graph.node("Gather", &[&shape, &axis], "found");
    let condition = graph.node("Equal", &[&found, &length], "condition");
    let mut node = NodeProto::new("If", &[&condition], "chosen");
    // Both branches call their tensor alike.
    node.attribute = vec![
        branch("then_branch", vec![NodeProto::new("Relu", &[&x], "inner")], "inner"),
        branch("else_branch", vec![NodeProto::new("Identity", &[&x], "inner")], "inner"),
    ];
    let x = graph.push(node);
    let x = graph.global_average_pool("pooled", &x);
    let x = graph.flatten("flat", &x);
    graph.linear("logits", &x, 5, 4);
    with_output(graph, "logits", &open([4]))
}

#[test]
fn the_branch_that_the_shape_chooses_is_taken() {
    for (length, activations) in [(8, 1), (9, 0)] {
        let model = choice(2, length);
        let found = analyse(&model);
        assert_eq!((found.input_shape, found.batch), ([3, 8, 6], None));
        assert_eq!(found.default_layer.as_deref(), Some("chosen"), "what the choice gives is a layer");
        let proto = prepare(&model, &found, &[], None).unwrap();
        assert_eq!((count(&proto, "Relu"), count(&proto, "If")), (activations, 0));
        differentiable(&model, &found).unwrap();
    }
}

#[test]
fn a_choice_by_the_number_of_images_stays() {
    let model = choice(0, 1);
    let found = analyse(&model);
    assert_eq!(count(&prepare(&model, &found, &[], None).unwrap(), "If"), 1);
    let error = differentiable(&model, &found).unwrap_err().to_string();
    assert!(error.contains("`If`") && error.contains("`chosen`"), "{error}");
}
