//! A model in two halves: what runs before a tensor is given from outside, and what runs behind it.

use crate::classifier::Classifier;
use crate::flat::Flat;
use crate::gradient::{Seed, gradient};
use crate::inline::reads;
use crate::model::Model;
use crate::prepare::{live, prepare};
use crate::proto::tensor_proto::DataType;
use crate::proto::type_proto::{Tensor, Value as Type};
use crate::proto::{GraphProto, ModelProto, NodeProto, TypeProto, ValueInfoProto};
use ascan_core::{Error, Result};
use std::collections::{BTreeSet, HashMap, HashSet};

/// A model in two halves.
#[derive(Debug, Clone)]
pub struct Split {
    /// Takes the images; gives the layer, then the tensors of `crossing` that are not the images.
    pub before: ModelProto,
    /// Takes the tensor from outside, then those of `crossing`, by their names; gives the result.
    pub after: ModelProto,
    /// What the second half reads of the first; perhaps the images themselves.
    pub crossing: Vec<String>,
}

/// The forward pass up to a layer, and the way from a cotangent of it back to the images (`gradient/INPUT`).
///
/// # Errors
/// As [`gradient`].
pub fn pullback(model: &Model, classifier: &Classifier, layer: &str) -> Result<Split> {
    let proto = gradient(model, classifier, &[], &[&classifier.input], Seed::Cotangent(layer))?;
    let written = Model::from_proto(proto, &model.path);
    let graph = written.graph()?;
    let infos = graph.value_info.iter().chain(&graph.input).chain(&graph.output);
    let infos = infos.map(|info| (info.name.clone(), info.clone())).collect();
    let [_, cotangent] = graph.input.as_slice() else { return Err(Error::shape("inputs", "2", graph.input.len())) };
    let [layer, result] = graph.output.as_slice() else { return Err(Error::shape("outputs", "2", graph.output.len())) };
    Ok(split(&written.proto, graph, [&cotangent.name, &layer.name, &result.name], &infos))
}

/// The part of a model behind a layer, which takes the layer's feature map from outside and gives the logits; what does not
/// come through the layer is computed by the first half.
///
/// # Errors
/// `UnknownName` for a layer that is not one of the classifier's; as [`prepare`].
pub fn behind(model: &Model, classifier: &Classifier, layer: &str) -> Result<Split> {
    let layer = classifier.tensor(layer)?;
    let prepared = Model::from_proto(prepare(model, classifier, &[layer], None)?, &model.path);
    let infos = infos(&prepared)?;
    Ok(split(&prepared.proto, prepared.graph()?, [layer, layer, &classifier.logits], &infos))
}

/// Element types of all tensors of a prepared model, with the shapes of its inputs and outputs.
fn infos(prepared: &Model) -> Result<HashMap<String, ValueInfoProto>> {
    let flat = Flat::of(prepared, None)?;
    let facts = flat.facts(flat.batch.unwrap_or(2))?;
    let mut infos = HashMap::new();
    for name in flat.nodes.iter().flat_map(|node| &node.output) {
        let elem = facts.get(name).and_then(|fact| fact.elem).unwrap_or(DataType::Float);
        let tensor = Tensor { elem_type: elem.into(), shape: None };
        let info = ValueInfoProto {
            name: name.clone(),
            r#type: Some(TypeProto { value: Some(Type::TensorType(tensor)), ..Default::default() }),
            ..Default::default()
        };
        infos.insert(name.clone(), info);
    }
    let graph = prepared.graph()?;
    infos.extend(graph.input.iter().chain(&graph.output).map(|info| (info.name.clone(), info.clone())));
    Ok(infos)
}

