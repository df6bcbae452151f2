//! Pooling, in one to three dimensions.

use super::conv::{Window, kernel_shape, spatial, window};
use super::{Call, Run, floats};
use crate::value::{Float, Ints, MAX_RANK, Value, for_each_index, strides};
use ascan_core::Result;
use ascan_onnx::proto::NodeProto;
use burn::tensor::module;
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions, PadMode};

type Six = burn::tensor::Tensor<MAX_RANK>;

pub(super) fn global(call: &mut Call, reduce: fn(Six, &[usize]) -> Six) -> Result<Vec<Value>> {
    let x = call.float(0)?;
    let first = MAX_RANK + 2 - x.rank();
    let axes: Vec<usize> = (first..MAX_RANK).collect();
    floats(x.map(|x| reduce(x, &axes)))
}

/// The window with its end pads grown so that whole windows cover what `ceil_mode` asks for,
/// and the number of windows along each axis.
fn covering(call: &Call, input: &[usize]) -> Result<(Window, Vec<usize>)> {
    let mut window = window(call, input, kernel_shape(call)?)?;
    let round_up = call.int("ceil_mode", 0) != 0;
    let mut output = Vec::new();
    for (i, &length) in input.iter().enumerate() {
        let (before, after) = window.pads[i];
        let stride = window.stride[i];
        let extent = window.dilation[i] * (window.kernel[i] - 1) + 1;
        let padded = length + before + after;
        if padded < extent {
            return Err(call.error(format!("the window {:?} is larger than its padded input", window.kernel)));
        }
        let mut n = (padded - extent) / stride + 1;
        // A last window counts only if it starts before the end pads.
        if round_up && !(padded - extent).is_multiple_of(stride) && n * stride < length + before {
            n += 1;
        }
        window.pads[i].1 = ((n - 1) * stride + extent).saturating_sub(length + before);
        output.push(n);
    }
    Ok((window, output))
}

/// Applies a two-dimensional pooling along the axes of `x [n, c, …]`, the last two together, a third before them.
///
/// `pool` takes `[batch, channel, h, w]`, the axes of the window and a kernel of length 1 where nothing is pooled.
fn along(
    x: Float,
    window: &Window,
    fill: f32,
    pool: impl Fn(Six, [usize; 3], [[usize; 2]; 3]) -> Six,
) -> Result<Float> {
    let shape = x.shape();
    let n_axes = shape.len() - 2;
    let mut result = x.map(|x| {
        let mut pads = [(0, 0); MAX_RANK];
        pads[MAX_RANK - n_axes..].copy_from_slice(&window.pads);
        if window.pads.iter().all(|&pads| pads == (0, 0)) { x } else { x.pad(pads, PadMode::Constant(fill)) }
    });
    let at = |i: usize| (window.kernel[i], window.stride[i], window.dilation[i]);
    let pair = |a: (usize, usize, usize), b: (usize, usize, usize)| [[a.0, b.0], [a.1, b.1], [a.2, b.2]];
    const NONE: (usize, usize, usize) = (1, 1, 1);
    let mut lengths = result.shape();
    if n_axes == 3 {
        // [n, c, d, h, w] as [n·c, d, h·w]: pooled along d alone.
        let six = pool(result.six(), [shape[0] * shape[1], lengths[2], lengths[3] * lengths[4]], pair(at(0), NONE));
        lengths[2] = six.dims()[MAX_RANK - 2];
        result = Float::from_six(six, 2).reshape(&lengths)?;
    }
    let (batch, last) = (lengths[..lengths.len().saturating_sub(n_axes.min(2))].iter().product(), n_axes - 1);
    let (h, first) = if n_axes == 1 { (1, NONE) } else { (lengths[lengths.len() - 2], at(last - 1)) };
    let w = lengths[lengths.len() - 1];
    let six = pool(result.six(), [batch, h, w], pair(first, at(last)));
    let [.., h, w] = six.dims();
    let n = lengths.len();
    if n_axes > 1 {
        lengths[n - 2] = h;
    }
    lengths[n - 1] = w;
    Float::from_six(six, 2).reshape(&lengths)
}

