//! A tile of a mosaic as pixels.

use crate::heat::Window;
use crate::shape::TileShape;
use crate::{Heat, raster};
use image::{RgbImage, Rgba, RgbaImage, imageops};

/// Small pictures in a rectangular tile: crops, and the mean at the end.
pub const N_SMALL: usize = 4;
/// Side of a crop around the attribution, as a share of the picture.
pub const CROP: f32 = 0.66;
/// The large picture shows the smallest of these shares of itself that holds [`HELD`] of the attribution.
const SHARES: [f32; 5] = [0.6, 0.7, 0.8, 0.9, 1.0];
/// See [`SHARES`].
const HELD: f64 = 0.9;
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
    fn part(&self, share: f32, size_px: [u32; 2]) -> RgbImage {
        if self.picture.width() == 0 || self.picture.height() == 0 || size_px.contains(&0) {
            return RgbImage::from_pixel(size_px[0], size_px[1], image::Rgb([EMPTY[0], EMPTY[1], EMPTY[2]]));
        }
        self.window(share, size_px).crop(&self.picture, size_px[0], size_px[1])
    }

    /// What matters of the picture: the part around the attribution that holds most of it, as pixels.
    fn essence(&self, size_px: [u32; 2]) -> RgbImage {
        let holds = |share: &&f32| self.heat.share_in(self.window(**share, size_px)) >= HELD;
        let share = SHARES.iter().find(holds).filter(|_| !size_px.contains(&0));
        self.part(share.copied().unwrap_or(1.0), size_px)
    }

    fn window(&self, share: f32, size_px: [u32; 2]) -> Window {
        let wanted = size_px[0] as f32 / size_px[1].max(1) as f32;
        let has = self.picture.width() as f32 / self.picture.height().max(1) as f32;
        self.heat.window(share * (wanted / has).min(1.0), share * (has / wanted).min(1.0))
    }
}

/// Draws a tile of this size. A shape is scaled to it by its bounds; outside the shape the tile is transparent, its
/// edge smooth.
pub fn tile(picture: &TilePicture, form: Form, size_px: [u32; 2]) -> RgbaImage {
    match form {
        Form::Rectangle => rectangle(picture, size_px),
        Form::Shape(shape) => {
            let mut tile = opaque(&picture.large.essence(size_px));
            cut(&mut tile, shape);
            tile
        }
    }
}

/// Draws many pictures of one slice as one sheet of so many columns, cut to a shape where there is one.
pub fn sheet(
    pictures: &[Drawn],
    columns: u32,
    shape: Option<&TileShape>,
    [width_px, height_px]: [u32; 2],
) -> RgbaImage {
    let mut tile = RgbaImage::from_pixel(width_px, height_px, EMPTY);
    let (columns, rows) = (columns.max(1), sheet_rows(columns, [width_px, height_px]));
    let edge = |i: u32, n: u32, side_px: u32| i * side_px / n;
    for (picture, i) in pictures.iter().zip(0..columns * rows) {
        let (column, row) = (i % columns, i / columns);
        let [x, y] = [edge(column, columns, width_px), edge(row, rows, height_px)];
        // A line of background between them.
        let size =
            [edge(column + 1, columns, width_px) - x, edge(row + 1, rows, height_px) - y].map(|side| side.max(2) - 1);
        imageops::replace(&mut tile, &opaque(&picture.part(1.0, size)), x.into(), y.into());
    }
    if let Some(shape) = shape {
        cut(&mut tile, shape);
    }
    tile
}

/// Rows of a sheet, so that its pictures are about square.
pub fn sheet_rows(columns: u32, [width_px, height_px]: [u32; 2]) -> u32 {
    (f64::from(columns.max(1) * height_px) / f64::from(width_px.max(1))).round().max(1.0) as u32
}

