//! JPEG, by libjpeg-turbo's own code (as mozjpeg carries it), as in Pillow, torchvision and OpenCV: bit for bit the same.
//!
//! That is worth a C library: a pure Rust decoder was within 2 of it on almost all pixels, but rounds chroma another way,
//! and moved 5 of 1,200 `waterbirds_lite` predictions to the other class.

use super::limits::check_size;
use super::raw::{Raw, Values};
use crate::guard::guarded;
use image::metadata::Orientation;
use mozjpeg::{ColorSpace, Decompress, Marker};

const END: [u8; 2] = [0xff, 0xd9];
const START_OF_SCAN: u8 = 0xda;
/// Each scan of a progressive JPEG walks over all pixels, so a small file of many scans is meant to take time. Pixels of all
/// scans together that any file may have, and that each of its bytes adds.
const FREE_PIXEL_SCANS: u64 = 1 << 29;
const PIXEL_SCANS_PER_BYTE: u64 = 2000;

pub(super) fn decode(bytes: &[u8]) -> Result<Raw, String> {
    let start = image_data(bytes);
    if bytes.get(start..).is_some_and(|data| data.windows(2).rev().any(|pair| pair == END)) {
        return decode_whole(bytes);
    }
    let cut_off = || "is cut off: a JPEG without its end".to_owned();
    // Nobody knows how many scans or restarts there were.
    if has_parts(&bytes[..start.min(bytes.len())]) {
        return Err(cut_off());
    }
    // An end that is overwritten with padding costs nothing if all pixels come before it. That is so where the picture does
    // not depend on what follows.
    let padding = |byte: &u8| [0, 0xff].contains(byte);
    let n = bytes.len() - bytes.iter().rev().take_while(|byte| padding(byte)).count();
    // A byte of 255 in the data is followed by a zero, which belongs to it.
    let data = &bytes[..if bytes.get(n) == Some(&0xff) && bytes.get(n + 1) == Some(&0) { n + 2 } else { n }];
    let with = |filling: &[u8]| guarded(|| decode_whole(&[data, filling, &END].concat())).map_err(|_| cut_off());
    let (as_it_is, filled) = (with(&[])?, with(&[0x55; 1 << 12])?);
    match (&as_it_is.values, &filled.values) {
        (Values::U8(a), Values::U8(b)) if a == b => {
            Ok(Raw { remark: Some("a JPEG without its end, all of whose pixels are there"), ..as_it_is })
        }
        _ => Err(cut_off()),
    }
}

fn decode_whole(bytes: &[u8]) -> Result<Raw, String> {
    let damaged = |error: std::io::Error| format!("is a damaged or unsupported JPEG: {error}");
    let decoder = Decompress::with_markers(&[Marker::APP(1)]).from_mem(bytes).map_err(damaged)?;
    let (width, height) = decoder.size();
    check_size(width as u64, height as u64, bytes.len())?;
    let n_scans = bytes.windows(2).filter(|pair| *pair == [0xff, START_OF_SCAN]).count();
    let allowed = FREE_PIXEL_SCANS + PIXEL_SCANS_PER_BYTE * bytes.len() as u64;
    if n_scans as u64 * (width as u64) * height as u64 > allowed {
        return Err(format!("is too large: {n_scans} scans of {width}×{height} pixels"));
    }
    let exif = decoder.markers().find_map(|marker| marker.data.strip_prefix(b"Exif\0\0"));
    let orientation = exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms);
    let pixels = match decoder.color_space() {
        ColorSpace::JCS_CMYK | ColorSpace::JCS_YCCK => {
            let mut rows = decoder.to_colorspace(ColorSpace::JCS_CMYK).map_err(damaged)?;
            // Adobe writes 255 for no ink.
            rows.read_scanlines::<[u8; 4]>().map_err(damaged)?.into_iter().map(paper_to_rgb).collect()
        }
        _ => decoder.rgb().map_err(damaged)?.read_scanlines::<[u8; 3]>().map_err(damaged)?,
    };
    // Both sides fit 16 bits by the format.
    let raw = Raw::new(width as u32, height as u32, 3, Values::U8(pixels.into_flattened()));
    Ok(Raw { orientation, ..raw })
}

/// What is left of the paper's white under four inks; 255 is no ink.
pub(super) fn paper_to_rgb([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    [c, m, y].map(|paper| {
        let ink = u32::from(255 - paper) * u32::from(k) + 128;
        k - (((ink >> 8) + ink) >> 8) as u8
    })
}

/// The channels of a JPEG inside a TIFF: `[n, channels]` in rows, colours converted only where they are luma and chroma.
///
/// # Errors
/// A sentence, if it is damaged or smaller than promised.
pub(super) fn decode_part(
    bytes: &[u8],
    size: (usize, usize),
    n_channels: usize,
    is_ycbcr: bool,
) -> Result<Vec<u8>, String> {
    let damaged = |error: std::io::Error| format!("holds a damaged JPEG: {error}");
    let decoder = Decompress::new_mem(bytes).map_err(damaged)?;
    let (width, height) = decoder.size();
    if width != size.0 || height < size.1 || height > size.1.saturating_mul(2) + 16 {
        return Err(format!("holds a JPEG of {width}×{height} where one of {}×{} should be", size.0, size.1));
    }
    let space = match decoder.color_space() {
        ColorSpace::JCS_YCbCr if is_ycbcr => ColorSpace::JCS_RGB,
        space => space,
    };
    if decoder.components().len() != n_channels {
        return Err("holds a JPEG with another number of channels".into());
    }
    let mut rows = decoder.to_colorspace(space).map_err(damaged)?;
    let mut bytes = rows.read_scanlines::<u8>().map_err(damaged)?;
    bytes.truncate(size.0 * size.1 * n_channels);
    Ok(bytes)
}

/// Where the image data begins.
///
/// Decoders stop quietly where the last rows or scans are missing. The marker of the end cannot occur inside the data, but
/// does in a thumbnail in the headers, so the headers are stepped over.
fn image_data(bytes: &[u8]) -> usize {
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4).and_then(|header| header.first_chunk()) {
        if marker == START_OF_SCAN {
            break;
        }
        // A fill byte may stand before a marker.
        at += if marker == 0xff { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
    }
    at
}

/// Whether the headers say that the picture comes in several scans, or that its decoder starts anew now and then.
fn has_parts(headers: &[u8]) -> bool {
    headers.windows(2).any(|pair| pair[0] == 0xff && [0xc2, 0xc6, 0xca, 0xce, 0xdd].contains(&pair[1]))
}
