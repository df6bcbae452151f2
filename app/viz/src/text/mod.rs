//! Text in pictures, in any script: in the DejaVu fonts that come with the program, and for letters that these lack in a font
//! of the system. Shaping, order and fallback are parley's.

mod shaped;

use crate::Rgb;
use image::RgbImage;
use shaped::shaped;
use std::cell::RefCell;
use swash::FontRef;
use swash::scale::{Render, ScaleContext, Source};

/// Height of the embedded font's capitals and what is above them, over the height of a line.
const ASCENT: f32 = 0.797_3;

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

thread_local! {
    static SCALER: RefCell<ScaleContext> = RefCell::new(ScaleContext::new());
}

/// Width of a line of text in pixels.
pub fn width(text: &str, style: Style) -> f32 {
    shaped(text, style).width
}

/// Whether a letter of the text is in no font of this machine, so that a picture has a box in its place.
pub fn is_unreadable(text: &str) -> bool {
    !text.is_ascii() && shaped(text, Style { size_px: 16.0, bold: false, color: [0; 3] }).has_holes
}

/// The text, or as much of its beginning and end as fits into `max_px` with an ellipsis between: names often differ at their
/// ends alone.
pub fn fit(text: &str, style: Style, max_px: f32) -> String {
    if width(text, style) <= max_px {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let shortened = |n: usize| {
        let (head, tail) = (n.div_ceil(2), n / 2);
        let head: String = letters[..head].iter().collect();
        let tail: String = letters[letters.len() - tail..].iter().collect();
        format!("{}…{}", head.trim_end(), tail.trim_start())
    };
    (1..letters.len()).rev().map(shortened).find(|short| width(short, style) <= max_px).unwrap_or_default()
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
    let baseline = y + ASCENT * style.size_px;
    SCALER.with_borrow_mut(|context| {
        for glyph in shaped(text, style).glyphs {
            let Some(font) = FontRef::from_index(glyph.font.data.as_ref(), glyph.font.index as usize) else { continue };
            let mut scaler = context.builder(font).size(glyph.size_px).build();
            let (px, py) = (x + glyph.x, baseline + glyph.y);
            // Between pixels as well, or letters of a word stand unevenly.
            // A glyph's own axis points up.
            let offset = swash::zeno::Vector::new(px.fract(), -py.fract());
            let rendered = Render::new(&[Source::Outline]).offset(offset).render(&mut scaler, glyph.id);
            let Some(rendered) = rendered else { continue };
            let place = rendered.placement;
            let (left, top) = (px.trunc() as i64 + i64::from(place.left), py.trunc() as i64 - i64::from(place.top));
            ink(picture, [left, top], place.width, &rendered.data, style.color);
        }
    });
}

/// Lays a mask of coverages in a colour over a picture.
fn ink(picture: &mut RgbImage, [left, top]: [i64; 2], width: u32, mask: &[u8], color: Rgb) {
    for (i, &coverage) in mask.iter().enumerate().filter(|(_, coverage)| **coverage > 0) {
        let (dx, dy) = (i as i64 % i64::from(width), i as i64 / i64::from(width));
        if let (Ok(x), Ok(y)) = (u32::try_from(left + dx), u32::try_from(top + dy))
            && let Some(pixel) = picture.get_pixel_mut_checked(x, y)
        {
            for (channel, ink) in pixel.0.iter_mut().zip(color) {
                let (under, over) = (f32::from(*channel), f32::from(ink));
                *channel = (under + (over - under) * f32::from(coverage) / 255.0).round() as u8;
            }
        }
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
    fn letters_stand_on_one_line_inside_their_height() {
        let rows = |text: &str| {
            let mut picture = RgbImage::new(60, 40);
            draw(&mut picture, 4.0, 10.0, text, STYLE);
            let lit: Vec<u32> =
                picture.enumerate_pixels().filter(|(_, _, p)| p.0[0] > 100).map(|(_, y, _)| y).collect();
            (*lit.iter().min().unwrap(), *lit.iter().max().unwrap())
        };
        let ((top, base), (_, deep)) = (rows("EH"), rows("gp"));
        assert!(top >= 11 && (21..=23).contains(&base) && deep > base && deep <= 26, "{top} {base} {deep}");
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
    fn what_does_not_fit_keeps_its_beginning_and_its_end() {
        let short = fit("black-footed albatross 17", STYLE, 90.0);
        assert!(short.starts_with("bla") && short.contains('…') && short.ends_with("17"), "{short}");
        assert!(width(&short, STYLE) <= 90.0);
        assert_eq!(fit("gull", STYLE, 80.0), "gull");
        assert_eq!(fit("gull", STYLE, 1.0), "");
    }

    #[test]
    fn arabic_runs_from_the_right_and_its_letters_join() {
        let letters = ["ب", "ح", "ر"].map(|letter| width(letter, STYLE)).iter().sum::<f32>();
        assert!(width("بحر", STYLE) < letters, "joined letters are narrower than single ones");
        let line = shaped("بحر", STYLE);
        assert!(!line.has_holes && line.glyphs.len() == 3);
        let single = shaped("ر", STYLE).glyphs[0].id;
        assert_ne!(
            line.glyphs[2].id,
            shaped("ب", STYLE).glyphs[0].id,
            "the first letter stands last, in its joined form"
        );
        assert!(single > 0);
    }

    #[test]
    fn a_label_stands_left_of_its_prediction_in_every_script() {
        let line = shaped("\u{200E}\u{2068}بحر\u{2069} → \u{2068}بر\u{2069}", STYLE);
        let arrow = shaped("→", STYLE).glyphs[0].id;
        let at = line.glyphs.iter().find(|glyph| glyph.id == arrow).expect("an arrow").x;
        let n_left =
            line.glyphs.iter().filter(|glyph| glyph.x < at && glyph.id != shaped(" ", STYLE).glyphs[0].id).count();
        assert!(!line.has_holes && n_left >= 3, "the three letters of the label: {n_left}");
    }

    #[test]
    fn letters_that_no_font_has_are_told() {
        assert!(!is_unreadable("landbird → Wasservögel"));
        // A private letter is in no font.
        assert!(is_unreadable("\u{10FFFD}"));
    }
}
