//! Which constants of a model are weights, and which of them a trainer changes.

use ascan_core::{Error, ModelInfo, Result, Trainable};
use ascan_onnx::proto::tensor_proto::DataType;
use ascan_onnx::proto::{GraphProto, NodeProto, TensorProto};
use ascan_onnx::{Model, Operator};
use std::collections::{HashMap, HashSet};

/// Operators whose constant inputs are weights.
const LAYERS: [Operator; 11] = [
    Operator::Conv,
    Operator::ConvTranspose,
    Operator::Gemm,
    Operator::MatMul,
    Operator::BatchNormalization,
    Operator::InstanceNormalization,
    Operator::GroupNormalization,
    Operator::LayerNormalization,
    Operator::RMSNormalization,
    Operator::PRelu,
    Operator::Einsum,
];

/// Operators through which a weight reaches its layer.
const PASSED: [Operator; 9] = [
    Operator::Transpose,
    Operator::Reshape,
    Operator::Unsqueeze,
    Operator::Squeeze,
    Operator::Flatten,
    Operator::Cast,
    Operator::Identity,
    Operator::Expand,
    Operator::Slice,
];

/// Floating-point constants that hold values themselves, by name: initializers, and outputs of `Constant` nodes.
fn float_constants(graph: &GraphProto) -> HashMap<&str, &TensorProto> {
    let initializers = graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor));
    let nodes = graph
        .node
        .iter()
        .filter(|node| Operator::of(node) == Some(Operator::Constant))
        .filter_map(|node| Some((node.output.first()?.as_str(), node.attr_tensor("value")?)));
    let floats = [DataType::Float, DataType::Double, DataType::Float16, DataType::Bfloat16].map(i32::from);
    initializers.chain(nodes).filter(|(_, tensor)| floats.contains(&tensor.data_type)).collect()
}

/// Whether a constant that is added or multiplied is a bias or a scale: a vector, along the last axis or the channels.
fn is_vector(tensor: &TensorProto) -> bool {
    let long = tensor.dims.iter().filter(|&&length| length > 1).count();
    long == 1
}

/// Inputs of a node that may be weights.
fn weight_inputs<'a>(node: &'a NodeProto, constants: &HashMap<&str, &TensorProto>, deep: bool) -> Vec<&'a str> {
    let named = |range: std::ops::Range<usize>| {
        node.input
            .iter()
            .take(range.end)
            .skip(range.start)
            .map(String::as_str)
            .filter(|name| !name.is_empty())
            .collect()
    };
    let Some(operator) = Operator::of(node) else { return Vec::new() };
    match operator {
        // Running statistics are no weights.
        Operator::BatchNormalization => named(1..3),
        Operator::MatMul | Operator::Einsum => named(0..node.input.len()),
        _ if LAYERS.contains(&operator) => named(1..node.input.len()),
        // Biases and scales that an exporter wrote as nodes of their own; before the first layer they are
        // preprocessing.
        Operator::Add | Operator::Sub | Operator::Mul if deep => {
            let vector = |name: &&str| constants.get(name).is_some_and(|tensor| is_vector(tensor));
            node.input.iter().map(String::as_str).filter(vector).collect()
        }
        _ => Vec::new(),
    }
}

/// Names of the weights that a trainer changes, in graph order.
///
/// # Errors
/// `UnknownName` for names that are not weights; `Unsupported` if there is nothing to train.
pub fn names(model: &Model, info: &ModelInfo, trainable: &Trainable) -> Result<Vec<String>> {
    let graph = model.graph()?;
    let constants = float_constants(graph);
    if let Trainable::Names(names) = trainable {
        return match names.iter().find(|name| !constants.contains_key(name.as_str())) {
            Some(name) => Err(Error::unknown_name("weight", name, constants.keys().copied())),
            None => Ok(names.clone()),
        };
    }
    let start = match trainable {
        Trainable::Head => match &info.default_layer {
            Some(layer) => Some(layer.as_str()),
            None => {
                return Err(Error::unsupported(
                    "the model has no feature layer, so its head is not known",
                    "name the tensor after which weights are trained",
                ));
            }
        },
        Trainable::After(tensor) => Some(tensor.as_str()),
        Trainable::All | Trainable::Names(_) => None,
    };
    if let Some(start) = start {
        let made = graph.node.iter().flat_map(|node| &node.output).chain(graph.input.iter().map(|input| &input.name));
        if !made.clone().any(|name| name == start) {
            return Err(Error::unknown_name("tensor", start, info.layers.iter().map(|layer| &layer.name)));
        }
    }
    // The constant that each passed-on tensor comes from.
    let mut sources: HashMap<&str, &str> = constants.keys().map(|&name| (name, name)).collect();
    let mut after: HashSet<&str> = start.into_iter().collect();
    let mut deep: HashSet<&str> = HashSet::new();
    let mut found: Vec<String> = Vec::new();
    for node in &graph.node {
        let is_after = start.is_none() || node.input.iter().any(|name| after.contains(name.as_str()));
        let is_deep = node.input.iter().any(|name| deep.contains(name.as_str()));
        let is_one_of = |operators: &[Operator]| Operator::of(node).is_some_and(|own| operators.contains(&own));
        if let Some(&source) = node.input.first().and_then(|name| sources.get(name.as_str()))
            && is_one_of(&PASSED)
        {
            sources.extend(node.output.iter().map(|output| (output.as_str(), source)));
            continue;
        }
        if is_after {
            after.extend(node.output.iter().map(String::as_str));
        }
        if is_one_of(&LAYERS) || is_deep {
            deep.extend(node.output.iter().map(String::as_str));
        }
        if !is_after {
            continue;
        }
        for input in weight_inputs(node, &constants, is_deep) {
            if let Some(&source) = sources.get(input)
                && !found.iter().any(|name| name == source)
            {
                found.push(source.to_owned());
            }
        }
    }
    if found.is_empty() {
        return Err(Error::unsupported(
            "there are no floating-point weights to train in the part of the model that was chosen",
            "train an unquantised model, or choose an earlier tensor",
        ));
    }
    Ok(found)
}

/// Names of the running statistics of batch normalisation.
///
/// # Errors
/// `Unsupported` for a model without batch normalisation.
pub fn running_statistics(model: &Model) -> Result<Vec<String>> {
    let nodes = model.graph()?.node.iter().filter(|node| Operator::of(node) == Some(Operator::BatchNormalization));
    let names: Vec<String> = nodes.flat_map(|node| node.input.iter().skip(3).take(2).cloned()).collect();
    if names.is_empty() {
        return Err(Error::unsupported(
            "the model has no batch normalisation to train: its exporter has merged it into the convolutions",
            "set `train_batch_norm = false`, or export with `training=TrainingMode.PRESERVE` and without constant folding",
        ));
    }
    Ok(names)
}
