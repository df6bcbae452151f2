//! Functions of one tensor.

use super::{C, Case, SIDE, case, node};
use ascan_onnx::builder::GraphBuilder;

const ALL: usize = C * SIDE * SIDE;

fn bounds(graph: &mut GraphBuilder, x: &str, low: Option<f32>, high: Option<f32>) -> String {
    let low = low.map(|low| graph.floats("low", &[], &[low])).unwrap_or_default();
    let high = high.map(|high| graph.floats("high", &[], &[high])).unwrap_or_default();
    graph.push(node("Clip", &[x, &low, &high]))
}

fn one(graph: &mut GraphBuilder, name: &str, value: f32) -> String {
    graph.floats(name, &[], &[value])
}

/// Values above 0.5.
fn positive(graph: &mut GraphBuilder, x: &str) -> String {
    let square = graph.node("Mul", &[x, x], "square");
    let half = one(graph, "above", 0.5);
    graph.node("Add", &[&square, &half], "positive")
}

/// The three orders in which exporters multiply `x`, one half and `1 + erf`.
fn gelu(graph: &mut GraphBuilder, x: &str, order: usize) -> String {
    let (root, unit, half) = (one(graph, "root", 2f32.sqrt()), one(graph, "unit", 1.0), one(graph, "half", 0.5));
    let scaled = graph.node("Div", &[x, &root], "scaled");
    let erf = graph.node("Erf", &[&scaled], "erf");
    let sum = graph.node("Add", &[&erf, &unit], "sum");
    match order {
        0 => {
            let first = graph.node("Mul", &[x, &sum], "first");
            graph.node("Mul", &[&first, &half], "gelu")
        }
        1 => {
            let first = graph.node("Mul", &[&half, &sum], "first");
            graph.node("Mul", &[&first, x], "gelu")
        }
        _ => {
            let first = graph.node("Mul", &[x, &half], "first");
            graph.node("Mul", &[&first, &sum], "gelu")
        }
    }
}

