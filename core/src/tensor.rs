//! Dense `f32` arrays in row-major order: owned ([`Tensor`]) and borrowed ([`TensorView`]).
//!
//! They only carry numbers between plugins; each plugin computes with the array
//! type of its own library.

use crate::{Error, Result};
use std::ops::Range;

/// An owned array, row-major.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Vec<f32>,
}

/// A borrowed array, row-major.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TensorView<'a> {
    shape: &'a [usize],
    data: &'a [f32],
}

fn check_len(shape: &[usize], len: usize) -> Result<()> {
    // A shape whose product overflows cannot have that many values in memory.
    match shape.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim)) {
        Some(n) if n == len => Ok(()),
        _ => Err(Error::shape("tensor", format!("values for shape {shape:?}"), len)),
    }
}

impl Tensor {
    /// An array of this shape over these values.
    ///
    /// # Errors
    /// `Shape` if the number of values is not the product of the shape.
    pub fn new(shape: impl Into<Vec<usize>>, data: Vec<f32>) -> Result<Self> {
        let shape = shape.into();
        check_len(&shape, data.len())?;
        Ok(Self { shape, data })
    }

    /// An array of zeros.
    pub fn zeros(shape: impl Into<Vec<usize>>) -> Self {
        let shape = shape.into();
        let data = vec![0.0; shape.iter().product()];
        Self { shape, data }
    }

    /// Length of each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// All values, row-major.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// All values, to change in place.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// The values alone.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// Length of the first axis; 0 for a scalar.
    pub fn n_rows(&self) -> usize {
        self.view().n_rows()
    }

    /// Values of entry `i` of the first axis.
    pub fn row(&self, i: usize) -> &[f32] {
        self.view().row(i)
    }

    /// This array, borrowed.
    pub fn view(&self) -> TensorView<'_> {
        TensorView { shape: &self.shape, data: &self.data }
    }
}

impl<'a> TensorView<'a> {
    /// A view of this shape over these values.
    ///
    /// # Errors
    /// `Shape` if the number of values is not the product of the shape.
    pub fn new(shape: &'a [usize], data: &'a [f32]) -> Result<Self> {
        check_len(shape, data.len())?;
        Ok(Self { shape, data })
    }

    /// Length of each axis.
    pub fn shape(self) -> &'a [usize] {
        self.shape
    }

    /// All values, row-major.
    pub fn data(self) -> &'a [f32] {
        self.data
    }

    /// Length of the first axis; 0 for a scalar.
    pub fn n_rows(self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Number of values in one entry of the first axis.
    pub fn row_len(self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// Values of entry `i` of the first axis.
    ///
    /// # Panics
    /// If there is no such entry.
    pub fn row(self, i: usize) -> &'a [f32] {
        let len = self.row_len();
        &self.data[i * len..(i + 1) * len]
    }

    /// Values of a range of entries of the first axis, without their shape.
    ///
    /// # Panics
    /// If the range ends beyond the last entry.
    pub fn rows(self, range: Range<usize>) -> &'a [f32] {
        let len = self.row_len();
        &self.data[range.start * len..range.end * len]
    }

    /// The axes, when there are exactly `R`.
    ///
    /// # Errors
    /// `Shape`, with the name `what` and the form `expected`.
    pub fn dims<const R: usize>(self, what: &str, expected: &str) -> Result<[usize; R]> {
        self.shape.try_into().map_err(|_| Error::shape(what, expected, self.shape))
    }

    /// Whether every value is a number.
    pub fn is_finite(self) -> bool {
        // Piece by piece: within one nothing is decided early, so that many values are looked at at once.
        self.data.chunks(1024).all(|piece| piece.iter().fold(true, |all, v| all & v.is_finite()))
    }

    /// An owned copy.
    pub fn to_tensor(self) -> Tensor {
        Tensor { shape: self.shape.to_vec(), data: self.data.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_and_its_values_must_agree() {
        assert!(Tensor::new([2, 3], vec![0.0; 6]).is_ok());
        let error = Tensor::new([2, 3], vec![0.0; 5]).unwrap_err();
        assert_eq!(error.to_string(), "tensor: expected values for shape [2, 3], got 5");
        assert!(Tensor::new([usize::MAX, 2], vec![]).is_err());
    }

    #[test]
    fn rows_are_entries_of_the_first_axis() {
        let tensor = Tensor::new([2, 1, 2], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!(tensor.row(1), [3.0, 4.0]);
        assert_eq!(tensor.view().rows(0..2), tensor.data());
        assert_eq!(tensor.view().dims::<3>("t", "[n, h, w]").unwrap(), [2, 1, 2]);
        assert!(tensor.view().dims::<2>("t", "[n, d]").is_err());
    }
}
