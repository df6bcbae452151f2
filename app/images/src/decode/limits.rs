//! How large a picture may be.

/// Pictures with more pixels are refused before any memory is taken; the number at which Pillow refuses.
pub const MAX_PIXELS: u64 = 178_956_970;
/// What a file of any size may unpack to; each of its bytes adds [`PIXELS_PER_BYTE`]. Pictures of one colour shrink that
/// much; a small file that promises more is meant to fill memory.
const FREE_PIXELS: u64 = 1 << 26;
const PIXELS_PER_BYTE: u64 = 1000;
/// What a decoder may allocate.
pub(super) const MAX_BYTES: u64 = 1 << 30;
/// Numbers of all channels together, each of them four bytes.
const MAX_SAMPLES: u64 = 96 << 20;

/// # Errors
/// A sentence, if a picture of this size has no pixels or too many for a file of `n_bytes`.
pub(super) fn check_size(width: u64, height: u64, n_bytes: usize) -> Result<(), String> {
    let allowed = (FREE_PIXELS + PIXELS_PER_BYTE * n_bytes as u64).min(MAX_PIXELS);
    match width.checked_mul(height) {
        Some(0) => Err(format!("has no pixels ({width}×{height})")),
        Some(n) if n <= allowed => Ok(()),
        _ => Err(format!("is too large: {width}×{height} pixels, allowed are {allowed} in all")),
    }
}

/// # Errors
/// A sentence, if the channels of a picture hold too many numbers.
pub(super) fn check_samples(width: u32, height: u32, n_channels: usize) -> Result<(), String> {
    let n = u64::from(width) * u64::from(height) * n_channels as u64;
    match n <= MAX_SAMPLES {
        true => Ok(()),
        false => Err(format!(
            "is too large: {width}×{height} pixels of {n_channels} channels, allowed are {MAX_SAMPLES} numbers in all"
        )),
    }
}
