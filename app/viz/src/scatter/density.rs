//! Lines around where points lie densest.

use super::View;
use crate::Rgb;
use crate::isoline::{level, segments};
use image::{GrayImage, RgbaImage};

/// Side of a cell in which points are counted, in pixels.
const CELL_PX: u32 = 6;
/// Cells on each side of one that its count is smoothed over, as often as it says below.
const REACH: usize = 2;
const N_SMOOTHINGS: usize = 3;
/// Each line encloses this share of the points that are in the picture.
const SHARES: [f32; 3] = [0.3, 0.6, 0.9];
/// How much of the line's colour covers what is under it, of 256.
const OPACITY: u32 = 150;

/// Draws lines around the densest parts: of the points in the picture, they hold 30, 60 and 90 %.
///
/// Points are counted on the screen, so that a magnified picture has finer lines.
pub fn contours(picture: &mut RgbaImage, points: impl Iterator<Item = [f32; 2]>, view: View, ink: Rgb) {
    let plane = density(points, view, [picture.width(), picture.height()]);
    for share in SHARES {
        let Some(level) = level(&plane, share) else { return };
        for [a, b] in segments(&plane, level) {
            line(picture, a.map(|v| v * CELL_PX as f32), b.map(|v| v * CELL_PX as f32), ink);
        }
    }
}

/// How dense the points lie in each cell, the densest one 255.
fn density(points: impl Iterator<Item = [f32; 2]>, view: View, size: [u32; 2]) -> GrayImage {
    let [width, height] = size.map(|side| (side.div_ceil(CELL_PX)).max(1) as usize);
    let mut counts = vec![0.0f32; width * height];
    for point in points {
        let [x, y] = view.to_pixel(point, size);
        // Not a number is not inside either.
        if x >= 0.0 && y >= 0.0 && x < size[0] as f32 && y < size[1] as f32 {
            counts[(y as u32 / CELL_PX) as usize * width + (x as u32 / CELL_PX) as usize] += 1.0;
        }
    }
    for _ in 0..N_SMOOTHINGS {
        counts = smooth(&counts, height, |line, i| line * width + i, width);
        counts = smooth(&counts, width, |line, i| i * width + line, height);
    }
    let most = counts.iter().copied().fold(0.0, f32::max);
    let byte = |count: &f32| if most > 0.0 { (count / most * 255.0).round() as u8 } else { 0 };
    GrayImage::from_raw(width as u32, height as u32, counts.iter().map(byte).collect()).unwrap_or_default()
}

/// The mean over neighbours along lines of `n` cells each.
fn smooth(cells: &[f32], n_lines: usize, at: impl Fn(usize, usize) -> usize, n: usize) -> Vec<f32> {
    let mut smoothed = vec![0.0; cells.len()];
    for line in 0..n_lines {
        for i in 0..n {
            let near = i.saturating_sub(REACH)..(i + REACH + 1).min(n);
            smoothed[at(line, i)] = near.map(|j| cells[at(line, j)]).sum::<f32>() / (2 * REACH + 1) as f32;
        }
    }
    smoothed
}

/// A line one pixel wide.
fn line(picture: &mut RgbaImage, from: [f32; 2], to: [f32; 2], ink: Rgb) {
    let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    let n = dx.abs().max(dy.abs()).ceil().max(1.0) as u32;
    for i in 0..n {
        let t = i as f32 / n as f32;
        let (x, y) = ((from[0] + t * dx) as u32, (from[1] + t * dy) as u32);
        if let Some(pixel) = picture.get_pixel_mut_checked(x, y) {
            for (channel, ink) in pixel.0.iter_mut().zip(ink) {
                *channel = ((u32::from(*channel) * (256 - OPACITY) + u32::from(ink) * OPACITY) >> 8) as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgba;

    const INK: Rgb = [255, 255, 255];

    /// A dense disc and a few points elsewhere.
    fn points() -> Vec<[f32; 2]> {
        let disc = (0..4000).map(|i| {
            let (angle, radius) = (i as f32 * 2.4, (i as f32 / 4000.0).sqrt());
            [radius * angle.cos(), radius * angle.sin()]
        });
        disc.chain([[3.0, 3.0], [f32::NAN, 0.0], [-3.0, 2.0]]).collect()
    }

    #[test]
    fn lines_lie_around_the_dense_part() {
        let (mut picture, view) =
            (RgbaImage::from_pixel(300, 300, Rgba([0, 0, 0, 255])), View { centre: [0.0; 2], scale: 40.0 });
        contours(&mut picture, points().into_iter(), view, INK);
        let drawn: Vec<f32> = picture
            .enumerate_pixels()
            .filter(|(.., pixel)| pixel.0[0] > 0)
            .map(|(x, y, _)| (x as f32 - 150.0).hypot(y as f32 - 150.0) / 40.0)
            .collect();
        assert!(drawn.len() > 100, "{}", drawn.len());
        assert!(drawn.iter().all(|&radius| radius < 1.5), "none around single points");
        assert!(drawn.iter().any(|&radius| radius > 0.8), "the outer line holds nearly all");
    }

    #[test]
    fn without_points_there_are_no_lines() {
        let mut picture = RgbaImage::from_pixel(30, 20, Rgba([7, 7, 7, 255]));
        contours(&mut picture, [[f32::NAN, 1.0], [1e9, 0.0]].into_iter(), View { centre: [0.0; 2], scale: 1.0 }, INK);
        assert!(picture.pixels().all(|pixel| pixel.0 == [7, 7, 7, 255]));
    }
}
