//! Operators that cut tensors, join them, and resize maps.

use super::super::Fact;
use super::{Inputs, Outputs, axis, checked_axis, elem, fact, shape, unknown};
use crate::axes::{Axis, NCHW};
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;

pub(super) fn concat(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let shapes: Option<Vec<&[usize]>> = (0..inputs.len()).map(|i| shape(inputs, i)).collect();
    let Some(shapes) = shapes.filter(|shapes| !shapes.is_empty()) else { return Ok(unknown(inputs)) };
    let along = checked_axis(node.attr_int("axis").unwrap_or(0), shapes[0].len())?;
    let mut out = shapes[0].to_vec();
    for other in &shapes[1..] {
        let fits = other.len() == out.len() && (0..out.len()).all(|i| i == along || other[i] == out[i]);
        if !fits {
            return Err(format!("shapes {:?} and {other:?} cannot be joined along axis {along}", shapes[0]));
        }
        out[along] += other[along];
    }
    let places = |axes: &[Axis]| matches!(axes[along], Axis::Tokens { .. });
    let known = |fact: &&Fact| fact.axes.iter().any(|&axis| axis != Axis::Other);
    let facts: Vec<&Fact> = inputs.iter().copied().flatten().collect();
    let with_places = facts.iter().filter(|fact| places(&fact.axes)).count();
    let Some(labelled) = facts.iter().position(|fact| places(&fact.axes)).or(facts.iter().position(known)) else {
        return Ok(Fact::new(elem(inputs, 0), out));
    };
    let mut axes = facts[labelled].axes.clone();
    if let Axis::Tokens { prefix, .. } = &mut axes[along] {
        *prefix += shapes[..labelled].iter().map(|shape| shape[along]).sum::<usize>();
    }
    if with_places > 1 {
        axes[along] = Axis::Other;
    }
    Ok(Fact::with_axes(elem(inputs, 0), out, axes))
}

/// What a `Slice` takes of one axis.
#[derive(Debug, Clone, Copy)]
pub(in crate::infer) struct Take {
    pub start: i64,
    pub step: i64,
    pub length: usize,
}

/// What a `Slice` takes of each axis; `None` if that is not known.
pub(in crate::infer) fn ranges(node: &NodeProto, inputs: &Inputs, x: &[usize]) -> Result<Option<Vec<Take>>, String> {
    let list = |i: usize, name: &str| match inputs.get(i).copied().flatten() {
        Some(fact) => fact.integers(),
        None => node.attr_ints(name).map(<[i64]>::to_vec),
    };
    let (Some(starts), Some(ends)) = (list(1, "starts"), list(2, "ends")) else { return Ok(None) };
    let given = |i: usize| inputs.get(i).copied().flatten().is_some();
    let (axes, steps) = (list(3, "axes"), list(4, "steps"));
    if (given(3) && axes.is_none()) || (given(4) && steps.is_none()) {
        return Ok(None);
    }
    let n = starts.len();
    let axes = axes.unwrap_or_else(|| (0..n as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; n]);
    if ends.len() != n || axes.len() != n || steps.len() != n {
        return Err("has starts, ends, axes and steps of different lengths".to_owned());
    }
    let mut takes: Vec<Take> = x.iter().map(|&length| Take { start: 0, step: 1, length }).collect();
    for i in 0..n {
        let axis = checked_axis(axes[i], x.len())?;
        let (step, dim) = (steps[i], x[axis] as i64);
        if step == 0 {
            return Err("has a step of 0".to_owned());
        }
        let from_end = |value: i64| if value < 0 { value.saturating_add(dim) } else { value };
        let (start, end) = if step > 0 {
            (from_end(starts[i]).clamp(0, dim), from_end(ends[i]).clamp(0, dim))
        } else {
            (from_end(starts[i]).clamp(0, (dim - 1).max(0)), from_end(ends[i]).clamp(-1, (dim - 1).max(0)))
        };
        let reach = if step > 0 { end - start } else { start - end };
        let length = if reach <= 0 { 0 } else { (reach as u64).div_ceil(step.unsigned_abs()) as usize };
        takes[axis] = Take { start, step, length };
    }
    Ok(Some(takes))
}

