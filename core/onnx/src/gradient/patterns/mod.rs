//! What exporters write in several nodes, put back together before it is differentiated; and forms of the forward pass that
//! leave something for the way back, or that onnxruntime keeps in its blocked layout.

mod blocks;
mod gelu;
mod layer_norm;
mod pools;

use super::rules::Pattern;
use super::tape::Tape;
use crate::inline::reads;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;
use std::collections::{HashMap, HashSet};

/// Who gives each tensor, and how many read it.
struct Links {
    producers: HashMap<String, usize>,
    readers: HashMap<String, Vec<usize>>,
}

impl Links {
    fn of(nodes: &[NodeProto]) -> Self {
        let (mut producers, mut readers) = (HashMap::new(), HashMap::<String, Vec<usize>>::new());
        for (i, node) in nodes.iter().enumerate() {
            producers.extend(node.output.iter().filter(|name| !name.is_empty()).map(|name| (name.clone(), i)));
            for name in reads(node) {
                readers.entry(name.to_owned()).or_default().push(i);
            }
        }
        Self { producers, readers }
    }

    /// The node of this kind that gives a tensor.
    fn producer<'n>(&self, nodes: &'n [NodeProto], tensor: &str, op_type: &str) -> Option<&'n NodeProto> {
        let node = &nodes[*self.producers.get(tensor)?];
        (node.op_type == op_type && node.domain.is_empty()).then_some(node)
    }

    /// The only node that reads a tensor.
    fn reader<'n>(&self, nodes: &'n [NodeProto], tensor: &str) -> Option<&'n NodeProto> {
        match self.readers.get(tensor)?.as_slice() {
            &[only] => Some(&nodes[only]),
            _ => None,
        }
    }
}

/// Rewrites the forward pass, all tensors in `kept` staying as they are; returns the activations found, by their last tensor.
///
/// # Errors
/// If a shape is not known.
pub(super) fn rewrite(
    tape: &mut Tape,
    nodes: &mut Vec<NodeProto>,
    kept: &HashSet<String>,
) -> Result<HashMap<String, Pattern>, String> {
    let mut found = HashMap::new();
    layer_norm::rewrite(tape, nodes, kept);
    gelu::rewrite(tape, nodes, kept, &mut found);
    pools::rewrite(tape, nodes, kept);
    blocks::rewrite(tape, nodes, &mut found)?;
    products(nodes, kept, &mut found);
    Ok(found)
}

/// The other input of a node of two inputs, if one of them is `tensor`.
fn other<'n>(node: &'n NodeProto, tensor: &str) -> Option<&'n str> {
    match node.input.as_slice() {
        [a, b] if a == tensor => Some(b),
        [a, b] if b == tensor => Some(a),
        _ => None,
    }
}

/// Whether a tensor is one number, close to `expected`.
fn is_number(tape: &Tape, tensor: &str, expected: f64) -> bool {
    matches!(tape.values(tensor), Some(&[value]) if (value - expected).abs() < 1e-6)
}

/// Whether a tensor is of the type of the constants that are added here.
fn is_float32(tape: &Tape, tensor: &str) -> bool {
    tape.known(tensor).is_some_and(|known| known.elem == Some(DataType::Float))
}

/// Takes the nodes that give `gone` out, and puts others in place of the one that gives `last`.
fn replace(nodes: &mut Vec<NodeProto>, gone: &[String], last: &str, new: Vec<NodeProto>) {
    let is_of = |node: &NodeProto, name: &str| node.output.first().is_some_and(|output| output == name);
    nodes.retain(|node| !gone.iter().any(|name| is_of(node, name)));
    if let Some(at) = nodes.iter().position(|node| is_of(node, last)) {
        nodes.splice(at..=at, new);
    }
}

/// Products of a tensor with its own sigmoid.
fn products(nodes: &mut [NodeProto], kept: &HashSet<String>, found: &mut HashMap<String, Pattern>) {
    let links = Links::of(nodes);
    let mut matches: Vec<(usize, usize, Pattern)> = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        if node.op_type != "Mul" || found.contains_key(&node.output[0]) {
            continue;
        }
        for i in [0, 1] {
            let gate = &node.input[i];
            let alone = links.reader(nodes, gate).is_some() && !kept.contains(gate);
            let of = |op_type: &str| links.producer(nodes, gate, op_type).filter(|of| of.input[0] == node.input[1 - i]);
            let is_hard_swish = |node: &&NodeProto| {
                let near = |name: &str, default: f32, expected: f32| {
                    (node.attr_float(name).unwrap_or(default) - expected).abs() < 1e-6
                };
                near("alpha", 0.2, 1.0 / 6.0) && near("beta", 0.5, 0.5)
            };
            let pattern = match (of("Sigmoid"), of("HardSigmoid").filter(is_hard_swish)) {
                (Some(_), _) => Pattern::Silu,
                (_, Some(_)) => Pattern::HardSwish,
                _ => continue,
            };
            if alone {
                matches.push((at, i, pattern));
                break;
            }
        }
    }
    for (at, gate, pattern) in matches {
        if gate == 0 {
            nodes[at].input.swap(0, 1);
        }
        found.insert(nodes[at].output[0].clone(), pattern);
    }
}
