//! The colours of everything that people look at, once: pages, charts and pictures. `theme.slint` gives the window the same
//! ones, and a test compares the two.

use crate::Rgb;
use crate::color::hex;

/// The faces of pages and charts, in the order in which they are looked for; the window and pictures have the last but one.
pub const FACE: &str = "system-ui,-apple-system,\"Segoe UI\",Roboto,\"DejaVu Sans\",sans-serif";

/// Colours that go together. Words in any of them can be read on [`Self::page`] and [`Self::panel`].
#[derive(Debug, Clone, PartialEq)]
pub struct Theme {
    /// Behind everything.
    pub page: Rgb,
    /// Behind what belongs together.
    pub panel: Rgb,
    /// Between things.
    pub line: Rgb,
    /// Behind what fills up.
    pub track: Rgb,
    /// Words.
    pub ink: Rgb,
    /// Words that matter less.
    pub faint: Rgb,
    /// What can be clicked, and what is good.
    pub accent: Rgb,
    /// Words on the accent and on a mark.
    pub accent_ink: Rgb,
    /// What needs a verdict.
    pub alarm: Rgb,
    /// What is wrong.
    pub error: Rgb,
    /// The mark `core`.
    pub core: Rgb,
    /// The mark `spurious`.
    pub spurious: Rgb,
    /// The mark `noisy_label`.
    pub noisy_label: Rgb,
    /// The series of a chart: those of Okabe and Ito (2008) without yellow, which people with colour-vision deficiencies can tell
    /// apart; where one would fade into the panel, it is darker or lighter here.
    pub series: [Rgb; 7],
}

/// For a dark page.
pub const DARK: Theme = Theme {
    page: [18, 20, 24],
    panel: [27, 30, 35],
    line: [52, 57, 65],
    track: [44, 49, 57],
    ink: [236, 238, 241],
    faint: [163, 169, 179],
    accent: [90, 162, 230],
    accent_ink: [11, 16, 22],
    alarm: [255, 178, 26],
    error: [255, 141, 122],
    core: [47, 194, 152],
    spurious: [183, 148, 255],
    noisy_label: [240, 143, 176],
    series: [
        [0, 114, 178],
        [213, 94, 0],
        [0, 158, 115],
        [204, 121, 167],
        [230, 159, 0],
        [86, 180, 233],
        [196, 199, 204],
    ],
};

/// For a light page.
pub const LIGHT: Theme = Theme {
    page: [238, 238, 234],
    panel: [250, 250, 248],
    line: [213, 213, 207],
    track: [233, 233, 228],
    ink: [23, 25, 29],
    faint: [89, 94, 102],
    accent: [31, 102, 173],
    accent_ink: [255, 255, 255],
    alarm: [138, 86, 0],
    error: [169, 38, 21],
    core: [0, 121, 90],
    spurious: [106, 53, 201],
    noisy_label: [163, 37, 88],
    series: [[0, 114, 178], [213, 94, 0], [0, 158, 115], [190, 100, 150], [176, 118, 0], [52, 146, 206], [60, 60, 60]],
};

impl Theme {
    /// The dark one or the light one.
    pub const fn of(dark: bool) -> &'static Self {
        if dark { &DARK } else { &LIGHT }
    }

    /// Its colours by their names in a stylesheet, without the series.
    pub fn named(&self) -> [(&'static str, Rgb); 13] {
        [
            ("page", self.page),
            ("panel", self.panel),
            ("line", self.line),
            ("track", self.track),
            ("ink", self.ink),
            ("faint", self.faint),
            ("accent", self.accent),
            ("accent-ink", self.accent_ink),
            ("alarm", self.alarm),
            ("error", self.error),
            ("core", self.core),
            ("spurious", self.spurious),
            ("noisy-label", self.noisy_label),
        ]
    }

    fn variables(&self) -> String {
        let named = self.named().into_iter().map(|(name, color)| format!("--{name}:{};", hex(color)));
        let series = self.series.iter().enumerate().map(|(i, &color)| format!("--series-{i}:{};", hex(color)));
        named.chain(series).collect()
    }
}

/// Style rules that define every colour as a variable (`--ink`). The reader's system decides between dark and light, unless the root
/// element has `data-theme`.
pub fn variables() -> String {
    let (light, dark) = (LIGHT.variables(), DARK.variables());
    format!(
        ":root{{color-scheme:light dark;{light}}}\n\
         @media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n\
         :root[data-theme=dark]{{color-scheme:dark;{dark}}}\n\
         :root[data-theme=light]{{color-scheme:light}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::color::contrast;

    /// What the Web Content Accessibility Guidelines ask of words, and of the marks of a chart.
    const OF_WORDS: f64 = 4.5;
    const OF_MARKS: f64 = 3.0;

    #[test]
    fn words_and_marks_can_be_read_in_both_themes() {
        for theme in [&DARK, &LIGHT] {
            for (name, color) in &theme.named()[4..] {
                let grounds = [theme.page, theme.panel];
                let least = match *name {
                    "accent-ink" => [theme.accent, theme.core, theme.spurious, theme.noisy_label]
                        .map(|mark| contrast(*color, mark))
                        .into_iter()
                        .fold(f64::INFINITY, f64::min),
                    _ => grounds.map(|ground| contrast(*color, ground)).into_iter().fold(f64::INFINITY, f64::min),
                };
                assert!(least >= OF_WORDS, "{name}: {least:.2}");
            }
            for (i, &color) in theme.series.iter().enumerate() {
                let found = contrast(color, theme.panel);
                assert!(found >= OF_MARKS, "series {i}: {found:.2}");
            }
        }
    }

    #[test]
    fn a_reader_can_have_either_theme_on_any_system() {
        let css = variables();
        assert_eq!(css.matches(&hex(DARK.panel)).count(), 2, "by the system, and by choice");
        assert_eq!(css.matches("prefers-color-scheme").count(), 1);
        assert_eq!(css.matches('{').count(), css.matches('}').count());
    }
}
