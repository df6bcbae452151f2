//! The image input of a model, found among its inputs, and its form.

use crate::axes::{Axis, NCHW};
use crate::constant::type_name;
use crate::infer::Fact;
use crate::inline::reads;
use crate::model::Model;
use crate::proto::tensor_proto::DataType;
use crate::proto::tensor_shape_proto::dimension::Value as Dim;
use crate::proto::type_proto::Value as Type;
use crate::proto::{GraphProto, NodeProto, ValueInfoProto};
use ascan_core::{Error, Result};
use std::collections::HashSet;

/// The axes of an image input, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Nchw,
    Nhwc,
    /// One image, without a batch axis.
    Chw,
    Hwc,
    /// Images of one channel, without an axis for it.
    Nhw,
}

/// The image input of a model.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub name: String,
    pub elem: DataType,
    /// Fixed batch size in the file.
    pub batch: Option<usize>,
    /// `[c, h, w]`.
    pub shape: [usize; 3],
    pub form: Form,
}

impl Input {
    /// Whether the file takes one image, without a batch axis.
    pub fn is_single(&self) -> bool {
        matches!(self.form, Form::Chw | Form::Hwc)
    }

    /// What is known of the file's own tensor with `batch` images.
    pub fn fact(&self, batch: usize) -> Fact {
        use Axis::{Batch, Channel, Height, Width};
        let [c, h, w] = self.shape;
        let (shape, axes) = match self.form {
            Form::Nchw => (vec![batch, c, h, w], NCHW.to_vec()),
            Form::Nhwc => (vec![batch, h, w, c], vec![Batch, Height, Width, Channel]),
            Form::Chw => (vec![c, h, w], vec![Channel, Height, Width]),
            Form::Hwc => (vec![h, w, c], vec![Height, Width, Channel]),
            Form::Nhw => (vec![batch, h, w], vec![Batch, Height, Width]),
        };
        Fact::with_axes(Some(self.elem), shape, axes)
    }

    /// Finds the image among the inputs that a node reads.
    ///
    /// # Errors
    /// `File` if there is none or more than one; `Param` (`image_size`).
    pub fn find(
        model: &Model,
        graph: &GraphProto,
        nodes: &[NodeProto],
        image_size: Option<[usize; 2]>,
    ) -> Result<Self> {
        let value = image_value(model, graph, nodes)?;
        let wrong = |message: String| Error::file(&model.path, message, HINT);
        let not_an_image = || wrong(format!("the model's input is not an image tensor: {}", describe(value)));
        let (elem, shape) = dims(value).ok_or_else(not_an_image)?;
        let entry = Entry::of(&value.name, nodes, graph);
        let shape: Vec<Option<usize>> = match shape {
            Some(shape) => shape,
            // An input of unknown rank is an image if a convolution reads it.
            None if entry.is_some() => vec![None; 4],
            None => return Err(not_an_image()),
        };
        use DataType as D;
        if !matches!(elem, D::Float | D::Float16 | D::Bfloat16 | D::Double | D::Uint8) {
            return Err(not_an_image());
        }
        let few = |dim: Option<usize>| matches!(dim, Some(1 | 3 | 4));
        let (form, [batch, c, h, w]) = match shape.as_slice() {
            &[n, a, b, c] => {
                let channels_last = match entry {
                    Some(Entry::Conv(_)) => false,
                    Some(Entry::ToNchw) => true,
                    None => few(c) && !few(a),
                };
                if channels_last { (Form::Nhwc, [n, c, a, b]) } else { (Form::Nchw, [n, a, b, c]) }
            }
            &[a, b, c] if few(a) && !few(c) => (Form::Chw, [Some(1), a, b, c]),
            &[a, b, c] if few(c) && a.is_some() => (Form::Hwc, [Some(1), c, a, b]),
            &[n, h, w] if n.is_none() && h.is_some() && w.is_some() => (Form::Nhw, [n, Some(1), h, w]),
            _ => return Err(not_an_image()),
        };
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
        let [h, w] = size(model, fixed, image_size, value)?;
        Ok(Self { name: value.name.clone(), elem, batch, shape: [channels, h, w], form })
    }
}

const HINT: &str = "use an image classifier: one floating-point input [n, c, h, w] or [n, h, w, c]";

/// The only input that a node reads; exporters leave others behind that nothing reads.
fn image_value<'m>(model: &Model, graph: &'m GraphProto, nodes: &[NodeProto]) -> Result<&'m ValueInfoProto> {
    let constants: HashSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    let read: HashSet<&str> = nodes.iter().flat_map(reads).collect();
    let inputs: Vec<&ValueInfoProto> =
        graph.input.iter().filter(|value| !constants.contains(value.name.as_str())).collect();
    let used: Vec<&ValueInfoProto> =
        inputs.iter().copied().filter(|value| read.contains(value.name.as_str())).collect();
    match (used.as_slice(), inputs.as_slice()) {
        ([value], _) | ([], [value]) => Ok(*value),
        (_, []) => Err(Error::file(&model.path, "the model has no input", HINT)),
        ([], several) | (several, _) => {
            let list: Vec<String> = several.iter().map(|value| describe(value)).collect();
            let message = format!("the model has {} inputs, not one image: {}", several.len(), list.join("; "));
            Err(Error::file(&model.path, message, HINT))
        }
    }
}

/// Height and width: those of the file, or those asked for where it leaves them open.
fn size(
    model: &Model,
    fixed: Option<[usize; 2]>,
    asked: Option<[usize; 2]>,
    value: &ValueInfoProto,
) -> Result<[usize; 2]> {
    match (fixed, asked) {
        (Some(fixed), Some(asked)) if fixed != asked => Err(Error::param(
            "image_size",
            format!("is {asked:?}, but {} takes images of {fixed:?} only", model.path.display()),
            "leave it out",
        )),
        (_, Some(asked)) if asked.contains(&0) => {
            Err(Error::param("image_size", format!("is {asked:?}"), "give a height and a width of at least 1"))
        }
        (Some(size), _) | (None, Some(size)) => Ok(size),
        (None, None) => Err(Error::param(
            "image_size",
            format!("is missing: {} takes images of any size ({})", model.path.display(), describe(value)),
            "set `model.image_size = [height, width]` to the size that the model was trained with",
        )),
    }
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
                    let to_nchw = matches!(node.attr_ints("perm"), Some([0, 3, 1, 2] | [2, 0, 1]));
                    return to_nchw.then_some(Self::ToNchw);
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
