//! Quantisation: gradients pass rounding straight through (Bengio et al. 2013, arXiv 1308.3432), but not where a value was cut
//! off at the end of the range, which is how a ReLU is often written in a quantised model.

use super::super::flow::{Flow, only};
use super::super::tape::Tape;
use super::Written;
use super::convolution::back;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;

/// Smallest and largest value of a type that values are quantised to.
fn range(kind: DataType) -> Result<(f32, f32), String> {
    Ok(match kind {
        DataType::Int8 => (-128.0, 127.0),
        DataType::Uint8 => (0.0, 255.0),
        DataType::Int16 => (-32768.0, 32767.0),
        DataType::Uint16 => (0.0, 65535.0),
        other => return Err(format!("quantisation to {other:?} is not followed back")),
    })
}

/// A scale or zero point along its axis.
fn spread(tape: &mut Tape, node: &NodeProto, name: &str) -> Result<String, String> {
    let values = tape.read(name)?;
    let (own, rank) = (tape.shape(&values)?, tape.shape(&node.output[0])?.rank());
    if own.rank() == 0 || own.lengths() == [1] {
        return tape.reshape(&values, &own.map(|_| vec![]));
    }
    if own.rank() != 1 {
        return Err("a scale a block is not followed back".to_owned());
    }
    let axis = node.attr_int("axis").unwrap_or(1).rem_euclid(rank.max(1) as i64) as usize;
    tape.reshape(&values, &own.map(|lengths| [lengths, &vec![1; rank - axis - 1]].concat()))
}

/// `y = round(x/s) + z`, in a range.
pub(super) fn quantize_linear(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let kind = tape.known(&node.output[0]).and_then(|known| known.elem).unwrap_or(DataType::Uint8);
    let (low, high) = range(kind)?;
    let x = tape.read(&node.input[0])?;
    let scale = spread(tape, node, &node.input[1])?;
    let zero = match node.input(2).map(str::to_owned) {
        Some(zero) => spread(tape, node, &zero)?,
        None => tape.scalar(0.0),
    };
    let mut truths = Vec::new();
    for (bound, comparison) in [(low, "GreaterOrEqual"), (high, "LessOrEqual")] {
        let bound = tape.scalar(bound);
        let bound = tape.sub(&bound, &zero)?;
        let bound = tape.mul(&bound, &scale)?;
        truths.push(tape.compare(comparison, &x, &bound)?);
    }
    let inside = tape.compare("And", &truths[0], &truths[1])?;
    let g = tape.only_where(&inside, g)?;
    Ok(only(tape.binary("Div", &g, &scale)?))
}

/// `y = (x - z)·s`.
pub(super) fn dequantize_linear(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let scale = spread(tape, node, &node.input[1])?;
    Ok(only(tape.mul(g, &scale)?))
}

/// The same with a scale that is chosen so that every value fits; what moves the scale is left out.
pub(super) fn dynamic_quantize_linear(tape: &mut Tape, node: &NodeProto, gradients: &[Option<String>]) -> Written {
    let [Some(g), ..] = gradients else { return Ok(vec![]) };
    Ok(only(tape.binary("Div", g, &node.output[1])?))
}

/// Constant whole numbers less their zero point, as float32.
fn centred(tape: &mut Tape, node: &NodeProto, weight: usize, zero: usize) -> Result<String, String> {
    if tape.of_image(&node.input[weight]) {
        return Err("its weights depend on the image".to_owned());
    }
    let values = tape.read(&node.input[weight])?;
    match node.input(zero).map(str::to_owned) {
        None => Ok(values),
        Some(zero) => {
            let zero = tape.read(&zero)?;
            let shape = tape.shape(&zero)?;
            if shape.rank() > 0 && shape.lengths() != [1] {
                return Err("a zero point a channel is not followed back".to_owned());
            }
            let zero = tape.reshape(&zero, &shape.map(|_| vec![]))?;
            tape.sub(&values, &zero)
        }
    }
}

pub(super) fn conv_integer(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let weight = centred(tape, node, 1, 3)?;
    Ok(only(back(tape, node, &weight, None, &Flow::of(g.to_owned()))?))
}

pub(super) fn matmul_integer(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let weight = centred(tape, node, 1, 3)?;
    Ok(only(super::linear::by_constant(tape, node, &weight, g)?))
}
