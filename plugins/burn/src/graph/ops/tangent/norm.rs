//! Softmax, and normalisation by statistics of the image itself.

use super::{Dual, Node, Six, operand, output};
use crate::value::{Float, MAX_RANK, Value};
use ascan_core::Result;
use burn::tensor::{Tensor, activation};

/// Axes over which a softmax sums, among the six.
fn soft_axes(node: &Node, x: &Float) -> Result<Vec<usize>> {
    let is_new = node.run.opset >= 13;
    let axis = x.axis(node.proto.attr_int("axis").unwrap_or(if is_new { -1 } else { 1 }))?;
    Ok(if is_new { vec![axis] } else { (axis..MAX_RANK).collect() })
}

fn sum(x: Six, axes: &[usize]) -> Six {
    axes.iter().fold(x, |x, &axis| x.sum_dim(axis))
}

/// `s ⊙ (x′ − Σ s ⊙ x′)`
pub(crate) fn softmax(node: &Node, inputs: &[Option<Dual>], outputs: &[Value]) -> Result<Vec<Option<Float>>> {
    let (x, tangent) = operand(node, inputs, 0)?;
    let axes = soft_axes(node, &x)?;
    let shares = output(node, outputs)?;
    Ok(vec![tangent.map(|tangent| {
        tangent.zip(shares, |tangent, s| {
            let mean = sum(s.clone().mul(tangent.clone()), &axes);
            s.mul(tangent.sub(mean))
        })
    })])
}

/// `x′ − Σ softmax(x) ⊙ x′`
pub(crate) fn log_softmax(node: &Node, inputs: &[Option<Dual>], outputs: &[Value]) -> Result<Vec<Option<Float>>> {
    let (x, tangent) = operand(node, inputs, 0)?;
    let axes = soft_axes(node, &x)?;
    let logs = output(node, outputs)?;
    Ok(vec![tangent.map(|tangent| {
        tangent.zip(logs, |tangent, logs| {
            let mean = sum(logs.exp().mul(tangent.clone()), &axes);
            tangent.sub(mean)
        })
    })])
}

/// Derivative of `(x − mean) / √(variance + epsilon)` over these axes.
fn standardise(x: Six, tangent: Six, axes: &[usize], epsilon: f32) -> Six {
    let centred = |x: Six| {
        let mean = x.clone().mean_dims(axes);
        x.sub(mean)
    };
    let (x, tangent) = (centred(x), centred(tangent));
    let inverse = x.clone().mul(x.clone()).mean_dims(axes).add_scalar(epsilon).sqrt().recip();
    let standard = x.mul(inverse.clone());
    let share = standard.clone().mul(tangent.clone()).mean_dims(axes);
    tangent.sub(standard.mul(share)).mul(inverse)
}

pub(crate) fn layer_norm(node: &Node, inputs: &[Option<Dual>], _outputs: &[Value]) -> Result<Vec<Option<Float>>> {
    let ((x, tangent), (scale, moved)) = (operand(node, inputs, 0)?, operand(node, inputs, 1)?);
    if moved.is_some() {
        return Err(node.error("its scale depends on the image"));
    }
    let first = x.axis(node.proto.attr_int("axis").unwrap_or(-1))?;
    let axes: Vec<usize> = (first..MAX_RANK).collect();
    let epsilon = node.real("epsilon", 1e-5);
    Ok(vec![
        tangent.map(|tangent| {
            tangent.zip(x, |tangent, x| standardise(x, tangent, &axes, epsilon)).zip(scale, Tensor::mul)
        }),
    ])
}

pub(crate) fn instance_norm(node: &Node, inputs: &[Option<Dual>], _outputs: &[Value]) -> Result<Vec<Option<Float>>> {
    let ((x, tangent), (scale, moved)) = (operand(node, inputs, 0)?, operand(node, inputs, 1)?);
    if moved.is_some() {
        return Err(node.error("its scale depends on the image"));
    }
    let rank = x.rank();
    let axes: Vec<usize> = (MAX_RANK + 2 - rank..MAX_RANK).collect();
    let scale = super::super::norm::per_channel(scale, rank);
    let epsilon = node.real("epsilon", 1e-5);
    Ok(vec![tangent.map(|tangent| {
        tangent.zip(x, |tangent, x| standardise(x, tangent, &axes, epsilon)).map(|standard| standard.mul(scale))
    })])
}

/// Derivative of `log p(label)`: `x′ − Σ p ⊙ x′`, for each class.
///
/// # Shapes
/// `logits`, `tangent`: `[n, k]`; returns `[n, k]`
pub fn log_probs(logits: Float, tangent: Float) -> Six {
    let probs = activation::softmax(logits.six(), MAX_RANK - 1);
    let tangent = tangent.six();
    let mean = probs.mul(tangent.clone()).sum_dim(MAX_RANK - 1);
    tangent.sub(mean)
}
