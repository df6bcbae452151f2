//! From the bytes of an image file to RGB with 8 bits per channel.
//!
//! The content decides what a file is, never its name. Colours come out as Pillow's `convert("RGB")` makes them:
//! alpha is dropped, grey is repeated, palettes are looked up, CMYK in a JPEG is taken as Adobe's (inverted), no
//! colour profile is applied; 16-bit values are rounded to 8 bits (Pillow cuts them off). The EXIF orientation is
//! applied, as `ImageOps.exif_transpose` does.
//!
//! JPEGs go through libjpeg-turbo's own code (as mozjpeg carries it), as they do in Pillow, torchvision and OpenCV,
//! and come out bit for bit the same. That is worth a C library: a pure Rust decoder was within 2 of it on almost
//! all pixels, but rounds chroma another way, and moved 5 of 1,200 `waterbirds_lite` predictions to the other class.

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};
use mozjpeg::{ColorSpace, Decompress, Marker};
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Pictures with more pixels are refused before any memory is taken; the number at which Pillow refuses.
pub const MAX_PIXELS: u64 = 178_956_970;
/// Larger files are refused before they are read.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

const FORMATS: &str = "JPEG, PNG, WebP, BMP or TIFF";

/// Decodes an image file.
///
/// # Errors
/// A sentence without the file's name: empty, not an image, damaged, cut off, too large, of an unsupported kind.
pub fn decode(bytes: &[u8]) -> Result<RgbImage, String> {
    if bytes.is_empty() {
        return Err("is empty (0 bytes)".into());
    }
    // Decoders are other people's code, fed with anyone's bytes: a panic in one is a damaged file.
    // libjpeg's own errors arrive in this way too, as text.
    catch_unwind(AssertUnwindSafe(|| decode_checked(bytes))).unwrap_or_else(|panic| {
        let reason = panic.downcast_ref::<String>().map_or("its decoder gave up", String::as_str);
        Err(format!("is damaged: {reason}"))
    })
}

/// Refuses a file that is too large to be read into memory.
pub(super) fn check_file_size(n_bytes: u64) -> Result<(), String> {
    match n_bytes > MAX_FILE_BYTES {
        true => Err(format!("is too large: {n_bytes} bytes, allowed are {MAX_FILE_BYTES}")),
        false => Ok(()),
    }
}

fn check_size(width: u64, height: u64) -> Result<(), String> {
    match width.checked_mul(height) {
        Some(0) => Err(format!("has no pixels ({width}×{height})")),
        Some(n) if n <= MAX_PIXELS => Ok(()),
        _ => Err(format!("is too large: {width}×{height} pixels, allowed are {MAX_PIXELS} in all")),
    }
}

fn decode_checked(bytes: &[u8]) -> Result<RgbImage, String> {
    match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => decode_jpeg(bytes),
        Ok(format @ (ImageFormat::Png | ImageFormat::WebP | ImageFormat::Bmp | ImageFormat::Tiff)) => {
            decode_other(bytes, format)
        }
        Ok(format) => Err(format!("is a {format:?} file, which is not supported: expected {FORMATS}")),
        Err(_) => Err(format!("is not an image: expected {FORMATS}")),
    }
}

fn decode_jpeg(bytes: &[u8]) -> Result<RgbImage, String> {
    if !has_end_of_image(bytes) {
        return Err("is cut off: a JPEG without its end".into());
    }
    let damaged = |error: std::io::Error| format!("is a damaged or unsupported JPEG: {error}");
    let decoder = Decompress::with_markers(&[Marker::APP(1)]).from_mem(bytes).map_err(damaged)?;
    let (width, height) = decoder.size();
    check_size(width as u64, height as u64)?;
    let exif = decoder.markers().find_map(|marker| marker.data.strip_prefix(b"Exif\0\0"));
    let orientation = exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms);
    let pixels = match decoder.color_space() {
        ColorSpace::JCS_CMYK | ColorSpace::JCS_YCCK => {
            let mut rows = decoder.to_colorspace(ColorSpace::JCS_CMYK).map_err(damaged)?;
            rows.read_scanlines::<[u8; 4]>().map_err(damaged)?.into_iter().map(inverted_cmyk_to_rgb).collect()
        }
        _ => decoder.rgb().map_err(damaged)?.read_scanlines::<[u8; 3]>().map_err(damaged)?,
    };
    // Both sides fit 16 bits by the format.
    let image = RgbImage::from_raw(width as u32, height as u32, pixels.into_flattened());
    Ok(upright(image.ok_or("is a damaged JPEG")?, orientation))
}

/// Ink values as Adobe writes them, 255 for none.
fn inverted_cmyk_to_rgb([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    [c, m, y].map(|paper| {
        let ink = u32::from(255 - paper) * u32::from(k) + 128;
        k - (((ink >> 8) + ink) >> 8) as u8
    })
}

/// Whether an end-of-image marker follows the start of the image data.
///
/// Decoders stop quietly where the last rows or scans are missing. The marker cannot occur inside the data, but
/// does in a thumbnail in the headers, so the headers are stepped over.
fn has_end_of_image(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4).and_then(|header| header.first_chunk()) {
        if marker == START_OF_SCAN {
            break;
        }
        // A fill byte may stand before a marker.
        at += if marker == 0xff { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
    }
    bytes.get(at..).is_some_and(|data| data.windows(2).rev().any(|pair| pair == [0xff, 0xd9]))
}

fn decode_other(bytes: &[u8], format: ImageFormat) -> Result<RgbImage, String> {
    let damaged = |error: ImageError| match error {
        ImageError::Limits(_) => format!("is too large: allowed are {MAX_PIXELS} pixels in all"),
        error => format!("is a damaged or unsupported {format:?} file: {error}"),
    };
    let mut limits = Limits::default();
    // Eight bytes per pixel: four channels of 16 bits.
    limits.max_alloc = Some(MAX_PIXELS * 8);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    check_size(width.into(), height.into())?;
    if matches!(decoder.color_type(), ColorType::Rgb32F | ColorType::Rgba32F) {
        return Err("holds floating-point pixels, whose range is unknown: save it with 8 or 16 bits".into());
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    Ok(upright(image.into_rgb8(), orientation))
}

fn upright(image: RgbImage, orientation: Orientation) -> RgbImage {
    if orientation == Orientation::NoTransforms {
        return image;
    }
    let mut image = DynamicImage::ImageRgb8(image);
    image.apply_orientation(orientation);
    image.into_rgb8()
}
