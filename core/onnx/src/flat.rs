//! A model's graph made ready for analysis: functions inlined, image input found, batch size settled.

use crate::axes::{Axis, NCHW};
use crate::constant::{int_proto, type_name};
use crate::infer::{Conflict, Fact, Facts};
use crate::inline;
use crate::model::Model;
use crate::node::is_standard;
use crate::proto::tensor_proto::DataType;
use crate::proto::tensor_shape_proto::dimension::Value as Dim;
use crate::proto::type_proto::Value as Type;
use crate::proto::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use ascan_core::{Error, Result};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// The image input of a model.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub name: String,
    pub elem: DataType,
    /// Fixed batch size in the file.
    pub batch: Option<usize>,
    /// `[c, h, w]`.
    pub shape: [usize; 3],
    pub nhwc: bool,
}

impl Input {
    fn fact(&self, batch: usize) -> Fact {
        let [c, h, w] = self.shape;
        let (shape, axes) = if self.nhwc {
            (vec![batch, h, w, c], vec![Axis::Batch, Axis::Height, Axis::Width, Axis::Channel])
        } else {
            (vec![batch, c, h, w], NCHW.to_vec())
        };
        Fact::with_axes(Some(self.elem), shape, axes)
    }
}

/// A graph without calls of functions, with its image input.
pub(crate) struct Flat<'m> {
    pub model: &'m Model,
    pub graph: &'m GraphProto,
    pub nodes: Cow<'m, [NodeProto]>,
    /// Constants added to the graph's own.
    pub extra: Vec<TensorProto>,
    pub input: Input,
    /// The only batch size that the graph can take; `None` if it takes any.
    pub batch: Option<usize>,
}

impl<'m> Flat<'m> {
    pub fn of(model: &'m Model, image_size: Option<[usize; 2]>) -> Result<Self> {
        let graph = model.graph()?;
        let nodes = inline::nodes(&model.path, graph, &model.proto.functions)?;
        check_order(model, &nodes)?;
        let input = find_input(model, graph, &nodes, image_size)?;
        let mut flat = Self { model, graph, nodes, extra: vec![], input, batch: None };
        flat.settle_batch()?;
        Ok(flat)
    }

    /// What is known of every tensor when `batch` images are given.
    pub fn facts(&self, batch: usize) -> Result<Facts<'_>> {
        self.infer(batch).map_err(|conflict| self.conflict(conflict))
    }

    fn infer(&self, batch: usize) -> Result<Facts<'_>, Conflict> {
        let constants = self.graph.initializer.iter().chain(&self.extra);
        let mut facts = Facts::of_constants(constants)?;
        facts.add_sparse(&self.graph.sparse_initializer);
        facts.run(&self.nodes, self.model.opset(), &self.input.name, self.input.fact(batch))?;
        Ok(facts)
    }

    fn conflict(&self, conflict: Conflict) -> Error {
        let Conflict { node, operator, message } = conflict;
        Error::file(
            &self.model.path,
            format!("node `{node}` ({operator}): {message}"),
            "check the image size (`model.image_size`), and the file with `onnx.checker.check_model(…, full_check=True)`",
        )
    }

    /// Finds out whether the graph takes any batch size. Where only constant shapes of `Reshape`s stand in the way,
    /// opens them.
    fn settle_batch(&mut self) -> Result<()> {
        let fixed = self.input.batch.unwrap_or(1);
        if self.input.batch.is_none() && self.takes_any_batch(fixed) {
            return Ok(());
        }
        let reshapes = {
            let facts = self.facts(fixed)?;
            self.open_reshapes(&facts, fixed)
        };
        let closed = (self.nodes.clone(), self.extra.len());
        for (i, tensor) in reshapes {
            self.nodes.to_mut()[i].input[1].clone_from(&tensor.name);
            self.extra.push(tensor);
        }
        if !self.takes_any_batch(fixed) {
            self.nodes = closed.0;
            self.extra.truncate(closed.1);
            self.batch = Some(fixed);
        }
        Ok(())
    }

    /// Whether inference with two other batch sizes succeeds, and an output follows them.
    fn takes_any_batch(&self, fixed: usize) -> bool {
        let at = |batch: usize| {
            let facts = self.infer(batch).ok()?;
            let outputs = self.graph.output.iter().map(|output| facts.shape(&output.name).map(<[usize]>::to_vec));
            outputs.collect::<Option<Vec<Vec<usize>>>>()
        };
        let (a, b) = (fixed + 1, fixed + 2);
        let (Some(first), Some(second)) = (at(a), at(b)) else { return false };
        let follows =
            |(x, y): (&Vec<usize>, &Vec<usize>)| x.first() == Some(&a) && y.first() == Some(&b) && x[1..] == y[1..];
        first.len() == second.len() && first.iter().zip(&second).any(follows)
    }

    /// For each `Reshape` to a constant shape that begins with the batch size: the same shape, open at its beginning.
    fn open_reshapes(&self, facts: &Facts, fixed: usize) -> Vec<(usize, TensorProto)> {
        let constants: HashSet<&str> = self
            .graph
            .initializer
            .iter()
            .map(|tensor| tensor.name.as_str())
            .chain(
                self.nodes
                    .iter()
                    .filter(|node| node.op_type == "Constant")
                    .filter_map(|node| node.output.first().map(String::as_str)),
            )
            .collect();
        let open = |node: &NodeProto| {
            if node.op_type != "Reshape" || !is_standard(&node.domain) || !constants.contains(node.input(1)?) {
                return None;
            }
            let input = facts.get(node.input(0)?).filter(|fact| fact.image)?;
            let target = facts.get(node.input(1)?)?.value.as_ref()?;
            let mut target: Vec<i64> = target.iter().map(|&dim| dim as i64).collect();
            if target.first() != Some(&(fixed as i64)) {
                return None;
            }
            let from_input =
                input.shape.as_ref()?.first() == Some(&fixed) && node.attr_int("allowzero").unwrap_or(0) == 0;
            target[0] = match from_input {
                true => 0,
                false if !target.contains(&-1) => -1,
                false => return None,
            };
            Some(int_proto(&format!("{}/any_batch", node.output.first()?), &target))
        };
        self.nodes.iter().enumerate().filter_map(|(i, node)| Some((i, open(node)?))).collect()
    }

    /// Index of the node that gives each tensor.
    pub fn producers(&self) -> HashMap<&str, usize> {
        let mut producers = HashMap::new();
        for (i, node) in self.nodes.iter().enumerate() {
            producers.extend(node.output.iter().filter(|name| !name.is_empty()).map(|name| (name.as_str(), i)));
        }
        producers
    }
}

