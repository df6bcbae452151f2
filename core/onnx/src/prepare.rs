//! Rewrites a model for an engine, and cuts it.

use crate::adapt::{self, Adapter};
use crate::classifier::Classifier;
use crate::flat::Flat;
use crate::inline::reads;
use crate::model::Model;
use crate::proto::tensor_proto::DataType;
use crate::proto::tensor_shape_proto::{Dimension, dimension::Value as Dim};
use crate::proto::type_proto::{Tensor, Value as Type};
use crate::proto::{GraphProto, ModelProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto};
use ascan_core::{Error, Result};
use std::collections::HashSet;

/// A copy of the model in the one form that engines take.
///
/// - input: named as before, `[n, c, h, w]`, float32;
/// - outputs: the logits `[n, k]`, then `layers` (or attentions) in the order given (once each), in the model's own layout
///   ([`Layer::layout`](crate::Layer::layout)), all float32;
/// - `n` is `batch` if that is given, else open, unless the graph can take one size only;
/// - functions are inlined, nodes and constants without a reader removed.
///
/// # Errors
/// `UnknownName` for a layer or attention that is not one of the classifier's; `Unsupported` for a batch size that the
/// graph cannot take.
pub fn prepare(model: &Model, classifier: &Classifier, layers: &[&str], batch: Option<usize>) -> Result<ModelProto> {
    let mut wanted = vec![classifier.logits.as_str()];
    for layer in layers {
        let name = classifier.tensor(layer)?;
        if !wanted.contains(&name) {
            wanted.push(name);
        }
    }
    let batch = match (classifier.batch, batch) {
        (Some(only), Some(asked)) if asked != only => {
            return Err(Error::unsupported(
                format!("{} can take {only} images at a time, not {asked}", model.path.display()),
                "export the model with a dynamic batch size",
            ));
        }
        (only, asked) => asked.or(only),
    };
    let [c, h, w] = classifier.input_shape;
    let flat = Flat::of(model, Some([h, w]))?;
    let flat = if classifier.input_is_layer { flat.with_input_as_layer() } else { flat };
    let facts = flat.facts(batch.unwrap_or(2))?;
    let mut nodes = live(&flat.nodes, &wanted);
    let input = &flat.input;
    let before = adapt::image(input, model.opset(), &mut nodes);
    let mut after = Adapter::default();
    let mut outputs = Vec::new();
    for &name in &wanted {
        if classifier.scores().is_some_and(|scores| scores == name) {
            outputs.push(value(name, Some((batch, &[classifier.n_scores, 1, 1]))));
            continue;
        }
        let Some(fact) = facts.get(name) else {
            return Err(Error::unknown_name("layer", name, classifier.layers.iter().map(|layer| &layer.info.name)));
        };
        let rest = if name == classifier.logits {
            after = adapt::logits(classifier, fact, &mut nodes);
            Some(vec![classifier.n_classes])
        } else {
            if let Some(elem) = fact.elem.filter(|&elem| elem != DataType::Float) {
                adapt::layer(name, elem, &mut nodes);
            }
            fact.shape.as_ref().map(|shape| shape[1..].to_vec())
        };
        outputs.push(value(name, rest.as_deref().map(|rest| (batch, rest))));
    }
    nodes.splice(0..0, before.nodes);
    nodes.extend(after.nodes);
    let constants = before.constants.into_iter().chain(after.constants).collect();
    let inputs = value(&input.name, Some((batch, &[c, h, w])));
    Ok(assemble(&flat, nodes, constants, inputs, outputs))
}

