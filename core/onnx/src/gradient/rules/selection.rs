//! Operators that take parts, join them, or put something around them.

use super::super::flow::{Part, Parts, only, part};
use super::super::shape::Shape;
use super::super::tape::Tape;
use super::Written;
use crate::proto::NodeProto;

/// Largest matrix, in values, by which a selection is written as a product.
const MAX_MATRIX: usize = 1 << 20;

/// An axis of an attribute, counted from the front.
pub(super) fn axis_of(node: &NodeProto, rank: usize, default: i64) -> usize {
    node.attr_int("axis").unwrap_or(default).rem_euclid(rank.max(1) as i64) as usize
}

/// Along an axis, the values times a matrix `[from, to]`.
pub(super) fn along(tape: &mut Tape, x: &str, axis: usize, to: usize, matrix: Vec<f32>) -> Result<String, String> {
    let shape = tape.shape(x)?;
    let (rank, from) = (shape.rank(), shape.length(axis));
    let matrix = tape.floats(&[from, to], matrix);
    // The axis last, and back again.
    let mut perm: Vec<usize> = (0..rank).filter(|&other| other != axis).collect();
    perm.push(axis);
    let moved = tape.transpose(x, &perm)?;
    let shape = tape.shape(&moved)?.with(rank - 1, to);
    let made = tape.op("MatMul", &[&moved, &matrix], shape);
    let back: Vec<usize> = (0..rank).map(|axis| perm.iter().position(|&from| from == axis).unwrap_or(axis)).collect();
    tape.transpose(&made, &back)
}

pub(super) fn concat(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let output = tape.shape(&node.output[0])?;
    let axis = axis_of(node, output.rank(), 0);
    let g = tape.expand(g, &output)?;
    // A join that begins with all of an earlier one hands that its whole beginning (DenseNet).
    let nested = tape.nested.get(&node.output[0]).cloned();
    let skip = nested.as_ref().map_or(0, |(_, n_inputs)| *n_inputs);
    let mut names: Vec<String> = nested.iter().map(|(inner, _)| inner.clone()).collect();
    names.extend(node.input[skip..].iter().cloned());
    let mut lengths = Vec::with_capacity(names.len());
    for name in &names {
        let shape = tape.shape(name)?;
        if shape.follows_batch(axis) {
            return Err("tensors joined along the images of a call mix them".to_owned());
        }
        lengths.push(shape.length(axis));
    }
    let pieces = tape.split(&g, axis, &lengths)?;
    let mut parts = Parts::new();
    for (i, piece) in pieces.into_iter().enumerate() {
        match &nested {
            Some((inner, _)) if i == 0 => tape.beside.push((inner.clone(), piece)),
            Some(_) => parts.push(part(i - 1 + skip, piece)),
            None => parts.push(part(i, piece)),
        }
    }
    Ok(parts)
}

pub(super) fn split(tape: &mut Tape, node: &NodeProto, gradients: &[Option<String>]) -> Written {
    let input = tape.shape(&node.input[0])?;
    let axis = axis_of(node, input.rank(), 0);
    let mut start = 0;
    let mut parts = Parts::new();
    for (name, g) in node.output.iter().zip(gradients) {
        let shape = tape.shape(name)?;
        let length = shape.length(axis);
        if let Some(g) = g {
            let tensor = tape.expand(g, &shape)?;
            parts.push((0, Part::Piece { axis, start, length, tensor }));
        }
        start += length;
    }
    Ok(parts)
}

/// What a slice takes of an axis: start, step and number.
type Take = (i64, i64, usize);

