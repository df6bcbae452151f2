//! The steps that rules are made of: arithmetic, sums, and other arrangements.

use super::shape::Shape;
use super::tape::Tape;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;

/// `ScatterElements` and `ScatterND` add up from this version of ONNX's operators on.
const ADDING_SINCE: i64 = 16;

impl Tape {
    /// A function of each element.
    pub fn unary(&mut self, op_type: &str, x: &str) -> Result<String, String> {
        let shape = self.shape(x)?;
        Ok(self.op(op_type, &[x], shape))
    }

    /// An operation on two tensors, element by element.
    pub fn binary(&mut self, op_type: &str, a: &str, b: &str) -> Result<String, String> {
        let shape = self.shape(a)?.broadcast(&self.shape(b)?);
        Ok(self.op(op_type, &[a, b], shape))
    }

    pub fn mul(&mut self, a: &str, b: &str) -> Result<String, String> {
        self.binary("Mul", a, b)
    }

    pub fn add(&mut self, a: &str, b: &str) -> Result<String, String> {
        self.binary("Add", a, b)
    }

    pub fn sub(&mut self, a: &str, b: &str) -> Result<String, String> {
        self.binary("Sub", a, b)
    }

    /// `a · factor`.
    pub fn scaled(&mut self, a: &str, factor: f32) -> Result<String, String> {
        if factor == 1.0 {
            return Ok(a.to_owned());
        }
        let factor = self.scalar(factor);
        self.mul(a, &factor)
    }

    /// `a + term`.
    pub fn shifted(&mut self, a: &str, term: f32) -> Result<String, String> {
        let term = self.scalar(term);
        self.add(a, &term)
    }

    /// A comparison of two tensors: truths.
    pub fn compare(&mut self, op_type: &str, a: &str, b: &str) -> Result<String, String> {
        let shape = self.shape(a)?.broadcast(&self.shape(b)?);
        Ok(self.emit_as(NodeProto::new(op_type, &[a, b], ""), shape, DataType::Bool))
    }

    /// `yes` where `truths`, else `no`.
    pub fn choose(&mut self, truths: &str, yes: &str, no: &str) -> Result<String, String> {
        let shape = self.shape(truths)?.broadcast(&self.shape(yes)?).broadcast(&self.shape(no)?);
        Ok(self.op("Where", &[truths, yes, no], shape))
    }

    /// `x` where `truths`, else 0.
    pub fn only_where(&mut self, truths: &str, x: &str) -> Result<String, String> {
        let zero = self.scalar(0.0);
        self.choose(truths, x, &zero)
    }

    /// The tensor in another shape.
    pub fn reshape(&mut self, x: &str, shape: &Shape) -> Result<String, String> {
        if self.shape(x)? == *shape {
            return Ok(x.to_owned());
        }
        let target = self.ints(&shape.target()?);
        Ok(self.op("Reshape", &[x, &target], shape.clone()))
    }

    /// A gradient that was left to be broadcast, at its full size.
    pub fn expand(&mut self, x: &str, shape: &Shape) -> Result<String, String> {
        let own = self.shape(x)?;
        if own == *shape {
            return Ok(x.to_owned());
        }
        let lead = shape.rank().saturating_sub(own.rank());
        let mut target = Vec::with_capacity(shape.rank());
        for axis in 0..shape.rank() {
            let there = axis >= lead && !own.is_one(axis - lead);
            if shape.follows_batch(axis) && !there {
                return Err("the gradient does not follow the number of images".to_owned());
            }
            target.push(if there { 1 } else { shape.length(axis) as i64 });
        }
        let target = self.ints(&target);
        Ok(self.op("Expand", &[x, &target], shape.clone()))
    }

    /// Sums over the axes that broadcasting from `shape` has repeated.
    pub fn sum_to(&mut self, x: &str, shape: &Shape) -> Result<String, String> {
        let own = self.shape(x)?;
        if own == *shape {
            return Ok(x.to_owned());
        }
        let lead = own.rank() - shape.rank();
        let repeated = |&axis: &usize| axis < lead || (shape.is_one(axis - lead) && !own.is_one(axis));
        let axes: Vec<usize> = (0..own.rank()).filter(repeated).collect();
        let summed = self.sum(x, &axes)?;
        self.reshape(&summed, shape)
    }

    /// The sum over these axes, which keep length 1.
    pub fn sum(&mut self, x: &str, axes: &[usize]) -> Result<String, String> {
        let own = self.shape(x)?;
        if axes.iter().all(|&axis| own.is_one(axis)) {
            return Ok(x.to_owned());
        }
        let shape = own.with_ones(axes);
        if axes == [2, 3] && own.rank() == 4 {
            // The blocked layout of onnxruntime knows pooling, and no sums.
            let mean = self.op("GlobalAveragePool", &[x], shape);
            return self.scaled(&mean, (own.length(2) * own.length(3)) as f32);
        }
        let listed: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
        let listed = self.ints(&listed);
        Ok(self.emit(NodeProto::new("ReduceSum", &[x, &listed], "").with_int("keepdims", 1), shape))
    }

