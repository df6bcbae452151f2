//! The Attribution Mosaic: one tile per slice, similar slices next to each other.

use crate::shape::{BAR_PX, GAP_PX, PICTURES_PX, TILE_PX};
use crate::text::{self, Style};
use crate::theme::DARK;
use crate::tile::{Form, TilePicture, tile};
use crate::{Rgb, color};
use image::RgbImage;

const FRAME_PX: u32 = 4;
const MARGIN_PX: u32 = 28;
const HEADER_PX: u32 = 76;
const FOOTER_PX: u32 = 32;
const CAPTION_LINE_PX: u32 = 20;

const PAGE: Rgb = DARK.page;
const INK: Rgb = DARK.ink;
const FAINT: Rgb = DARK.faint;
/// Frame of what needs a verdict.
pub const FRAME: Rgb = DARK.alarm;

/// What is drawn for one slice.
#[derive(Debug, Clone)]
pub struct Tile {
    /// Its pictures.
    pub pictures: TilePicture,
    /// Over the large picture: what the slice is.
    pub title: String,
    /// At the upper right: the id.
    pub id: String,
    /// Colour of the bar.
    pub bar: Rgb,
    /// In the bar, left: the metric.
    pub metric: String,
    /// In the bar, right: the size.
    pub size: String,
    /// Whether it needs a verdict.
    pub framed: bool,
    /// What somebody said of it, in a colour of its own.
    pub verdict: Option<(Rgb, String)>,
    /// `[column, row]`.
    pub cell: [usize; 2],
}

/// A whole mosaic.
#[derive(Debug, Clone, Default)]
pub struct Mosaic {
    /// First line.
    pub title: String,
    /// Second line.
    pub subtitle: String,
    /// Below the tiles, in as many lines as it needs: how to read it.
    pub caption: String,
    /// The colours of the bars with their words, from low to high.
    pub legend: Vec<(Rgb, String)>,
    /// Columns of the grid.
    pub columns: usize,
    /// Rows of the grid.
    pub rows: usize,
    /// The tiles; cells may stay empty.
    pub tiles: Vec<Tile>,
}

impl Mosaic {
    /// Draws it.
    pub fn draw(&self) -> RgbImage {
        let [columns, rows] = [self.columns.max(3) as u32, self.rows.max(1) as u32];
        let width = 2 * MARGIN_PX + columns * TILE_PX[0] + (columns - 1) * GAP_PX;
        let small = Style { size_px: 16.0, bold: false, color: FAINT };
        let caption = text::wrap(&self.caption, small, (width - 2 * MARGIN_PX) as f32);
        let footer = FOOTER_PX + caption.len() as u32 * CAPTION_LINE_PX;
        let height = HEADER_PX + footer + rows * TILE_PX[1] + (rows - 1) * GAP_PX + MARGIN_PX;
        let mut page = RgbImage::from_pixel(width, height, image::Rgb(PAGE));
        let legend_x = self.draw_legend(&mut page);
        let room = legend_x - MARGIN_PX as f32 - 24.0;
        for (y, line, size_px, bold, color) in
            [(18.0, &self.title, 25.0, true, INK), (46.0, &self.subtitle, 18.0, false, FAINT)]
        {
            let style = Style { size_px, bold, color };
            text::draw(&mut page, MARGIN_PX as f32, y, &text::fit(line, style, room), style);
        }
        for tile in &self.tiles {
            let x = MARGIN_PX + tile.cell[0] as u32 * (TILE_PX[0] + GAP_PX);
            let y = HEADER_PX + tile.cell[1] as u32 * (TILE_PX[1] + GAP_PX) + FRAME_PX;
            tile.draw(&mut page, x, y);
        }
        for (i, line) in caption.iter().enumerate() {
            let y = height - footer + 8 + i as u32 * CAPTION_LINE_PX;
            text::draw(&mut page, MARGIN_PX as f32, y as f32, line, small);
        }
        page
    }

    /// Draws the legend at the upper right and says where it begins.
    fn draw_legend(&self, page: &mut RgbImage) -> f32 {
        let style = Style { size_px: 16.0, bold: false, color: FAINT };
        let mut x = (page.width() - MARGIN_PX) as f32;
        for (color, words) in self.legend.iter().rev() {
            x -= text::width(words, style);
            text::draw(page, x, 25.0, words, style);
            x -= 24.0;
            fill(page, [x as u32, 25, 18, 16], *color);
            x -= 20.0;
        }
        x
    }
}

