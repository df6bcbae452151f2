//! Small networks written as ONNX, for the demo and for tests.

use crate::constant::{float_proto, int_proto};
use crate::model::Model;
use crate::proto::tensor_proto::DataType;
use crate::proto::tensor_shape_proto::{Dimension, dimension::Value as Dim};
use crate::proto::type_proto::{Tensor, Value as Type};
use crate::proto::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::path::PathBuf;

/// Builds a graph node by node. Each method returns the name of the tensor that its node gives.
///
/// ```
/// use ascan_onnx::builder::GraphBuilder;
///
/// let mut graph = GraphBuilder::new("image", [3, 32, 32], 0);
/// let x = graph.conv("stem", "image", 3, 8, 3, 1);
/// let x = graph.relu("features", &x);
/// let x = graph.global_average_pool("pooled", &x);
/// let x = graph.flatten("flat", &x);
/// let logits = graph.linear("logits", &x, 8, 2);
/// let model = graph.finish(&logits, "net.onnx");
/// assert_eq!(model.graph()?.node.len(), 5);
/// # Ok::<(), ascan_core::Error>(())
/// ```
#[derive(Debug)]
pub struct GraphBuilder {
    opset: i64,
    graph: GraphProto,
    rng: StdRng,
}

impl GraphBuilder {
    /// A graph (operator set 13) with one input `[n, c, h, w]`, `n` open; weights are drawn with `seed`.
    pub fn new(input: &str, [c, h, w]: [usize; 3], seed: u64) -> Self {
        Self::with_input_shape(input, &[c, h, w], seed)
    }

    /// A graph with one input `[n, shape…]`, `n` open.
    pub fn with_input_shape(input: &str, shape: &[usize], seed: u64) -> Self {
        let mut graph = Self::empty(13, seed);
        let shape: Vec<Option<usize>> = [None].into_iter().chain(shape.iter().copied().map(Some)).collect();
        graph.input(input, DataType::Float, &shape);
        graph
    }

    /// A graph of this version of ONNX's operators without inputs and outputs.
    pub fn empty(opset: i64, seed: u64) -> Self {
        let graph = GraphProto { name: "net".to_owned(), ..Default::default() };
        Self { opset, graph, rng: StdRng::seed_from_u64(seed) }
    }

    /// Declares an input; `None` is an open length.
    pub fn input(&mut self, name: &str, elem: DataType, shape: &[Option<usize>]) {
        self.graph.input.push(value(name, elem, shape));
    }

    /// Declares an output.
    pub fn output(&mut self, name: &str, elem: DataType, shape: &[Option<usize>]) {
        self.graph.output.push(value(name, elem, shape));
    }

    /// Adds a node without attributes.
    pub fn node(&mut self, op_type: &str, inputs: &[&str], output: &str) -> String {
        self.push(NodeProto::new(op_type, inputs, output))
    }

    /// Adds a node; returns its first output.
    pub fn push(&mut self, node: NodeProto) -> String {
        let output = node.output.first().cloned().unwrap_or_default();
        self.graph.node.push(node);
        output
    }

