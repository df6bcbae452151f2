//! PNG, WebP, BMP and the PNM family, by the `image` crate.

use super::limits::{MAX_BYTES, check_size};
use super::raw::{Raw, Values};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use std::io::Cursor;

pub(super) fn decode(bytes: &[u8], format: ImageFormat) -> Result<Raw, String> {
    match (format == ImageFormat::Png).then(|| with_end(bytes)).flatten() {
        Some(whole) => {
            let raw = decode_whole(&whole, format)?;
            Ok(Raw { remark: Some("a PNG without its end, all of whose pixels are there"), ..raw })
        }
        None => decode_whole(bytes, format),
    }
}

fn decode_whole(bytes: &[u8], format: ImageFormat) -> Result<Raw, String> {
    let damaged = |error: ImageError| match error {
        ImageError::Limits(_) => format!("is too large: it takes more than {MAX_BYTES} bytes"),
        error => format!("is a damaged or unsupported {format:?} file: {error}"),
    };
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    check_size(width.into(), height.into(), bytes.len())?;
    if decoder.total_bytes() > MAX_BYTES {
        return Err(format!("is too large: it takes more than {MAX_BYTES} bytes"));
    }
    // WebP files may repeat the mark with which EXIF begins in a JPEG.
    let exif = decoder.exif_metadata().ok().flatten();
    let exif = exif.as_deref().map(|exif| exif.strip_prefix(b"Exif\0\0").unwrap_or(exif));
    let orientation = exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms);
    let (n_channels, values) = match DynamicImage::from_decoder(decoder).map_err(damaged)? {
        DynamicImage::ImageLuma8(image) => (1, Values::U8(image.into_raw())),
        DynamicImage::ImageLumaA8(image) => (2, Values::U8(image.into_raw())),
        DynamicImage::ImageRgb8(image) => (3, Values::U8(image.into_raw())),
        DynamicImage::ImageRgba8(image) => (4, Values::U8(image.into_raw())),
        DynamicImage::ImageLuma16(image) => (1, Values::U16(image.into_raw())),
        DynamicImage::ImageLumaA16(image) => (2, Values::U16(image.into_raw())),
        DynamicImage::ImageRgb16(image) => (3, Values::U16(image.into_raw())),
        DynamicImage::ImageRgba16(image) => (4, Values::U16(image.into_raw())),
        DynamicImage::ImageRgb32F(image) => (3, Values::F32(image.into_raw())),
        DynamicImage::ImageRgba32F(image) => (4, Values::F32(image.into_raw())),
        _ => return Err(format!("is a {format:?} file with an unknown kind of pixels")),
    };
    Ok(Raw { orientation, ..Raw::new(width, height, n_channels, values) })
}

/// The file with the end that it lacks; `None` if it has one, or is cut off within a chunk.
fn with_end(bytes: &[u8]) -> Option<Vec<u8>> {
    const END: &[u8] = b"\0\0\0\0IEND\xaeB`\x82";
    let mut at = 8;
    while at < bytes.len() {
        let header = bytes.get(at..at + 8)?;
        if &header[4..] == b"IEND" {
            return None;
        }
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
        at = at.checked_add(12)?.checked_add(length as usize)?;
    }
    (at == bytes.len()).then(|| [bytes, END].concat())
}
