//! The same values in another arrangement, and parts of them.

use super::{C, Case, SIDE, case, node};
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::{NodeProto, TensorProto};

const ALL: usize = C * SIDE * SIDE;

fn slice(graph: &mut GraphBuilder, x: &str, name: &str, ranges: &[[i64; 4]]) -> String {
    let [axes, starts, ends, steps] = [0, 1, 2, 3].map(|at| {
        let values: Vec<i64> = ranges.iter().map(|range| range[at]).collect();
        graph.ints(&format!("{name}_{at}"), &values)
    });
    graph.push(NodeProto::new("Slice", &[x, &starts, &ends, &axes, &steps], name))
}

fn gather(graph: &mut GraphBuilder, x: &str, axis: i64, indices: &[i64]) -> String {
    let indices = graph.ints("indices", indices);
    graph.push(node("Gather", &[x, &indices]).with_int("axis", axis))
}

fn pad(graph: &mut GraphBuilder, x: &str, pads: [i64; 4], mode: &str) -> String {
    let [top, left, bottom, right] = pads;
    let pads = graph.ints("pads", &[0, 0, top, left, 0, 0, bottom, right]);
    graph.push(node("Pad", &[x, &pads]).with_string("mode", mode))
}

fn concat(graph: &mut GraphBuilder, parts: &[&str], axis: i64, name: &str) -> String {
    graph.push(NodeProto::new("Concat", parts, name).with_int("axis", axis))
}

/// Three layers, each of which reads all before it.
fn dense(graph: &mut GraphBuilder, x: &str) -> String {
    let a = graph.conv("a", x, C, 4, 3, 1);
    let first = concat(graph, &[x, &a], 1, "first");
    let b = graph.conv("b", &first, C + 4, 4, 3, 1);
    let second = concat(graph, &[x, &a, &b], 1, "second");
    let c = graph.conv("c", &second, C + 8, 4, 3, 1);
    concat(graph, &[x, &a, &b, &c], 1, "third")
}

/// A number a place in front of all places, as a class token.
fn with_token(graph: &mut GraphBuilder, x: &str) -> String {
    let shape = graph.node("Shape", &[x], "shape");
    let (zero, one) = (graph.ints("zero", &[0]), graph.ints("one", &[1]));
    let n = graph.node("Slice", &[&shape, &zero, &one], "n");
    let rest = graph.ints("rest", &[1, SIDE as i64, SIDE as i64]);
    let target = concat(graph, &[&n, &rest], 0, "target");
    let token = graph.he("token", &[1, 1, SIDE, SIDE]);
    let token = graph.node("Expand", &[&token, &target], "tokens");
    concat(graph, &[&token, x], 1, "with_token")
}

