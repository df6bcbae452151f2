//! Operators that choose values by indices, or put others in their places.

use super::super::flow::{Parts, only, part};
use super::super::tape::Tape;
use super::Written;
use super::selection::axis_of;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;

/// The axis that a node works along, which must not be that of the images.
fn own_axis(tape: &Tape, node: &NodeProto, default: i64) -> Result<usize, String> {
    let shape = tape.shape(&node.input[0])?;
    let axis = axis_of(node, shape.rank(), default);
    match shape.follows_batch(axis) {
        true => Err("images of a call are chosen".to_owned()),
        false => Ok(axis),
    }
}

/// Each value's gradient goes back to where it was taken from, several to one place added up.
pub(super) fn gather_elements(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let axis = own_axis(tape, node, 0)?;
    let g = tape.expand(g, &tape.shape(&node.output[0])?)?;
    let zeros = tape.zeros(&node.input[0])?;
    let back = NodeProto::new("ScatterElements", &[&zeros, &node.input[1], &g], "").with_int("axis", axis as i64);
    tape.adds_up();
    let shape = tape.shape(&node.input[0])?;
    Ok(only(tape.emit(back.with_string("reduction", "add"), shape)))
}

pub(super) fn gather_nd(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    if node.attr_int("batch_dims").unwrap_or(0) == 0 {
        let (input, output) = (tape.shape(&node.input[0])?, tape.shape(&node.output[0])?);
        let g = tape.expand(g, &output)?;
        let zeros = tape.zeros(&node.input[0])?;
        tape.adds_up();
        let back = NodeProto::new("ScatterND", &[&zeros, &node.input[1], &g], "").with_string("reduction", "add");
        return Ok(only(tape.emit(back, input)));
    }
    gather_nd_in_batches(tape, node, g)
}

/// The same where the first axes are those of both tensors: what lies behind them is one axis `d` of places and one `r` of what is
/// taken of each, and the indices count through `d`.
fn gather_nd_in_batches(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (input, output) = (tape.shape(&node.input[0])?, tape.shape(&node.output[0])?);
    let indices = tape.shape(&node.input[1])?;
    let batch = usize::try_from(node.attr_int("batch_dims").unwrap_or(0)).unwrap_or(0);
    let depth = indices.length(indices.rank() - 1);
    let (first, rank) = (batch + depth, input.rank());
    if (batch..first).any(|axis| input.follows_batch(axis)) {
        return Err("images of a call are chosen".to_owned());
    }
    let size = |lengths: &[usize]| lengths.iter().product::<usize>();
    let rest = size(&input.lengths()[first..]);
    // How far an index of each axis leads, and the lengths that negative ones count from.
    let lengths: Vec<i64> = input.lengths()[batch..first].iter().map(|&length| length as i64).collect();
    let steps: Vec<i64> = (0..depth).map(|i| lengths[i + 1..].iter().product()).collect();
    let (lengths, steps, zero) = (tape.ints(&lengths), tape.ints(&steps), tape.ints(&[0]));
    let from_end =
        tape.emit_as(NodeProto::new("Add", &[&node.input[1], &lengths], ""), indices.clone(), DataType::Int64);
    let is_negative = tape.compare("Less", &node.input[1], &zero)?;
    let whole = NodeProto::new("Where", &[&is_negative, &from_end, &node.input[1]], "");
    let whole = tape.emit_as(whole, indices.clone(), DataType::Int64);
    let far = tape.emit_as(NodeProto::new("Mul", &[&whole, &steps], ""), indices.clone(), DataType::Int64);
    let last = tape.ints(&[-1]);
    let places = indices.with(indices.rank() - 1, 1);
    let sum = NodeProto::new("ReduceSum", &[&far, &last], "").with_int("keepdims", 1);
    let at = tape.emit_as(sum, places.clone(), DataType::Int64);
    // [batch, places, 1] repeated as [batch, places, r].
    let one = places.map(|lengths| vec![size(&lengths[..batch]), size(&lengths[batch..]), 1]);
    let target = tape.ints(&one.target()?);
    let at = tape.emit_as(NodeProto::new("Reshape", &[&at, &target], ""), one.clone(), DataType::Int64);
    let chosen = one.with(2, rest);
    let target = tape.ints(&[1, 1, rest as i64]);
    let at = tape.emit_as(NodeProto::new("Expand", &[&at, &target], ""), chosen.clone(), DataType::Int64);
    let g = tape.expand(g, &output)?;
    let g = tape.reshape(&g, &chosen)?;
    let flat =
        input.map(|lengths| vec![size(&lengths[..batch]), size(&lengths[batch..first]), size(&lengths[first..rank])]);
    let zeros = tape.zeros(&node.input[0])?;
    let zeros = tape.reshape(&zeros, &flat)?;
    tape.adds_up();
    let back = NodeProto::new("ScatterElements", &[&zeros, &at, &g], "").with_int("axis", 1);
    let sums = tape.emit(back.with_string("reduction", "add"), flat);
    Ok(only(tape.reshape(&sums, &input)?))
}

