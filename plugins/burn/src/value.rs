//! What flows through the graph: floats on the device, integers and booleans on the host.

use ascan_core::{Error, Result, Tensor as Plain};
use ascan_onnx::proto::tensor_proto::DataType;
use ascan_onnx::{Constant, Values};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// Most axes that a tensor of the graph may have.
///
/// Every float tensor has this many axes on the device, the missing ones of length 1 in front:
/// broadcasting then is burn's own, and no operator is generic over the rank.
pub const MAX_RANK: usize = 6;

/// A value of the graph.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "nearly all values are floats, and they are moved, not stored in bulk")]
pub enum Value {
    /// Floating-point numbers of any ONNX type, computed in f32.
    Float(Float),
    /// Integers and booleans, exact.
    Ints(Ints),
}

impl Value {
    /// Length of each axis.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Float(float) => float.shape(),
            Self::Ints(ints) => ints.shape.clone(),
        }
    }

    /// A constant of the model.
    ///
    /// # Errors
    /// `Unsupported` for strings and for more than `MAX_RANK` axes.
    pub fn from_constant(constant: &Constant, device: &Device) -> Result<Self> {
        let shape = &constant.shape;
        if let (false, Some(data)) = (constant.values.is_float(), constant.to_i64()) {
            return Ok(Self::Ints(Ints { shape: shape.clone(), kind: kind_of(&constant.values), data }));
        }
        match constant.to_f32() {
            Some(data) => Ok(Self::Float(Float::new(data, shape, device)?)),
            None => Err(Error::unsupported("a constant of strings cannot be computed with", "")),
        }
    }
}

fn kind_of(values: &Values) -> DataType {
    match values {
        Values::I8(_) => DataType::Int8,
        Values::I16(_) => DataType::Int16,
        Values::I32(_) => DataType::Int32,
        Values::U8(_) => DataType::Uint8,
        Values::U16(_) => DataType::Uint16,
        Values::U32(_) => DataType::Uint32,
        Values::U64(_) => DataType::Uint64,
        Values::Bool(_) => DataType::Bool,
        _ => DataType::Int64,
    }
}

/// A float tensor on the device, of any rank up to `MAX_RANK`.
#[derive(Debug, Clone)]
pub struct Float {
    tensor: Tensor<MAX_RANK>,
    rank: usize,
}

fn padded(shape: &[usize]) -> [usize; MAX_RANK] {
    let mut dims = [1; MAX_RANK];
    dims[MAX_RANK - shape.len()..].copy_from_slice(shape);
    dims
}

/// Errors for more axes than `MAX_RANK`.
pub fn check_rank(rank: usize) -> Result<()> {
    if rank <= MAX_RANK {
        return Ok(());
    }
    Err(Error::unsupported(format!("a tensor of {rank} axes: the burn backend computes with up to {MAX_RANK}"), ""))
}

impl Float {
    /// Values, row-major, in this shape.
    ///
    /// # Errors
    /// `Unsupported` for more than `MAX_RANK` axes.
    pub fn new(data: Vec<f32>, shape: &[usize], device: &Device) -> Result<Self> {
        check_rank(shape.len())?;
        let tensor = Tensor::from_data(TensorData::new(data, padded(shape)), device);
        Ok(Self { tensor, rank: shape.len() })
    }

    /// One number, without axes.
    pub fn scalar(value: f32, device: &Device) -> Self {
        Self { tensor: Tensor::full([1; MAX_RANK], value, device), rank: 0 }
    }

    /// A tensor of burn as a value of `D` axes.
    pub fn wrap<const D: usize>(tensor: Tensor<D>) -> Self {
        let dims = tensor.dims();
        Self { tensor: tensor.reshape(padded(&dims)), rank: D }
    }

