//! Small charts: points and lines over two axes, as an SVG and as a picture.

use crate::color::hex;
use crate::{Rgb, text};
use image::RgbImage;
use std::fmt::Write;

const SIZE: [f32; 2] = [900.0, 520.0];
/// Left, top, right, bottom; the names of the series stand on the right.
const MARGINS: [f32; 4] = [76.0, 48.0, 210.0, 60.0];
const FONT_PX: f32 = 15.0;
const TITLE_PX: f32 = 19.0;
const MARK_PX: f32 = 5.0;
const LINE_PX: f32 = 2.0;
const PAPER: Rgb = [255, 255, 255];
const INK: Rgb = [40, 42, 48];
const GRID: Rgb = [226, 227, 230];

/// Colours that people with colour-vision deficiencies can tell apart (Okabe and Ito 2008, without yellow).
/// A series beyond the last has the colours again, with another mark.
const COLORS: [Rgb; 7] =
    [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233], [60, 60, 60]];

/// A chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Above it.
    pub title: String,
    /// Across.
    pub x: Axis,
    /// Up.
    pub y: Axis,
    /// What is drawn; the points of each are joined in their order.
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

/// What a chart is drawn on.
trait Canvas {
    fn line(&mut self, from: [f32; 2], to: [f32; 2], width: f32, color: Rgb);
    fn mark(&mut self, at: [f32; 2], shape: usize, color: Rgb);
    /// `anchor`: 0 the text begins at `at`, 0.5 it is centred, 1 it ends there; `at` is the middle of its height.
    fn text(&mut self, at: [f32; 2], anchor: f32, words: &str, size_px: f32);
}

/// An axis with its ends known.
struct Scale {
    log: bool,
    low: f64,
    high: f64,
}

impl Scale {
    fn new(axis: &Axis, values: impl Iterator<Item = f64>) -> Self {
        let log = axis.log;
        let [mut low, mut high] = axis.range.unwrap_or_else(|| {
            let ends = [f64::INFINITY, f64::NEG_INFINITY];
            values.filter(|v| v.is_finite() && (!log || *v > 0.0)).fold(ends, |[a, b], v| [a.min(v), b.max(v)])
        });
        if !(low.is_finite() && high.is_finite()) {
            (low, high) = (1.0, 10.0);
        }
        if axis.range.is_none() && log {
            // A little room, or the outermost marks lie on the frame.
            (low, high) = (low / 1.5, high * 1.5);
        } else if high <= low {
            (low, high) = (low - 1.0, high + 1.0);
        }
        Self { log, low, high }
    }

    /// Place of a value, 0 to 1.
    fn place(&self, value: f64) -> Option<f32> {
        let to = |v: f64| if self.log { v.ln() } else { v };
        let place = (to(value) - to(self.low)) / (to(self.high) - to(self.low));
        (place.is_finite() && (-1e-6..=1.0 + 1e-6).contains(&place)).then_some(place as f32)
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        if self.log {
            let decades = self.low.log10().ceil() as i32..=self.high.log10().floor() as i32;
            let few = decades.clone().count() < 3;
            let steps: &[f64] = if few { &[1.0, 2.0, 5.0] } else { &[1.0] };
            let decades = decades.start() - 1..=*decades.end();
            let values = decades.flat_map(|decade| steps.iter().map(move |step| step * 10f64.powi(decade)));
            return values.filter(|v| *v >= self.low && *v <= self.high).map(|v| (v, short(v))).collect();
        }
        let step = nice_step((self.high - self.low) / 5.0);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last).map(|i| (i as f64 * step, short(i as f64 * step))).collect()
    }
}

/// 1, 2 or 5 times a power of ten, at least this.
fn nice_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|v| *v >= step * 0.999).unwrap_or(step)
}

