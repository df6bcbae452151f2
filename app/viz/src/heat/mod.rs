//! Attribution maps made ready for drawing, and pictures lit where the model looks.

mod contour;
mod draw;

pub use contour::Outline;
pub use draw::{CONTOUR, Drawing, Look};

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{GrayAlphaImage, GrayImage, ImageBuffer, LumaA, RgbImage};

/// More cells than this do not show in a thumbnail; finer maps (integrated gradients) are averaged down.
const MAX_CELLS: usize = 28;
/// How much each part of a picture weighs, in [0, 1]: 1 at the strongest point of the map.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Heat {
    height: usize,
    width: usize,
    values: Vec<f32>,
}

/// Heats being averaged, each counting the same.
#[derive(Debug, Clone, Default)]
pub struct HeatSum(Heat);

impl HeatSum {
    /// Adds a heat, of the size of the others.
    pub fn add(&mut self, heat: &Heat) {
        if self.0.values.is_empty() {
            self.0 = heat.clone();
        } else {
            self.0.values.iter_mut().zip(&heat.values).for_each(|(s, v)| *s += v);
        }
    }

    /// Adds what another sum holds.
    pub fn merge(&mut self, other: Self) {
        self.add(&other.0);
    }

    /// The mean, scaled again to 1; an empty heat without any.
    pub fn mean(self) -> Heat {
        self.0.scaled()
    }
}

/// A part of a picture, in shares of its sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

