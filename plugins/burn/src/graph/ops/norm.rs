//! Normalisation.

use super::kernel::{BatchNorm, Moments};
use super::{Call, floats};
use crate::barrier::Barrier;
use crate::value::{Float, MAX_RANK, Value};
use ascan_core::Result;
use burn::tensor::Tensor;

type Six = Tensor<MAX_RANK>;

/// `[c]` as a tensor that broadcasts over the channels of a tensor of `rank` axes.
pub(super) fn per_channel(values: Float, rank: usize) -> Six {
    let c = values.shape().iter().product();
    let mut dims = [1; MAX_RANK];
    dims[MAX_RANK + 1 - rank] = c;
    values.dims(dims)
}

/// `(x − mean) / √(variance + epsilon)` over these axes of the six; also mean and variance (biased).
fn standardise(x: Six, axes: &[usize], epsilon: f32) -> (Six, Six, Six) {
    let mean = x.clone().mean_dims(axes);
    let centred = x.sub(mean.clone());
    let variance = centred.clone().mul(centred.clone()).mean_dims(axes);
    let inverse = variance.clone().add_scalar(epsilon).sqrt().recip();
    (centred.mul(inverse), mean, variance)
}

pub(super) fn batch_norm(call: &mut Call) -> Result<Vec<Value>> {
    let x = call.float(0)?;
    let rank = x.rank().max(2);
    let epsilon = call.real("epsilon", 1e-5);
    let [scale, bias, mean, variance] =
        [call.float(1)?, call.float(2)?, call.float(3)?, call.float(4)?].map(|values| per_channel(values, rank));
    if call.int("training_mode", 0) == 1 && call.run.batch_norm.is_none() {
        return Err(call.error("it is in training mode; export the model with `model.eval()`"));
    }
    let Some(training) = &call.run.batch_norm else {
        // x·k + (bias − mean·k): two passes over x.
        let factor = scale.mul(variance.add_scalar(epsilon).sqrt().recip());
        let shift = bias.sub(mean.mul(factor.clone()));
        return floats(x.map(|x| x.mul(factor).add(shift)));
    };
    let (output, moments) = by_batch(x, scale, bias, epsilon, &training.barrier)?;
    let momentum = call.real("momentum", 0.9);
    let keep = |old: Six, new: &[f32], factor: f32| -> Vec<f32> {
        let old = Float::from_six(old, 1).into_vec();
        old.iter().zip(new).map(|(old, new)| momentum * old + (1.0 - momentum) * factor * new).collect()
    };
    // The running variance is the unbiased one, as PyTorch keeps it.
    let unbiased = if moments.count > 1.0 { moments.count / (moments.count - 1.0) } else { 1.0 };
    let statistics = [(3, keep(mean, &moments.mean, 1.0)), (4, keep(variance, &moments.variance, unbiased as f32))];
    training.updates.borrow_mut().extend(statistics.map(|(i, values)| (call.node.input[i].clone(), values)));
    floats(output)
}

/// Normalises by the statistics of the batch. On the CPU this crate's kernel does it; elsewhere the batch is not cut
/// into shards, and burn's operations do.
fn by_batch(x: Float, scale: Six, bias: Six, epsilon: f32, barrier: &Barrier) -> Result<(Float, Moments)> {
    let (rank, shape) = (x.rank().max(2), x.shape());
    let c = shape.get(1).copied().unwrap_or(1);
    if crate::device::is_cpu(&x.device()) {
        let positions = shape.iter().skip(2).product();
        let layer = BatchNorm { barrier: barrier.clone(), epsilon };
        let (output, moments) = layer.apply(x.dims([shape[0], c, positions]), scale.reshape([c]), bias.reshape([c]));
        return Ok((Float::wrap(output).reshape(&shape)?, moments));
    }
    let channel = MAX_RANK + 1 - rank;
    let axes: Vec<usize> = (0..MAX_RANK).filter(|&axis| axis != channel).collect();
    let (standard, mean, variance) = standardise(x.six(), &axes, epsilon);
    let count = (shape.iter().product::<usize>() / c.max(1)) as f64;
    let [mean, variance] = [mean, variance].map(|values| Float::from_six(values, 1).into_vec());
    Ok((Float::from_six(standard.mul(scale).add(bias), rank), Moments { count, mean, variance }))
}

pub(super) fn instance_norm(call: &mut Call) -> Result<Vec<Value>> {
    let (x, scale, bias) = (call.float(0)?, call.float(1)?, call.float(2)?);
    let rank = x.rank();
    let epsilon = call.real("epsilon", 1e-5);
    let axes: Vec<usize> = (MAX_RANK + 2 - rank..MAX_RANK).collect();
    let [scale, bias] = [scale, bias].map(|values| per_channel(values, rank));
    floats(x.map(|x| standardise(x, &axes, epsilon).0.mul(scale).add(bias)))
}

