//! What exporters write in several nodes, put back together before it is differentiated; and forms of the forward pass that
//! leave something for the way back, or that onnxruntime keeps in its blocked layout.

use super::rules::{in_blocks, repeated};
use super::tape::Tape;
use crate::inline::reads;
use crate::proto::NodeProto;
use std::collections::{HashMap, HashSet};

/// Version of ONNX's operators with `LayerNormalization`.
const LAYER_NORM_SINCE: i64 = 17;

/// An activation `y = x · gate(x)`, by the product at its end, which reads `x` and then the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    /// The gate is the sigmoid of `x`.
    Silu,
    /// The gate is `clip(x/6 + 1/2)`.
    HardSwish,
    /// The gate is the normal distribution function.
    Gelu,
}

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
    layer_norms(tape, nodes, kept);
    gelus(tape, nodes, kept, &mut found);
    for_blocks(tape, nodes, &mut found)?;
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

/// Takes the nodes that give `gone` out, and puts others in place of the one that gives `last`.
fn replace(nodes: &mut Vec<NodeProto>, gone: &[String], last: &str, new: Vec<NodeProto>) {
    let is_of = |node: &NodeProto, name: &str| node.output.first().is_some_and(|output| output == name);
    nodes.retain(|node| !gone.iter().any(|name| is_of(node, name)));
    if let Some(at) = nodes.iter().position(|node| is_of(node, last)) {
        nodes.splice(at..=at, new);
    }
}

/// `x·Φ(x)` in one node or in five, with `Φ(x)` as a tensor that the way back reads.
fn gelus(
    tape: &mut Tape,
    nodes: &mut Vec<NodeProto>,
    kept: &HashSet<String>,
    found: &mut HashMap<String, Pattern>,
) {
    let links = Links::of(nodes);
    let mut matches: Vec<(String, String, Vec<String>)> = Vec::new();
    for node in nodes.iter() {
        let matched = match node.op_type.as_str() {
            "Erf" => gelu_around(tape, nodes, &links, node),
            "Gelu" if node.attr_string("approximate").unwrap_or("none") == "none" => {
                Some((node.input[0].clone(), node.output[0].clone(), vec![]))
            }
            _ => None,
        };
        matches.extend(matched.filter(|(_, _, inner)| !inner.iter().any(|name| kept.contains(name))));
    }
    for (x, y, inner) in matches {
        let names = ["scaled", "erf", "half", "distribution"].map(|step| tape.fresh(&format!("{y}/{step}")));
        names.iter().for_each(|name| tape.learn(name, &y));
        let [scaled, erf, half, distribution] = &names;
        let (root, one_half) = (tape.scalar(std::f32::consts::FRAC_1_SQRT_2), tape.scalar(0.5));
        let new = vec![
            NodeProto::new("Mul", &[&x, &root], scaled),
            NodeProto::new("Erf", &[scaled], erf),
            NodeProto::new("Mul", &[erf, &one_half], half),
            NodeProto::new("Add", &[half, &one_half], distribution),
            NodeProto::new("Mul", &[&x, distribution], &y),
        ];
        replace(nodes, &inner, &y, new);
        found.insert(y, Pattern::Gelu);
    }
}