impl Heat {
    /// From a raw map: negative values count as 0, or by their size if `absolute`; NaN counts as 0.
    ///
    /// # Shapes
    /// `map`: `[height, width]`.
    ///
    /// # Panics
    /// If `map` has another length.
    pub fn new(map: &[f32], height: usize, width: usize, absolute: bool) -> Self {
        assert_eq!(map.len(), height * width, "a map of {height} x {width}");
        let weight = |v: f32| {
            if !v.is_finite() {
                0.0
            } else if absolute {
                v.abs()
            } else {
                v.max(0.0)
            }
        };
        let (rows, columns) = (height.min(MAX_CELLS), width.min(MAX_CELLS));
        let mut values = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            for column in 0..columns {
                let (top, bottom) = (row * height / rows, (row + 1) * height / rows);
                let (left, right) = (column * width / columns, (column + 1) * width / columns);
                let cells = (top..bottom).flat_map(|y| &map[y * width + left..y * width + right]);
                values.push(cells.map(|&v| weight(v)).sum::<f32>() / ((bottom - top) * (right - left)) as f32);
            }
        }
        Self { height: rows, width: columns, values }.scaled()
    }

    fn scaled(mut self) -> Self {
        let max = self.values.iter().copied().fold(0.0, f32::max);
        if max > 0.0 {
            self.values.iter_mut().for_each(|v| *v /= max);
        }
        self
    }

    /// Whether the map has no weight anywhere.
    pub fn is_empty(&self) -> bool {
        self.values.iter().all(|&v| v == 0.0)
    }

    /// The weights in bytes at every pixel of a picture of this size, bilinear between cell centres.
    pub fn plane(&self, width_px: u32, height_px: u32) -> GrayImage {
        if self.values.is_empty() {
            return GrayImage::new(width_px, height_px);
        }
        // Per pixel of an axis: the cells on both sides, and how far it is from the first to the second.
        let along = |n_px: u32, n: usize| -> Vec<(usize, usize, f32)> {
            let at = |i: u32| {
                let share = (i as f32 + 0.5) / n_px as f32;
                let position = (share * n as f32 - 0.5).clamp(0.0, (n - 1) as f32);
                let low = position.floor() as usize;
                (low, (low + 1).min(n - 1), position - low as f32)
            };
            (0..n_px).map(at).collect()
        };
        let columns = along(width_px, self.width);
        let mut bytes = Vec::with_capacity((width_px * height_px) as usize);
        let mut row = vec![0.0; self.width];
        for (top, bottom, share) in along(height_px, self.height) {
            let cells = self.values[top * self.width..].iter().zip(&self.values[bottom * self.width..]);
            row.iter_mut().zip(cells).for_each(|(v, (a, b))| *v = (a * (1.0 - share) + b * share) * 255.0);
            bytes.extend(
                columns
                    .iter()
                    .map(|&(left, right, share)| (row[left] * (1.0 - share) + row[right] * share).round() as u8),
            );
        }
        // A byte was written for every pixel.
        GrayImage::from_raw(width_px, height_px, bytes).unwrap_or_default()
    }

    /// Share of the weights that lies in a window, in [0, 1]; 0 for an empty heat.
    pub fn share_in(&self, window: Window) -> f64 {
        let inside = |i: usize, n: usize, start: f32, side: f32| {
            let middle = (i as f32 + 0.5) / n as f32;
            middle >= start && middle <= start + side
        };
        let (mut sum, mut held) = (0.0, 0.0);
        for (i, &v) in self.values.iter().enumerate() {
            let (x, y) = (i % self.width, i / self.width);
            sum += f64::from(v);
            if inside(x, self.width, window.x, window.width) && inside(y, self.height, window.y, window.height) {
                held += f64::from(v);
            }
        }
        if sum > 0.0 { held / sum } else { 0.0 }
    }

    /// The window of this size (in shares of the sides) around where the weight is; in the middle for an empty map.
    pub fn window(&self, width: f32, height: f32) -> Window {
        let (mut sum, mut x, mut y) = (0.0, 0.0, 0.0);
        for (i, v) in self.values.iter().enumerate() {
            // Squared: a broad weak background must not pull the window away from the peak.
            let weight = v * v;
            sum += weight;
            x += weight * ((i % self.width) as f32 + 0.5) / self.width as f32;
            y += weight * ((i / self.width) as f32 + 0.5) / self.height as f32;
        }
        let (x, y) = if sum > 0.0 { (x / sum, y / sum) } else { (0.5, 0.5) };
        let place = |centre: f32, size: f32| (centre - size / 2.0).clamp(0.0, 1.0 - size);
        Window { x: place(x, width), y: place(y, height), width, height }
    }

    /// The opacity of a focused picture's colour as the alpha channel of a small picture, for renderers that blend by themselves.
    pub fn mask(&self, side_px: u32) -> GrayAlphaImage {
        let plane = self.plane(side_px, side_px);
        ImageBuffer::from_fn(side_px, side_px, |x, y| {
            let opacity = draw::smooth(f32::from(plane.get_pixel(x, y).0[0]) / 255.0);
            // Sixteen steps are as good to the eye and compress better.
            LumaA([255, ((opacity * 15.0).round() * 17.0) as u8])
        })
    }
}

impl Window {
    /// This part of a picture, at this size.
    pub fn crop(self, picture: &RgbImage, width_px: u32, height_px: u32) -> RgbImage {
        let (w, h) = (picture.width() as f32, picture.height() as f32);
        let (x, y) = ((self.x * w) as u32, (self.y * h) as u32);
        let (crop_w, crop_h) = ((self.width * w).max(1.0) as u32, (self.height * h).max(1.0) as u32);
        let part = image::imageops::crop_imm(picture, x, y, crop_w, crop_h).to_image();
        resized(&part, width_px, height_px)
    }
}