pub(super) fn group_norm(call: &mut Call) -> Result<Vec<Value>> {
    let (x, scale, bias) = (call.float(0)?, call.float(1)?, call.float(2)?);
    let shape = x.shape();
    let groups = call.int("num_groups", 1).max(1) as usize;
    if shape.len() < 2 || shape[1] % groups != 0 {
        return Err(call.error(format!("{groups} groups of an input of shape {shape:?}")));
    }
    let epsilon = call.real("epsilon", 1e-5);
    let rest = shape[1] / groups * shape[2..].iter().product::<usize>();
    let grouped = x.reshape(&[shape[0], groups, rest])?;
    let standard = grouped.map(|x| standardise(x, &[MAX_RANK - 1], epsilon).0).reshape(&shape)?;
    // Operator set 18 has one scale per group, 21 one per channel.
    let spread = |values: Float| -> Result<Six> {
        let n: usize = values.shape().iter().product();
        let values = if n == groups && n != shape[1] {
            let wide = values.dims([groups, 1]).expand([groups, shape[1] / groups]).reshape([shape[1]]);
            Float::wrap(wide)
        } else {
            values
        };
        Ok(per_channel(values, shape.len()))
    };
    let (scale, bias) = (spread(scale)?, spread(bias)?);
    floats(standard.map(|x| x.mul(scale).add(bias)))
}

pub(super) fn layer_norm(call: &mut Call) -> Result<Vec<Value>> {
    let (x, scale) = (call.float(0)?, call.float(1)?);
    let bias = call.optional_float(2)?;
    let first = x.axis(call.int("axis", -1))?;
    let axes: Vec<usize> = (first..MAX_RANK).collect();
    let rank = x.rank();
    let (standard, mean, variance) = standardise(x.six(), &axes, call.real("epsilon", 1e-5));
    let scaled = standard.mul(scale.six());
    let result = match bias {
        Some(bias) => scaled.add(bias.six()),
        None => scaled,
    };
    let mut outputs = floats(Float::from_six(result, rank))?;
    if call.node.output.len() > 1 {
        let inverse = variance.add_scalar(call.real("epsilon", 1e-5)).sqrt().recip();
        outputs.extend([mean, inverse].map(|values| Value::Float(Float::from_six(values, rank))));
    }
    Ok(outputs)
}

pub(super) fn rms_norm(call: &mut Call) -> Result<Vec<Value>> {
    let (x, scale) = (call.float(0)?, call.float(1)?);
    let first = x.axis(call.int("axis", -1))?;
    let axes: Vec<usize> = (first..MAX_RANK).collect();
    let epsilon = call.real("epsilon", 1e-5);
    floats(x.zip(scale, |x, scale| {
        let square = x.clone().mul(x.clone()).mean_dims(&axes);
        x.mul(square.add_scalar(epsilon).sqrt().recip()).mul(scale)
    }))
}

/// Local response normalisation across channels (Krizhevsky et al. 2012).
pub(super) fn local_response_norm(call: &mut Call) -> Result<Vec<Value>> {
    let x = call.float(0)?;
    let size = call.int("size", 1).max(1) as usize;
    let (alpha, beta, bias) = (call.real("alpha", 1e-4), call.real("beta", 0.75), call.real("bias", 1.0));
    let channel = MAX_RANK + 1 - x.rank().max(2);
    floats(x.map(|x| {
        let n = x.dims()[channel];
        let mut pads = [(0, 0); MAX_RANK];
        pads[channel] = ((size - 1) / 2, size / 2);
        let squares = x.clone().mul(x.clone()).pad(pads, burn::tensor::ops::PadMode::Constant(0.0));
        let sum = (0..size).map(|i| squares.clone().narrow(channel, i, n)).reduce(Six::add);
        let sum = sum.unwrap_or_else(|| x.zeros_like());
        x.mul(sum.mul_scalar(alpha / size as f32).add_scalar(bias).powf_scalar(-beta))
    }))
}

pub(super) fn lp_norm(call: &mut Call) -> Result<Vec<Value>> {
    let x = call.float(0)?;
    let axis = x.axis(call.int("axis", -1))?;
    let p = call.int("p", 2);
    floats(x.map(|x| {
        let norm = match p {
            1 => x.clone().abs().sum_dim(axis),
            _ => x.clone().mul(x.clone()).sum_dim(axis).sqrt(),
        };
        // A row of zeros stays zero.
        let norm = norm.clone().mask_fill(norm.equal_scalar(0.0), 1.0);
        x.div(norm)
    }))
}

pub(super) fn mean_variance_norm(call: &mut Call) -> Result<Vec<Value>> {
    let x = call.float(0)?;
    let axes = call.node.attr_ints("axes").unwrap_or(&[0, 2, 3]);
    let axes = axes.iter().map(|&axis| x.axis(axis)).collect::<Result<Vec<_>>>()?;
    floats(x.map(|x| standardise(x, &axes, 1e-9).0))
}
