//! Constants and weights as numbers: decoded from every form in which ONNX stores them, and written back.

use crate::proto::TensorProto;
use crate::proto::tensor_proto::{DataLocation, DataType};
use ascan_core::{Error, Result, Tensor};
use half::{bf16, f16};

impl TensorProto {
    /// The type of the values; `Undefined` for a number that ONNX does not define.
    pub fn data_type(&self) -> DataType {
        DataType::try_from(self.data_type).unwrap_or(DataType::Undefined)
    }
}

/// A constant of a model: shape and values.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    /// Length of each axis; empty for a scalar.
    pub shape: Vec<usize>,
    /// Values, row-major.
    pub values: Values,
}

/// Values of a constant, in their own type. The 2- and 4-bit integers are widened to 8 bits.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "named as the types they hold")]
pub enum Values {
    F32(Vec<f32>),
    F64(Vec<f64>),
    F16(Vec<f16>),
    BF16(Vec<bf16>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    Bool(Vec<bool>),
    String(Vec<Vec<u8>>),
}

impl Values {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::F16(v) => v.len(),
            Self::BF16(v) => v.len(),
            Self::I8(v) => v.len(),
            Self::I16(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::U8(v) => v.len(),
            Self::U16(v) => v.len(),
            Self::U32(v) => v.len(),
            Self::U64(v) => v.len(),
            Self::Bool(v) => v.len(),
            Self::String(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether they are of a floating-point type.
    pub fn is_float(&self) -> bool {
        matches!(self, Self::F32(_) | Self::F64(_) | Self::F16(_) | Self::BF16(_))
    }
}

impl Constant {
    /// The values as `f32`, from any numeric type; `None` for strings.
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        Some(match &self.values {
            Values::F32(v) => v.clone(),
            Values::F64(v) => v.iter().map(|&x| x as f32).collect(),
            Values::F16(v) => v.iter().map(|x| x.to_f32()).collect(),
            Values::BF16(v) => v.iter().map(|x| x.to_f32()).collect(),
            Values::I8(v) => v.iter().map(|&x| f32::from(x)).collect(),
            Values::I16(v) => v.iter().map(|&x| f32::from(x)).collect(),
            Values::I32(v) => v.iter().map(|&x| x as f32).collect(),
            Values::I64(v) => v.iter().map(|&x| x as f32).collect(),
            Values::U8(v) => v.iter().map(|&x| f32::from(x)).collect(),
            Values::U16(v) => v.iter().map(|&x| f32::from(x)).collect(),
            Values::U32(v) => v.iter().map(|&x| x as f32).collect(),
            Values::U64(v) => v.iter().map(|&x| x as f32).collect(),
            Values::Bool(v) => v.iter().map(|&x| f32::from(u8::from(x))).collect(),
            Values::String(_) => return None,
        })
    }

    /// The values as `i64`, from any integer type or bool; `None` for others and for values too large.
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        Some(match &self.values {
            Values::I8(v) => v.iter().map(|&x| i64::from(x)).collect(),
            Values::I16(v) => v.iter().map(|&x| i64::from(x)).collect(),
            Values::I32(v) => v.iter().map(|&x| i64::from(x)).collect(),
            Values::I64(v) => v.clone(),
            Values::U8(v) => v.iter().map(|&x| i64::from(x)).collect(),
            Values::U16(v) => v.iter().map(|&x| i64::from(x)).collect(),
            Values::U32(v) => v.iter().map(|&x| i64::from(x)).collect(),
            Values::U64(v) => v.iter().map(|&x| i64::try_from(x).ok()).collect::<Option<_>>()?,
            Values::Bool(v) => v.iter().map(|&x| i64::from(x)).collect(),
            Values::F32(_) | Values::F64(_) | Values::F16(_) | Values::BF16(_) | Values::String(_) => return None,
        })
    }
}

/// Bits of one element; `None` for types that are not stored as plain numbers here.
fn bits(data_type: DataType) -> Option<usize> {
    use DataType as D;
    Some(match data_type {
        D::Uint2 | D::Int2 => 2,
        D::Uint4 | D::Int4 => 4,
        D::Uint8 | D::Int8 | D::Bool => 8,
        D::Uint16 | D::Int16 | D::Float16 | D::Bfloat16 => 16,
        D::Float | D::Int32 | D::Uint32 => 32,
        D::Double | D::Int64 | D::Uint64 => 64,
        _ => return None,
    })
}

fn name(tensor: &TensorProto) -> String {
    if tensor.name.is_empty() { "constant without a name".to_owned() } else { format!("constant `{}`", tensor.name) }
}

/// Name of an element type, for messages.
pub(crate) fn type_name(data_type: DataType) -> String {
    match data_type {
        DataType::Float => "float32".to_owned(),
        DataType::Double => "float64".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// Shape of a constant.
///
/// # Errors
/// `Shape` for a negative length or a product beyond the address space.
pub(crate) fn shape(tensor: &TensorProto) -> Result<Vec<usize>> {
    let wrong = || Error::shape(name(tensor), "lengths that are not negative and fit into memory", &tensor.dims);
    let shape: Vec<usize> =
        tensor.dims.iter().map(|&dim| usize::try_from(dim)).collect::<Result<_, _>>().map_err(|_| wrong())?;
    shape.iter().try_fold(8usize, |product, &dim| product.checked_mul(dim)).ok_or_else(wrong)?;
    Ok(shape)
}

/// Decodes a constant, wherever in the message its values are.
///
/// # Errors
/// `Shape` if the number of values is not the product of the shape; `Unsupported` for complex, 4-, 6- and 8-bit
/// floating-point types and for values that lie in another file (which [`Model::load`](crate::Model::load) resolves).
pub fn decode(tensor: &TensorProto) -> Result<Constant> {
    let shape = shape(tensor)?;
    let n: usize = shape.iter().product();
    let data_type = tensor.data_type();
    if tensor.data_location() == DataLocation::External {
        return Err(Error::unsupported(
            format!("{} has its values in another file", name(tensor)),
            "load the model from its file, so that external data is found",
        ));
    }
    let values = if data_type == DataType::String {
        Values::String(tensor.string_data.clone())
    } else {
        let Some(bits) = bits(data_type) else {
            return Err(Error::unsupported(
                format!("{} is of type {} ({})", name(tensor), type_name(data_type), tensor.data_type),
                "export the model with float32, float16 or integer constants",
            ));
        };
        if tensor.raw_data.is_empty() {
            from_fields(tensor, data_type, n)
        } else {
            let n_bytes = (n * bits).div_ceil(8);
            if tensor.raw_data.len() != n_bytes {
                return Err(Error::shape(
                    name(tensor),
                    format!("{n_bytes} bytes for shape {shape:?}"),
                    tensor.raw_data.len(),
                ));
            }
            from_bytes(&tensor.raw_data, data_type, n)
        }
    };
    if values.len() != n {
        return Err(Error::shape(name(tensor), format!("{n} values for shape {shape:?}"), values.len()));
    }
    Ok(Constant { shape, values })
}

/// Value `i` of a tensor of `BITS`-bit numbers, least significant first in each byte.
fn packed<const BITS: usize>(bytes: &[u8], n: usize) -> impl Iterator<Item = u8> {
    let per_byte = 8 / BITS;
    (0..n).map(move |i| (bytes[i / per_byte] >> (BITS * (i % per_byte))) & ((1 << BITS) - 1))
}

fn signed<const BITS: usize>(value: u8) -> i8 {
    ((value << (8 - BITS)) as i8) >> (8 - BITS)
}

fn words<const N: usize, T>(bytes: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&word| read(word)).collect()
}

fn from_bytes(bytes: &[u8], data_type: DataType, n: usize) -> Values {
    use DataType as D;
    match data_type {
        D::Double => Values::F64(words(bytes, f64::from_le_bytes)),
        D::Float16 => Values::F16(words(bytes, f16::from_le_bytes)),
        D::Bfloat16 => Values::BF16(words(bytes, bf16::from_le_bytes)),
        D::Int8 => Values::I8(words(bytes, i8::from_le_bytes)),
        D::Int16 => Values::I16(words(bytes, i16::from_le_bytes)),
        D::Int32 => Values::I32(words(bytes, i32::from_le_bytes)),
        D::Int64 => Values::I64(words(bytes, i64::from_le_bytes)),
        D::Uint8 => Values::U8(bytes.to_vec()),
        D::Uint16 => Values::U16(words(bytes, u16::from_le_bytes)),
        D::Uint32 => Values::U32(words(bytes, u32::from_le_bytes)),
        D::Uint64 => Values::U64(words(bytes, u64::from_le_bytes)),
        D::Bool => Values::Bool(bytes.iter().map(|&byte| byte != 0).collect()),
        D::Uint4 => Values::U8(packed::<4>(bytes, n).collect()),
        D::Int4 => Values::I8(packed::<4>(bytes, n).map(signed::<4>).collect()),
        D::Uint2 => Values::U8(packed::<2>(bytes, n).collect()),
        D::Int2 => Values::I8(packed::<2>(bytes, n).map(signed::<2>).collect()),
        // `decode` lets only the types above and float through.
        _ => Values::F32(words(bytes, f32::from_le_bytes)),
    }
}

fn from_fields(tensor: &TensorProto, data_type: DataType, n: usize) -> Values {
    use DataType as D;
    let ints = &tensor.int32_data;
    // Small floats lie in the integer field as their bits; 2- and 4-bit numbers as whole bytes of `raw_data`.
    let bytes = || ints.iter().map(|&x| x as u8).collect::<Vec<u8>>();
    match data_type {
        D::Double => Values::F64(tensor.double_data.clone()),
        D::Float16 => Values::F16(ints.iter().map(|&x| f16::from_bits(x as u16)).collect()),
        D::Bfloat16 => Values::BF16(ints.iter().map(|&x| bf16::from_bits(x as u16)).collect()),
        D::Int8 => Values::I8(ints.iter().map(|&x| x as i8).collect()),
        D::Int16 => Values::I16(ints.iter().map(|&x| x as i16).collect()),
        D::Int32 => Values::I32(ints.clone()),
        D::Int64 => Values::I64(tensor.int64_data.clone()),
        D::Uint8 => Values::U8(bytes()),
        D::Uint16 => Values::U16(ints.iter().map(|&x| x as u16).collect()),
        D::Uint32 => Values::U32(tensor.uint64_data.iter().map(|&x| x as u32).collect()),
        D::Uint64 => Values::U64(tensor.uint64_data.clone()),
        D::Bool => Values::Bool(ints.iter().map(|&x| x != 0).collect()),
        D::Uint4 | D::Int4 if ints.len() == n.div_ceil(2) => from_bytes(&bytes(), data_type, n),
        D::Uint2 | D::Int2 if ints.len() == n.div_ceil(4) => from_bytes(&bytes(), data_type, n),
        // A wrong number of packed bytes: reported by `decode` through the number of values.
        D::Uint4 | D::Int4 | D::Uint2 | D::Int2 => Values::U8(Vec::new()),
        _ => Values::F32(tensor.float_data.clone()),
    }
}

/// Replaces the values of a floating-point constant, keeping its type.
///
/// # Errors
/// `Shape` for another shape; `Unsupported` for a constant that is not floating-point.
pub(crate) fn overwrite(tensor: &mut TensorProto, new: &Tensor) -> Result<()> {
    let shape = shape(tensor)?;
    if new.shape() != shape {
        return Err(Error::shape(format!("weights for `{}`", tensor.name), format!("{shape:?}"), new.shape()));
    }
    let data = new.data().iter();
    tensor.raw_data = match tensor.data_type() {
        DataType::Float => data.flat_map(|x| x.to_le_bytes()).collect(),
        DataType::Double => data.flat_map(|&x| f64::from(x).to_le_bytes()).collect(),
        DataType::Float16 => data.flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect(),
        DataType::Bfloat16 => data.flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect(),
        other => {
            return Err(Error::unsupported(
                format!("{} is of type {} and cannot take trained weights", name(tensor), type_name(other)),
                "train a model whose weights are floating-point numbers",
            ));
        }
    };
    tensor.float_data.clear();
    tensor.double_data.clear();
    tensor.int32_data.clear();
    Ok(())
}

/// A constant of 32-bit floating-point numbers as a message.
pub(crate) fn float_proto(name: &str, shape: &[usize], values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: shape.iter().map(|&dim| dim as i64).collect(),
        data_type: DataType::Float.into(),
        raw_data: values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        ..Default::default()
    }
}

/// One unsigned byte as a message.
pub(crate) fn byte_proto(name: &str, value: u8) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        data_type: DataType::Uint8.into(),
        raw_data: vec![value],
        ..Default::default()
    }
}

/// A vector of 64-bit integers as a message.
pub(crate) fn int_proto(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: vec![values.len() as i64],
        data_type: DataType::Int64.into(),
        raw_data: values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        ..Default::default()
    }
}
