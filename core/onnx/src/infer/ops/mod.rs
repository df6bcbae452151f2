//! Output shapes of each operator, and the meaning of their axes.

mod cutting;
mod fused;
mod reshaping;
mod sums;

use super::Fact;
use crate::axes::{Axis, Layout};
use crate::operator::Operator;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;
pub(super) use cutting::ranges;
use cutting::{concat, depth_to_space, gather, gather_nd, pad, resize, slice, space_to_depth, split, top_k};
use reshaping::{constant_of_shape, expand, flatten, range, reshape, squeeze, tile, transpose, unsqueeze};
use sums::{attention, conv, conv_transpose, einsum, gemm, global_pool, matmul, pool, reduce, reduced_axes};

type Inputs<'a> = [Option<&'a Fact>];
type Outputs = Result<Vec<Fact>, String>;

/// What is known of a node's outputs. Operators that are not known, and inputs of which nothing is, give unknown
/// outputs; an error is a contradiction.
pub(super) fn infer(node: &NodeProto, inputs: &Inputs, opset: i64) -> Outputs {
    use Operator as O;
    let Some(operator) = Operator::of(node) else { return fused::infer(node, inputs) };
    Ok(match operator {
        O::Constant => vec![constant(node)?],
        O::Shape => vec![shape_of(node, inputs)],
        O::Size => {
            let value = shape(inputs, 0).map(|shape| vec![shape.iter().product::<usize>() as f64]);
            vec![Fact { value, ..Fact::new(Some(DataType::Int64), vec![]) }]
        }
        O::Cast => same(inputs, node.attr_int("to").and_then(|to| DataType::try_from(to as i32).ok())),
        O::CastLike => same(inputs, elem(inputs, 1)),
        O::QuantizeLinear => same(inputs, elem(inputs, 2).or(Some(DataType::Uint8))),
        O::DequantizeLinear => same(inputs, elem(inputs, 1)),
        O::Not | O::IsNaN | O::IsInf => same(inputs, Some(DataType::Bool)),
        O::Relu
        | O::LeakyRelu
        | O::Sigmoid
        | O::HardSigmoid
        | O::HardSwish
        | O::Elu
        | O::Selu
        | O::Celu
        | O::ThresholdedRelu
        | O::Softplus
        | O::Softsign
        | O::Tanh
        | O::Gelu
        | O::Mish
        | O::Swish
        | O::Erf
        | O::Exp
        | O::Log
        | O::Sqrt
        | O::Reciprocal
        | O::Neg
        | O::Abs
        | O::Floor
        | O::Ceil
        | O::Round
        | O::Sign
        | O::Sin
        | O::Cos
        | O::Tan
        | O::Sinh
        | O::Cosh
        | O::Asin
        | O::Acos
        | O::Atan
        | O::Clip
        | O::Identity
        | O::Dropout
        | O::Softmax
        | O::LogSoftmax
        | O::Hardmax
        | O::LayerNormalization
        | O::InstanceNormalization
        | O::GroupNormalization
        | O::RMSNormalization
        | O::BatchNormalization
        | O::LpNormalization
        | O::MeanVarianceNormalization
        | O::LRN
        | O::Shrink
        | O::CumSum
        | O::Trilu
        | O::ScatterND
        | O::ScatterElements
        | O::Scatter => same(inputs, None),
        O::Add
        | O::Sub
        | O::Mul
        | O::Div
        | O::Pow
        | O::PRelu
        | O::Mod
        | O::Max
        | O::Min
        | O::Mean
        | O::Sum
        | O::BitShift => vec![broadcast(inputs, elem(inputs, 0))?],
        O::Equal | O::Less | O::Greater | O::LessOrEqual | O::GreaterOrEqual | O::And | O::Or | O::Xor => {
            vec![broadcast(inputs, Some(DataType::Bool))?]
        }
        O::Where => vec![broadcast(inputs, elem(inputs, 1))?],
        O::Conv => vec![conv(node, inputs, 1)?],
        O::ConvInteger => vec![Fact { elem: Some(DataType::Int32), ..conv(node, inputs, 1)? }],
        O::QLinearConv => vec![conv(node, inputs, 3)?],
        O::ConvTranspose => vec![conv_transpose(node, inputs)],
        O::MaxPool | O::AveragePool | O::LpPool => vec![pool(node, inputs)?],
        O::GlobalAveragePool | O::GlobalMaxPool | O::GlobalLpPool => vec![global_pool(inputs)?],
        O::Gemm => vec![gemm(node, inputs)?],
        O::MatMul => vec![matmul(inputs, 1)?],
        O::MatMulInteger => vec![Fact { elem: Some(DataType::Int32), ..matmul(inputs, 1)? }],
        O::QLinearMatMul => vec![matmul(inputs, 3)?],
        O::Einsum => vec![einsum(node, inputs)],
        O::Attention => vec![attention(node, inputs)],
        O::Flatten => vec![flatten(node, inputs)?],
        O::Reshape => vec![reshape(node, inputs)?],
        O::Transpose => vec![transpose(node, inputs)?],
        O::Concat => vec![concat(node, inputs)?],
        O::Slice => vec![slice(node, inputs)?],
        O::Split => split(node, inputs)?,
        O::Gather => vec![gather(node, inputs)?],
        O::GatherElements => {
            vec![shape(inputs, 1).map_or_else(Fact::default, |s| Fact::new(elem(inputs, 0), s.to_vec()))]
        }
        O::Squeeze => vec![squeeze(node, inputs)?],
        O::Unsqueeze => vec![unsqueeze(node, inputs)?],
        O::Expand => vec![expand(inputs)?],
        O::Tile => vec![tile(inputs)],
        O::ConstantOfShape => vec![constant_of_shape(node, inputs)?],
        O::Range => vec![range(inputs)],
        O::Pad => vec![pad(node, inputs)?],
        O::Resize | O::Upsample => vec![resize(node, inputs)],
        O::DepthToSpace => vec![depth_to_space(node, inputs)],
        O::SpaceToDepth => vec![space_to_depth(node, inputs)],
        O::ArgMax | O::ArgMin => {
            let axis = node.attr_int("axis").unwrap_or(0);
            vec![reduce(node, inputs, Some(DataType::Int64), Some(vec![axis]))?]
        }
        O::ReduceL1
        | O::ReduceL2
        | O::ReduceLogSum
        | O::ReduceLogSumExp
        | O::ReduceMax
        | O::ReduceMean
        | O::ReduceMin
        | O::ReduceProd
        | O::ReduceSum
        | O::ReduceSumSquare => vec![reduce(node, inputs, elem(inputs, 0), reduced_axes(node, inputs, opset))?],
        O::DynamicQuantizeLinear => {
            let scalar = |elem| Fact::new(Some(elem), vec![]);
            let whole = same(inputs, Some(DataType::Uint8));
            whole.into_iter().chain([scalar(DataType::Float), scalar(DataType::Uint8)]).collect()
        }
        O::GatherND => vec![gather_nd(node, inputs)?],
        O::TopK => top_k(node, inputs)?,
        // Nothing is inferred: they are rare in classifiers before the logits, or (`If`) may be anything.
        O::If | O::MaxUnpool | O::NonZero | O::OneHot => vec![],
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

/// An axis that may count from the end.
pub(super) fn axis(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(axis).ok().filter(|&axis| axis < rank)
}

/// The permutation of a `Transpose`, reversed axes if it does not say.
pub(super) fn permutation(node: &NodeProto, rank: usize) -> Vec<usize> {
    let given = node.attr_ints("perm").filter(|perm| !perm.is_empty());
    match given {
        Some(perm) => perm.iter().map(|&axis| axis as usize).collect(),
        None => (0..rank).rev().collect(),
    }
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
    // The axes are those of an operand that is not repeated along any axis. Of several, it is the first that is a
    // feature map, or else has the most known axes: attention loses the tokens, and the skip connection beside it keeps
    // them.
    let n_known = |input: &Fact| input.axes.iter().filter(|&&axis| axis != Axis::Other).count();
    let known = |input: &&Fact| (Layout::of(&input.axes).is_some(), n_known(input));
    let whole = inputs.iter().rev().copied().flatten().filter(|input| input.shape.as_ref() == Some(&joined));
    let axes = whole.filter(|input| n_known(input) > 0).max_by_key(known).map(|input| input.axes.clone());
    Ok(match axes {
        Some(axes) => Fact::with_axes(elem, joined, axes),
        None => Fact::new(elem, joined),
    })
}
