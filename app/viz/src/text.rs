//! Text in pictures, in the DejaVu fonts that come with the program.

use crate::Rgb;
use ab_glyph::{Font, FontRef, GlyphId, PxScale, ScaleFont, point};
use image::RgbImage;
use std::sync::OnceLock;

/// A size and weight of text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    /// Height of a line.
    pub size_px: f32,
    /// Bold instead of regular.
    pub bold: bool,
    /// Colour of the letters.
    pub color: Rgb,
}

fn font(bold: bool) -> &'static FontRef<'static> {
    static FONTS: OnceLock<[FontRef<'static>; 2]> = OnceLock::new();
    let load = |bytes| FontRef::try_from_slice(bytes).expect("the embedded font is a font");
    let fonts = FONTS.get_or_init(|| [load(dejavu::sans_condensed::regular()), load(dejavu::sans_condensed::bold())]);
    &fonts[usize::from(bold)]
}

/// The glyphs of a text with their pen positions, and the width of it all.
fn lay_out(text: &str, style: Style) -> (Vec<(GlyphId, f32)>, f32) {
    let font = font(style.bold).as_scaled(PxScale::from(style.size_px));
    let (mut glyphs, mut pen, mut last) = (Vec::new(), 0.0, None);
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        let glyph = font.glyph_id(letter);
        if let Some(last) = last {
            pen += font.kern(last, glyph);
        }
        glyphs.push((glyph, pen));
        pen += font.h_advance(glyph);
        last = Some(glyph);
    }
    (glyphs, pen)
}

/// Width of a line of text in pixels.
pub fn width(text: &str, style: Style) -> f32 {
    lay_out(text, style).1
}

/// The text, or as much of it as fits into `max_px` with an ellipsis.
pub fn fit(text: &str, style: Style, max_px: f32) -> String {
    if width(text, style) <= max_px {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    (0..letters.len())
        .rev()
        .map(|n| letters[..n].iter().collect::<String>().trim_end().to_owned() + "…")
        .find(|short| width(short, style) <= max_px)
        .unwrap_or_default()
}

/// The text in lines that fit into `max_px`, broken between words; a word that is too long is cut.
pub fn wrap(text: &str, style: Style, max_px: f32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let longer = lines.last().map(|line| format!("{line} {word}")).filter(|line| width(line, style) <= max_px);
        match (longer, lines.last_mut()) {
            (Some(longer), Some(line)) => *line = longer,
            _ => lines.push(fit(word, style, max_px)),
        }
    }
    lines
}

/// Draws a line of text with its upper left corner at `(x, y)`; what leaves the picture is cut off.
pub fn draw(picture: &mut RgbImage, x: f32, y: f32, text: &str, style: Style) {
    let font = font(style.bold);
    let scale = PxScale::from(style.size_px);
    let baseline = y + font.as_scaled(scale).ascent();
    for (glyph, pen) in lay_out(text, style).0 {
        let glyph = glyph.with_scale_and_position(scale, point(x + pen, baseline));
        let Some(outline) = font.outline_glyph(glyph) else { continue };
        let bounds = outline.px_bounds();
        outline.draw(|dx, dy, coverage| {
            let (px, py) = (bounds.min.x as i64 + i64::from(dx), bounds.min.y as i64 + i64::from(dy));
            if let (Ok(px), Ok(py)) = (u32::try_from(px), u32::try_from(py))
                && px < picture.width()
                && py < picture.height()
            {
                let pixel = picture.get_pixel_mut(px, py);
                for (channel, ink) in pixel.0.iter_mut().zip(style.color) {
                    let (under, over) = (f32::from(*channel), f32::from(ink));
                    *channel = (under + (over - under) * coverage.clamp(0.0, 1.0)).round() as u8;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style = Style { size_px: 16.0, bold: false, color: [255, 255, 255] };

    #[test]
    fn text_leaves_ink_inside_its_width() {
        let mut picture = RgbImage::new(120, 24);
        draw(&mut picture, 4.0, 2.0, "land → water", STYLE);
        let lit: Vec<u32> = picture.enumerate_pixels().filter(|(_, _, p)| p.0[0] > 128).map(|(x, _, _)| x).collect();
        let end = 4.0 + width("land → water", STYLE) + 1.0;
        assert!(lit.len() > 60 && lit.iter().all(|&x| x >= 4 && (x as f32) < end), "{}", lit.len());
    }

    #[test]
    fn text_outside_the_picture_is_cut_off() {
        let mut picture = RgbImage::new(8, 8);
        draw(&mut picture, -20.0, -3.0, "a long line\nof text", STYLE);
        draw(&mut picture, 6.0, 6.0, "more", STYLE);
    }

    #[test]
    fn lines_break_between_words() {
        let lines = wrap("similar slices are neighbours", STYLE, 110.0);
        assert!(lines.len() > 1 && lines.iter().all(|line| width(line, STYLE) <= 110.0), "{lines:?}");
        assert_eq!(lines.join(" "), "similar slices are neighbours");
        assert!(wrap("", STYLE, 110.0).is_empty());
    }

    #[test]
    fn what_does_not_fit_ends_in_an_ellipsis() {
        let short = fit("black-footed albatross", STYLE, 80.0);
        assert!(short.ends_with('…') && short.len() > 4 && width(&short, STYLE) <= 80.0, "{short}");
        assert_eq!(fit("gull", STYLE, 80.0), "gull");
        assert_eq!(fit("gull", STYLE, 1.0), "");
    }
}
