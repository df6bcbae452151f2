//! Values chosen by indices, or put in the places of others; sums of products by an equation.

use super::{C, Case, SIDE, case, node};
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::{NodeProto, TensorProto};

const ALL: usize = C * SIDE * SIDE;

/// Whole numbers of this shape.
fn indices(graph: &mut GraphBuilder, shape: &[i64], values: &[i64]) -> String {
    let tensor = TensorProto {
        name: "indices".to_owned(),
        dims: shape.to_vec(),
        data_type: 7,
        int64_data: values.to_vec(),
        ..Default::default()
    };
    graph.constant(tensor)
}

/// The indices of the largest values along an axis, which follow the image.
fn largest(graph: &mut GraphBuilder, x: &str, axis: i64, k: i64) -> [String; 2] {
    let k = graph.ints("k", &[k]);
    let mut top = node("TopK", &[x, &k]).with_int("axis", axis);
    top.output = vec!["values".into(), "places".into()];
    graph.push(top);
    ["values".into(), "places".into()]
}

/// `x` with parts replaced by its own places 1 and 4 of the last axis, sent through an activation.
fn scattered(graph: &mut GraphBuilder, x: &str, op_type: &str, reduction: &str) -> String {
    let from = graph.ints("from", &[1, 4]);
    let taken = graph.push(NodeProto::new("Gather", &[x, &from], "taken").with_int("axis", -1));
    let updates = graph.node("Tanh", &[&taken], "updates");
    let shape = graph.node("Shape", &[&updates], "shape");
    let to = graph.ints("to", &[5, 2]);
    let to = graph.node("Expand", &[&to, &shape], "all_to");
    let put = node(op_type, &[x, &to, &updates]).with_int("axis", 3);
    graph.push(if reduction == "none" { put } else { put.with_string("reduction", reduction) })
}

/// Channels 3 and 1 of every image replaced by others; the channels are put in front of the images for that.
fn scattered_rows(graph: &mut GraphBuilder, x: &str, reduction: &str) -> String {
    let by_channel = graph.push(NodeProto::new("Transpose", &[x], "by_channel").with_ints("perm", &[1, 0, 2, 3]));
    let first = graph.ints("first", &[0, 1]);
    let taken = graph.push(NodeProto::new("Gather", &[&by_channel, &first], "taken").with_int("axis", 0));
    let updates = graph.node("Tanh", &[&taken], "updates");
    let to = indices(graph, &[2, 1], &[3, 1]);
    let put = node("ScatterND", &[&by_channel, &to, &updates]);
    let made = graph.push(if reduction == "none" { put } else { put.with_string("reduction", reduction) });
    graph.push(NodeProto::new("Transpose", &[&made], "by_image").with_ints("perm", &[1, 0, 2, 3]))
}

fn einsum(graph: &mut GraphBuilder, inputs: &[&str], equation: &str) -> String {
    graph.push(node("Einsum", inputs).with_string("equation", equation))
}

fn cum_sum(graph: &mut GraphBuilder, x: &str, axis: i64, exclusive: i64, reverse: i64) -> String {
    let axis = indices(graph, &[], &[axis]);
    graph.push(node("CumSum", &[x, &axis]).with_int("exclusive", exclusive).with_int("reverse", reverse))
}

pub const CASES: &[Case] = &[
    case("TopK", 3 * 36, |g, x| largest(g, x, 1, 3)[0].clone()),
    case("GatherElements, several times", C * 6 * 3, |g, x| {
        let shape = g.node("Shape", &[x], "shape");
        let some = g.ints("some", &[2, -1, 2]);
        let rest = g.ints("rest", &[C as i64, SIDE as i64, 3]);
        let (zero, one) = (g.ints("zero", &[0]), g.ints("one", &[1]));
        let n = g.node("Slice", &[&shape, &zero, &one], "n");
        let target = g.push(NodeProto::new("Concat", &[&n, &rest], "target").with_int("axis", 0));
        let all = g.node("Expand", &[&some, &target], "all");
        g.push(node("GatherElements", &[x, &all]).with_int("axis", 3))
    }),
    case("GatherElements of the largest", C * 2 * SIDE, |g, x| {
        let other = g.node("Tanh", &[x], "other");
        let [_, places] = largest(g, x, 2, 2);
        g.push(node("GatherElements", &[&other, &places]).with_int("axis", 2))
    }),
    case("GatherND by image", 3 * SIDE, |g, x| {
        let shape = g.node("Shape", &[x], "shape");
        let (zero, one) = (g.ints("zero", &[0]), g.ints("one", &[1]));
        let n = g.node("Slice", &[&shape, &zero, &one], "n");
        let rest = g.ints("rest", &[3, 2]);
        let target = g.push(NodeProto::new("Concat", &[&n, &rest], "target").with_int("axis", 0));
        let places = indices(g, &[1, 3, 2], &[0, 1, 3, -1, 0, 1]);
        let places = g.node("Expand", &[&places, &target], "places");
        g.push(node("GatherND", &[x, &places]).with_int("batch_dims", 1))
    }),
    case("GatherND", 2 * 36, |g, x| {
        let by_channel = g.push(NodeProto::new("Transpose", &[x], "by_channel").with_ints("perm", &[1, 0, 2, 3]));
        let places = indices(g, &[2, 1], &[3, 1]);
        let taken = g.push(node("GatherND", &[&by_channel, &places]));
        g.push(NodeProto::new("Transpose", &[&taken], "by_image").with_ints("perm", &[1, 0, 2, 3]))
    }),
    case("ScatterElements", ALL, |g, x| scattered(g, x, "ScatterElements", "none")),
    case("ScatterElements that adds", ALL, |g, x| scattered(g, x, "ScatterElements", "add")).opset(16),
    case("ScatterND", ALL, |g, x| scattered_rows(g, x, "none")),
    case("ScatterND that adds", ALL, |g, x| scattered_rows(g, x, "add")).opset(16),
    case("CumSum", ALL, |g, x| cum_sum(g, x, 2, 0, 0)),
    case("CumSum, exclusive, from the end", ALL, |g, x| cum_sum(g, x, -1, 1, 1)),
    case("Einsum of one", ALL, |g, x| einsum(g, &[x], "nchw->nwhc")),
    case("Einsum with weights", 3 * 36, |g, x| {
        let weight = g.he("weight", &[3, C]);
        einsum(g, &[x, &weight], "nchw,kc->nkhw")
    }),
    case("Einsum of two that follow the image", C * SIDE, |g, x| {
        let other = g.node("Tanh", &[x], "other");
        einsum(g, &[x, &other], "nchw,nchv->nch")
    }),
    case("Einsum without a result, with an ellipsis", 36, |g, x| {
        let weight = g.he("weight", &[SIDE, SIDE]);
        let sum = einsum(g, &[x, &weight], "n...w,wv->nv...");
        let axes = g.ints("axes", &[2]);
        g.push(NodeProto::new("ReduceSum", &[&sum, &axes], "sum").with_int("keepdims", 0))
    }),
    case("Einsum that repeats", ALL, |g, x| {
        let mean = g.push(NodeProto::new("ReduceMean", &[x], "mean").with_ints("axes", &[1]).with_int("keepdims", 1));
        einsum(g, &[x, &mean], "n...w,n...w->n...w")
    }),
];
