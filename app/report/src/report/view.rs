//! The report's content, ready for the template: every number formatted, nothing escaped yet.

use super::summary::{self, Summary, exact};
use crate::mosaic::{self, Scene};
use ascan_core::{Tensor, metrics};
use ascan_engine::faithfulness::{Faithfulness, HEADINGS, MethodReport};
use ascan_engine::likeness::DISPUTED;
use ascan_engine::slices::{SliceReport, SliceSet};
use ascan_viz::heat::Window;
use ascan_viz::tile::{CROP, N_SMALL};
use ascan_viz::words::{images, percent, thousands};
use ascan_viz::{Heat, color};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Failed images named in the report; the scan's table has them all.
const N_FAILURES: usize = 50;

#[derive(Debug, Serialize)]
pub(super) struct Page {
    title: String,
    scanned: Vec<(String, String)>,
    stats: Vec<(String, String)>,
    summary: Summary,
    inverted: bool,
    trust: Option<Trust>,
    /// Names of the attribution methods.
    methods: Vec<String>,
    /// Agreement below which they dispute where the model looks.
    disputed: f32,
    columns: usize,
    tiles: Vec<Tile>,
    n_untiled: usize,
    legend: Vec<(String, String)>,
    slices: Vec<Slice>,
    judged: Vec<JudgedSlice>,
    has_labels: bool,
    has_groups: bool,
    groups: Vec<Share>,
    overall: f64,
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
    bar: String,
    ink: String,
    metric: String,
    size: String,
    flagged: bool,
    /// Colour and words.
    verdict: Option<(String, String)>,
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

#[derive(Debug, Serialize)]
struct Slice {
    id: i32,
    name: String,
    title: String,
    size: usize,
    size_text: String,
    share: String,
    accuracy: Option<f64>,
    accuracy_text: String,
    bar: String,
    ink: String,
    interval: Option<[f64; 2]>,
    interval_text: String,
    gap: Option<f64>,
    gap_text: String,
    confidence: f64,
    confidence_text: String,
    loss: Option<f64>,
    loss_text: String,
    coherence: Option<f64>,
    coherence_text: String,
    compactness: Option<f64>,
    compactness_text: String,
    confusion: Vec<Share>,
    groups: Vec<Share>,
    flagged: bool,
    detailed: bool,
    thumbnail: Option<usize>,
    typical: Vec<Member>,
    worst: Vec<Member>,
}

/// A slice with a verdict.
#[derive(Debug, Serialize)]
struct JudgedSlice {
    id: i32,
    title: String,
    size: String,
    mark: String,
    color: String,
    note: String,
    author: String,
    detailed: bool,
}

/// A bar with its words.
#[derive(Debug, Serialize)]
struct Share {
    name: String,
    percent: f64,
    text: String,
    right: bool,
}

#[derive(Debug, Serialize)]
struct Member {
    row: usize,
    uri: String,
    verdict: String,
    numbers: String,
    right: bool,
    alt: String,
}

pub(super) fn page(
    scene: &Scene,
    set: &SliceSet,
    scanned: &[(String, String)],
    n_detailed: usize,
    n_members: usize,
) -> Page {
    let table = scene.table;
    let valid = table.valid_rows();
    // A map that cannot be read counts as an empty one.
    let maps = valid.iter().map(|&row| (scene.methods[0].1)(row).map(Tensor::into_data).unwrap_or_default());
    let coherence = Some(metrics::coherence(maps)).filter(|c| c.is_finite());
    let (columns, _, cells) = mosaic::cells(set);
    // Tiles are shown for detailed slices only: a tile is a link to its detail.
    let tiles: Vec<Tile> =
        set.slices.iter().take(n_detailed).zip(cells).map(|(slice, cell)| tile(scene, set, slice, cell)).collect();
    let details = set.slices.iter().chain(&set.noise).enumerate();
    let slices: Vec<Slice> = details
        .map(|(i, slice)| {
            let detailed = i < n_detailed || slice.id < 0;
            self::slice(scene, set, slice, if detailed { n_members } else { 0 })
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
        title: scene.title.clone(),
        scanned: scanned.to_vec(),
        stats,
        summary: summary::summary(scene, set, coherence),
        inverted: !scene.inversions.is_empty(),
        trust: scene.faithfulness.map(trust),
        methods: scene.methods.iter().map(|(name, _)| name.clone()).collect(),
        disputed: DISPUTED,
        columns,
        n_untiled: set.slices.len() - tiles.len(),
        tiles,
        legend: legend(set),
        judged: judged(scene, set, n_detailed),
        slices,
        has_labels: set.accuracy.is_some(),
        has_groups: !table.groups.is_empty(),
        groups: group_accuracy(scene, &valid),
        overall: set.accuracy.unwrap_or(0.0) * 100.0,
        n_failed: failed.clone().count(),
        failures: failed.take(N_FAILURES).collect(),
        rows,
    }
}

/// The slices that somebody judged, in the order of the set.
fn judged(scene: &Scene, set: &SliceSet, n_detailed: usize) -> Vec<JudgedSlice> {
    let of = |(i, slice): (usize, &SliceReport)| {
        let said = scene.verdicts.get(&slice.id)?;
        Some(JudgedSlice {
            id: slice.id,
            title: scene.title(slice),
            size: images(slice.size),
            mark: said.mark.name().replace('_', " "),
            color: color::hex(mosaic::mark_color(said.mark)),
            note: said.note.clone(),
            author: said.author.clone(),
            detailed: i < n_detailed,
        })
    };
    set.slices.iter().enumerate().filter_map(of).collect()
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
        Some(overall) => color::hex(color::diverging(value, overall)),
        None => color::hex(color::sequential(value)),
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
        bar: color::hex(bar),
        ink: color::hex(color::ink_on(bar)),
        size: images(slice.size),
        flagged: slice.needs_verdict && !scene.verdicts.contains_key(&slice.id),
        verdict: scene.verdicts.get(&slice.id).map(|said| (color::hex(mosaic::mark_color(said.mark)), said.words())),
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

fn slice(scene: &Scene, set: &SliceSet, slice: &SliceReport, n_members: usize) -> Slice {
    let (bar, metric) = mosaic::bar(slice, set);
    let share = |count: usize| count as f64 / slice.size as f64;
    let two = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"));
    let members = |rows: &[usize]| rows.iter().take(n_members).map(|&row| member(scene, row)).collect();
    let confusion = slice.confusion.iter().map(|cell| Share {
        name: scene.outcome(cell.label, cell.predicted_class),
        percent: share(cell.count) * 100.0,
        text: thousands(cell.count),
        right: cell.label == cell.predicted_class,
    });
    let mut groups: Vec<Share> = slice
        .groups
        .iter()
        .map(|(name, &count)| Share {
            name: name.clone(),
            percent: share(count) * 100.0,
            text: thousands(count),
            right: true,
        })
        .collect();
    groups.sort_by(|a, b| b.percent.total_cmp(&a.percent));
    Slice {
        id: slice.id,
        name: if slice.id < 0 { "in no slice".to_owned() } else { format!("slice {}", slice.id) },
        title: scene.title(slice),
        size: slice.size,
        size_text: thousands(slice.size),
        share: exact(slice.size as f64 / set.n as f64),
        accuracy: slice.accuracy,
        accuracy_text: metric,
        bar: color::hex(bar),
        ink: color::hex(color::ink_on(bar)),
        interval: slice.interval.map(|interval| interval.map(|end| end * 100.0)),
        interval_text: slice
            .interval
            .map_or_else(String::new, |[low, high]| format!("{:.0} to {:.0} %", low * 100.0, high * 100.0)),
        gap: slice.gap,
        gap_text: slice.gap.map_or_else(|| "–".to_owned(), points),
        confidence: slice.mean_confidence,
        confidence_text: format!("{:.2}", slice.mean_confidence),
        loss: slice.mean_loss,
        loss_text: two(slice.mean_loss),
        coherence: slice.coherence,
        coherence_text: two(slice.coherence),
        compactness: slice.compactness,
        compactness_text: two(slice.compactness),
        confusion: confusion.take(6).collect(),
        groups,
        flagged: slice.needs_verdict,
        detailed: n_members > 0,
        thumbnail: slice.typical.first().copied().filter(|_| n_members > 0),
        typical: members(&slice.typical),
        worst: members(&slice.worst),
    }
}

/// `−12.3`, in percentage points, with a true minus sign.
fn points(gap: f64) -> String {
    format!("{}{:.1}", if gap < 0.0 { "−" } else { "+" }, (gap * 100.0).abs())
}

fn member(scene: &Scene, row: usize) -> Member {
    let table = scene.table;
    let (label, class) = (table.labels[row], table.predicted_classes[row]);
    let verdict = scene.outcome(label, class);
    let (confidence, loss) = (table.confidences[row], table.losses[row]);
    let numbers = if loss.is_finite() {
        format!("{confidence:.2} sure, loss {loss:.2}")
    } else {
        format!("{confidence:.2} sure")
    };
    let disputed = table.agreement.as_ref().is_some_and(|agreement| agreement[row] < DISPUTED);
    let numbers = if disputed { format!("{numbers}; methods disagree about where it looks") } else { numbers };
    let place = where_it_looks(&scene.heat(row));
    let alt = format!("{}: {verdict}, {numbers}; the model looks {place}", table.uris[row]);
    Member { row, uri: table.uris[row].clone(), verdict, numbers, right: label < 0 || label == class, alt }
}

/// Where the weight of a map lies, in words.
fn where_it_looks(heat: &Heat) -> &'static str {
    if heat.is_empty() {
        return "nowhere in particular";
    }
    let point = heat.window(0.0, 0.0);
    let third = |share: f32| ((share * 3.0) as usize).min(2);
    [
        ["at the upper left", "at the top", "at the upper right"],
        ["at the left", "at the middle", "at the right"],
        ["at the lower left", "at the bottom", "at the lower right"],
    ][third(point.y)][third(point.x)]
}
