//! Reading attributes by name, and making nodes.

use crate::proto::attribute_proto::AttributeType;
use crate::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};

impl NodeProto {
    /// A node of one output, without attributes, named after its output.
    pub fn new(op_type: &str, inputs: &[&str], output: &str) -> Self {
        Self {
            op_type: op_type.to_owned(),
            name: output.to_owned(),
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: vec![output.to_owned()],
            ..Self::default()
        }
    }

    fn with(mut self, name: &str, kind: AttributeType, attribute: AttributeProto) -> Self {
        self.attribute.push(AttributeProto { name: name.to_owned(), r#type: kind.into(), ..attribute });
        self
    }

    /// The node with one more integer attribute.
    #[must_use]
    pub fn with_int(self, name: &str, value: i64) -> Self {
        self.with(name, AttributeType::Int, AttributeProto { i: value, ..Default::default() })
    }

    /// The node with one more list of integers.
    #[must_use]
    pub fn with_ints(self, name: &str, values: &[i64]) -> Self {
        self.with(name, AttributeType::Ints, AttributeProto { ints: values.to_vec(), ..Default::default() })
    }

    /// The node with one more number.
    #[must_use]
    pub fn with_float(self, name: &str, value: f32) -> Self {
        self.with(name, AttributeType::Float, AttributeProto { f: value, ..Default::default() })
    }

    /// The node with one more text.
    #[must_use]
    pub fn with_string(self, name: &str, value: &str) -> Self {
        self.with(name, AttributeType::String, AttributeProto { s: value.as_bytes().to_vec(), ..Default::default() })
    }

    /// The node with one more tensor.
    #[must_use]
    pub fn with_tensor(self, name: &str, value: TensorProto) -> Self {
        self.with(name, AttributeType::Tensor, AttributeProto { t: Some(value), ..Default::default() })
    }

    fn attr(&self, name: &str) -> Option<&AttributeProto> {
        self.attribute.iter().find(|attribute| attribute.name == name)
    }

    /// An integer attribute.
    pub fn attr_int(&self, name: &str) -> Option<i64> {
        self.attr(name).map(|attribute| attribute.i)
    }

    /// A list of integers.
    pub fn attr_ints(&self, name: &str) -> Option<&[i64]> {
        self.attr(name).map(|attribute| attribute.ints.as_slice())
    }

    /// A number.
    pub fn attr_float(&self, name: &str) -> Option<f32> {
        self.attr(name).map(|attribute| attribute.f)
    }

    /// A list of numbers.
    pub fn attr_floats(&self, name: &str) -> Option<&[f32]> {
        self.attr(name).map(|attribute| attribute.floats.as_slice())
    }

    /// A string; `None` also if it is not UTF-8.
    pub fn attr_string(&self, name: &str) -> Option<&str> {
        self.attr(name).and_then(|attribute| std::str::from_utf8(&attribute.s).ok())
    }

    /// A list of strings; `None` also if one is not UTF-8.
    pub fn attr_strings(&self, name: &str) -> Option<Vec<String>> {
        let strings = &self.attr(name)?.strings;
        strings.iter().map(|bytes| String::from_utf8(bytes.clone()).ok()).collect()
    }

    /// A tensor.
    pub fn attr_tensor(&self, name: &str) -> Option<&TensorProto> {
        self.attr(name).and_then(|attribute| attribute.t.as_ref())
    }

    /// A graph: the body of an `If`, `Loop` or `Scan`.
    pub(crate) fn attr_graph(&self, name: &str) -> Option<&GraphProto> {
        self.attr(name).and_then(|attribute| attribute.g.as_ref())
    }

    /// Name for messages: the node's own, or that of its first output.
    pub fn display_name(&self) -> &str {
        match self.output.first() {
            Some(output) if self.name.is_empty() => output,
            _ => &self.name,
        }
    }

    /// Operator type, with its domain if it is not ONNX's own.
    pub fn operator(&self) -> String {
        if is_standard(&self.domain) { self.op_type.clone() } else { format!("{}::{}", self.domain, self.op_type) }
    }

    /// Input `i`; `None` if it is left out.
    pub fn input(&self, i: usize) -> Option<&str> {
        self.input.get(i).map(String::as_str).filter(|name| !name.is_empty())
    }
}

/// Whether a domain is ONNX's own set of operators.
pub(crate) fn is_standard(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}
