//! DICOM: one frame, grey with its window or in colour.

use super::elements::check_lengths;
use super::limits::{check_samples, check_size};
use super::raw::{BT_601, Raw, Values, Want, ycbcr_to_rgb};
use dicom_object::{OpenFileOptions, Tag};
use dicom_pixeldata::{
    DecodedPixelData, PhotometricInterpretation, PixelDecoder, PixelRepresentation, PlanarConfiguration,
};

const NUMBER_OF_FRAMES: Tag = Tag(0x0028, 0x0008);
const ROWS: Tag = Tag(0x0028, 0x0010);
const COLUMNS: Tag = Tag(0x0028, 0x0011);
const SAMPLES_PER_PIXEL: Tag = Tag(0x0028, 0x0002);
const BITS_ALLOCATED: Tag = Tag(0x0028, 0x0100);

pub(super) fn decode(bytes: &[u8], want: Want) -> Result<Raw, String> {
    let damaged = |error: &dyn std::fmt::Display| format!("is a damaged or unsupported DICOM file: {error}");
    check_lengths(bytes)?;
    let object = OpenFileOptions::new().from_reader(bytes).map_err(|error| damaged(&error))?;
    let number = |tag: Tag| object.element(tag).ok().and_then(|element| element.to_int::<u32>().ok());
    let n_frames = number(NUMBER_OF_FRAMES).unwrap_or(1);
    if n_frames > 1 {
        return Err(format!("is a DICOM file of {n_frames} frames: save the frame that is meant as a file of its own"));
    }
    let (Some(width), Some(height)) = (number(COLUMNS), number(ROWS)) else {
        return Err("is a DICOM file without an image".into());
    };
    check_size(width.into(), height.into(), bytes.len())?;
    // The decoder takes memory for what the header promises.
    check_samples(width, height, number(SAMPLES_PER_PIXEL).unwrap_or(1) as usize)?;
    if let Some(bits) = number(BITS_ALLOCATED).filter(|&bits| bits > 32) {
        return Err(format!("is a DICOM file with {bits} bits per pixel, which cannot be read"));
    }
    let pixels = object.decode_pixel_data().map_err(|error| damaged(&error))?;
    let n = width as usize * height as usize;
    match (pixels.photometric_interpretation(), pixels.samples_per_pixel()) {
        (PhotometricInterpretation::Monochrome1 | PhotometricInterpretation::Monochrome2, 1) => {
            let values = grey(&pixels, n)?;
            let values = match want {
                Want::Samples => Values::F32(values),
                Want::Colours => Values::U8(windowed(&pixels, &values)),
            };
            Ok(Raw::new(width, height, 1, values))
        }
        (PhotometricInterpretation::Rgb | PhotometricInterpretation::YbrFull, 3) if pixels.bits_allocated() == 8 => {
            let bytes = pixels.data().get(..3 * n).ok_or("is a DICOM file that is cut off")?;
            let mut rgb = match pixels.planar_configuration() {
                PlanarConfiguration::Standard => bytes.to_vec(),
                PlanarConfiguration::PixelFirst => (0..3 * n).map(|i| bytes[i % 3 * n + i / 3]).collect(),
            };
            if *pixels.photometric_interpretation() == PhotometricInterpretation::YbrFull {
                rgb.chunks_exact_mut(3).for_each(|pixel| {
                    let converted = ycbcr_to_rgb([pixel[0], pixel[1], pixel[2]], BT_601);
                    pixel.copy_from_slice(&converted);
                });
            }
            Ok(Raw::new(width, height, 3, Values::U8(rgb)))
        }
        (photometric, n_samples) => {
            let bits = pixels.bits_allocated();
            Err(format!(
                "is a DICOM file of {photometric} with {n_samples} × {bits} bits, which cannot be read: expected grey or RGB"
            ))
        }
    }
}

/// The values of the modality (Hounsfield units in CT), bright for large; `[n]`.
fn grey(pixels: &DecodedPixelData, n: usize) -> Result<Vec<f32>, String> {
    let (allocated, stored) = (pixels.bits_allocated(), u32::from(pixels.bits_stored()));
    let width = usize::from(allocated / 8);
    let is_signed = pixels.pixel_representation() == PixelRepresentation::Signed;
    if ![8, 16, 32].contains(&allocated) || stored == 0 || stored > u32::from(allocated) {
        return Err(format!("is a DICOM file with {stored} of {allocated} bits per pixel, which cannot be read"));
    }
    let bytes = pixels.data().get(..n * width).ok_or("is a DICOM file that is cut off")?;
    let (slope, intercept) = rescale(pixels);
    let value = |bytes: &[u8]| {
        let raw = bytes.iter().rev().fold(0u32, |raw, &byte| raw << 8 | u32::from(byte));
        // Bits above those stored may hold an overlay.
        let unused = 32 - stored;
        let number =
            if is_signed { f64::from((raw << unused) as i32 >> unused) } else { f64::from(raw << unused >> unused) };
        number * slope + intercept
    };
    let mut values: Vec<f32> = bytes.chunks_exact(width).map(|bytes| value(bytes) as f32).collect();
    if let Some(ends) = ends_if_turned(pixels) {
        values.iter_mut().for_each(|value| *value = (ends - f64::from(*value)) as f32);
    }
    Ok(values)
}

/// Where small is white (MONOCHROME1), the sum of the smallest and the largest value that the stored bits can hold:
/// values are turned round within it, so that large is bright everywhere.
fn ends_if_turned(pixels: &DecodedPixelData) -> Option<f64> {
    let is_turned = *pixels.photometric_interpretation() == PhotometricInterpretation::Monochrome1;
    let range = 2f64.powi(pixels.bits_stored().into());
    let low = if pixels.pixel_representation() == PixelRepresentation::Signed { -range / 2.0 } else { 0.0 };
    let (slope, intercept) = rescale(pixels);
    is_turned.then_some((low + low + range - 1.0) * slope + 2.0 * intercept)
}

fn rescale(pixels: &DecodedPixelData) -> (f64, f64) {
    let rescale = pixels.rescale().ok().and_then(|all| all.first().copied());
    rescale.map_or((1.0, 0.0), |rescale| (rescale.slope, rescale.intercept))
}

/// Grey as the file's own window shows it (PS3.3, C.11.2.1.2), or from the smallest to the largest value.
fn windowed(pixels: &DecodedPixelData, values: &[f32]) -> Vec<u8> {
    let window = pixels.window().ok().flatten().and_then(|all| all.first().copied());
    let (low, width) = match window.filter(|window| window.width >= 1.0) {
        Some(window) => {
            let low = window.center - 0.5 - (window.width - 1.0) / 2.0;
            let width = (window.width - 1.0).max(1e-6);
            // The window is said in values before they were turned round.
            (ends_if_turned(pixels).map_or(low, |ends| ends - low - width), width)
        }
        None => {
            let finite = || values.iter().copied().filter(|value| value.is_finite());
            let (low, high) = (finite().fold(f32::MAX, f32::min), finite().fold(f32::MIN, f32::max));
            (f64::from(low), (f64::from(high) - f64::from(low)).max(1e-6))
        }
    };
    values.iter().map(|&value| ((f64::from(value) - low) / width * 255.0).round().clamp(0.0, 255.0) as u8).collect()
}