pub(super) fn slice(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let Some(Fact { shape: Some(x), axes, elem, .. }) = fact(inputs, 0) else { return Ok(unknown(inputs)) };
    let Some(takes) = ranges(node, inputs, x)? else { return Ok(unknown(inputs)) };
    let mut axes = axes.clone();
    for (axis, take) in axes.iter_mut().zip(&takes) {
        if let Axis::Tokens { prefix, h, w } = *axis {
            let start = take.start as usize;
            let keeps_places = take.step == 1 && start <= prefix && start + take.length >= prefix + h * w;
            *axis = if keeps_places { Axis::Tokens { prefix: prefix - start, h, w } } else { Axis::Other };
        }
    }
    Ok(Fact::with_axes(*elem, takes.iter().map(|take| take.length).collect(), axes))
}

pub(super) fn split(node: &NodeProto, inputs: &Inputs) -> Outputs {
    let Some(Fact { shape: Some(x), axes, elem, .. }) = fact(inputs, 0) else {
        return Ok(vec![unknown(inputs); node.output.len()]);
    };
    let along = checked_axis(node.attr_int("axis").unwrap_or(0), x.len())?;
    let length = x[along];
    let sizes: Vec<usize> = match fact(inputs, 1).map(Fact::integers) {
        Some(None) => return Ok(vec![unknown(inputs); node.output.len()]),
        Some(Some(sizes)) => sizes.iter().map(|&size| size.max(0) as usize).collect(),
        None => match node.attr_ints("split") {
            Some(sizes) => sizes.iter().map(|&size| size.max(0) as usize).collect(),
            None => {
                let n = node.output.len().max(1);
                let size = length.div_ceil(n);
                (0..n).map(|i| size.min(length.saturating_sub(i * size))).collect()
            }
        },
    };
    if sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size)) != Some(length) {
        return Err(format!("cannot split an axis of length {length} into {sizes:?}"));
    }
    let mut axes = axes.clone();
    if matches!(axes[along], Axis::Tokens { .. }) {
        axes[along] = Axis::Other;
    }
    let part = |&size: &usize| {
        let mut out = x.clone();
        out[along] = size;
        Fact::with_axes(*elem, out, axes.clone())
    };
    Ok(sizes.iter().map(part).collect())
}

pub(super) fn gather(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let (Some(Fact { shape: Some(x), axes, elem, .. }), Some(indices)) = (fact(inputs, 0), shape(inputs, 1)) else {
        return Ok(unknown(inputs));
    };
    let along = checked_axis(node.attr_int("axis").unwrap_or(0), x.len())?;
    let out = [&x[..along], indices, &x[along + 1..]].concat();
    let kept = if axes[along] == Axis::Channel && indices.len() == 1 { Axis::Channel } else { Axis::Other };
    let axes = [&axes[..along], &vec![kept; indices.len()], &axes[along + 1..]].concat();
    Ok(Fact::with_axes(*elem, out, axes))
}

/// Entries `data[indices]`: the last axis of the indices counts through the first axes of the data.
pub(super) fn gather_nd(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let (Some(Fact { shape: Some(x), axes, elem, .. }), Some(indices)) = (fact(inputs, 0), shape(inputs, 1)) else {
        return Ok(unknown(inputs));
    };
    let batch = usize::try_from(node.attr_int("batch_dims").unwrap_or(0)).unwrap_or(usize::MAX);
    let [places @ .., depth] = indices else { return Err("has indices without an axis".to_owned()) };
    let first = batch.checked_add(*depth).filter(|&first| first <= x.len() && batch <= places.len());
    let Some(first) = first else {
        return Err(format!("indices of shape {indices:?} do not fit a tensor of shape {x:?}"));
    };
    let kept = axes[..batch].iter().copied().chain(vec![Axis::Other; places.len() - batch]);
    let axes = kept.chain(axes[first..].iter().copied()).collect();
    Ok(Fact::with_axes(*elem, [places, &x[first..]].concat(), axes))
}

/// The chosen values, and where they stood.
pub(super) fn top_k(node: &NodeProto, inputs: &Inputs) -> Result<Vec<Fact>, String> {
    let Some(Fact { shape: Some(x), axes, elem, .. }) = fact(inputs, 0) else { return Ok(vec![]) };
    let k = match fact(inputs, 1) {
        Some(fact) => fact.integers().and_then(|values| values.first().copied()),
        None => node.attr_int("k"),
    };
    let Some(k) = k.and_then(|k| usize::try_from(k).ok()) else { return Ok(vec![]) };
    let axis = checked_axis(node.attr_int("axis").unwrap_or(-1), x.len())?;
    let (mut out, mut axes) = (x.clone(), axes.clone());
    (out[axis], axes[axis]) = (k, Axis::Other);
    let of = |elem| Fact::with_axes(elem, out.clone(), axes.clone());
    Ok(vec![of(*elem), of(Some(DataType::Int64))])
}

