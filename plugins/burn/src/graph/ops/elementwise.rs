//! Operators that work element by element: arithmetic, functions, activations, comparisons, logic.

use super::{Call, floats, ints};
use crate::value::{Float, Ints, MAX_RANK, Value, broadcast};
use ascan_core::Result;
use ascan_onnx::proto::NodeProto;
use ascan_onnx::proto::tensor_proto::DataType;
use burn::tensor::{Bool, Tensor, activation};

type Six = Tensor<MAX_RANK>;

pub(super) fn unary(
    call: &mut Call,
    function: impl Fn(Six) -> Six,
    exact: Option<fn(i64) -> i64>,
) -> Result<Vec<Value>> {
    match (call.value(0)?, exact) {
        (Value::Float(x), _) => floats(x.map(function)),
        (Value::Ints(x), Some(exact)) => ints(x.map(exact).wrapped()),
        (Value::Ints(_), None) => Err(call.error("its input has to be floats")),
    }
}

pub(super) fn binary(call: &mut Call, function: fn(Six, Six) -> Six, exact: fn(i64, i64) -> i64) -> Result<Vec<Value>> {
    if call.is_ints(0) && call.is_ints(1) {
        let (a, b) = (call.ints(0)?, call.ints(1)?);
        return ints(a.zip(&b, a.kind, exact)?.wrapped());
    }
    let (a, b) = (call.float(0)?, call.float(1)?);
    broadcast(&a.shape(), &b.shape())?;
    floats(a.zip(b, function))
}

pub(super) fn variadic(
    call: &mut Call,
    function: fn(Six, Six) -> Six,
    exact: fn(i64, i64) -> i64,
) -> Result<Vec<Value>> {
    if call.is_ints(0) {
        let mut result = call.ints(0)?;
        for i in 1..call.inputs.len() {
            result = result.zip(&call.ints(i)?, result.kind, exact)?.wrapped();
        }
        return ints(result);
    }
    let mut result = call.float(0)?;
    for i in 1..call.inputs.len() {
        let next = call.float(i)?;
        broadcast(&result.shape(), &next.shape())?;
        result = result.zip(next, function);
    }
    floats(result)
}

pub(super) fn mean(call: &mut Call) -> Result<Vec<Value>> {
    let n = call.inputs.len() as f32;
    match variadic(call, Six::add, i64::wrapping_add)?.pop() {
        Some(Value::Float(sum)) => floats(sum.map(|sum| sum.div_scalar(n))),
        _ => Err(call.error("its inputs have to be floats")),
    }
}

pub(super) fn modulo(call: &mut Call) -> Result<Vec<Value>> {
    // `fmod = 1` takes the sign of the dividend, as C does; otherwise that of the divisor, as Python does.
    if call.int("fmod", 0) == 1 {
        return binary(
            call,
            |a, b| a.clone().sub(trunc(a.div(b.clone())).mul(b)),
            |a, b| if b == 0 { 0 } else { a.wrapping_rem(b) },
        );
    }
    binary(call, Six::remainder, |a, b| if b == 0 { 0 } else { ((a % b) + b) % b })
}

pub(super) fn div(call: &mut Call) -> Result<Vec<Value>> {
    binary(call, Six::div, |a, b| if b == 0 { 0 } else { a.wrapping_div(b) })
}

pub(super) fn not(call: &mut Call) -> Result<Vec<Value>> {
    ints(call.ints(0)?.map(|value| i64::from(value == 0)))
}

fn trunc(x: Six) -> Six {
    x.clone().sign().mul(x.abs().floor())
}

