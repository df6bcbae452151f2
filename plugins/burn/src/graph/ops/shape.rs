//! Operators that rearrange values without computing with them.

use super::{Call, floats, ints};
use crate::value::{Float, Ints, MAX_RANK, Value, broadcast, check_rank, resolve_axis, strides};
use ascan_core::{Error, Result};
use burn::tensor::Tensor;

/// The same values in another shape.
pub(super) fn with_shape(value: Value, shape: &[usize]) -> Result<Vec<Value>> {
    let (have, want): (usize, usize) = (value.shape().iter().product(), shape.iter().product());
    if have != want {
        return Err(Error::shape("reshaped tensor", format!("{have} values"), shape));
    }
    match value {
        Value::Float(x) => floats(x.reshape(shape)?),
        Value::Ints(x) => ints(Ints { shape: shape.to_vec(), ..x }),
    }
}

pub(super) fn reshape(call: &mut Call) -> Result<Vec<Value>> {
    let wanted = call.list("shape", 1)?.unwrap_or_default();
    let value = call.value(0)?;
    let old = value.shape();
    let keeps_zero = call.int("allowzero", 0) != 0;
    let mut shape: Vec<usize> = wanted
        .iter()
        .enumerate()
        .map(|(i, &length)| match length {
            0 if !keeps_zero => old.get(i).copied().unwrap_or(0),
            length => length.max(0) as usize,
        })
        .collect();
    if let Some(open) = wanted.iter().position(|&length| length == -1) {
        let known: usize = (0..shape.len()).filter(|&i| i != open).map(|i| shape[i]).product();
        shape[open] = old.iter().product::<usize>().checked_div(known).unwrap_or(0);
    }
    with_shape(value, &shape)
}

pub(super) fn flatten(call: &mut Call) -> Result<Vec<Value>> {
    let value = call.value(0)?;
    let shape = value.shape();
    let axis = call.int("axis", 1);
    let axis = (if axis < 0 { axis + shape.len() as i64 } else { axis }).clamp(0, shape.len() as i64) as usize;
    with_shape(value, &[shape[..axis].iter().product(), shape[axis..].iter().product()])
}

pub(super) fn squeeze(call: &mut Call) -> Result<Vec<Value>> {
    let axes = call.list("axes", 1)?;
    let value = call.value(0)?;
    let shape = value.shape();
    let dropped: Vec<usize> = match axes {
        Some(axes) => axes.iter().map(|&axis| resolve_axis(axis, shape.len())).collect::<Result<_>>()?,
        None => (0..shape.len()).filter(|&i| shape[i] == 1).collect(),
    };
    let rest: Vec<usize> = (0..shape.len()).filter(|i| !dropped.contains(i)).map(|i| shape[i]).collect();
    with_shape(value, &rest)
}

pub(super) fn unsqueeze(call: &mut Call) -> Result<Vec<Value>> {
    let axes = call.list("axes", 1)?.unwrap_or_default();
    let value = call.value(0)?;
    let old = value.shape();
    let rank = old.len() + axes.len();
    let added = axes.iter().map(|&axis| resolve_axis(axis, rank)).collect::<Result<Vec<_>>>()?;
    let mut rest = old.into_iter();
    let shape: Vec<usize> = (0..rank).map(|i| if added.contains(&i) { 1 } else { rest.next().unwrap_or(1) }).collect();
    with_shape(value, &shape)
}

/// Axes in a new order.
pub(super) fn permute(x: Float, order: &[usize]) -> Float {
    if order.iter().enumerate().all(|(i, &axis)| i == axis) {
        return x;
    }
    let skipped = MAX_RANK - order.len();
    let mut axes = [0; MAX_RANK];
    for (i, axis) in axes.iter_mut().enumerate() {
        *axis = if i < skipped { i } else { order[i - skipped] + skipped };
    }
    x.map(|x| x.permute(axes))
}