/// Makes what lies outside a shape, scaled to the tile by its bounds, transparent.
fn cut(tile: &mut RgbaImage, shape: &TileShape) {
    let size_px = [tile.width(), tile.height()];
    let [left, top, right, bottom] = shape.bounds;
    let scale = [f64::from(size_px[0]) / (right - left), f64::from(size_px[1]) / (bottom - top)];
    let corner = |&[x, y]: &[f64; 2]| [((x - left) * scale[0]) as f32, ((y - top) * scale[1]) as f32];
    let polygon: Vec<[f32; 2]> = shape.polygon.iter().map(corner).collect();
    let alphas = raster::coverage(&polygon, size_px);
    tile.pixels_mut().zip(alphas).for_each(|(pixel, alpha)| pixel.0[3] = alpha);
}

fn rectangle(picture: &TilePicture, [width_px, height_px]: [u32; 2]) -> RgbaImage {
    // A single image has nothing beside it, and looks like it.
    let share = if picture.crops.is_empty() { 0.0 } else { 1.0 - 1.0 / ASPECT };
    let strip_px = (f64::from(height_px) * share).round() as u32;
    let large_px = height_px - strip_px;
    let mut tile = RgbaImage::from_pixel(width_px, height_px, EMPTY);
    imageops::replace(&mut tile, &opaque(&picture.large.essence([width_px, large_px])), 0, 0);
    let left = |i: usize| i as u32 * width_px / N_SMALL as u32;
    let mean = Drawn { picture: picture.mean.clone(), heat: Heat::default() };
    if strip_px == 0 {
        return tile;
    }
    let small = picture.crops.iter().take(N_SMALL - 1).map(|crop| (crop, CROP)).chain([(&mean, 1.0)]);
    for (i, (drawn, share)) in small.enumerate() {
        let size = [left(i + 1) - left(i), strip_px];
        imageops::replace(&mut tile, &opaque(&drawn.part(share, size)), left(i).into(), large_px.into());
    }
    (0..width_px).for_each(|x| tile.put_pixel(x, large_px, HAIR_LINE));
    for x in (1..N_SMALL).map(left).filter(|&x| x > 0) {
        (large_px..height_px).for_each(|y| tile.put_pixel(x, y, HAIR_LINE));
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
    fn a_single_image_fills_its_tile() {
        let only = TilePicture { crops: Vec::new(), ..picture() };
        let tile = tile(&only, Form::Rectangle, [212, 265]);
        assert_eq!(tile.get_pixel(120, 260).0, [200, 0, 0, 255]);
    }

    #[test]
    fn a_sheet_has_its_pictures_in_order() {
        let pictures = [[200, 0, 0], [0, 200, 0], [0, 0, 200]].map(plain);
        let sheet = sheet(&pictures, 2, None, [200, 250]);
        assert_eq!(sheet_rows(2, [200, 250]), 3);
        let at = |x: u32, y: u32| sheet.get_pixel(x, y).0;
        assert_eq!((at(5, 5), at(105, 5), at(5, 90)), ([200, 0, 0, 255], [0, 200, 0, 255], [0, 0, 200, 255]));
        assert_eq!((at(99, 5), at(150, 240)), (EMPTY.0, EMPTY.0));
        let shape = &tiles(Layout::Hexagons, &[[0.0, 0.0]], &[1.0], [300.0, 300.0])[0];
        assert_eq!(super::sheet(&pictures, 2, Some(shape), [87, 100]).get_pixel(2, 2).0[3], 0);
    }

    #[test]
    fn the_large_picture_is_cropped_to_where_the_attribution_lies() {
        let rings = RgbImage::from_fn(100, 100, |x, _| Rgb(if x < 10 { [250, 0, 0] } else { [0, 0, 250] }));
        let mut map = vec![0.0; 100];
        map[55] = 1.0;
        let peaked = Drawn { picture: rings.clone(), heat: Heat::new(&map, 10, 10, false) };
        assert!(peaked.essence([50, 50]).pixels().all(|pixel| pixel.0 == [0, 0, 250]));
        let even = Drawn { picture: rings, heat: Heat::new(&[1.0; 100], 10, 10, false) };
        assert_eq!(even.essence([50, 50]).get_pixel(0, 9).0, [250, 0, 0], "nothing is cut from where the model looks");
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
