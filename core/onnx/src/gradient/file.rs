//! The finished model.

use super::shape::Shape;
use super::tape::Tape;
use crate::model::Model;
use crate::node::is_standard;
use crate::prepare::live;
use crate::proto::tensor_proto::DataType;
use crate::proto::type_proto::{Tensor, Value as Type};
use crate::proto::{GraphProto, ModelProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto};
use std::collections::HashSet;

/// A model of these nodes, with the shapes of all tensors that are known: onnxruntime keeps products in its blocked layout only
/// where it can prove that both sides are alike.
pub(super) fn assemble(
    prepared: &Model,
    tape: &Tape,
    (nodes, constants): (Vec<NodeProto>, Vec<TensorProto>),
    inputs: &[String],
    outputs: &[String],
    batches: [usize; 2],
) -> ModelProto {
    let wanted: Vec<&str> = outputs.iter().map(String::as_str).collect();
    let nodes = live(&nodes, &wanted);
    let used: HashSet<&str> = nodes.iter().flat_map(|node| node.input.iter().map(String::as_str)).collect();
    let value = |name: &String| {
        let known = tape.known(name)?;
        let elem = known.elem?;
        known.shape.as_ref().map(|shape| value(name, elem, shape, batches))
    };
    let ends: HashSet<&String> = inputs.iter().chain(outputs).collect();
    let inner = nodes.iter().flat_map(|node| &node.output).filter(|name| !ends.contains(name)).filter_map(value);
    let proto = &prepared.proto;
    let own = proto.graph.as_ref();
    let stored =
        own.into_iter().flat_map(|graph| &graph.initializer).filter(|tensor| used.contains(tensor.name.as_str()));
    let added = constants.into_iter().filter(|tensor| used.contains(tensor.name.as_str()));
    let graph = GraphProto {
        name: own.map(|graph| graph.name.clone()).unwrap_or_default(),
        initializer: stored.cloned().chain(added).collect(),
        sparse_initializer: own.map(|graph| graph.sparse_initializer.clone()).unwrap_or_default(),
        input: inputs.iter().filter_map(value).collect(),
        output: outputs.iter().filter_map(value).collect(),
        value_info: inner.collect(),
        node: nodes,
        ..Default::default()
    };
    let mut opset_import = proto.opset_import.clone();
    for set in opset_import.iter_mut().filter(|set| is_standard(&set.domain)) {
        set.version = set.version.max(tape.needs_opset);
    }
    ModelProto {
        ir_version: proto.ir_version.max(8),
        opset_import,
        producer_name: proto.producer_name.clone(),
        producer_version: proto.producer_version.clone(),
        graph: Some(graph),
        ..Default::default()
    }
}

fn value(name: &str, elem: DataType, shape: &Shape, batches: [usize; 2]) -> ValueInfoProto {
    let shape = Some(TensorShapeProto { dim: shape.declared(batches) });
    let tensor = Tensor { elem_type: elem.into(), shape };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { value: Some(Type::TensorType(tensor)), ..Default::default() }),
        ..Default::default()
    }
}
