//! Slopes of functions of one number.

use super::{Dual, Node, Six, operand, output};
use crate::value::{Float, Value};
use ascan_core::Result;
use burn::tensor::{Tensor, activation};
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// The slope of a function at `x`, where its value is `y`.
pub(crate) type Slope = fn(node: &Node, x: Six, y: Six) -> Six;

/// Slopes by operator.
pub(crate) mod slope {
    use super::*;

    pub(crate) const RELU: Slope = |_, x, _| above(x, 0.0);
    pub(crate) const LEAKY_RELU: Slope = |node, x, _| sides(x, 0.0, node.real("alpha", 0.01));
    pub(crate) const THRESHOLDED_RELU: Slope = |node, x, _| above(x, node.real("alpha", 1.0));
    // Where the value differs from the argument, it is at a bound.
    pub(crate) const CLIP: Slope = |_, x, y| x.without_autodiff().equal(y.without_autodiff()).float();
    pub(crate) const ABS: Slope = |_, x, _| x.without_autodiff().sign();
    pub(crate) const HARD_SIGMOID: Slope = |node, _, y| inside(y, 0.0, 1.0).mul_scalar(node.real("alpha", 0.2));
    pub(crate) const HARD_SWISH: Slope = |_, x, _| {
        let part = activation::relu(x.clone().add_scalar(3.0)).clamp_max(6.0).div_scalar(6.0);
        let slope = inside(x.clone(), -3.0, 3.0).div_scalar(6.0);
        part.add(x.mul(slope))
    };
    pub(crate) const SIGMOID: Slope = |_, _, y| y.clone().mul(y.neg().add_scalar(1.0));
    pub(crate) const TANH: Slope = |_, _, y| y.clone().mul(y).neg().add_scalar(1.0);
    pub(crate) const ERF: Slope = |_, x, _| x.clone().mul(x).neg().exp().mul_scalar(2.0 / PI.sqrt());
    pub(crate) const EXP: Slope = |_, _, y| y;
    pub(crate) const LOG: Slope = |_, x, _| x.recip();
    pub(crate) const SQRT: Slope = |_, _, y| y.recip().mul_scalar(0.5);
    pub(crate) const RECIPROCAL: Slope = |_, _, y| y.clone().mul(y).neg();
    pub(crate) const SIN: Slope = |_, x, _| x.cos();
    pub(crate) const COS: Slope = |_, x, _| x.sin().neg();
    pub(crate) const SOFTPLUS: Slope = |_, x, _| activation::sigmoid(x);
    pub(crate) const SOFTSIGN: Slope = |_, x, _| x.abs().add_scalar(1.0).powi_scalar(-2);
    pub(crate) const ELU: Slope = |node, x, y| {
        let (alpha, positive) = (node.real("alpha", 1.0), x.clone().without_autodiff().greater_scalar(0.0));
        y.add_scalar(alpha).mask_fill(positive, 1.0)
    };
    pub(crate) const GELU: Slope = gelu;
    pub(crate) const SWISH: Slope = |node, x, _| {
        let alpha = node.real("alpha", 1.0);
        let s = activation::sigmoid(x.clone().mul_scalar(alpha));
        let bend = s.clone().mul(s.clone().neg().add_scalar(1.0)).mul(x).mul_scalar(alpha);
        s.add(bend)
    };
}

/// 1 above a bound, 0 elsewhere.
fn above(x: Six, bound: f32) -> Six {
    x.without_autodiff().greater_scalar(bound).float()
}

/// 1 above a bound, `below` elsewhere.
fn sides(x: Six, bound: f32, below: f32) -> Six {
    above(x, bound).mul_scalar(1.0 - below).add_scalar(below)
}

/// 1 strictly between two bounds, 0 elsewhere.
fn inside(x: Six, low: f32, high: f32) -> Six {
    let x = x.without_autodiff();
    x.clone().greater_scalar(low).float().mul(x.lower_scalar(high).float())
}

/// `Φ(x) + x·φ(x)`, or the derivative of its approximation by tanh.
fn gelu(node: &Node, x: Six, _y: Six) -> Six {
    let square = x.clone().mul(x.clone());
    if node.proto.attr_string("approximate") == Some("tanh") {
        let factor = (2.0 / PI).sqrt();
        let inner = x.clone().mul(square.clone().mul_scalar(0.044_715).add_scalar(1.0)).mul_scalar(factor);
        let t = inner.tanh();
        let bend = square.mul_scalar(3.0 * 0.044_715).add_scalar(1.0).mul_scalar(factor);
        let second = t.clone().mul(t.clone()).neg().add_scalar(1.0).mul(bend).mul(x);
        return t.add_scalar(1.0).add(second).mul_scalar(0.5);
    }
    let share = x.clone().mul_scalar(FRAC_1_SQRT_2).erf().add_scalar(1.0).mul_scalar(0.5);
    let density = square.mul_scalar(-0.5).exp().mul_scalar(1.0 / (2.0 * PI).sqrt());
    share.add(x.mul(density))
}

/// A function of one number with this slope.
pub(super) fn unary(
    slope: Slope,
    node: &Node,
    inputs: &[Option<Dual>],
    outputs: &[Value],
) -> Result<Vec<Option<Float>>> {
    let (x, tangent) = operand(node, inputs, 0)?;
    let slope = slope(node, x.six(), output(node, outputs)?.six());
    Ok(vec![tangent.map(|tangent| tangent.map(|tangent| tangent.mul(slope)))])
}

/// `x` to a constant power.
pub(crate) fn power(node: &Node, inputs: &[Option<Dual>], _outputs: &[Value]) -> Result<Vec<Option<Float>>> {
    let (x, tangent) = operand(node, inputs, 0)?;
    let exponent = match inputs.get(1) {
        Some(Some(Dual { value, tangent: None })) if value.shape().iter().product::<usize>() == 1 => match value {
            Value::Float(power) => power.to_vec()[0],
            Value::Ints(power) => power.data[0] as f32,
        },
        _ => return Err(node.error("its exponent is not one number")),
    };
    let lower = |x: Six| match exponent {
        1.0 => x.ones_like(),
        2.0 => x,
        3.0 => x.clone().mul(x),
        _ if exponent.fract() == 0.0 => x.powi_scalar(exponent as i32 - 1),
        _ => x.powf_scalar(exponent - 1.0),
    };
    let slope = x.map(|x| lower(x).mul_scalar(exponent));
    Ok(vec![tangent.map(|tangent| tangent.zip(slope, Tensor::mul))])
}
