//! A chart as a picture.

use super::{Canvas, FONT_PX, Ink, MARK_PX};
use crate::theme::Theme;
use crate::{Rgb, text};
use image::RgbImage;

/// A picture, and the theme of its page.
pub(super) struct Pixels<'a>(pub(super) &'a mut RgbImage, pub(super) &'static Theme);

impl Pixels<'_> {
    fn color(&self, ink: Ink) -> Rgb {
        match ink {
            Ink::Axis => self.1.ink,
            Ink::Grid => self.1.line,
            Ink::Series(i) => self.1.series[i % self.1.series.len()],
        }
    }

    /// Colours each pixel of a box by how much of it is covered; `distance` is that of its centre to the shape's edge.
    fn fill(&mut self, [x1, y1]: [f32; 2], [x2, y2]: [f32; 2], color: Rgb, distance: impl Fn(f32, f32) -> f32) {
        let end = |v: f32, max: u32| (v.ceil().max(0.0) as u32 + 1).min(max);
        let (x_end, y_end) = (end(x2, self.0.width()), end(y2, self.0.height()));
        for y in y1.floor().max(0.0) as u32..y_end {
            for x in x1.floor().max(0.0) as u32..x_end {
                let coverage = (0.5 - distance(x as f32 + 0.5, y as f32 + 0.5)).clamp(0.0, 1.0);
                let pixel = &mut self.0.get_pixel_mut(x, y).0;
                for (channel, ink) in pixel.iter_mut().zip(color) {
                    let (under, over) = (f32::from(*channel), f32::from(ink));
                    *channel = (under + (over - under) * coverage).round() as u8;
                }
            }
        }
    }
}

impl Canvas for Pixels<'_> {
    fn line(&mut self, from: [f32; 2], to: [f32; 2], width: f32, ink: Ink) {
        let color = self.color(ink);
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let length = (dx * dx + dy * dy).max(1e-6);
        let room = width + 1.0;
        let low = [from[0].min(to[0]) - room, from[1].min(to[1]) - room];
        let high = [from[0].max(to[0]) + room, from[1].max(to[1]) + room];
        self.fill(low, high, color, |x, y| {
            let along = (((x - from[0]) * dx + (y - from[1]) * dy) / length).clamp(0.0, 1.0);
            let (ex, ey) = (x - from[0] - along * dx, y - from[1] - along * dy);
            (ex * ex + ey * ey).sqrt() - width / 2.0
        });
    }

    fn mark(&mut self, [x, y]: [f32; 2], shape: usize, ink: Ink) {
        let room = MARK_PX + 2.0;
        let radius = move |px: f32, py: f32| ((px - x).powi(2) + (py - y).powi(2)).sqrt();
        let color = self.color(ink);
        self.fill([x - room, y - room], [x + room, y + room], color, |px, py| match shape % 3 {
            0 => radius(px, py) - MARK_PX,
            1 => (px - x).abs().max((py - y).abs()) - MARK_PX,
            _ => (radius(px, py) - MARK_PX + 1.0).abs() - 1.0,
        });
    }

    fn text(&mut self, [x, y]: [f32; 2], anchor: f32, words: &str, size_px: f32) {
        let style = text::Style { size_px, bold: size_px > FONT_PX, color: self.1.ink };
        text::draw(self.0, x - anchor * text::width(words, style), y - 0.55 * size_px, words, style);
    }
}
