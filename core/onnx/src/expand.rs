//! Operators written out as simpler ones, where engines lack them: `Attention` (from version 23 of ONNX's operators on).

use crate::constant::int_proto;
use crate::node::is_standard;
use crate::proto::tensor_proto::DataType;
use crate::proto::{NodeProto, TensorProto};
use std::borrow::Cow;

/// Replaces every `Attention` without mask and cache by products and a softmax, which all engines run and differentiate, and
/// whose weights a method can ask for. `extra` receives the constants.
///
/// # Source
/// ONNX, operators, Attention: the function body of version 23.
pub(crate) fn attention<'m>(nodes: Cow<'m, [NodeProto]>, extra: &mut Vec<TensorProto>) -> Cow<'m, [NodeProto]> {
    if !nodes.iter().any(is_plain) {
        return nodes;
    }
    let written =
        nodes.iter().flat_map(|node| if is_plain(node) { written_out(node, extra) } else { vec![node.clone()] });
    Cow::Owned(written.collect())
}

fn is_plain(node: &NodeProto) -> bool {
    let is_given = |i: usize| node.input(i).is_some_and(|name| !name.is_empty());
    let heads = ["q_num_heads", "kv_num_heads"].map(|name| node.attr_int(name));
    node.op_type == "Attention"
        && is_standard(&node.domain)
        && (0..3).all(is_given)
        && !(3..node.input.len()).any(is_given)
        && node.output.iter().filter(|name| !name.is_empty()).count() == 1
        && node.attr_int("is_causal").unwrap_or(0) == 0
        && node.attr_float("softcap").unwrap_or(0.0) == 0.0
        && heads[0] == heads[1]
}

/// `softmax(Q Kᵀ · scale) V`; with `q_num_heads` the heads lie one after the other in the last axis.
fn written_out(node: &NodeProto, extra: &mut Vec<TensorProto>) -> Vec<NodeProto> {
    let output = node.output.iter().find(|name| !name.is_empty()).cloned().unwrap_or_default();
    let named = |part: &str| format!("{output}/{part}");
    let n_heads = node.attr_int("q_num_heads");
    let mut nodes: Vec<NodeProto> = Vec::new();
    let mut constant = |tensor: TensorProto| {
        let name = tensor.name.clone();
        extra.push(tensor);
        name
    };
    // [b, t, heads · d] as [b, heads, t, d].
    let split = n_heads.map(|n_heads| constant(int_proto(&named("split"), &[0, 0, n_heads, -1])));
    let mut add = |node: NodeProto| {
        let name = node.output.first().cloned().unwrap_or_default();
        nodes.push(node);
        name
    };
    let by_head = |i: usize, part: &str, add: &mut dyn FnMut(NodeProto) -> String| {
        let given = node.input(i).unwrap_or_default().to_owned();
        let Some(split) = &split else { return given };
        let apart = add(NodeProto::new("Reshape", &[&given, split], &named(&format!("{part}_heads"))));
        add(NodeProto::new("Transpose", &[&apart], &named(part)).with_ints("perm", &[0, 2, 1, 3]))
    };
    let [q, k, v] = [(0, "q"), (1, "k"), (2, "v")].map(|(i, part)| by_head(i, part, &mut add));
    let factor = match node.attr_float("scale") {
        Some(scale) => constant(crate::constant::float_proto(&named("scale"), &[], &[scale])),
        None => {
            let shape = add(NodeProto::new("Shape", &[&q], &named("q_shape")));
            let last = constant(int_proto(&named("last"), &[3]));
            let length = add(NodeProto::new("Gather", &[&shape, &last], &named("length")));
            let length =
                add(NodeProto::new("Cast", &[&length], &named("float_length")).with_int("to", DataType::Float as i64));
            let root = add(NodeProto::new("Sqrt", &[&length], &named("root")));
            add(NodeProto::new("Reciprocal", &[&root], &named("scale")))
        }
    };
    let scaled = add(NodeProto::new("Mul", &[&q, &factor], &named("scaled")));
    let turned = add(NodeProto::new("Transpose", &[&k], &named("turned")).with_ints("perm", &[0, 1, 3, 2]));
    let scores = add(NodeProto::new("MatMul", &[&scaled, &turned], &named("scores")));
    let weights = add(NodeProto::new("Softmax", &[&scores], &named("weights")).with_int("axis", -1));
    if n_heads.is_none() {
        add(NodeProto::new("MatMul", &[&weights, &v], &output));
    } else {
        let joined = constant(int_proto(&named("joined"), &[0, 0, -1]));
        let taken = add(NodeProto::new("MatMul", &[&weights, &v], &named("taken")));
        let back = add(NodeProto::new("Transpose", &[&taken], &named("back")).with_ints("perm", &[0, 2, 1, 3]));
        add(NodeProto::new("Reshape", &[&back, &joined], &output));
    }
    nodes
}