pub(super) fn pow(call: &mut Call) -> Result<Vec<Value>> {
    if call.is_ints(0) {
        let base = call.ints(0)?;
        let exponent = match call.value(1)? {
            Value::Ints(exponent) => exponent,
            Value::Float(exponent) => {
                let data = exponent.to_vec().into_iter().map(|value| value as i64).collect();
                Ints::new(exponent.shape(), data)
            }
        };
        return ints(base.zip(&exponent, base.kind, |a, b| a.wrapping_pow(b.clamp(0, 64) as u32))?.wrapped());
    }
    let (base, exponent) = (call.float(0)?, call.float(1)?);
    broadcast(&base.shape(), &exponent.shape())?;
    if exponent.shape().iter().product::<usize>() != 1 {
        return floats(base.zip(exponent, Six::powf));
    }
    // The common constant exponents, whose gradients are exact for negative bases too.
    let rank = base.rank().max(exponent.rank());
    let power = exponent.to_vec()[0];
    let result = base.map(|x| match power {
        2.0 => x.clone().mul(x),
        3.0 => x.clone().mul(x.clone()).mul(x),
        0.5 => x.sqrt(),
        _ if power.fract() == 0.0 && power.abs() < 64.0 => x.powi_scalar(power as i32),
        _ => x.powf_scalar(power),
    });
    floats(Float::from_six(result.six(), rank))
}

pub(super) fn softplus(x: Six) -> Six {
    // max(x, 0) + log(1 + exp(−|x|)) does not overflow.
    activation::relu(x.clone()).add(x.abs().neg().exp().log1p())
}

pub(super) fn softsign(call: &mut Call) -> Result<Vec<Value>> {
    unary(call, |x| x.clone().div(x.abs().add_scalar(1.0)), None)
}

pub(super) fn mish(call: &mut Call) -> Result<Vec<Value>> {
    unary(call, |x| x.clone().mul(softplus(x).tanh()), None)
}

/// `alpha·x + beta`, kept in [0, 1].
fn ramp(x: Six, alpha: f32, beta: f32) -> Six {
    x.mul_scalar(alpha).add_scalar(beta).clamp(0.0, 1.0)
}

pub(super) fn hard_sigmoid(call: &mut Call) -> Result<Vec<Value>> {
    let (alpha, beta) = (call.real("alpha", 0.2), call.real("beta", 0.5));
    unary(call, |x| ramp(x, alpha, beta), None)
}

pub(super) fn hard_swish(call: &mut Call) -> Result<Vec<Value>> {
    unary(call, |x| x.clone().mul(ramp(x, 1.0 / 6.0, 0.5)), None)
}

pub(super) fn swish(call: &mut Call) -> Result<Vec<Value>> {
    let alpha = call.real("alpha", 1.0);
    unary(call, |x| x.clone().mul(activation::sigmoid(x.mul_scalar(alpha))), None)
}

pub(super) fn leaky_relu(call: &mut Call) -> Result<Vec<Value>> {
    let alpha = call.real("alpha", 0.01);
    unary(call, |x| activation::leaky_relu(x, alpha.into()), None)
}

pub(super) fn thresholded_relu(call: &mut Call) -> Result<Vec<Value>> {
    let alpha = call.real("alpha", 1.0);
    unary(call, |x| x.clone().mask_fill(x.lower_equal_scalar(alpha), 0.0), None)
}

/// `x` where positive, `alpha (exp(x / scale) − 1)` elsewhere.
fn exponential_below(x: Six, alpha: f32, scale: f32) -> Six {
    let negative = x.clone().clamp_max(0.0).div_scalar(scale).exp().sub_scalar(1.0).mul_scalar(alpha);
    activation::relu(x).add(negative)
}

pub(super) fn elu(call: &mut Call) -> Result<Vec<Value>> {
    let alpha = call.real("alpha", 1.0);
    unary(call, |x| exponential_below(x, alpha, 1.0), None)
}

pub(super) fn celu(call: &mut Call) -> Result<Vec<Value>> {
    let alpha = call.real("alpha", 1.0);
    unary(call, |x| exponential_below(x, alpha, alpha), None)
}

pub(super) fn selu(call: &mut Call) -> Result<Vec<Value>> {
    let (alpha, gamma) = (call.real("alpha", 1.673_263_2), call.real("gamma", 1.050_701));
    unary(call, |x| exponential_below(x, alpha, 1.0).mul_scalar(gamma), None)
}

