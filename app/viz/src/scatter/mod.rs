//! Many points in two dimensions: drawing them, finding them under the pointer, and choosing them.

mod density;
mod index;

pub use density::contours;
pub use index::Index;

use crate::{Rgb, raster};
use image::RgbaImage;

/// How much of a point's colour is left while others are selected.
const DIMMED: u32 = 72;
/// How much a point covers of each pixel around its own, of 256.
const SPLAT: [[u32; 3]; 3] = [[84, 168, 84], [168, 256, 168], [84, 168, 84]];
/// The same for so few points that small ones would be lost.
const LARGE_SPLAT: [[u32; 5]; 5] = [
    [0, 96, 170, 96, 0],
    [96, 240, 256, 240, 96],
    [170, 256, 256, 256, 170],
    [96, 240, 256, 240, 96],
    [0, 96, 170, 96, 0],
];
/// Fewer points than this are drawn large.
const N_FEW: usize = 8000;
/// For points far apart, in a large window.
const LARGEST_SPLAT: [[u32; 7]; 7] = [
    [0, 20, 150, 190, 150, 20, 0],
    [20, 220, 256, 256, 256, 220, 20],
    [150, 256, 256, 256, 256, 256, 150],
    [190, 256, 256, 256, 256, 256, 190],
    [150, 256, 256, 256, 256, 256, 150],
    [20, 220, 256, 256, 256, 220, 20],
    [0, 20, 150, 190, 150, 20, 0],
];
/// Pixels of the picture a point has when it is drawn largest.
const AREA_OF_LARGEST: usize = 1500;
/// Margin around all points, as a share of the picture.
const MARGIN: f32 = 0.04;

/// What part of the plane a picture shows. `y` grows upwards in the plane and downwards in the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// The point in the middle of the picture.
    pub centre: [f32; 2],
    /// Pixels per unit of the plane.
    pub scale: f32,
}

impl View {
    /// The view in which all points show, those apart that are not finite.
    pub fn of_all(points: &[[f32; 2]], [width, height]: [u32; 2]) -> Self {
        let ends = |axis: usize| {
            let values = points.iter().map(|point| point[axis]).filter(|value| value.is_finite());
            values.fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], v| [low.min(v), high.max(v)])
        };
        let [x, y] = [ends(0), ends(1)];
        if !(x[0] <= x[1] && y[0] <= y[1]) {
            return Self { centre: [0.0; 2], scale: 1.0 };
        }
        let fits = |[low, high]: [f32; 2], n_px: u32| n_px as f32 * (1.0 - 2.0 * MARGIN) / (high - low);
        let scale = fits(x, width).min(fits(y, height));
        let centre = [x, y].map(|[low, high]| low + (high - low) / 2.0);
        Self { centre, scale: if scale.is_finite() && scale > 0.0 { scale } else { 1.0 } }
    }

    /// Where a point lies in a picture of this size.
    pub fn to_pixel(&self, point: [f32; 2], [width, height]: [u32; 2]) -> [f32; 2] {
        let [x, y] = [0, 1].map(|axis| (point[axis] - self.centre[axis]) * self.scale);
        [width as f32 / 2.0 + x, height as f32 / 2.0 - y]
    }

    /// What point lies there.
    pub fn to_point(&self, [x, y]: [f32; 2], [width, height]: [u32; 2]) -> [f32; 2] {
        let [dx, dy] = [x - width as f32 / 2.0, height as f32 / 2.0 - y];
        [self.centre[0] + dx / self.scale, self.centre[1] + dy / self.scale]
    }
}

/// Draws points, each in its colour. While some are selected the others are dimmed, and the selected ones lie above.
///
/// `selected` is empty where nothing is selected, or has one value per point. Points that are not finite are left out.
///
/// # Panics
/// If there are not as many colours as points.
pub fn scatter(
    points: &[[f32; 2]],
    colors: &[Rgb],
    view: View,
    size: [u32; 2],
    selected: &[bool],
    background: Rgb,
) -> RgbaImage {
    assert_eq!(points.len(), colors.len(), "one colour per point");
    let area = size[0] as usize * size[1] as usize;
    if points.len() * AREA_OF_LARGEST < area {
        splat(points, colors, view, size, selected, background, &LARGEST_SPLAT)
    } else if points.len() < N_FEW {
        splat(points, colors, view, size, selected, background, &LARGE_SPLAT)
    } else {
        splat(points, colors, view, size, selected, background, &SPLAT)
    }
}

