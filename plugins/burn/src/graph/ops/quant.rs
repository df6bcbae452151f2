//! Quantised operators: integers on the host.
//!
//! Where a gradient is followed, they are whole numbers in floats instead, and it passes rounding straight through (Bengio
//! et al. 2013, arXiv 1308.3432); not where a value was cut off at the end of the range, which is how a ReLU is often
//! written in a quantised model.

use super::{Call, floats};
use crate::value::{Float, Ints, Value, resolve_axis};
use ascan_core::Result;
use ascan_onnx::proto::NodeProto;
use ascan_onnx::proto::tensor_proto::DataType;
use burn::tensor::Tensor;

pub(super) fn target_is_integer(node: &NodeProto) -> Option<String> {
    let kind = node.attr_int("output_dtype").and_then(|kind| DataType::try_from(kind as i32).ok());
    let integer = kind.is_none_or(|kind| kind == DataType::Undefined || range(kind) != (i64::MIN, i64::MAX));
    (!integer).then(|| "quantisation to another type than 8 or 16-bit integers".to_owned())
}

/// Smallest and largest value of an integer type.
fn range(kind: DataType) -> (i64, i64) {
    match kind {
        DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        DataType::Uint8 => (0, u8::MAX.into()),
        DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        DataType::Uint16 => (0, u16::MAX.into()),
        DataType::Int32 => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    }
}

/// For each element of `shape`, the element of a scale or zero point of shape `of` that belongs to it:
/// one for all, one for each index of `axis`, or one for each block along it.
fn owners(shape: &[usize], of: &[usize], axis: usize, block: usize) -> impl Fn(usize) -> usize + use<> {
    let n: usize = of.iter().product();
    let inner: usize = shape.get(axis + 1..).unwrap_or_default().iter().product();
    let length = shape.get(axis).copied().unwrap_or(1);
    let blocked = of.len() == shape.len() && of.len() > 1 && block > 0;
    move |flat: usize| match n {
        1 => 0,
        _ if blocked => {
            let (outer, i, rest) = (flat / (inner * length), flat / inner % length, flat % inner);
            (outer * length.div_ceil(block) + i / block) * inner + rest
        }
        _ => flat / inner % length,
    }
}

/// For each element of `shape` its own scale or zero point, as floats; one number stays one number.
fn spread(call: &Call, values: &[f32], shape: &[usize], owner: &dyn Fn(usize) -> usize) -> Result<Float> {
    match values {
        &[one] => Ok(Float::scalar(one, &call.run.device)),
        many => {
            let each = (0..shape.iter().product()).map(|i| many[owner(i)]).collect();
            Float::new(each, shape, &call.run.device)
        }
    }
}

/// Whole numbers that take the gradient of `soft`, what they were before rounding, where that lies inside the range.
fn straight_through(call: &Call, soft: Float, whole: &[i64], kind: DataType) -> Result<Vec<Value>> {
    let (low, high) = range(kind);
    let hard = Float::new(whole.iter().map(|&value| value as f32).collect(), &soft.shape(), &call.run.device)?;
    floats(soft.zip(hard, |soft, hard| {
        let soft = soft.clamp(low as f32, high as f32);
        hard.add(soft.clone().sub(soft.detach()))
    }))
}

fn axis(call: &Call, rank: usize) -> usize {
    resolve_axis(call.int("axis", 1), rank).unwrap_or(0)
}

pub(super) fn dequantize_linear(call: &mut Call) -> Result<Vec<Value>> {
    let x = match call.value(0)? {
        Value::Ints(x) => x,
        Value::Float(x) => return dequantize_tracked(call, x),
    };
    let scale = call.float(1)?;
    let zero = if call.has(2) { call.ints(2)?.data } else { Vec::new() };
    let block = call.int("block_size", 0).max(0) as usize;
    let owner = owners(&x.shape, &scale.shape(), axis(call, x.shape.len()), block);
    let scale = scale.to_vec();
    let value = |(i, &value): (usize, &i64)| {
        let own = owner(i);
        (value - zero.get(own).copied().unwrap_or(0)) as f32 * scale[own]
    };
    floats(Float::new(x.data.iter().enumerate().map(value).collect(), &x.shape, &call.run.device)?)
}