/// `0.01`, `100`, `100k`, `1M`.
fn short(value: f64) -> String {
    let (value, unit) = match value.abs() {
        v if v >= 1e6 => (value / 1e6, "M"),
        v if v >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    // Rounded to what the eye reads: sums of steps are not exact.
    format!("{}{unit}", (value * 1e6).round() / 1e6)
}

impl Chart {
    /// As an SVG.
    pub fn to_svg(&self) -> String {
        let mut canvas = Svg(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" font-family=\"sans-serif\">\n\
             <rect width=\"{w}\" height=\"{h}\" fill=\"{paper}\"/>\n",
            w = SIZE[0],
            h = SIZE[1],
            paper = hex(PAPER)
        ));
        self.draw(&mut canvas);
        canvas.0 + "</svg>\n"
    }

    /// As a picture, dark on white.
    pub fn to_picture(&self) -> RgbImage {
        self.to_picture_in(false)
    }

    /// As a picture, for a dark page or a light one.
    pub fn to_picture_in(&self, dark: bool) -> RgbImage {
        let mut picture = RgbImage::from_pixel(SIZE[0] as u32, SIZE[1] as u32, image::Rgb(on(PAPER, dark)));
        self.draw(&mut Pixels(&mut picture, dark));
        picture
    }

    fn draw(&self, canvas: &mut impl Canvas) {
        let [left, top, right, bottom] = MARGINS;
        let (width, height) = (SIZE[0] - left - right, SIZE[1] - top - bottom);
        let all = || self.series.iter().flat_map(|series| &series.points);
        let x = Scale::new(&self.x, all().map(|point| point[0]));
        let y = Scale::new(&self.y, all().map(|point| point[1]));
        let px = |place: f32| left + place * width;
        let py = |place: f32| top + (1.0 - place) * height;

        canvas.text([left, top / 2.0], 0.0, &self.title, TITLE_PX);
        for (value, label) in x.ticks() {
            let Some(at) = x.place(value).map(px) else { continue };
            canvas.line([at, top], [at, top + height], 1.0, GRID);
            canvas.text([at, top + height + 16.0], 0.5, &label, FONT_PX);
        }
        for (value, label) in y.ticks() {
            let Some(at) = y.place(value).map(py) else { continue };
            canvas.line([left, at], [left + width, at], 1.0, GRID);
            canvas.text([left - 8.0, at], 1.0, &label, FONT_PX);
        }
        canvas.line([left, top + height], [left + width, top + height], 1.0, INK);
        canvas.line([left, top], [left, top + height], 1.0, INK);
        canvas.text([left + width / 2.0, SIZE[1] - 16.0], 0.5, &self.x.label, FONT_PX);
        canvas.text([left, top - 10.0], 0.0, &self.y.label, FONT_PX);

        let legend = left + width + 18.0;
        for (i, series) in self.series.iter().enumerate() {
            let (color, shape) = (COLORS[i % COLORS.len()], i / COLORS.len());
            let places = series.points.iter().filter_map(|p| Some([px(x.place(p[0])?), py(y.place(p[1])?)]));
            let places: Vec<[f32; 2]> = places.collect();
            for pair in places.windows(2) {
                canvas.line(pair[0], pair[1], LINE_PX, color);
            }
            for &place in &places {
                canvas.mark(place, shape, color);
            }
            let at = top + 10.0 + 22.0 * i as f32;
            canvas.mark([legend, at], shape, color);
            canvas.text([legend + 14.0, at], 0.0, &series.name, FONT_PX);
        }
    }
}

struct Svg(String);

// Writing to a string cannot fail.
impl Canvas for Svg {
    fn line(&mut self, [x1, y1]: [f32; 2], [x2, y2]: [f32; 2], width: f32, color: Rgb) {
        let color = hex(color);
        let _ = writeln!(
            self.0,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{color}\" stroke-width=\"{width}\"/>"
        );
    }

    fn mark(&mut self, [x, y]: [f32; 2], shape: usize, color: Rgb) {
        let color = hex(color);
        let _ = match shape % 3 {
            0 => writeln!(self.0, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{MARK_PX}\" fill=\"{color}\"/>"),
            1 => writeln!(
                self.0,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{side}\" height=\"{side}\" fill=\"{color}\"/>",
                x - MARK_PX,
                y - MARK_PX,
                side = 2.0 * MARK_PX
            ),
            _ => writeln!(
                self.0,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>",
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
        let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let (ink, y) = (hex(INK), y + 0.35 * size_px);
        let _ = writeln!(
            self.0,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size_px}\" text-anchor=\"{anchor}\" fill=\"{ink}\">{words}</text>"
        );
    }
}

/// The colour of the frame that stands for one on white paper.
fn on(color: Rgb, dark: bool) -> Rgb {
    match color {
        PAPER if dark => [27, 30, 35],
        INK if dark => [226, 229, 234],
        GRID if dark => [56, 61, 69],
        color => color,
    }
}

/// A picture, and whether its page is dark.
struct Pixels<'a>(&'a mut RgbImage, bool);

