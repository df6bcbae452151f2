//! Shape inference with numbers: the shape of every tensor for one concrete input, and the values of those that are
//! computed from shapes and constants alone, so that `Shape → Gather → Concat → Reshape` resolves.
//!
//! The batch size is a number like any other length: inference with two batch sizes shows which axes follow it.

mod declared;
mod fold;
mod ops;
mod window;

use crate::axes::Axis;
use crate::constant;
use crate::operator::Operator;
use crate::proto::tensor_proto::DataType;
use crate::proto::{NodeProto, SparseTensorProto, TensorProto};
pub(crate) use declared::Declared;
use std::collections::HashMap;

/// Constants with more values are not computed with, because they are weights and not shapes.
const MAX_VALUES: usize = 1 << 14;

/// Constants with more values are a mistake or an attack.
const MAX_LEN: usize = 1 << 40;

/// A batch of images has no more values than this: 1 GiB of float32.
const MAX_IMAGE: usize = 1 << 28;

/// So many values a tensor may have whatever image and weights: 256 MiB of float32.
const MIN_ROOM: usize = 1 << 26;
/// So many values for each of the image's: 2,048 channels at full size. What is larger is a mistake or an attack.
const ROOM_PER_VALUE: usize = 2048;

/// What is known of a tensor.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Fact {
    /// Element type, if known.
    pub elem: Option<DataType>,
    /// Shape, if known.
    pub shape: Option<Vec<usize>>,
    /// Values of a small constant or of what is computed from constants and shapes. All types as `f64`.
    pub value: Option<Vec<f64>>,
    /// The meaning of each axis; empty if the shape is not known.
    pub axes: Vec<Axis>,
    /// Whether it depends on the values of the image.
    pub image: bool,
}

impl Fact {
    pub(crate) fn new(elem: Option<DataType>, shape: Vec<usize>) -> Self {
        let axes = vec![Axis::Other; shape.len()];
        Self { elem, shape: Some(shape), value: None, axes, image: false }
    }

    pub(crate) fn with_axes(elem: Option<DataType>, shape: Vec<usize>, axes: Vec<Axis>) -> Self {
        Self { axes, ..Self::new(elem, shape) }
    }

    fn unknown(elem: Option<DataType>) -> Self {
        Self { elem, ..Self::default() }
    }

    /// Refuses shapes of more than `max` values, before anything multiplies their lengths or asks for the memory.
    fn check_size(&self, max: usize) -> Result<(), String> {
        let Some(shape) = &self.shape else { return Ok(()) };
        match length(shape) {
            Some(len) if len <= max => Ok(()),
            _ => Err(format!("a tensor of shape {shape:?} is too large: more than {max} values")),
        }
    }

    fn integers(&self) -> Option<Vec<i64>> {
        self.value.as_ref().map(|values| values.iter().map(|&value| value as i64).collect())
    }

    pub(crate) fn is_float(&self) -> bool {
        use DataType as D;
        matches!(self.elem, Some(D::Float | D::Float16 | D::Bfloat16 | D::Double))
    }

    pub(crate) fn of_constant(tensor: &TensorProto) -> Result<Self, String> {
        let shape = constant::shape(tensor).map_err(|error| error.to_string())?;
        let mut fact = Self::new(Some(tensor.data_type()), shape);
        fact.check_size(MAX_LEN)?;
        let small = fact.shape.iter().flatten().product::<usize>() <= MAX_VALUES;
        if small && tensor.data_type() != DataType::String {
            let constant = constant::decode(tensor).map_err(|error| error.to_string())?;
            fact.value = match constant.to_i64() {
                Some(values) => Some(values.into_iter().map(|value| value as f64).collect()),
                None => constant.to_f32().map(|values| values.into_iter().map(f64::from).collect()),
            };
        }
        Ok(fact)
    }
}

/// No tensor has more axes.
const MAX_RANK: i64 = 64;

/// Refuses an axis that lies outside of every tensor: engines count up to it.
fn check_axes(node: &NodeProto) -> Result<(), String> {
    let one = node.attr_int("axis");
    let mut axes = one.iter().chain(node.attr_ints("axes").unwrap_or_default());
    match axes.find(|axis| !(-MAX_RANK..=MAX_RANK).contains(*axis)) {
        Some(axis) => Err(format!("axis {axis} lies outside of every tensor")),
        None => Ok(()),
    }
}

/// Number of values of a shape; `None` if it is beyond all counting.
fn length(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim.max(1)))
}

/// What is known of every tensor of a graph, by name.
pub(crate) struct Facts<'g> {
    map: HashMap<&'g str, Fact>,
    declared: Declared<'g>,
    batch: usize,
    /// The most values that a tensor may have.
    room: usize,
}

