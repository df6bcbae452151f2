//! Small charts: points and lines over two axes, as an SVG and as a picture.

mod pixels;
mod scale;
mod svg;

pub use svg::style;

use crate::text;
use crate::theme::{self, Theme};
use image::RgbImage;
use pixels::Pixels;
use scale::Scale;

/// What stands in a file of its own: a title above, the names of the series on the right.
const ALONE: Form = Form { size: [900.0, 520.0], margins: [76.0, 70.0, 210.0, 60.0], is_alone: true };
/// What stands on a page, which says title and names itself: narrow enough for the words to be read on a phone.
const ON_A_PAGE: Form = Form { size: [480.0, 400.0], margins: [52.0, 30.0, 16.0, 52.0], is_alone: false };
const FONT_PX: f32 = 15.0;
const TITLE_PX: f32 = 19.0;
const MARK_PX: f32 = 5.0;
const LINE_PX: f32 = 2.0;

/// A chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Above it.
    pub title: String,
    /// Across.
    pub x: Axis,
    /// Up.
    pub y: Axis,
    /// What is drawn; the points of each are joined in their order. Where the colours have all been used, they begin again
    /// with another mark.
    pub series: Vec<Series>,
}

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What it measures.
    pub label: String,
    /// Whether it is logarithmic; values that are not above 0 are then left out.
    pub log: bool,
    /// Its ends; `None`: those of the points.
    pub range: Option<[f64; 2]>,
}

/// Points with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// In the legend.
    pub name: String,
    /// `[x, y]`
    pub points: Vec<[f64; 2]>,
}

/// Sizes in pixels.
struct Form {
    size: [f32; 2],
    /// Left, top, right, bottom.
    margins: [f32; 4],
    is_alone: bool,
}

/// What something is drawn with.
#[derive(Debug, Clone, Copy)]
enum Ink {
    Axis,
    Grid,
    Series(usize),
}

/// What a chart is drawn on.
trait Canvas {
    fn line(&mut self, from: [f32; 2], to: [f32; 2], width: f32, ink: Ink);
    fn mark(&mut self, at: [f32; 2], shape: usize, ink: Ink);
    /// `anchor`: 0 the text begins at `at`, 0.5 it is centred, 1 it ends there; `at` is the middle of its height.
    fn text(&mut self, at: [f32; 2], anchor: f32, words: &str, size_px: f32);
}

/// Which mark a series has.
fn shape(series: usize) -> usize {
    series / theme::LIGHT.series.len()
}

impl Chart {
    /// As an SVG that stands alone, in the theme of whoever looks at it.
    pub fn to_svg(&self) -> String {
        let mut svg = svg::begin(ALONE.size, &self.title);
        svg.0 += &format!("<style>\n{}{}</style>\n", theme::variables(), style());
        svg.paper(ALONE.size);
        self.draw(&mut svg, &ALONE);
        svg.end()
    }

    /// As an SVG inside a page that has [`style`], without title and names: see [`Self::legend`].
    pub fn on_a_page(&self) -> String {
        let mut svg = svg::begin(ON_A_PAGE.size, &self.title);
        self.draw(&mut svg, &ON_A_PAGE);
        svg.end()
    }

    /// The mark of each series as a small SVG, and its name.
    pub fn legend(&self) -> Vec<(String, String)> {
        let side = 2.0 * MARK_PX + 2.0;
        let key = |(i, series): (usize, &Series)| {
            let mut svg = svg::begin([side; 2], "");
            svg.mark([side / 2.0; 2], shape(i), Ink::Series(i));
            (svg.end(), series.name.clone())
        };
        self.series.iter().enumerate().map(key).collect()
    }

    /// As a picture, dark on light.
    pub fn to_picture(&self) -> RgbImage {
        self.to_picture_in(false)
    }

    /// As a picture, for a dark page or a light one.
    pub fn to_picture_in(&self, dark: bool) -> RgbImage {
        let theme = Theme::of(dark);
        let [width, height] = ALONE.size.map(|side| side as u32);
        let mut picture = RgbImage::from_pixel(width, height, image::Rgb(theme.panel));
        self.draw(&mut Pixels(&mut picture, theme), &ALONE);
        picture
    }

