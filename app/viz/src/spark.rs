//! Pictures of the size of a word: how values spread, and how sure a share is.

use crate::Rgb;
use image::{Rgba, RgbaImage};

/// Bars of a [`histogram`].
pub const N_BINS: usize = 20;

/// How many of the values fall into each of [`N_BINS`] equal parts of [0, 1]; what is not a number does not count.
pub fn histogram(values: impl IntoIterator<Item = f32>) -> [usize; N_BINS] {
    let mut counts = [0; N_BINS];
    for value in values.into_iter().filter(|value| !value.is_nan()) {
        counts[((value.clamp(0.0, 1.0) * N_BINS as f32) as usize).min(N_BINS - 1)] += 1;
    }
    counts
}

/// Draws counts as bars on a clear ground, the largest as high as the picture. A count above 0 shows, however small.
pub fn sparkline(counts: &[usize], [width_px, height_px]: [u32; 2], color: Rgb) -> RgbaImage {
    let mut picture = RgbaImage::new(width_px, height_px);
    let largest = counts.iter().copied().max().unwrap_or(0);
    for (i, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let end = |i: usize| (i as u64 * u64::from(width_px) / counts.len() as u64) as u32;
        // A gap between bars, where there is room for one.
        let (left, right) = (end(i), end(i + 1));
        let right = if right - left > 2 { right - 1 } else { right };
        let top = height_px
            - ((count as f64 / largest as f64 * f64::from(height_px)).round() as u32)
                .clamp(1, height_px.max(1))
                .min(height_px);
        fill(&mut picture, [left, top, right, height_px], color, 255);
    }
    picture
}

/// Draws a share with its confidence interval on a line from 0 to 1: a pale bar from `low` to `high`, a stroke at the
/// share itself, and a thin line at what it is compared with.
pub fn interval(
    share: f64,
    [low, high]: [f64; 2],
    reference: Option<f64>,
    [width_px, height_px]: [u32; 2],
    color: Rgb,
) -> RgbaImage {
    let mut picture = RgbaImage::new(width_px, height_px);
    let place = |share: f64| (share.clamp(0.0, 1.0) * f64::from(width_px.max(1) - 1)).round() as u32;
    let quarter = height_px / 4;
    fill(&mut picture, [0, height_px / 2, width_px, height_px / 2 + 1], color, 60);
    if low <= high {
        fill(&mut picture, [place(low), quarter, place(high) + 1, height_px - quarter], color, 110);
    }
    if let Some(reference) = reference.filter(|reference| !reference.is_nan()) {
        fill(&mut picture, [place(reference), 0, place(reference) + 1, height_px], color, 160);
    }
    if !share.is_nan() {
        let middle = place(share);
        fill(&mut picture, [middle.saturating_sub(1), 0, middle + 2, height_px], color, 255);
    }
    picture
}

/// Left, top, right, bottom; what leaves the picture is cut off.
fn fill(picture: &mut RgbaImage, [left, top, right, bottom]: [u32; 4], [r, g, b]: Rgb, alpha: u8) {
    for y in top..bottom.min(picture.height()) {
        for x in left..right.min(picture.width()) {
            picture.put_pixel(x, y, Rgba([r, g, b, alpha]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOR: Rgb = [200, 180, 90];

    #[test]
    fn values_fall_into_their_bins() {
        let counts = histogram([0.0, 0.049, 0.05, 1.0, 0.999, 7.0, -1.0, f32::NAN]);
        assert_eq!((counts[0], counts[1], counts[19]), (3, 1, 3));
        assert_eq!(counts.iter().sum::<usize>(), 7);
    }

    #[test]
    fn bars_are_as_high_as_their_counts_and_small_ones_show() {
        let picture = sparkline(&[10, 0, 5, 1000], [40, 20], COLOR);
        let height = |x: u32| (0..20).filter(|&y| picture.get_pixel(x, y).0[3] == 255).count();
        assert_eq!([4, 14, 24, 34].map(height), [1, 0, 1, 20]);
        assert_eq!(height(39), 0, "a gap");
        for counts in [&[][..], &[0, 0]] {
            assert!(sparkline(counts, [9, 9], COLOR).pixels().all(|pixel| pixel.0[3] == 0));
        }
        assert_eq!(sparkline(&[3; 50], [20, 4], COLOR).get_pixel(3, 0).0[3], 255, "more bars than pixels");
    }

    #[test]
    fn an_interval_shows_its_ends_its_share_and_the_reference() {
        let picture = interval(0.5, [0.25, 0.75], Some(0.9), [101, 12], COLOR);
        let alpha = |x: u32, y: u32| picture.get_pixel(x, y).0[3];
        assert_eq!((alpha(50, 0), alpha(30, 4), alpha(24, 4), alpha(76, 4)), (255, 110, 0, 0));
        assert_eq!((alpha(90, 0), alpha(5, 6), alpha(5, 0)), (160, 60, 0));
        let unknown = interval(f64::NAN, [f64::NAN; 2], None, [101, 12], COLOR);
        assert!(unknown.pixels().all(|pixel| [0, 60].contains(&pixel.0[3])));
    }
}
