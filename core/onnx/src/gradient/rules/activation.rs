//! Functions of one tensor that nets put between layers.

use super::super::flow::{Flow, Part, Parts, only};
use super::super::tape::Tape;
use super::Written;
use crate::proto::NodeProto;

/// The channels of a map have to divide by this for onnxruntime to keep it in blocks.
const BLOCK: usize = 4;
/// So steep that any number above 0 is on the upper side.
const STEEP: f32 = 1e30;
/// A power of two, so that multiples of it are exact.
const LARGE: f32 = 1.267_650_6e30;

/// Whether onnxruntime may keep a tensor in its blocked layout: then comparisons would force it out, and a mask is written in
/// operators that the layout knows.
pub(in super::super) fn in_blocks(tape: &Tape, tensor: &str) -> bool {
    tape.shape(tensor).is_ok_and(|shape| shape.rank() == 4 && shape.length(1).is_multiple_of(BLOCK))
}

/// `weight · x + bias`, as a depthwise 1 × 1 convolution where `x` is kept in blocks.
pub(super) fn affine(tape: &mut Tape, x: &str, weight: f32, bias: f32) -> Result<String, String> {
    if !in_blocks(tape, x) {
        let scaled = tape.scaled(x, weight)?;
        return if bias == 0.0 { Ok(scaled) } else { tape.shifted(&scaled, bias) };
    }
    let shape = tape.shape(x)?;
    let channels = shape.length(1);
    let kernel = tape.floats(&[channels, 1, 1, 1], vec![weight; channels]);
    let mut inputs = vec![x, &kernel];
    let biases = tape.floats(&[channels], vec![bias; channels]);
    if bias != 0.0 {
        inputs.push(&biases);
    }
    let node =
        NodeProto::new("Conv", &inputs, "").with_int("group", channels as i64).with_ints("kernel_shape", &[1, 1]);
    Ok(tape.emit(node, shape))
}

/// The gradient where `low < y < high`, else 0; `y` is what an activation gives, so that nothing is computed anew.
pub(super) fn gated(tape: &mut Tape, g: &str, y: &str, low: Option<f32>, high: Option<f32>) -> Result<Flow, String> {
    let y = tape.read(y)?;
    let blocks = in_blocks(tape, &y);
    match (low, high) {
        (Some(0.0), None) | (None, Some(_)) if blocks => {
            let sign = if low.is_some() { 1.0 } else { -1.0 };
            let inner = affine(tape, &y, sign, high.unwrap_or(0.0))?;
            let node = NodeProto::new("HardSigmoid", &[&inner], "").with_float("alpha", STEEP).with_float("beta", 0.0);
            let mask = tape.emit(node, tape.shape(&y)?);
            Ok(Flow::of(tape.mul(g, &mask)?))
        }
        (Some(0.0), Some(high)) if blocks && high > 0.0 => {
            // -1 inside and 0 at both ends: tanh(ReLU(2B·y - B·high) - B·y) at a large B.
            let upper = affine(tape, &y, 2.0 * LARGE, -high * LARGE)?;
            let upper = tape.unary("Relu", &upper)?;
            let lower = affine(tape, &y, -LARGE, 0.0)?;
            let sum = tape.add(&lower, &upper)?;
            let mask = tape.unary("Tanh", &sum)?;
            Ok(Flow { negative: true, ..Flow::of(tape.mul(g, &mask)?) })
        }
        (None, None) => Ok(Flow::of(g.to_owned())),
        _ => {
            let mut masks = Vec::new();
            for (bound, comparison) in [(low, "Greater"), (high, "Less")] {
                if let Some(bound) = bound {
                    let bound = tape.scalar(bound);
                    masks.push(tape.compare(comparison, &y, &bound)?);
                }
            }
            let mask = match masks.as_slice() {
                [low, high] => tape.compare("And", low, high)?,
                _ => masks.remove(0),
            };
            Ok(Flow::of(tape.only_where(&mask, g)?))
        }
    }
}

fn gate(tape: &mut Tape, node: &NodeProto, g: &str, low: Option<f32>, high: Option<f32>) -> Written {
    Ok(vec![(0, Part::Whole(gated(tape, g, &node.output[0], low, high)?))])
}

/// The gradient times a slope.
fn sloped(tape: &mut Tape, g: &str, slope: &str) -> Result<Parts, String> {
    Ok(only(tape.mul(g, slope)?))
}