/// The node at which inference stopped, and why.
#[derive(Debug)]
pub(crate) struct Conflict {
    pub node: String,
    pub operator: String,
    pub message: String,
}

impl<'g> Facts<'g> {
    /// What is known of constants.
    pub fn of_constants(constants: impl Iterator<Item = &'g TensorProto>) -> Result<Self, Conflict> {
        let fact = |tensor: &'g TensorProto| match Fact::of_constant(tensor) {
            Ok(fact) => Ok((tensor.name.as_str(), fact)),
            Err(message) => Err(Conflict { node: tensor.name.clone(), operator: "initializer".to_owned(), message }),
        };
        // What is made of weights may be as large as they are, by the bytes that are there and not by what they claim.
        let mut room = MIN_ROOM;
        let constants = constants.inspect(|tensor| room = room.max(tensor.raw_data.len().max(tensor.float_data.len())));
        let map = constants.map(fact).collect::<Result<_, _>>()?;
        Ok(Self { map, declared: Declared::default(), batch: 1, room })
    }

    /// Believes these shapes, of `batch` images, where inference finds none.
    pub fn believe(&mut self, declared: Declared<'g>, batch: usize) {
        (self.declared, self.batch) = (declared, batch);
    }

    /// Adds sparse constants, of which only the shape is kept.
    pub fn add_sparse(&mut self, constants: &'g [SparseTensorProto]) {
        for sparse in constants {
            if let Some(values) = &sparse.values {
                let shape = sparse.dims.iter().map(|&dim| usize::try_from(dim).ok()).collect::<Option<_>>();
                let fact = shape.map(|shape| Fact::new(Some(values.data_type()), shape));
                let fact = fact.filter(|fact| fact.check_size(MAX_LEN).is_ok()).unwrap_or_default();
                self.map.insert(&values.name, fact);
            }
        }
    }

    /// Follows an image through the nodes.
    pub fn run(&mut self, nodes: &'g [NodeProto], opset: i64, input: &'g str, image: Fact) -> Result<(), Conflict> {
        image.check_size(MAX_IMAGE).map_err(|message| Conflict {
            node: input.to_owned(),
            operator: "input".to_owned(),
            message,
        })?;
        let len = image.shape.as_deref().and_then(length).unwrap_or(0);
        self.room = len.saturating_mul(ROOM_PER_VALUE).max(self.room);
        self.map.insert(input, Fact { image: true, ..image });
        self.nodes(nodes, opset)
    }

    fn nodes(&mut self, nodes: &'g [NodeProto], opset: i64) -> Result<(), Conflict> {
        for node in nodes {
            let conflict =
                |message| Conflict { node: node.display_name().to_owned(), operator: node.operator(), message };
            let outputs = match Operator::of(node) {
                // It is not checked whether a branch reads the image: assume that it does.
                Some(Operator::If) => vec![Fact { image: true, ..Fact::unknown(None) }; node.output.len()],
                _ => self.node(node, opset).map_err(conflict)?,
            };
            for (name, mut fact) in node.output.iter().zip(outputs) {
                if fact.shape.is_none()
                    && let Some(declared) = self.declared.fact(name, self.batch)
                    && declared.check_size(self.room).is_ok()
                {
                    fact = Fact { image: fact.image, ..declared };
                }
                self.map.insert(name, fact);
            }
        }
        Ok(())
    }

    fn node(&self, node: &NodeProto, opset: i64) -> Result<Vec<Fact>, String> {
        check_axes(node)?;
        let unknown = Fact::default();
        let inputs: Vec<Option<&Fact>> = node
            .input
            .iter()
            .map(|name| (!name.is_empty()).then(|| self.map.get(name.as_str()).unwrap_or(&unknown)))
            .collect();
        let mut outputs = ops::infer(node, &inputs, opset)?;
        outputs.iter().try_for_each(|fact| fact.check_size(self.room))?;
        outputs.resize_with(node.output.len(), || Fact::unknown(None));
        if let [output] = outputs.as_mut_slice() {
            output.value = output.value.take().or_else(|| fold::fold(node, &inputs, output));
        } else if Operator::of(node) == Some(Operator::Split) {
            fold::split(&inputs, &mut outputs);
        }
        let image = inputs.iter().flatten().any(|input| input.image);
        for output in &mut outputs {
            output.image = image && output.value.is_none();
        }
        Ok(outputs)
    }

    /// What is known of this tensor; `None` if there is no such tensor.
    pub fn get(&self, name: &str) -> Option<&Fact> {
        self.map.get(name)
    }

    /// Shape of this tensor, if known.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.get(name)?.shape.as_deref()
    }
}
