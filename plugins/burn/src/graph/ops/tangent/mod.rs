//! Forward-mode derivatives: each value with its derivative along one direction of the input.
//!
//! burn has no second derivatives. With `v` held fixed, `∂/∂θ (vᵀ ∂L/∂x)` is the gradient of the derivative of `L`
//! along `v`. That derivative is computed here on tensors of autodiff, beside the values themselves, and one backward
//! pass through it gives what double backward would. At kinks (ReLU, maxima) it is the derivative of the side taken.
//!
//! [`Tangent`] says what an operator does to derivatives; the table of operators has one for each. Most are the
//! operator itself: it is linear, or linear in each of its factors. The others have their derivative written out.

mod norm;
#[cfg(test)]
mod tests;
mod unary;

pub(crate) use norm::{instance_norm, layer_norm, log_probs, log_softmax, softmax};
pub(crate) use unary::{Slope, power, slope};

use super::Run;
use super::pool::max_gather;
use crate::graph::{Graph, Step, Walk};
use crate::value::{Float, MAX_RANK, Value};
use ascan_core::{Error, Result};
use ascan_onnx::proto::NodeProto;
use burn::tensor::Tensor;

type Six = Tensor<MAX_RANK>;

/// A value, and its derivative along the direction; `None` where it does not depend on the input.
#[derive(Debug, Clone)]
pub struct Dual {
    /// The value.
    pub value: Value,
    /// Its derivative, of the same shape.
    pub tangent: Option<Float>,
}

impl Dual {
    /// A value that does not depend on the input.
    pub fn constant(value: Value) -> Self {
        Self { value, tangent: None }
    }
}

/// What an operator does to derivatives.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tangent {
    /// The derivative is zero: the output is integers, or constant between its steps.
    Steps,
    /// Linear in all its inputs together, except those listed here, which are kept as they are.
    Linear(&'static [usize]),
    /// Linear in its first input. Of the others, those that are added to the result are left out, or are replaced by 0.
    Affine { absent: &'static [usize], zero: &'static [usize] },
    /// Linear in each of the first inputs alone, of which this is the number. The others are added to the result, and
    /// must not depend on the image.
    Product(usize),
    /// A function of one number, with this slope.
    Slope(Slope),
    /// Its derivative is written out.
    Own(Own),
    /// Nobody has written one.
    Missing,
}

/// Derivatives of the outputs, from the inputs and the outputs.
pub(crate) type Own = fn(&Node, &[Option<Dual>], &[Value]) -> Result<Vec<Option<Float>>>;

/// A node that is differentiated.
pub(crate) struct Node<'a> {
    proto: &'a NodeProto,
    run: &'a Run,
}

impl Node<'_> {
    fn error(&self, why: &str) -> Error {
        Error::UnsupportedOperator {
            operator: self.proto.operator(),
            node: self.proto.display_name().to_owned(),
            model: "the model".to_owned(),
            why: format!("the penalty on input gradients (rrr) cannot differentiate it a second time: {why}"),
        }
    }

    fn real(&self, name: &str, default: f32) -> f32 {
        self.proto.attr_float(name).unwrap_or(default)
    }
}

/// Runs a graph on values with their derivatives.
///
/// # Errors
/// `UnsupportedOperator` for the first node without a rule; whatever the kernels report.
pub fn run(graph: &Graph, run: &Run, feeds: Vec<(usize, Dual)>, wanted: &[usize]) -> Result<Vec<Dual>> {
    let lift = |value: &Value| Dual::constant(value.clone());
    let rule =
        &mut |step: &Step, inputs: Vec<Option<Dual>>| differentiate(&Node { proto: step.proto(), run }, step, &inputs);
    graph.walk(run, feeds, wanted, Walk { lift: &lift, visit: &mut |_, value| value, rule })
}

fn differentiate(node: &Node, step: &Step, inputs: &[Option<Dual>]) -> Result<Vec<Dual>> {
    let values = |at: &dyn Fn(usize, &Dual) -> Option<Value>| -> Vec<Option<Value>> {
        inputs.iter().enumerate().map(|(i, input)| input.as_ref().and_then(|input| at(i, input))).collect()
    };
    let outputs = step.compute(values(&|_, input| Some(input.value.clone())))?;
    let moves =
        |i: usize| inputs.get(i).is_some_and(|input| input.as_ref().is_some_and(|input| input.tangent.is_some()));
    if !(0..inputs.len()).any(moves) {
        return Ok(outputs.into_iter().map(Dual::constant).collect());
    }
    let tangents = match step.row().tangent {
        Tangent::Missing => return Err(node.error("use another regularizer, or a model without this operator")),
        Tangent::Steps => vec![None; outputs.len()],
        Tangent::Slope(slope) => unary::unary(slope, node, inputs, &outputs)?,
        Tangent::Own(own) => own(node, inputs, &outputs)?,
        Tangent::Linear(kept) => {
            let along =
                |i: usize, input: &Dual| Some(if kept.contains(&i) { input.value.clone() } else { along(input) });
            floats(step.compute(values(&along))?)
        }
        Tangent::Affine { absent, zero } => {
            if (1..inputs.len()).any(moves) {
                return Err(node.error("its weights depend on the image"));
            }
            if node.real("value", 0.0) != 0.0 {
                return Err(node.error("it pads with something else than 0"));
            }
            let along = |i: usize, input: &Dual| match i {
                0 => Some(along(input)),
                _ if absent.contains(&i) => None,
                _ if zero.contains(&i) => Some(zeros(&input.value)),
                _ => Some(input.value.clone()),
            };
            floats(step.compute(values(&along))?)
        }
        Tangent::Product(n_factors) => {
            if (n_factors..inputs.len()).any(moves) {
                return Err(node.error("what it adds depends on the image"));
            }
            let mut sum: Option<Float> = None;
            for moved in (0..inputs.len()).filter(|&i| moves(i)) {
                let along = |i: usize, input: &Dual| match i {
                    _ if i == moved => Some(along(input)),
                    _ if i >= n_factors => None,
                    _ => Some(input.value.clone()),
                };
                let part = floats(step.compute(values(&along))?).swap_remove(0);
                sum = match (sum, part) {
                    (Some(sum), Some(part)) => Some(sum.zip(part, Six::add)),
                    (sum, part) => sum.or(part),
                };
            }
            vec![sum]
        }
    };
    let tangents = tangents.into_iter().chain(std::iter::repeat(None));
    Ok(outputs.into_iter().zip(tangents).map(|(value, tangent)| Dual { value, tangent }).collect())
}