/// 1 above `bound`, else what `below` says.
fn above(tape: &mut Tape, x: &str, bound: f32, below: &str) -> Result<String, String> {
    let (bound, one) = (tape.scalar(bound), tape.scalar(1.0));
    let above = tape.compare("Greater", x, &bound)?;
    tape.choose(&above, &one, below)
}

pub(super) fn relu(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    gate(tape, node, g, Some(0.0), None)
}

pub(super) fn clip(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (low, high) = (tape.number(node, 1, "min")?, tape.number(node, 2, "max")?);
    let bounds = |bound: &f32| bound.is_finite() && bound.abs() < f32::MAX;
    gate(tape, node, g, low.filter(bounds), high.filter(bounds))
}

pub(super) fn leaky_relu(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let x = tape.read(&node.input[0])?;
    let alpha = tape.scalar(node.attr_float("alpha").unwrap_or(0.01));
    let slope = above(tape, &x, 0.0, &alpha)?;
    sloped(tape, g, &slope)
}

pub(super) fn thresholded_relu(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let x = tape.read(&node.input[0])?;
    let zero = tape.scalar(0.0);
    let slope = above(tape, &x, node.attr_float("alpha").unwrap_or(1.0), &zero)?;
    sloped(tape, g, &slope)
}

pub(super) fn prelu(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    if tape.of_image(&node.input[1]) {
        return Err("its slopes depend on the image".to_owned());
    }
    let (x, slopes) = (tape.read(&node.input[0])?, tape.read(&node.input[1])?);
    let slope = above(tape, &x, 0.0, &slopes)?;
    sloped(tape, g, &slope)
}

pub(super) fn hard_sigmoid(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let scaled = tape.scaled(g, node.attr_float("alpha").unwrap_or(0.2))?;
    gate(tape, node, &scaled, Some(0.0), Some(1.0))
}

/// `y = x·h`, `h = clip(x/6 + 1/2)`: the slope is `h + x/6` where `0 < h < 1`, else `h`.
pub(super) fn hard_swish(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let x = tape.read(&node.input[0])?;
    let shape = tape.shape(&x)?;
    let inner = NodeProto::new("HardSigmoid", &[&x], "").with_float("alpha", 1.0 / 6.0).with_float("beta", 0.5);
    let h = tape.emit(inner, shape);
    let sixth = tape.scaled(&x, 1.0 / 6.0)?;
    let (low, high) = (tape.scalar(0.0), tape.scalar(1.0));
    let (low, high) = (tape.compare("Greater", &h, &low)?, tape.compare("Less", &h, &high)?);
    let inside = tape.compare("And", &low, &high)?;
    let inner = tape.only_where(&inside, &sixth)?;
    let slope = tape.add(&h, &inner)?;
    sloped(tape, g, &slope)
}

/// `y(1 - y)`.
pub(super) fn sigmoid(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let y = tape.read(&node.output[0])?;
    let square = tape.mul(&y, &y)?;
    let slope = tape.sub(&y, &square)?;
    sloped(tape, g, &slope)
}

/// `1 - y²`.
pub(super) fn tanh(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let y = tape.read(&node.output[0])?;
    let square = tape.mul(&y, &y)?;
    let slope = affine(tape, &square, -1.0, 1.0)?;
    sloped(tape, g, &slope)
}

pub(super) fn softplus(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let x = tape.read(&node.input[0])?;
    let slope = tape.unary("Sigmoid", &x)?;
    sloped(tape, g, &slope)
}

/// `1 / (1 + |x|)²`.
pub(super) fn softsign(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let x = tape.read(&node.input[0])?;
    let size = tape.unary("Abs", &x)?;
    let below = tape.shifted(&size, 1.0)?;
    let square = tape.mul(&below, &below)?;
    Ok(only(tape.binary("Div", g, &square)?))
}

/// The slope of `weight·(e^(x/scale) - 1)` below 0, from what lies below: `(y + weight)/scale`.
fn exponential(tape: &mut Tape, node: &NodeProto, g: &str, weight: f32, scale: f32, above_slope: f32) -> Written {
    let (x, y) = (tape.read(&node.input[0])?, tape.read(&node.output[0])?);
    let below = tape.shifted(&y, weight)?;
    let below = tape.scaled(&below, 1.0 / scale)?;
    let (zero, slope) = (tape.scalar(0.0), tape.scalar(above_slope));
    let truths = tape.compare("Greater", &x, &zero)?;
    let slope = tape.choose(&truths, &slope, &below)?;
    sloped(tape, g, &slope)
}

