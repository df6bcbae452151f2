//! The report's content, ready for the template: every number formatted, nothing escaped yet.

use super::slice::{self, Share, Slice};
use super::summary::{self, Summary, exact};
use crate::figures::Figure;
use crate::mosaic::{self, Scene};
use crate::page::bar_style;
use crate::page::judged::Chip;
use ascan_core::{Tensor, metrics};
use ascan_engine::faithfulness::{Faithfulness, HEADINGS, MethodReport};
use ascan_engine::question::ClassFigures;
use ascan_engine::slices::{SliceReport, SliceSet};
use ascan_math::likeness::DISPUTED;
use ascan_viz::color;
use ascan_viz::heat::Window;
use ascan_viz::tile::{CROP, N_SMALL};
use ascan_viz::words::{images, percent, thousands};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Failed images named in the report; the scan's table has them all.
const N_FAILURES: usize = 50;

#[derive(Debug, Serialize)]
pub(super) struct Page {
    #[serde(skip)]
    pub stats: Vec<(String, String)>,
    #[serde(skip)]
    pub terms: Vec<(String, String)>,
    summary: Summary,
    inverted: bool,
    trust: Option<Trust>,
    /// Names of the attribution methods.
    methods: Vec<String>,
    #[serde(skip)]
    pub columns: usize,
    tiles: Vec<Tile>,
    n_untiled: usize,
    legend: Vec<(String, String)>,
    slices: Vec<Slice>,
    /// Name and meaning of the columns of the table.
    size: (&'static str, &'static str),
    accuracy: (&'static str, &'static str),
    interval: (&'static str, &'static str),
    figures: Vec<(&'static str, &'static str)>,
    has_labels: bool,
    /// Name, images, predictions, average precision, F1, precision and recall of each class, where an image may have several.
    classes: Vec<Vec<String>>,
    has_groups: bool,
    groups: Vec<Share>,
    n_failed: usize,
    failures: Vec<(String, String)>,
    /// Rows whose pictures are needed.
    #[serde(skip)]
    pub rows: BTreeSet<usize>,
}

/// Which attribution method to believe.
#[derive(Debug, Serialize)]
struct Trust {
    n_images: usize,
    verdict: Vec<String>,
    headings: Vec<(String, String)>,
    methods: Vec<TrustRow>,
    /// Methods that do not go with the model.
    others: Vec<String>,
}

#[derive(Debug, Serialize)]
struct TrustRow {
    name: String,
    method: String,
    is_control: bool,
    figures: Vec<String>,
    remarks: String,
}

/// A tile of the mosaic: a link to its slice.
#[derive(Debug, Serialize)]
struct Tile {
    id: i32,
    title: String,
    column: usize,
    row: usize,
    /// Style of its bar.
    bar: String,
    metric: String,
    size: String,
    flagged: bool,
    verdict: Option<Chip>,
    inverted: bool,
    large: Option<Part>,
    crops: Vec<Part>,
    alt: String,
}

/// A part of a picture, as CSS background size and position.
#[derive(Debug, Serialize)]
struct Part {
    row: usize,
    size: String,
    position: String,
}

pub(super) fn page(scene: &Scene, set: &SliceSet, n_detailed: usize, n_members: usize) -> Page {
    let table = scene.table;
    let valid = table.valid_rows();
    // A map that cannot be read counts as an empty one.
    let maps = valid.iter().map(|&row| scene.map(0, row).map(Tensor::into_data).unwrap_or_default());
    let coherence = Some(metrics::coherence(maps)).filter(|c| c.is_finite());
    let (columns, _, cells) = mosaic::cells(set);
    // Tiles are shown for detailed slices only: a tile is a link to its detail.
    let tiles: Vec<Tile> =
        set.slices.iter().take(n_detailed).zip(cells).map(|(slice, cell)| tile(scene, set, slice, cell)).collect();
    let details = set.slices.iter().chain(&set.noise).enumerate();
    let slices: Vec<Slice> = details
        .map(|(i, slice)| {
            let detailed = i < n_detailed || slice.id < 0;
            slice::slice(scene, set, slice, if detailed { n_members } else { 0 })
        })
        .collect();
    let of_tiles = tiles.iter().flat_map(|tile| tile.large.iter().chain(&tile.crops)).map(|part| part.row);
    let of_members = slices.iter().flat_map(|slice| slice.typical.iter().chain(&slice.worst)).map(|member| member.row);
    let rows = of_tiles.chain(of_members).collect();
    let n_flagged = set.slices.iter().filter(|slice| slice.needs_verdict).count();

    let mut stats = vec![("images".to_owned(), thousands(set.n))];
    if let Some(accuracy) = set.accuracy {
        stats.push(("right".into(), exact(accuracy)));
    }
    stats.push(("slices".into(), thousands(set.slices.len())));
    if set.accuracy.is_some() {
        stats.push(("clearly worse".into(), thousands(n_flagged)));
    }
    if let Some(agreement) = &table.agreement {
        let n_disputed = agreement.iter().filter(|&&agreement| agreement < DISPUTED).count();
        stats.push(("disputed".into(), thousands(n_disputed)));
    }
    let failed =
        table.errors.iter().enumerate().filter_map(|(row, error)| Some((table.uris[row].clone(), error.clone()?)));
    Page {
        stats,
        terms: super::terms::terms(scene, set),
        summary: summary::summary(scene, set, coherence),
        inverted: !scene.inversions.is_empty(),
        trust: scene.faithfulness.map(trust),
        methods: scene.methods.iter().map(|(name, _)| name.clone()).collect(),
        columns,
        n_untiled: set.slices.len() - tiles.len(),
        tiles,
        legend: legend(set),
        size: named(Figure::Size),
        accuracy: named(Figure::Accuracy),
        interval: named(Figure::Interval),
        figures: slice::shown(set.accuracy.is_some()).iter().map(|&figure| named(figure)).collect(),
        slices,
        has_labels: set.accuracy.is_some(),
        classes: scene.classes.iter().map(of_class).collect(),
        has_groups: !table.groups.is_empty(),
        groups: group_accuracy(scene, &valid),
        n_failed: failed.clone().count(),
        failures: failed.take(N_FAILURES).collect(),
        rows,
    }
}

