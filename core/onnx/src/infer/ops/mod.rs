//! Output shapes of each operator, and what becomes of the meaning of the axes.

mod cutting;
mod reshaping;
mod sums;

use super::Fact;
use super::fold::axis;
use crate::axes::{Axis, Layout};
use crate::node::is_standard;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;
pub(super) use cutting::ranges;
use cutting::{block_to_space, concat, gather, pad, resize, slice, split};
use reshaping::{constant_of_shape, expand, flatten, range, reshape, squeeze, tile, transpose, unsqueeze};
use sums::{attention, conv, conv_transpose, einsum, gemm, global_pool, matmul, pool, reduce, reduced_axes};

type Inputs<'a> = [Option<&'a Fact>];
type Outputs = Result<Vec<Fact>, String>;

/// What is known of a node's outputs. Operators that are not listed, and inputs that are not known, give unknown
/// outputs; an error is a contradiction.
pub(super) fn infer(node: &NodeProto, inputs: &Inputs, opset: i64) -> Outputs {
    let op = node.op_type.as_str();
    if !is_standard(&node.domain) {
        return Ok(match op {
            "Gelu" | "FastGelu" | "QuickGelu" | "BiasGelu" | "QuantizeLinear" | "DequantizeLinear" => {
                same(inputs, None)
            }
            _ => vec![],
        });
    }
    Ok(match op {
        "Constant" => vec![constant(node)?],
        "Shape" => vec![shape_of(node, inputs)],
        "Size" => {
            let value = shape(inputs, 0).map(|shape| vec![shape.iter().product::<usize>() as f64]);
            vec![Fact { value, ..Fact::new(Some(DataType::Int64), vec![]) }]
        }
        "Cast" => same(inputs, node.attr_int("to").and_then(|to| DataType::try_from(to as i32).ok())),
        "CastLike" => same(inputs, elem(inputs, 1)),
        "QuantizeLinear" => same(inputs, elem(inputs, 2).or(Some(DataType::Uint8))),
        "DequantizeLinear" => same(inputs, elem(inputs, 1)),
        "Not" | "IsNaN" | "IsInf" => same(inputs, Some(DataType::Bool)),
        "Relu"
        | "LeakyRelu"
        | "Sigmoid"
        | "HardSigmoid"
        | "HardSwish"
        | "Elu"
        | "Selu"
        | "Celu"
        | "ThresholdedRelu"
        | "Softplus"
        | "Softsign"
        | "Tanh"
        | "Gelu"
        | "Mish"
        | "Swish"
        | "Erf"
        | "Exp"
        | "Log"
        | "Sqrt"
        | "Reciprocal"
        | "Neg"
        | "Abs"
        | "Floor"
        | "Ceil"
        | "Round"
        | "Sign"
        | "Sin"
        | "Cos"
        | "Tan"
        | "Sinh"
        | "Cosh"
        | "Asin"
        | "Acos"
        | "Atan"
        | "Clip"
        | "Identity"
        | "Dropout"
        | "Softmax"
        | "LogSoftmax"
        | "Hardmax"
        | "LayerNormalization"
        | "InstanceNormalization"
        | "GroupNormalization"
        | "RMSNormalization"
        | "BatchNormalization"
        | "LpNormalization"
        | "MeanVarianceNormalization"
        | "LRN"
        | "Shrink"
        | "CumSum"
        | "Trilu"
        | "ScatterND"
        | "ScatterElements"
        | "Scatter" => same(inputs, None),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "PRelu" | "Mod" | "Max" | "Min" | "Mean" | "Sum" | "BitShift" => {
            vec![broadcast(inputs, elem(inputs, 0))?]
        }
        "Equal" | "Less" | "Greater" | "LessOrEqual" | "GreaterOrEqual" | "And" | "Or" | "Xor" => {
            vec![broadcast(inputs, Some(DataType::Bool))?]
        }
        "Where" => vec![broadcast(inputs, elem(inputs, 1))?],
        "Conv" | "ConvInteger" => vec![conv(node, inputs, 1)?],
        "QLinearConv" => vec![conv(node, inputs, 3)?],
        "ConvTranspose" => vec![conv_transpose(node, inputs)],
        "MaxPool" | "AveragePool" | "LpPool" => vec![pool(node, inputs)?],
        "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => vec![global_pool(inputs)?],
        "Gemm" => vec![gemm(node, inputs)?],
        "MatMul" | "MatMulInteger" => vec![matmul(inputs, 1)?],
        "QLinearMatMul" => vec![matmul(inputs, 3)?],
        "Einsum" => vec![einsum(node, inputs)],
        "Attention" => vec![attention(node, inputs)],
        "Flatten" => vec![flatten(node, inputs)?],
        "Reshape" => vec![reshape(node, inputs)?],
        "Transpose" => vec![transpose(node, inputs)?],
        "Concat" => vec![concat(node, inputs)?],
        "Slice" => vec![slice(node, inputs)?],
        "Split" => split(node, inputs)?,
        "Gather" => vec![gather(node, inputs)?],
        "GatherElements" => {
            vec![shape(inputs, 1).map_or_else(Fact::default, |s| Fact::new(elem(inputs, 0), s.to_vec()))]
        }
        "Squeeze" => vec![squeeze(node, inputs)?],
        "Unsqueeze" => vec![unsqueeze(node, inputs)?],
        "Expand" => vec![expand(inputs)?],
        "Tile" => vec![tile(inputs)],
        "ConstantOfShape" => vec![constant_of_shape(node, inputs)?],
        "Range" => vec![range(inputs)],
        "Pad" => vec![pad(node, inputs)?],
        "Resize" | "Upsample" => vec![resize(node, inputs)],
        "DepthToSpace" | "SpaceToDepth" => vec![block_to_space(node, inputs)],
        "ArgMax" | "ArgMin" => {
            let axis = node.attr_int("axis").unwrap_or(0);
            vec![reduce(node, inputs, Some(DataType::Int64), Some(vec![axis]))?]
        }
        _ if op.starts_with("Reduce") => {
            vec![reduce(node, inputs, elem(inputs, 0), reduced_axes(node, inputs, opset))?]
        }
        _ => vec![],
    })
}

