//! Arithmetic, element by element.

use super::super::flow::{Parts, only, part};
use super::super::shape::Shape;
use super::super::tape::Tape;
use super::Written;
use crate::proto::NodeProto;

/// The gradient at the shape of input `i`: what broadcasting has repeated is summed.
fn to_input(tape: &mut Tape, node: &NodeProto, i: usize, g: &str) -> Result<String, String> {
    let (own, whole) = (tape.shape(&node.input[i])?, tape.shape(&node.output[0])?);
    if own == whole {
        return Ok(g.to_owned());
    }
    let g = tape.expand(g, &whole)?;
    tape.sum_to(&g, &own)
}

/// What `make` writes for each input that needs a gradient.
fn for_each(
    tape: &mut Tape,
    node: &NodeProto,
    mut make: impl FnMut(&mut Tape, usize) -> Result<String, String>,
) -> Written {
    let mut parts = Parts::new();
    for i in 0..node.input.len() {
        if tape.wants(&node.input[i]) {
            let made = make(tape, i)?;
            parts.push(part(i, to_input(tape, node, i, &made)?));
        }
    }
    Ok(parts)
}

pub(super) fn add(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    for_each(tape, node, |_, _| Ok(g.to_owned()))
}

pub(super) fn sub(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    for_each(tape, node, |tape, i| if i == 0 { Ok(g.to_owned()) } else { tape.unary("Neg", g) })
}

pub(super) fn mul(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    for_each(tape, node, |tape, i| {
        let other = tape.read(&node.input[1 - i])?;
        tape.mul(g, &other)
    })
}

pub(super) fn mean(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let share = tape.scaled(g, 1.0 / node.input.len() as f32)?;
    for_each(tape, node, |_, _| Ok(share.clone()))
}

/// `y = a/b`: `g/b`, and `-g·y/b`.
pub(super) fn div(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let below = tape.read(&node.input[1])?;
    let quotient = if tape.of_image(&below) {
        tape.binary("Div", g, &below)?
    } else {
        // A product is faster, and the reciprocal of a constant is computed once.
        let factor = tape.unary("Reciprocal", &below)?;
        tape.mul(g, &factor)?
    };
    for_each(tape, node, |tape, i| {
        if i == 0 {
            return Ok(quotient.clone());
        }
        let y = tape.read(&node.output[0])?;
        let product = tape.mul(&quotient, &y)?;
        tape.unary("Neg", &product)
    })
}

/// The larger (`Greater`) or the smaller (`Less`) of tensors: the gradient goes to the first that is it.
pub(super) fn extreme(tape: &mut Tape, node: &NodeProto, g: &str, comparison: &str) -> Written {
    let y = tape.read(&node.output[0])?;
    let mut left = g.to_owned();
    let mut parts = Parts::new();
    for i in 0..node.input.len() {
        let x = tape.read(&node.input[i])?;
        // `y` is the extreme, so that what it is beyond is not it.
        let beyond = tape.compare(comparison, &y, &x)?;
        if tape.wants(&node.input[i]) {
            let zero = tape.scalar(0.0);
            let own = tape.choose(&beyond, &zero, &left)?;
            parts.push(part(i, to_input(tape, node, i, &own)?));
        }
        left = tape.only_where(&beyond, &left)?;
    }
    Ok(parts)
}

pub(super) fn choose(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let mut parts = Parts::new();
    let zero = tape.scalar(0.0);
    for i in [1, 2] {
        if tape.wants(&node.input[i]) {
            let (yes, no) = if i == 1 { (g, zero.as_str()) } else { (zero.as_str(), g) };
            let own = tape.choose(&node.input[0], yes, no)?;
            parts.push(part(i, to_input(tape, node, i, &own)?));
        }
    }
    Ok(parts)
}

pub(super) fn neg(tape: &mut Tape, _: &NodeProto, g: &str) -> Written {
    Ok(only(tape.unary("Neg", g)?))
}

pub(super) fn abs(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    times(tape, node, g, "Sign")
}

pub(super) fn sin(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    times(tape, node, g, "Cos")
}

/// The gradient times a function of the input.
fn times(tape: &mut Tape, node: &NodeProto, g: &str, function: &str) -> Written {
    let x = tape.read(&node.input[0])?;
    let slope = tape.unary(function, &x)?;
    Ok(only(tape.mul(g, &slope)?))
}

pub(super) fn cos(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let g = tape.unary("Neg", g)?;
    times(tape, node, &g, "Sin")
}

pub(super) fn exp(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let y = tape.read(&node.output[0])?;
    Ok(only(tape.mul(g, &y)?))
}

pub(super) fn log(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let x = tape.read(&node.input[0])?;
    Ok(only(tape.binary("Div", g, &x)?))
}

/// `1 / 2y`.
pub(super) fn sqrt(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let y = tape.read(&node.output[0])?;
    let half = tape.scaled(g, 0.5)?;
    Ok(only(tape.binary("Div", &half, &y)?))
}

/// `-y²`.
pub(super) fn reciprocal(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let y = tape.read(&node.output[0])?;
    let square = tape.mul(&y, &y)?;
    let product = tape.mul(g, &square)?;
    Ok(only(tape.unary("Neg", &product)?))
}

/// `2/√π · e^(-x²)`.
pub(super) fn erf(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let x = tape.read(&node.input[0])?;
    let square = tape.mul(&x, &x)?;
    let exponent = tape.unary("Neg", &square)?;
    let bell = tape.unary("Exp", &exponent)?;
    let slope = tape.scaled(&bell, std::f32::consts::FRAC_2_SQRT_PI)?;
    Ok(only(tape.mul(g, &slope)?))
}

/// `p·x^(p-1)` with a constant exponent, `y·ln b` with a constant base.
pub(super) fn pow(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let [base, exponent] = [&node.input[0], &node.input[1]];
    match (tape.of_image(base), tape.of_image(exponent)) {
        (true, false) => {
            let x = tape.read(base)?;
            let exponents = tape.values(exponent).map(<[f64]>::to_vec);
            let slope = match exponents.as_deref() {
                Some([p]) if *p == 2.0 => tape.scaled(&x, 2.0)?,
                Some([p]) => {
                    let less = tape.scalar((p - 1.0) as f32);
                    let power = tape.op("Pow", &[&x, &less], tape.shape(&x)?);
                    tape.scaled(&power, *p as f32)?
                }
                _ => {
                    let p = tape.read(exponent)?;
                    let less = tape.shifted(&p, -1.0)?;
                    let power = tape.binary("Pow", &x, &less)?;
                    tape.mul(&power, &p)?
                }
            };
            let product = tape.mul(g, &slope)?;
            Ok(vec![part(0, to_input(tape, node, 0, &product)?)])
        }
        (false, true) => {
            let (base, y) = (tape.read(base)?, tape.read(&node.output[0])?);
            let log = tape.unary("Log", &base)?;
            let slope = tape.mul(&y, &log)?;
            let product = tape.mul(g, &slope)?;
            Ok(vec![part(1, to_input(tape, node, 1, &product)?)])
        }
        _ => Err("its base and its exponent depend on the image".to_owned()),
    }
}

/// The lengths of a shape that does not follow the batch.
pub(super) fn fixed(shape: &Shape) -> Result<Vec<usize>, String> {
    match (0..shape.rank()).any(|axis| shape.follows_batch(axis)) {
        true => Err(format!("a constant of shape {:?} follows the number of images", shape.lengths())),
        false => Ok(shape.lengths().to_vec()),
    }
}