pub const CASES: &[Case] = &[
    case("Reshape", ALL, |g, x| {
        let shape = g.ints("shape", &[0, 2, -1]);
        g.push(node("Reshape", &[x, &shape]))
    }),
    case("Reshape of images into windows", ALL, |g, x| {
        let (apart, back) = (g.ints("apart", &[-1, 2, SIDE as i64]), g.ints("back", &[-1, C as i64, 36]));
        let windows = g.push(node("Reshape", &[x, &apart]));
        let windows = g.push(NodeProto::new("Softmax", &[&windows], "within"));
        g.node("Reshape", &[&windows, &back], "again")
    }),
    case("Flatten", ALL, |g, x| g.push(node("Flatten", &[x]))),
    case("Squeeze and Unsqueeze", C, |g, x| {
        let pooled = g.conv("before", x, C, C, 3, 1);
        let pooled = g.global_average_pool("pooled", &pooled);
        let (places, last) = (g.ints("places", &[2, 3]), g.ints("last", &[1]));
        let vector = g.push(node("Squeeze", &[&pooled, &places]));
        g.push(node("Unsqueeze", &[&vector, &last]))
    }),
    case("Transpose", ALL, |g, x| {
        let moved = g.push(node("Transpose", &[x]).with_ints("perm", &[0, 2, 3, 1]));
        g.node("Softmax", &[&moved], "over_channels")
    }),
    case("Expand", 2 * ALL, |g, x| {
        let shape = g.ints("apart", &[0, 1, (ALL) as i64]);
        let apart = g.node("Reshape", &[x, &shape], "apart_again");
        let twice = g.ints("twice", &[1, 2, 1]);
        g.push(node("Expand", &[&apart, &twice]))
    }),
    case("Tile", 6 * ALL, |g, x| {
        let times = g.ints("times", &[1, 2, 1, 3]);
        g.push(node("Tile", &[x, &times]))
    }),
    case("DepthToSpace", ALL, |g, x| g.push(node("DepthToSpace", &[x]).with_int("blocksize", 2))),
    case("DepthToSpace, CRD", ALL, |g, x| {
        g.push(node("DepthToSpace", &[x]).with_int("blocksize", 2).with_string("mode", "CRD"))
    }),
    case("SpaceToDepth", ALL, |g, x| g.push(node("SpaceToDepth", &[x]).with_int("blocksize", 3))),
    case("Concat", 2 * ALL, |g, x| {
        let other = g.relu("on", x);
        concat(g, &[x, &other], -1, "joined")
    }),
    case("Concat of joins", (C + 12) * 36, dense),
    case("Concat with a constant", (C + 1) * 36, with_token),
    case("Split, one part unread", 3 * 36, |g, x| {
        let sizes = g.ints("sizes", &[1, 1, 2]);
        let mut split = node("Split", &[x, &sizes]).with_int("axis", 1);
        split.output = vec!["p".into(), "q".into(), "r".into()];
        g.push(split);
        let joined = concat(g, &["r", "p"], 1, "joined");
        g.relu("on", &joined)
    }),
    case("Split into halves", 2 * 36, |g, x| {
        let mut split = node("Split", &[x]).with_int("axis", 1);
        split.output = vec!["p".into(), "q".into()];
        g.push(split);
        g.node("Mul", &["p", "q"], "product")
    }),
    case("Slice", 2 * 3 * SIDE, |g, x| slice(g, x, "part", &[[1, 1, 3, 1], [2, 2, -1, 1]])),
    case("Slice to the end", C * 4 * SIDE, |g, x| slice(g, x, "part", &[[2, 2, i64::MAX, 1]])),
    case("Slice by two", C * 3 * 2, |g, x| slice(g, x, "part", &[[2, 1, 6, 2], [3, 0, 5, 3]])),
    case("Slice backwards", C * SIDE * SIDE, |g, x| slice(g, x, "part", &[[3, -1, i64::MIN + 1, -1]])),
    case("Slice backwards by two", C * SIDE * 2, |g, x| slice(g, x, "part", &[[3, 4, 1, -2]])),
    case("Slices joined the other way round", ALL, |g, x| {
        let low = slice(g, x, "low", &[[2, 0, 2, 1]]);
        let high = slice(g, x, "high", &[[2, 2, 6, 1]]);
        concat(g, &[&high, &low], 2, "rolled")
    }),
    case("Slices of patches", ALL, |g, x| {
        let rows = [0, 1].map(|at| slice(g, x, &format!("rows_{at}"), &[[2, at, 6, 2]]));
        let parts: Vec<String> = (0..4i64)
            .map(|at| slice(g, &rows[(at % 2) as usize], &format!("patch_{at}"), &[[3, at / 2, 6, 2]]))
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        concat(g, &parts, 1, "merged")
    }),
    case("Gather of one", SIDE * SIDE, |g, x| {
        let at = g.constant(single("at", -2));
        g.push(node("Gather", &[x, &at]).with_int("axis", 1))
    }),
    case("Gather in another order", ALL, |g, x| gather(g, x, 1, &[2, 0, 3, 1])),
    case("Gather of some, several times", 5 * C * SIDE, |g, x| gather(g, x, 2, &[1, 4, 4, 0, -1])),
    case("Gather of a view", ALL, |g, x| {
        // Entries of all images in a row, as exporters write `as_strided`.
        let all = g.ints("all", &[-1]);
        let row = g.node("Reshape", &[x, &all], "row");
        let count = g.node("Shape", &[&row], "count");
        let scalar = g.ints("scalar", &[]);
        let count = g.node("Reshape", &[&count, &scalar], "length");
        let [zero, one] = [("start", 0), ("step", 1)].map(|(name, value)| g.constant(single(name, value)));
        let range = g.node("Range", &[&zero, &count, &one], "range");
        let shape = g.ints("map", &[-1, C as i64, SIDE as i64, SIDE as i64]);
        let places = g.node("Reshape", &[&range, &shape], "places");
        g.push(node("Gather", &[&row, &places]))
    }),
    case("Pad", C * 8 * 9, |g, x| pad(g, x, [1, 0, 1, 3], "constant")),
    case("Pad that cuts", C * 5 * 7, |g, x| pad(g, x, [-1, 2, 0, -1], "constant")),
    case("Pad, reflected", C * 9 * 8, |g, x| pad(g, x, [2, 1, 1, 1], "reflect")),
    case("Pad, edge", C * 9 * 8, |g, x| pad(g, x, [2, 1, 1, 1], "edge")),
    case("Trilu", ALL, |g, x| g.push(node("Trilu", &[x]).with_int("upper", 0))).opset(14),
];

/// A whole number without axes.
fn single(name: &str, value: i64) -> TensorProto {
    TensorProto { name: name.to_owned(), data_type: 7, int64_data: vec![value], ..Default::default() }
}