/// Refuses graphs that read a tensor before it is computed, or compute it twice: a walk through them might not end.
fn check_order(model: &Model, nodes: &[NodeProto]) -> Result<()> {
    let wrong = |node: &NodeProto, message: String| {
        let message = format!("node `{}` ({}) {message}", node.display_name(), node.operator());
        Error::file(&model.path, message, "the file is damaged: export or download the model again")
    };
    let mut open: HashSet<&str> = HashSet::new();
    for node in nodes {
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            if !open.insert(name) {
                return Err(wrong(node, format!("gives `{name}`, which another node gives too")));
            }
        }
    }
    for node in nodes {
        if let Some(name) = inline::reads(node).into_iter().find(|name| open.contains(name)) {
            return Err(wrong(node, format!("reads `{name}` before it is computed")));
        }
        for name in &node.output {
            open.remove(name.as_str());
        }
    }
    Ok(())
}

fn dims(value: &ValueInfoProto) -> Option<(DataType, Option<Vec<Option<usize>>>)> {
    let Some(Type::TensorType(tensor)) = &value.r#type.as_ref()?.value else { return None };
    let elem = DataType::try_from(tensor.elem_type).unwrap_or(DataType::Undefined);
    let dims = tensor.shape.as_ref().map(|shape| {
        let length = |dim: &Option<Dim>| match dim {
            Some(Dim::DimValue(length)) => usize::try_from(*length).ok().filter(|&length| length > 0),
            _ => None,
        };
        shape.dim.iter().map(|dim| length(&dim.value)).collect()
    });
    Some((elem, dims))
}

/// A value's type for a message: `float32 [n, 3, 224, 224]`.
fn describe(value: &ValueInfoProto) -> String {
    let Some((elem, shape)) = dims(value) else { return format!("`{}`, not a tensor", value.name) };
    let shape = shape.map_or("of unknown shape".to_owned(), |shape| {
        let lengths: Vec<String> = shape.iter().map(|dim| dim.map_or("?".to_owned(), |dim| dim.to_string())).collect();
        format!("[{}]", lengths.join(", "))
    });
    format!("`{}`: {} {shape}", value.name, type_name(elem))
}

