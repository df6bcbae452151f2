//! Normalisation: by constants (batch normalisation), or by the tensor's own mean and deviation.

use super::super::flow::{Flow, Part, only};
use super::super::tape::Tape;
use super::Written;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;

/// `scale / √(variance + ε)`, `[c]`: computed from constants when the file is loaded.
pub(in super::super) fn batch_norm_factor(tape: &mut Tape, node: &NodeProto) -> Result<String, String> {
    let (scale, variance) = (tape.read(&node.input[1])?, tape.read(&node.input[4])?);
    let variance = tape.shifted(&variance, node.attr_float("epsilon").unwrap_or(1e-5))?;
    let deviation = tape.unary("Sqrt", &variance)?;
    tape.binary("Div", &scale, &deviation)
}

pub(super) fn batch_norm(tape: &mut Tape, node: &NodeProto, flow: &Flow) -> Written {
    let others = node.output.iter().skip(1).any(|name| !name.is_empty());
    if node.attr_int("training_mode").unwrap_or(0) != 0 || others {
        return Err("batch normalisation in training mode mixes the images of a call".to_owned());
    }
    if tape.relieved.contains(&node.output[0]) {
        return Ok(vec![(0, Part::Whole(flow.clone()))]);
    }
    let flow = if flow.factor.is_some() { Flow::of(tape.plain(flow)?) } else { flow.clone() };
    let factor = Some(batch_norm_factor(tape, node)?);
    Ok(vec![(0, Part::Whole(Flow { factor, ..flow }))])
}

/// The way back through `(x - mean)/deviation`: `inverse · (g - mean g - x̂ · mean(g·x̂))`.
fn through(tape: &mut Tape, g: &str, centred: &str, inverse: &str, axes: &[usize]) -> Result<String, String> {
    let hat = tape.mul(centred, inverse)?;
    let mean = tape.mean(g, axes)?;
    let along = tape.mul(g, &hat)?;
    let along = tape.mean(&along, axes)?;
    let shared = tape.mul(&hat, &along)?;
    let rest = tape.sub(g, &mean)?;
    let rest = tape.sub(&rest, &shared)?;
    tape.mul(&rest, inverse)
}

/// The same from the tensor alone: mean and deviation are computed again.
fn through_own(tape: &mut Tape, g: &str, x: &str, epsilon: f32, axes: &[usize]) -> Result<String, String> {
    let mean = tape.mean(x, axes)?;
    let centred = tape.sub(x, &mean)?;
    let square = tape.mul(&centred, &centred)?;
    let variance = tape.mean(&square, axes)?;
    let variance = tape.shifted(&variance, epsilon)?;
    let deviation = tape.unary("Sqrt", &variance)?;
    let inverse = tape.unary("Reciprocal", &deviation)?;
    through(tape, g, &centred, &inverse, axes)
}

pub(super) fn layer_norm(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let x = &node.input[0];
    let shape = tape.shape(x)?;
    let first = node.attr_int("axis").unwrap_or(-1).rem_euclid(shape.rank().max(1) as i64) as usize;
    let axes: Vec<usize> = (first..shape.rank()).collect();
    let mut g = g.to_owned();
    if !tape.relieved.contains(&node.output[0]) {
        let gain = tape.read(&node.input[1])?;
        g = tape.mul(&g, &gain)?;
    }
    let g = tape.expand(&g, &shape)?;
    let kept = shape.with_ones(&axes);
    let mean = tape.output(node, 1, "mean", kept.clone(), DataType::Float);
    let inverse = tape.output(node, 2, "inverse_deviation", kept, DataType::Float);
    let x = tape.read(x)?;
    let centred = tape.sub(&x, &mean)?;
    Ok(only(through(tape, &g, &centred, &inverse, &axes)?))
}

pub(super) fn instance_norm(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let x = tape.read(&node.input[0])?;
    let shape = tape.shape(&x)?;
    let gain = tape.read(&node.input[1])?;
    let gain = tape.per_channel(&gain, shape.rank())?;
    let g = tape.mul(g, &gain)?;
    let g = tape.expand(&g, &shape)?;
    let axes: Vec<usize> = (2..shape.rank()).collect();
    Ok(only(through_own(tape, &g, &x, node.attr_float("epsilon").unwrap_or(1e-5), &axes)?))
}

pub(super) fn group_norm(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let x = tape.read(&node.input[0])?;
    let shape = tape.shape(&x)?;
    let groups = usize::try_from(node.attr_int("num_groups").unwrap_or(1)).unwrap_or(1).max(1);
    let apart = shape.map(|lengths| [&[lengths[0], groups, lengths[1] / groups], &lengths[2..]].concat());
    let mut gain = tape.read(&node.input[1])?;
    if tape.shape(&gain)?.length(0) == groups && groups != shape.length(1) {
        // Until version 21 there is one number a group.
        gain = tape.per_channel(&gain, 3)?;
        let each = tape.shape(&gain)?.with(1, shape.length(1) / groups);
        gain = tape.expand(&gain, &each)?;
        gain = tape.reshape(&gain, &each.map(|lengths| vec![lengths[0] * lengths[1]]))?;
    }
    let gain = tape.per_channel(&gain, shape.rank())?;
    let g = tape.mul(g, &gain)?;
    let g = tape.expand(&g, &shape)?;
    let (g, x) = (tape.reshape(&g, &apart)?, tape.reshape(&x, &apart)?);
    let axes: Vec<usize> = (2..apart.rank()).collect();
    let made = through_own(tape, &g, &x, node.attr_float("epsilon").unwrap_or(1e-5), &axes)?;
    Ok(only(tape.reshape(&made, &shape)?))
}

