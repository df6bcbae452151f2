//! Operators of several tensors, products of matrices, and softmax.

use super::{C, Case, SIDE, case, node};
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::NodeProto;

const ALL: usize = C * SIDE * SIDE;

/// One number a channel, from the image.
fn gate(graph: &mut GraphBuilder, x: &str) -> String {
    let pooled = graph.global_average_pool("pooled", x);
    let gate = graph.conv("squeeze", &pooled, C, C, 1, 1);
    graph.node("Sigmoid", &[&gate], "gate")
}

/// Another tensor of the same shape.
fn other(graph: &mut GraphBuilder, x: &str) -> String {
    let turned = graph.node("Tanh", &[x], "other");
    let one = graph.floats("two", &[], &[2.0]);
    graph.node("Add", &[&turned, &one], "other_above")
}

fn with_gate(graph: &mut GraphBuilder, x: &str, op_type: &str, first: bool) -> String {
    let gate = gate(graph, x);
    graph.push(if first { node(op_type, &[&gate, x]) } else { node(op_type, &[x, &gate]) })
}

/// Rows of places, `[n, SIDE·SIDE, C]`.
fn tokens(graph: &mut GraphBuilder, x: &str) -> String {
    let last = graph.push(NodeProto::new("Transpose", &[x], "last").with_ints("perm", &[0, 2, 3, 1]));
    let shape = graph.ints("token_shape", &[0, (SIDE * SIDE) as i64, C as i64]);
    graph.node("Reshape", &[&last, &shape], "tokens")
}

fn attention(graph: &mut GraphBuilder, x: &str) -> String {
    let tokens = tokens(graph, x);
    let (q, k) = (graph.he("q", &[C, C]), graph.he("k", &[C, C]));
    let (q, k) = (graph.node("MatMul", &[&tokens, &q], "queries"), graph.node("MatMul", &[&tokens, &k], "keys"));
    let k = graph.push(NodeProto::new("Transpose", &[&k], "turned").with_ints("perm", &[0, 2, 1]));
    let scores = graph.node("MatMul", &[&q, &k], "scores");
    let weights = graph.push(node("Softmax", &[&scores]));
    graph.node("MatMul", &[&weights, &tokens], "mixed")
}

pub const CASES: &[Case] = &[
    case("Add of a gate", ALL, |g, x| with_gate(g, x, "Add", false)),
    case("Sub of a gate", ALL, |g, x| with_gate(g, x, "Sub", false)),
    case("Sub from a gate", ALL, |g, x| with_gate(g, x, "Sub", true)),
    case("Mul by a gate", ALL, |g, x| with_gate(g, x, "Mul", false)),
    case("Mul of a gate", ALL, |g, x| with_gate(g, x, "Mul", true)),
    case("Mul of itself", ALL, |g, x| g.push(node("Mul", &[x, x]))),
    case("Div by a gate", ALL, |g, x| with_gate(g, x, "Div", false)),
    case("Div by another", ALL, |g, x| {
        let other = other(g, x);
        g.push(node("Div", &[x, &other]))
    }),
    case("Div by constants", ALL, |g, x| {
        let below = g.floats("below", &[C, 1, 1], &[1.0, 2.0, -3.0, 0.5]);
        g.push(node("Div", &[x, &below]))
    }),
    case("Sum of three", ALL, |g, x| {
        let (gate, other) = (gate(g, x), other(g, x));
        g.push(node("Sum", &[x, &gate, &other]))
    }),
    case("Mean of three", ALL, |g, x| {
        let (gate, other) = (gate(g, x), other(g, x));
        g.push(node("Mean", &[x, &gate, &other]))
    }),
    case("Max", ALL, |g, x| {
        let gate = gate(g, x);
        let low = g.floats("low", &[], &[0.3]);
        g.push(node("Max", &[x, &low, &gate]))
    }),
    case("Min", ALL, |g, x| {
        let gate = gate(g, x);
        g.push(node("Min", &[&gate, x]))
    }),
    case("Where", ALL, |g, x| {
        let gate = gate(g, x);
        let low = g.floats("low", &[], &[0.3]);
        let truths = g.node("Greater", &[x, &low], "truths");
        g.push(node("Where", &[&truths, x, &gate]))
    }),
    case("a sum left to be broadcast", C, |g, x| {
        // Through the mean the gradient is one number a channel; the sum with a gate needs it 36 times.
        let gate = gate(g, x);
        let sum = g.node("Add", &[x, &gate], "sum");
        g.global_average_pool("mean_of_all", &sum)
    }),
    case("MatMul by constants", ALL, |g, x| {
        let tokens = tokens(g, x);
        let w = g.he("w", &[C, C]);
        g.push(node("MatMul", &[&tokens, &w]))
    }),
    case("MatMul of constants", ALL, |g, x| {
        let w = g.he("w", &[SIDE, SIDE]);
        g.push(node("MatMul", &[&w, x]))
    }),
    case("MatMul of both", ALL, |g, x| {
        let other = other(g, x);
        g.push(node("MatMul", &[x, &other]))
    }),
    case("MatMul repeated over the batch", ALL, |g, x| {
        // [n, 1, h, w] times [n, c, h, w].
        let first = g.push(NodeProto::new("ReduceMean", &[x], "plane").with_ints("axes", &[1]));
        g.push(node("MatMul", &[&first, x]))
    }),
    case("MatMul behind a ReLU6", ALL, |g, x| {
        let (low, high) = (g.floats("low", &[], &[0.0]), g.floats("high", &[], &[1.0]));
        let w = g.he("w", &[SIDE, SIDE]);
        let product = g.push(node("MatMul", &[x, &w]));
        g.node("Clip", &[&product, &low, &high], "clipped")
    }),
    case("Gemm", 5, |g, x| {
        let flat = g.flatten("flattened", x);
        let (w, b) = (g.he("w", &[ALL, 5]), g.he("b", &[5]));
        g.push(node("Gemm", &[&flat, &w, &b]).with_float("alpha", 0.3).with_float("beta", 0.5))
    }),
    case("Gemm, turned", 5, |g, x| {
        let flat = g.flatten("flattened", x);
        let w = g.he("w", &[5, ALL]);
        let made = g.push(node("Gemm", &[&flat, &w]).with_int("transB", 1).with_float("alpha", 0.3));
        g.node("Tanh", &[&made], "on")
    }),
    case("attention", ALL, attention),
    case("Softmax over channels", ALL, |g, x| g.push(node("Softmax", &[x]).with_int("axis", 1))),
    case("LogSoftmax", ALL, |g, x| g.push(node("LogSoftmax", &[x]).with_int("axis", -1))),
];
