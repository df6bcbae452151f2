//! A comparison as one HTML file.

use super::{Comparison, Pair, SlicePair};
use crate::mosaic::Scene;
use crate::page::judged::{Chip, section};
use crate::page::render;
use ascan_core::Result;
use ascan_engine::slices::SliceSet;
use ascan_viz::chart::{Axis, Chart, Series};
use ascan_viz::words::{images, thousands};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::codecs::jpeg::JpegEncoder;
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;

/// Pictures of images that were fixed, and as many of those that were broken.
const N_PICTURES: usize = 24;
/// Longer side of a picture.
const SIDE_PX: u32 = 96;
const JPEG_QUALITY: u8 = 80;
/// Slices in the table.
const N_SLICES: usize = 60;

/// A line of a table.
#[derive(Serialize)]
struct Line {
    name: String,
    note: String,
    before: String,
    after: String,
    change: String,
    is_better: bool,
    is_worse: bool,
}

/// A line of the table of slices.
#[derive(Serialize)]
struct Slice {
    id: i32,
    #[serde(flatten)]
    line: Line,
    n_fixed: usize,
    n_broken: usize,
    verdict: Option<Chip>,
}

#[derive(Serialize)]
struct Picture {
    src: String,
    title: String,
}

/// Writes the page of a comparison. `scene` and `set` are those of the scan before; `made` says what was compared, as names and
/// values.
///
/// # Errors
/// `Unsupported` if the page cannot be put together, which is a defect of this program.
pub fn report(comparison: &Comparison, scene: &Scene, set: &SliceSet, made: &[(String, String)]) -> Result<String> {
    let figures = comparison.figures();
    let lines = figures.iter().map(|figure| line(sentence(&figure.name), String::new(), figure.pair));
    let groups = |groups: &[super::Group]| -> Vec<Line> {
        groups.iter().map(|group| line(group.name.clone(), images(group.n), group.accuracy)).collect()
    };
    let pictures = |rows: &[usize]| -> Vec<Picture> {
        rows.iter().take(N_PICTURES).filter_map(|&row| picture(scene, row)).collect()
    };
    let slices = comparison.slices.iter().take(N_SLICES).map(|pair| slice(pair, scene, set));
    let chart = chart(comparison);
    let terms = figures.iter().map(|figure| (sentence(&figure.name), format!("{}.", figure.meaning)));
    render(
        include_str!("template.html"),
        context! {
            title => format!("Before and after: {}", scene.title),
            stats => Value::from(Serde(stats(comparison))),
            made => Value::from(Serde(made)),
            terms => Value::from(Serde(terms.collect::<Vec<_>>())),
            judged => Value::from(Serde(section(scene, set, |at| is_listed(comparison, set, at)))),
            figures => Value::from(Serde(lines.collect::<Vec<Line>>())),
            classes => Value::from(Serde(groups(&comparison.classes))),
            groups => Value::from(Serde(groups(&comparison.groups))),
            slices => Value::from(Serde(slices.collect::<Vec<Slice>>())),
            slice_set => set.recipe.title(),
            n_unlisted => comparison.slices.len().saturating_sub(N_SLICES),
            changed => Value::from(Serde([
                ("Right only after", pictures(&comparison.fixed), comparison.fixed.len()),
                ("Right only before", pictures(&comparison.broken), comparison.broken.len()),
            ])),
            notes => Value::from(Serde(&comparison.notes)),
            chart_title => chart.title.as_str(),
            chart => chart.on_a_page(),
            keys => Value::from(Serde(chart.legend())),
        },
    )
}

/// Whether the table of slices has a line about the slice at this place of the set.
fn is_listed(comparison: &Comparison, set: &SliceSet, at: usize) -> bool {
    comparison.slices.iter().take(N_SLICES).any(|pair| pair.id == set.slices[at].id)
}

fn stats(comparison: &Comparison) -> [(String, String); 4] {
    let accuracy = comparison.accuracy;
    [
        ("images with a label".into(), thousands(comparison.n)),
        ("right, before and after".into(), format!("{} → {}", percent(accuracy.before), percent(accuracy.after))),
        ("right only after".into(), thousands(comparison.fixed.len())),
        ("right only before".into(), thousands(comparison.broken.len())),
    ]
}

fn slice(pair: &SlicePair, scene: &Scene, set: &SliceSet) -> Slice {
    let title = set.slice(pair.id).map_or_else(String::new, |slice| format!("{}, ", scene.title(slice)));
    Slice {
        id: pair.id,
        line: line(format!("slice {}", pair.id), format!("{title}{}", images(pair.n)), pair.accuracy),
        n_fixed: pair.n_fixed,
        n_broken: pair.n_broken,
        verdict: scene.verdicts.get(&pair.id).map(Chip::of),
    }
}

/// With a capital letter.
fn sentence(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn percent(value: f64) -> String {
    if value.is_finite() { format!("{:.1} %", value * 100.0) } else { "–".to_owned() }
}

fn line(name: String, note: String, pair: Pair) -> Line {
    let change = pair.change();
    Line {
        name,
        note,
        before: percent(pair.before),
        after: percent(pair.after),
        change: if change.is_finite() {
            format!("{:+.1}", change * 100.0).replace('-', "−")
        } else {
            "–".to_owned()
        },
        is_better: change >= 0.0005,
        is_worse: change <= -0.0005,
    }
}

/// Accuracy of each group and slice, before across and after up: what lies above the diagonal has gained.
fn chart(comparison: &Comparison) -> Chart {
    let unit = |label: &str| Axis { label: label.into(), log: false, range: Some([0.0, 1.0]) };
    let point = |pair: Pair| [pair.before, pair.after];
    let one = |name: String, pair: Pair| Series { name, points: vec![point(pair)] };
    let mut series = vec![Series { name: "no change".into(), points: vec![[0.0, 0.0], [1.0, 1.0]] }];
    series.push(one("all images".into(), comparison.accuracy));
    series.extend(comparison.groups.iter().take(4).map(|group| one(group.name.clone(), group.accuracy)));
    let slices = comparison.slices.iter().filter(|slice| slice.n >= super::MIN_SLICE);
    series.extend(slices.take(12).map(|slice| one(format!("slice {}", slice.id), slice.accuracy)));
    Chart { title: "Accuracy before and after".into(), x: unit("before"), y: unit("after"), series }
}

fn picture(scene: &Scene, row: usize) -> Option<Picture> {
    let picture = (scene.pictures)(row, SIDE_PX).ok()?;
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY).encode_image(&picture).ok()?;
    let src = format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(&bytes));
    let title = format!("{}, {}", scene.table.uris[row], scene.class(scene.table.labels[row]));
    Some(Picture { src, title })
}
