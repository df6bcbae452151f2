//! The plain types that cross: text, tensors, replies, the host.

use crate::{Error, Result, Tensor, TensorView};
use std::borrow::Cow;
use std::ffi::c_void;

/// First field of every library descriptor: `"ASCANPLG"`.
pub const ASCAN_MAGIC: u64 = 0x4153_4341_4E50_4C47;
/// Libraries of another major version are refused.
pub const ASCAN_ABI_MAJOR: u32 = 1;
/// Libraries of a newer minor version are refused; older ones are welcome.
pub const ASCAN_ABI_MINOR: u32 = 1;

/// Borrowed UTF-8 text, not terminated.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AscanStr {
    /// First byte; may be NULL if `len` is 0.
    pub ptr: *const u8,
    /// Length in bytes.
    pub len: usize,
}

impl AscanStr {
    /// No text.
    pub const EMPTY: Self = Self { ptr: std::ptr::null(), len: 0 };

    /// This text.
    pub const fn new(text: &str) -> Self {
        Self { ptr: text.as_ptr(), len: text.len() }
    }

    /// The text; bytes that are not UTF-8 are replaced.
    ///
    /// # Safety
    /// `ptr` points to `len` readable bytes that live for `'a`, or `len` is 0.
    pub unsafe fn get<'a>(self) -> Cow<'a, str> {
        if self.ptr.is_null() || self.len == 0 {
            return Cow::Borrowed("");
        }
        // SAFETY: as required of the caller.
        String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(self.ptr, self.len) })
    }
}

/// A borrowed array of `f32`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AscanTensor {
    /// First value; may be NULL if there is none.
    pub data: *const f32,
    /// Length of each axis.
    pub shape: *const usize,
    /// Number of axes.
    pub n_dims: usize,
    /// Steps between entries of each axis in values, or NULL for row-major.
    pub strides: *const isize,
}

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

    /// The array, borrowed.
    ///
    /// # Safety
    /// The pointers are valid for `'a` and as long as the shape says.
    pub(super) unsafe fn view<'a>(&self) -> Result<TensorView<'a>> {
        if !self.strides.is_null() {
            return Err(Error::unsupported("strided tensors are read only from replies", "pass it row-major"));
        }
        // SAFETY: as required of the caller.
        unsafe {
            let shape = slice(self.shape, self.n_dims);
            let n = n_values(shape)?;
            TensorView::new(shape, slice(self.data, n))
        }
    }

    /// The array, copied; strides are honoured.
    ///
    /// # Safety
    /// As [`Self::view`], strides included.
    pub(super) unsafe fn to_tensor(self) -> Result<Tensor> {
        if self.strides.is_null() {
            // SAFETY: as required of the caller.
            return unsafe { self.view() }.map(TensorView::to_tensor);
        }
        // SAFETY: as required of the caller.
        let (shape, strides) = unsafe { (slice(self.shape, self.n_dims), slice(self.strides, self.n_dims)) };
        let n = n_values(shape)?;
        let mut data = Vec::with_capacity(n);
        for flat in 0..n {
            let mut rest = flat;
            let mut offset = 0isize;
            for (&dim, &stride) in shape.iter().zip(strides).rev() {
                offset += (rest % dim) as isize * stride;
                rest /= dim;
            }
            // SAFETY: the offset is that of an entry inside the shape.
            data.push(unsafe { *self.data.offset(offset) });
        }
        Tensor::new(shape, data)
    }
}

/// Values that fit in an address space; more than that cannot be behind a pointer.
fn n_values(shape: &[usize]) -> Result<usize> {
    let n = shape.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim));
    n.filter(|&n| n <= isize::MAX as usize / 4)
        .ok_or_else(|| Error::shape("tensor", "a shape that fits in memory", shape))
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

/// A tensor with a name.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AscanNamedTensor {
    /// Its name in the reply.
    pub name: AscanStr,
    /// The values.
    pub tensor: AscanTensor,
}

/// What a call made, or what went wrong. The caller zeroes it, the callee fills it, and the caller
/// hands it back with `release(owner)` unless `release` is still NULL.
#[repr(C)]
#[derive(Debug)]
pub struct AscanReply {
    /// Small facts as a JSON object; may be empty.
    pub json: AscanStr,
    /// The arrays that the call made.
    pub tensors: *const AscanNamedTensor,
    /// Number of arrays.
    pub n_tensors: usize,
    /// What went wrong, a sentence; empty if nothing did.
    pub message: AscanStr,
    /// The parameter that is wrong, if it is one.
    pub key: AscanStr,
    /// What to do; may be empty.
    pub hint: AscanStr,
    /// For `release` alone.
    pub owner: *mut c_void,
    /// Frees everything that the reply points to.
    pub release: Option<unsafe extern "C" fn(owner: *mut c_void)>,
}

impl AscanReply {
    /// A reply to be filled.
    pub const EMPTY: Self = Self {
        json: AscanStr::EMPTY,
        tensors: std::ptr::null(),
        n_tensors: 0,
        message: AscanStr::EMPTY,
        key: AscanStr::EMPTY,
        hint: AscanStr::EMPTY,
        owner: std::ptr::null_mut(),
        release: None,
    };
}

/// What the host lends to a call.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AscanHost {
    /// `sizeof(AscanHost)` on the host's side.
    pub size: usize,
    /// First argument of the functions.
    pub state: *const c_void,
    /// Seed of everything random.
    pub seed: u64,
    /// Threads the call may use.
    pub n_threads: usize,
    /// Shows a message: 0 debug, 1 info, 2 warning.
    pub log: unsafe extern "C" fn(state: *const c_void, level: u32, message: AscanStr),
    /// Reports progress; returns 0 to ask the plugin to stop.
    pub progress: unsafe extern "C" fn(state: *const c_void, stage: AscanStr, done: u64, total: u64) -> i32,
}