fn splat<const N: usize>(
    points: &[[f32; 2]],
    colors: &[Rgb],
    view: View,
    size: [u32; 2],
    selected: &[bool],
    background: Rgb,
    splat: &[[u32; N]; N],
) -> RgbaImage {
    let [width, height] = size.map(|side| side as usize);
    let [r, g, b] = background;
    let mut pixels = [r, g, b, 255].repeat(width * height);
    let reach = N / 2;
    let margin = reach as f32;
    let mut draw = |point: [f32; 2], color: Rgb| {
        let [x, y] = view.to_pixel(point, size);
        // Not a number is not inside either.
        if !(x >= margin && y >= margin && x < width as f32 - margin && y < height as f32 - margin) {
            return;
        }
        let (left, top) = (x as usize - reach, y as usize - reach);
        for (row, weights) in splat.iter().enumerate() {
            let start = ((top + row) * width + left) * 4;
            for (pixel, weight) in pixels[start..start + 4 * N].chunks_exact_mut(4).zip(weights) {
                for (channel, ink) in pixel.iter_mut().zip(color) {
                    *channel = ((u32::from(*channel) * (256 - weight) + u32::from(ink) * weight) >> 8) as u8;
                }
            }
        }
    };
    let dimmed = |color: Rgb| {
        [0, 1, 2].map(|i| ((u32::from(color[i]) * DIMMED + u32::from(background[i]) * (256 - DIMMED)) >> 8) as u8)
    };
    if selected.contains(&true) {
        let is_selected = |i: usize| selected.get(i).copied().unwrap_or_default();
        (0..points.len()).filter(|&i| !is_selected(i)).for_each(|i| draw(points[i], dimmed(colors[i])));
        (0..points.len()).filter(|&i| is_selected(i)).for_each(|i| draw(points[i], colors[i]));
    } else {
        points.iter().zip(colors).for_each(|(&point, &color)| draw(point, color));
    }
    // Four bytes were made for every pixel.
    RgbaImage::from_raw(size[0], size[1], pixels).unwrap_or_default()
}

/// The points inside a polygon drawn on the picture, in ascending order.
pub fn lasso(points: &[[f32; 2]], view: View, size: [u32; 2], polygon_px: &[[f32; 2]]) -> Vec<usize> {
    let mask = raster::mask(polygon_px, size);
    choose(points, |point| {
        let [x, y] = view.to_pixel(point, size);
        let shown = x >= 0.0 && y >= 0.0 && x < size[0] as f32 && y < size[1] as f32;
        shown && mask[y as usize * size[0] as usize + x as usize]
    })
}

/// The points between two corners of a rectangle drawn on the picture, in ascending order.
pub fn rectangle(points: &[[f32; 2]], view: View, size: [u32; 2], corners_px: [[f32; 2]; 2]) -> Vec<usize> {
    let [a, b] = corners_px;
    let (low, high) = ([a[0].min(b[0]), a[1].min(b[1])], [a[0].max(b[0]), a[1].max(b[1])]);
    choose(points, |point| {
        let [x, y] = view.to_pixel(point, size);
        (x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1])
    })
}

