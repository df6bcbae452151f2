//! Operators that only onnxruntime runs: its own (`com.microsoft`), where they are not written out ([`crate::fused`]), and a few
//! of ONNX. Here their shapes are known.

use super::super::Fact;
use super::sums::{conv, gemm, global_pool, matmul, pool};
use super::{Inputs, broadcast, elem, fact, same, shape};
use crate::axes::{Axis, NCHW};
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;

/// What is known of a node's outputs; nothing for operators that are not known.
pub(super) fn infer(node: &NodeProto, inputs: &Inputs) -> Result<Vec<Fact>, String> {
    let float = Some(DataType::Float);
    Ok(match (node.domain.as_str(), node.op_type.as_str()) {
        ("com.microsoft", "FusedConv") => vec![conv(node, inputs, 1)?],
        ("com.microsoft", "FusedGemm") => vec![gemm(node, inputs)?],
        ("com.microsoft", "FusedMatMul") if !is_flipped(node) => vec![matmul(inputs, 1)?],
        ("com.microsoft", "DynamicQuantizeMatMul" | "MatMulIntegerToFloat") => {
            vec![Fact { elem: float, ..matmul(inputs, 1)? }]
        }
        ("com.microsoft", "QGemm") => {
            // Input, scale and zero point of each matrix in turn.
            let matrices = [inputs.first().copied().flatten(), inputs.get(3).copied().flatten()];
            let is_float = inputs.get(7).copied().flatten().is_none();
            let fact = gemm(node, &matrices)?;
            vec![Fact { elem: if is_float { float } else { fact.elem }, ..fact }]
        }
        ("com.microsoft", "QLinearAdd" | "QLinearMul") => {
            let sides = [inputs.first().copied().flatten(), inputs.get(3).copied().flatten()];
            vec![broadcast(&sides, elem(inputs, 0))?]
        }
        ("com.microsoft", "QLinearGlobalAveragePool") if !is_nhwc(node) => vec![global_pool(inputs)?],
        ("com.microsoft", "QLinearAveragePool") if !is_nhwc(node) => vec![pool(node, inputs)?],
        ("com.microsoft", "QLinearConcat") => vec![concat(node, inputs)],
        (
            "com.microsoft",
            "Gelu"
            | "FastGelu"
            | "QuickGelu"
            | "BiasGelu"
            | "SkipLayerNormalization"
            | "SkipSimplifiedLayerNormalization"
            | "SimplifiedLayerNormalization"
            | "MultiHeadAttention"
            | "QLinearSigmoid"
            | "QLinearLeakyRelu"
            | "QLinearSoftmax"
            | "BiasSoftmax"
            | "BiasAdd",
        ) => same(inputs, None),
        ("com.microsoft", "QuantizeLinear") => same(inputs, elem(inputs, 2).or(Some(DataType::Uint8))),
        ("com.microsoft", "DequantizeLinear") => same(inputs, elem(inputs, 1)),
        ("com.microsoft", "Attention") => attention(inputs),
        // Channels in blocks: the shape is that of [n, c, h, w], the order of the numbers is not.
        ("com.microsoft.nchwc", "Conv") => vec![blocked(conv(node, inputs, 1)?)],
        ("com.microsoft.nchwc", "MaxPool" | "AveragePool") => vec![blocked(pool(node, inputs)?)],
        ("com.microsoft.nchwc", "GlobalMaxPool" | "GlobalAveragePool") => vec![blocked(global_pool(inputs)?)],
        ("com.microsoft.nchwc", "ReorderInput") => same(inputs, None).into_iter().map(blocked).collect(),
        ("com.microsoft.nchwc", "ReorderOutput") => vec![reordered(node, inputs)],
        ("" | "ai.onnx", "GridSample") => vec![grid_sample(inputs)],
        ("" | "ai.onnx", "LSTM" | "GRU" | "RNN") => recurrent(node, inputs),
        _ => vec![],
    })
}

/// `[n, c, h, w]` taken at the points of `[n, h', w', 2]`.
fn grid_sample(inputs: &Inputs) -> Fact {
    match (fact(inputs, 0), shape(inputs, 0), shape(inputs, 1)) {
        (Some(x), Some(&[n, c, _, _]), Some(&[_, h, w, _])) => {
            Fact::with_axes(x.elem, vec![n, c, h, w], x.axes.clone())
        }
        _ => Fact::default(),
    }
}

/// `[t, n, d]` to the states of all steps, `[t, directions, n, hidden]`, and those of the last one, `[directions, n, hidden]`.
fn recurrent(node: &NodeProto, inputs: &Inputs) -> Vec<Fact> {
    let hidden = node.attr_int("hidden_size").and_then(|hidden| usize::try_from(hidden).ok());
    let (Some(&[t, n, _]), Some(hidden), None | Some(0)) = (shape(inputs, 0), hidden, node.attr_int("layout")) else {
        return vec![];
    };
    let directions = if node.attr_string("direction") == Some("bidirectional") { 2 } else { 1 };
    let last = Fact::new(elem(inputs, 0), vec![directions, n, hidden]);
    vec![Fact::new(elem(inputs, 0), vec![t, directions, n, hidden]), last.clone(), last]
}

fn is_flipped(node: &NodeProto) -> bool {
    ["transA", "transB", "transBatchA", "transBatchB"].iter().any(|name| node.attr_int(name).unwrap_or(0) != 0)
}

fn is_nhwc(node: &NodeProto) -> bool {
    node.attr_int("channels_last").unwrap_or(0) != 0
}

fn blocked(fact: Fact) -> Fact {
    Fact { axes: vec![Axis::Other; fact.axes.len()], ..fact }
}

fn reordered(node: &NodeProto, inputs: &Inputs) -> Fact {
    let channels = node.attr_int("channels").and_then(|channels| usize::try_from(channels).ok());
    match (shape(inputs, 0), channels) {
        (Some(&[n, _, h, w]), Some(c)) if !is_nhwc(node) => {
            Fact::with_axes(elem(inputs, 0), vec![n, c, h, w], NCHW.to_vec())
        }
        _ => Fact::default(),
    }
}

/// Query, key and value from one matrix: `[n, t, d]` to `[n, t, columns / 3]`.
fn attention(inputs: &Inputs) -> Vec<Fact> {
    let (Some(x), Some(&[_, columns])) = (fact(inputs, 0), shape(inputs, 1)) else { return vec![] };
    let mut out = x.clone();
    if let Some(last) = out.shape.as_mut().and_then(|shape| shape.last_mut()) {
        *last = columns / 3;
    }
    vec![Fact { value: None, ..out }]
}

/// Scale and zero point of the output, then parts with theirs.
fn concat(node: &NodeProto, inputs: &Inputs) -> Fact {
    let joined = || {
        let parts: Vec<&[usize]> = (2..inputs.len()).step_by(3).map(|i| shape(inputs, i)).collect::<Option<_>>()?;
        let axis = super::axis(node.attr_int("axis")?, parts.first()?.len())?;
        let mut out = parts.first()?.to_vec();
        out[axis] = parts.iter().map(|part| part.get(axis).copied().unwrap_or(0)).sum();
        Some(Fact::with_axes(elem(inputs, 2), out, fact(inputs, 2)?.axes.clone()))
    };
    joined().unwrap_or_default()
}