/// What a slice takes of each axis.
fn takes(tape: &Tape, node: &NodeProto) -> Result<Vec<Take>, String> {
    let (input, output) = (tape.shape(&node.input[0])?, tape.shape(&node.output[0])?);
    let starts = tape.integers(node, 1)?.unwrap_or_default();
    let axes = tape.integers(node, 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = tape.integers(node, 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    let mut takes: Vec<Take> = output.lengths().iter().map(|&length| (0, 1, length)).collect();
    for ((&start, &axis), &step) in starts.iter().zip(&axes).zip(&steps) {
        let axis = axis.rem_euclid(input.rank().max(1) as i64) as usize;
        let length = input.length(axis) as i64;
        if input.follows_batch(axis) && output.lengths()[axis] != input.lengths()[axis] {
            return Err("a part of the images of a call is taken".to_owned());
        }
        let last = if step > 0 { length } else { length - 1 };
        let start = if start < 0 { start.saturating_add(length) } else { start }.clamp(0, last.max(0));
        takes[axis] = (start, step, output.length(axis));
    }
    Ok(takes)
}

pub(super) fn slice(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let input = tape.shape(&node.input[0])?;
    let mut g = tape.expand(g, &tape.shape(&node.output[0])?)?;
    let mut cuts: Vec<(usize, usize, usize)> = Vec::new();
    for (axis, (start, step, n)) in takes(tape, node)?.into_iter().enumerate() {
        if input.follows_batch(axis) {
            continue;
        }
        let mut first = start;
        if step < 0 {
            g = reversed(tape, &g, axis)?;
            first = start + step * (n as i64 - 1);
        }
        let step = step.unsigned_abs() as usize;
        if step > 1 {
            g = apart(tape, &g, axis, step)?;
        }
        let (first, length) = (first as usize, (n - 1) * step + 1);
        if step > 1 {
            // The zeros behind the last value may reach past the end.
            let there = tape.shape(&g)?.length(axis).min(input.length(axis) - first);
            g = tape.slice(&g, axis, 0, there)?;
            cuts.push((axis, first, there));
        } else if length < input.length(axis) {
            cuts.push((axis, first, length));
        }
    }
    cuts.retain(|&(axis, _, length)| length < input.length(axis));
    match cuts.as_slice() {
        [] => Ok(only(g)),
        &[(axis, start, length)] => Ok(vec![(0, Part::Piece { axis, start, length, tensor: g })]),
        _ => {
            let (mut before, mut after) = (vec![0; input.rank()], vec![0; input.rank()]);
            for &(axis, start, length) in &cuts {
                (before[axis], after[axis]) = (start, input.length(axis) - start - length);
            }
            Ok(only(tape.pad(&g, &before, &after)?))
        }
    }
}

/// An axis from its end to its beginning.
fn reversed(tape: &mut Tape, x: &str, axis: usize) -> Result<String, String> {
    let shape = tape.shape(x)?;
    let [start, end, axis, step] = [-1, i64::MIN + 1, axis as i64, -1].map(|value| tape.ints(&[value]));
    Ok(tape.op("Slice", &[x, &start, &end, &axis, &step], shape))
}

/// `step - 1` zeros behind each value of an axis.
fn apart(tape: &mut Tape, x: &str, axis: usize, step: usize) -> Result<String, String> {
    let shape = tape.shape(x)?;
    let single = shape.map(|lengths| [&lengths[..=axis], &[1], &lengths[axis + 1..]].concat());
    let filled = shape.map(|lengths| {
        let mut lengths = lengths.to_vec();
        lengths[axis] *= step;
        lengths
    });
    let x = tape.reshape(x, &single)?;
    let mut after = vec![0; single.rank()];
    after[axis + 1] = step - 1;
    let padded = tape.pad(&x, &vec![0; single.rank()], &after)?;
    tape.reshape(&padded, &filled)
}

pub(super) fn gather(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (input, output) = (tape.shape(&node.input[0])?, tape.shape(&node.output[0])?);
    let axis = axis_of(node, input.rank(), 0);
    let length = input.length(axis);
    let g = tape.expand(g, &output)?;
    // What exporters make of views: entries of a tensor in a row, in an order that is most often the old one.
    let whole = |shape: &Shape| shape.map(|lengths| vec![lengths.iter().product()]);
    if input.rank() == 1 && tape.known(&node.input[1]).is_some_and(|known| known.counts) && whole(&output) == input {
        return Ok(only(tape.reshape(&g, &input)?));
    }
    if input.rank() == 1 {
        return Ok(only(tape.add_at(&node.input[0], &node.input[1], &g)?));
    }
    if input.follows_batch(axis) {
        return Err("images of a call are chosen".to_owned());
    }
    let Some(indices) = tape.integers(node, 1)? else { return Err("it has no indices".to_owned()) };
    let indices: Vec<usize> = indices.iter().map(|index| index.rem_euclid(length.max(1) as i64) as usize).collect();
    let listed = input.with(axis, indices.len());
    let g = tape.reshape(&g, &listed)?;
    if let &[start] = indices.as_slice() {
        return Ok(vec![(0, Part::Piece { axis, start, length: 1, tensor: g })]);
    }
    // Where each value has gone, if each has gone to one place.
    let places: Option<Vec<i64>> = (0..length)
        .map(|from| {
            let mut at = indices.iter().enumerate().filter(|&(_, &index)| index == from).map(|(at, _)| at as i64);
            at.next().filter(|_| at.next().is_none())
        })
        .collect();
    if let Some(places) = places {
        let places = tape.ints(&places);
        let back = NodeProto::new("Gather", &[&g, &places], "").with_int("axis", axis as i64);
        return Ok(only(tape.emit(back, input)));
    }
    if indices.len() * length > MAX_MATRIX {
        return Err(format!("{} of {length} entries are chosen, some of them several times", indices.len()));
    }
    let mut matrix = vec![0.0; indices.len() * length];
    indices.iter().enumerate().for_each(|(at, &index)| matrix[at * length + index] = 1.0);
    Ok(only(along(tape, &g, axis, length, matrix)?))
}

pub(super) fn pad(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (input, output) = (tape.shape(&node.input[0])?, tape.shape(&node.output[0])?);
    let rank = input.rank();
    let Some(pads) = tape.integers(node, 1)?.or_else(|| node.attr_ints("pads").map(<[i64]>::to_vec)) else {
        return Err("its paddings are not known".to_owned());
    };
    let axes = tape.integers(node, 3)?.unwrap_or_else(|| (0..rank as i64).collect());
    let mut g = tape.expand(g, &output)?;
    for (i, axis) in axes.iter().enumerate() {
        let axis = axis.rem_euclid(rank.max(1) as i64) as usize;
        let (before, after) = (pads[i], pads[i + axes.len()]);
        if (before, after) == (0, 0) {
            continue;
        }
        let (from, length) = (output.length(axis), input.length(axis));
        if input.follows_batch(axis) {
            return Err("images are added to those of a call".to_owned());
        }
        let source: Box<dyn Fn(i64) -> Option<i64>> = match node.attr_string("mode").unwrap_or("constant") {
            "constant" if before >= 0 && after >= 0 => {
                g = tape.slice(&g, axis, before as usize, length)?;
                continue;
            }
            "constant" => Box::new(|at| (0..length as i64).contains(&at).then_some(at)),
            "edge" => Box::new(|at| Some(at.clamp(0, length as i64 - 1))),
            "wrap" => Box::new(|at| Some(at.rem_euclid(length as i64))),
            "reflect" if length > 1 => Box::new(|at| {
                let turn = at.rem_euclid(2 * (length as i64 - 1));
                Some(turn.min(2 * (length as i64 - 1) - turn))
            }),
            mode => return Err(format!("padding of mode `{mode}` is not followed back")),
        };
        let mut matrix = vec![0.0; from * length];
        for at in 0..from {
            if let Some(to) = source(at as i64 - before) {
                matrix[at * length + to as usize] = 1.0;
            }
        }
        g = along(tape, &g, axis, length, matrix)?;
    }
    Ok(only(g))
}

/// The same triangle of the gradient.
pub(super) fn trilu(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let output = tape.shape(&node.output[0])?;
    let g = tape.expand(g, &output)?;
    let inputs: Vec<&str> = [g.as_str()].into_iter().chain(node.input(1)).collect();
    let same = NodeProto::new("Trilu", &inputs, "").with_int("upper", node.attr_int("upper").unwrap_or(1));
    Ok(only(tape.emit(same, output)))
}