fn fact<'a>(inputs: &Inputs<'a>, i: usize) -> Option<&'a Fact> {
    inputs.get(i).copied().flatten()
}

fn shape<'a>(inputs: &Inputs<'a>, i: usize) -> Option<&'a [usize]> {
    fact(inputs, i)?.shape.as_deref()
}

fn elem(inputs: &Inputs, i: usize) -> Option<DataType> {
    fact(inputs, i)?.elem
}

fn unknown(inputs: &Inputs) -> Fact {
    Fact::unknown(elem(inputs, 0))
}

fn checked_axis(value: i64, rank: usize) -> Result<usize, String> {
    axis(value, rank).ok_or_else(|| format!("axis {value} does not exist in a tensor of {rank} axes"))
}

/// First output like the first input.
fn same(inputs: &Inputs, elem: Option<DataType>) -> Vec<Fact> {
    let Some(input) = fact(inputs, 0) else { return vec![] };
    vec![Fact { elem: elem.or(input.elem), value: None, ..input.clone() }]
}

fn constant(node: &NodeProto) -> Result<Fact, String> {
    let Some(attribute) = node.attribute.first() else { return Err("has no value".to_owned()) };
    let numbers = |elem, values: Vec<f64>, scalar: bool| {
        let shape = if scalar { vec![] } else { vec![values.len()] };
        Fact { value: Some(values), ..Fact::new(Some(elem), shape) }
    };
    Ok(match attribute.name.as_str() {
        "value" => match &attribute.t {
            Some(tensor) => Fact::of_constant(tensor)?,
            None => return Err("has no value".to_owned()),
        },
        "value_float" => numbers(DataType::Float, vec![f64::from(attribute.f)], true),
        "value_floats" => numbers(DataType::Float, attribute.floats.iter().map(|&x| f64::from(x)).collect(), false),
        "value_int" => numbers(DataType::Int64, vec![attribute.i as f64], true),
        "value_ints" => numbers(DataType::Int64, attribute.ints.iter().map(|&x| x as f64).collect(), false),
        _ => Fact::default(),
    })
}

fn shape_of(node: &NodeProto, inputs: &Inputs) -> Fact {
    let Some(shape) = shape(inputs, 0) else { return Fact::unknown(Some(DataType::Int64)) };
    let rank = shape.len() as i64;
    let clamp = |value: i64| (if value < 0 { value + rank } else { value }).clamp(0, rank) as usize;
    let (start, end) = (clamp(node.attr_int("start").unwrap_or(0)), clamp(node.attr_int("end").unwrap_or(rank)));
    let values: Vec<f64> = shape[start..end.max(start)].iter().map(|&dim| dim as f64).collect();
    Fact { value: Some(values.clone()), ..Fact::new(Some(DataType::Int64), vec![values.len()]) }
}

fn broadcast_shapes(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (a, b) if a == b => Ok(a),
            (1, length) | (length, 1) => Ok(length),
            _ => Err(format!("shapes {a:?} and {b:?} do not go together")),
        })
        .collect()
}

fn broadcast(inputs: &Inputs, elem: Option<DataType>) -> Result<Fact, String> {
    let mut joined = Vec::new();
    for i in 0..inputs.len() {
        match shape(inputs, i) {
            Some(shape) => joined = broadcast_shapes(&joined, shape)?,
            None => return Ok(Fact::unknown(elem)),
        }
    }
    // The axes are those of an operand that is not repeated along any of them; of several, the first of those that
    // are a feature map or else know most: attention forgets the tokens, and the skip connection beside it does not.
    let n_known = |input: &Fact| input.axes.iter().filter(|&&axis| axis != Axis::Other).count();
    let known = |input: &&Fact| (Layout::of(&input.axes).is_some(), n_known(input));
    let whole = inputs.iter().rev().copied().flatten().filter(|input| input.shape.as_ref() == Some(&joined));
    let axes = whole.filter(|input| n_known(input) > 0).max_by_key(known).map(|input| input.axes.clone());
    Ok(match axes {
        Some(axes) => Fact::with_axes(elem, joined, axes),
        None => Fact::new(elem, joined),
    })
}
