//! A chart as an SVG. It names what it draws; the stylesheet says which colour that has, so that it follows the page's theme.

use super::{Canvas, FONT_PX, Ink, MARK_PX};
use crate::color::hex;
use crate::theme::{FACE, LIGHT};
use crate::words::escape;
use std::fmt::Write;

/// What is drawn so far.
pub(super) struct Svg(pub(super) String);

/// Style rules of charts. Each colour is said twice: programs that know no variables keep the light one.
pub fn style() -> String {
    let rule = |selector: &str, property: &str, name: &str, color| {
        format!("{selector}{{{property}:{};{property}:var(--{name})}}", hex(color))
    };
    let mut css = [
        format!(".chart{{font-family:{FACE}}}"),
        rule(".chart .paper", "fill", "panel", LIGHT.panel),
        rule(".chart text", "fill", "ink", LIGHT.ink),
        rule(".chart .axis", "stroke", "ink", LIGHT.ink),
        rule(".chart .grid", "stroke", "line", LIGHT.line),
    ]
    .concat();
    for (i, color) in LIGHT.series.into_iter().enumerate() {
        css += &rule(&format!(".chart line.s{i},.chart .ring.s{i}"), "stroke", &format!("series-{i}"), color);
        css += &rule(&format!(".chart .s{i}"), "fill", &format!("series-{i}"), color);
    }
    // Last, since it wins over the fill of its series.
    css + ".chart .ring{fill:none}\n"
}

/// The beginning of a chart of this size in pixels; `title` is what a screen reader says.
pub(super) fn begin([width, height]: [f32; 2], title: &str) -> Svg {
    Svg(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">\n",
        escape(title)
    ))
}

impl Svg {
    /// Fills a rectangle with the colour behind the chart.
    pub(super) fn paper(&mut self, [width, height]: [f32; 2]) {
        let _ = writeln!(self.0, "<rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>");
    }

    pub(super) fn end(self) -> String {
        self.0 + "</svg>\n"
    }
}

fn class(ink: Ink) -> String {
    match ink {
        Ink::Axis => "axis".to_owned(),
        Ink::Grid => "grid".to_owned(),
        Ink::Series(i) => format!("s{}", i % LIGHT.series.len()),
    }
}

// Writing to a string cannot fail.
impl Canvas for Svg {
    fn line(&mut self, [x1, y1]: [f32; 2], [x2, y2]: [f32; 2], width: f32, ink: Ink) {
        let class = class(ink);
        let _ = writeln!(
            self.0,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke-width=\"{width}\"/>"
        );
    }

    fn mark(&mut self, [x, y]: [f32; 2], shape: usize, ink: Ink) {
        let class = class(ink);
        let _ = match shape % 3 {
            0 => writeln!(self.0, "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{MARK_PX}\"/>"),
            1 => writeln!(
                self.0,
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{side}\" height=\"{side}\"/>",
                x - MARK_PX,
                y - MARK_PX,
                side = 2.0 * MARK_PX
            ),
            _ => writeln!(
                self.0,
                "<circle class=\"{class} ring\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{}\" stroke-width=\"2\"/>",
                MARK_PX - 1.0
            ),
        };
    }

    fn text(&mut self, [x, y]: [f32; 2], anchor: f32, words: &str, size_px: f32) {
        let anchor = if anchor == 0.0 {
            "start"
        } else if anchor == 1.0 {
            "end"
        } else {
            "middle"
        };
        let weight = if size_px > FONT_PX { " font-weight=\"600\"" } else { "" };
        let (words, y) = (escape(words), y + 0.35 * size_px);
        let _ = writeln!(
            self.0,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size_px}\" text-anchor=\"{anchor}\"{weight}>{words}</text>"
        );
    }
}
