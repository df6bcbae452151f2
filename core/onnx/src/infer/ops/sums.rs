//! Operators that add values up: convolutions, products, pools, reductions.

use super::super::{Fact, window};
use super::reshaping::listed_axes;
use super::{Inputs, broadcast_shapes, checked_axis, elem, fact, shape, unknown};
use crate::axes::{Axis, NCHW};
use crate::equation::Equation;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;

fn map_axes(rank: usize) -> Vec<Axis> {
    if rank == 4 {
        return NCHW.to_vec();
    }
    (0..rank).map(|i| [Axis::Batch, Axis::Channel].get(i).copied().unwrap_or(Axis::Other)).collect()
}

pub(super) fn conv(node: &NodeProto, inputs: &Inputs, weight: usize) -> Result<Fact, String> {
    let (Some(x), Some(w)) = (shape(inputs, 0), shape(inputs, weight)) else { return Ok(unknown(inputs)) };
    let groups = usize::try_from(node.attr_int("group").unwrap_or(1)).unwrap_or(0);
    if x.len() < 3 || w.len() != x.len() {
        return Err(format!("an input of shape {x:?} does not fit a kernel of shape {w:?}"));
    }
    if w[1].checked_mul(groups) != Some(x[1]) {
        return Err(format!(
            "the input has {} channels, its kernel of shape {w:?} takes {}",
            x[1],
            w[1].saturating_mul(groups)
        ));
    }
    let mut out = vec![x[0], w[0]];
    out.extend(window::output(node, &x[2..], &w[2..])?);
    let axes = map_axes(out.len());
    Ok(Fact::with_axes(elem(inputs, 0), out, axes))
}

pub(super) fn conv_transpose(node: &NodeProto, inputs: &Inputs) -> Fact {
    let spatial = || {
        let (x, w) = (shape(inputs, 0)?, shape(inputs, 1)?);
        let groups = usize::try_from(node.attr_int("group").unwrap_or(1)).ok()?;
        let mut out = vec![*x.first()?, w.get(1)?.checked_mul(groups)?];
        out.extend(window::transposed(node, x.get(2..)?, w.get(2..)?)?);
        Some(out)
    };
    spatial().map_or_else(|| unknown(inputs), |out| Fact::with_axes(elem(inputs, 0), out.clone(), map_axes(out.len())))
}

pub(super) fn pool(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let Some(x) = shape(inputs, 0) else { return Ok(unknown(inputs)) };
    let kernel: Vec<usize> = node
        .attr_ints("kernel_shape")
        .unwrap_or_default()
        .iter()
        .map(|&length| usize::try_from(length).map_err(|_| format!("`kernel_shape` holds {length}")))
        .collect::<Result<_, _>>()?;
    if x.len() < 3 {
        return Err(format!("an input of shape {x:?} has no spatial axes"));
    }
    let mut out = x[..2].to_vec();
    out.extend(window::output(node, &x[2..], &kernel)?);
    let axes = map_axes(out.len());
    Ok(Fact::with_axes(elem(inputs, 0), out, axes))
}

pub(super) fn global_pool(inputs: &Inputs) -> Result<Fact, String> {
    let Some(x) = shape(inputs, 0) else { return Ok(unknown(inputs)) };
    if x.len() < 3 {
        return Err(format!("an input of shape {x:?} has no spatial axes"));
    }
    let out = x.iter().enumerate().map(|(i, &dim)| if i < 2 { dim } else { 1 }).collect();
    Ok(Fact::with_axes(elem(inputs, 0), out, map_axes(x.len())))
}

pub(super) fn gemm(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let (Some(a), Some(b)) = (shape(inputs, 0), shape(inputs, 1)) else { return Ok(unknown(inputs)) };
    let (&[a0, a1], &[b0, b1]) = (a, b) else {
        return Err(format!("needs two matrices, got shapes {a:?} and {b:?}"));
    };
    let flip = |name, x, y| if node.attr_int(name).unwrap_or(0) != 0 { (y, x) } else { (x, y) };
    let ((m, k), (rows, n)) = (flip("transA", a0, a1), flip("transB", b0, b1));
    if k != rows {
        return Err(format!("matrices of shapes {a:?} and {b:?} cannot be multiplied"));
    }
    let axes = fact(inputs, 0).map_or(Axis::Other, |input| input.axes[0]);
    Ok(Fact::with_axes(elem(inputs, 0), vec![m, n], vec![axes, Axis::Channel]))
}

