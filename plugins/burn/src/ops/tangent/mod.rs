//! Forward-mode derivatives: each value with its derivative along one direction of the input.
//!
//! burn has no second derivatives. With `v` held fixed, `∂/∂θ (vᵀ ∂L/∂x)` is the gradient of the derivative of `L`
//! along `v`; that derivative is computed here in the tensors of autodiff, beside the values themselves, and one
//! backward pass of it gives what double backward would. Kinks (ReLU, maxima) have the derivative of their side.
//!
//! A rule says what an operator does to derivatives. Most are the operator itself: it is linear, or linear in each of
//! its factors. The others have their derivative written out.

mod norm;
#[cfg(test)]
mod tests;
mod unary;

pub(crate) use norm::log_probs;

use super::pool::max_gather;
use super::{Run, conv::FUSED};
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
enum Rule {
    /// Nothing comes through: the output is whole numbers, or constant between its steps.
    Steps,
    /// Linear in all its inputs together, but for the inputs named here, which are kept as they are.
    Linear(&'static [usize]),
    /// Linear in its first input; of the others, these add something and count as absent, or as 0.
    Affine { absent: &'static [usize], zero: &'static [usize] },
    /// Linear in each of these inputs alone; others add something, and must not depend on the input.
    Product(usize),
    /// Has its derivative written out.
    Own(Own),
}

/// Derivatives of the outputs, from the inputs and the outputs.
type Own = fn(&Node, &[Option<Dual>], &[Value]) -> Result<Vec<Option<Float>>>;

/// An operator at work.
pub(super) struct Node<'a> {
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

/// The rule of an operator; `None` if nobody has written one.
fn rule(operator: &str) -> Option<Rule> {
    Some(match operator {
        "Shape" | "Size" | "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "ArgMax" | "ArgMin"
        | "IsNaN" | "IsInf" | "Sign" | "Ceil" | "Floor" | "Round" | "Hardmax" | "NonZero" => Rule::Steps,
        "Add" | "Sub" | "Sum" | "Mean" | "Neg" | "Concat" | "Identity" | "Dropout" | "Cast" | "Where"
        | "ReduceMean" | "ReduceSum" | "GlobalAveragePool" | "AveragePool" | "Reshape" | "Flatten" | "Transpose"
        | "Squeeze" | "Unsqueeze" | "Slice" | "Gather" | "GatherElements" | "GatherND" | "Expand" | "Split"
        | "Tile" | "DepthToSpace" | "SpaceToDepth" => Rule::Linear(&[]),
        "Resize" | "Upsample" => Rule::Linear(&[1, 2, 3]),
        "Pad" => Rule::Affine { absent: &[2], zero: &[] },
        "Conv" | "ConvTranspose" => Rule::Affine { absent: &[2], zero: &[] },
        "BatchNormalization" => Rule::Affine { absent: &[], zero: &[2, 3] },
        FUSED => Rule::Affine { absent: &[2], zero: &[4, 5] },
        "Mul" | "MatMul" | "Gemm" => Rule::Product(2),
        "Einsum" => Rule::Product(usize::MAX),
        "Div" => Rule::Own(quotient),
        "Max" => Rule::Own(|node, inputs, outputs| extreme(node, inputs, outputs, Six::greater_equal)),
        "Min" => Rule::Own(|node, inputs, outputs| extreme(node, inputs, outputs, Six::lower_equal)),
        "MaxPool" => Rule::Own(max_pool),
        "PRelu" => Rule::Own(prelu),
        "Pow" => Rule::Own(unary::power),
        "Softmax" => Rule::Own(norm::softmax),
        "LogSoftmax" => Rule::Own(norm::log_softmax),
        "LayerNormalization" => Rule::Own(norm::layer_norm),
        "InstanceNormalization" => Rule::Own(norm::instance_norm),
        operator if unary::slope(operator).is_some() => Rule::Own(unary::unary),
        _ => return None,
    })
}

/// Runs a graph on values with their derivatives.
///
/// # Errors
/// `UnsupportedOperator` for the first node through which derivatives do not come; whatever the kernels report.
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
    let tangents = match rule(&node.proto.op_type) {
        None => return Err(node.error("use another regularizer, or a model without this operator")),
        Some(Rule::Steps) => vec![None; outputs.len()],
        Some(Rule::Own(own)) => own(node, inputs, &outputs)?,
        Some(Rule::Linear(kept)) => {
            let along =
                |i: usize, input: &Dual| Some(if kept.contains(&i) { input.value.clone() } else { along(input) });
            floats(step.compute(values(&along))?)
        }
        Some(Rule::Affine { absent, zero }) => {
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
        Some(Rule::Product(n_factors)) => {
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

/// The derivative of an input as a value, zeros where it has none; whole numbers stay as they are.
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
fn quotient(node: &Node, inputs: &[Option<Dual>], outputs: &[Value]) -> Result<Vec<Option<Float>>> {
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

/// The larger or smaller of several: the derivative of that which it is, the first of equals.
fn extreme(
    node: &Node,
    inputs: &[Option<Dual>],
    outputs: &[Value],
    is_it: fn(Six, Six) -> Tensor<MAX_RANK, burn::tensor::Bool>,
) -> Result<Vec<Option<Float>>> {
    let best = output(node, outputs)?.map(Tensor::without_autodiff);
    let dims = best.clone().six().dims();
    let mut result = best.clone().map(|best| best.zeros_like());
    // From the last to the first: of equals the first has the last word.
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

fn max_pool(node: &Node, inputs: &[Option<Dual>], outputs: &[Value]) -> Result<Vec<Option<Float>>> {
    let (value, tangent) = operand(node, inputs, 0)?;
    let shape = output(node, outputs)?.shape();
    let tangent =
        tangent.map(|tangent| max_gather(node.proto, node.run, &value, tangent)?.reshape(&shape)).transpose()?;
    Ok(vec![tangent])
}

/// `max(x, 0) + slope·min(x, 0)`, where the slope is a weight.
fn prelu(node: &Node, inputs: &[Option<Dual>], _outputs: &[Value]) -> Result<Vec<Option<Float>>> {
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
