//! A tile of a mosaic as pixels.

use crate::shape::TileShape;
use crate::{Heat, raster};
use image::{RgbImage, Rgba, RgbaImage, imageops};

/// Small pictures in a rectangular tile: crops, and the mean at the end.
pub const N_SMALL: usize = 4;
/// Side of a crop around the attribution, as a share of the picture.
pub const CROP: f32 = 0.66;
/// Height of a rectangular tile over its width.
pub const ASPECT: f64 = 1.0 + 1.0 / N_SMALL as f64;

/// Between the small pictures.
const HAIR_LINE: Rgba<u8> = Rgba([18, 20, 24, 255]);
/// Where there is no picture.
const EMPTY: Rgba<u8> = Rgba([34, 37, 43, 255]);

/// A picture on which the attribution is drawn already, and the attribution, which says what part of it to show.
#[derive(Debug, Clone, Default)]
pub struct Drawn {
    /// The picture.
    pub picture: RgbImage,
    /// Its attribution.
    pub heat: Heat,
}

/// The pictures of one slice.
#[derive(Debug, Clone, Default)]
pub struct TilePicture {
    /// The most typical image.
    pub large: Drawn,
    /// The next ones, shown by their attributed part; up to [`N_SMALL`] − 1.
    pub crops: Vec<Drawn>,
    /// The mean image under the mean attribution.
    pub mean: RgbImage,
}

/// The form of a tile.
#[derive(Debug, Clone, Copy)]
pub enum Form<'a> {
    /// The large picture over a strip of small ones.
    Rectangle,
    /// The large picture alone, filling a shape.
    Shape(&'a TileShape),
}

impl Drawn {
    /// The part of the picture with this share of the largest possible window around the attribution, as pixels.
    fn part(&self, share: f32, [width_px, height_px]: [u32; 2]) -> RgbImage {
        if self.picture.width() == 0 || self.picture.height() == 0 || width_px == 0 || height_px == 0 {
            return RgbImage::from_pixel(width_px, height_px, image::Rgb([EMPTY[0], EMPTY[1], EMPTY[2]]));
        }
        let wanted = width_px as f32 / height_px as f32;
        let has = self.picture.width() as f32 / self.picture.height() as f32;
        let window = self.heat.window(share * (wanted / has).min(1.0), share * (has / wanted).min(1.0));
        window.crop(&self.picture, width_px, height_px)
    }
}

/// Draws a tile of this size. A shape is scaled to it by its bounds; outside the shape the tile is transparent, its
/// edge smooth.
pub fn tile(picture: &TilePicture, form: Form, size_px: [u32; 2]) -> RgbaImage {
    match form {
        Form::Rectangle => rectangle(picture, size_px),
        Form::Shape(shape) => {
            let mut tile = opaque(&picture.large.part(1.0, size_px));
            let [left, top, right, bottom] = shape.bounds;
            let scale = [f64::from(size_px[0]) / (right - left), f64::from(size_px[1]) / (bottom - top)];
            let corner = |&[x, y]: &[f64; 2]| [((x - left) * scale[0]) as f32, ((y - top) * scale[1]) as f32];
            let polygon: Vec<[f32; 2]> = shape.polygon.iter().map(corner).collect();
            let alphas = raster::coverage(&polygon, size_px);
            tile.pixels_mut().zip(alphas).for_each(|(pixel, alpha)| pixel.0[3] = alpha);
            tile
        }
    }
}