fn permute_value(value: Value, order: &[usize]) -> Value {
    match value {
        Value::Float(x) => Value::Float(permute(x, order)),
        Value::Ints(x) => {
            let steps = strides(&x.shape);
            let shape = order.iter().map(|&axis| x.shape[axis]).collect();
            Value::Ints(x.pick(shape, |index| index.iter().zip(order).map(|(i, &axis)| i * steps[axis]).sum()))
        }
    }
}

pub(super) fn transpose(call: &mut Call) -> Result<Vec<Value>> {
    let value = call.value(0)?;
    let rank = value.shape().len();
    let order: Vec<usize> = match call.node.attr_ints("perm") {
        Some(perm) => perm.iter().map(|&axis| resolve_axis(axis, rank)).collect::<Result<_>>()?,
        None => (0..rank).rev().collect(),
    };
    if order.len() != rank {
        return Err(call.error(format!("an order of {} axes for a tensor with {rank}", order.len())));
    }
    Ok(vec![permute_value(value, &order)])
}

pub(super) fn expand(call: &mut Call) -> Result<Vec<Value>> {
    let wanted: Vec<usize> = call.ints(1)?.data.iter().map(|&length| length.max(0) as usize).collect();
    match call.value(0)? {
        Value::Ints(x) => {
            let shape = broadcast(&x.shape, &wanted)?;
            ints(x.expand(&shape))
        }
        Value::Float(x) => {
            let shape = broadcast(&x.shape(), &wanted)?;
            check_rank(shape.len())?;
            let mut dims = [1; MAX_RANK];
            dims[MAX_RANK - shape.len()..].copy_from_slice(&shape);
            floats(Float::from_six(x.six().expand(dims), shape.len()))
        }
    }
}

pub(super) fn tile(call: &mut Call) -> Result<Vec<Value>> {
    let repeats: Vec<usize> = call.ints(1)?.data.iter().map(|&times| times.max(0) as usize).collect();
    let value = call.value(0)?;
    if repeats.len() != value.shape().len() {
        return Err(call.error(format!("{} repeats for a tensor with {} axes", repeats.len(), value.shape().len())));
    }
    match value {
        Value::Ints(x) => {
            let steps = strides(&x.shape);
            let shape = x.shape.iter().zip(&repeats).map(|(length, times)| length * times).collect();
            ints(x.pick(shape, |index| index.iter().zip(&x.shape).zip(&steps).map(|((i, n), step)| i % n * step).sum()))
        }
        Value::Float(x) => {
            let mut sizes = [1; MAX_RANK];
            sizes[MAX_RANK - repeats.len()..].copy_from_slice(&repeats);
            floats(x.map(|x| x.repeat(&sizes)))
        }
    }
}

pub(super) fn concat(call: &mut Call) -> Result<Vec<Value>> {
    let n = call.inputs.len();
    let axis = call.int("axis", 0);
    if (0..n).all(|i| call.is_ints(i)) {
        let parts = (0..n).map(|i| call.ints(i)).collect::<Result<Vec<_>>>()?;
        let mut shape = parts[0].shape.clone();
        let axis = resolve_axis(axis, shape.len())?;
        shape[axis] = parts.iter().map(|part| part.shape[axis]).sum();
        let outer: usize = shape[..axis].iter().product();
        let mut data = Vec::with_capacity(shape.iter().product());
        for row in 0..outer {
            for part in &parts {
                let len = part.data.len() / outer.max(1);
                data.extend(&part.data[row * len..(row + 1) * len]);
            }
        }
        return ints(Ints { shape, kind: parts[0].kind, data });
    }
    let parts = (0..n).map(|i| call.float(i)).collect::<Result<Vec<_>>>()?;
    let rank = parts[0].rank();
    let axis = parts[0].axis(axis)?;
    let shapes: Vec<Vec<usize>> = parts.iter().map(Float::shape).collect();
    let fits = |shape: &Vec<usize>| {
        shape.len() == rank && (0..rank).all(|i| i + MAX_RANK - rank == axis || shape[i] == shapes[0][i])
    };
    if let Some(odd) = shapes.iter().find(|shape| !fits(shape)) {
        return Err(Error::shape("part of a concatenation", format!("a shape that fits {:?}", shapes[0]), odd));
    }
    let parts = parts.into_iter().map(Float::six).filter(|part| !part.dims().contains(&0)).collect();
    floats(Float::from_six(Tensor::cat(parts, axis), rank))
}