pub const CASES: &[Case] = &[
    case("Relu", ALL, |g, x| g.push(node("Relu", &[x]))),
    case("Clip to [0, 1]", ALL, |g, x| bounds(g, x, Some(0.0), Some(1.0))),
    case("Clip to [-0.71, 0.633]", ALL, |g, x| bounds(g, x, Some(-0.71), Some(0.633))),
    case("Clip from 0.2", ALL, |g, x| bounds(g, x, Some(0.2), None)),
    case("Clip from 0", ALL, |g, x| bounds(g, x, Some(0.0), None)),
    case("Clip to 0.3", ALL, |g, x| bounds(g, x, None, Some(0.3))),
    case("Clip without bounds", ALL, |g, x| bounds(g, x, None, None)),
    case("LeakyRelu", ALL, |g, x| g.push(node("LeakyRelu", &[x]).with_float("alpha", 0.2))),
    case("ThresholdedRelu", ALL, |g, x| g.push(node("ThresholdedRelu", &[x]).with_float("alpha", 0.4))),
    case("PRelu", ALL, |g, x| {
        let slope = g.floats("slope", &[SIDE], &[0.1, 0.2, 0.3, -0.4, 0.5, 0.6]);
        g.push(node("PRelu", &[x, &slope]))
    }),
    case("HardSigmoid", ALL, |g, x| g.push(node("HardSigmoid", &[x]).with_float("alpha", 0.4))),
    case("HardSwish", ALL, |g, x| {
        let twice = one(g, "thrice", 3.0);
        let x = g.node("Mul", &[x, &twice], "wide");
        g.push(node("HardSwish", &[&x]))
    })
    .opset(14),
    case("HardSwish of one place", C, |g, x| {
        let x = g.global_average_pool("pooled", x);
        g.push(node("HardSwish", &[&x]))
    })
    .opset(14),
    case("HardSwish in two nodes", ALL, |g, x| {
        let h = g.push(node("HardSigmoid", &[x]).with_float("alpha", 1.0 / 6.0).with_float("beta", 0.5));
        g.node("Mul", &[&h, x], "swish")
    }),
    case("Sigmoid", ALL, |g, x| g.push(node("Sigmoid", &[x]))),
    case("SiLU", ALL, |g, x| {
        let s = g.push(node("Sigmoid", &[x]));
        g.node("Mul", &[&s, x], "silu")
    }),
    case("Sigmoid read twice", ALL, |g, x| {
        let s = g.push(node("Sigmoid", &[x]));
        let product = g.node("Mul", &[x, &s], "product");
        g.node("Add", &[&product, &s], "sum")
    }),
    case("Tanh", ALL, |g, x| g.push(node("Tanh", &[x]))),
    case("Softplus", ALL, |g, x| g.push(node("Softplus", &[x]))),
    case("Softsign", ALL, |g, x| g.push(node("Softsign", &[x]))),
    case("Elu", ALL, |g, x| g.push(node("Elu", &[x]).with_float("alpha", 0.7))),
    case("Celu", ALL, |g, x| g.push(node("Celu", &[x]).with_float("alpha", 0.7))),
    case("Selu", ALL, |g, x| g.push(node("Selu", &[x]))),
    case("Gelu", ALL, |g, x| g.push(node("Gelu", &[x]))).opset(20),
    case("Gelu by tanh", ALL, |g, x| g.push(node("Gelu", &[x]).with_string("approximate", "tanh"))).opset(20),
    case("GELU, x first", ALL, |g, x| gelu(g, x, 0)),
    case("GELU, half first", ALL, |g, x| gelu(g, x, 1)),
    case("GELU, half of x", ALL, |g, x| gelu(g, x, 2)),
    case("Swish", ALL, |g, x| g.push(node("Swish", &[x]).with_float("alpha", 1.5))).opset(24),
    case("Mish", ALL, |g, x| g.push(node("Mish", &[x]))).opset(18),
    case("Abs", ALL, |g, x| g.push(node("Abs", &[x]))),
    case("Neg", ALL, |g, x| g.push(node("Neg", &[x]))),
    case("Exp", ALL, |g, x| g.push(node("Exp", &[x]))),
    case("Log", ALL, |g, x| {
        let x = positive(g, x);
        g.push(node("Log", &[&x]))
    }),
    case("Sqrt", ALL, |g, x| {
        let x = positive(g, x);
        g.push(node("Sqrt", &[&x]))
    }),
    case("Reciprocal", ALL, |g, x| {
        let x = positive(g, x);
        g.push(node("Reciprocal", &[&x]))
    }),
    case("Sin", ALL, |g, x| g.push(node("Sin", &[x]))),
    case("Cos", ALL, |g, x| g.push(node("Cos", &[x]))),
    case("Erf", ALL, |g, x| g.push(node("Erf", &[x]))),
    case("Pow 2", ALL, |g, x| {
        let p = one(g, "p", 2.0);
        g.push(node("Pow", &[x, &p]))
    }),
    case("Pow 3", ALL, |g, x| {
        let p = one(g, "p", 3.0);
        g.push(node("Pow", &[x, &p]))
    }),
    case("Pow of several exponents", ALL, |g, x| {
        let x = positive(g, x);
        let p = g.floats("p", &[SIDE], &[1.0, 2.0, 0.5, 3.0, -1.0, 1.5]);
        g.push(node("Pow", &[&x, &p]))
    }),
    case("Pow of a constant", ALL, |g, x| {
        let base = one(g, "base", 1.7);
        g.push(node("Pow", &[&base, x]))
    }),
    case("Identity, Cast and Dropout", ALL, |g, x| {
        let x = g.push(node("Identity", &[x]));
        let x = g.push(node("Cast", &[&x]).with_int("to", 11));
        let x = g.push(ascan_onnx::proto::NodeProto::new("Cast", &[&x], "back").with_int("to", 1));
        g.push(node("Dropout", &[&x]))
    }),
    case("CastLike", ALL, |g, x| {
        let like = one(g, "like", 1.0);
        g.push(node("CastLike", &[x, &like]))
    })
    .opset(15),
];