pub(super) fn max_pool(call: &mut Call) -> Result<Vec<Value>> {
    let wants_indices = call.node.output.get(1).is_some_and(|name| !name.is_empty());
    let value = call.value(0)?;
    let (x, kind) = match value {
        Value::Float(x) => (x, None),
        Value::Ints(x) => (x.to_float(&call.run.device)?, Some(x.kind)),
    };
    let shape = x.shape();
    let (window, output) = covering(call, &spatial(call, &shape)?)?;
    let column_major = call.int("storage_order", 0) == 1;
    let indices = if wants_indices { Some(max_indices(&x, &window, &output, column_major)) } else { None };
    let pooled = along(x, &window, f32::NEG_INFINITY, |x, [n, h, w], [kernel, stride, dilation]| {
        let options = MaxPoolOptions::new(kernel).with_stride(stride).with_dilation(dilation);
        module::max_pool2d(x.reshape([n, 1, h, w]), options).unsqueeze()
    })?;
    let pooled = match kind {
        None => Value::Float(pooled),
        Some(kind) => {
            let data = pooled.to_vec().into_iter().map(|value| value as i64).collect();
            Value::Ints(Ints { shape: pooled.shape(), kind, data })
        }
    };
    Ok([Some(pooled), indices.map(Value::Ints)].into_iter().flatten().collect())
}

/// Gathers from `values`, which has the shape of `x`, the entry at the place of each window's maximum in `x`, as one
/// list.
pub(super) fn max_gather(node: &NodeProto, run: &Run, x: &Float, values: Float) -> Result<Float> {
    let call = Call { node, run, inputs: Vec::new() };
    let (window, output) = covering(&call, &spatial(&call, &x.shape())?)?;
    let indices = max_indices(x, &window, &output, false).to_indices(&run.device);
    let n = values.shape().iter().product();
    Ok(Float::wrap(values.dims([n]).select(0, indices)))
}

/// Flat index of each window's maximum in the whole input, as ONNX counts it.
fn max_indices(x: &Float, window: &Window, output: &[usize], column_major: bool) -> Ints {
    let (shape, data) = (x.shape(), x.to_vec());
    let n_axes = output.len();
    let row_major = strides(&shape[2..]);
    let mut counted = row_major.clone();
    if column_major {
        counted = (0..n_axes).map(|i| shape[2..2 + i].iter().product()).collect();
    }
    let plane: usize = shape[2..].iter().product();
    let mut result_shape = shape[..2].to_vec();
    result_shape.extend(output);
    let mut result = Vec::new();
    for_each_index(&result_shape, |index| {
        let start = (index[0] * shape[1] + index[1]) * plane;
        let mut best: Option<(f32, usize)> = None;
        for_each_index(&window.kernel, |tap| {
            let mut flat = start;
            let mut named = start;
            for i in 0..n_axes {
                let at = index[2 + i] * window.stride[i] + tap[i] * window.dilation[i];
                match at.checked_sub(window.pads[i].0).filter(|&at| at < shape[2 + i]) {
                    Some(at) => {
                        flat += at * row_major[i];
                        named += at * counted[i];
                    }
                    None => return,
                }
            }
            if best.is_none_or(|(value, _)| data[flat] > value) {
                best = Some((data[flat], named));
            }
        });
        result.push(best.map_or(0, |(_, named)| named as i64));
    });
    Ints::new(result_shape, result)
}

