//! A line around the part of a picture that holds most of its attribution.

use crate::isoline::{level, segments};
use image::{GrayImage, RgbImage};

const LIGHT: [f32; 3] = [255.0; 3];
const DARK: [f32; 3] = [10.0, 12.0, 16.0];
/// Half the width of the line, and of its dark edge on both sides.
const HALF_LIGHT_PX: f32 = 0.75;
const HALF_DARK_PX: f32 = 1.75;
/// How far from the line a pixel may be and still be touched by it; and in whole pixels.
const TOUCHED_PX: f32 = HALF_DARK_PX + 0.5;
const REACH_PX: i64 = 3;

/// The line around the smallest part of a picture that holds a share of its attribution, ready to be drawn: what the picture
/// looks like otherwise, and how strong, does not change it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// The share.
    pub share: f32,
    /// Pixels that the line touches, and how far each is from it.
    touched: Vec<(u32, f32)>,
}

impl Outline {
    /// Of a plane of weights. No line where there is no attribution.
    pub fn of(plane: &GrayImage, share: f32) -> Self {
        let Some(level) = level(plane, share) else { return Self { share, touched: Vec::new() } };
        let (width, height) = plane.dimensions();
        let mut squared = vec![f32::INFINITY; (width * height) as usize];
        for segment in segments(plane, level) {
            near(&mut squared, [width.into(), height.into()], segment);
        }
        let touched = (0u32..).zip(squared).filter(|(_, squared)| *squared <= TOUCHED_PX * TOUCHED_PX);
        Self { share, touched: touched.map(|(i, squared)| (i, squared.sqrt())).collect() }
    }

    /// Draws the line: light with a dark edge, so that it shows on every picture.
    ///
    /// # Panics
    /// If the picture is smaller than the plane.
    pub(super) fn draw(&self, picture: &mut RgbImage) {
        let width = picture.width().max(1);
        for &(i, distance) in &self.touched {
            let pixel = &mut picture.get_pixel_mut(i % width, i / width).0;
            for (color, half_px) in [(DARK, HALF_DARK_PX), (LIGHT, HALF_LIGHT_PX)] {
                let coverage = (half_px + 0.5 - distance).clamp(0.0, 1.0);
                for (channel, ink) in pixel.iter_mut().zip(color) {
                    *channel = (f32::from(*channel) + coverage * (ink - f32::from(*channel))).round() as u8;
                }
            }
        }
    }
}

/// Lowers the squared distance of every pixel near a segment to its own from it.
fn near(kept: &mut [f32], [width, height]: [i64; 2], [a, b]: [[f32; 2]; 2]) {
    let along = [b[0] - a[0], b[1] - a[1]];
    let squared = (along[0] * along[0] + along[1] * along[1]).max(1e-12);
    let range = |axis: usize, n: i64| {
        let (low, high) = (a[axis].min(b[axis]) as i64, a[axis].max(b[axis]) as i64);
        (low - REACH_PX).max(0)..(high + REACH_PX + 1).min(n)
    };
    for y in range(1, height) {
        for x in range(0, width) {
            let to = [x as f32 + 0.5 - a[0], y as f32 + 0.5 - a[1]];
            let t = ((to[0] * along[0] + to[1] * along[1]) / squared).clamp(0.0, 1.0);
            let off = [to[0] - t * along[0], to[1] - t * along[1]];
            let kept = &mut kept[(y * width + x) as usize];
            *kept = kept.min(off[0] * off[0] + off[1] * off[1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Luma, Rgb};

    /// A disc of attribution, falling from its centre.
    fn disc() -> GrayImage {
        GrayImage::from_fn(101, 101, |x, y| {
            let distance = (x as f32 - 50.0).hypot(y as f32 - 50.0);
            Luma([(255.0 - distance * 6.0).clamp(0.0, 255.0) as u8])
        })
    }

    #[test]
    fn the_line_encloses_its_share_of_the_attribution() {
        let plane = disc();
        let total: f32 = plane.pixels().map(|pixel| f32::from(pixel.0[0])).sum();
        for share in [0.3, 0.5, 0.8] {
            let level = level(&plane, share).unwrap();
            let inside: f32 = plane.pixels().map(|p| f32::from(p.0[0])).filter(|&v| v > level).sum();
            assert!((inside / total - share).abs() < 0.02, "{share}: {}", inside / total);
        }
        assert_eq!(level(&GrayImage::new(9, 9), 0.8), None);
    }

    #[test]
    fn the_line_is_thin_light_and_edged_dark_on_any_ground() {
        for ground in [0u8, 128, 255] {
            let mut picture = RgbImage::from_pixel(101, 101, Rgb([ground; 3]));
            Outline::of(&disc(), 0.5).draw(&mut picture);
            let row: Vec<u8> = (50..101).map(|x| picture.get_pixel(x, 50).0[0]).collect();
            let light = row.iter().filter(|&&v| v > 200).count();
            let changed = row.iter().filter(|&&v| v != ground).count();
            assert!(row.iter().any(|&v| v > 180) && row.iter().any(|&v| v < 110), "{row:?}");
            assert!((2..=6).contains(&changed) && (ground == 255 || light <= 2), "{row:?}");
            assert_eq!((row[0], row[50]), (ground, ground), "neither the middle nor the border is touched");
        }
    }

    #[test]
    fn without_attribution_there_is_no_line() {
        let mut picture = RgbImage::from_pixel(20, 20, Rgb([9; 3]));
        Outline::of(&GrayImage::new(20, 20), 0.8).draw(&mut picture);
        assert!(picture.pixels().all(|pixel| pixel.0 == [9; 3]));
    }
}
