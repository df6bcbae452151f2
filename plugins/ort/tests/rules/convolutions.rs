//! Convolutions, with every form of window.

use super::{C, Case, SIDE, case, node};
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::NodeProto;

/// A convolution of `C` channels to `n_out`, with these attributes.
fn conv(
    graph: &mut GraphBuilder,
    x: &str,
    n_out: usize,
    groups: usize,
    kernel: &[usize],
    attributes: &[(&str, &[i64])],
) -> String {
    let w = graph.he("w", &[&[n_out, C / groups], kernel].concat());
    let b = graph.he("b", &[n_out]);
    let node = node("Conv", &[x, &w, &b]).with_int("group", groups as i64);
    graph.push(attributes.iter().fold(node, |node, (name, values)| node.with_ints(name, values)))
}

/// A transposed convolution of `C` channels to `n_out`.
fn transposed(
    graph: &mut GraphBuilder,
    x: &str,
    n_out: usize,
    groups: usize,
    kernel: &[usize],
    attributes: &[(&str, &[i64])],
) -> String {
    let w = graph.he("w", &[&[C, n_out / groups], kernel].concat());
    let node = node("ConvTranspose", &[x, &w]).with_int("group", groups as i64);
    graph.push(attributes.iter().fold(node, |node, (name, values)| node.with_ints(name, values)))
}

fn same(graph: &mut GraphBuilder, x: &str, mode: &str) -> String {
    let w = graph.he("w", &[5, C, 3, 4]);
    graph.push(node("Conv", &[x, &w]).with_string("auto_pad", mode).with_ints("strides", &[2, 2]))
}

/// The image as `[n, C, 36]`, or `[n, C, 3, 2, 6]`.
fn arranged(graph: &mut GraphBuilder, x: &str, shape: &[i64]) -> String {
    let shape = graph.ints("arranged_shape", shape);
    graph.node("Reshape", &[x, &shape], "arranged")
}

pub const CASES: &[Case] = &[
    case("3 × 3", 5 * 36, |g, x| conv(g, x, 5, 1, &[3, 3], &[("pads", &[1, 1, 1, 1])])),
    case("1 × 1", 5 * 36, |g, x| conv(g, x, 5, 1, &[1, 1], &[])),
    case("2 × 3 without padding", 5 * 20, |g, x| conv(g, x, 5, 1, &[2, 3], &[])),
    case("padding on one side", 8 * 30, |g, x| conv(g, x, 8, 1, &[3, 4], &[("pads", &[0, 1, 1, 2])])),
    case("padding beyond the kernel", 5 * 100, |g, x| conv(g, x, 5, 1, &[1, 1], &[("pads", &[2, 2, 2, 2])])),
    case("dilated", 5 * 36, |g, x| conv(g, x, 5, 1, &[3, 3], &[("pads", &[2, 2, 2, 2]), ("dilations", &[2, 2])])),
    case("stride 2", 5 * 9, |g, x| conv(g, x, 5, 1, &[3, 3], &[("pads", &[1, 1, 1, 1]), ("strides", &[2, 2])])),
    case("stride 2, 1 × 1", 5 * 9, |g, x| conv(g, x, 5, 1, &[1, 1], &[("strides", &[2, 2])])),
    case("stride 4 by 3", 5 * 2, |g, x| conv(g, x, 5, 1, &[4, 4], &[("strides", &[4, 2])])),
    case("stride 2, dilated", 5 * 9, |g, x| {
        conv(g, x, 5, 1, &[3, 3], &[("pads", &[2, 2, 2, 2]), ("dilations", &[2, 2]), ("strides", &[2, 2])])
    }),
    case("two groups", 6 * 36, |g, x| conv(g, x, 6, 2, &[3, 3], &[("pads", &[1, 1, 1, 1])])),
    case("two groups, stride 2", 6 * 9, |g, x| {
        conv(g, x, 6, 2, &[3, 3], &[("pads", &[1, 1, 1, 1]), ("strides", &[2, 2])])
    }),
    case("depthwise", 4 * 36, |g, x| conv(g, x, 4, 4, &[3, 3], &[("pads", &[1, 1, 1, 1])])),
    case("depthwise, two a channel", 8 * 36, |g, x| conv(g, x, 8, 4, &[3, 3], &[("pads", &[1, 1, 1, 1])])),
    case("depthwise, stride 2", 4 * 9, |g, x| {
        conv(g, x, 4, 4, &[3, 3], &[("pads", &[1, 1, 1, 1]), ("strides", &[2, 2])])
    }),
    case("depthwise, stride 2, 5 × 5, padding behind", 4 * 9, |g, x| {
        conv(g, x, 4, 4, &[5, 5], &[("pads", &[1, 1, 2, 2]), ("strides", &[2, 2])])
    }),
    case("depthwise, stride 3", 4 * 4, |g, x| conv(g, x, 4, 4, &[3, 3], &[("strides", &[3, 3])])),
    case("SAME_UPPER", 5 * 9, |g, x| same(g, x, "SAME_UPPER")),
    case("SAME_LOWER", 5 * 9, |g, x| same(g, x, "SAME_LOWER")),
    case("one axis", 5 * 18, |g, x| {
        let x = arranged(g, x, &[0, C as i64, 36]);
        conv(g, &x, 5, 1, &[3], &[("pads", &[1, 1]), ("strides", &[2])])
    }),
    case("three axes", 5 * 36, |g, x| {
        let x = arranged(g, x, &[0, C as i64, 3, 2, 6]);
        conv(g, &x, 5, 1, &[3, 1, 3], &[("pads", &[1, 0, 1, 1, 0, 1])])
    }),
    case("behind a mean", 5 * 36, |g, x| {
        let made = conv(g, x, 5, 1, &[3, 3], &[("pads", &[1, 1, 1, 1])]);
        let plane = g.push(NodeProto::new("ReduceMean", &[&made], "mean").with_ints("axes", &[2, 3]));
        g.node("Mul", &[&made, &plane], "gated")
    }),
    case("two behind ReLU6", 5 * 36, |g, x| {
        let (low, high) = (g.floats("low", &[], &[0.0]), g.floats("high", &[], &[1.0]));
        let made = g.conv("before", x, C, 8, 3, 1);
        let made = g.node("Clip", &[&made, &low, &high], "clipped");
        let made = g.conv("between", &made, 8, 5, 1, 1);
        g.node("Clip", &[&made, &low, &high], "clipped_again")
    }),
    case("transposed", 5 * 144, |g, x| {
        transposed(g, x, 5, 1, &[3, 3], &[("strides", &[2, 2]), ("pads", &[1, 1, 1, 1]), ("output_padding", &[1, 1])])
    }),
    case("transposed, groups", 6 * 169, |g, x| transposed(g, x, 6, 2, &[3, 3], &[("strides", &[2, 2])])),
    case("transposed, cut", 5 * 110, |g, x| {
        transposed(g, x, 5, 1, &[2, 2], &[("strides", &[2, 2]), ("pads", &[0, 1, 1, 1])])
    }),
    case("transposed, dilated", 5 * 64, |g, x| {
        transposed(g, x, 5, 1, &[3, 3], &[("dilations", &[2, 2]), ("pads", &[1, 1, 1, 1])])
    }),
];

const _: () = assert!(SIDE == 6, "the numbers of places above are those of six rows");
