//! Every way in which a constant may be stored.

use ascan_onnx::proto::TensorProto;
use ascan_onnx::proto::tensor_proto::{DataLocation, DataType};
use ascan_onnx::{Constant, Values, decode};
use half::{bf16, f16};

fn raw(data_type: DataType, dims: &[i64], bytes: Vec<u8>) -> TensorProto {
    TensorProto {
        name: "c".into(),
        dims: dims.to_vec(),
        data_type: data_type.into(),
        raw_data: bytes,
        ..Default::default()
    }
}

fn le<const N: usize, T: Copy>(values: &[T], bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| bytes(value)).collect()
}

#[test]
fn raw_bytes_of_every_type() {
    use DataType as D;
    let halves = [f16::from_f32(1.5), f16::from_f32(-2.0)];
    let brains = [bf16::from_f32(1.5), bf16::from_f32(-2.0)];
    for (data_type, bytes, expected) in [
        (D::Float, le(&[1.5, -2.0], f32::to_le_bytes), Values::F32(vec![1.5, -2.0])),
        (D::Double, le(&[1.5, -2.0], f64::to_le_bytes), Values::F64(vec![1.5, -2.0])),
        (D::Float16, le(&halves, f16::to_le_bytes), Values::F16(halves.to_vec())),
        (D::Bfloat16, le(&brains, bf16::to_le_bytes), Values::BF16(brains.to_vec())),
        (D::Int8, vec![1, 0xfe], Values::I8(vec![1, -2])),
        (D::Uint8, vec![1, 0xfe], Values::U8(vec![1, 254])),
        (D::Int16, le(&[1, -2], i16::to_le_bytes), Values::I16(vec![1, -2])),
        (D::Uint16, le(&[1, 65_534], u16::to_le_bytes), Values::U16(vec![1, 65_534])),
        (D::Int32, le(&[1, -2], i32::to_le_bytes), Values::I32(vec![1, -2])),
        (D::Uint32, le(&[1, u32::MAX], u32::to_le_bytes), Values::U32(vec![1, u32::MAX])),
        (D::Int64, le(&[1, -2], i64::to_le_bytes), Values::I64(vec![1, -2])),
        (D::Uint64, le(&[1, u64::MAX], u64::to_le_bytes), Values::U64(vec![1, u64::MAX])),
        (D::Bool, vec![0, 1], Values::Bool(vec![false, true])),
        (D::Int4, vec![0xe1], Values::I8(vec![1, -2])),
        (D::Uint4, vec![0xe1], Values::U8(vec![1, 14])),
        (D::Int2, vec![0b1001], Values::I8(vec![1, -2])),
        (D::Uint2, vec![0b1001], Values::U8(vec![1, 2])),
    ] {
        let decoded = decode(&raw(data_type, &[2], bytes)).unwrap();
        assert_eq!(decoded, Constant { shape: vec![2], values: expected });
    }
}

#[test]
fn typed_fields() {
    use DataType as D;
    let ints = |data_type: DataType, int32_data: Vec<i32>| TensorProto { int32_data, ..raw(data_type, &[2], vec![]) };
    let bits = |value: f32| i32::from(f16::from_f32(value).to_bits());
    for (tensor, expected) in [
        (TensorProto { float_data: vec![1.0, 2.0], ..raw(D::Float, &[2], vec![]) }, Values::F32(vec![1.0, 2.0])),
        (TensorProto { double_data: vec![1.0, 2.0], ..raw(D::Double, &[2], vec![]) }, Values::F64(vec![1.0, 2.0])),
        (TensorProto { int64_data: vec![1, -2], ..raw(D::Int64, &[2], vec![]) }, Values::I64(vec![1, -2])),
        (TensorProto { uint64_data: vec![1, 2], ..raw(D::Uint32, &[2], vec![]) }, Values::U32(vec![1, 2])),
        (ints(D::Int8, vec![1, -2]), Values::I8(vec![1, -2])),
        (ints(D::Uint8, vec![1, 254]), Values::U8(vec![1, 254])),
        (ints(D::Bool, vec![0, 1]), Values::Bool(vec![false, true])),
        (ints(D::Float16, vec![bits(0.5), bits(-3.0)]), Values::F16(vec![f16::from_f32(0.5), f16::from_f32(-3.0)])),
        (ints(D::Int4, vec![0xe1]), Values::I8(vec![1, -2])),
        (
            TensorProto { string_data: vec![b"a".to_vec(), b"b".to_vec()], ..raw(D::String, &[2], vec![]) },
            Values::String(vec![b"a".to_vec(), b"b".to_vec()]),
        ),
    ] {
        assert_eq!(decode(&tensor).unwrap().values, expected);
    }
}

#[test]
fn scalars_and_empty_tensors() {
    let scalar = decode(&raw(DataType::Float, &[], 2.5_f32.to_le_bytes().to_vec())).unwrap();
    assert_eq!((scalar.shape.len(), scalar.to_f32()), (0, Some(vec![2.5])));
    let empty = decode(&raw(DataType::Int64, &[0], vec![])).unwrap();
    assert!(empty.values.is_empty() && empty.to_i64() == Some(vec![]));
}

#[test]
fn contradictions_are_errors_with_the_constants_name() {
    let external = TensorProto { data_location: DataLocation::External.into(), ..raw(DataType::Float, &[1], vec![]) };
    for tensor in [
        raw(DataType::Float, &[2], vec![0; 7]),
        raw(DataType::Float, &[2], vec![]),
        raw(DataType::Float, &[-1], vec![]),
        raw(DataType::Float, &[i64::MAX, i64::MAX], vec![]),
        raw(DataType::Int4, &[3], vec![0]),
        raw(DataType::Complex64, &[1], vec![0; 8]),
        raw(DataType::Float8e4m3fn, &[1], vec![0]),
        raw(DataType::Undefined, &[1], vec![0]),
        external,
    ] {
        let error = decode(&tensor).unwrap_err();
        assert!(error.to_string().contains("`c`"), "{error}");
    }
}
