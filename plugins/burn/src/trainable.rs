//! Which constants of a model are weights, and which of them a trainer moves.

use ascan_core::{Error, ModelInfo, Result, Trainable};
use ascan_onnx::Model;
use ascan_onnx::proto::tensor_proto::DataType;
use ascan_onnx::proto::{GraphProto, NodeProto, TensorProto};
use std::collections::{HashMap, HashSet};

/// Operators whose constant inputs are weights.
const LAYERS: [&str; 11] = [
    "Conv",
    "ConvTranspose",
    "Gemm",
    "MatMul",
    "BatchNormalization",
    "InstanceNormalization",
    "GroupNormalization",
    "LayerNormalization",
    "RMSNormalization",
    "PRelu",
    "Einsum",
];

/// Operators through which a weight reaches its layer.
const PASSED: [&str; 9] =
    ["Transpose", "Reshape", "Unsqueeze", "Squeeze", "Flatten", "Cast", "Identity", "Expand", "Slice"];

/// Floating-point constants that hold values themselves, by name: initializers, and outputs of `Constant` nodes.
fn float_constants(graph: &GraphProto) -> HashMap<&str, &TensorProto> {
    let initializers = graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor));
    let nodes = graph
        .node
        .iter()
        .filter(|node| node.op_type == "Constant")
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
    match node.op_type.as_str() {
        // Running statistics are no weights.
        "BatchNormalization" => named(1..3),
        "MatMul" | "Einsum" => named(0..node.input.len()),
        operator if LAYERS.contains(&operator) => named(1..node.input.len()),
        // Biases and scales that an exporter wrote apart; before the first layer they are preprocessing.
        "Add" | "Sub" | "Mul" if deep => {
            let vector = |name: &&str| constants.get(name).is_some_and(|tensor| is_vector(tensor));
            node.input.iter().map(String::as_str).filter(vector).collect()
        }
        _ => Vec::new(),
    }
}

/// Names of the weights that a trainer moves, in graph order.
///
/// # Errors
/// `UnknownName` for names that are no weights; `Unsupported` if there is nothing to train.
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
    // Where each tensor that is only a passed-on constant comes from.
    let mut sources: HashMap<&str, &str> = constants.keys().map(|&name| (name, name)).collect();
    let mut after: HashSet<&str> = start.into_iter().collect();
    let mut deep: HashSet<&str> = HashSet::new();
    let mut found: Vec<String> = Vec::new();
    for node in &graph.node {
        let is_after = start.is_none() || node.input.iter().any(|name| after.contains(name.as_str()));
        let is_deep = node.input.iter().any(|name| deep.contains(name.as_str()));
        let passes = PASSED.contains(&node.op_type.as_str()) || node.op_type == "DequantizeLinear";
        match node.input.first().and_then(|name| sources.get(name.as_str()).copied()) {
            Some(source) if passes && node.op_type != "DequantizeLinear" => {
                sources.extend(node.output.iter().map(|output| (output.as_str(), source)));
                continue;
            }
            _ => {}
        }
        if is_after {
            after.extend(node.output.iter().map(String::as_str));
        }
        let is_layer = LAYERS.contains(&node.op_type.as_str());
        if is_layer || is_deep {
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
    let nodes = model.graph()?.node.iter().filter(|node| node.op_type == "BatchNormalization");
    let names: Vec<String> = nodes.flat_map(|node| node.input.iter().skip(3).take(2).cloned()).collect();
    if names.is_empty() {
        return Err(Error::unsupported(
            "the model has no batch normalisation to train: its exporter has merged it into the convolutions",
            "set `train_batch_norm = false`, or export with `training=TrainingMode.PRESERVE` and without constant folding",
        ));
    }
    Ok(names)
}
