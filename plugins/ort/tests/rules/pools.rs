//! Pools, reductions and other sizes.

use super::{C, Case, SIDE, case, node};
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::NodeProto;

fn pool(graph: &mut GraphBuilder, x: &str, op_type: &str, kernel: [i64; 2], attributes: &[(&str, &[i64])]) -> String {
    let node = node(op_type, &[x]).with_ints("kernel_shape", &kernel);
    let with = |node: NodeProto, (name, values): &(&str, &[i64])| match values {
        [one] => node.with_int(name, *one),
        _ => node.with_ints(name, values),
    };
    graph.push(attributes.iter().fold(node, with))
}

/// A reduction over channels, or over places; of positive numbers for logarithms.
fn reduce(graph: &mut GraphBuilder, x: &str, op_type: &str, axes: &[i64], keepdims: i64) -> String {
    let node = node(op_type, &[x]).with_int("keepdims", keepdims);
    if op_type == "ReduceSum" {
        let axes = graph.ints("axes", axes);
        let mut node = node;
        node.input.push(axes);
        return graph.push(node);
    }
    graph.push(node.with_ints("axes", axes))
}

fn resize(graph: &mut GraphBuilder, x: &str, scales: [f32; 2], attributes: &[(&str, &str)]) -> String {
    let scales = graph.floats("scales", &[4], &[1.0, 1.0, scales[0], scales[1]]);
    let node = node("Resize", &[x, "", &scales]);
    graph.push(attributes.iter().fold(node, |node, (name, value)| node.with_string(name, value)))
}

fn resized(graph: &mut GraphBuilder, x: &str, sizes: [i64; 2], mode: &str) -> String {
    let sizes = graph.ints("sizes", &[C as i64, sizes[0], sizes[1]]);
    let batch = graph.node("Shape", &[x], "shape");
    let (zero, one) = (graph.ints("zero", &[0]), graph.ints("one", &[1]));
    let batch = graph.node("Slice", &[&batch, &zero, &one], "batch");
    let sizes = graph.push(NodeProto::new("Concat", &[&batch, &sizes], "all_sizes").with_int("axis", 0));
    graph.push(node("Resize", &[x, "", "", &sizes]).with_string("mode", mode))
}

fn positive(graph: &mut GraphBuilder, x: &str) -> String {
    graph.node("Exp", &[x], "positive")
}