    /// The mean over these axes, which keep length 1.
    pub fn mean(&mut self, x: &str, axes: &[usize]) -> Result<String, String> {
        let shape = self.shape(x)?.with_ones(axes);
        let listed: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
        // From this version on the axes are an input.
        let node = if self.opset >= 18 {
            let listed = self.ints(&listed);
            NodeProto::new("ReduceMean", &[x, &listed], "")
        } else {
            NodeProto::new("ReduceMean", &[x], "").with_ints("axes", &listed)
        };
        Ok(self.emit(node.with_int("keepdims", 1), shape))
    }

    /// The tensor with its axes in another order.
    pub fn transpose(&mut self, x: &str, perm: &[usize]) -> Result<String, String> {
        if perm.iter().enumerate().all(|(i, &axis)| i == axis) {
            return Ok(x.to_owned());
        }
        let shape = self.shape(x)?.permuted(perm);
        let listed: Vec<i64> = perm.iter().map(|&axis| axis as i64).collect();
        Ok(self.emit(NodeProto::new("Transpose", &[x], "").with_ints("perm", &listed), shape))
    }

    /// Zeros of the shape of a tensor.
    pub fn zeros(&mut self, like: &str) -> Result<String, String> {
        let shape = self.shape(like)?;
        let lengths = NodeProto::new("Shape", &[like], "");
        let lengths = self.emit_as(lengths, Shape::fixed(&[shape.rank()]), DataType::Int64);
        Ok(self.op("ConstantOfShape", &[&lengths], shape))
    }

    /// Makes the file declare a version in which scattered values are added up.
    pub fn adds_up(&mut self) {
        self.needs_opset = self.needs_opset.max(ADDING_SINCE);
    }

    /// Zeros of the shape of `like`, with `values` added at `indices`, which count through it in a row.
    pub fn add_at(&mut self, like: &str, indices: &str, values: &str) -> Result<String, String> {
        self.adds_up();
        let shape = self.shape(like)?;
        let in_a_row = |shape: &Shape| shape.map(|lengths| vec![lengths.iter().product()]);
        let (row, places) = (in_a_row(&shape), in_a_row(&self.shape(indices)?));
        let target = self.ints(&[-1]);
        let elem = self.known(indices).and_then(|known| known.elem).unwrap_or(DataType::Int64);
        let indices = self.emit_as(NodeProto::new("Reshape", &[indices, &target], ""), places.clone(), elem);
        let zeros = self.zeros(like)?;
        let (zeros, values) = (self.reshape(&zeros, &row)?, self.reshape(values, &places)?);
        let scatter = NodeProto::new("ScatterElements", &[&zeros, &indices, &values], "")
            .with_int("axis", 0)
            .with_string("reduction", "add");
        let sums = self.emit(scatter, row);
        self.reshape(&sums, &shape)
    }

    /// One part of an axis.
    pub fn slice(&mut self, x: &str, axis: usize, start: usize, length: usize) -> Result<String, String> {
        let shape = self.shape(x)?.with(axis, length);
        let [start, end, axis] = [start, start + length, axis].map(|value| self.ints(&[value as i64]));
        Ok(self.op("Slice", &[x, &start, &end, &axis], shape))
    }

    /// Zeros around the tensor: so many before and after, by axis.
    pub fn pad(&mut self, x: &str, before: &[usize], after: &[usize]) -> Result<String, String> {
        if before.iter().chain(after).all(|&n| n == 0) {
            return Ok(x.to_owned());
        }
        let shape =
            self.shape(x)?.map(|lengths| (0..lengths.len()).map(|i| lengths[i] + before[i] + after[i]).collect());
        let pads: Vec<i64> = before.iter().chain(after).map(|&n| n as i64).collect();
        let pads = self.ints(&pads);
        Ok(self.op("Pad", &[x, &pads], shape))
    }

    /// The parts of an axis.
    pub fn split(&mut self, x: &str, axis: usize, lengths: &[usize]) -> Result<Vec<String>, String> {
        if lengths.len() == 1 {
            return Ok(vec![x.to_owned()]);
        }
        let shape = self.shape(x)?;
        let sizes: Vec<i64> = lengths.iter().map(|&length| length as i64).collect();
        let sizes = self.ints(&sizes);
        let node = NodeProto::new("Split", &[x, &sizes], "").with_int("axis", axis as i64);
        let shapes = lengths.iter().map(|&length| shape.with(axis, length)).collect();
        Ok(self.emit_all(node, shapes, DataType::Float))
    }

    /// Tensors one after the other along an axis.
    pub fn concat(&mut self, parts: &[String], axis: usize, shape: &Shape) -> String {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.emit(NodeProto::new("Concat", &parts, "").with_int("axis", axis as i64), shape.clone())
    }
}