/// The derivative of an input as a value, zeros if it has none; integers are left as they are.
fn along(input: &Dual) -> Value {
    match &input.tangent {
        Some(tangent) => Value::Float(tangent.clone()),
        None => zeros(&input.value),
    }
}

fn zeros(value: &Value) -> Value {
    match value {
        Value::Float(float) => Value::Float(float.clone().map(|six| six.without_autodiff().zeros_like())),
        ints => ints.clone(),
    }
}

fn floats(values: Vec<Value>) -> Vec<Option<Float>> {
    let float = |value| match value {
        Value::Float(float) => Some(float),
        Value::Ints(_) => None,
    };
    values.into_iter().map(float).collect()
}

/// Input `i` as floats, and its derivative.
fn operand(node: &Node, inputs: &[Option<Dual>], i: usize) -> Result<(Float, Option<Float>)> {
    match inputs.get(i) {
        Some(Some(Dual { value: Value::Float(value), tangent })) => Ok((value.clone(), tangent.clone())),
        _ => Err(node.error("an input is missing or has whole numbers")),
    }
}

fn output(node: &Node, outputs: &[Value]) -> Result<Float> {
    match outputs.first() {
        Some(Value::Float(value)) => Ok(value.clone()),
        _ => Err(node.error("its output is whole numbers")),
    }
}

/// `a / b`: `(a′ − (a / b)·b′) / b`.
pub(crate) fn quotient(node: &Node, inputs: &[Option<Dual>], outputs: &[Value]) -> Result<Vec<Option<Float>>> {
    let ((_, above), (divisor, below)) = (operand(node, inputs, 0)?, operand(node, inputs, 1)?);
    let moved = match (above, below) {
        (above, Some(below)) => {
            let part = output(node, outputs)?.zip(below, Six::mul);
            Some(match above {
                Some(above) => above.zip(part, Six::sub),
                None => part.map(Six::neg),
            })
        }
        (above, None) => above,
    };
    Ok(vec![moved.map(|moved| moved.zip(divisor, Six::div))])
}

/// The largest or smallest of several inputs: the derivative is that of the one chosen, the first of equals.
fn extreme(
    node: &Node,
    inputs: &[Option<Dual>],
    outputs: &[Value],
    is_it: fn(Six, Six) -> Tensor<MAX_RANK, burn::tensor::Bool>,
) -> Result<Vec<Option<Float>>> {
    let best = output(node, outputs)?.map(Tensor::without_autodiff);
    let dims = best.clone().six().dims();
    let mut result = best.clone().map(|best| best.zeros_like());
    // From the last to the first, so that the first of equals overwrites the others.
    for i in (0..inputs.len()).rev() {
        let (value, tangent) = operand(node, inputs, i)?;
        let chosen = is_it(value.six().without_autodiff().expand(dims), best.clone().six());
        let tangent = tangent.map(|tangent| tangent.six().expand(dims));
        result = result.map(|held| match tangent {
            Some(tangent) => held.mask_where(chosen, tangent),
            None => held.mask_fill(chosen, 0.0),
        });
    }
    Ok(vec![Some(result)])
}

pub(crate) fn max(node: &Node, inputs: &[Option<Dual>], outputs: &[Value]) -> Result<Vec<Option<Float>>> {
    extreme(node, inputs, outputs, Six::greater_equal)
}

pub(crate) fn min(node: &Node, inputs: &[Option<Dual>], outputs: &[Value]) -> Result<Vec<Option<Float>>> {
    extreme(node, inputs, outputs, Six::lower_equal)
}

pub(crate) fn max_pool(node: &Node, inputs: &[Option<Dual>], outputs: &[Value]) -> Result<Vec<Option<Float>>> {
    let (value, tangent) = operand(node, inputs, 0)?;
    let shape = output(node, outputs)?.shape();
    let tangent =
        tangent.map(|tangent| max_gather(node.proto, node.run, &value, tangent)?.reshape(&shape)).transpose()?;
    Ok(vec![tangent])
}

/// `max(x, 0) + slope·min(x, 0)`, where the slope is a weight.
pub(crate) fn prelu(node: &Node, inputs: &[Option<Dual>], _outputs: &[Value]) -> Result<Vec<Option<Float>>> {
    let ((x, tangent), (slope, moved)) = (operand(node, inputs, 0)?, operand(node, inputs, 1)?);
    if moved.is_some() {
        return Err(node.error("its slope depends on the image"));
    }
    let derivative = x.zip(slope, |x, slope| {
        let positive = x.without_autodiff().greater_scalar(0.0);
        let (dims, one) = (positive.dims(), slope.ones_like().without_autodiff());
        slope.expand(dims).mask_where(positive, one.expand(dims))
    });
    Ok(vec![tangent.map(|tangent| tangent.zip(derivative, Six::mul))])
}
