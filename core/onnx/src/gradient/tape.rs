//! The forward pass with what is known of it, and the backward pass as it is written.

use super::shape::Shape;
use crate::constant::{float_proto, int_proto};
use crate::proto::tensor_proto::DataType;
use crate::proto::{NodeProto, TensorProto};
use std::collections::{HashMap, HashSet};

/// Constants up to this length are kept once, however often they are asked for.
const SHARED_LEN: usize = 4096;

/// What is known of a tensor.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub shape: Option<Shape>,
    pub elem: Option<DataType>,
    /// Whether it depends on the values of the image.
    pub image: bool,
    /// The values, where they are few and follow from shapes and constants alone, the same at any batch size.
    pub value: Option<Vec<f64>>,
    /// Whether it counts 0, 1, 2 … at any batch size.
    pub counts: bool,
}

/// The forward pass and the nodes of the backward pass, in order.
///
/// All tensors of the backward pass are float32: what it reads of another type is cast first. What is computed from weights
/// (a flipped kernel, the factor of a batch normalisation) is written as nodes, which an engine computes once when it loads
/// the file: so no weight is in the file twice.
#[derive(Debug, Default)]
pub(super) struct Tape {
    /// Version of ONNX's operators that the file declares.
    pub opset: i64,
    /// Version that the nodes written so far need.
    pub needs_opset: i64,
    /// Nodes of the backward pass.
    pub nodes: Vec<NodeProto>,
    /// Constants added to the model's own.
    pub constants: Vec<TensorProto>,
    /// Outputs that nodes of the forward pass give besides their own: first output, index, name.
    pub more_outputs: Vec<(String, usize, String)>,
    /// Tensors between those that are asked for and the end.
    pub wanted: HashSet<String>,
    /// By the output of a convolution or product: a factor `[c]` of its input's channels that belongs to a layer before, whose
    /// rule then hands the gradient on unchanged.
    pub absorbed: HashMap<String, String>,
    /// Outputs of the layers whose factor is absorbed by a later one.
    pub relieved: HashSet<String>,
    /// By the output of a join of tensors: an earlier join that it begins with, and how many inputs that one has.
    pub nested: HashMap<String, (String, usize)>,
    /// Contributions to tensors that are no inputs of the node at hand.
    pub beside: Vec<(String, String)>,
    /// The gradient that the way back begins with.
    pub seed: String,
    /// The input with the class of each image, where the seed is one of it.
    pub target_class: Option<String>,
    known: HashMap<String, Known>,
    shared: HashMap<(Vec<usize>, Vec<u32>), String>,
    read: HashMap<String, String>,
    n_names: usize,
}

impl Tape {
    pub fn new(opset: i64, known: HashMap<String, Known>) -> Self {
        Self { opset, needs_opset: opset, known, ..Self::default() }
    }

    // What is known.

    /// The shape of a tensor.
    ///
    /// # Errors
    /// If it is not known.
    pub fn shape(&self, tensor: &str) -> Result<Shape, String> {
        let shape = self.known.get(tensor).and_then(|known| known.shape.clone());
        shape.ok_or_else(|| format!("the shape of `{tensor}` is not known"))
    }

    /// What is known of a tensor, if anything is.
    pub fn known(&self, tensor: &str) -> Option<&Known> {
        self.known.get(tensor)
    }

    /// Whether a tensor needs a gradient.
    pub fn wants(&self, tensor: &str) -> bool {
        self.wanted.contains(tensor)
    }

    /// Whether a tensor depends on the image; if not, an engine computes it when it loads the file.
    pub fn of_image(&self, tensor: &str) -> bool {
        self.known.get(tensor).is_some_and(|known| known.image)
    }

    /// The values of a small constant.
    pub fn values(&self, tensor: &str) -> Option<&[f64]> {
        self.known.get(tensor)?.value.as_deref()
    }

    /// Whole numbers of input `i` of a node; `None` if it has no such input.
    ///
    /// # Errors
    /// If they are not constant.
    pub fn integers(&self, node: &NodeProto, i: usize) -> Result<Option<Vec<i64>>, String> {
        let Some(name) = node.input(i) else { return Ok(None) };
        match self.values(name) {
            Some(values) => Ok(Some(values.iter().map(|&value| value as i64).collect())),
            None => Err(format!("its input `{name}` is not constant")),
        }
    }

    /// The number in input `i` of a node, or in the attribute of this name; `None` if it has neither.
    ///
    /// # Errors
    /// If it is not constant.
    pub fn number(&self, node: &NodeProto, i: usize, attribute: &str) -> Result<Option<f32>, String> {
        match node.input(i) {
            None => Ok(node.attr_float(attribute)),
            Some(name) => match self.values(name).and_then(|values| values.first()) {
                Some(&value) => Ok(Some(value as f32)),
                None => Err(format!("its input `{name}` is not constant")),
            },
        }
    }