/// The points that are inside. Each is written down and the next written over it unless it is: whether a point is
/// inside cannot be guessed, and a branch that is guessed wrong costs more than the rest.
fn choose(points: &[[f32; 2]], inside: impl Fn([f32; 2]) -> bool) -> Vec<usize> {
    let mut chosen = vec![0; points.len()];
    let mut n = 0;
    for (i, &point) in points.iter().enumerate() {
        chosen[n] = i;
        n += usize::from(inside(point));
    }
    chosen.truncate(n);
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: [u32; 2] = [90, 60];
    const RED: Rgb = [255, 0, 0];
    const BLUE: Rgb = [0, 0, 255];

    fn view() -> View {
        View { centre: [1.0, 2.0], scale: 10.0 }
    }

    #[test]
    fn a_view_goes_there_and_back_and_can_show_everything() {
        assert_eq!(view().to_pixel([1.0, 2.0], SIZE), [45.0, 30.0]);
        assert_eq!(view().to_pixel([2.0, 3.0], SIZE), [55.0, 20.0], "up in the plane is up in the picture");
        assert_eq!(view().to_point([55.0, 20.0], SIZE), [2.0, 3.0]);
        let points = [[-3.0, 0.0], [7.0, 0.5], [f32::NAN, 9.0], [0.0, f32::INFINITY]];
        let all = View::of_all(&points, SIZE);
        for point in &points[..2] {
            let [x, y] = all.to_pixel(*point, SIZE);
            assert!((1.0..89.0).contains(&x) && (1.0..59.0).contains(&y), "{x} {y}");
        }
        assert_eq!(View::of_all(&[], SIZE).scale, 1.0);
        assert_eq!(View::of_all(&[[4.0, 5.0]], SIZE), View { centre: [4.0, 5.0], scale: 1.0 });
    }

    #[test]
    fn points_are_small_discs_and_selected_ones_lie_above() {
        let points = [[1.0, 2.0], [1.0, 2.0], [3.0, 2.0], [f32::NAN, 0.0], [400.0, 0.0]];
        let colors = [RED, BLUE, BLUE, RED, RED];
        let draw = |selected: &[bool]| scatter(&points, &colors, view(), SIZE, selected, [20, 20, 20]);
        let all = draw(&[]);
        assert_eq!((all.get_pixel(45, 30).0, all.get_pixel(65, 30).0), ([0, 0, 255, 255], [0, 0, 255, 255]));
        assert!(all.get_pixel(46, 30).0[2] > all.get_pixel(46, 31).0[2], "sides more than corners");
        assert_eq!(all.get_pixel(48, 30).0, [20, 20, 20, 255]);
        let many = scatter(&[[1.0, 2.0]; N_FEW], &[BLUE; N_FEW], view(), SIZE, &[], [20, 20, 20]);
        assert!(many.get_pixel(46, 30).0[2] > 200, "one upon the other");
        assert_eq!(many.get_pixel(47, 30).0, [20, 20, 20, 255], "many points are smaller");
        let first = draw(&[true, false, false, false, false]);
        assert_eq!(first.get_pixel(45, 30).0, [255, 0, 0, 255]);
        assert!(first.get_pixel(65, 30).0[2] < 90, "{:?}", first.get_pixel(65, 30));
        assert_eq!(draw(&[false; 5]), all, "no selection is no selection");
    }

    #[test]
    fn a_lasso_and_a_rectangle_take_what_is_inside() {
        let points: Vec<[f32; 2]> =
            (0..900).map(|i| [(i % 30) as f32 / 5.0 - 2.0, (i / 30) as f32 / 5.0 - 1.0]).collect();
        let triangle = [[10.0, 55.0], [80.0, 50.0], [40.0, 5.0]];
        let inside = |[x, y]: [f32; 2]| {
            let side = |a: [f32; 2], b: [f32; 2]| (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]);
            let sides =
                [side(triangle[0], triangle[1]), side(triangle[1], triangle[2]), side(triangle[2], triangle[0])];
            // How far outside the farthest side, in pixels; below 0 is inside.
            sides.into_iter().fold(f32::MIN, f32::max) / 60.0
        };
        let chosen = lasso(&points, view(), SIZE, &triangle);
        assert!(chosen.len() > 100 && chosen.is_sorted());
        for (i, &point) in points.iter().enumerate() {
            let outside = inside(view().to_pixel(point, SIZE));
            assert!(outside.abs() < 1.5 || (outside < 0.0) == chosen.contains(&i), "{i}");
        }
        assert!(lasso(&[[f32::NAN, 0.0]], view(), SIZE, &triangle).is_empty());

        let chosen = rectangle(&points, view(), SIZE, [[55.0, 40.0], [35.0, 20.0]]);
        let expected = |&i: &usize| (points[i][0] - 1.0).abs() < 1.0001 && (points[i][1] - 2.0).abs() < 1.0001;
        assert_eq!(chosen, (0..900).filter(expected).collect::<Vec<_>>());
    }
}
