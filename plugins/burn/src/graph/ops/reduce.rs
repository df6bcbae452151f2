//! Reductions over axes, and the largest elements.

use super::{Call, floats, ints};
use crate::value::{Float, Ints, MAX_RANK, Value, resolve_axis, strides};
use ascan_core::Result;
use burn::tensor::Tensor;

type Six = Tensor<MAX_RANK>;

pub(super) fn log_sum_exp(x: Six, axes: &[usize]) -> Six {
    or_empty(x, axes, f32::NEG_INFINITY, |x| log_sum_exp_of_some(x, axes))
}

fn log_sum_exp_of_some(x: Six, axes: &[usize]) -> Six {
    let largest = x.clone().detach().max_dims(axes);
    x.sub(largest.clone()).exp().sum_dims(axes).log().add(largest)
}

/// The reduction, or its neutral element where there is nothing to reduce.
fn or_empty(x: Six, axes: &[usize], neutral: f32, function: impl Fn(Six) -> Six) -> Six {
    let mut dims = x.dims();
    if axes.iter().all(|&axis| dims[axis] > 0) {
        return function(x);
    }
    axes.iter().for_each(|&axis| dims[axis] = 1);
    Six::full(dims, neutral, &x.device())
}

pub(super) fn max(call: &mut Call) -> Result<Vec<Value>> {
    let largest = |x: Six, axes: &[usize]| or_empty(x, axes, f32::NEG_INFINITY, |x| x.max_dims(axes));
    over_axes(call, largest, Some(Ord::max))
}

pub(super) fn min(call: &mut Call) -> Result<Vec<Value>> {
    let smallest = |x: Six, axes: &[usize]| or_empty(x, axes, f32::INFINITY, |x| x.min_dims(axes));
    over_axes(call, smallest, Some(Ord::min))
}

/// Reduces floats on the device, integers exactly where `exact` says how.
pub(super) fn over_axes(
    call: &mut Call,
    function: fn(Six, &[usize]) -> Six,
    exact: Option<fn(i64, i64) -> i64>,
) -> Result<Vec<Value>> {
    let keep = call.int("keepdims", 1) != 0;
    let axes = call.list("axes", 1)?.filter(|axes| !axes.is_empty());
    let value = call.value(0)?;
    let shape = value.shape();
    let axes: Vec<usize> = match axes {
        Some(axes) => axes.iter().map(|&axis| resolve_axis(axis, shape.len())).collect::<Result<_>>()?,
        None if call.int("noop_with_empty_axes", 0) != 0 => Vec::new(),
        None => (0..shape.len()).collect(),
    };
    let kept = |i: usize| !axes.contains(&i);
    let full: Vec<usize> = (0..shape.len()).map(|i| if kept(i) { shape[i] } else { 1 }).collect();
    let result: Vec<usize> = (0..shape.len()).filter(|&i| keep || kept(i)).map(|i| full[i]).collect();
    match (value, exact) {
        (Value::Ints(x), Some(exact)) => {
            let steps = strides(&full);
            let mut data: Vec<Option<i64>> = vec![None; full.iter().product()];
            let mut flat = 0;
            crate::value::for_each_index(&shape, |index| {
                let at: usize =
                    index.iter().zip(&steps).zip(&full).map(|((i, step), &n)| if n == 1 { 0 } else { i * step }).sum();
                data[at] = Some(data[at].map_or(x.data[flat], |held| exact(held, x.data[flat])));
                flat += 1;
            });
            let data = data.into_iter().map(Option::unwrap_or_default).collect();
            ints(Ints { shape: result, kind: x.kind, data }.wrapped())
        }
        (Value::Ints(x), None) => {
            let axes: Vec<usize> = axes.iter().map(|axis| axis + MAX_RANK - shape.len()).collect();
            let reduced = x.to_float(&call.run.device)?.map(|x| function(x, &axes));
            let data = reduced.to_vec().into_iter().map(|value| value as i64).collect();
            ints(Ints { shape: result, kind: x.kind, data })
        }
        (Value::Float(x), _) => {
            let axes: Vec<usize> = axes.iter().map(|axis| axis + MAX_RANK - shape.len()).collect();
            floats(x.map(|x| function(x, &axes)).reshape(&result)?)
        }
    }
}