    /// Adds a tensor of the forward pass that a pattern makes.
    pub fn learn(&mut self, tensor: &str, like: &str) {
        if let Some(known) = self.known.get(like).cloned() {
            self.known.insert(tensor.to_owned(), Known { value: None, counts: false, ..known });
        }
    }

    /// A name that no tensor has.
    pub fn fresh(&self, name: &str) -> String {
        let mut name = name.to_owned();
        while self.known.contains_key(&name) {
            name.push('_');
        }
        name
    }

    // Constants.

    /// A constant of floats.
    pub fn floats(&mut self, shape: &[usize], values: Vec<f32>) -> String {
        let key = (shape.to_vec(), values.iter().map(|value| value.to_bits()).collect());
        if let Some(name) = self.shared.get(&key) {
            return name.clone();
        }
        let name = self.name("constant");
        self.constants.push(float_proto(&name, shape, &values));
        self.remember(&name, Shape::fixed(shape), DataType::Float);
        if values.len() <= SHARED_LEN {
            self.shared.insert(key, name.clone());
        }
        name
    }

    /// A number without axes.
    pub fn scalar(&mut self, value: f32) -> String {
        self.floats(&[], vec![value])
    }

    /// A vector of whole numbers.
    pub fn ints(&mut self, values: &[i64]) -> String {
        let name = self.name("constant");
        self.constants.push(int_proto(&name, values));
        self.remember(&name, Shape::fixed(&[values.len()]), DataType::Int64);
        name
    }

    // Nodes.

    fn name(&mut self, what: &str) -> String {
        loop {
            self.n_names += 1;
            let name = format!("backward/{what}_{}", self.n_names);
            if !self.known.contains_key(&name) {
                return name;
            }
        }
    }

    fn remember(&mut self, name: &str, shape: Shape, elem: DataType) {
        let known = Known { shape: Some(shape), elem: Some(elem), image: false, value: None, counts: false };
        self.known.insert(name.to_owned(), known);
    }

    /// Adds an input of the file besides the image.
    pub fn input(&mut self, name: &str, shape: Shape, elem: DataType) {
        self.remember(name, shape, elem);
        self.mark_image(name);
    }

    fn mark_image(&mut self, name: &str) {
        if let Some(known) = self.known.get_mut(name) {
            known.image = true;
        }
    }

    /// Writes a node, whose outputs are named here, one per shape; returns their names.
    pub fn emit_all(&mut self, mut node: NodeProto, shapes: Vec<Shape>, elem: DataType) -> Vec<String> {
        let image = node.input.iter().any(|name| self.of_image(name));
        let names: Vec<String> = shapes.iter().map(|_| self.name(&node.op_type)).collect();
        for (name, shape) in names.iter().zip(shapes) {
            self.remember(name, shape, elem);
            if image {
                self.mark_image(name);
            }
        }
        node.name = names.first().cloned().unwrap_or_default();
        node.output.clone_from(&names);
        self.nodes.push(node);
        names
    }

    /// Writes a node with one output of this type.
    pub fn emit_as(&mut self, node: NodeProto, shape: Shape, elem: DataType) -> String {
        self.emit_all(node, vec![shape], elem).remove(0)
    }

    /// Writes a node with one output.
    pub fn emit(&mut self, node: NodeProto, shape: Shape) -> String {
        self.emit_as(node, shape, DataType::Float)
    }

    /// Writes a node without attributes.
    pub fn op(&mut self, op_type: &str, inputs: &[&str], shape: Shape) -> String {
        self.emit(NodeProto::new(op_type, inputs, ""), shape)
    }

    /// A tensor of the forward pass as float32.
    pub fn read(&mut self, tensor: &str) -> Result<String, String> {
        let elem = self.known.get(tensor).and_then(|known| known.elem);
        if matches!(elem, None | Some(DataType::Float)) {
            return Ok(tensor.to_owned());
        }
        if let Some(name) = self.read.get(tensor) {
            return Ok(name.clone());
        }
        let shape = self.shape(tensor)?;
        let cast = NodeProto::new("Cast", &[tensor], "").with_int("to", DataType::Float as i64);
        let name = self.emit(cast, shape);
        self.read.insert(tensor.to_owned(), name.clone());
        Ok(name)
    }

    /// Output `i` of a node of the forward pass, which is added if the node does not give it yet.
    pub fn output(&mut self, node: &NodeProto, i: usize, what: &str, shape: Shape, elem: DataType) -> String {
        if let Some(name) = node.output.get(i).filter(|name| !name.is_empty()) {
            return name.clone();
        }
        let first = node.output.first().cloned().unwrap_or_default();
        let more = self.more_outputs.iter().find(|(of, at, _)| *of == first && *at == i);
        if let Some((.., name)) = more {
            return name.clone();
        }
        let name = self.fresh(&format!("{first}/{what}"));
        self.remember(&name, shape, elem);
        self.mark_image(&name);
        self.more_outputs.push((first, i, name.clone()));
        name
    }
}