fn rectangle(picture: &TilePicture, [width_px, height_px]: [u32; 2]) -> RgbaImage {
    let strip_px = (f64::from(height_px) * (1.0 - 1.0 / ASPECT)).round() as u32;
    let large_px = height_px - strip_px;
    let mut tile = RgbaImage::from_pixel(width_px, height_px, EMPTY);
    imageops::replace(&mut tile, &opaque(&picture.large.part(1.0, [width_px, large_px])), 0, 0);
    let left = |i: usize| i as u32 * width_px / N_SMALL as u32;
    let mean = Drawn { picture: picture.mean.clone(), heat: Heat::default() };
    let small = picture.crops.iter().take(N_SMALL - 1).map(|crop| (crop, CROP)).chain([(&mean, 1.0)]);
    for (i, (drawn, share)) in small.enumerate() {
        let size = [left(i + 1) - left(i), strip_px];
        imageops::replace(&mut tile, &opaque(&drawn.part(share, size)), left(i).into(), large_px.into());
    }
    if strip_px > 0 {
        (0..width_px).for_each(|x| tile.put_pixel(x, large_px, HAIR_LINE));
        for x in (1..N_SMALL).map(left).filter(|&x| x > 0) {
            (large_px..height_px).for_each(|y| tile.put_pixel(x, y, HAIR_LINE));
        }
    }
    tile
}

fn opaque(picture: &RgbImage) -> RgbaImage {
    RgbaImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [r, g, b] = picture.get_pixel(x, y).0;
        Rgba([r, g, b, 255])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{Layout, tiles};
    use image::Rgb;

    fn plain(color: [u8; 3]) -> Drawn {
        Drawn { picture: RgbImage::from_pixel(60, 60, Rgb(color)), heat: Heat::default() }
    }

    fn picture() -> TilePicture {
        TilePicture {
            large: plain([200, 0, 0]),
            crops: vec![plain([0, 200, 0]), plain([0, 0, 200])],
            mean: RgbImage::from_pixel(60, 60, Rgb([90; 3])),
        }
    }

    #[test]
    fn a_rectangle_has_the_large_picture_over_a_strip() {
        let tile = tile(&picture(), Form::Rectangle, [212, 265]);
        let at = |x: u32, y: u32| tile.get_pixel(x, y).0;
        assert_eq!((at(0, 0), at(211, 211)), ([200, 0, 0, 255], [200, 0, 0, 255]));
        assert_eq!((at(20, 240), at(80, 240), at(120, 240)), ([0, 200, 0, 255], [0, 0, 200, 255], [90, 90, 90, 255]));
        assert_eq!((at(100, 212), at(53, 230), at(190, 240)), (HAIR_LINE.0, HAIR_LINE.0, EMPTY.0));
        for size in [[1, 1], [3, 2], [40, 1]] {
            assert_eq!(super::tile(&picture(), Form::Rectangle, size).dimensions(), size.into());
        }
        assert_eq!(super::tile(&TilePicture::default(), Form::Rectangle, [30, 40]).get_pixel(9, 9), &EMPTY);
    }

    #[test]
    fn a_shape_is_filled_and_clear_outside() {
        let shape = &tiles(Layout::Hexagons, &[[0.0, 0.0]], &[1.0], [300.0, 300.0])[0];
        let tile = tile(&picture(), Form::Shape(shape), [87, 100]);
        let alpha = |x: u32, y: u32| tile.get_pixel(x, y).0[3];
        assert_eq!((alpha(43, 50), alpha(2, 2), alpha(85, 97)), (255, 0, 0));
        assert_eq!(tile.get_pixel(43, 50).0, [200, 0, 0, 255]);
        let edge = tile.pixels().filter(|pixel| (1..255).contains(&pixel.0[3])).count();
        assert!(edge > 40, "a smooth edge: {edge}");
    }

    #[test]
    fn a_tile_shows_the_attributed_part_of_a_picture() {
        let halves = RgbImage::from_fn(200, 100, |x, _| Rgb(if x < 100 { [250, 0, 0] } else { [0, 0, 250] }));
        let heat = Heat::new(&[0.0, 0.0, 0.0, 1.0], 1, 4, false);
        let shape = &tiles(Layout::Grid, &[[0.0, 0.0]], &[1.0], [50.0, 50.0])[0];
        let picture = TilePicture { large: Drawn { picture: halves, heat }, ..TilePicture::default() };
        let tile = tile(&picture, Form::Shape(shape), [50, 50]);
        assert!(tile.pixels().all(|pixel| pixel.0 == [0, 0, 250, 255]));
    }
}