/// The part of the model after a tensor: a model whose input is that tensor and whose outputs are `outputs`.
///
/// Meant for a model that [`prepare`] has made, whose image size is known.
///
/// # Errors
/// `UnknownName` for a tensor that does not exist; `Unsupported` if an output cannot be computed from the tensor alone.
pub fn cut_after(model: &Model, tensor: &str, outputs: &[&str]) -> Result<ModelProto> {
    let flat = Flat::of(model, None)?;
    let facts = flat.facts(flat.batch.unwrap_or(2))?;
    let all = || flat.nodes.iter().flat_map(|node| node.output.iter().map(String::as_str));
    for name in outputs.iter().chain([&tensor]) {
        if !all().any(|known| known == *name) {
            return Err(Error::unknown_name("tensor", *name, all().filter(|name| !name.is_empty())));
        }
    }
    let upstream: Vec<NodeProto> =
        flat.nodes.iter().filter(|node| !node.output.iter().any(|name| name == tensor)).cloned().collect();
    let nodes = live(&upstream, outputs);
    if let Some(reader) = nodes.iter().find(|node| reads(node).contains(&flat.input.name.as_str())) {
        return Err(Error::unsupported(
            format!(
                "{} cannot be cut at `{tensor}`: node `{}` ({}) behind it reads the image past it",
                model.path.display(),
                reader.display_name(),
                reader.operator()
            ),
            "choose a later layer",
        ));
    }
    let describe = |name: &str| {
        let fact = facts.get(name);
        let shape = fact.and_then(|fact| fact.shape.as_deref()).filter(|shape| !shape.is_empty());
        let mut described = value(name, shape.map(|shape| (flat.batch, &shape[1..])));
        if let (Some(elem), Some(Type::TensorType(tensor))) =
            (fact.and_then(|fact| fact.elem), described.r#type.as_mut().and_then(|kind| kind.value.as_mut()))
        {
            tensor.elem_type = elem.into();
        }
        described
    };
    let inputs = describe(tensor);
    let outputs = outputs.iter().map(|name| describe(name)).collect();
    Ok(assemble(&flat, nodes, vec![], inputs, outputs))
}

/// The nodes that these tensors are computed from, in graph order.
pub(crate) fn live(nodes: &[NodeProto], wanted: &[&str]) -> Vec<NodeProto> {
    let mut needed: HashSet<&str> = wanted.iter().copied().collect();
    let mut kept: Vec<&NodeProto> = Vec::new();
    for node in nodes.iter().rev() {
        if node.output.iter().any(|name| needed.contains(name.as_str())) {
            needed.extend(reads(node));
            kept.push(node);
        }
    }
    kept.into_iter().rev().cloned().collect()
}

fn assemble(
    flat: &Flat,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    input: ValueInfoProto,
    output: Vec<ValueInfoProto>,
) -> ModelProto {
    let used: HashSet<&str> = nodes.iter().flat_map(reads).collect();
    let stored = flat.graph.initializer.iter().chain(&flat.extra);
    let initializer: Vec<TensorProto> =
        stored.filter(|tensor| used.contains(tensor.name.as_str())).cloned().chain(constants).collect();
    let sparse = flat
        .graph
        .sparse_initializer
        .iter()
        .filter(|tensor| tensor.values.as_ref().is_some_and(|values| used.contains(values.name.as_str())));
    let graph = GraphProto {
        name: flat.graph.name.clone(),
        initializer,
        sparse_initializer: sparse.cloned().collect(),
        input: vec![input],
        output,
        node: nodes,
        ..Default::default()
    };
    let proto = &flat.model.proto;
    ModelProto {
        // Older versions want every constant among the inputs.
        ir_version: proto.ir_version.max(4),
        opset_import: proto.opset_import.clone(),
        producer_name: proto.producer_name.clone(),
        producer_version: proto.producer_version.clone(),
        graph: Some(graph),
        ..Default::default()
    }
}

/// A float32 value of shape `[batch, rest…]`.
fn value(name: &str, shape: Option<(Option<usize>, &[usize])>) -> ValueInfoProto {
    let length = |length: usize| Dimension { value: Some(Dim::DimValue(length as i64)), ..Default::default() };
    let shape = shape.map(|(batch, rest)| {
        let open = || Dimension { value: Some(Dim::DimParam("n".to_owned())), ..Default::default() };
        let first = batch.map_or_else(open, length);
        TensorShapeProto { dim: [first].into_iter().chain(rest.iter().map(|&dim| length(dim))).collect() }
    });
    let tensor = Tensor { elem_type: DataType::Float.into(), shape };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { value: Some(Type::TensorType(tensor)), ..Default::default() }),
        ..Default::default()
    }
}
