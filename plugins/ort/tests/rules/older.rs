//! Operators of versions before 13, whose gradients are written in version 13.

use super::{C, Case, SIDE, case, node};
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::NodeProto;
use ascan_onnx::proto::attribute_proto::AttributeType;

const ALL: usize = C * SIDE * SIDE;

fn with_floats(mut node: NodeProto, name: &str, values: &[f32]) -> NodeProto {
    node = node.with_ints(name, &[]);
    if let Some(attribute) = node.attribute.last_mut() {
        attribute.r#type = AttributeType::Floats.into();
        attribute.floats = values.to_vec();
    }
    node
}

fn upsample(graph: &mut GraphBuilder, x: &str, op_type: &str, mode: &str) -> String {
    let scales = graph.floats("scales", &[4], &[1.0, 1.0, 2.0, 2.0]);
    graph.push(node(op_type, &[x, &scales]).with_string("mode", mode))
}

pub const CASES: &[Case] = &[
    case("Squeeze and Unsqueeze of version 11", C, |g, x| {
        let pooled = g.conv("before", x, C, C, 3, 1);
        let pooled = g.global_average_pool("pooled", &pooled);
        let vector = g.push(node("Squeeze", &[&pooled]).with_ints("axes", &[2, 3]));
        g.push(node("Unsqueeze", &[&vector]).with_ints("axes", &[1]))
    })
    .opset(11),
    case("ReduceSum of version 11", C * SIDE, |g, x| {
        g.push(node("ReduceSum", &[x]).with_ints("axes", &[3]).with_int("keepdims", 0))
    })
    .opset(11),
    case("Split of version 12", 3 * 36, |g, x| {
        let mut split = node("Split", &[x]).with_int("axis", 1).with_ints("split", &[1, 3]);
        split.output = vec!["p".into(), "q".into()];
        g.push(split);
        g.node("Mul", &["p", "q"], "product")
    })
    .opset(12),
    case("Clip of version 7", ALL, |g, x| g.push(node("Clip", &[x]).with_float("min", -0.5).with_float("max", 1.0)))
        .opset(7),
    case("Clip of version 7, from below", ALL, |g, x| g.push(node("Clip", &[x]).with_float("min", -0.5))).opset(7),
    case("Pad of version 9", C * 8 * 9, |g, x| {
        g.push(node("Pad", &[x]).with_ints("pads", &[0, 0, 1, 0, 0, 0, 1, 3]).with_float("value", 0.5))
    })
    .opset(9),
    case("Slice of version 9", 2 * 3 * SIDE, |g, x| {
        let slice = node("Slice", &[x]).with_ints("starts", &[1, 2]).with_ints("ends", &[3, -1]);
        g.push(slice.with_ints("axes", &[1, 2]))
    })
    .opset(9),
    case("TopK of version 9", 2 * 36, |g, x| {
        let mut top = node("TopK", &[x]).with_int("axis", 1).with_int("k", 2);
        top.output = vec!["values".into(), "places".into()];
        g.push(top)
    })
    .opset(9),
    case("Softmax of version 11, over all behind its axis", ALL, |g, x| {
        g.push(node("Softmax", &[x]).with_int("axis", 1))
    })
    .opset(11),
    case("LogSoftmax of version 9, over vectors", ALL, |g, x| {
        let rows = g.ints("all", &[0, ALL as i64]);
        let rows = g.node("Reshape", &[x, &rows], "vectors");
        g.push(node("LogSoftmax", &[&rows]))
    })
    .opset(9),
    case("Scatter of version 9", ALL, |g, x| {
        let exchanged = |g: &mut GraphBuilder, x: &str, name: &str| {
            g.push(NodeProto::new("Transpose", &[x], name).with_ints("perm", &[1, 0, 2, 3]))
        };
        let by_channel = exchanged(g, x, "by_channel");
        let first = g.ints("first", &[0]);
        let taken = g.push(NodeProto::new("Gather", &[&by_channel, &first], "taken").with_int("axis", 0));
        let updates = g.node("Tanh", &[&taken], "updates");
        let shape = g.node("Shape", &[&updates], "shape");
        let three = g.ints("three", &[3]);
        let to = g.node("Expand", &[&three, &shape], "to");
        let put = g.push(node("Scatter", &[&by_channel, &to, &updates]).with_int("axis", 0));
        exchanged(g, &put, "by_image")
    })
    .opset(9),
    case("Dropout of version 9", ALL, |g, x| g.push(node("Dropout", &[x]).with_float("ratio", 0.5))).opset(9),
    case("Upsample of version 8", C * 12 * 12, |g, x| {
        g.push(with_floats(node("Upsample", &[x]), "scales", &[1.0, 1.0, 2.0, 2.0]).with_string("mode", "nearest"))
    })
    .opset(8),
    case("Upsample of version 9, linear", C * 12 * 12, |g, x| upsample(g, x, "Upsample", "linear")).opset(9),
    case("Resize of version 10", C * 12 * 12, |g, x| upsample(g, x, "Resize", "nearest")).opset(10),
    case("BatchNormalization of version 8", ALL, |g, x| {
        let values = [("scale", 1.5), ("bias", 0.2), ("mean", 0.1), ("var", 0.8)];
        let names = values.map(|(name, value)| g.floats(name, &[C], &[value; C]));
        let [scale, bias, mean, var] = &names;
        g.push(node("BatchNormalization", &[x, scale, bias, mean, var]))
    })
    .opset(8),
];