    /// Adds a float32 constant.
    pub fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        self.constant(float_proto(name, shape, values))
    }

    /// Adds a vector of 64-bit integers.
    pub fn ints(&mut self, name: &str, values: &[i64]) -> String {
        self.constant(int_proto(name, values))
    }

    /// Adds a constant.
    pub fn constant(&mut self, tensor: TensorProto) -> String {
        let name = tensor.name.clone();
        self.graph.initializer.push(tensor);
        name
    }

    /// Adds a float32 constant drawn from a normal distribution with variance `2 / fan_in`
    /// (He et al. 2015, arXiv 1502.01852), where `fan_in` is the product of all axes but the first.
    pub fn he(&mut self, name: &str, shape: &[usize]) -> String {
        let fan_in: usize = shape.iter().skip(1).product();
        let deviation = (2.0 / fan_in.max(1) as f64).sqrt();
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| (self.normal() * deviation) as f32).collect();
        self.floats(name, shape, &values)
    }

    /// A standard normal number (Box & Muller 1958).
    fn normal(&mut self) -> f64 {
        let (a, b): (f64, f64) = (self.rng.random(), self.rng.random());
        (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }

    /// A convolution of `kernel × kernel` with half padding and a bias of zero; weights `NAME.weight`, `NAME.bias`.
    pub fn conv(&mut self, name: &str, input: &str, c_in: usize, c_out: usize, kernel: usize, stride: usize) -> String {
        let weight = self.he(&format!("{name}.weight"), &[c_out, c_in, kernel, kernel]);
        let bias = self.floats(&format!("{name}.bias"), &[c_out], &vec![0.0; c_out]);
        let node = NodeProto::new("Conv", &[input, &weight, &bias], name)
            .with_ints("kernel_shape", &[kernel as i64; 2])
            .with_ints("strides", &[stride as i64; 2])
            .with_ints("pads", &[(kernel / 2) as i64; 4]);
        self.push(node)
    }

    /// A batch normalisation that changes nothing yet; weights `NAME.weight`, `.bias`, `.running_mean`, `.running_var`.
    pub fn batch_norm(&mut self, name: &str, input: &str, channels: usize) -> String {
        let names = [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)]
            .map(|(part, value)| self.floats(&format!("{name}.{part}"), &[channels], &vec![value; channels]));
        let [weight, bias, mean, variance] = &names;
        let node = NodeProto::new("BatchNormalization", &[input, weight, bias, mean, variance], name);
        self.push(node.with_float("epsilon", 1e-5))
    }

    /// `max(x, 0)`.
    pub fn relu(&mut self, name: &str, input: &str) -> String {
        self.node("Relu", &[input], name)
    }

    /// Spatial mean, `[n, c, 1, 1]`.
    pub fn global_average_pool(&mut self, name: &str, input: &str) -> String {
        self.node("GlobalAveragePool", &[input], name)
    }

    /// All axes but the first as one.
    pub fn flatten(&mut self, name: &str, input: &str) -> String {
        self.node("Flatten", &[input], name)
    }

    /// A linear layer as `Gemm` with a bias of zero; weights `NAME.weight` `[c_out, c_in]`, `NAME.bias`.
    pub fn linear(&mut self, name: &str, input: &str, c_in: usize, c_out: usize) -> String {
        let weight = self.he(&format!("{name}.weight"), &[c_out, c_in]);
        let bias = self.floats(&format!("{name}.bias"), &[c_out], &vec![0.0; c_out]);
        self.push(NodeProto::new("Gemm", &[input, &weight, &bias], name).with_int("transB", 1))
    }

    /// The model whose output is the tensor `logits`, `[n, n_classes]`. `path` is used in messages; nothing is written.
    ///
    /// The number of classes is that of the last linear layer with this name, open for other tensors.
    pub fn finish(mut self, logits: &str, path: impl Into<PathBuf>) -> Model {
        let weight = self.graph.initializer.iter().find(|tensor| tensor.name == format!("{logits}.weight"));
        let n_classes = weight.and_then(|weight| usize::try_from(*weight.dims.first()?).ok());
        self.output(logits, DataType::Float, &[None, n_classes]);
        Model::from_proto(self.into_proto(), path)
    }

    /// The model with the inputs and outputs declared so far.
    pub fn into_proto(self) -> ModelProto {
        ModelProto {
            ir_version: 8,
            producer_name: "attribution-scanner".to_owned(),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: self.opset }],
            graph: Some(self.graph),
            ..Default::default()
        }
    }
}

fn value(name: &str, elem: DataType, shape: &[Option<usize>]) -> ValueInfoProto {
    let dim = |(i, length): (usize, &Option<usize>)| {
        let open = || Dim::DimParam(if i == 0 { "n".to_owned() } else { format!("{name}_{i}") });
        Dimension { value: Some(length.map_or_else(open, |length| Dim::DimValue(length as i64))), ..Default::default() }
    };
    let tensor = Tensor {
        elem_type: elem.into(),
        shape: Some(TensorShapeProto { dim: shape.iter().enumerate().map(dim).collect() }),
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { value: Some(Type::TensorType(tensor)), ..Default::default() }),
        ..Default::default()
    }
}