/// The values of a tensor on the host, whatever their type, for ordering.
fn ordered(value: &Value) -> Vec<f64> {
    match value {
        Value::Float(x) => x.to_vec().into_iter().map(f64::from).collect(),
        Value::Ints(x) => x.data.iter().map(|&value| value as f64).collect(),
    }
}

/// First flat index and step of each line along `axis`.
fn lines(shape: &[usize], axis: usize) -> (Vec<usize>, usize) {
    let step = strides(shape)[axis];
    let n = shape.iter().product();
    ((0..n).filter(|i| (i / step).is_multiple_of(shape[axis])).collect(), step)
}

pub(super) fn extreme(call: &mut Call, better: fn(f64, f64) -> bool) -> Result<Vec<Value>> {
    let value = call.value(0)?;
    let shape = value.shape();
    let axis = resolve_axis(call.int("axis", 0), shape.len())?;
    let last = call.int("select_last_index", 0) != 0;
    let data = ordered(&value);
    let (starts, step) = lines(&shape, axis);
    let found = starts.iter().map(|start| {
        (1..shape[axis]).fold(0, |best, i| {
            let (new, held) = (data[start + i * step], data[start + best * step]);
            if better(new, held) || (last && new == held) { i } else { best }
        }) as i64
    });
    let mut result = shape.clone();
    if call.int("keepdims", 1) != 0 {
        result[axis] = 1;
    } else {
        result.remove(axis);
    }
    ints(Ints::new(result, found.collect()))
}

pub(super) fn top_k(call: &mut Call) -> Result<Vec<Value>> {
    let k = match call.node.attr_int("k") {
        Some(k) => k,
        None => call.ints(1)?.data.first().copied().unwrap_or(0),
    }
    .max(0) as usize;
    let value = call.value(0)?;
    let shape = value.shape();
    let axis = resolve_axis(call.int("axis", -1), shape.len())?;
    let largest = call.int("largest", 1) != 0;
    if k > shape[axis] {
        return Err(call.error(format!("the best {k} of {}", shape[axis])));
    }
    let data = ordered(&value);
    let (starts, step) = lines(&shape, axis);
    let mut result = shape.clone();
    result[axis] = k;
    let (firsts, out_step) = lines(&result, axis);
    let n = result.iter().product();
    let (mut indices, mut sources) = (vec![0; n], vec![0; n]);
    for (start, first) in starts.into_iter().zip(firsts) {
        let mut order: Vec<usize> = (0..shape[axis]).collect();
        order.sort_by(|&a, &b| {
            let (a, b) = (data[start + a * step], data[start + b * step]);
            if largest { b.total_cmp(&a) } else { a.total_cmp(&b) }
        });
        for (i, &best) in order[..k].iter().enumerate() {
            indices[first + i * out_step] = best as i64;
            sources[first + i * out_step] = (start + best * step) as i64;
        }
    }
    let values = match value {
        Value::Ints(x) => {
            let data = sources.iter().map(|&source| x.data[source as usize]).collect();
            Value::Ints(Ints { shape: result.clone(), kind: x.kind, data })
        }
        Value::Float(x) => {
            let picked = x.dims([shape.iter().product()]).select(0, Ints::list(sources).to_indices(&call.run.device));
            Value::Float(Float::wrap(picked).reshape(&result)?)
        }
    };
    Ok(vec![values, Value::Ints(Ints::new(result, indices))])
}

pub(super) fn cum_sum(call: &mut Call) -> Result<Vec<Value>> {
    let axis = call.ints(1)?.data.first().copied().unwrap_or(0);
    let (exclusive, reverse) = (call.int("exclusive", 0) != 0, call.int("reverse", 0) != 0);
    let x = call.float(0)?;
    let axis = x.axis(axis)?;
    floats(x.map(|x| {
        let turned = if reverse { x.flip([axis]) } else { x };
        let sum = turned.clone().cumsum(axis);
        let sum = if exclusive { sum.sub(turned) } else { sum };
        if reverse { sum.flip([axis]) } else { sum }
    }))
}