fn dequantize_tracked(call: &mut Call, x: Float) -> Result<Vec<Value>> {
    let scale = call.float(1)?;
    let zero = if call.has(2) { call.float(2)?.to_vec() } else { vec![0.0; scale.to_vec().len()] };
    let shape = x.shape();
    let block = call.int("block_size", 0).max(0) as usize;
    let owner = owners(&shape, &scale.shape(), axis(call, shape.len()), block);
    let (scale, zero) = (spread(call, &scale.to_vec(), &shape, &owner)?, spread(call, &zero, &shape, &owner)?);
    floats(x.zip(zero, Tensor::sub).zip(scale, Tensor::mul))
}

/// `round(x / scale) + zero`, halves to even, kept in the range of the type.
fn quantize(x: f32, scale: f32, zero: i64, kind: DataType) -> i64 {
    let (low, high) = range(kind);
    ((x / scale).round_ties_even() as i64).saturating_add(zero).clamp(low, high)
}

pub(super) fn quantize_linear(call: &mut Call) -> Result<Vec<Value>> {
    let (x, scale) = (call.float(0)?, call.float(1)?);
    let zero = if call.has(2) { Some(call.ints(2)?) } else { None };
    let declared = DataType::try_from(call.int("output_dtype", 0) as i32).unwrap_or(DataType::Undefined);
    let kind = match (&zero, declared) {
        (Some(zero), _) => zero.kind,
        (None, DataType::Undefined) => DataType::Uint8,
        (None, declared) => declared,
    };
    let shape = x.shape();
    let block = call.int("block_size", 0).max(0) as usize;
    let owner = owners(&shape, &scale.shape(), axis(call, shape.len()), block);
    let scale = scale.to_vec();
    let zero = zero.map(|zero| zero.data).unwrap_or_default();
    let value = |(i, value): (usize, f32)| {
        let own = owner(i);
        quantize(value, scale[own], zero.get(own).copied().unwrap_or(0), kind)
    };
    let data: Vec<i64> = x.to_vec().into_iter().enumerate().map(value).collect();
    if x.is_tracked() {
        let zero: Vec<f32> = (0..scale.len()).map(|i| zero.get(i).copied().unwrap_or(0) as f32).collect();
        let (scale, zero) = (spread(call, &scale, &shape, &owner)?, spread(call, &zero, &shape, &owner)?);
        return straight_through(call, x.zip(scale, Tensor::div).zip(zero, Tensor::add), &data, kind);
    }
    super::ints(Ints { shape, kind, data })
}

pub(super) fn dynamic_quantize_linear(call: &mut Call) -> Result<Vec<Value>> {
    let x = call.float(0)?;
    let (shape, data) = (x.shape(), x.to_vec());
    let (low, high) = data.iter().fold((0.0f32, 0.0f32), |(low, high), &value| (low.min(value), high.max(value)));
    let scale = if high > low { (high - low) / 255.0 } else { 1.0 };
    let zero = ((-low / scale).round_ties_even() as i64).clamp(0, 255);
    let data: Vec<i64> = data.into_iter().map(|value| quantize(value, scale, zero, DataType::Uint8)).collect();
    let device = &call.run.device;
    let whole = if x.is_tracked() {
        let soft = x.map(|x| x.div_scalar(scale).add_scalar(zero as f32));
        straight_through(call, soft, &data, DataType::Uint8)?.remove(0)
    } else {
        Value::Ints(Ints { shape, kind: DataType::Uint8, data })
    };
    Ok(vec![
        whole,
        Value::Float(Float::scalar(scale, device)),
        Value::Ints(Ints { shape: Vec::new(), kind: DataType::Uint8, data: vec![zero] }),
    ])
}

/// Integers minus their zero point, as floats. `axis` is the one along which there may be several zero points.
fn centred(call: &Call, x: Value, zero: Option<Ints>, axis: usize) -> Result<Float> {
    let (shape, zero) = (x.shape(), zero.unwrap_or_else(|| Ints::new(Vec::new(), vec![0])));
    let owner = owners(&shape, &zero.shape, axis, 0);
    let x = match x {
        Value::Ints(x) => x,
        Value::Float(x) => {
            let zero: Vec<f32> = zero.data.iter().map(|&zero| zero as f32).collect();
            return Ok(x.zip(spread(call, &zero, &shape, &owner)?, Tensor::sub));
        }
    };
    let data = x.data.iter().enumerate().map(|(i, &value)| (value - zero.data[owner(i)]) as f32).collect();
    Float::new(data, &shape, &call.run.device)
}

