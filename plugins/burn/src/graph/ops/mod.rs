//! The operators: [`table`] lists them, the other modules compute them, by family.

mod conv;
mod convert;
mod einsum;
mod elementwise;
mod kernel;
mod linear;
mod norm;
mod pool;
mod quant;
mod reduce;
mod resize;
mod select;
mod shape;
mod table;
pub(crate) mod tangent;

pub(crate) use table::Row;

use crate::barrier::Barrier;
use crate::value::{Float, Ints, Value, check_rank};
use ascan_core::{Error, Result};
use ascan_onnx::Operator;
use ascan_onnx::proto::NodeProto;
use burn::tensor::Device;
use std::cell::RefCell;
use std::ops::RangeInclusive;

/// Versions of ONNX's operator set that the interpreter knows.
pub const OPSETS: RangeInclusive<i64> = 7..=28;

/// Computes the outputs of a node.
pub type Kernel = fn(&mut Call) -> Result<Vec<Value>>;

/// The ONNX operators that the interpreter executes, sorted, with the operator set versions it knows.
pub fn claimed_operators() -> Vec<(&'static str, RangeInclusive<i64>)> {
    let executed = Operator::ALL.iter().filter(|&&operator| table::of(operator).is_some());
    executed.map(|operator| (operator.name(), OPSETS)).collect()
}

/// What the interpreter knows of a node's operator.
///
/// # Errors
/// What is missing, in words, if it cannot execute the node.
pub(crate) fn row(node: &NodeProto) -> Result<Row, String> {
    let row = Operator::of(node).and_then(table::of).ok_or("the burn backend does not have it")?;
    match (row.check)(node) {
        None => Ok(row),
        Some(why) => Err(why),
    }
}

/// A convolution node with the frozen batch normalisation behind it, where weights of either are trained.
///
/// Its inputs are those of the convolution (three, the bias may be left out), then those of the normalisation but for
/// the first. The weights are scaled instead of the feature map: that costs nothing, and gradients reach all of them.
pub(crate) fn fuse_batch_norm(conv: &NodeProto, norm: &NodeProto) -> (NodeProto, Row) {
    // The name is for messages; no operator of ONNX has it.
    let mut fused = NodeProto { op_type: "Conv+BatchNormalization".to_owned(), ..conv.clone() };
    fused.attribute.extend(norm.attribute.iter().filter(|attribute| attribute.name == "epsilon").cloned());
    (fused, table::fused())
}

/// Values of running statistics, by initializer name.
pub type Statistics = Vec<(String, Vec<f32>)>;

/// What the kernels of a run share.
#[derive(Debug)]
pub struct Run {
    /// Where the floats are.
    pub device: Device,
    /// Version of the operator set of the model.
    pub opset: i64,
    /// Batch normalisation under training; `None` where it is frozen.
    pub batch_norm: Option<BatchNormTraining>,
}

/// Batch normalisation under training, in a run on one shard of a batch.
#[derive(Debug)]
pub struct BatchNormTraining {
    /// At which the shards exchange the moments of their images.
    pub barrier: Barrier,
    /// New running statistics, by initializer name.
    pub updates: RefCell<Statistics>,
}

/// One execution of a node: its attributes, and its inputs, which the kernel takes.
pub struct Call<'a> {
    /// The node.
    pub node: &'a NodeProto,
    /// What the run shares.
    pub run: &'a Run,
    /// Inputs; `None` for one that is left out or already taken.
    pub inputs: Vec<Option<Value>>,
}

impl Call<'_> {
    /// Whether input `i` is there.
    pub fn has(&self, i: usize) -> bool {
        self.inputs.get(i).is_some_and(Option::is_some)
    }

    /// Whether input `i` is there and holds integers or booleans.
    pub fn is_ints(&self, i: usize) -> bool {
        matches!(self.inputs.get(i), Some(Some(Value::Ints(_))))
    }

    /// Takes input `i`, if it is there.
    pub fn optional(&mut self, i: usize) -> Option<Value> {
        self.inputs.get_mut(i).and_then(Option::take)
    }

    /// Takes input `i`.
    pub fn value(&mut self, i: usize) -> Result<Value> {
        self.optional(i).ok_or_else(|| self.error(format!("its input {i} is missing")))
    }

    /// Takes input `i` as floats; integers are converted.
    pub fn float(&mut self, i: usize) -> Result<Float> {
        match self.value(i)? {
            Value::Float(float) => Ok(float),
            Value::Ints(ints) => ints.to_float(&self.run.device),
        }
    }

    /// Takes input `i` as floats, if it is there.
    pub fn optional_float(&mut self, i: usize) -> Result<Option<Float>> {
        if self.has(i) { self.float(i).map(Some) } else { Ok(None) }
    }

    /// Takes input `i` as integers.
    pub fn ints(&mut self, i: usize) -> Result<Ints> {
        match self.value(i)? {
            Value::Ints(ints) => Ok(ints),
            Value::Float(_) => Err(self.error(format!("its input {i} has to be integers"))),
        }
    }

    /// Takes the list of integers that is an attribute in older operator sets and input `i` in newer ones.
    pub fn list(&mut self, name: &str, i: usize) -> Result<Option<Vec<i64>>> {
        match self.node.attr_ints(name) {
            Some(list) => Ok(Some(list.to_vec())),
            None if self.has(i) => Ok(Some(self.ints(i)?.data)),
            None => Ok(None),
        }
    }

    /// Takes a number that is an attribute in older operator sets and input `i` in newer ones.
    pub fn number(&mut self, name: &str, i: usize) -> Result<Option<f64>> {
        match (self.node.attr_float(name), self.optional(i)) {
            (Some(number), _) => Ok(Some(number.into())),
            (None, Some(Value::Float(float))) => Ok(float.to_vec().first().map(|&number| number.into())),
            (None, Some(Value::Ints(ints))) => Ok(ints.data.first().map(|&number| number as f64)),
            (None, None) => Ok(None),
        }
    }

    /// An integer attribute, or its default.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.node.attr_int(name).unwrap_or(default)
    }

    /// A number attribute, or its default.
    pub fn real(&self, name: &str, default: f32) -> f32 {
        self.node.attr_float(name).unwrap_or(default)
    }

    /// An error at this node.
    pub fn error(&self, why: impl Into<String>) -> Error {
        Error::UnsupportedOperator {
            operator: self.node.operator(),
            node: self.node.display_name().to_owned(),
            model: "the model".to_owned(),
            why: why.into(),
        }
    }
}

fn floats(float: Float) -> Result<Vec<Value>> {
    check_rank(float.rank())?;
    Ok(vec![Value::Float(float)])
}

fn ints(ints: Ints) -> Result<Vec<Value>> {
    Ok(vec![Value::Ints(ints)])
}