/// `y = x/r·gain`, `r = √(mean x² + ε)`: `(g - x̂ · mean(g·x̂))/r`.
pub(super) fn rms_norm(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let x = tape.read(&node.input[0])?;
    let shape = tape.shape(&x)?;
    let first = node.attr_int("axis").unwrap_or(-1).rem_euclid(shape.rank().max(1) as i64) as usize;
    let axes: Vec<usize> = (first..shape.rank()).collect();
    let gain = tape.read(&node.input[1])?;
    let g = tape.mul(g, &gain)?;
    let g = tape.expand(&g, &shape)?;
    let square = tape.mul(&x, &x)?;
    let mean = tape.mean(&square, &axes)?;
    let mean = tape.shifted(&mean, node.attr_float("epsilon").unwrap_or(1e-5))?;
    let root = tape.unary("Sqrt", &mean)?;
    let hat = tape.binary("Div", &x, &root)?;
    let along = tape.mul(&g, &hat)?;
    let along = tape.mean(&along, &axes)?;
    let shared = tape.mul(&hat, &along)?;
    let rest = tape.sub(&g, &shared)?;
    Ok(only(tape.binary("Div", &rest, &root)?))
}

/// `y = x/‖x‖`: `(g - y·Σ g·y)/‖x‖` for the 2-norm, `(g - sign x·Σ g·y)/‖x‖` for the 1-norm.
pub(super) fn lp_norm(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (x, y) = (tape.read(&node.input[0])?, tape.read(&node.output[0])?);
    let shape = tape.shape(&x)?;
    let axis = node.attr_int("axis").unwrap_or(-1).rem_euclid(shape.rank().max(1) as i64) as usize;
    let g = tape.expand(g, &shape)?;
    let product = tape.mul(&g, &y)?;
    let along = tape.sum(&product, &[axis])?;
    let (norm, direction) = if node.attr_int("p").unwrap_or(2) == 1 {
        let size = tape.unary("Abs", &x)?;
        (tape.sum(&size, &[axis])?, tape.unary("Sign", &x)?)
    } else {
        let square = tape.mul(&x, &x)?;
        let sum = tape.sum(&square, &[axis])?;
        (tape.unary("Sqrt", &sum)?, y)
    };
    let shared = tape.mul(&direction, &along)?;
    let rest = tape.sub(&g, &shared)?;
    Ok(only(tape.binary("Div", &rest, &norm)?))
}

/// `y = x·s^-β`, `s = bias + α/size·Σ x²` over `size` neighbouring channels:
/// `g·s^-β - 2αβ/size · x · Σ (g·y/s)` over the channels that a channel is a neighbour of.
pub(super) fn local_response_norm(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (x, y) = (tape.read(&node.input[0])?, tape.read(&node.output[0])?);
    let shape = tape.shape(&x)?;
    let size = usize::try_from(node.attr_int("size").unwrap_or(1)).unwrap_or(1).max(1);
    let (alpha, beta) = (node.attr_float("alpha").unwrap_or(1e-4), node.attr_float("beta").unwrap_or(0.75));
    let g = tape.expand(g, &shape)?;
    let (low, high) = ((size - 1) / 2, size / 2);
    let square = tape.mul(&x, &x)?;
    let sum = neighbours(tape, &square, low, high)?;
    let sum = tape.scaled(&sum, alpha / size as f32)?;
    let s = tape.shifted(&sum, node.attr_float("bias").unwrap_or(1.0))?;
    let exponent = tape.scalar(-beta);
    let power = tape.binary("Pow", &s, &exponent)?;
    let own = tape.mul(&g, &power)?;
    let product = tape.mul(&g, &y)?;
    let shared = tape.binary("Div", &product, &s)?;
    let shared = neighbours(tape, &shared, high, low)?;
    let shared = tape.mul(&shared, &x)?;
    let shared = tape.scaled(&shared, 2.0 * alpha * beta / size as f32)?;
    Ok(only(tape.sub(&own, &shared)?))
}

/// For each channel, the sum from `low` channels before to `high` after it: a product with a band of ones.
fn neighbours(tape: &mut Tape, x: &str, low: usize, high: usize) -> Result<String, String> {
    let channels = tape.shape(x)?.length(1);
    let near = |of: usize, other: usize| other + low >= of && other <= of + high;
    let band = (0..channels * channels).map(|at| f32::from(u8::from(near(at / channels, at % channels)))).collect();
    super::selection::along(tape, x, 1, channels, band)
}