/// Sums over windows: the average without padding, times the size of the window.
fn average(x: Float, window: &Window) -> Result<Float> {
    along(x, window, 0.0, |x, [n, h, w], [kernel, stride, dilation]| {
        let x = x.reshape([n, 1, h, w]);
        if dilation == [1, 1] {
            return module::avg_pool2d(x, AvgPoolOptions::new(kernel).with_stride(stride)).unsqueeze();
        }
        let device = x.device();
        let taps =
            burn::tensor::Tensor::full([1, 1, kernel[0], kernel[1]], 1.0 / (kernel[0] * kernel[1]) as f32, &device);
        let geometry = super::kernel::Geometry { stride, dilation, pads: [(0, 0); 2], groups: 1 };
        super::conv::conv2d(x, taps.without_autodiff(), None, geometry).unsqueeze()
    })
}

pub(super) fn average_pool(call: &mut Call) -> Result<Vec<Value>> {
    let x = call.float(0)?;
    let input = spatial(call, &x.shape())?;
    let declared = window(call, &input, kernel_shape(call)?)?;
    let (window, output) = covering(call, &input)?;
    let mean = average(x, &window)?;
    let all: usize = window.kernel.iter().product();
    let include_pads = call.int("count_include_pad", 0) != 0;
    // How many taps of each window count: those on the input, or on the declared pads too; never those that
    // only rounding up added.
    let mut counts = Vec::new();
    for_each_index(&output, |index| {
        let per_axis = (0..index.len()).map(|i| {
            let (before, after) = declared.pads[i];
            let (low, high) = if include_pads { (0, before + input[i] + after) } else { (before, before + input[i]) };
            (0..window.kernel[i])
                .map(|tap| index[i] * window.stride[i] + tap * window.dilation[i])
                .filter(|at| (low..high).contains(at))
                .count()
        });
        counts.push(all as f32 / per_axis.product::<usize>().max(1) as f32);
    });
    if counts.iter().all(|&factor| factor == 1.0) {
        return floats(mean);
    }
    let mut shape = vec![1, 1];
    shape.extend(&output);
    let factors = Float::new(counts, &shape, &call.run.device)?;
    floats(mean.zip(factors, Six::mul))
}

pub(super) fn lp_pool(call: &mut Call) -> Result<Vec<Value>> {
    let x = call.float(0)?;
    let p = call.int("p", 2) as f32;
    let (window, _) = covering(call, &spatial(call, &x.shape())?)?;
    let taps = window.kernel.iter().product::<usize>() as f32;
    let powers = x.map(|x| x.abs().powf_scalar(p));
    floats(average(powers, &window)?.map(|mean| mean.mul_scalar(taps).powf_scalar(1.0 / p)))
}

pub(super) fn max_unpool(call: &mut Call) -> Result<Vec<Value>> {
    let (x, indices) = (call.float(0)?, call.ints(1)?);
    let shape = x.shape();
    let input = spatial(call, &shape)?;
    let window = window(call, &input, kernel_shape(call)?)?;
    let natural: Vec<usize> = (0..input.len())
        .map(|i| {
            let (before, after) = window.pads[i];
            ((input[i] - 1) * window.stride[i] + window.kernel[i]).saturating_sub(before + after)
        })
        .collect();
    let mut small = shape[..2].to_vec();
    small.extend(&natural);
    let result = match call.optional(2) {
        Some(Value::Ints(wanted)) => wanted.data.iter().map(|&length| length.max(0) as usize).collect(),
        _ => small.clone(),
    };
    // Indices count in the natural output; a larger one shifts its rows.
    let (from, to) = (strides(&small), strides(&result));
    let mut data = vec![0.0; result.iter().product()];
    for (value, &index) in x.to_vec().into_iter().zip(&indices.data) {
        let mut rest = index.max(0) as usize;
        let mut flat = 0;
        for axis in 0..small.len() {
            flat += rest / from[axis] * to[axis];
            rest %= from[axis];
        }
        let cell = data.get_mut(flat);
        *cell.ok_or_else(|| call.error(format!("index {index} lies outside the output {result:?}")))? = value;
    }
    floats(Float::new(data, &result, &call.run.device)?)
}
