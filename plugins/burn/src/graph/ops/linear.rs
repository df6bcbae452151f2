//! Matrix products and what goes with them.

use super::{Call, floats};
use crate::value::{Float, MAX_RANK, Value, broadcast};
use ascan_core::{Error, Result};
use burn::tensor::Tensor;

type Six = Tensor<MAX_RANK>;

pub(super) fn gemm(call: &mut Call) -> Result<Vec<Value>> {
    let (mut a, mut b) = (call.float(0)?, call.float(1)?);
    let c = call.optional_float(2)?;
    if call.int("transA", 0) != 0 {
        a = a.map(|a| a.swap_dims(MAX_RANK - 2, MAX_RANK - 1));
    }
    if call.int("transB", 0) != 0 {
        b = b.map(|b| b.swap_dims(MAX_RANK - 2, MAX_RANK - 1));
    }
    let (alpha, beta) = (call.real("alpha", 1.0), call.real("beta", 1.0));
    let product = product(a, b)?.map(|product| if alpha == 1.0 { product } else { product.mul_scalar(alpha) });
    let Some(c) = c else { return floats(product) };
    let c = c.map(|c| if beta == 1.0 { c } else { c.mul_scalar(beta) });
    broadcast(&product.shape(), &c.shape())?;
    floats(product.zip(c, Six::add))
}

pub(super) fn matmul(call: &mut Call) -> Result<Vec<Value>> {
    let (a, b) = (call.float(0)?, call.float(1)?);
    floats(product(a, b)?)
}

/// The matrix product as numpy's `matmul`: broadcasts the leading axes, and a vector is a row or a column.
pub(super) fn product(a: Float, b: Float) -> Result<Float> {
    let (left, right) = (a.shape(), b.shape());
    let mismatch = || Error::shape("operand of a matrix product", format!("a shape that fits {left:?}"), &right);
    let (&k, &other) = match (left.last(), right.len().checked_sub(2).or(right.len().checked_sub(1))) {
        (Some(k), Some(axis)) => (k, &right[axis]),
        _ => return Err(mismatch()),
    };
    if k != other {
        return Err(mismatch());
    }
    if right.len() == 2 && left.len() >= 2 {
        // One product instead of one for each leading index.
        let rows = left[..left.len() - 1].iter().product();
        let n = right[1];
        let result = a.dims([rows, k]).matmul(b.dims([k, n]));
        let mut shape = left;
        *shape.last_mut().expect("has an axis") = n;
        return Float::wrap(result).reshape(&shape);
    }
    let a = if left.len() == 1 { a.reshape(&[1, k])? } else { a };
    let b = if right.len() == 1 { b.reshape(&[k, 1])? } else { b };
    let (rows, columns) = (a.shape(), b.shape());
    let mut shape = broadcast(&rows[..rows.len() - 2], &columns[..columns.len() - 2])?;
    let result = Float::from_six(a.six().matmul(b.six()), MAX_RANK);
    if left.len() > 1 {
        shape.push(rows[rows.len() - 2]);
    }
    if right.len() > 1 {
        shape.push(columns[columns.len() - 1]);
    }
    result.reshape(&shape)
}

/// Softmax along an axis; before operator set 13, along all axes from it on together.
pub(super) fn soft(call: &mut Call, function: fn(Six, usize) -> Six) -> Result<Vec<Value>> {
    let x = call.float(0)?;
    if call.run.opset >= 13 {
        let axis = x.axis(call.int("axis", -1))?;
        return floats(x.map(|x| function(x, axis)));
    }
    let shape = x.shape();
    let axis = crate::value::resolve_axis(call.int("axis", 1), shape.len())?;
    let (outer, inner) = (shape[..axis].iter().product(), shape[axis..].iter().product());
    floats(x.reshape(&[outer, inner])?.map(|x| function(x, MAX_RANK - 1)).reshape(&shape)?)
}

pub(super) fn hardmax(call: &mut Call) -> Result<Vec<Value>> {
    let x = call.float(0)?;
    let shape = x.shape();
    let default = if call.run.opset >= 13 { -1 } else { 1 };
    let axis = crate::value::resolve_axis(call.int("axis", default), shape.len())?;
    let together = call.run.opset < 13;
    let n = if together { shape[axis..].iter().product() } else { shape[axis] };
    let step: usize = if together { 1 } else { shape[axis + 1..].iter().product() };
    let data = x.to_vec();
    let mut result = vec![0.0; data.len()];
    for first in (0..data.len()).filter(|i| (i / step).is_multiple_of(n)) {
        let at = |i: usize| first + i * step;
        let best = (0..n).fold(0, |best, i| if data[at(i)] > data[at(best)] { i } else { best });
        result[at(best)] = 1.0;
    }
    floats(Float::new(result, &shape, &call.run.device)?)
}
