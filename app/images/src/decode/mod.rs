//! From the bytes of an image file to pixels.
//!
//! The content decides what a file is, never its name. Colours come out as Pillow's `convert("RGB")` makes them:
//! alpha is dropped, grey is repeated, palettes are looked up, CMYK in a JPEG is taken as Adobe's (inverted), no
//! colour profile is applied; 16-bit values are rounded to 8 bits (Pillow cuts them off). The EXIF orientation is
//! applied, as `ImageOps.exif_transpose` does. [`decode_samples`] keeps every channel and every bit instead.

mod avif;
mod common;
mod dicom;
mod elements;
mod gif;
mod jpeg;
mod kind;
mod limits;
mod raw;
mod samples;
mod tiff;

pub use limits::MAX_PIXELS;
pub use samples::Samples;

use crate::guard::guarded;
use image::RgbImage;
use kind::Kind;
use raw::{Raw, Want};

/// A picture, and what is to be said about its file although it could be read.
pub(crate) type Told<T> = (T, Option<&'static str>);

/// Whether a file begins as an image of a kind that can be read.
pub fn is_image(bytes: &[u8]) -> bool {
    kind::of(bytes).is_ok()
}

/// Decodes an image file to RGB with 8 bits per channel, upright.
///
/// # Errors
/// A sentence without the file's name: empty, not an image, damaged, cut off, too large, of an unsupported kind, or with
/// channels of which nobody said which are the colours.
pub fn decode(bytes: &[u8]) -> Result<RgbImage, String> {
    colours(bytes).map(|(image, _)| image)
}

/// Decodes an image file with all of its channels as they are stored, upright.
///
/// # Errors
/// As [`decode`].
pub fn decode_samples(bytes: &[u8]) -> Result<Samples, String> {
    samples(bytes).map(|(samples, _)| samples)
}

pub(crate) fn colours(bytes: &[u8]) -> Result<Told<RgbImage>, String> {
    guarded(|| {
        let raw = read(bytes, Want::Colours)?;
        let remark = raw.remark;
        Ok((raw.into_rgb()?, remark))
    })
}

pub(crate) fn samples(bytes: &[u8]) -> Result<Told<Samples>, String> {
    guarded(|| {
        let raw = read(bytes, Want::Samples)?;
        let remark = raw.remark;
        Ok((Samples::of(raw)?, remark))
    })
}

fn read(bytes: &[u8], want: Want) -> Result<Raw, String> {
    if bytes.is_empty() {
        return Err("is empty (0 bytes)".into());
    }
    match kind::of(bytes)? {
        Kind::Jpeg => jpeg::decode(bytes),
        Kind::Gif => gif::decode(bytes),
        Kind::Tiff => tiff::decode(bytes, want),
        Kind::Avif => avif::decode(bytes),
        Kind::Dicom => dicom::decode(bytes, want),
        Kind::Common(format) => common::decode(bytes, format),
    }
}