pub(super) fn pad(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let Some(Fact { shape: Some(x), axes, elem, .. }) = fact(inputs, 0) else { return Ok(unknown(inputs)) };
    let pads = match fact(inputs, 1) {
        Some(fact) => fact.integers(),
        None => node.attr_ints("pads").or(node.attr_ints("paddings")).map(<[i64]>::to_vec),
    };
    let listed = match fact(inputs, 3) {
        Some(fact) => fact.integers(),
        None => Some((0..x.len() as i64).collect()),
    };
    let (Some(pads), Some(listed)) = (pads, listed) else { return Ok(unknown(inputs)) };
    if pads.len() != 2 * listed.len() {
        return Err(format!("has {} paddings for {} axes", pads.len(), listed.len()));
    }
    let (mut out, mut axes) = (x.clone(), axes.clone());
    for (i, &axis) in listed.iter().enumerate() {
        let axis = checked_axis(axis, x.len())?;
        let (before, after) = (pads[i], pads[i + listed.len()]);
        let length = (x[axis] as i64).checked_add(before).and_then(|length| length.checked_add(after));
        out[axis] = length
            .and_then(|length| usize::try_from(length).ok())
            .ok_or_else(|| format!("paddings {pads:?} do not fit a tensor of shape {x:?}"))?;
        if (before, after) != (0, 0) && matches!(axes[axis], Axis::Tokens { .. }) {
            axes[axis] = Axis::Other;
        }
    }
    Ok(Fact::with_axes(*elem, out, axes))
}

pub(super) fn resize(node: &NodeProto, inputs: &Inputs) -> Fact {
    let resized = || {
        let Fact { shape: Some(x), axes, .. } = fact(inputs, 0)? else { return None };
        let all: Vec<usize> = (0..x.len()).collect();
        let listed = match node.attr_ints("axes") {
            Some(listed) => listed.iter().map(|&value| axis(value, x.len())).collect::<Option<_>>()?,
            None => all,
        };
        let filled = |i: usize| fact(inputs, i).filter(|fact| fact.shape.as_deref() != Some(&[0]));
        let mut out = x.clone();
        // Upsample and Resize of operator set 10 have the scales as input 1; later ones have a region there.
        let scales = if inputs.len() <= 2 { filled(1) } else { filled(2) };
        if let Some(sizes) = filled(3) {
            for (&axis, size) in listed.iter().zip(sizes.integers()?) {
                out[axis] = usize::try_from(size).ok()?;
            }
        } else {
            let factors: Vec<f64> = match scales {
                Some(scales) => scales.value.clone()?,
                None => node.attr_floats("scales")?.iter().map(|&scale| f64::from(scale)).collect(),
            };
            for (&axis, scale) in listed.iter().zip(factors) {
                out[axis] = (x[axis] as f64 * scale).floor() as usize;
            }
        }
        Some(Fact::with_axes(elem(inputs, 0), out, axes.clone()))
    };
    resized().unwrap_or_else(|| unknown(inputs))
}

pub(super) fn depth_to_space(node: &NodeProto, inputs: &Inputs) -> Fact {
    moved_blocks(node, inputs, |[c, h, w], block| [c / block / block, h.saturating_mul(block), w.saturating_mul(block)])
}

pub(super) fn space_to_depth(node: &NodeProto, inputs: &Inputs) -> Fact {
    moved_blocks(node, inputs, |[c, h, w], block| [c.saturating_mul(block).saturating_mul(block), h / block, w / block])
}

fn moved_blocks(node: &NodeProto, inputs: &Inputs, resize: fn([usize; 3], usize) -> [usize; 3]) -> Fact {
    let Some(&[n, c, h, w]) = shape(inputs, 0) else { return unknown(inputs) };
    let block = node.attr_int("blocksize").unwrap_or(1).max(1) as usize;
    let [c, h, w] = resize([c, h, w], block);
    Fact::with_axes(elem(inputs, 0), vec![n, c, h, w], NCHW.to_vec())
}
