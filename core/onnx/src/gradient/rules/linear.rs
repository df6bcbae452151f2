//! Matrix products and softmax.

use super::super::flow::{Flow, Parts, only, part};
use super::super::tape::Tape;
use super::Written;
use crate::proto::NodeProto;

/// The tensor with its last two axes exchanged.
fn flipped(tape: &mut Tape, x: &str) -> Result<String, String> {
    let rank = tape.shape(x)?.rank();
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.swap(rank - 2, rank - 1);
    tape.transpose(x, &perm)
}

/// `a · b`, matrices in the last two axes.
fn product(tape: &mut Tape, a: &str, b: &str) -> Result<String, String> {
    let shape = tape.shape(a)?.zip(&tape.shape(b)?, |a, b| {
        let (left, right) = (&a[..a.len() - 2], &b[..b.len() - 2]);
        let rank = left.len().max(right.len());
        let at = |lengths: &[usize], i: usize| (i + lengths.len()).checked_sub(rank).map_or(1, |axis| lengths[axis]);
        let lead = (0..rank).map(|i| if at(left, i) == 1 { at(right, i) } else { at(left, i) });
        lead.chain([a[a.len() - 2], b[b.len() - 1]]).collect()
    });
    Ok(tape.op("MatMul", &[a, b], shape))
}

pub(super) fn matmul(tape: &mut Tape, node: &NodeProto, flow: &Flow) -> Written {
    let [a, b] = [&node.input[0], &node.input[1]];
    let (sa, sb, out) = (tape.shape(a)?, tape.shape(b)?, tape.shape(&node.output[0])?);
    if sa.rank() < 2 || sb.rank() < 2 {
        return Err("a product with a vector is not followed back".to_owned());
    }
    let mut weight = if tape.wants(b) { None } else { Some(tape.read(b)?) };
    let mut g = Flow::clone(flow);
    // Sign and factor (of the last axis) go into constant weights.
    let takes = weight.is_some() && !tape.of_image(b) && g.factor.is_none();
    if g.negative && takes {
        weight = weight.map(|weight| tape.unary("Neg", &weight)).transpose()?;
        g.negative = false;
    }
    let g = tape.plain(&g)?;
    let g = tape.expand(&g, &out)?;
    let mut parts = Parts::new();
    if tape.wants(a) {
        let weight = weight.map_or_else(|| tape.read(b), Ok)?;
        let mut turned = flipped(tape, &weight)?;
        if let Some(factor) = tape.absorbed.get(&node.output[0]).cloned() {
            turned = tape.mul(&turned, &factor)?;
        }
        let made = product(tape, &g, &turned)?;
        parts.push(part(0, tape.sum_to(&made, &sa)?));
    }
    if tape.wants(b) {
        let left = tape.read(a)?;
        let left = flipped(tape, &left)?;
        let made = product(tape, &left, &g)?;
        parts.push(part(1, tape.sum_to(&made, &sb)?));
    }
    Ok(parts)
}

/// The gradient at the first matrix of a product with this constant one.
pub(super) fn by_constant(tape: &mut Tape, node: &NodeProto, weight: &str, g: &str) -> Result<String, String> {
    let input = tape.shape(&node.input[0])?;
    let g = tape.expand(g, &tape.shape(&node.output[0])?)?;
    let turned = flipped(tape, weight)?;
    let made = product(tape, &g, &turned)?;
    tape.sum_to(&made, &input)
}

/// `y = α·a'·b' + β·c`, with `a` and `b` perhaps turned.
pub(super) fn gemm(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let turned = |name: &str| node.attr_int(name).unwrap_or(0) != 0;
    let (alpha, beta) = (node.attr_float("alpha").unwrap_or(1.0), node.attr_float("beta").unwrap_or(1.0));
    let out = tape.shape(&node.output[0])?;
    let target = tape.target_class.clone().filter(|_| tape.seed == g);
    let mut parts = Parts::new();
    if tape.wants(&node.input[0]) {
        if turned("transA") {
            return Err("a product whose first matrix is turned is not followed back".to_owned());
        }
        let mut weight = tape.read(&node.input[1])?;
        if !turned("transB") {
            weight = flipped(tape, &weight)?;
        }
        let is_constant = !tape.of_image(&weight);
        if is_constant {
            weight = tape.scaled(&weight, alpha)?;
        }
        let shape = tape.shape(&node.input[0])?;
        let mut made = match target {
            // The row of the class, where the product would be with zeros but for one.
            Some(target) if is_constant => {
                tape.emit(NodeProto::new("Gather", &[&weight, &target], "").with_int("axis", 0), shape)
            }
            _ => {
                let g = tape.expand(g, &out)?;
                product(tape, &g, &weight)?
            }
        };
        if !is_constant {
            made = tape.scaled(&made, alpha)?;
        }
        parts.push(part(0, made));
    }
    if tape.wants(&node.input[1]) {
        return Err("its weights depend on the image".to_owned());
    }
    if let Some(c) = node.input(2).filter(|c| tape.wants(c)).map(str::to_owned) {
        let g = tape.expand(g, &out)?;
        let scaled = tape.scaled(&g, beta)?;
        parts.push(part(2, tape.sum_to(&scaled, &tape.shape(&c)?)?));
    }
    Ok(parts)
}

/// The axis of a softmax.
fn axis(tape: &Tape, node: &NodeProto) -> Result<usize, String> {
    let rank = tape.shape(&node.output[0])?.rank() as i64;
    Ok(node.attr_int("axis").unwrap_or(-1).rem_euclid(rank.max(1)) as usize)
}

/// `y(g - Σ g·y)`.
pub(super) fn softmax(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (axis, y) = (axis(tape, node)?, tape.read(&node.output[0])?);
    let weighted = tape.mul(g, &y)?;
    let sum = tape.sum(&weighted, &[axis])?;
    let shared = tape.mul(&y, &sum)?;
    Ok(only(tape.sub(&weighted, &shared)?))
}

/// `g - e^y·Σ g`.
pub(super) fn log_softmax(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (axis, y) = (axis(tape, node)?, tape.read(&node.output[0])?);
    let g = tape.expand(g, &tape.shape(&node.output[0])?)?;
    let sum = tape.sum(&g, &[axis])?;
    let probs = tape.unary("Exp", &y)?;
    let shared = tape.mul(&probs, &sum)?;
    Ok(only(tape.sub(&g, &shared)?))
}
