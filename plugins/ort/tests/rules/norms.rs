//! Normalisation.

use super::{C, Case, SIDE, case, node};
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::NodeProto;

const ALL: usize = C * SIDE * SIDE;

fn batch_norm(graph: &mut GraphBuilder, name: &str, x: &str, channels: usize) -> String {
    let of = |from: f32| -> Vec<f32> { (0..channels).map(|i| from + 0.3 * i as f32).collect() };
    let [scale, shift, mean, variance] = [("scale", -0.4), ("shift", 0.2), ("mean", -0.3), ("variance", 0.5)]
        .map(|(part, from)| graph.floats(&format!("{name}_{part}"), &[channels], &of(from)));
    graph.push(NodeProto::new("BatchNormalization", &[x, &scale, &shift, &mean, &variance], name))
}

fn gains(graph: &mut GraphBuilder, n: usize) -> [String; 2] {
    ["gain", "bias"].map(|name| {
        let values: Vec<f32> = (0..n).map(|i| 0.5 + 0.25 * i as f32).collect();
        graph.floats(name, &[n], &values)
    })
}

/// Layer normalisation over the last axis, as exporters write it out.
fn written_out(graph: &mut GraphBuilder, x: &str, power: bool) -> String {
    let [gain, bias] = gains(graph, SIDE);
    let (epsilon, two) = (graph.floats("epsilon", &[], &[1e-5]), graph.floats("two", &[], &[2.0]));
    let mean = |graph: &mut GraphBuilder, x: &str, name: &str| {
        graph.push(NodeProto::new("ReduceMean", &[x], name).with_ints("axes", &[-1]))
    };
    let mu = mean(graph, x, "mu");
    let centred = graph.node("Sub", &[x, &mu], "centred");
    let square = if power {
        graph.node("Pow", &[&centred, &two], "square")
    } else {
        graph.node("Mul", &[&centred, &centred], "square")
    };
    let variance = mean(graph, &square, "variance");
    let variance = graph.node("Add", &[&variance, &epsilon], "above");
    let root = graph.node("Sqrt", &[&variance], "root");
    let hat = graph.node("Div", &[&centred, &root], "hat");
    let scaled = graph.node("Mul", &[&hat, &gain], "scaled");
    graph.node("Add", &[&scaled, &bias], "normal")
}

pub const CASES: &[Case] = &[
    case("BatchNormalization", ALL, |g, x| batch_norm(g, "norm", x, C)),
    case("BatchNormalization behind a convolution and a ReLU6", 5 * 36, |g, x| {
        let (low, high) = (g.floats("low", &[], &[0.0]), g.floats("high", &[], &[1.0]));
        let x = g.conv("before", x, C, 5, 3, 1);
        let x = batch_norm(g, "norm", &x, 5);
        g.node("Clip", &[&x, &low, &high], "clipped")
    }),
    case("BatchNormalization before a ReLU and a convolution", 5 * 36, |g, x| {
        let x = batch_norm(g, "norm", x, C);
        let x = g.relu("on", &x);
        let x = g.conv("behind", &x, C, 5, 3, 1);
        batch_norm(g, "last", &x, 5)
    }),
    case("BatchNormalization before a strided depthwise convolution", C * 9, |g, x| {
        let x = batch_norm(g, "norm", x, C);
        let w = g.he("w", &[C, 1, 3, 3]);
        let strided = NodeProto::new("Conv", &[&x, &w], "strided").with_int("group", C as i64);
        g.push(strided.with_ints("strides", &[2, 2]).with_ints("pads", &[1, 1, 1, 1]))
    }),
    case("BatchNormalization before a strided convolution of groups", 6 * 9, |g, x| {
        let x = batch_norm(g, "norm", x, C);
        let x = g.relu("on", &x);
        let w = g.he("w", &[6, 2, 3, 3]);
        let strided = NodeProto::new("Conv", &[&x, &w], "strided").with_int("group", 2);
        g.push(strided.with_ints("strides", &[2, 2]).with_ints("pads", &[1, 1, 1, 1]))
    }),
    case("two BatchNormalizations", ALL, |g, x| {
        let x = batch_norm(g, "norm", x, C);
        batch_norm(g, "again", &x, C)
    }),
    case("InstanceNormalization", ALL, |g, x| {
        let [gain, bias] = gains(g, C);
        g.push(node("InstanceNormalization", &[x, &gain, &bias]))
    }),
    case("GroupNormalization, a gain a group", ALL, |g, x| {
        let [gain, bias] = gains(g, 2);
        g.push(node("GroupNormalization", &[x, &gain, &bias]).with_int("num_groups", 2))
    })
    .opset(18),
    case("GroupNormalization", ALL, |g, x| {
        let [gain, bias] = gains(g, C);
        g.push(node("GroupNormalization", &[x, &gain, &bias]).with_int("num_groups", 2))
    })
    .opset(21),
    case("LayerNormalization", ALL, |g, x| {
        let [gain, bias] = gains(g, SIDE);
        g.push(node("LayerNormalization", &[x, &gain, &bias]))
    })
    .opset(17),
    case("LayerNormalization over all places", ALL, |g, x| {
        let gain: Vec<f32> = (0..SIDE * SIDE).map(|i| 1.0 - 0.02 * i as f32).collect();
        let gain = g.floats("gain", &[SIDE, SIDE], &gain);
        g.push(node("LayerNormalization", &[x, &gain]).with_int("axis", 2))
    })
    .opset(18),
    case("LayerNormalization before a product", C * SIDE * 5, |g, x| {
        let [gain, bias] = gains(g, SIDE);
        let x = g.push(node("LayerNormalization", &[x, &gain, &bias]));
        let w = g.he("w", &[SIDE, 5]);
        g.node("MatMul", &[&x, &w], "product")
    })
    .opset(17),
    case("layer normalisation in nine nodes", ALL, |g, x| written_out(g, x, true)),
    case("layer normalisation in nine nodes before a product", C * SIDE * 5, |g, x| {
        let x = written_out(g, x, false);
        let w = g.he("w", &[SIDE, 5]);
        g.node("MatMul", &[&x, &w], "product")
    }),
    case("RMSNormalization", ALL, |g, x| {
        let [gain, _] = gains(g, SIDE);
        g.push(node("RMSNormalization", &[x, &gain]))
    })
    .opset(23),
    case("LpNormalization, 2", ALL, |g, x| g.push(node("LpNormalization", &[x]).with_int("axis", 1))),
    case("LpNormalization, 1", ALL, |g, x| g.push(node("LpNormalization", &[x]).with_int("axis", 2).with_int("p", 1))),
    case("LRN", ALL, |g, x| {
        g.push(node("LRN", &[x]).with_int("size", 3).with_float("alpha", 0.7).with_float("beta", 0.6))
    }),
];
