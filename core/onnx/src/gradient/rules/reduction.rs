//! Sums, means and extremes over axes.

use super::super::flow::only;
use super::super::tape::Tape;
use super::Written;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;

/// The axes that a node joins, in order, and the gradient with length 1 there.
fn reduced(tape: &mut Tape, node: &NodeProto, g: &str) -> Result<(Vec<usize>, String), String> {
    let shape = tape.shape(&node.input[0])?;
    let listed = match tape.integers(node, 1)? {
        Some(axes) => Some(axes),
        None => node.attr_ints("axes").map(<[i64]>::to_vec),
    };
    let all = || (0..shape.rank()).collect();
    let mut axes: Vec<usize> = match listed.filter(|axes| !axes.is_empty()) {
        Some(axes) => axes.iter().map(|axis| axis.rem_euclid(shape.rank().max(1) as i64) as usize).collect(),
        None if node.attr_int("noop_with_empty_axes").unwrap_or(0) != 0 => vec![],
        None => all(),
    };
    axes.sort_unstable();
    let kept = shape.with_ones(&axes);
    // What is left to be broadcast has other lengths than its tensor, and keeps them.
    let own = tape.shape(g)?;
    let target = if own == tape.shape(&node.output[0])? { kept } else { with_axes(tape, g, &axes, shape.rank())? };
    let g = tape.reshape(g, &target)?;
    Ok((axes, g))
}

/// The shape of `g` with axes of length 1 where a reduction has removed them.
fn with_axes(tape: &Tape, g: &str, axes: &[usize], rank: usize) -> Result<super::super::shape::Shape, String> {
    let own = tape.shape(g)?;
    if own.rank() == rank {
        return Ok(own);
    }
    Ok(own.map(|lengths| {
        let mut rest = lengths.iter();
        (0..rank).map(|axis| if axes.contains(&axis) { 1 } else { *rest.next().unwrap_or(&1) }).collect()
    }))
}

pub(super) fn sum(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    // Left to be broadcast.
    Ok(only(reduced(tape, node, g)?.1))
}

pub(super) fn mean(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let shape = tape.shape(&node.input[0])?;
    let (axes, g) = reduced(tape, node, g)?;
    if axes.iter().any(|&axis| shape.follows_batch(axis)) {
        return Err("a mean over the images of a call mixes them".to_owned());
    }
    let size: usize = axes.iter().map(|&axis| shape.length(axis)).product();
    Ok(only(tape.scaled(&g, 1.0 / size as f32)?))
}

/// What the node gives, with length 1 at the axes that it joins.
fn result(tape: &mut Tape, node: &NodeProto, axes: &[usize]) -> Result<String, String> {
    let shape = tape.shape(&node.input[0])?.with_ones(axes);
    let y = tape.read(&node.output[0])?;
    tape.reshape(&y, &shape)
}

pub(super) fn l1(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (_, g) = reduced(tape, node, g)?;
    let x = tape.read(&node.input[0])?;
    let sign = tape.unary("Sign", &x)?;
    Ok(only(tape.mul(&sign, &g)?))
}

/// `x/y`.
pub(super) fn l2(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (axes, g) = reduced(tape, node, g)?;
    let y = result(tape, node, &axes)?;
    let x = tape.read(&node.input[0])?;
    let share = tape.binary("Div", &g, &y)?;
    Ok(only(tape.mul(&x, &share)?))
}

/// `2x`.
pub(super) fn sum_square(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (_, g) = reduced(tape, node, g)?;
    let x = tape.read(&node.input[0])?;
    let twice = tape.scaled(&g, 2.0)?;
    Ok(only(tape.mul(&x, &twice)?))
}

/// `e^-y`.
pub(super) fn log_sum(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (axes, g) = reduced(tape, node, g)?;
    let y = result(tape, node, &axes)?;
    let sum = tape.unary("Exp", &y)?;
    Ok(only(tape.binary("Div", &g, &sum)?))
}

/// `e^(x-y)`.
pub(super) fn log_sum_exp(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (axes, g) = reduced(tape, node, g)?;
    let y = result(tape, node, &axes)?;
    let x = tape.read(&node.input[0])?;
    let below = tape.sub(&x, &y)?;
    let share = tape.unary("Exp", &below)?;
    Ok(only(tape.mul(&share, &g)?))
}

/// The gradient goes to the first largest (`ArgMax`) or smallest (`ArgMin`) value.
pub(super) fn extreme(tape: &mut Tape, node: &NodeProto, g: &str, which: &str) -> Written {
    let (axes, g) = reduced(tape, node, g)?;
    at_extreme(tape, node, &g, which, &axes)
}

/// The same over these axes; `g` has length 1 there.
pub(super) fn at_extreme(tape: &mut Tape, node: &NodeProto, g: &str, which: &str, axes: &[usize]) -> Written {
    let x = tape.read(&node.input[0])?;
    let shape = tape.shape(&x)?;
    let g = tape.expand(g, &shape.with_ones(axes))?;
    // The joined axes last, as one.
    let rest: Vec<usize> = (0..shape.rank()).filter(|axis| !axes.contains(axis)).collect();
    let perm = [rest.as_slice(), axes].concat();
    let moved = tape.transpose(&x, &perm)?;
    let moved_shape = tape.shape(&moved)?;
    let flat = moved_shape.map(|lengths| {
        let (lead, joined) = lengths.split_at(rest.len());
        [lead, &[joined.iter().product()]].concat()
    });
    let flat = tape.reshape(&moved, &flat)?;
    let flat_shape = tape.shape(&flat)?;
    let one = flat_shape.with(rest.len(), 1);
    let find = NodeProto::new(which, &[&flat], "").with_int("axis", rest.len() as i64).with_int("keepdims", 1);
    let at = tape.emit_as(find, one.clone(), DataType::Int64);
    let g = tape.reshape(&g, &one)?;
    let zeros = tape.zeros(&flat)?;
    let scatter = NodeProto::new("ScatterElements", &[&zeros, &at, &g], "").with_int("axis", rest.len() as i64);
    let made = tape.emit(scatter, flat_shape);
    let made = tape.reshape(&made, &moved_shape)?;
    let back: Vec<usize> =
        (0..perm.len()).map(|axis| perm.iter().position(|&from| from == axis).unwrap_or(axis)).collect();
    Ok(only(tape.transpose(&made, &back)?))
}
