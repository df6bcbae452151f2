//! Operators that take parts of tensors: slices, gathered rows, padding, triangles.

use super::{Call, floats, ints};
use crate::value::{Float, Ints, MAX_RANK, Value, resolve_axis, strides};
use ascan_core::Result;
use ascan_onnx::proto::NodeProto;
use ascan_onnx::proto::tensor_proto::DataType;
use burn::tensor::ops::PadMode;
use burn::tensor::{Slice, Tensor, TensorData};

/// Start, number of elements and step along an axis.
type Span = (i64, usize, i64);

fn spans(call: &mut Call, shape: &[usize]) -> Result<Vec<Span>> {
    let starts = call.list("starts", 1)?.unwrap_or_default();
    let ends = call.list("ends", 2)?.unwrap_or_default();
    let axes = call.list("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = if call.has(4) { call.ints(4)?.data } else { vec![1; starts.len()] };
    let mut spans: Vec<Span> = shape.iter().map(|&length| (0, length, 1)).collect();
    for i in 0..starts.len() {
        let axis = resolve_axis(axes[i], shape.len())?;
        let (length, step) = (shape[axis] as i64, steps[i]);
        if step == 0 {
            return Err(call.error("its step is 0"));
        }
        let from_end = |index: i64| if index < 0 { index.saturating_add(length) } else { index };
        let (start, end) = (from_end(starts[i]), from_end(ends[i]));
        let (start, end) = if step > 0 {
            (start.clamp(0, length), end.clamp(0, length))
        } else {
            (start.clamp(0, length - 1), end.clamp(-1, length - 1))
        };
        let distance = if step > 0 { end - start } else { start - end };
        let n = if distance <= 0 { 0 } else { (distance as u64).div_ceil(step.unsigned_abs()) as usize };
        spans[axis] = (start, n, step);
    }
    Ok(spans)
}

pub(super) fn slice(call: &mut Call) -> Result<Vec<Value>> {
    let value = call.value(0)?;
    let shape = value.shape();
    let spans = spans(call, &shape)?;
    let lengths: Vec<usize> = spans.iter().map(|span| span.1).collect();
    match value {
        Value::Ints(x) => {
            let steps = strides(&shape);
            ints(x.pick(lengths, |index| {
                let at = |(i, &(start, _, step)): (&usize, &Span)| (start + *i as i64 * step) as usize;
                index.iter().zip(&spans).map(at).zip(&steps).map(|(at, stride)| at * stride).sum()
            }))
        }
        Value::Float(x) if lengths.contains(&0) => floats(Float::new(Vec::new(), &lengths, &x.device())?),
        Value::Float(mut x) => {
            // Forward steps are views; a backward one picks its indices.
            let skipped = MAX_RANK - shape.len();
            let mut ranges: [Slice; MAX_RANK] = std::array::from_fn(|_| Slice::full());
            for (axis, &(start, n, step)) in spans.iter().enumerate() {
                if step > 0 {
                    let end = start + (n as i64 - 1) * step + 1;
                    ranges[axis + skipped] = Slice::new(start as isize, Some(end as isize), step as isize);
                } else {
                    let indices = Ints::list((0..n as i64).map(|i| start + i * step)).to_indices(&call.run.device);
                    x = x.map(|x| x.select(axis + skipped, indices));
                }
            }
            floats(x.map(|x| x.slice(ranges)))
        }
    }
}

/// Indices of an axis of this length, negative ones counted from its end.
fn indices(call: &Call, mut given: Ints, length: usize) -> Result<Ints> {
    for index in &mut given.data {
        let at = if *index < 0 { *index + length as i64 } else { *index };
        if at < 0 || at >= length as i64 {
            return Err(call.error(format!("index {index} of an axis of length {length}")));
        }
        *index = at;
    }
    Ok(given)
}

pub(super) fn gather(call: &mut Call) -> Result<Vec<Value>> {
    let value = call.value(0)?;
    let shape = value.shape();
    let axis = resolve_axis(call.int("axis", 0), shape.len())?;
    let given = call.ints(1)?;
    let given = indices(call, given, shape[axis])?;
    let mut result = shape[..axis].to_vec();
    result.extend(&given.shape);
    result.extend(&shape[axis + 1..]);
    match value {
        Value::Ints(x) => {
            let (inner, n) = (shape[axis + 1..].iter().product::<usize>(), given.data.len());
            let pick = |flat: usize| {
                let (outer, i, rest) = (flat / (n * inner), flat / inner % n, flat % inner);
                x.data[(outer * shape[axis] + given.data[i] as usize) * inner + rest]
            };
            let data = (0..result.iter().product()).map(pick).collect();
            ints(Ints { shape: result, kind: x.kind, data })
        }
        Value::Float(x) => {
            let six = axis + MAX_RANK - shape.len();
            let picked = match given.data[..] {
                [index] => x.map(|x| x.narrow(six, index as usize, 1)),
                _ => x.map(|x| x.select(six, given.to_indices(&call.run.device))),
            };
            floats(picked.reshape(&result)?)
        }
    }
}

/// Takes elements by flat index.
fn take(call: &Call, value: Value, sources: Vec<i64>, shape: Vec<usize>) -> Result<Vec<Value>> {
    match value {
        Value::Ints(x) => {
            let data = sources.iter().map(|&source| x.data[source as usize]).collect();
            ints(Ints { shape, kind: x.kind, data })
        }
        Value::Float(x) => {
            let n = x.shape().iter().product();
            let picked = x.dims([n]).select(0, Ints::list(sources).to_indices(&call.run.device));
            floats(Float::wrap(picked).reshape(&shape)?)
        }
    }
}

pub(super) fn gather_elements(call: &mut Call) -> Result<Vec<Value>> {
    let value = call.value(0)?;
    let shape = value.shape();
    let axis = resolve_axis(call.int("axis", 0), shape.len())?;
    let given = call.ints(1)?;
    let given = indices(call, given, shape[axis])?;
    let steps = strides(&shape);
    let mut sources = Vec::with_capacity(given.data.len());
    crate::value::for_each_index(&given.shape, |index| {
        let elsewhere: usize = (0..index.len()).filter(|&i| i != axis).map(|i| index[i] * steps[i]).sum();
        sources.push((elsewhere + given.data[sources.len()] as usize * steps[axis]) as i64);
    });
    take(call, value, sources, given.shape)
}

/// Flat start and number of elements of each part that `given [.., depth]` names in a tensor of this shape.
fn parts(call: &Call, given: &Ints, shape: &[usize], batch: usize) -> Result<(Vec<usize>, usize)> {
    let depth = given.shape.last().copied().unwrap_or(0);
    let steps = strides(shape);
    let inner = shape[batch + depth..].iter().product();
    let n_batches: usize = given.shape[..batch].iter().product();
    let per_batch = given.data.len() / depth.max(1) / n_batches.max(1);
    let offset: usize = shape[batch..].iter().product();
    let starts = given.data.chunks_exact(depth.max(1)).enumerate().map(|(i, tuple)| {
        tuple.iter().enumerate().try_fold(i / per_batch.max(1) * offset, |start, (axis, &index)| {
            let length = shape[batch + axis] as i64;
            let at = if index < 0 { index + length } else { index };
            if at < 0 || at >= length {
                return Err(call.error(format!("index {index} of an axis of length {length}")));
            }
            Ok(start + at as usize * steps[batch + axis])
        })
    });
    Ok((starts.collect::<Result<_>>()?, inner))
}

pub(super) fn gather_nd(call: &mut Call) -> Result<Vec<Value>> {
    let (value, given) = (call.value(0)?, call.ints(1)?);
    let shape = value.shape();
    let batch = call.int("batch_dims", 0).max(0) as usize;
    let (starts, inner) = parts(call, &given, &shape, batch)?;
    let depth = given.shape.last().copied().unwrap_or(0);
    let mut result = given.shape[..given.shape.len().saturating_sub(1)].to_vec();
    result.extend(&shape[batch + depth..]);
    let sources = starts.iter().flat_map(|&start| (start..start + inner).map(|i| i as i64)).collect();
    take(call, value, sources, result)
}

pub(super) fn scatter_nd(call: &mut Call) -> Result<Vec<Value>> {
    if call.node.attr_string("reduction").unwrap_or("none") != "none" {
        return Err(call.error("a reduction of what it writes"));
    }
    let (value, given, updates) = (call.value(0)?, call.ints(1)?, call.value(2)?);
    let shape = value.shape();
    let (starts, inner) = parts(call, &given, &shape, 0)?;
    let targets = starts.iter().flat_map(|&start| start..start + inner);
    match (value, updates) {
        (Value::Ints(mut x), Value::Ints(updates)) => {
            for (target, update) in targets.zip(updates.data) {
                x.data[target] = update;
            }
            ints(x)
        }
        (Value::Float(x), Value::Float(updates)) => {
            // What is overwritten is masked out, so that gradients of both operands stay right.
            let n: usize = shape.iter().product();
            let m: usize = updates.shape().iter().product();
            let mut source = vec![-1; n];
            for (i, target) in targets.enumerate() {
                source[target] = i as i64;
            }
            let written = source.iter().map(|&source| source >= 0).collect::<Vec<bool>>();
            let picks = Ints::list(source.iter().map(|&source| source.max(0))).to_indices(&call.run.device);
            let mask = Tensor::from_data(TensorData::new(written, [n]), &call.run.device);
            let result = x.dims([n]).mask_where(mask, updates.dims([m]).select(0, picks));
            floats(Float::wrap(result).reshape(&shape)?)
        }
        _ => Err(call.error("operands of different types")),
    }
}

pub(super) fn pad_mode_is_known(node: &NodeProto) -> Option<String> {
    let mode = node.attr_string("mode").unwrap_or("constant");
    (!matches!(mode, "constant" | "reflect" | "edge" | "wrap")).then(|| format!("mode `{mode}`"))
}

pub(super) fn pad(call: &mut Call) -> Result<Vec<Value>> {
    let pads = call.list("pads", 1)?.unwrap_or_default();
    let fill = call.number("value", 2)?.unwrap_or(0.0);
    let axes = if call.has(3) { Some(call.ints(3)?.data) } else { None };
    let value = call.value(0)?;
    let shape = value.shape();
    let axes = axes.unwrap_or_else(|| (0..shape.len() as i64).collect());
    let mut around = vec![(0, 0); shape.len()];
    for (i, &axis) in axes.iter().enumerate() {
        around[resolve_axis(axis, shape.len())?] = (pads[i], pads[i + axes.len()]);
    }
    let mode = call.node.attr_string("mode").unwrap_or("constant").to_owned();
    let negative = around.iter().any(|&(before, after)| before < 0 || after < 0);
    match value {
        Value::Float(x) if mode == "constant" && !negative => {
            let mut pairs = [(0, 0); MAX_RANK];
            for (pair, &(before, after)) in pairs[MAX_RANK - shape.len()..].iter_mut().zip(&around) {
                *pair = (before as usize, after as usize);
            }
            floats(x.map(|x| x.pad(pairs, PadMode::Constant(fill as f32))))
        }
        value => {
            // Axis by axis: the source index of each place, or none for the fill value.
            let mut value = value;
            for (axis, &(before, after)) in around.iter().enumerate() {
                if (before, after) != (0, 0) {
                    value = pad_axis(call, value, axis, (before, after), &mode, fill)?;
                }
            }
            Ok(vec![value])
        }
    }
}

fn pad_axis(call: &Call, value: Value, axis: usize, pads: (i64, i64), mode: &str, fill: f64) -> Result<Value> {
    let mut shape = value.shape();
    let length = shape[axis] as i64;
    let source = |i: i64| match mode {
        _ if (0..length).contains(&i) => Some(i),
        "edge" => Some(i.clamp(0, length - 1)),
        "wrap" => Some(i.rem_euclid(length)),
        "reflect" => {
            let period = (2 * (length - 1)).max(1);
            let folded = i.rem_euclid(period);
            Some(if folded < length { folded } else { period - folded })
        }
        _ => None,
    };
    let sources: Vec<Option<i64>> = (-pads.0..length + pads.1).map(source).collect();
    match value {
        Value::Ints(x) => {
            let steps = strides(&x.shape);
            shape[axis] = sources.len();
            let mut data = Vec::with_capacity(shape.iter().product());
            crate::value::for_each_index(&shape, |index| {
                let flat = |at: i64| -> usize {
                    (0..index.len()).map(|i| if i == axis { at as usize } else { index[i] } * steps[i]).sum()
                };
                data.push(sources[index[axis]].map_or(fill as i64, |at| x.data[flat(at)]));
            });
            Ok(Value::Ints(Ints { shape, kind: x.kind, data }))
        }
        Value::Float(x) => {
            let six = axis + MAX_RANK - shape.len();
            let kept = Ints::list(sources.iter().copied().flatten()).to_indices(&call.run.device);
            let picked = x.map(|x| x.select(six, kept));
            let before = sources.iter().take_while(|source| source.is_none()).count();
            let after = sources.iter().rev().take_while(|source| source.is_none()).count();
            if before + after == 0 {
                return Ok(Value::Float(picked));
            }
            let mut pairs = [(0, 0); MAX_RANK];
            pairs[six] = (before, after);
            Ok(Value::Float(picked.map(|x| x.pad(pairs, PadMode::Constant(fill as f32)))))
        }
    }
}

pub(super) fn trilu(call: &mut Call) -> Result<Vec<Value>> {
    let k = if call.has(1) { call.ints(1)?.data.first().copied().unwrap_or(0) } else { 0 };
    let upper = call.int("upper", 1) != 0;
    let value = call.value(0)?;
    let shape = value.shape();
    let [.., rows, columns] = shape[..] else {
        return Err(call.error(format!("a tensor of shape {shape:?} has no triangle")));
    };
    let keeps = |row: usize, column: usize| {
        let offset = column as i64 - row as i64;
        if upper { offset >= k } else { offset <= k }
    };
    let kept = (0..rows * columns).map(|i| i64::from(keeps(i / columns, i % columns))).collect();
    let kept = Ints { shape: vec![rows, columns], kind: DataType::Bool, data: kept };
    match value {
        Value::Ints(x) => ints(x.zip(&kept, x.kind, |value, kept| value * kept)?),
        Value::Float(x) if shape.contains(&0) => floats(x),
        Value::Float(x) => {
            let mask = kept.expand(&shape).map(|kept| 1 - kept).to_mask(&call.run.device)?;
            floats(x.map(|x| x.mask_fill(mask, 0.0)))
        }
    }
}

pub(super) fn one_hot(call: &mut Call) -> Result<Vec<Value>> {
    let depth = call.number("depth", 1)?.unwrap_or(0.0) as i64;
    let values = call.float(2)?.to_vec();
    let given = match call.value(0)? {
        Value::Ints(given) => given,
        Value::Float(given) => Ints::new(given.shape(), given.to_vec().iter().map(|&value| value as i64).collect()),
    };
    let axis = resolve_axis(call.int("axis", -1), given.shape.len() + 1)?;
    let mut shape = given.shape.clone();
    shape.insert(axis, depth as usize);
    let steps = strides(&given.shape);
    let mut data = Vec::with_capacity(shape.iter().product());
    crate::value::for_each_index(&shape, |index| {
        let rest = index.iter().enumerate().filter(|&(i, _)| i != axis).map(|(_, i)| i);
        let flat: usize = rest.zip(&steps).map(|(i, step)| i * step).sum();
        let class = given.data[flat];
        let hot = (if class < 0 { class + depth } else { class }) == index[axis] as i64;
        data.push(values[usize::from(hot)]);
    });
    floats(Float::new(data, &shape, &call.run.device)?)
}

pub(super) fn non_zero(call: &mut Call) -> Result<Vec<Value>> {
    let value = call.value(0)?;
    let shape = value.shape();
    let found: Vec<bool> = match &value {
        Value::Ints(x) => x.data.iter().map(|&value| value != 0).collect(),
        Value::Float(x) => x.to_vec().iter().map(|&value| value != 0.0).collect(),
    };
    let steps = strides(&shape);
    let flat: Vec<usize> = (0..found.len()).filter(|&i| found[i]).collect();
    let data = (0..shape.len()).flat_map(|axis| {
        let (step, length) = (steps[axis], shape[axis]);
        flat.iter().map(move |i| (i / step % length) as i64)
    });
    let data = data.collect();
    ints(Ints::new(vec![shape.len(), flat.len()], data))
}
