//! A comparison as one HTML file.

use super::{Comparison, Pair};
use crate::mosaic::Scene;
use ascan_core::{Error, Result};
use ascan_viz::chart::{Axis, Chart, Series};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::codecs::jpeg::JpegEncoder;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value, context};
use serde::Serialize;

/// Pictures of images that were fixed, and as many of those that were broken.
const N_PICTURES: usize = 24;
/// Longer side of a picture.
const SIDE_PX: u32 = 96;
const JPEG_QUALITY: u8 = 80;
/// Slices in the table.
const N_SLICES: usize = 60;

/// A line of the table of figures.
#[derive(Serialize)]
struct Line {
    name: String,
    note: &'static str,
    before: String,
    after: String,
    change: String,
    is_better: bool,
    is_worse: bool,
}

#[derive(Serialize)]
struct Picture {
    src: String,
    title: String,
}

/// Writes the report of a comparison. `scene` gives the pictures; `made` says what was compared, as names and values.
///
/// # Errors
/// `Unsupported` if the page cannot be put together, which is a defect of this program.
pub fn report(comparison: &Comparison, scene: &Scene, made: &[(String, String)]) -> Result<String> {
    render(comparison, scene, made).map_err(|error| {
        Error::unsupported(format!("the report cannot be written: {error}"), "please report this as a defect")
    })
}

fn render(comparison: &Comparison, scene: &Scene, made: &[(String, String)]) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.add_template("compare", include_str!("template.html"))?;
    let groups = comparison.groups.iter().map(|group| line(group.name.clone(), "", group.n, group.accuracy));
    let classes = comparison.classes.iter().map(|class| line(class.name.clone(), "", class.n, class.accuracy));
    let slices = comparison.slices.iter().take(N_SLICES);
    let slices = slices.map(|slice| {
        let of = line(format!("slice {}", slice.id), "", slice.n, slice.accuracy);
        (of, slice.n_fixed, slice.n_broken)
    });
    let rows = |rows: &[usize]| -> Vec<Picture> {
        rows.iter().take(N_PICTURES).filter_map(|&row| picture(scene, row)).collect()
    };
    environment.get_template("compare")?.render(context! {
        title => scene.title.as_str(),
        made => Value::from(Serde(made)),
        n => comparison.n,
        figures => Value::from(Serde(figures(comparison))),
        classes => Value::from(Serde(classes.collect::<Vec<Line>>())),
        groups => Value::from(Serde(groups.collect::<Vec<Line>>())),
        slices => Value::from(Serde(slices.collect::<Vec<_>>())),
        n_unlisted => comparison.slices.len().saturating_sub(N_SLICES),
        n_fixed => comparison.fixed.len(),
        n_broken => comparison.broken.len(),
        fixed => Value::from(Serde(rows(&comparison.fixed))),
        broken => Value::from(Serde(rows(&comparison.broken))),
        notes => Value::from(Serde(&comparison.notes)),
        chart => Value::from_safe_string(chart(comparison).to_svg()),
        style => include_str!("style.css"),
        version => env!("CARGO_PKG_VERSION"),
    })
}

fn percent(value: f64) -> String {
    if value.is_finite() { format!("{:.1} %", value * 100.0) } else { "–".to_owned() }
}

fn line(name: String, note: &'static str, n: usize, pair: Pair) -> Line {
    let name = if n > 0 { format!("{name} ({n} images)") } else { name };
    let change = pair.change();
    Line {
        name,
        note,
        before: percent(pair.before),
        after: percent(pair.after),
        change: if change.is_finite() { format!("{:+.1}", change * 100.0) } else { "–".to_owned() },
        is_better: change >= 0.0005,
        is_worse: change <= -0.0005,
    }
}

fn figures(comparison: &Comparison) -> Vec<Line> {
    let named = [
        ("Mean accuracy", "all images count equally", Some(comparison.accuracy)),
        (
            "Training-weighted mean accuracy",
            "known groups, weighted by their share of the training images",
            comparison.training_weighted_accuracy,
        ),
        ("Worst-class accuracy", "the worst class of each scan, by label", comparison.worst_class_accuracy),
        ("Worst-group accuracy", "the worst known group of each scan", comparison.worst_group_accuracy),
        (
            "Worst-slice accuracy",
            "the worst slice of each scan with 10 images or more",
            comparison.worst_slice_accuracy,
        ),
        ("Core accuracy", "with noise outside the object", comparison.core_accuracy),
        ("Relative foreground sensitivity", "above 0: noise on the object costs more", comparison.rfs),
        ("Energy in the core region", "share of the attribution on the object", comparison.energy_in_core),
        ("AIoU", "overlap of attribution and object", comparison.aiou),
    ];
    named.into_iter().filter_map(|(name, note, pair)| Some(line(name.to_owned(), note, 0, pair?))).collect()
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
