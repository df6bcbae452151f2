//! Attribution maps made ready for drawing, and pictures with colour where the model looks.

use image::{GrayAlphaImage, ImageBuffer, LumaA, Rgb, RgbImage};

/// More cells than this do not show in a thumbnail; finer maps (integrated gradients) are averaged down.
const MAX_CELLS: usize = 28;
/// Brightness of the picture where the model does not look.
const DIM: f32 = 0.55;
/// Saturation of the picture where it does.
const VIVID: f32 = 1.25;

/// How much each part of a picture weighs, in [0, 1]: 1 at the strongest point of the map.
#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    height: usize,
    width: usize,
    values: Vec<f32>,
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

    /// The mean of heats of one size, each counting the same, scaled again to 1; `None` without any.
    pub fn mean(heats: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mean = heats.into_iter().reduce(|mut sum, heat| {
            sum.values.iter_mut().zip(&heat.values).for_each(|(s, v)| *s += v);
            sum
        });
        mean.map(Self::scaled)
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

    /// The weight at a point given in shares of the sides, bilinear between cell centres.
    pub fn at(&self, x: f32, y: f32) -> f32 {
        let along = |share: f32, n: usize| {
            let position = (share * n as f32 - 0.5).clamp(0.0, (n - 1) as f32);
            let low = position.floor() as usize;
            (low, (low + 1).min(n - 1), position - low as f32)
        };
        if self.values.is_empty() {
            return 0.0;
        }
        let ((left, right, fx), (top, bottom, fy)) = (along(x, self.width), along(y, self.height));
        let cell = |row: usize, column: usize| self.values[row * self.width + column];
        let upper = cell(top, left) * (1.0 - fx) + cell(top, right) * fx;
        let lower = cell(bottom, left) * (1.0 - fx) + cell(bottom, right) * fx;
        upper * (1.0 - fy) + lower * fy
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

    /// How opaque the coloured picture is over the grey one: the weight, with its weak half pushed down
    /// so that what counts stands out.
    fn opacity(&self, x: f32, y: f32) -> f32 {
        let v = self.at(x, y).clamp(0.0, 1.0);
        v * v * (3.0 - 2.0 * v)
    }

    /// The picture in colour where the model looks, dim and grey elsewhere.
    pub fn overlay(&self, picture: &RgbImage) -> RgbImage {
        let (width, height) = picture.dimensions();
        ImageBuffer::from_fn(width, height, |x, y| {
            let pixel = picture.get_pixel(x, y).0.map(f32::from);
            let luma = 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
            let opacity = self.opacity((x as f32 + 0.5) / width as f32, (y as f32 + 0.5) / height as f32);
            Rgb(pixel.map(|v| {
                let (vivid, grey) = (luma + VIVID * (v - luma), DIM * luma);
                (grey + opacity * (vivid - grey)).clamp(0.0, 255.0) as u8
            }))
        })
    }

    /// The same opacity as the alpha channel of a small picture, for renderers that blend by themselves.
    pub fn mask(&self, side_px: u32) -> GrayAlphaImage {
        let share = |i: u32| (i as f32 + 0.5) / side_px as f32;
        ImageBuffer::from_fn(side_px, side_px, |x, y| {
            // Sixteen steps are as good to the eye and compress better.
            let alpha = (self.opacity(share(x), share(y)) * 15.0).round() * 17.0;
            LumaA([255, alpha as u8])
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
        image::imageops::resize(&part, width_px, height_px, image::imageops::FilterType::CatmullRom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corner() -> Heat {
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
        let heat = Heat::new(&[0.0, 1.0], 1, 2, false);
        assert_eq!(heat.at(0.25, 0.5), 0.0);
        assert_eq!(heat.at(0.75, 0.1), 1.0);
        assert!((heat.at(0.5, 0.5) - 0.5).abs() < 1e-6);
        assert_eq!(heat.at(1.0, 1.0), 1.0);
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
        let drawn = corner().overlay(&red);
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
        let heats = [Heat::new(&[8.0, 0.0], 1, 2, false), Heat::new(&[0.0, 1.0], 1, 2, false)];
        assert_eq!(Heat::mean(heats).unwrap().values, [1.0, 1.0]);
        assert_eq!(Heat::mean([]), None);
    }
}