/// Input, output and inner tensors of `x·(1 + erf(x/√2))/2` around an `Erf`, whatever is multiplied first.
fn gelu_around(
    tape: &Tape,
    nodes: &[NodeProto],
    links: &Links,
    erf: &NodeProto,
) -> Option<(String, String, Vec<String>)> {
    if tape.known(&erf.output[0])?.elem != Some(crate::proto::tensor_proto::DataType::Float) {
        return None;
    }
    let root = std::f64::consts::SQRT_2;
    let inner = &erf.input[0];
    links.reader(nodes, inner)?;
    let x = match (links.producer(nodes, inner, "Div"), links.producer(nodes, inner, "Mul")) {
        (Some(node), _) if is_number(tape, &node.input[1], root) => &node.input[0],
        (_, Some(node)) => {
            let factor = node.input.iter().find(|name| is_number(tape, name, 1.0 / root))?;
            other(node, factor)?
        }
        _ => return None,
    };
    let sum = links.reader(nodes, &erf.output[0]).filter(|node| node.op_type == "Add")?;
    if !is_number(tape, other(sum, &erf.output[0])?, 1.0) {
        return None;
    }
    let first = links.reader(nodes, &sum.output[0]).filter(|node| node.op_type == "Mul")?;
    let factor = other(first, &sum.output[0])?;
    let mut gone = vec![inner.clone(), erf.output[0].clone(), sum.output[0].clone()];
    // (x/2)·(1 + erf)
    let halved = links.producer(nodes, factor, "Mul").filter(|_| links.reader(nodes, factor).is_some());
    if let Some(half) = halved.and_then(|node| other(node, x))
        && is_number(tape, half, 0.5)
    {
        gone.push(factor.to_owned());
        return Some((x.to_owned(), first.output[0].clone(), gone));
    }
    // x·(1 + erf), then half of it; or the other way round.
    let last = links.reader(nodes, &first.output[0]).filter(|node| node.op_type == "Mul")?;
    let rest = other(last, &first.output[0])?;
    let fits = (factor == x && is_number(tape, rest, 0.5)) || (is_number(tape, factor, 0.5) && rest == x);
    gone.push(first.output[0].clone());
    fits.then(|| (x.to_owned(), last.output[0].clone(), gone))
}

