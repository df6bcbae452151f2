//! The pictures of a report, each once, as style rules that elements refer to.

use crate::mosaic::{Scene, members};
use ascan_engine::slices::SliceSet;
use ascan_viz::Heat;
use base64::{Engine, prelude::BASE64_STANDARD};
use image::codecs::{jpeg::JpegEncoder, png};
use image::{ExtendedColorType, ImageEncoder, RgbImage, imageops};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write;

const SIDE_PX: u32 = 136;
const MEAN_SIDE_PX: u32 = 64;
const INVERSION_SIDE_PX: u32 = 112;
const JPEG_QUALITY: u8 = 74;
const MASK_SIDE_PX: u32 = 28;

/// Style rules for pictures.
pub(super) struct Pictures {
    /// `.p7` has the picture of row 7, `.m7` its attribution as a mask; `.ps7`, `.ms7` the means of slice 7. The masks
    /// of a further method hold where the root element has its number as `data-method`.
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
        .map(|((members, heat), slice)| {
            let key = format!("s{}", slice.id);
            // An image with the slice's features is all of it what the model looks at.
            match scene.inversions.get(&slice.id) {
                Some(picture) => {
                    let small = imageops::thumbnail(picture, INVERSION_SIDE_PX, INVERSION_SIDE_PX);
                    (key, small, Heat::new(&[1.0], 1, 1, false))
                }
                None => (key, scene.mean_picture(members, MEAN_SIDE_PX), heat),
            }
        })
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
    let css = (1..scene.methods.len()).fold(css, |css, method| masks_by(method, css, scene, set, rows, &members));
    Pictures { css, aspect }
}

/// Adds the masks of a further method.
fn masks_by(
    method: usize,
    mut css: String,
    scene: &Scene,
    set: &SliceSet,
    rows: &BTreeSet<usize>,
    members: &[Vec<usize>],
) -> String {
    let of_rows: Vec<(String, Heat)> =
        rows.par_iter().map(|&row| (row.to_string(), scene.heat_by(method, row))).collect();
    let of_slices = scene.mean_heats_by(method, members).into_iter().zip(&set.slices);
    let of_slices = of_slices.filter(|(_, slice)| !scene.inversions.contains_key(&slice.id));
    for (key, heat) in of_rows.into_iter().chain(of_slices.map(|(heat, slice)| (format!("s{}", slice.id), heat))) {
        let mask = BASE64_STANDARD.encode(mask(&heat));
        let rule = format!("{{mask-image:url(data:image/png;base64,{mask})}}");
        // Writing to a string does not fail.
        let _ = writeln!(css, ":root[data-method=\"{method}\"] .m{key}{rule}");
    }
    css
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