    /// A six-axis tensor of which the last `rank` axes count.
    pub fn from_six(tensor: Tensor<MAX_RANK>, rank: usize) -> Self {
        Self { tensor, rank }
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Length of each axis.
    pub fn shape(&self) -> Vec<usize> {
        self.tensor.dims()[MAX_RANK - self.rank..].to_vec()
    }

    /// The six-axis tensor.
    pub fn six(self) -> Tensor<MAX_RANK> {
        self.tensor
    }

    /// The same values with the axes of `shape`.
    ///
    /// # Errors
    /// `Unsupported` for more than `MAX_RANK` axes.
    pub fn reshape(self, shape: &[usize]) -> Result<Self> {
        check_rank(shape.len())?;
        if padded(shape) == self.tensor.dims() {
            return Ok(Self { tensor: self.tensor, rank: shape.len() });
        }
        if shape.contains(&0) {
            // In a shape of burn's, 0 means "as before".
            return Self::new(Vec::new(), shape, &self.device());
        }
        Ok(Self { tensor: self.tensor.reshape(padded(shape)), rank: shape.len() })
    }

    /// The tensor with exactly these axes.
    pub fn dims<const D: usize>(self, shape: [usize; D]) -> Tensor<D> {
        self.tensor.reshape(shape)
    }

    /// Applies an elementwise function.
    pub fn map(self, function: impl FnOnce(Tensor<MAX_RANK>) -> Tensor<MAX_RANK>) -> Self {
        Self { tensor: function(self.tensor), rank: self.rank }
    }

    /// Applies an elementwise function of two tensors, broadcasting both.
    pub fn zip(
        self,
        other: Self,
        function: impl FnOnce(Tensor<MAX_RANK>, Tensor<MAX_RANK>) -> Tensor<MAX_RANK>,
    ) -> Self {
        let rank = self.rank.max(other.rank);
        Self { tensor: function(self.tensor, other.tensor), rank }
    }

    /// Compares with another tensor, broadcasting both.
    pub fn compare(
        self,
        other: Self,
        function: impl FnOnce(Tensor<MAX_RANK>, Tensor<MAX_RANK>) -> Tensor<MAX_RANK, Bool>,
    ) -> Result<Ints> {
        let shape = broadcast(&self.shape(), &other.shape())?;
        let [a, b] = [self, other].map(|side| side.tensor.without_autodiff().expand(padded(&shape)));
        let data = function(a, b).into_data().iter::<bool>().map(i64::from).collect();
        Ok(Ints { shape, kind: DataType::Bool, data })
    }

    /// Index in the six axes of axis `axis` of this value, which counts from the end if negative.
    ///
    /// # Errors
    /// `Shape` for an axis that does not exist.
    pub fn axis(&self, axis: i64) -> Result<usize> {
        Ok(MAX_RANK - self.rank + resolve_axis(axis, self.rank)?)
    }

    /// Whether a gradient is followed through it.
    pub fn is_tracked(&self) -> bool {
        self.tensor.is_tracked()
    }

    /// The values, row-major.
    pub fn to_vec(&self) -> Vec<f32> {
        self.clone().into_vec()
    }

    /// The values, row-major, without a copy where possible.
    pub fn into_vec(self) -> Vec<f32> {
        let data = self.tensor.without_autodiff().into_data();
        data.try_into_vec::<f32>().unwrap_or_default()
    }

    /// The values as the plain tensor of the contract.
    ///
    /// # Errors
    /// Never, unless burn loses values.
    pub fn to_plain(&self) -> Result<Plain> {
        Plain::new(self.shape(), self.to_vec())
    }

    /// Where the values are.
    pub fn device(&self) -> Device {
        self.tensor.device()
    }
}

/// `axis` as an index, counting from the end if negative.
///
/// # Errors
/// `Shape` for an axis that does not exist.
pub fn resolve_axis(axis: i64, rank: usize) -> Result<usize> {
    let index = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(index)
        .ok()
        .filter(|&index| index < rank.max(1))
        .ok_or_else(|| Error::shape("axis", format!("an axis of a tensor with {rank} axes"), axis))
}

/// The shape to which two shapes broadcast.
///
/// # Errors
/// `Shape` if they do not fit.
pub fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], i: usize| if i + shape.len() < rank { 1 } else { shape[i + shape.len() - rank] };
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y || y == 1 => Ok(x),
            (1, y) => Ok(y),
            _ => Err(Error::shape("operand", format!("a shape that broadcasts with {a:?}"), b)),
        })
        .collect()
}

