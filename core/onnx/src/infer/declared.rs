//! Shapes that the file itself states, for tensors of which inference finds none.

use super::Fact;
use crate::proto::tensor_proto::DataType;
use crate::proto::tensor_shape_proto::dimension::Value as Dim;
use crate::proto::type_proto::Value as Type;
use crate::proto::{GraphProto, ValueInfoProto};
use std::collections::HashMap;

/// Length of an axis as the file states it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Length {
    Fixed(usize),
    /// As many as there are images.
    Batch,
}

/// The shapes that a file states, by tensor.
#[derive(Debug, Default)]
pub(crate) struct Declared<'g> {
    shapes: HashMap<&'g str, (DataType, Vec<Length>)>,
}

impl<'g> Declared<'g> {
    /// Those of a graph whose images are its input `image`; shapes with an open axis that is not the batch are left out.
    pub fn of(graph: &'g GraphProto, image: &str) -> Self {
        let first =
            graph.input.iter().find(|value| value.name == image).and_then(|value| dims(value)?.into_iter().next());
        let is_open = !matches!(first, Some(Some(Dim::DimValue(1..))));
        let symbol = match first {
            Some(Some(Dim::DimParam(symbol))) if !symbol.is_empty() => Some(symbol),
            _ => None,
        };
        let length = |i: usize, dim: &Option<Dim>| match dim {
            Some(Dim::DimValue(length)) if *length > 0 => usize::try_from(*length).ok().map(Length::Fixed),
            Some(Dim::DimParam(name)) if Some(name) == symbol.as_ref() => Some(Length::Batch),
            // Exporters name the batch of each tensor as they like.
            _ if i == 0 && is_open => Some(Length::Batch),
            _ => None,
        };
        let known = |value: &'g ValueInfoProto| {
            let Some(Type::TensorType(tensor)) = &value.r#type.as_ref()?.value else { return None };
            let elem = DataType::try_from(tensor.elem_type).ok().filter(|&elem| elem != DataType::Undefined)?;
            let lengths = dims(value)?.iter().enumerate().map(|(i, dim)| length(i, dim)).collect::<Option<Vec<_>>>()?;
            Some((value.name.as_str(), (elem, lengths)))
        };
        Self { shapes: graph.value_info.iter().chain(&graph.output).filter_map(known).collect() }
    }

    /// What the file states of this tensor with `batch` images.
    pub fn fact(&self, name: &str, batch: usize) -> Option<Fact> {
        let (elem, lengths) = self.shapes.get(name)?;
        let length = |length: &Length| match length {
            Length::Fixed(length) => *length,
            Length::Batch => batch,
        };
        Some(Fact::new(Some(*elem), lengths.iter().map(length).collect()))
    }
}

fn dims(value: &ValueInfoProto) -> Option<Vec<Option<Dim>>> {
    let Some(Type::TensorType(tensor)) = &value.r#type.as_ref()?.value else { return None };
    Some(tensor.shape.as_ref()?.dim.iter().map(|dim| dim.value.clone()).collect())
}
