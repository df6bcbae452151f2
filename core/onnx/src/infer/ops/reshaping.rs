//! Operators that give the same values other axes, or repeat or create values.

use super::super::Fact;
use super::{Inputs, broadcast_shapes, checked_axis, elem, fact, permutation, shape, unknown};
use crate::axes::{Axis, reshaped};
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;

pub(super) fn flatten(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let Some(Fact { shape: Some(x), axes, elem, .. }) = fact(inputs, 0) else { return Ok(unknown(inputs)) };
    let axis = node.attr_int("axis").unwrap_or(1);
    let axis = if axis < 0 { axis + x.len() as i64 } else { axis };
    let axis = usize::try_from(axis).ok().filter(|&axis| axis <= x.len()).ok_or("has an axis that does not exist")?;
    let out = vec![x[..axis].iter().product(), x[axis..].iter().product()];
    let axes = reshaped(axes, x, &out);
    Ok(Fact::with_axes(*elem, out, axes))
}

pub(super) fn reshape(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let target = fact(inputs, 1).and_then(Fact::integers).or_else(|| node.attr_ints("shape").map(<[i64]>::to_vec));
    let Some(target) = target else { return Ok(unknown(inputs)) };
    let Some(Fact { shape: Some(x), axes, elem, .. }) = fact(inputs, 0) else {
        // The shape may still be complete by itself.
        let given = target.iter().map(|&dim| usize::try_from(dim).ok().filter(|&dim| dim > 0)).collect::<Option<_>>();
        return Ok(given.map_or_else(|| unknown(inputs), |shape| Fact::new(elem(inputs, 0), shape)));
    };
    let n: usize = x.iter().product();
    let keep_zero = node.attr_int("allowzero").unwrap_or(0) != 0;
    let wrong = || format!("a tensor of shape {x:?} cannot take the shape {target:?}");
    let mut out = Vec::with_capacity(target.len());
    for (i, &dim) in target.iter().enumerate() {
        out.push(match dim {
            -1 => 1,
            0 if !keep_zero => *x.get(i).ok_or_else(wrong)?,
            dim => usize::try_from(dim).map_err(|_| wrong())?,
        });
    }
    let known = out.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim)).ok_or_else(wrong)?;
    if let Some(open) = target.iter().position(|&dim| dim == -1) {
        if known == 0 || !n.is_multiple_of(known) {
            return Err(wrong());
        }
        out[open] = n / known;
    } else if known != n {
        return Err(wrong());
    }
    let axes = reshaped(axes, x, &out);
    Ok(Fact::with_axes(*elem, out, axes))
}

pub(super) fn transpose(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let Some(Fact { shape: Some(x), axes, elem, .. }) = fact(inputs, 0) else { return Ok(unknown(inputs)) };
    let perm = permutation(node, x.len());
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    if sorted != (0..x.len()).collect::<Vec<_>>() {
        return Err(format!("the permutation {perm:?} does not fit a tensor of shape {x:?}"));
    }
    let (out, axes) = perm.iter().map(|&axis| (x[axis], axes[axis])).unzip();
    Ok(Fact::with_axes(*elem, out, axes))
}

/// Axes given as input 1 (newer operator sets) or as an attribute; `Err(())` if they are given but not known.
pub(super) fn listed_axes(node: &NodeProto, inputs: &Inputs) -> Result<Option<Vec<i64>>, ()> {
    match fact(inputs, 1) {
        Some(fact) => fact.integers().map(Some).ok_or(()),
        None => Ok(node.attr_ints("axes").map(<[i64]>::to_vec)),
    }
}

pub(super) fn squeeze(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let (Some(Fact { shape: Some(x), axes, elem, .. }), Ok(listed)) = (fact(inputs, 0), listed_axes(node, inputs))
    else {
        return Ok(unknown(inputs));
    };
    let dropped: Vec<usize> = match listed {
        Some(listed) => listed.iter().map(|&axis| checked_axis(axis, x.len())).collect::<Result<_, _>>()?,
        None => (0..x.len()).filter(|&i| x[i] == 1).collect(),
    };
    if let Some(axis) = dropped.iter().find(|&&axis| x.get(axis) != Some(&1)) {
        return Err(format!("axis {axis} of a tensor of shape {x:?} does not have length 1"));
    }
    let (out, axes) = (0..x.len()).filter(|i| !dropped.contains(i)).map(|i| (x[i], axes[i])).unzip();
    Ok(Fact::with_axes(*elem, out, axes))
}

pub(super) fn unsqueeze(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let (Some(Fact { shape: Some(x), axes, elem, .. }), Ok(Some(listed))) =
        (fact(inputs, 0), listed_axes(node, inputs))
    else {
        return Ok(unknown(inputs));
    };
    let rank = x.len() + listed.len();
    let new: Vec<usize> = listed.iter().map(|&axis| checked_axis(axis, rank)).collect::<Result<_, _>>()?;
    let mut old = x.iter().copied().zip(axes.iter().copied());
    let mut parts = Vec::with_capacity(rank);
    for i in 0..rank {
        let part = if new.contains(&i) { Some((1, Axis::Other)) } else { old.next() };
        parts.push(part.ok_or_else(|| format!("names an axis twice: {listed:?}"))?);
    }
    let (out, axes) = parts.into_iter().unzip();
    Ok(Fact::with_axes(*elem, out, axes))
}

fn lengths(fact: &Fact) -> Result<Option<Vec<usize>>, String> {
    let Some(values) = fact.integers() else { return Ok(None) };
    let lengths = values.iter().map(|&value| usize::try_from(value)).collect::<Result<_, _>>();
    lengths.map(Some).map_err(|_| format!("a shape holds a negative length: {values:?}"))
}

pub(super) fn expand(inputs: &Inputs) -> Result<Fact, String> {
    let (Some(Fact { shape: Some(x), axes, elem, .. }), Some(target)) = (fact(inputs, 0), fact(inputs, 1)) else {
        return Ok(unknown(inputs));
    };
    let Some(target) = lengths(target)? else { return Ok(unknown(inputs)) };
    let out = broadcast_shapes(x, &target)?;
    Ok(if out == *x { Fact::with_axes(*elem, out, axes.clone()) } else { Fact::new(*elem, out) })
}

pub(super) fn tile(inputs: &Inputs) -> Fact {
    let (Some(x), Some(repeats)) = (shape(inputs, 0), fact(inputs, 1).and_then(Fact::integers)) else {
        return unknown(inputs);
    };
    let out = x.iter().zip(&repeats).map(|(&dim, &n)| dim.checked_mul(usize::try_from(n).ok()?)).collect::<Option<_>>();
    out.map_or_else(|| unknown(inputs), |out| Fact::new(elem(inputs, 0), out))
}

pub(super) fn constant_of_shape(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let elem = node.attr_tensor("value").map_or(DataType::Float, |tensor| tensor.data_type());
    let target = fact(inputs, 0).map(lengths).transpose()?.flatten();
    Ok(target.map_or_else(|| Fact::unknown(Some(elem)), |shape| Fact::new(Some(elem), shape)))
}

pub(super) fn range(inputs: &Inputs) -> Fact {
    let number = |i: usize| fact(inputs, i)?.value.as_ref()?.first().copied();
    match (number(0), number(1), number(2)) {
        (Some(start), Some(limit), Some(delta)) if delta != 0.0 => {
            let n = ((limit - start) / delta).ceil().max(0.0) as usize;
            Fact::new(elem(inputs, 0), vec![n])
        }
        _ => unknown(inputs),
    }
}
