//! The pictures of a report, each once, as style rules that elements refer to.

use crate::mosaic::{Scene, members};
use crate::slices::SliceSet;
use ascan_viz::Heat;
use base64::{Engine, prelude::BASE64_STANDARD};
use image::codecs::{jpeg::JpegEncoder, png};
use image::{ExtendedColorType, ImageEncoder, RgbImage};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write;

const SIDE_PX: u32 = 136;
const MEAN_SIDE_PX: u32 = 64;
const JPEG_QUALITY: u8 = 74;
const MASK_SIDE_PX: u32 = 28;

/// Style rules for pictures.
pub(super) struct Pictures {
    /// `.p7` has the picture of row 7, `.m7` its attribution as a mask; `.ps7`, `.ms7` the means of slice 7.
    pub css: String,
    /// Width over height of the pictures.
    pub aspect: f64,
}

pub(super) fn style(scene: &Scene, set: &SliceSet, rows: &BTreeSet<usize>, n_slices: usize) -> Pictures {
    let of_rows: Vec<(String, RgbImage, Heat)> =
        rows.par_iter().map(|&row| (row.to_string(), scene.picture(row, SIDE_PX), scene.heat(row))).collect();
    let aspect =
        of_rows.first().map_or(1.0, |(_, picture, _)| f64::from(picture.width()) / f64::from(picture.height()));
    let mut members = members(set);
    members.truncate(n_slices);
    let of_slices: Vec<(String, RgbImage, Heat)> = members
        .par_iter()
        .zip(scene.mean_heats(&members))
        .zip(&set.slices)
        .map(|((members, heat), slice)| (format!("s{}", slice.id), scene.mean_picture(members, MEAN_SIDE_PX), heat))
        .collect();
    let css = of_rows.iter().chain(&of_slices).fold(String::new(), |mut css, (key, picture, heat)| {
        let (picture, mask) = (BASE64_STANDARD.encode(jpeg(picture)), BASE64_STANDARD.encode(mask(heat)));
        // Writing to a string does not fail.
        let _ = write!(
            css,
            ".p{key}{{background-image:url(data:image/jpeg;base64,{picture})}}\n\
             .m{key}{{mask-image:url(data:image/png;base64,{mask})}}\n"
        );
        css
    });
    Pictures { css, aspect }
}

fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
    // A vector takes every byte, and the picture is as long as its sides say.
    let written = encoder.write_image(picture, picture.width(), picture.height(), ExtendedColorType::Rgb8);
    debug_assert!(written.is_ok());
    bytes
}

fn mask(heat: &Heat) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = png::PngEncoder::new_with_quality(&mut bytes, png::CompressionType::Best, png::FilterType::Adaptive);
    let written = encoder.write_image(&heat.mask(MASK_SIDE_PX), MASK_SIDE_PX, MASK_SIDE_PX, ExtendedColorType::La8);
    debug_assert!(written.is_ok());
    bytes
}
