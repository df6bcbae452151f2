//! Tensors across the boundary: lent as they are, copied only after they were looked at.

pub use super::types::{AscanNamedTensor, AscanTensor};

use super::types::AscanStr;
use crate::{Error, Result, Tensor, TensorView};

/// Most axes of a tensor, and most values (256 GiB); numbers above are mistakes.
const MAX_DIMS: usize = 16;
const MAX_VALUES: u64 = 1 << 36;

impl AscanTensor {
    /// No tensor: for arguments that are optional.
    pub const NONE: Self =
        Self { data: std::ptr::null(), shape: std::ptr::null(), n_dims: 0, strides: std::ptr::null() };

    pub(super) fn new(view: TensorView) -> Self {
        Self {
            data: view.data().as_ptr(),
            shape: view.shape().as_ptr(),
            n_dims: view.shape().len(),
            strides: std::ptr::null(),
        }
    }

    pub(super) fn optional(view: Option<TensorView>) -> Self {
        view.map_or(Self::NONE, Self::new)
    }

    pub(super) fn is_none(&self) -> bool {
        self.shape.is_null()
    }

    /// An argument, borrowed.
    ///
    /// # Safety
    /// The pointers are valid for `'a` and as long as the shape says; they may be NULL.
    pub(super) unsafe fn view<'a>(&self) -> Result<TensorView<'a>> {
        let failed = |why| Error::shape("tensor", "a tensor that can be read", why);
        if !self.strides.is_null() {
            return Err(Error::unsupported("strided tensors are read only from replies", "pass it row-major"));
        }
        // SAFETY: as required of the caller.
        unsafe { TensorView::new(self.shape().map_err(failed)?, self.row_major().map_err(failed)?) }
    }

    /// An argument, copied.
    ///
    /// # Safety
    /// As [`Self::view`].
    pub(super) unsafe fn to_tensor(self) -> Result<Tensor> {
        // SAFETY: as required of the caller.
        unsafe { self.view() }.map(TensorView::to_tensor)
    }

    /// The length of each axis; the reason if that is none.
    ///
    /// # Safety
    /// `shape` points to `n_dims` values that live for `'a`; it may be NULL.
    pub(super) unsafe fn shape<'a>(&self) -> Result<&'a [usize], String> {
        if self.n_dims > MAX_DIMS {
            return Err(format!("has {} axes, {MAX_DIMS} at most", self.n_dims));
        }
        if self.n_dims > 0 && !is_readable(self.shape) {
            return Err("has no shape".into());
        }
        // SAFETY: as required of the caller.
        Ok(unsafe { slice(self.shape, self.n_dims) })
    }

    /// The values in memory of their own, strides followed; the reason if there are none.
    ///
    /// # Safety
    /// As [`Self::view`], strides included.
    pub(super) unsafe fn copy(&self) -> Result<Vec<f32>, String> {
        let mut values = Vec::new();
        // SAFETY: as required of the caller.
        let (shape, n) = unsafe { (self.shape()?, self.n_values()?) };
        let reserved = values.try_reserve_exact(n);
        reserved.map_err(|_| format!("has {n} values, which do not fit into memory"))?;
        if self.strides.is_null() {
            // SAFETY: as required of the caller.
            values.extend_from_slice(unsafe { self.row_major()? });
            return Ok(values);
        }
        if !is_readable(self.strides) || (n > 0 && !is_readable(self.data)) {
            return Err("has no values".into());
        }
        // SAFETY: as required of the caller.
        let strides = unsafe { slice(self.strides, self.n_dims) };
        let reach = shape.iter().zip(strides).try_fold(0usize, |reach, (&dim, stride)| {
            reach.checked_add(dim.saturating_sub(1).checked_mul(stride.unsigned_abs())?)
        });
        if reach.is_none_or(|reach| reach as u64 >= MAX_VALUES) {
            return Err(format!("has strides {strides:?}, which lead out of all memory"));
        }
        for flat in 0..n {
            let mut rest = flat;
            let mut offset = 0isize;
            for (&dim, &stride) in shape.iter().zip(strides).rev() {
                offset += (rest % dim) as isize * stride;
                rest /= dim;
            }
            // SAFETY: the offset is that of an entry inside the shape.
            values.push(unsafe { *self.data.offset(offset) });
        }
        Ok(values)
    }

    /// # Safety
    /// As [`Self::view`].
    unsafe fn row_major<'a>(&self) -> Result<&'a [f32], String> {
        // SAFETY: as required of the caller.
        let n = unsafe { self.n_values()? };
        if n > 0 && !is_readable(self.data) {
            return Err("has no values".into());
        }
        // SAFETY: as required of the caller.
        Ok(unsafe { slice(self.data, n) })
    }

    /// # Safety
    /// As [`Self::shape`].
    unsafe fn n_values(&self) -> Result<usize, String> {
        // SAFETY: as required of the caller.
        let shape = unsafe { self.shape()? };
        let n = shape.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim));
        n.filter(|&n| n as u64 <= MAX_VALUES).ok_or_else(|| format!("has shape {shape:?}, more than any memory holds"))
    }
}

/// Whether something can be behind a pointer.
pub(super) fn is_readable<T>(ptr: *const T) -> bool {
    !ptr.is_null() && ptr.is_aligned()
}

/// A slice from a pointer that may be NULL when there is nothing behind it.
///
/// # Safety
/// `ptr` points to `len` values that live for `'a`, or `len` is 0.
pub(super) unsafe fn slice<'a, T>(ptr: *const T, len: usize) -> &'a [T] {
    if ptr.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: as required of the caller.
    unsafe { std::slice::from_raw_parts(ptr, len) }
}

/// These tensors, lent.
pub(super) fn lent(tensors: &[(String, Tensor)]) -> Vec<AscanNamedTensor> {
    let one = |(name, tensor): &(String, Tensor)| AscanNamedTensor {
        name: AscanStr::new(name),
        tensor: AscanTensor::new(tensor.view()),
    };
    tensors.iter().map(one).collect()
}

/// Tensors that are lent, copied.
///
/// # Safety
/// `tensors` points to `n` valid tensors.
pub(super) unsafe fn named(tensors: *const AscanNamedTensor, n: usize) -> Result<Vec<(String, Tensor)>> {
    // SAFETY: as required of the caller.
    let copy = |one: &AscanNamedTensor| unsafe { Ok((one.name.lossy().into_owned(), one.tensor.to_tensor()?)) };
    // SAFETY: as required of the caller.
    unsafe { slice(tensors, n) }.iter().map(copy).collect()
}
