//! Dense `f32` arrays in row-major order: owned ([`Tensor`]) and borrowed ([`TensorView`]).
//!
//! They only carry numbers between plugins; each plugin computes with the array
//! type of its own library.

#[cfg(feature = "host")]
use crate::abi::Mapped;
use crate::{Error, Result};
use std::ops::Range;
#[cfg(feature = "host")]
use std::path::Path;
use std::sync::Arc;

/// An owned array, row-major. Clones share their values until one of them is changed.
#[derive(Debug, Clone, Default)]
pub struct Tensor {
    shape: Vec<usize>,
    values: Values,
}

#[derive(Debug, Clone)]
enum Values {
    InMemory(Arc<Vec<f32>>),
    #[cfg(feature = "host")]
    Mapped(Arc<Mapped>),
}

impl Default for Values {
    fn default() -> Self {
        Self::InMemory(Arc::default())
    }
}

impl PartialEq for Tensor {
    fn eq(&self, other: &Self) -> bool {
        self.view() == other.view()
    }
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
        Ok(Self { shape, values: Values::InMemory(Arc::new(data)) })
    }

    /// An array of this shape over the values of a file as it is now, mapped; see [`Mapped`].
    ///
    /// # Errors
    /// `File` if the file cannot be mapped, `Shape` as [`Self::new`].
    #[cfg(feature = "host")]
    pub fn map(shape: impl Into<Vec<usize>>, path: &Path) -> Result<Self> {
        let (shape, mapped) = (shape.into(), Mapped::open(path)?);
        check_len(&shape, mapped.values().len())?;
        Ok(Self { shape, values: Values::Mapped(Arc::new(mapped)) })
    }

    /// An array of zeros.
    pub fn zeros(shape: impl Into<Vec<usize>>) -> Self {
        let shape = shape.into();
        let data = vec![0.0; shape.iter().product()];
        Self { shape, values: Values::InMemory(Arc::new(data)) }
    }

    /// Length of each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// All values, row-major.
    pub fn data(&self) -> &[f32] {
        match &self.values {
            Values::InMemory(values) => values.as_slice(),
            #[cfg(feature = "host")]
            Values::Mapped(mapped) => mapped.values(),
        }
    }

    /// All values, to change in place; copied first if they are shared or mapped.
    pub fn data_mut(&mut self) -> &mut [f32] {
        #[cfg(feature = "host")]
        if let Values::Mapped(mapped) = &self.values {
            self.values = Values::InMemory(Arc::new(mapped.values().to_vec()));
        }
        match &mut self.values {
            Values::InMemory(values) => Arc::make_mut(values).as_mut_slice(),
            #[cfg(feature = "host")]
            Values::Mapped(_) => unreachable!("copied above"),
        }
    }

    /// The values alone; copied if they are shared or mapped.
    pub fn into_data(self) -> Vec<f32> {
        match self.values {
            Values::InMemory(values) => Arc::unwrap_or_clone(values),
            #[cfg(feature = "host")]
            Values::Mapped(mapped) => mapped.values().to_vec(),
        }
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
        TensorView { shape: &self.shape, data: self.data() }
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
        Tensor { shape: self.shape.to_vec(), values: Values::InMemory(Arc::new(self.data.to_vec())) }
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
    fn clones_share_values_until_one_is_changed() {
        let mut tensor = Tensor::new([2], vec![1.0, 2.0]).unwrap();
        let clone = tensor.clone();
        assert_eq!(clone.data().as_ptr(), tensor.data().as_ptr());
        tensor.data_mut()[0] = 5.0;
        assert_eq!((tensor.data(), clone.data()), (&[5.0, 2.0][..], &[1.0, 2.0][..]));
        assert_eq!(clone.into_data(), [1.0, 2.0]);
    }

    #[cfg(feature = "host")]
    #[test]
    fn a_file_is_a_tensor_that_never_changes_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("values.f32");
        let values = [1.5f32, -2.0, 0.25, 8.0];
        std::fs::write(&path, values.map(f32::to_ne_bytes).as_flattened()).unwrap();
        let mut tensor = Tensor::map([2, 2], &path).unwrap();
        assert_eq!(tensor, Tensor::new([2, 2], values.to_vec()).unwrap());
        let clone = tensor.clone();
        tensor.data_mut()[3] = 0.0;
        assert_eq!((tensor.row(1), clone.row(1)), (&[0.25, 0.0][..], &[0.25, 8.0][..]));
        assert_eq!(Tensor::map([2, 2], &path).unwrap().into_data(), values);

        assert!(Tensor::map([3], &path).unwrap_err().to_string().contains("expected values for shape [3], got 4"));
        std::fs::write(&path, [0; 5]).unwrap();
        let error = Tensor::map([1], &path).unwrap_err().to_string();
        assert!(error.contains("values.f32") && error.contains("has 5 bytes"), "{error}");
        std::fs::write(&path, []).unwrap();
        assert_eq!(Tensor::map([0, 7], &path).unwrap().n_rows(), 0);
        let error = Tensor::map([1], &dir.path().join("gone")).unwrap_err().to_string();
        assert!(error.contains("gone") && error.contains("cannot be mapped"), "{error}");
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
