//! A picture and its attribution, drawn together. Both are kept apart until the last moment, so that another opacity
//! or colour map needs neither the picture's file nor its map.

use super::contour::Outline;
use crate::color::Map;
use image::{GrayImage, RgbImage};
use serde::{Deserialize, Serialize};

/// Brightness of the picture where the model does not look: dark enough to show on pictures without colour.
const DIM: f32 = 0.35;
/// Saturation of the picture where it does.
const VIVID: f32 = 1.25;
/// Share of the attribution that the line around it holds, where nothing else is asked.
pub const CONTOUR: f32 = 0.8;

/// What is drawn of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drawing {
    /// The picture alone.
    Input,
    /// The attribution alone; with [`Map::Focus`] the part of the picture that it covers.
    Attribution,
    /// The attribution over the picture.
    #[default]
    Overlay,
}

/// How a picture is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Look {
    /// What is drawn.
    pub drawing: Drawing,
    /// How strong the attribution lies over the picture, in [0, 1].
    pub opacity: f32,
    /// Its colours.
    pub map: Map,
    /// A line around the smallest part that holds this share of all attribution; `None`: no line.
    pub contour: Option<f32>,
}

impl Default for Look {
    fn default() -> Self {
        Self { drawing: Drawing::Overlay, opacity: 1.0, map: Map::Focus, contour: Some(CONTOUR) }
    }
}

impl Look {
    /// Draws a picture with its attribution.
    ///
    /// # Shapes
    /// `plane`: the heat in bytes, of the picture's size; [`super::Heat::plane`].
    ///
    /// # Panics
    /// If the sizes differ.
    pub fn draw(&self, picture: &RgbImage, plane: &GrayImage) -> RgbImage {
        self.draw_again(picture, plane, &mut None)
    }

    /// The same for a picture that is drawn again and again: its line is kept in `outline`.
    ///
    /// # Shapes and panics
    /// As those of [`Self::draw`].
    pub fn draw_again(&self, picture: &RgbImage, plane: &GrayImage, outline: &mut Option<Outline>) -> RgbImage {
        assert_eq!(picture.dimensions(), plane.dimensions(), "a picture and its attribution");
        let mut drawn = picture.clone();
        let is_blank = || plane.pixels().all(|weight| weight.0[0] == 0);
        match (self.drawing, self.map) {
            (Drawing::Input, _) => {}
            // Where nothing is known nothing can be lit, and the dark would say that nothing matters.
            (Drawing::Overlay, Map::Focus) if is_blank() => {}
            (Drawing::Attribution, Map::Focus) => {
                let weights = table(smooth);
                each(&mut drawn, plane, |pixel, weight| {
                    pixel.map(|v| (f32::from(v) * weights[usize::from(weight)]) as u8)
                });
            }
            (Drawing::Attribution, map) => {
                let colors = table(|weight| map.color(weight.into()));
                each(&mut drawn, plane, |_, weight| colors[usize::from(weight)]);
            }
            (Drawing::Overlay, Map::Focus) => {
                let opacity = self.opacity.clamp(0.0, 1.0);
                let weights = table(smooth);
                each(&mut drawn, plane, |pixel, weight| {
                    let pixel = pixel.map(f32::from);
                    let luma = 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
                    let weight = weights[usize::from(weight)];
                    pixel.map(|v| {
                        let (vivid, grey) = (luma + VIVID * (v - luma), DIM * luma);
                        let focused = (grey + weight * (vivid - grey)).clamp(0.0, 255.0);
                        (v + opacity * (focused - v)) as u8
                    })
                });
            }
            (Drawing::Overlay, map) => {
                let opacity = self.opacity.clamp(0.0, 1.0);
                let colors = table(|weight| (map.color(weight.into()).map(f32::from), opacity * smooth(weight)));
                each(&mut drawn, plane, |pixel, weight| {
                    let (color, alpha) = colors[usize::from(weight)];
                    [0, 1, 2].map(|i| {
                        let v = f32::from(pixel[i]);
                        (v + alpha * (color[i] - v)) as u8
                    })
                });
            }
        }
        if let Some(share) = self.contour {
            if outline.as_ref().is_none_or(|outline| outline.share != share) {
                *outline = Some(Outline::of(plane, share));
            }
            outline.iter().for_each(|outline| outline.draw(&mut drawn));
        }
        drawn
    }
}

/// A weight with its weak half pushed down, so that what counts stands out.
pub(super) fn smooth(weight: f32) -> f32 {
    weight * weight * (3.0 - 2.0 * weight)
}

/// A value for each byte, whose weight is in [0, 1].
fn table<T>(value: impl Fn(f32) -> T) -> Vec<T> {
    (0..=255u8).map(|byte| value(f32::from(byte) / 255.0)).collect()
}

fn each(picture: &mut RgbImage, plane: &GrayImage, color: impl Fn([u8; 3], u8) -> [u8; 3]) {
    for (pixel, weight) in picture.pixels_mut().zip(plane.pixels()) {
        pixel.0 = color(pixel.0, weight.0[0]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::corner;
    use super::*;
    use image::Rgb;

    const BARE: Look = Look { drawing: Drawing::Overlay, opacity: 1.0, map: Map::Focus, contour: None };

    fn draw(look: Look) -> RgbImage {
        let red = RgbImage::from_pixel(70, 70, Rgb([200, 40, 40]));
        look.draw(&red, &corner().plane(70, 70))
    }

    #[test]
    fn the_input_is_the_picture_and_an_overlay_without_opacity_too() {
        for look in [
            Look { drawing: Drawing::Input, ..BARE },
            Look { opacity: 0.0, ..BARE },
            Look { opacity: 0.0, map: Map::Viridis, ..BARE },
        ] {
            assert!(draw(look).pixels().all(|pixel| pixel.0 == [200, 40, 40]), "{look:?}");
        }
    }

    #[test]
    fn a_picture_without_attribution_is_drawn_as_it_is() {
        let red = RgbImage::from_pixel(70, 70, Rgb([200, 40, 40]));
        for heat in [super::super::Heat::default(), super::super::Heat::new(&[0.0; 9], 3, 3, false)] {
            assert_eq!(Look::default().draw(&red, &heat.plane(70, 70)), red);
        }
    }

    #[test]
    fn attribution_alone_is_the_map_or_the_attended_part_of_the_picture() {
        let at = |map: Map, x: u32| draw(Look { drawing: Drawing::Attribution, map, ..BARE }).get_pixel(x, x).0;
        assert_eq!((at(Map::Viridis, 2), at(Map::Viridis, 60)), (Map::Viridis.color(1.0), Map::Viridis.color(0.0)));
        assert_eq!((at(Map::Focus, 2), at(Map::Focus, 60)), ([200, 40, 40], [0; 3]));
    }

    #[test]
    fn an_overlay_covers_the_picture_where_the_weight_is() {
        let drawn = draw(Look { map: Map::Inferno, ..BARE });
        assert_eq!((drawn.get_pixel(2, 2).0, drawn.get_pixel(60, 60).0), (Map::Inferno.color(1.0), [200, 40, 40]));
        let half = draw(Look { map: Map::Inferno, opacity: 0.5, ..BARE }).get_pixel(2, 2).0;
        assert_eq!(half, [226, 147, 102]);
    }
}