pub const CASES: &[Case] = &[
    case("MaxPool", C * 9, |g, x| pool(g, x, "MaxPool", [2, 2], &[("strides", &[2, 2])])),
    case("MaxPool, overlapping", C * 9, |g, x| {
        pool(g, x, "MaxPool", [3, 3], &[("strides", &[2, 2]), ("pads", &[1, 1, 1, 1])])
    }),
    case("MaxPool, ceil", C * 9, |g, x| pool(g, x, "MaxPool", [3, 3], &[("strides", &[2, 2]), ("ceil_mode", &[1])])),
    case("MaxPool behind a Relu", C * 16, |g, x| {
        let low = g.node("Relu", &[x], "low");
        pool(g, &low, "MaxPool", [3, 3], &[])
    }),
    case("MaxPool of large windows", C * 4, |g, x| {
        let x = resize(g, x, [2.0, 2.0], &[("mode", "linear")]);
        let mut pooled = pool(g, &x, "MaxPool", [9, 9], &[("strides", &[3, 3])]);
        pooled = g.relu("on", &pooled);
        pooled
    }),
    case("MaxPool, strides above the window", C * 4, |g, x| pool(g, x, "MaxPool", [2, 2], &[("strides", &[3, 3])])),
    case("MaxPool, same", C * 9, |g, x| {
        let node = node("MaxPool", &[x]).with_ints("kernel_shape", &[3, 3]).with_ints("strides", &[2, 2]);
        g.push(node.with_string("auto_pad", "SAME_UPPER"))
    }),
    case("MaxPool, one side", C * 6 * 3, |g, x| pool(g, x, "MaxPool", [1, 2], &[("strides", &[1, 2])])),
    case("MaxPool, dilated and strided", C * 4, |g, x| {
        pool(g, x, "MaxPool", [2, 2], &[("dilations", &[3, 3]), ("strides", &[2, 2])])
    }),
    case("MaxPool, dilated", C * 4, |g, x| pool(g, x, "MaxPool", [3, 3], &[("dilations", &[2, 2])])),
    case("AveragePool", C * 9, |g, x| pool(g, x, "AveragePool", [2, 2], &[("strides", &[2, 2])])),
    case("AveragePool, stride 1", C * 36, |g, x| pool(g, x, "AveragePool", [3, 3], &[("pads", &[1, 1, 1, 1])])),
    case("AveragePool, with padding counted", C * 36, |g, x| {
        pool(g, x, "AveragePool", [3, 3], &[("pads", &[1, 1, 1, 1]), ("count_include_pad", &[1])])
    }),
    case("AveragePool, stride 2", C * 9, |g, x| {
        pool(g, x, "AveragePool", [3, 3], &[("pads", &[1, 1, 1, 1]), ("strides", &[2, 2])])
    }),
    case("AveragePool, ceil", C * 9, |g, x| {
        pool(g, x, "AveragePool", [3, 3], &[("strides", &[2, 2]), ("ceil_mode", &[1])])
    }),
    case("GlobalAveragePool", C, |g, x| {
        let x = positive(g, x);
        g.push(node("GlobalAveragePool", &[&x]))
    }),
    case("GlobalMaxPool", C, |g, x| g.push(node("GlobalMaxPool", &[x]))),
    case("ReduceMean over places", C, |g, x| {
        let x = positive(g, x);
        reduce(g, &x, "ReduceMean", &[2, 3], 0)
    }),
    case("ReduceMean over channels", SIDE * SIDE, |g, x| reduce(g, x, "ReduceMean", &[1], 1)),
    case("ReduceMean, negative axis, then a product", C * SIDE * SIDE, |g, x| {
        let mean = reduce(g, x, "ReduceMean", &[-1], 1);
        g.node("Mul", &[x, &mean], "product")
    }),
    case("ReduceSum", C * SIDE, |g, x| reduce(g, x, "ReduceSum", &[3], 0)),
    case("ReduceMax", C * SIDE, |g, x| reduce(g, x, "ReduceMax", &[2], 0)),
    case("ReduceMax over two axes", SIDE, |g, x| reduce(g, x, "ReduceMax", &[1, 3], 1)),
    case("ReduceMin", SIDE * SIDE, |g, x| reduce(g, x, "ReduceMin", &[1], 1)),
    case("ReduceL1", C * SIDE, |g, x| reduce(g, x, "ReduceL1", &[3], 0)),
    case("ReduceL2", C * SIDE, |g, x| reduce(g, x, "ReduceL2", &[3], 0)),
    case("ReduceSumSquare", C * SIDE, |g, x| reduce(g, x, "ReduceSumSquare", &[2], 1)),
    case("ReduceLogSum", C * SIDE, |g, x| {
        let x = positive(g, x);
        reduce(g, &x, "ReduceLogSum", &[3], 0)
    }),
    case("ReduceLogSumExp", C * SIDE, |g, x| reduce(g, x, "ReduceLogSumExp", &[3], 0)),
    case("Resize, repeated", C * 12 * 18, |g, x| {
        let how = [("mode", "nearest"), ("coordinate_transformation_mode", "asymmetric"), ("nearest_mode", "floor")];
        resize(g, x, [2.0, 3.0], &how)
    }),
    case("Resize, nearest", C * 9 * 4, |g, x| resize(g, x, [1.5, 0.7], &[("mode", "nearest")])),
    case("Resize, linear", C * 12 * 9, |g, x| resize(g, x, [2.0, 1.5], &[("mode", "linear")])),
    case("Resize, linear, corners", C * 12 * 9, |g, x| {
        resize(g, x, [2.0, 1.5], &[("mode", "linear"), ("coordinate_transformation_mode", "align_corners")])
    }),
    case("Resize, cubic", C * 12 * 4, |g, x| resize(g, x, [2.0, 0.7], &[("mode", "cubic")])),
    case("Resize to a size", C * 4 * 10, |g, x| resized(g, x, [4, 10], "linear")),
    case("Resize of one place", C * 16, |g, x| {
        let x = g.global_average_pool("pooled", x);
        resized(g, &x, [4, 4], "nearest")
    }),
];