/// Values that are replaced have no gradient; those that replace them have that of their places.
fn scatter(tape: &mut Tape, node: &NodeProto, g: &str, [put, take]: [NodeProto; 2]) -> Written {
    let adds = match node.attr_string("reduction").unwrap_or("none") {
        "none" => false,
        "add" => true,
        how => return Err(format!("`reduction = \"{how}\"` is not followed back")),
    };
    let (data, updates) = (tape.shape(&node.input[0])?, tape.shape(&node.input[2])?);
    let g = tape.expand(g, &data)?;
    let indices = &node.input[1];
    let mut parts = Parts::new();
    if tape.wants(&node.input[0]) && adds {
        parts.push(part(0, g.clone()));
    } else if tape.wants(&node.input[0]) {
        let zeros = tape.zeros(&node.input[2])?;
        let left = NodeProto { input: vec![g.clone(), indices.clone(), zeros], ..put };
        parts.push(part(0, tape.emit(left, data)));
    }
    if tape.wants(&node.input[2]) {
        let taken = NodeProto { input: vec![g, indices.clone()], ..take };
        parts.push(part(2, tape.emit(taken, updates)));
    }
    Ok(parts)
}

pub(super) fn scatter_elements(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let axis = own_axis(tape, node, 0)? as i64;
    let [put, take] =
        ["ScatterElements", "GatherElements"].map(|op| NodeProto::new(op, &[], "").with_int("axis", axis));
    scatter(tape, node, g, [put, take])
}

pub(super) fn scatter_nd(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    scatter(tape, node, g, ["ScatterND", "GatherND"].map(|op| NodeProto::new(op, &[], "")))
}

/// The largest values are chosen: their gradients go back to where they stood.
pub(super) fn top_k(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let axis = own_axis(tape, node, -1)?;
    let (input, output) = (tape.shape(&node.input[0])?, tape.shape(&node.output[0])?);
    let g = tape.expand(g, &output)?;
    let indices = tape.output(node, 1, "indices", output, DataType::Int64);
    let zeros = tape.zeros(&node.input[0])?;
    let back = NodeProto::new("ScatterElements", &[&zeros, &indices, &g], "").with_int("axis", axis as i64);
    Ok(only(tape.emit(back, input)))
}

/// A value is in all sums from its own on: backwards they are sums from the other end.
pub(super) fn cum_sum(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let shape = tape.shape(&node.input[0])?;
    let Some(&[axis]) = tape.integers(node, 1)?.as_deref() else { return Err("its axis is not known".to_owned()) };
    if shape.follows_batch(axis.rem_euclid(shape.rank().max(1) as i64) as usize) {
        return Err("a sum over the images of a call mixes them".to_owned());
    }
    let g = tape.expand(g, &shape)?;
    let flag = |name: &str| node.attr_int(name).unwrap_or(0);
    let back = NodeProto::new("CumSum", &[&g, &node.input[1]], "")
        .with_int("exclusive", flag("exclusive"))
        .with_int("reverse", 1 - flag("reverse"));
    Ok(only(tape.emit(back, shape)))
}