pub(super) fn split(call: &mut Call) -> Result<Vec<Value>> {
    let sizes = call.list("split", 1)?;
    let value = call.value(0)?;
    let shape = value.shape();
    let axis = resolve_axis(call.int("axis", 0), shape.len())?;
    let length = shape[axis];
    let n = call.node.attr_int("num_outputs").map_or(call.node.output.len(), |n| n.max(1) as usize);
    let sizes: Vec<usize> = match sizes {
        Some(sizes) => sizes.iter().map(|&size| size.max(0) as usize).collect(),
        None => {
            // Equal parts; the last one is shorter if they do not come out even.
            let part = length.div_ceil(n.max(1));
            (0..n).map(|i| length.saturating_sub(i * part).min(part)).collect()
        }
    };
    if sizes.iter().sum::<usize>() != length {
        return Err(call.error(format!("parts of {sizes:?} of an axis of length {length}")));
    }
    let mut start = 0;
    let mut parts = Vec::with_capacity(sizes.len());
    for size in sizes {
        let mut part = shape.clone();
        part[axis] = size;
        parts.push(match &value {
            Value::Ints(x) => {
                let steps = strides(&x.shape);
                let offset = start * steps[axis];
                Value::Ints(
                    x.pick(part, |index| offset + index.iter().zip(&steps).map(|(i, step)| i * step).sum::<usize>()),
                )
            }
            Value::Float(x) if size == 0 => Value::Float(Float::new(Vec::new(), &part, &x.device())?),
            Value::Float(x) => {
                let six = axis + MAX_RANK - shape.len();
                Value::Float(x.clone().map(|x| x.narrow(six, start, size)))
            }
        });
        start += size;
    }
    Ok(parts)
}

fn blocks(call: &Call, shape: &[usize]) -> Result<[usize; 5]> {
    let block = call.int("blocksize", 1).max(1) as usize;
    match shape {
        &[n, c, h, w] => Ok([n, c, h, w, block]),
        _ => Err(Error::shape(format!("input of `{}`", call.node.display_name()), "[n, c, h, w]", shape)),
    }
}

pub(super) fn depth_to_space(call: &mut Call) -> Result<Vec<Value>> {
    let value = call.value(0)?;
    let [n, c, h, w, b] = blocks(call, &value.shape())?;
    let depth = c / (b * b);
    let (split, order): (_, [usize; 6]) = match call.node.attr_string("mode").unwrap_or("DCR") {
        "CRD" => ([n, depth, b, b, h, w], [0, 1, 4, 2, 5, 3]),
        _ => ([n, b, b, depth, h, w], [0, 3, 4, 1, 5, 2]),
    };
    let apart = with_shape(value, &split)?.remove(0);
    with_shape(permute_value(apart, &order), &[n, depth, h * b, w * b])
}

pub(super) fn space_to_depth(call: &mut Call) -> Result<Vec<Value>> {
    let value = call.value(0)?;
    let [n, c, h, w, b] = blocks(call, &value.shape())?;
    let apart = with_shape(value, &[n, c, h / b, b, w / b, b])?.remove(0);
    let order = match call.node.attr_string("mode").unwrap_or("DCR") {
        "CRD" => [0, 1, 3, 5, 2, 4],
        _ => [0, 3, 5, 1, 2, 4],
    };
    with_shape(permute_value(apart, &order), &[n, c * b * b, h / b, w / b])
}