/// Layer normalisation over the last axis, written out by exporters of older versions.
fn layer_norms(tape: &mut Tape, nodes: &mut Vec<NodeProto>, kept: &HashSet<String>) {
    if tape.opset >= 18 {
        return;
    }
    let links = Links::of(nodes);
    let found: Vec<_> = nodes.iter().filter_map(|node| layer_norm_from(tape, nodes, &links, node)).collect();
    for (inputs, epsilon, y, gone) in found {
        if gone.iter().any(|name| kept.contains(name)) {
            continue;
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let node = NodeProto::new("LayerNormalization", &inputs, &y).with_int("axis", -1).with_float("epsilon", epsilon);
        replace(nodes, &gone, &y, vec![node]);
        tape.needs_opset = tape.needs_opset.max(LAYER_NORM_SINCE);
    }
}

/// Inputs, ε, output and inner tensors of a layer normalisation that begins with this mean.
fn layer_norm_from(
    tape: &Tape,
    nodes: &[NodeProto],
    links: &Links,
    mean: &NodeProto,
) -> Option<([String; 3], f32, String, Vec<String>)> {
    let one = |tensor: &str, op_type: &str| links.reader(nodes, tensor).filter(|node| node.op_type == op_type);
    let of_last = |node: &NodeProto| {
        let rank = tape.shape(&node.input[0]).ok()?.rank() as i64;
        let axes = node.attr_ints("axes")?;
        (matches!(axes, &[axis] if axis == -1 || axis == rank - 1) && node.attr_int("keepdims").unwrap_or(1) != 0)
            .then_some(())
    };
    if mean.op_type != "ReduceMean" {
        return None;
    }
    of_last(mean)?;
    let x = &mean.input[0];
    let centred = one(&mean.output[0], "Sub").filter(|node| node.input[0] == *x)?.output[0].clone();
    let readers = links.readers.get(&centred)?;
    let square = readers.iter().map(|&i| &nodes[i]).find(|node| match node.op_type.as_str() {
        "Pow" => node.input[0] == centred && is_number(tape, &node.input[1], 2.0),
        "Mul" => node.input.iter().all(|name| *name == centred),
        _ => false,
    })?;
    let variance = one(&square.output[0], "ReduceMean")?;
    of_last(variance)?;
    let shifted = one(&variance.output[0], "Add")?;
    let &[epsilon] = tape.values(other(shifted, &variance.output[0])?)? else { return None };
    let root = one(&shifted.output[0], "Sqrt")?;
    let hat = one(&root.output[0], "Div").filter(|node| node.input[0] == centred)?;
    if readers.iter().any(|&i| nodes[i].output != square.output && nodes[i].output != hat.output) {
        return None;
    }
    let scaled = one(&hat.output[0], "Mul")?;
    let gain = other(scaled, &hat.output[0])?;
    let moved = one(&scaled.output[0], "Add")?;
    let bias = other(moved, &scaled.output[0])?;
    let length = tape.shape(x).ok()?.lengths().last().copied()?;
    let is_vector = |name: &str| !tape.of_image(name) && tape.shape(name).is_ok_and(|shape| shape.lengths() == [length]);
    let gone = [mean, square, variance, shifted, root, hat, scaled].map(|node| node.output[0].clone());
    let gone = gone.into_iter().chain([centred]).collect();
    let inputs = [x.clone(), gain.to_owned(), bias.to_owned()];
    (is_vector(gain) && is_vector(bias)).then(|| (inputs, epsilon as f32, moved.output[0].clone(), gone))
}

/// Hard swish and gates of channels in operators of the blocked layout.
fn for_blocks(
    tape: &mut Tape,
    nodes: &mut Vec<NodeProto>,
    found: &mut HashMap<String, Pattern>,
) -> Result<(), String> {
    let mut out = Vec::with_capacity(nodes.len());
    let mut larger: HashMap<(String, Vec<usize>), String> = HashMap::new();
    for mut node in std::mem::take(nodes) {
        let is_map = |tensor: &str| {
            tape.shape(tensor).is_ok_and(|shape| shape.rank() == 4 && shape.length(2) * shape.length(3) > 1)
        };
        let fits = node.output.first().is_some_and(|y| in_blocks(tape, y) && is_map(y));
        match node.op_type.as_str() {
            "HardSwish" if fits => {
                let (x, y) = (node.input[0].clone(), node.output[0].clone());
                let [same, gate] = ["same", "gate"].map(|step| tape.fresh(&format!("{y}/{step}")));
                let channels = tape.shape(&y)?.length(1);
                tape.learn(&same, &y);
                tape.learn(&gate, &y);
                let ones = tape.floats(&[channels, 1, 1, 1], vec![1.0; channels]);
                out.push(
                    NodeProto::new("Conv", &[&x, &ones], &same)
                        .with_int("group", channels as i64)
                        .with_ints("kernel_shape", &[1, 1]),
                );
                let hard = NodeProto::new("HardSigmoid", &[&same], &gate);
                out.push(hard.with_float("alpha", 1.0 / 6.0).with_float("beta", 0.5));
                found.insert(y.clone(), Pattern::HardSwish);
                node = NodeProto::new("Mul", &[&x, &gate], &y);
            }
            "Mul" if fits => {
                let whole = tape.shape(&node.output[0])?;
                for i in [0, 1] {
                    let (small, rest) = (node.input[i].clone(), &node.input[1 - i]);
                    let own = tape.shape(&small)?;
                    let is_gate = own.rank() == 4 && own.is_one(2) && own.is_one(3) && own.length(1) == whole.length(1);
                    if !is_gate || !tape.of_image(&small) || tape.shape(rest)? != whole {
                        continue;
                    }
                    let key = (small.clone(), whole.lengths().to_vec());
                    if !larger.contains_key(&key) {
                        let made = repeated(tape, &small, &[whole.length(2), whole.length(3)])?;
                        out.extend(tape.nodes.pop());
                        larger.insert(key.clone(), made);
                    }
                    node.input[i].clone_from(&larger[&key]);
                    break;
                }
            }
            _ => {}
        }
        out.push(node);
    }
    *nodes = out;
    Ok(())
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