pub(super) fn matmul(inputs: &Inputs, second: usize) -> Result<Fact, String> {
    let (Some(a), Some(b)) = (fact(inputs, 0), fact(inputs, second)) else { return Ok(unknown(inputs)) };
    let (Some(x), Some(y)) = (&a.shape, &b.shape) else { return Ok(unknown(inputs)) };
    let wrong = || format!("matrices of shapes {x:?} and {y:?} cannot be multiplied");
    let (left, k, m) = match x.as_slice() {
        [] => return Err(wrong()),
        [k] => (&x[..0], *k, None),
        [left @ .., m, k] => (left, *k, Some(*m)),
    };
    let (right, rows, n) = match y.as_slice() {
        [] => return Err(wrong()),
        [rows] => (&y[..0], *rows, None),
        [right @ .., rows, n] => (right, *rows, Some(*n)),
    };
    if k != rows {
        return Err(wrong());
    }
    let mut out = broadcast_shapes(left, right).map_err(|_| wrong())?;
    out.extend(m.into_iter().chain(n));
    // A linear layer over the channels of each place; anything else mixes places.
    if !b.image && y.len() == 2 && out.len() == a.axes.len() {
        let mut axes = a.axes.clone();
        if let Some(last) = axes.last_mut() {
            *last = Axis::Channel;
        }
        return Ok(Fact::with_axes(a.elem, out, axes));
    }
    Ok(Fact::new(a.elem, out))
}

pub(super) fn einsum(node: &NodeProto, inputs: &Inputs) -> Fact {
    let dims = || {
        let shapes = (0..inputs.len()).map(|i| shape(inputs, i)).collect::<Option<Vec<_>>>()?;
        let ranks: Vec<usize> = shapes.iter().map(|shape| shape.len()).collect();
        let equation = Equation::read(node.attr_string("equation")?, &ranks).ok()?;
        let mut lengths = std::collections::HashMap::new();
        for (letters, shape) in equation.operands.iter().zip(shapes) {
            for (&letter, &length) in letters.iter().zip(shape) {
                // Of length 1 it is repeated.
                lengths.entry(letter).and_modify(|known| *known = length.max(*known)).or_insert(length);
            }
        }
        equation.result.iter().map(|letter| lengths.get(letter).copied()).collect::<Option<Vec<usize>>>()
    };
    dims().map_or_else(|| unknown(inputs), |dims| Fact::new(elem(inputs, 0), dims))
}

pub(super) fn attention(node: &NodeProto, inputs: &Inputs) -> Fact {
    let (Some(q), Some(v)) = (shape(inputs, 0), shape(inputs, 2)) else { return unknown(inputs) };
    match (q, v) {
        (&[n, heads, t, _], &[_, _, _, c]) => Fact::new(elem(inputs, 0), vec![n, heads, t, c]),
        (&[n, t, _], &[_, _, c]) => {
            let heads = |name| node.attr_int(name).and_then(|heads| usize::try_from(heads).ok());
            match (heads("q_num_heads"), heads("kv_num_heads")) {
                (Some(q), Some(kv)) if kv > 0 => Fact::new(elem(inputs, 0), vec![n, t, (c / kv).saturating_mul(q)]),
                _ => unknown(inputs),
            }
        }
        _ => unknown(inputs),
    }
}

/// Axes that a `Reduce…` joins; `None` if that is not known.
pub(super) fn reduced_axes(node: &NodeProto, inputs: &Inputs, opset: i64) -> Option<Vec<i64>> {
    let rank = shape(inputs, 0)?.len() as i64;
    match listed_axes(node, inputs) {
        Err(()) => None,
        Ok(Some(axes)) if !axes.is_empty() => Some(axes),
        Ok(_) if opset >= 13 && node.attr_int("noop_with_empty_axes").unwrap_or(0) != 0 => Some(vec![]),
        Ok(_) => Some((0..rank).collect()),
    }
}

pub(super) fn reduce(
    node: &NodeProto,
    inputs: &Inputs,
    elem: Option<DataType>,
    listed: Option<Vec<i64>>,
) -> Result<Fact, String> {
    let (Some(Fact { shape: Some(x), axes, .. }), Some(listed)) = (fact(inputs, 0), listed) else {
        return Ok(Fact::unknown(elem));
    };
    let joined: Vec<usize> = listed.iter().map(|&axis| checked_axis(axis, x.len())).collect::<Result<_, _>>()?;
    let keep = node.attr_int("keepdims").unwrap_or(1) != 0;
    let (out, axes) = (0..x.len())
        .filter(|i| keep || !joined.contains(i))
        .map(|i| if joined.contains(&i) { (1, Axis::Other) } else { (x[i], axes[i]) })
        .unzip();
    Ok(Fact::with_axes(elem, out, axes))
}
