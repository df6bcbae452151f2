//! What onnxruntime's optimiser and its quantiser write into a file, written out as plain operators of ONNX: then every engine
//! runs and differentiates them. What is not written out only onnxruntime runs.

mod quantised;

use crate::constant::float_proto;
use crate::node::is_standard;
use crate::proto::tensor_proto::DataType;
use crate::proto::{GraphProto, NodeProto, TensorProto};
use std::borrow::Cow;

/// The first version of ONNX's operators that has all those that are written here.
const SINCE: i64 = 13;

/// Replaces every operator that is known here. `extra` receives the constants. A model of half precision stays as it is: the
/// constants would have another type.
///
/// # Source
/// onnxruntime, docs/ContribOperators.md: the formula of each.
pub(crate) fn write_out<'m>(
    graph: &GraphProto,
    nodes: Cow<'m, [NodeProto]>,
    opset: i64,
    extra: &mut Vec<TensorProto>,
) -> Cow<'m, [NodeProto]> {
    let is_half =
        |tensor: &TensorProto| [DataType::Float16 as i32, DataType::Bfloat16 as i32].contains(&tensor.data_type);
    let is_fused = |node: &NodeProto| {
        node.domain == "com.microsoft" || is_standard(&node.domain) && node.op_type.starts_with("QLinear")
    };
    if opset < SINCE || !nodes.iter().any(is_fused) || graph.initializer.iter().any(is_half) {
        return nodes;
    }
    let written = nodes.iter().flat_map(|node| {
        let out = |node: &NodeProto| {
            let mut out = Written { node, graph, nodes: Vec::new(), constants: Vec::new() };
            out.write()?;
            extra.append(&mut out.constants);
            Some(out.nodes)
        };
        Some(node).filter(|node| is_fused(node)).and_then(out).unwrap_or_else(|| vec![node.clone()])
    });
    Cow::Owned(written.collect())
}

/// One operator, being written out.
struct Written<'m> {
    node: &'m NodeProto,
    graph: &'m GraphProto,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
}

impl<'m> Written<'m> {
    /// Writes the operator; `None` if it is not known, or in a form that is not.
    fn write(&mut self) -> Option<()> {
        let output = self.node.output.first()?.clone();
        match self.node.op_type.as_str() {
            "FusedConv" | "FusedGemm" => self.with_activation(&output),
            "FusedMatMul" => self.scaled_product(&output),
            "Gelu" => self.gelu(self.input(0)?.to_owned(), &output),
            "BiasGelu" => {
                let sum = self.add("Add", &[self.input(0)?, self.input(1)?], "sum");
                self.gelu(sum, &output)
            }
            "QuickGelu" => self.quick_gelu(&output),
            "SkipLayerNormalization" => self.skip_normalisation(&output),
            _ => self.quantised(&output),
        }
    }

