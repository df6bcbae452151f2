//! A line of text as placed glyphs, whatever its script.

use super::Style;
use fontique::{Blob, Collection, CollectionOptions};
use parley::style::{FontFamily, FontFamilyName, FontWeight, StyleProperty};
use parley::{FontContext, FontData, Layout, LayoutContext, PositionedLayoutItem};
use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;

/// Height of a line of the embedded font over its size.
const LINE: f32 = 1.164_062_5;
const WEIGHTS: [f32; 2] = [400.0, 700.0];

/// A glyph and where its pen is.
pub(super) struct Placed {
    pub font: FontData,
    pub id: u16,
    pub size_px: f32,
    pub x: f32,
    pub y: f32,
}

/// A line of text: its glyphs from the left, and the width of it all.
pub(super) struct Line {
    pub glyphs: Vec<Placed>,
    pub width: f32,
    /// Whether a letter is in no font that was found.
    pub has_holes: bool,
}

/// Fonts and what is reused between texts; one per thread.
struct Fonts {
    /// The embedded fonts, for almost every text: the same picture on every machine.
    own: (FontContext, String),
    /// With those of the system, once a text has letters that the embedded ones lack.
    all: Option<(FontContext, String)>,
    layouts: LayoutContext<()>,
}

thread_local! {
    static FONTS: RefCell<Fonts> =
        RefCell::new(Fonts { own: context(false), all: None, layouts: LayoutContext::new() });
}

/// The embedded fonts, with those of the system or without; and their name.
fn context(system_fonts: bool) -> (FontContext, String) {
    let collection = Collection::new(CollectionOptions { shared: false, system_fonts });
    let mut fonts = FontContext { collection, ..FontContext::default() };
    let mut name = String::new();
    for bytes in [dejavu::sans_condensed::regular(), dejavu::sans_condensed::bold()] {
        for (family, _) in fonts.collection.register_fonts(Blob::new(Arc::new(bytes)), None) {
            name = fonts.collection.family_name(family).unwrap_or_default().to_owned();
        }
    }
    (fonts, name)
}

/// Shapes a line: with the embedded fonts, and where these lack letters with those of the system.
pub(super) fn shaped(text: &str, style: Style) -> Line {
    FONTS.with_borrow_mut(|fonts| {
        let line = line(&mut fonts.own, &mut fonts.layouts, text, style);
        if !line.has_holes {
            return line;
        }
        let all = fonts.all.get_or_insert_with(|| context(true));
        self::line(all, &mut fonts.layouts, text, style)
    })
}

fn line(
    (fonts, family): &mut (FontContext, String),
    layouts: &mut LayoutContext<()>,
    text: &str,
    style: Style,
) -> Line {
    // One line, whatever is in the text.
    let text: String = text.chars().filter(|letter| !letter.is_control()).collect();
    let size_px = style.size_px / LINE;
    let mut builder = layouts.ranged_builder(fonts, &text, 1.0, false);
    builder.push_default(StyleProperty::FontSize(size_px));
    let family = FontFamilyName::Named(Cow::Borrowed(family.as_str()));
    builder.push_default(StyleProperty::FontFamily(FontFamily::Single(family)));
    builder.push_default(StyleProperty::FontWeight(FontWeight::new(WEIGHTS[usize::from(style.bold)])));
    let mut layout: Layout<()> = builder.build(&text);
    layout.break_all_lines(None);
    let mut line = Line { glyphs: Vec::new(), width: layout.full_width(), has_holes: false };
    for item in layout.lines().flat_map(|line| line.items().collect::<Vec<_>>()) {
        let PositionedLayoutItem::GlyphRun(run) = item else { continue };
        let baseline = run.baseline();
        for glyph in run.positioned_glyphs() {
            line.has_holes |= glyph.id == 0;
            line.glyphs.push(Placed {
                font: run.run().font().clone(),
                id: glyph.id as u16,
                size_px,
                x: glyph.x,
                y: glyph.y - baseline,
            });
        }
    }
    line
}
