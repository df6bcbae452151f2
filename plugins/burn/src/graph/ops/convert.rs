//! Constants, shapes and types: operators that create values or pass them on.

use super::{Call, floats, ints};
use crate::value::{Float, Ints, Value};
use ascan_core::Result;
use ascan_onnx::proto::NodeProto;
use ascan_onnx::proto::tensor_proto::DataType;

pub(super) fn identity(call: &mut Call) -> Result<Vec<Value>> {
    Ok(vec![call.value(0)?])
}

/// Dropout as in inference: everything is kept.
pub(super) fn dropout(call: &mut Call) -> Result<Vec<Value>> {
    let training = match call.optional(2) {
        Some(Value::Ints(training)) => training.data.first().is_some_and(|&on| on != 0),
        _ => false,
    };
    let ratio = call.number("ratio", 1)?.unwrap_or(0.5);
    if training && ratio != 0.0 {
        return Err(call.error("it drops values at random, as while training"));
    }
    let value = call.value(0)?;
    let shape = value.shape();
    let n = shape.iter().product();
    let mask = Ints { shape, kind: DataType::Bool, data: vec![1; n] };
    Ok(vec![value, Value::Ints(mask)])
}

pub(super) fn constant_is_numeric(node: &NodeProto) -> Option<String> {
    let known = ["value", "value_float", "value_floats", "value_int", "value_ints"];
    let found = node.attribute.iter().any(|attribute| known.contains(&attribute.name.as_str()));
    (!found).then(|| "a sparse constant or one of strings".to_owned())
}

pub(super) fn constant(call: &mut Call) -> Result<Vec<Value>> {
    let (node, device) = (call.node, &call.run.device);
    if let Some(tensor) = node.attr_tensor("value") {
        return Ok(vec![Value::from_constant(&ascan_onnx::decode(tensor)?, device)?]);
    }
    match (node.attr_float("value_float"), node.attr_floats("value_floats"), node.attr_ints("value_ints")) {
        (Some(number), ..) => floats(Float::scalar(number, device)),
        (_, Some(list), _) => floats(Float::new(list.to_vec(), &[list.len()], device)?),
        (.., Some(list)) => ints(Ints::list(list.iter().copied())),
        _ => ints(Ints::new(Vec::new(), vec![call.int("value_int", 0)])),
    }
}

pub(super) fn constant_of_shape(call: &mut Call) -> Result<Vec<Value>> {
    let shape: Vec<usize> = call.ints(0)?.data.iter().map(|&length| length.max(0) as usize).collect();
    let n = shape.iter().product();
    let device = &call.run.device;
    let value = call.node.attr_tensor("value").map(ascan_onnx::decode).transpose()?;
    match value.map(|value| Value::from_constant(&value, device)).transpose()? {
        None => floats(Float::new(vec![0.0; n], &shape, device)?),
        Some(Value::Float(value)) => floats(Float::new(vec![value.to_vec()[0]; n], &shape, device)?),
        Some(Value::Ints(value)) => ints(Ints { shape, kind: value.kind, data: vec![value.data[0]; n] }),
    }
}

pub(super) fn shape(call: &mut Call) -> Result<Vec<Value>> {
    let shape = call.value(0)?.shape();
    let rank = shape.len() as i64;
    let clamp = |axis: i64| (if axis < 0 { axis + rank } else { axis }).clamp(0, rank) as usize;
    let (start, end) = (clamp(call.int("start", 0)), clamp(call.int("end", rank)));
    ints(Ints::list(shape[start..end.max(start)].iter().map(|&length| length as i64)))
}

pub(super) fn size(call: &mut Call) -> Result<Vec<Value>> {
    let n: usize = call.value(0)?.shape().iter().product();
    ints(Ints::new(Vec::new(), vec![n as i64]))
}

pub(super) fn range(call: &mut Call) -> Result<Vec<Value>> {
    if call.is_ints(0) {
        let (start, limit, delta) = (call.ints(0)?, call.ints(1)?, call.ints(2)?);
        let (kind, start, limit, delta) = (start.kind, start.data[0], limit.data[0], delta.data[0]);
        if delta == 0 {
            return Err(call.error("its step is 0"));
        }
        let forward = (limit > start) == (delta > 0);
        let n = if forward { limit.abs_diff(start).div_ceil(delta.unsigned_abs()) as i64 } else { 0 };
        let mut list = Ints::list((0..n).map(|i| start + i * delta));
        list.kind = kind;
        return ints(list);
    }
    let [start, limit, delta] = [call.float(0)?, call.float(1)?, call.float(2)?].map(|value| value.to_vec()[0]);
    let n = ((limit - start) / delta).ceil().max(0.0) as usize;
    let list: Vec<f32> = (0..n).map(|i| start + i as f32 * delta).collect();
    floats(Float::new(list, &[n], &call.run.device)?)
}

pub(super) fn target_is_known(node: &NodeProto) -> Option<String> {
    let to = node.attr_int("to");
    let known = to.and_then(|to| DataType::try_from(to as i32).ok()).is_some_and(|to| is_float(to) || is_int(to));
    (!known).then(|| format!("a conversion to type {}", to.unwrap_or_default()))
}

fn is_float(kind: DataType) -> bool {
    matches!(kind, DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16)
}

fn is_int(kind: DataType) -> bool {
    use DataType as D;
    matches!(kind, D::Int8 | D::Int16 | D::Int32 | D::Int64 | D::Uint8 | D::Uint16 | D::Uint32 | D::Uint64 | D::Bool)
}

pub(super) fn cast(call: &mut Call) -> Result<Vec<Value>> {
    let kind = DataType::try_from(call.int("to", 1) as i32).unwrap_or(DataType::Float);
    let value = call.value(0)?;
    convert(call, value, kind)
}

pub(super) fn cast_like(call: &mut Call) -> Result<Vec<Value>> {
    let kind = match call.value(1)? {
        Value::Float(_) => DataType::Float,
        Value::Ints(like) => like.kind,
    };
    let value = call.value(0)?;
    convert(call, value, kind)
}

/// All floating-point types are computed in f32: a cast between them changes nothing.
fn convert(call: &Call, value: Value, kind: DataType) -> Result<Vec<Value>> {
    match value {
        Value::Float(float) if is_float(kind) => floats(float),
        Value::Float(float) => {
            let shape = float.shape();
            let data = float.to_vec().into_iter();
            let data = match kind {
                DataType::Bool => data.map(|value| i64::from(value != 0.0)).collect(),
                _ => data.map(|value| value as i64).collect(),
            };
            ints(Ints { shape, kind, data }.wrapped())
        }
        Value::Ints(values) if is_float(kind) => floats(values.to_float(&call.run.device)?),
        Value::Ints(values) => ints(Ints { kind, ..values }.wrapped()),
    }
}