fn optional_ints(call: &mut Call, i: usize) -> Result<Option<Ints>> {
    if call.has(i) { call.ints(i).map(Some) } else { Ok(None) }
}

/// The sums of an integer product, which are whole numbers.
fn sums(product: Float) -> Result<Vec<Value>> {
    if product.is_tracked() {
        return floats(product);
    }
    let shape = product.shape();
    let data = product.into_vec().into_iter().map(|value| value.round() as i64).collect();
    super::ints(Ints { shape, kind: DataType::Int32, data })
}

pub(super) fn conv_integer(call: &mut Call) -> Result<Vec<Value>> {
    let (x, weight) = (call.value(0)?, call.value(1)?);
    let (x_zero, weight_zero) = (optional_ints(call, 2)?, optional_ints(call, 3)?);
    let x = centred(call, x, x_zero, 1)?;
    let weight = centred(call, weight, weight_zero, 0)?;
    sums(super::conv::convolve(call, x, weight, None)?)
}

pub(super) fn matmul_integer(call: &mut Call) -> Result<Vec<Value>> {
    let (a, b) = (call.value(0)?, call.value(1)?);
    let (a_zero, b_zero) = (optional_ints(call, 2)?, optional_ints(call, 3)?);
    let (rows, columns) = (a.shape().len().saturating_sub(2), b.shape().len().saturating_sub(1));
    let a = centred(call, a, a_zero, rows)?;
    let b = centred(call, b, b_zero, columns)?;
    sums(super::linear::product(a, b)?)
}

/// Scales the sums of a product back to the integers of the output.
fn requantize(call: &Call, sums: Float, factors: &[f32], axis: usize, scale: f32, zero: &Ints) -> Result<Vec<Value>> {
    let shape = sums.shape();
    let owner = owners(&shape, &[factors.len()], axis, 0);
    let value = |(i, sum): (usize, f32)| quantize(sum * factors[owner(i)], scale, zero.data[0], zero.kind);
    let data: Vec<i64> = sums.to_vec().into_iter().enumerate().map(value).collect();
    if sums.is_tracked() {
        let soft = sums.zip(spread(call, factors, &shape, &owner)?, Tensor::mul);
        let soft = soft.map(|soft| soft.div_scalar(scale).add_scalar(zero.data[0] as f32));
        return straight_through(call, soft, &data, zero.kind);
    }
    super::ints(Ints { shape, kind: zero.kind, data })
}

pub(super) fn q_linear_conv(call: &mut Call) -> Result<Vec<Value>> {
    let (x, x_scale, x_zero) = (call.value(0)?, call.float(1)?.to_vec(), call.ints(2)?);
    let (weight, weight_scale, weight_zero) = (call.value(3)?, call.float(4)?.to_vec(), call.ints(5)?);
    let (scale, zero) = (call.float(6)?.to_vec(), call.ints(7)?);
    let bias = call.optional_float(8)?;
    let x = centred(call, x, Some(x_zero), 1)?;
    let weight = centred(call, weight, Some(weight_zero), 0)?;
    let product = super::conv::convolve(call, x, weight, bias)?;
    let factors: Vec<f32> = weight_scale.iter().map(|weight_scale| x_scale[0] * weight_scale).collect();
    requantize(call, product, &factors, 1, scale[0], &zero)
}

pub(super) fn q_linear_matmul(call: &mut Call) -> Result<Vec<Value>> {
    let (a, a_scale, a_zero) = (call.value(0)?, call.float(1)?.to_vec(), call.ints(2)?);
    let (b, b_scale, b_zero) = (call.value(3)?, call.float(4)?.to_vec(), call.ints(5)?);
    let (scale, zero) = (call.float(6)?.to_vec(), call.ints(7)?);
    if a_scale.len() > 1 {
        return Err(call.error("one scale for each row"));
    }
    let (rows, columns) = (a.shape().len().saturating_sub(2), b.shape().len().saturating_sub(1));
    let a = centred(call, a, Some(a_zero), rows)?;
    let b = centred(call, b, Some(b_zero), columns)?;
    let product = super::linear::product(a, b)?;
    let last = product.rank().saturating_sub(1);
    let factors: Vec<f32> = b_scale.iter().map(|b_scale| a_scale[0] * b_scale).collect();
    requantize(call, product, &factors, last, scale[0], &zero)
}