/// Cuts a graph at `at`, an input or a tensor that a node gives: the first half gives `layer`, the second `result`.
fn split(
    proto: &ModelProto,
    graph: &GraphProto,
    [at, layer, result]: [&str; 3],
    infos: &HashMap<String, ValueInfoProto>,
) -> Split {
    let behind = downstream(&graph.node, &[at]);
    let inputs: Vec<&str> = graph.input.iter().map(|input| input.name.as_str()).collect();
    let of_inputs = downstream(&graph.node, &inputs);
    // The second half: what depends on the tensor, or on nothing but constants.
    let of_node =
        |node: &NodeProto, names: &HashSet<&str>| node.output.iter().any(|name| names.contains(name.as_str()));
    let gives_it = |node: &NodeProto| node.output.iter().any(|name| name == at);
    let is_after = |node: &&NodeProto| (of_node(node, &behind) && !gives_it(node)) || !of_node(node, &of_inputs);
    let after: Vec<NodeProto> = graph.node.iter().filter(is_after).cloned().collect();
    let after = live(&after, &[result]);
    let given: HashSet<&str> = after.iter().flat_map(|node| node.output.iter().map(String::as_str)).collect();
    let constants: HashSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    let mut crossing: Vec<String> = Vec::new();
    for name in after.iter().flat_map(reads) {
        let known = given.contains(name) || constants.contains(name) || name == at;
        if !known && of_inputs.contains(name) && !crossing.iter().any(|other| other == name) {
            crossing.push(name.to_owned());
        }
    }
    let outputs: Vec<&str> = [layer]
        .into_iter()
        .chain(crossing.iter().map(String::as_str).filter(|name| *name != layer && !inputs.contains(name)))
        .collect();
    let before: Vec<NodeProto> =
        graph.node.iter().filter(|node| !of_node(node, &behind) || gives_it(node)).cloned().collect();
    let before = live(&before, &outputs);
    let first: Vec<&str> = inputs.iter().copied().filter(|name| *name != at).collect();
    let second: Vec<&str> = [at].into_iter().chain(crossing.iter().map(String::as_str)).collect();
    Split {
        before: half(proto, graph, before, &first, &outputs, infos),
        after: half(proto, graph, after, &second, &[result], infos),
        crossing,
    }
}

/// These tensors, and all that are computed from them.
fn downstream<'g>(nodes: &'g [NodeProto], sources: &[&'g str]) -> HashSet<&'g str> {
    let mut reached: HashSet<&str> = sources.iter().copied().collect();
    for node in nodes {
        if reads(node).iter().any(|name| reached.contains(name)) {
            reached.extend(node.output.iter().map(String::as_str));
        }
    }
    reached
}

fn half(
    proto: &ModelProto,
    graph: &GraphProto,
    nodes: Vec<NodeProto>,
    inputs: &[&str],
    outputs: &[&str],
    infos: &HashMap<String, ValueInfoProto>,
) -> ModelProto {
    let info = |name: &&str| infos.get(*name).cloned();
    let ends: HashSet<&str> = inputs.iter().chain(outputs).copied().collect();
    let used: BTreeSet<&str> = nodes.iter().flat_map(reads).collect();
    let given: HashSet<&str> = nodes.iter().flat_map(|node| node.output.iter().map(String::as_str)).collect();
    let own =
        graph.value_info.iter().filter(|info| given.contains(info.name.as_str()) && !ends.contains(info.name.as_str()));
    let half = GraphProto {
        name: graph.name.clone(),
        initializer: graph.initializer.iter().filter(|tensor| used.contains(tensor.name.as_str())).cloned().collect(),
        sparse_initializer: graph.sparse_initializer.clone(),
        input: inputs.iter().filter_map(info).collect(),
        output: outputs.iter().filter_map(info).collect(),
        value_info: own.cloned().collect(),
        node: nodes,
        ..Default::default()
    };
    ModelProto {
        ir_version: proto.ir_version,
        opset_import: proto.opset_import.clone(),
        producer_name: proto.producer_name.clone(),
        producer_version: proto.producer_version.clone(),
        graph: Some(half),
        ..Default::default()
    }
}
