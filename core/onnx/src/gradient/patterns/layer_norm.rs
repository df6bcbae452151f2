//! Layer normalisation, which exporters of older versions write out.

use super::{Links, is_number, other, replace};
use crate::gradient::tape::Tape;
use crate::proto::NodeProto;
use std::collections::HashSet;

/// Version of ONNX's operators with `LayerNormalization`.
const SINCE: i64 = 17;

/// Layer normalisation over the last axis, written out by exporters of older versions.
pub(super) fn rewrite(tape: &mut Tape, nodes: &mut Vec<NodeProto>, kept: &HashSet<String>) {
    if tape.opset >= 18 {
        return;
    }
    let links = Links::of(nodes);
    let found: Vec<_> = nodes.iter().filter_map(|node| begun_by(tape, nodes, &links, node)).collect();
    for (inputs, epsilon, y, gone) in found {
        if gone.iter().any(|name| kept.contains(name)) {
            continue;
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let node =
            NodeProto::new("LayerNormalization", &inputs, &y).with_int("axis", -1).with_float("epsilon", epsilon);
        replace(nodes, &gone, &y, vec![node]);
        tape.needs_opset = tape.needs_opset.max(SINCE);
    }
}

/// Inputs, ε, output and inner tensors of a layer normalisation that begins with this mean.
fn begun_by(
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
    let is_vector =
        |name: &str| !tape.of_image(name) && tape.shape(name).is_ok_and(|shape| shape.lengths() == [length]);
    let gone = [mean, square, variance, shifted, root, hat, scaled].map(|node| node.output[0].clone());
    let gone = gone.into_iter().chain([centred]).collect();
    let inputs = [x.clone(), gain.to_owned(), bias.to_owned()];
    (is_vector(gain) && is_vector(bias)).then(|| (inputs, epsilon as f32, moved.output[0].clone(), gone))
}