pub(super) fn gelu(call: &mut Call) -> Result<Vec<Value>> {
    match call.node.attr_string("approximate").unwrap_or("none") {
        "tanh" => unary(
            call,
            |x| {
                let cube = x.clone().mul(x.clone()).mul(x.clone());
                let inner = cube.mul_scalar(0.044_715).add(x.clone()).mul_scalar((2.0 / std::f64::consts::PI).sqrt());
                x.mul_scalar(0.5).mul(inner.tanh().add_scalar(1.0))
            },
            None,
        ),
        _ => unary(
            call,
            |x| x.clone().mul_scalar(0.5).mul(x.mul_scalar(std::f64::consts::FRAC_1_SQRT_2).erf().add_scalar(1.0)),
            None,
        ),
    }
}

pub(super) fn prelu(call: &mut Call) -> Result<Vec<Value>> {
    let (x, slope) = (call.float(0)?, call.float(1)?);
    floats(x.zip(slope, |x, slope| activation::relu(x.clone()).add(x.clamp_max(0.0).mul(slope))))
}

pub(super) fn clip(call: &mut Call) -> Result<Vec<Value>> {
    let (low, high) = (call.number("min", 1)?, call.number("max", 2)?);
    match call.value(0)? {
        Value::Ints(x) => {
            let low = low.map_or(i64::MIN, |low| low as i64);
            let high = high.map_or(i64::MAX, |high| high as i64);
            ints(x.map(|value| value.max(low).min(high)))
        }
        Value::Float(x) => floats(x.map(|x| match (low, high) {
            (Some(low), Some(high)) => x.clamp_min(low).clamp_max(high),
            (Some(low), None) => x.clamp_min(low),
            (None, Some(high)) => x.clamp_max(high),
            (None, None) => x,
        })),
    }
}

pub(super) fn test(call: &mut Call, condition: fn(f32) -> bool) -> Result<Vec<Value>> {
    let x = call.float(0)?;
    let data = x.to_vec().into_iter().map(|value| i64::from(condition(value))).collect();
    ints(Ints { shape: x.shape(), kind: DataType::Bool, data })
}

pub(super) fn finds_both_signs(node: &NodeProto) -> Option<String> {
    let both = node.attr_int("detect_negative") != Some(0) && node.attr_int("detect_positive") != Some(0);
    (!both).then(|| "infinities of one sign only".to_owned())
}

pub(super) fn compare(
    call: &mut Call,
    function: fn(Six, Six) -> Tensor<MAX_RANK, Bool>,
    exact: fn(i64, i64) -> bool,
) -> Result<Vec<Value>> {
    if call.is_ints(0) && call.is_ints(1) {
        let (a, b) = (call.ints(0)?, call.ints(1)?);
        return ints(a.zip(&b, DataType::Bool, |a, b| i64::from(exact(a, b)))?);
    }
    let (a, b) = (call.float(0)?, call.float(1)?);
    ints(a.compare(b, function)?)
}

pub(super) fn logic(call: &mut Call, function: fn(i64, i64) -> i64) -> Result<Vec<Value>> {
    let (a, b) = (call.ints(0)?, call.ints(1)?);
    ints(a.zip(&b, DataType::Bool, function)?)
}

pub(super) fn select(call: &mut Call) -> Result<Vec<Value>> {
    let condition = call.ints(0)?;
    if call.is_ints(1) && call.is_ints(2) {
        let (a, b) = (call.ints(1)?, call.ints(2)?);
        let shape = broadcast(&broadcast(&a.shape, &b.shape)?, &condition.shape)?;
        let [yes, a, b] = [&condition, &a, &b].map(|ints| ints.expand(&shape));
        let data = (0..yes.data.len()).map(|i| if yes.data[i] != 0 { a.data[i] } else { b.data[i] }).collect();
        return ints(Ints { shape, kind: a.kind, data });
    }
    let (a, b) = (call.float(1)?, call.float(2)?);
    let shape = broadcast(&broadcast(&a.shape(), &b.shape())?, &condition.shape)?;
    let mask = condition.expand(&shape).to_mask(&call.run.device)?;
    let dims = mask.dims();
    let result = b.six().expand(dims).mask_where(mask, a.six().expand(dims));
    floats(Float::from_six(result, shape.len()))
}