/// Integers or booleans on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Ints {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Their ONNX type; booleans are 0 and 1.
    pub kind: DataType,
    /// Values, row-major.
    pub data: Vec<i64>,
}

impl Ints {
    /// 64-bit integers in this shape.
    pub fn new(shape: Vec<usize>, data: Vec<i64>) -> Self {
        Self { shape, kind: DataType::Int64, data }
    }

    /// A list of 64-bit integers.
    pub fn list(data: impl IntoIterator<Item = i64>) -> Self {
        let data: Vec<i64> = data.into_iter().collect();
        Self::new(vec![data.len()], data)
    }

    /// The values with those of another in this type, wrapped around as its width demands.
    pub fn wrapped(mut self) -> Self {
        for value in &mut self.data {
            *value = wrap(*value, self.kind);
        }
        self
    }

    /// Each element of a new shape taken from the element of this one that `source` names for its index.
    pub fn pick(&self, shape: Vec<usize>, mut source: impl FnMut(&[usize]) -> usize) -> Self {
        let mut data = Vec::with_capacity(shape.iter().product());
        for_each_index(&shape, |index| data.push(self.data[source(index)]));
        Self { shape, kind: self.kind, data }
    }

    /// The values broadcast to a shape.
    pub fn expand(&self, shape: &[usize]) -> Self {
        if shape == self.shape {
            return self.clone();
        }
        let strides = strides(&self.shape);
        let skipped = shape.len() - self.shape.len();
        self.pick(shape.to_vec(), |index| {
            let own = index[skipped..].iter().zip(&self.shape).zip(&strides);
            own.map(|((&i, &len), &stride)| if len == 1 { 0 } else { i * stride }).sum()
        })
    }

    /// Applies a function of two integers, broadcasting both.
    ///
    /// # Errors
    /// `Shape` if the shapes do not fit.
    pub fn zip(&self, other: &Self, kind: DataType, function: impl Fn(i64, i64) -> i64) -> Result<Self> {
        let shape = broadcast(&self.shape, &other.shape)?;
        let [a, b] = [self, other].map(|side| side.expand(&shape));
        let data = a.data.iter().zip(&b.data).map(|(&a, &b)| function(a, b)).collect();
        Ok(Self { shape, kind, data })
    }

    /// Applies a function of one integer.
    pub fn map(mut self, function: impl Fn(i64) -> i64) -> Self {
        for value in &mut self.data {
            *value = function(*value);
        }
        self
    }

    /// The values as floats on the device.
    ///
    /// # Errors
    /// `Unsupported` for more than `MAX_RANK` axes.
    pub fn to_float(&self, device: &Device) -> Result<Float> {
        Float::new(self.data.iter().map(|&value| value as f32).collect(), &self.shape, device)
    }

    /// The values as an index tensor on the device.
    pub fn to_indices(&self, device: &Device) -> Tensor<1, Int> {
        Tensor::from_data(TensorData::new(self.data.clone(), [self.data.len()]), device)
    }

    /// The values as a mask of six axes on the device.
    ///
    /// # Errors
    /// `Unsupported` for more than `MAX_RANK` axes.
    pub fn to_mask(&self, device: &Device) -> Result<Tensor<MAX_RANK, Bool>> {
        check_rank(self.shape.len())?;
        let data: Vec<bool> = self.data.iter().map(|&value| value != 0).collect();
        Ok(Tensor::from_data(TensorData::new(data, padded(&self.shape)), device))
    }
}

/// Step in a row-major array to the next index of each axis.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// Calls `visit` with every index of a shape, in row-major order.
pub fn for_each_index(shape: &[usize], mut visit: impl FnMut(&[usize])) {
    let mut index = vec![0; shape.len()];
    for _ in 0..shape.iter().product() {
        visit(&index);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}

fn wrap(value: i64, kind: DataType) -> i64 {
    match kind {
        DataType::Int8 => i64::from(value as i8),
        DataType::Int16 => i64::from(value as i16),
        DataType::Int32 => i64::from(value as i32),
        DataType::Uint8 => i64::from(value as u8),
        DataType::Uint16 => i64::from(value as u16),
        DataType::Uint32 => i64::from(value as u32),
        DataType::Bool => i64::from(value != 0),
        _ => value,
    }
}
