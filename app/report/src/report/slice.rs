//! What a report says of one slice.

use super::summary::exact;
use crate::figures::{Beside, Figure};
use crate::mosaic::{self, Scene};
use crate::page::bar_style;
use crate::page::judged::Chip;
use ascan_engine::slices::{SliceReport, SliceSet};
use ascan_math::likeness::DISPUTED;
use ascan_viz::Heat;
use ascan_viz::words::thousands;
use serde::Serialize;

/// The figures of a slice that a report writes beside its accuracy, in their order; without labels those of the model alone.
pub(super) fn shown(has_labels: bool) -> &'static [Figure] {
    const ALL: [Figure; 6] =
        [Figure::Gap, Figure::Evidence, Figure::Loss, Figure::Confidence, Figure::Coherence, Figure::Compactness];
    if has_labels { &ALL } else { &ALL[3..] }
}

#[derive(Debug, Serialize)]
pub(super) struct Slice {
    id: i32,
    name: String,
    title: String,
    size: usize,
    size_text: String,
    share: String,
    accuracy: Option<f64>,
    accuracy_text: String,
    /// Style of its bar.
    bar: String,
    interval: Option<[f64; 2]>,
    interval_text: String,
    figures: Vec<Value>,
    verdict: Option<Chip>,
    confusion: Vec<Share>,
    groups: Vec<Share>,
    flagged: bool,
    detailed: bool,
    thumbnail: Option<usize>,
    pub typical: Vec<Member>,
    pub worst: Vec<Member>,
}

/// A figure, in the words of the window.
#[derive(Debug, Serialize)]
struct Value {
    name: &'static str,
    tip: &'static str,
    value: Option<f64>,
    text: String,
    sentence: String,
}

/// A bar with its words.
#[derive(Debug, Serialize)]
pub(super) struct Share {
    pub name: String,
    /// Its length.
    pub percent: f64,
    pub text: String,
    /// Whether it is no error.
    pub right: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Member {
    pub row: usize,
    uri: String,
    verdict: String,
    numbers: String,
    right: bool,
    alt: String,
}

/// What is written of a slice, with pictures of this many members of each kind.
pub(super) fn slice(scene: &Scene, set: &SliceSet, slice: &SliceReport, n_members: usize) -> Slice {
    let (bar, metric) = mosaic::bar(slice, set);
    let share = |count: usize| count as f64 / slice.size as f64;
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
        bar: bar_style(bar),
        interval: slice.interval.map(|interval| interval.map(|end| end * 100.0)),
        interval_text: slice
            .interval
            .map_or_else(String::new, |[low, high]| format!("{:.0} to {:.0} %", low * 100.0, high * 100.0)),
        figures: shown(set.accuracy.is_some()).iter().map(|&figure| value(figure, slice)).collect(),
        verdict: scene.verdicts.get(&slice.id).map(Chip::of),
        confusion: confusion.take(6).collect(),
        groups,
        flagged: slice.needs_verdict && !scene.verdicts.contains_key(&slice.id),
        detailed: n_members > 0,
        thumbnail: slice.typical.first().copied().filter(|_| n_members > 0),
        typical: members(&slice.typical),
        worst: members(&slice.worst),
    }
}

fn value(figure: Figure, slice: &SliceReport) -> Value {
    let value = figure.value(slice, Beside::default());
    Value {
        name: figure.title(),
        tip: figure.tip(),
        value,
        text: figure.text(value),
        sentence: value.map_or_else(|| figure.text(None), |value| figure.sentence(value)),
    }
}

fn member(scene: &Scene, row: usize) -> Member {
    let table = scene.table;
    let (label, class) = (table.labels[row], table.predicted_classes[row]);
    let verdict = scene.said_of(row);
    let (confidence, loss) = (table.confidences[row], table.losses[row]);
    let numbers = if table.quantities.is_some() {
        format!("off by {loss:.3}")
    } else if loss.is_finite() {
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