impl Pixels<'_> {
    /// Colours each pixel of a box by how much of it is covered; `distance` is that of its centre to the shape's edge.
    fn fill(&mut self, [x1, y1]: [f32; 2], [x2, y2]: [f32; 2], color: Rgb, distance: impl Fn(f32, f32) -> f32) {
        let end = |v: f32, max: u32| (v.ceil().max(0.0) as u32 + 1).min(max);
        let (x_end, y_end) = (end(x2, self.0.width()), end(y2, self.0.height()));
        for y in y1.floor().max(0.0) as u32..y_end {
            for x in x1.floor().max(0.0) as u32..x_end {
                let coverage = (0.5 - distance(x as f32 + 0.5, y as f32 + 0.5)).clamp(0.0, 1.0);
                let pixel = &mut self.0.get_pixel_mut(x, y).0;
                for (channel, ink) in pixel.iter_mut().zip(color) {
                    let (under, over) = (f32::from(*channel), f32::from(ink));
                    *channel = (under + (over - under) * coverage).round() as u8;
                }
            }
        }
    }
}

impl Canvas for Pixels<'_> {
    fn line(&mut self, from: [f32; 2], to: [f32; 2], width: f32, color: Rgb) {
        let color = on(color, self.1);
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let length = (dx * dx + dy * dy).max(1e-6);
        let room = width + 1.0;
        let low = [from[0].min(to[0]) - room, from[1].min(to[1]) - room];
        let high = [from[0].max(to[0]) + room, from[1].max(to[1]) + room];
        self.fill(low, high, color, |x, y| {
            let along = (((x - from[0]) * dx + (y - from[1]) * dy) / length).clamp(0.0, 1.0);
            let (ex, ey) = (x - from[0] - along * dx, y - from[1] - along * dy);
            (ex * ex + ey * ey).sqrt() - width / 2.0
        });
    }

    fn mark(&mut self, [x, y]: [f32; 2], shape: usize, color: Rgb) {
        let room = MARK_PX + 2.0;
        let radius = move |px: f32, py: f32| ((px - x).powi(2) + (py - y).powi(2)).sqrt();
        self.fill([x - room, y - room], [x + room, y + room], color, |px, py| match shape % 3 {
            0 => radius(px, py) - MARK_PX,
            1 => (px - x).abs().max((py - y).abs()) - MARK_PX,
            _ => (radius(px, py) - MARK_PX + 1.0).abs() - 1.0,
        });
    }

    fn text(&mut self, [x, y]: [f32; 2], anchor: f32, words: &str, size_px: f32) {
        let style = text::Style { size_px, bold: size_px > FONT_PX, color: on(INK, self.1) };
        text::draw(self.0, x - anchor * text::width(words, style), y - 0.55 * size_px, words, style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let picture = chart().to_picture();
        for color in &COLORS[..2] {
            let n = picture.pixels().filter(|pixel| pixel.0 == *color).count();
            assert!(n > 4 * 40, "{color:?}: {n}");
        }
        assert!(picture.pixels().all(|pixel| pixel.0 != COLORS[2]));
    }

    #[test]
    fn a_larger_value_lies_higher_and_to_the_right() {
        let scale = Scale::new(&chart().x, [1e3, 1e5].into_iter());
        let [low, middle, high] = [1e3, 1e4, 1e5].map(|v| scale.place(v).unwrap());
        assert!(low < middle && middle < high && (middle - 0.5).abs() < 1e-6);
        assert_eq!(scale.place(0.0), None);
        let unit = Axis { label: String::new(), log: false, range: Some([0.0, 1.0]) };
        let ticks: Vec<String> = Scale::new(&unit, [].into_iter()).ticks().into_iter().map(|tick| tick.1).collect();
        assert_eq!(ticks, ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!([short(1e6), short(2.5e4), short(1e3), short(0.05)], ["1M", "25k", "1000", "0.05"]);
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