fn find_input(model: &Model, graph: &GraphProto, nodes: &[NodeProto], image_size: Option<[usize; 2]>) -> Result<Input> {
    let constants: HashSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    let inputs: Vec<&ValueInfoProto> =
        graph.input.iter().filter(|value| !constants.contains(value.name.as_str())).collect();
    let wrong = |message: String| {
        let hint = "use an image classifier: one floating-point input [n, c, h, w] or [n, h, w, c]";
        Error::file(&model.path, message, hint)
    };
    let value = match inputs.as_slice() {
        [value] => *value,
        [] => return Err(wrong("the model has no input".to_owned())),
        several => {
            let list: Vec<String> = several.iter().map(|value| describe(value)).collect();
            return Err(wrong(format!("the model has {} inputs, not one image: {}", several.len(), list.join("; "))));
        }
    };
    let not_an_image = || wrong(format!("the model's input is not an image tensor: {}", describe(value)));
    let (elem, shape) = dims(value).ok_or_else(not_an_image)?;
    let entry = Entry::of(&value.name, nodes, graph);
    let dims: [Option<usize>; 4] = match shape {
        Some(shape) => shape.try_into().map_err(|_| not_an_image())?,
        // An input of unknown rank is an image if a convolution reads it.
        None if entry.is_some() => [None; 4],
        None => return Err(not_an_image()),
    };
    if !matches!(elem, DataType::Float | DataType::Float16 | DataType::Bfloat16 | DataType::Double) {
        return Err(not_an_image());
    }
    let few = |dim: Option<usize>| matches!(dim, Some(1 | 3 | 4));
    let nhwc = match entry {
        Some(Entry::Conv(_)) => false,
        Some(Entry::ToNchw) => true,
        None => few(dims[3]) && !few(dims[1]),
    };
    let [batch, c, h, w] = if nhwc { [dims[0], dims[3], dims[1], dims[2]] } else { dims };
    let channels = c.or(match entry {
        Some(Entry::Conv(channels)) => channels,
        _ => None,
    });
    let Some(channels) = channels else {
        return Err(wrong(format!("the number of channels of the model's input is open: {}", describe(value))));
    };
    let fixed = match (h, w) {
        (Some(h), Some(w)) => Some([h, w]),
        _ => None,
    };
    let [h, w] = match (fixed, image_size) {
        (Some(fixed), Some(asked)) if fixed != asked => {
            return Err(Error::param(
                "image_size",
                format!("is {asked:?}, but {} takes images of {fixed:?} only", model.path.display()),
                "leave it out",
            ));
        }
        (_, Some(asked)) if asked.contains(&0) => {
            return Err(Error::param("image_size", format!("is {asked:?}"), "give a height and a width of at least 1"));
        }
        (Some(size), _) | (None, Some(size)) => size,
        (None, None) => {
            return Err(Error::param(
                "image_size",
                format!("is missing: {} takes images of any size ({})", model.path.display(), describe(value)),
                "set `model.image_size = [height, width]` to the size that the model was trained with",
            ));
        }
    };
    Ok(Input { name: value.name.clone(), elem, batch, shape: [channels, h, w], nhwc })
}

/// The first operator that says how images are laid out.
#[derive(Debug, Clone, Copy)]
enum Entry {
    /// A convolution, with the channels that its kernel takes.
    Conv(Option<usize>),
    /// A `Transpose` from NHWC to NCHW.
    ToNchw,
}

impl Entry {
    fn of(input: &str, nodes: &[NodeProto], graph: &GraphProto) -> Option<Self> {
        let mut reached = HashSet::from([input]);
        for node in nodes {
            let Some(first) = node.input.iter().position(|name| reached.contains(name.as_str())) else { continue };
            match node.op_type.as_str() {
                "Conv" | "ConvInteger" | "QLinearConv" if first == 0 => {
                    let kernel = node.input(if node.op_type == "QLinearConv" { 3 } else { 1 });
                    let kernel = graph.initializer.iter().find(|tensor| Some(tensor.name.as_str()) == kernel);
                    let groups = node.attr_int("group").unwrap_or(1);
                    let per_group = kernel.and_then(|kernel| kernel.dims.get(1));
                    let channels = per_group.and_then(|n| usize::try_from(n.checked_mul(groups)?).ok());
                    return Some(Self::Conv(channels));
                }
                "Transpose" => {
                    return (node.attr_ints("perm") == Some(&[0, 3, 1, 2])).then_some(Self::ToNchw);
                }
                "Identity" | "Cast" | "Add" | "Sub" | "Mul" | "Div" | "Clip" | "BatchNormalization" | "Pad"
                | "Resize" | "Gather" | "Unsqueeze" | "Concat" | "QuantizeLinear" | "DequantizeLinear" => {
                    reached.extend(node.output.iter().map(String::as_str));
                }
                // A reader of the shape alone tells nothing.
                "Shape" => {}
                _ => return None,
            }
        }
        None
    }
}