pub(super) fn elu(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    exponential(tape, node, g, node.attr_float("alpha").unwrap_or(1.0), 1.0, 1.0)
}

pub(super) fn celu(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let alpha = node.attr_float("alpha").unwrap_or(1.0);
    exponential(tape, node, g, alpha, alpha, 1.0)
}

pub(super) fn selu(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (alpha, gamma) =
        (node.attr_float("alpha").unwrap_or(1.673_263_2), node.attr_float("gamma").unwrap_or(1.050_701));
    exponential(tape, node, g, alpha * gamma, 1.0, gamma)
}

pub(super) fn gelu(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let x = tape.read(&node.input[0])?;
    if node.attr_string("approximate") == Some("tanh") {
        return gelu_by_tanh(tape, &x, g);
    }
    let cdf = tape.scaled(&x, std::f32::consts::FRAC_1_SQRT_2)?;
    let cdf = tape.unary("Erf", &cdf)?;
    let cdf = tape.scaled(&cdf, 0.5)?;
    let cdf = tape.shifted(&cdf, 0.5)?;
    let slope = gelu_slope(tape, &x, &cdf)?;
    sloped(tape, g, &slope)
}

/// `Φ(x) + x·φ(x)`, from `Φ(x)`.
pub(super) fn gelu_slope(tape: &mut Tape, x: &str, cdf: &str) -> Result<String, String> {
    let square = tape.mul(x, x)?;
    let exponent = tape.scaled(&square, -0.5)?;
    let density = tape.unary("Exp", &exponent)?;
    let scaled = tape.scaled(x, 0.398_942_3)?;
    let second = tape.mul(&scaled, &density)?;
    tape.add(cdf, &second)
}

/// `y = x/2·(1 + tanh u)`, `u = √(2/π)·(x + 0.044715 x³)`: the slope is `(1 + t)/2 + x/2·(1 - t²)·u'`.
fn gelu_by_tanh(tape: &mut Tape, x: &str, g: &str) -> Written {
    const ROOT: f32 = 0.797_884_6;
    const CUBE: f32 = 0.044_715;
    let square = tape.mul(x, x)?;
    let inner = tape.scaled(&square, ROOT * CUBE)?;
    let inner = tape.shifted(&inner, ROOT)?;
    let u = tape.mul(x, &inner)?;
    let t = tape.unary("Tanh", &u)?;
    let first = tape.scaled(&t, 0.5)?;
    let first = tape.shifted(&first, 0.5)?;
    let steep = tape.scaled(&square, 1.5 * ROOT * CUBE)?;
    let steep = tape.shifted(&steep, 0.5 * ROOT)?;
    let steep = tape.mul(&steep, x)?;
    let rest = tape.mul(&t, &t)?;
    let rest = tape.scaled(&rest, -1.0)?;
    let rest = tape.shifted(&rest, 1.0)?;
    let second = tape.mul(&steep, &rest)?;
    let slope = tape.add(&first, &second)?;
    sloped(tape, g, &slope)
}

/// `y = x·s`, `s = σ(αx)`: the slope is `s + αy(1 - s)`.
pub(super) fn swish(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (x, y) = (tape.read(&node.input[0])?, tape.read(&node.output[0])?);
    let alpha = node.attr_float("alpha").unwrap_or(1.0);
    let inner = tape.scaled(&x, alpha)?;
    let s = tape.unary("Sigmoid", &inner)?;
    let rest = affine(tape, &s, -alpha, alpha)?;
    let second = tape.mul(&y, &rest)?;
    let slope = tape.add(&s, &second)?;
    sloped(tape, g, &slope)
}

/// `y = x·t`, `t = tanh(softplus(x))`: the slope is `t + x(1 - t²)·σ(x)`.
pub(super) fn mish(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let x = tape.read(&node.input[0])?;
    let soft = tape.unary("Softplus", &x)?;
    let t = tape.unary("Tanh", &soft)?;
    let square = tape.mul(&t, &t)?;
    let rest = tape.scaled(&square, -1.0)?;
    let rest = tape.shifted(&rest, 1.0)?;
    let s = tape.unary("Sigmoid", &x)?;
    let second = tape.mul(&x, &s)?;
    let second = tape.mul(&second, &rest)?;
    let slope = tape.add(&t, &second)?;
    sloped(tape, g, &slope)
}