    fn draw(&self, canvas: &mut impl Canvas, form: &Form) {
        let [left, top, right, bottom] = form.margins;
        let (width, height) = (form.size[0] - left - right, form.size[1] - top - bottom);
        let all = || self.series.iter().flat_map(|series| &series.points);
        let x = Scale::new(&self.x, all().map(|point| point[0]));
        let y = Scale::new(&self.y, all().map(|point| point[1]));
        let px = |place: f32| left + place * width;
        let py = |place: f32| top + (1.0 - place) * height;

        for (value, label) in x.ticks() {
            let Some(at) = x.place(value).map(px) else { continue };
            canvas.line([at, top], [at, top + height], 1.0, Ink::Grid);
            canvas.text([at, top + height + 16.0], 0.5, &label, FONT_PX);
        }
        for (value, label) in y.ticks() {
            let Some(at) = y.place(value).map(py) else { continue };
            canvas.line([left, at], [left + width, at], 1.0, Ink::Grid);
            canvas.text([left - 8.0, at], 1.0, &label, FONT_PX);
        }
        canvas.line([left, top + height], [left + width, top + height], 1.0, Ink::Axis);
        canvas.line([left, top], [left, top + height], 1.0, Ink::Axis);
        canvas.text([left + width / 2.0, form.size[1] - 14.0], 0.5, &self.x.label, FONT_PX);
        canvas.text([left, top - 16.0], 0.0, &self.y.label, FONT_PX);

        for (i, series) in self.series.iter().enumerate() {
            let (ink, shape) = (Ink::Series(i), shape(i));
            let places = series.points.iter().filter_map(|p| Some([px(x.place(p[0])?), py(y.place(p[1])?)]));
            let places: Vec<[f32; 2]> = places.collect();
            for pair in places.windows(2) {
                canvas.line(pair[0], pair[1], LINE_PX, ink);
            }
            for &place in &places {
                canvas.mark(place, shape, ink);
            }
        }
        if form.is_alone {
            self.say(canvas, form);
        }
    }

    /// Title and names of the series, which are cut before they leave the picture.
    fn say(&self, canvas: &mut impl Canvas, form: &Form) {
        let [left, top, right, _] = form.margins;
        let (beside, after_mark) = (18.0, 14.0);
        let fit = |words: &str, size_px: f32, max_px: f32| {
            text::fit(words, text::Style { size_px, bold: size_px > FONT_PX, color: theme::LIGHT.ink }, max_px)
        };
        canvas.text([left, 26.0], 0.0, &fit(&self.title, TITLE_PX, form.size[0] - left), TITLE_PX);
        let legend = form.size[0] - right + beside;
        for (i, series) in self.series.iter().enumerate() {
            let at = top + 10.0 + 22.0 * i as f32;
            canvas.mark([legend, at], shape(i), Ink::Series(i));
            let name = fit(&series.name, FONT_PX, right - beside - after_mark);
            canvas.text([legend + after_mark, at], 0.0, &name, FONT_PX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::{DARK, LIGHT};

    fn chart() -> Chart {
        let log = |label: &str| Axis { label: label.into(), log: true, range: None };
        let series = |name: &str, factor: f64| Series {
            name: name.into(),
            points: [1e3, 1e4, 1e5].map(|n| [n, factor * n]).into(),
        };
        Chart {
            title: "Cost <of> work".into(),
            x: log("rows"),
            y: log("seconds"),
            series: vec![series("a", 1e-5), series("b", 1e-4)],
        }
    }

    #[test]
    fn both_forms_show_every_point_name_and_tick() {
        let svg = chart().to_svg();
        assert_eq!(svg.matches("<circle").count(), 2 * (3 + 1));
        assert!(svg.contains(">Cost &lt;of&gt; work</text>") && svg.contains(">100k</text>"), "{svg}");
        for (dark, theme) in [(false, &LIGHT), (true, &DARK)] {
            let picture = chart().to_picture_in(dark);
            for color in &theme.series[..2] {
                let n = picture.pixels().filter(|pixel| pixel.0 == *color).count();
                assert!(n > 4 * 40, "{color:?}: {n}");
            }
            assert!(picture.pixels().all(|pixel| pixel.0 != theme.series[2]));
        }
    }

    /// A chart has the colours of its page, dark or light, because only the stylesheet names any.
    #[test]
    fn colours_are_in_the_stylesheet_alone() {
        let (alone, on_a_page) = (chart().to_svg(), chart().on_a_page());
        let after_style = alone.split("</style>").nth(1).unwrap();
        for svg in [after_style, &on_a_page, &chart().legend()[1].0] {
            assert!(svg.contains("class=\"s1\"") && !svg.contains('#') && !svg.contains("fill="), "{svg}");
        }
        assert!(alone.contains("prefers-color-scheme:dark") && !on_a_page.contains("<style"));
    }

    #[test]
    fn names_that_are_too_long_are_cut() {
        let mut long = chart();
        long.series[0].name = "a name that is far too long for the room beside the chart".into();
        assert!(long.to_svg().contains("a name that is…") || long.to_svg().contains("…</text>"));
        assert!(long.legend()[0].1.ends_with("the chart"), "a page has room");
    }

    #[test]
    fn nothing_and_values_that_cannot_be_shown_are_no_trouble() {
        let mut empty = chart();
        empty.series.clear();
        empty.to_picture();
        let mut odd = chart();
        odd.series[0].points = vec![[0.0, f64::NAN], [-1.0, 1.0], [1e3, f64::INFINITY]];
        assert_eq!(odd.to_svg().matches("<circle").count(), 3 + 2);
    }
}
