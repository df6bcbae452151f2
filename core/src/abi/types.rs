//! The plain types that cross: text, replies, the host. Tensors have a file of their own.

use std::borrow::Cow;
use std::ffi::c_void;

/// First field of every library descriptor: `"ASCANPLG"`.
pub const ASCAN_MAGIC: u64 = 0x4153_4341_4E50_4C47;
/// Libraries of another major version are refused.
pub const ASCAN_ABI_MAJOR: u32 = 1;
/// Libraries of a newer minor version are refused; older ones are welcome.
pub const ASCAN_ABI_MINOR: u32 = 4;

/// Most bytes of a text; a number above is a mistake.
const MAX_TEXT: usize = 1 << 30;

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

    /// The text, for a person to read: bytes that are not UTF-8 are replaced, what cannot be a text is empty.
    ///
    /// # Safety
    /// `ptr` points to `len` readable bytes that live for `'a`; it may be NULL.
    pub(super) unsafe fn lossy<'a>(self) -> Cow<'a, str> {
        // SAFETY: as required of the caller.
        unsafe { self.bytes() }.map_or(Cow::Borrowed(""), String::from_utf8_lossy)
    }

    /// The text, for the program to read; the reason if it is none.
    ///
    /// # Safety
    /// As [`Self::lossy`].
    pub(super) unsafe fn read<'a>(self) -> Result<&'a str, String> {
        // SAFETY: as required of the caller.
        std::str::from_utf8(unsafe { self.bytes() }?).map_err(|error| format!("is not UTF-8: {error}"))
    }

    /// # Safety
    /// As [`Self::lossy`].
    unsafe fn bytes<'a>(self) -> Result<&'a [u8], String> {
        match self.len {
            0 => Ok(&[]),
            _ if self.ptr.is_null() => Err(format!("is NULL, and {} bytes long", self.len)),
            len if len > MAX_TEXT => Err(format!("is {len} bytes long, {MAX_TEXT} at most")),
            // SAFETY: as required of the caller.
            len => Ok(unsafe { std::slice::from_raw_parts(self.ptr, len) }),
        }
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
    /// Small facts as a JSON object; may be empty. On an error the fields of the error under its name, such as
    /// `{"unknown_name": {"kind": "layer", "name": "conv9", "available": ["conv1"]}}`; `core/src/error.rs` lists them.
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