/// A picture at another size; empty where one of the two has no pixels.
fn resized(picture: &RgbImage, width_px: u32, height_px: u32) -> RgbImage {
    let mut resized = Image::new(width_px, height_px, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    let source = ImageRef::new(picture.width(), picture.height(), picture.as_raw(), PixelType::U8x3);
    // Both are of one pixel type and as long as their sides say, so that only an empty picture fails, and stays black.
    if let Ok(source) = source {
        let done = Resizer::new().resize(&source, &mut resized, &options);
        debug_assert!(done.is_ok() || width_px * height_px == 0);
    }
    RgbImage::from_raw(width_px, height_px, resized.into_vec()).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use image::Rgb;

    pub(crate) fn corner() -> Heat {
        let mut map = vec![0.0; 49];
        map[0] = 3.0;
        Heat::new(&map, 7, 7, false)
    }

    #[test]
    fn heat_is_scaled_by_its_own_maximum_and_drops_what_does_not_count() {
        let heat = Heat::new(&[-4.0, 2.0, f32::NAN, 1.0], 2, 2, false);
        assert_eq!(heat.values, [0.0, 1.0, 0.0, 0.5]);
        assert_eq!(Heat::new(&[-4.0, 2.0], 1, 2, true).values, [1.0, 0.5]);
        assert!(Heat::new(&[0.0; 4], 2, 2, false).is_empty());
    }

    #[test]
    fn sampling_is_exact_at_cell_centres_and_linear_between() {
        let plane = Heat::new(&[0.0, 1.0], 1, 2, false).plane(12, 3);
        let row: Vec<u8> = (0..12).map(|x| plane.get_pixel(x, 1).0[0]).collect();
        assert_eq!(row, [0, 0, 0, 21, 64, 106, 149, 191, 234, 255, 255, 255]);
        assert_eq!(corner().plane(7, 7).get_pixel(0, 0).0, [255]);
        assert_eq!(Heat::default().plane(4, 2), GrayImage::new(4, 2));
    }

    #[test]
    fn fine_maps_are_averaged_down() {
        let mut map = vec![0.0; 56 * 56];
        map[0] = 4.0;
        map[2 * 56 + 2] = 2.0;
        let heat = Heat::new(&map, 56, 56, false);
        assert_eq!((heat.height, heat.width), (28, 28));
        assert_eq!((heat.values[0], heat.values[29]), (1.0, 0.5));
    }

    #[test]
    fn overlay_keeps_colour_only_where_the_weight_is() {
        let red = RgbImage::from_pixel(70, 70, Rgb([200, 40, 40]));
        let drawn = Look::default().draw(&red, &corner().plane(70, 70));
        let [r, g, _] = drawn.get_pixel(2, 2).0;
        assert!(r > 190 && g < 40, "{r} {g}");
        let [r, g, b] = drawn.get_pixel(60, 60).0;
        assert!(r == g && g == b && r < 60, "{r} {g} {b}");
    }

    #[test]
    fn the_mask_is_opaque_at_the_peak_and_clear_far_away() {
        let mask = corner().mask(28);
        assert_eq!(mask.get_pixel(1, 1).0[1], 255);
        assert_eq!(mask.get_pixel(20, 20).0[1], 0);
    }

    #[test]
    fn the_window_follows_the_weight_and_stays_inside() {
        let window = corner().window(0.5, 0.5);
        assert_eq!((window.x, window.y), (0.0, 0.0));
        let window = Heat::new(&[0.0; 49], 7, 7, false).window(0.5, 0.5);
        assert_eq!((window.x, window.y), (0.25, 0.25));
        let picture = RgbImage::from_fn(100, 100, |x, _| Rgb([if x < 50 { 255 } else { 0 }; 3]));
        let crop = corner().window(0.5, 1.0).crop(&picture, 20, 20);
        assert!(crop.dimensions() == (20, 20) && crop.pixels().all(|p| p.0 == [255; 3]));
    }

    #[test]
    fn the_mean_of_heats_counts_each_the_same() {
        let (mut sum, mut other) = (HeatSum::default(), HeatSum::default());
        sum.add(&Heat::new(&[8.0, 0.0], 1, 2, false));
        other.add(&Heat::new(&[0.0, 1.0], 1, 2, false));
        other.add(&Heat::new(&[0.0, 3.0], 1, 2, false));
        sum.merge(other);
        assert_eq!(sum.mean().values, [0.5, 1.0]);
        assert_eq!(HeatSum::default().mean(), Heat::default());
    }
}