/// Name, number of images, and the figures of a class.
fn of_class(class: &ClassFigures) -> Vec<String> {
    let digits = |value: f64| format!("{value:.3}");
    let precision = class.average_precision.map_or_else(|| "none".to_owned(), digits);
    let counts = [class.n_present, class.n_predicted].map(thousands);
    let figures = [class.f1, class.precision, class.recall].map(digits);
    [class.name.clone()].into_iter().chain(counts).chain([precision]).chain(figures).collect()
}

fn named(figure: Figure) -> (&'static str, &'static str) {
    (figure.title(), figure.tip())
}

fn trust(found: &Faithfulness) -> Trust {
    let row = |report: &MethodReport| TrustRow {
        name: report.name.clone(),
        method: report.method.clone(),
        is_control: report.is_control(),
        figures: report.figures().into(),
        remarks: report.remarks(),
    };
    let (failed, made): (Vec<_>, Vec<_>) = found.methods.iter().partition(|report| report.failed.is_some());
    Trust {
        n_images: found.n_images,
        verdict: found.verdict.clone(),
        headings: HEADINGS.map(|(name, meaning)| (name.to_owned(), meaning.to_owned())).into(),
        methods: made.into_iter().map(row).collect(),
        others: failed.into_iter().map(|report| report.name.clone()).collect(),
    }
}

fn legend(set: &SliceSet) -> Vec<(String, String)> {
    let stop = |value: f64| match set.accuracy {
        Some(overall) => bar_style(color::diverging(value, overall)),
        None => bar_style(color::sequential(value)),
    };
    let middle = set.accuracy.unwrap_or(0.5);
    let words = match set.accuracy {
        Some(overall) => ["0 % right".to_owned(), format!("{} overall", percent(overall)), "100 %".to_owned()],
        None => ["unsure".to_owned(), String::new(), "sure".to_owned()],
    };
    [0.0, middle, 1.0].map(stop).into_iter().zip(words).collect()
}

fn group_accuracy(scene: &Scene, valid: &[usize]) -> Vec<Share> {
    let table = scene.table;
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for &row in valid {
        if let Some(group) = table.group(row) {
            groups.entry(group).or_default().push(row);
        }
    }
    let share = |(name, rows): (String, Vec<usize>)| {
        let pick = |values: &[i32]| -> Vec<i32> { rows.iter().map(|&row| values[row]).collect() };
        let accuracy = metrics::accuracy(&pick(&table.labels), &pick(&table.predicted_classes));
        let text = if accuracy.is_nan() { "no labels".into() } else { format!("{} right", exact(accuracy)) };
        let percent = if accuracy.is_nan() { 0.0 } else { accuracy * 100.0 };
        Share { name, percent, text: format!("{text}, {}", images(rows.len())), right: true }
    };
    groups.into_iter().map(share).collect()
}

fn tile(scene: &Scene, set: &SliceSet, slice: &SliceReport, [column, row]: [usize; 2]) -> Tile {
    let (bar, metric) = mosaic::bar(slice, set);
    let part = |row: usize, width: f32, height: f32| part(row, scene.heat(row).window(width, height));
    let title = scene.title(slice);
    Tile {
        id: slice.id,
        column: column + 1,
        row: row + 1,
        bar: bar_style(bar),
        size: images(slice.size),
        flagged: slice.needs_verdict && !scene.verdicts.contains_key(&slice.id),
        verdict: scene.verdicts.get(&slice.id).map(Chip::of),
        inverted: scene.inversions.contains_key(&slice.id),
        large: slice.typical.first().map(|&row| part(row, 1.0, 1.0)),
        crops: slice.typical.iter().skip(1).take(N_SMALL - 1).map(|&row| part(row, CROP, CROP)).collect(),
        alt: format!("Slice {}: {title}, {metric}, {}", slice.id, images(slice.size)),
        metric,
        title,
    }
}

fn part(row: usize, window: Window) -> Part {
    let place = |start: f32, size: f32| if size < 1.0 { start / (1.0 - size) * 100.0 } else { 0.0 };
    Part {
        row,
        size: format!("{:.1}% {:.1}%", 100.0 / window.width, 100.0 / window.height),
        position: format!("{:.1}% {:.1}%", place(window.x, window.width), place(window.y, window.height)),
    }
}
