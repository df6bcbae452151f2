//! Activations that exporters write in several nodes, differentiated whole (see `patterns`).

use super::super::flow::only;
use super::super::tape::Tape;
use super::Written;
use super::activation::{affine, gated, gelu_slope, in_blocks};
use crate::proto::NodeProto;

/// An activation `y = x · gate(x)`, by the product at its end, which reads `x` and then the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Pattern {
    /// The gate is the sigmoid of `x`.
    Silu,
    /// The gate is `clip(x/6 + 1/2)`.
    HardSwish,
    /// The gate is the normal distribution function.
    Gelu,
}

/// The way back through the product `y = x · gate(x)` at the end of an activation.
pub(in super::super) fn pattern(tape: &mut Tape, node: &NodeProto, pattern: Pattern, g: &str) -> Written {
    let (x, gate) = (tape.read(&node.input[0])?, tape.read(&node.input[1])?);
    let slope = match pattern {
        // s + y(1 - s)
        Pattern::Silu => {
            let y = tape.read(&node.output[0])?;
            let rest = affine(tape, &gate, -1.0, 1.0)?;
            let second = tape.mul(&y, &rest)?;
            tape.add(&gate, &second)?
        }
        // h + (h - 1/2) where 0 < h < 1, else h
        Pattern::HardSwish => {
            let inner = affine(tape, &gate, 1.0, -0.5)?;
            let inside = gated(tape, &inner, &gate, Some(0.0), Some(1.0))?;
            let second = if inside.negative && in_blocks(tape, &gate) {
                affine(tape, &inside.tensor, -1.0, 0.0)?
            } else {
                tape.plain(&inside)?
            };
            tape.add(&second, &gate)?
        }
        Pattern::Gelu => gelu_slope(tape, &x, &gate)?,
    };
    Ok(only(tape.mul(g, &slope)?))
}
