//! Numbers that exporters compute from shapes, as constants.

use super::tape::Tape;
use crate::proto::tensor_proto::DataType;
use crate::proto::{NodeProto, TensorProto};

/// Puts constants in place of nodes that compute whole numbers or truths from shapes, where those are the same at any batch
/// size: an engine then computes what follows from them (a mask of attention, say) when it loads the file.
pub(super) fn fold(tape: &Tape, nodes: &mut Vec<NodeProto>) -> Vec<TensorProto> {
    let mut constants = Vec::new();
    nodes.retain(|node| {
        let made: Option<Vec<TensorProto>> = match node.op_type.as_str() {
            "Constant" => None,
            _ => node.output.iter().map(|name| constant(tape, name)).collect(),
        };
        let stays = made.is_none();
        constants.extend(made.into_iter().flatten());
        stays
    });
    constants
}

fn constant(tape: &Tape, name: &str) -> Option<TensorProto> {
    let known = tape.known(name)?;
    let (elem, values) = (known.elem?, known.value.as_ref()?);
    let shape = known.shape.as_ref().filter(|shape| (0..shape.rank()).all(|axis| !shape.follows_batch(axis)))?;
    let mut tensor = TensorProto {
        name: name.to_owned(),
        dims: shape.lengths().iter().map(|&length| length as i64).collect(),
        data_type: elem.into(),
        ..Default::default()
    };
    match elem {
        DataType::Int64 => tensor.int64_data = values.iter().map(|&value| value as i64).collect(),
        DataType::Int32 | DataType::Bool => tensor.int32_data = values.iter().map(|&value| value as i32).collect(),
        // Numbers with a fraction are left to the engine, which rounds them in its own way.
        _ => return None,
    }
    (!known.image).then_some(tensor)
}