impl Tile {
    fn draw(&self, page: &mut RgbImage, x: u32, y: u32) {
        if self.framed {
            let [width, height] = TILE_PX.map(|side| side + 2 * FRAME_PX);
            fill(page, [x - FRAME_PX, y - FRAME_PX, width, height], FRAME);
        }
        for (px, py, pixel) in tile(&self.pictures, Form::Rectangle, PICTURES_PX).enumerate_pixels() {
            let [r, g, b, _] = pixel.0;
            page.put_pixel(x + px, y + py, image::Rgb([r, g, b]));
        }
        let id = Style { size_px: 15.0, bold: false, color: FAINT };
        let id_px = patch_px(&self.id, id);
        label(page, x + TILE_PX[0] - id_px, y, &self.id, id);
        // Two class names and an arrow are long: smaller letters before an ellipsis.
        let room = (TILE_PX[0] - id_px - 4) as f32 - PATCH_PX;
        let styles = [18.0, 16.5, 15.0].map(|size_px| Style { size_px, bold: true, color: INK });
        let style = *styles.iter().find(|style| text::width(&self.title, **style) <= room).unwrap_or(&styles[2]);
        label(page, x, y, &text::fit(&self.title, style, room), style);
        if let Some((color, words)) = &self.verdict {
            let style = Style { size_px: 15.0, bold: true, color: *color };
            label(page, x, y + 27, &text::fit(words, style, TILE_PX[0] as f32 - PATCH_PX), style);
        }
        self.draw_bar(page, x, y + PICTURES_PX[1]);
    }

    fn draw_bar(&self, page: &mut RgbImage, x: u32, y: u32) {
        fill(page, [x, y, TILE_PX[0], BAR_PX], self.bar);
        let color = color::ink_on(self.bar);
        let metric = Style { size_px: 24.0, bold: true, color };
        text::draw(page, x as f32 + 8.0, y as f32 + 4.5, &self.metric, metric);
        let size = Style { size_px: 18.0, bold: false, color };
        let left = (x + TILE_PX[0]) as f32 - 8.0 - text::width(&self.size, size);
        text::draw(page, left, y as f32 + 8.0, &self.size, size);
    }
}

/// Room of a label beside its words.
const PATCH_PX: f32 = 14.0;

fn patch_px(words: &str, style: Style) -> u32 {
    if words.is_empty() { 0 } else { (text::width(words, style) + PATCH_PX).ceil() as u32 }
}

/// Words on a darkened patch of the picture under them.
fn label(page: &mut RgbImage, x: u32, y: u32, words: &str, style: Style) {
    for py in y..y + 26 {
        for px in x..x + patch_px(words, style) {
            let pixel = page.get_pixel_mut(px, py);
            pixel.0 = color::mix(pixel.0, PAGE, 0.72);
        }
    }
    text::draw(page, x as f32 + PATCH_PX / 2.0, y as f32 + (25.0 - style.size_px) / 2.0, words, style);
}

fn fill(page: &mut RgbImage, [x, y, width, height]: [u32; 4], color: Rgb) {
    for py in y..(y + height).min(page.height()) {
        for px in x..(x + width).min(page.width()) {
            page.put_pixel(px, py, image::Rgb(color));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(cell: [usize; 2], framed: bool) -> Tile {
        Tile {
            pictures: TilePicture { mean: RgbImage::from_pixel(9, 9, image::Rgb([120; 3])), ..TilePicture::default() },
            title: "land → water".into(),
            id: "7".into(),
            bar: [217, 95, 30],
            metric: "2 %".into(),
            size: "47 images".into(),
            framed,
            verdict: None,
            cell,
        }
    }

    #[test]
    fn tiles_lie_in_their_cells_and_only_framed_ones_have_a_frame() {
        let mosaic = Mosaic {
            columns: 4,
            rows: 2,
            tiles: vec![tile([0, 0], false), tile([3, 1], true)],
            legend: vec![([217, 95, 30], "worse".into())],
            title: "a".repeat(400),
            ..Mosaic::default()
        };
        let page = mosaic.draw();
        let bar_of = |column: u32, row: u32| {
            let x = MARGIN_PX + column * (TILE_PX[0] + GAP_PX) + TILE_PX[0] / 2;
            let y = HEADER_PX + row * (TILE_PX[1] + GAP_PX) + FRAME_PX + TILE_PX[1] - 2;
            (page.get_pixel(x, y).0, page.get_pixel(x, y + 4).0)
        };
        assert_eq!(bar_of(0, 0), ([217, 95, 30], PAGE));
        assert_eq!(bar_of(3, 1), ([217, 95, 30], FRAME));
        assert_eq!(bar_of(1, 0), (PAGE, PAGE));
    }

    #[test]
    fn an_empty_mosaic_is_a_page() {
        assert!(Mosaic::default().draw().width() > 600);
    }
}