    fn input(&self, i: usize) -> Option<&'m str> {
        self.node.input(i).filter(|name| !name.is_empty())
    }

    fn named(&self, part: &str) -> String {
        format!("{}/{part}", self.node.output[0])
    }

    /// Adds an operator whose output is a part of the one that is written out.
    fn add(&mut self, op: &str, inputs: &[&str], part: &str) -> String {
        let name = self.named(part);
        self.nodes.push(NodeProto::new(op, inputs, &name));
        name
    }

    /// Adds an operator with the attributes of the one that is written out, but some.
    fn like(&mut self, op: &str, inputs: &[&str], part: &str, without: &[&str]) -> String {
        let name = self.add(op, inputs, part);
        let kept = self.node.attribute.iter().filter(|attribute| !without.contains(&attribute.name.as_str()));
        let kept = kept.cloned().collect();
        if let Some(node) = self.nodes.last_mut() {
            node.attribute = kept;
        }
        name
    }

    /// Adds the operator that gives the output.
    fn end(&mut self, op: &str, inputs: &[&str], output: &str) -> Option<()> {
        self.nodes.push(NodeProto::new(op, inputs, output));
        Some(())
    }

    fn constant(&mut self, part: &str, value: f32) -> String {
        let name = self.named(part);
        self.constants.push(float_proto(&name, &[], &[value]));
        name
    }

    /// `activation(conv(x) + z)`, or of a product.
    fn with_activation(&mut self, output: &str) -> Option<()> {
        const OWN: [&str; 5] =
            ["activation", "activation_params", "activation_alpha", "activation_beta", "activation_gamma"];
        let is_conv = self.node.op_type == "FusedConv";
        let inputs: Vec<&str> = self.node.input.iter().take(3).map(String::as_str).collect();
        let mut made = self.like(if is_conv { "Conv" } else { "Gemm" }, &inputs, "linear", &OWN);
        if let (true, Some(z)) = (is_conv, self.input(3)) {
            made = self.add("Add", &[&made, z], "sum");
        }
        let params = self.node.attr_floats("activation_params").unwrap_or_default().to_vec();
        let param = |i: usize, name: &str| params.get(i).copied().or_else(|| self.node.attr_float(name));
        let (alpha, beta) = (param(0, "activation_alpha"), param(1, "activation_beta"));
        let activation = self.node.attr_string("activation").unwrap_or_default().to_owned();
        match activation.as_str() {
            "" => return self.end("Identity", &[&made], output),
            "Clip" => {
                let [low, high] = [self.constant("low", alpha?), self.constant("high", beta?)];
                return self.end("Clip", &[&made, &low, &high], output);
            }
            "Relu" | "Sigmoid" | "Tanh" | "LeakyRelu" | "HardSigmoid" => {}
            _ => return None,
        }
        let mut node = NodeProto::new(&activation, &[&made], output);
        let takes = usize::from(activation == "LeakyRelu") + 2 * usize::from(activation == "HardSigmoid");
        for (name, value) in [("alpha", alpha), ("beta", beta)].into_iter().take(takes) {
            if let Some(value) = value {
                node = node.with_float(name, value);
            }
        }
        self.nodes.push(node);
        Some(())
    }

    /// `alpha · A B`, of matrices that may be turned. Nothing tells the rank of what is computed yet, so that a turned one is a sum
    /// by letters.
    fn scaled_product(&mut self, output: &str) -> Option<()> {
        let is_set = |name: &str| self.node.attr_int(name).unwrap_or(0) != 0;
        if is_set("transBatchA") || is_set("transBatchB") {
            return None;
        }
        let inputs = [self.input(0)?, self.input(1)?];
        let turned = [is_set("transA"), is_set("transB")];
        let product = self.named("product");
        if turned == [false; 2] {
            self.nodes.push(NodeProto::new("MatMul", &inputs, &product));
        } else {
            // onnxruntime wants an ellipsis of the same length on both sides: a matrix has none.
            let is_matrix =
                |name: &str| self.graph.initializer.iter().any(|tensor| tensor.name == name && tensor.dims.len() == 2);
            let term = |i: usize, letters: [&str; 2]| {
                let dots = if is_matrix(inputs[i]) { "" } else { "..." };
                format!("{dots}{}", letters[usize::from(turned[i])])
            };
            let equation = format!("{},{}->...ik", term(0, ["ij", "ji"]), term(1, ["jk", "kj"]));
            self.nodes.push(NodeProto::new("Einsum", &inputs, &product).with_string("equation", &equation));
        }
        let alpha = self.constant("alpha", self.node.attr_float("alpha").unwrap_or(1.0));
        self.end("Mul", &[&product, &alpha], output)
    }

    /// `x/2 · (1 + erf(x / √2))`.
    fn gelu(&mut self, x: String, output: &str) -> Option<()> {
        let [root, one, half] =
            [("root", std::f32::consts::SQRT_2), ("one", 1.0), ("half", 0.5)].map(|(part, v)| self.constant(part, v));
        let scaled = self.add("Div", &[&x, &root], "scaled");
        let erf = self.add("Erf", &[&scaled], "erf");
        let gate = self.add("Add", &[&erf, &one], "gate");
        let twice = self.add("Mul", &[&x, &gate], "twice");
        self.end("Mul", &[&twice, &half], output)
    }

    /// `x · sigmoid(alpha x)`.
    fn quick_gelu(&mut self, output: &str) -> Option<()> {
        let x = self.input(0)?;
        let alpha = self.constant("alpha", self.node.attr_float("alpha").unwrap_or(1.702));
        let scaled = self.add("Mul", &[x, &alpha], "scaled");
        let gate = self.add("Sigmoid", &[&scaled], "gate");
        self.end("Mul", &[x, &gate], output)
    }

    /// Layer normalisation of a sum, which is the fourth output.
    fn skip_normalisation(&mut self, output: &str) -> Option<()> {
        if (1..3).any(|i| self.node.output.get(i).is_some_and(|name| !name.is_empty())) {
            return None;
        }
        let mut sum = self.add("Add", &[self.input(0)?, self.input(1)?], "sum");
        if let Some(bias) = self.input(4) {
            sum = self.add("Add", &[&sum, bias], "biased_sum");
        }
        if let Some(given) = self.node.output.get(3).filter(|name| !name.is_empty()) {
            self.end("Identity", &[&sum], given)?;
        }
        let inputs: Vec<&str> =
            std::iter::once(sum.as_str()).chain([self.input(2), self.input(3)].into_iter().flatten()).collect();
        let epsilon = self.node.attr_float("epsilon").unwrap_or(1e-12);
        self.nodes.push(
            NodeProto::new("LayerNormalization", &inputs, output).with_int("axis", -1).with_float("epsilon", epsilon),
        );
        Some(())
    }
}
