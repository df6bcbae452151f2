//! Whether a scan says what it seems to say: better than chance, labels in the order of the outputs, maps that are not
//! empty. Asked of what was scanned, and of a few images before.

mod order;
mod trial;

pub use order::{Relabelling, relabelling};
pub use trial::{Candidate, Effort, Trial, line, trial};

use crate::question::figures_of_quantity;
use ascan_core::metrics::wilson_interval;
use ascan_store::table::ScanTable;
use serde::Serialize;
use std::collections::BTreeMap;

/// Fewer images than this say nothing about the whole.
const MIN_IMAGES: usize = 20;
/// Labels whose move is spelled out.
const N_MOVES: usize = 3;

/// What is wrong with a scan, or probably wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Doubt {
    /// Whether the scan is of no use as it is.
    pub is_fatal: bool,
    /// What was found, with figures.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Doubt {
    fn fatal(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { is_fatal: true, message: message.into(), hint: hint.into() }
    }

    fn warning(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { is_fatal: false, message: message.into(), hint: hint.into() }
    }
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.message, self.hint)
    }
}

/// What a finished scan gives reason to doubt; empty for a sound one.
pub fn doubts(table: &ScanTable, class_names: &[String]) -> Vec<Doubt> {
    let rows: Vec<usize> = (0..table.n()).filter(|&row| table.errors[row].is_none()).collect();
    if table.n() == 0 {
        return Vec::new();
    }
    if rows.is_empty() {
        let first = table.errors.iter().flatten().next().map_or("", String::as_str);
        return vec![Doubt::fatal(
            format!("none of the {} images could be scanned: {first}", table.n()),
            "check `data`, and the model with `ascan check`",
        )];
    }
    let mut doubts = Vec::new();
    doubts.extend(empty_maps(table, &rows));
    if let Some(quantities) = &table.quantities {
        let (truth, values): (Vec<f32>, Vec<f32>) = rows.iter().map(|&row| quantities[row].into()).unzip();
        doubts.extend(of_quantities(&truth, &values));
        return doubts;
    }
    // Who can say one thing only, says it of all: vectors without predictions have such a class.
    if class_names.len() != 1 {
        doubts.extend(constant(table, &rows));
    }
    if doubts.iter().all(|doubt| !doubt.is_fatal) {
        let labels: Vec<i32> = rows.iter().map(|&row| table.labels[row]).collect();
        let found: Vec<i32> = rows.iter().map(|&row| table.predicted_classes[row]).collect();
        let most = labels.iter().chain(&found).copied().max().unwrap_or(0);
        let n_outputs = class_names.len().max(usize::try_from(most).map_or(0, |most| most + 1));
        doubts.extend(of_predictions(&labels, &found, n_outputs, class_names));
    }
    doubts
}

/// What predictions beside labels give reason to doubt: their order, or the model.
///
/// # Shapes
/// - `labels`, `found`: `[n]` output indices; a label is −1 where it is unknown
pub fn of_predictions(labels: &[i32], found: &[i32], n_outputs: usize, class_names: &[String]) -> Option<Doubt> {
    if let Some(better) = relabelling(labels, found, n_outputs) {
        return Some(wrong_order(&better, class_names));
    }
    let known: Vec<(i32, i32)> =
        labels.iter().copied().zip(found.iter().copied()).filter(|(label, _)| *label >= 0).collect();
    if known.len() < MIN_IMAGES {
        return None;
    }
    let right = known.iter().filter(|(label, found)| label == found).count();
    let chance = chance(&known);
    let (low, _) = wilson_interval(right, known.len());
    // A model that says the same of everything is as right as chance by definition; then labels of one class say nothing.
    (low <= chance && chance < 1.0).then(|| {
        Doubt::warning(
            format!(
                "the model is right on {} of {} labelled images, no better than chance ({})",
                percent(right as f64 / known.len() as f64),
                known.len(),
                percent(chance)
            ),
            "check `model.preprocess` and the order of the labels (`data.class_map`): `ascan check CONFIG --try 200` tries others",
        )
    })
}

/// What quantities beside labels give reason to doubt.
fn of_quantities(truth: &[f32], values: &[f32]) -> Option<Doubt> {
    if values.len() >= MIN_IMAGES && values.iter().all(|value| *value == values[0]) {
        return Some(Doubt::fatal(
            format!("the model says {} of all {} images", values[0], values.len()),
            "check `model.preprocess`, and that the file is the trained model",
        ));
    }
    let figures = figures_of_quantity(truth, values).filter(|figures| figures.n >= MIN_IMAGES)?;
    let r2 = figures.r2.filter(|&r2| r2 <= 0.0)?;
    Some(Doubt::warning(
        format!(
            "the model is off by {:.3} on average, no better than the mean of the labels (R² {r2:.2} of {} images)",
            figures.mean_absolute_error, figures.n
        ),
        "check `model.preprocess`, the unit of the labels and `model.output.class`",
    ))
}

/// The share that would be right if predictions did not depend on labels: Σ p(label) p(prediction).
fn chance(known: &[(i32, i32)]) -> f64 {
    let mut counts: BTreeMap<i32, [usize; 2]> = BTreeMap::new();
    for &(label, found) in known {
        counts.entry(label).or_default()[0] += 1;
        counts.entry(found).or_default()[1] += 1;
    }
    let n = known.len().max(1) as f64;
    counts.values().map(|[labels, found]| *labels as f64 / n * (*found as f64 / n)).sum()
}

/// `57 %`; never 0 or 100 % of something that is neither.
pub(crate) fn percent(share: f64) -> String {
    let whole = (share * 100.0).round();
    let whole = if share > 0.0 && share < 1.0 { whole.clamp(1.0, 99.0) } else { whole };
    format!("{whole} %")
}

fn wrong_order(better: &Relabelling, class_names: &[String]) -> Doubt {
    let name = |class: i32| match usize::try_from(class).ok().and_then(|class| class_names.get(class)) {
        Some(name) => format!("`{name}`"),
        None => format!("label {class}"),
    };
    let moves: Vec<String> = better
        .moves
        .iter()
        .take(N_MOVES)
        .map(|&(label, output)| format!("{} as output {output}", name(label)))
        .collect();
    let more = if better.moves.len() > N_MOVES { ", …" } else { "" };
    Doubt::warning(
        format!(
            "labels and outputs seem to be in different orders: {} of {} images are right, {} with {}{more}",
            percent(better.now),
            better.n,
            percent(better.best),
            moves.join(", ")
        ),
        "set `data.class_map` to a table from label to output, or `data.classes` to the classes in the order of the outputs",
    )
}

fn empty_maps(table: &ScanTable, rows: &[usize]) -> Option<Doubt> {
    let n_empty = rows.iter().filter(|&&row| table.attribution_empty[row]).count();
    let hint = "choose another `attribution.plugin` or `attribution.params.layer`; a quantised model may need its float original";
    if n_empty == rows.len() {
        let message =
            format!("all {n_empty} attribution maps are empty, so slices know nothing of where the model looks");
        return Some(Doubt::fatal(message, hint));
    }
    (2 * n_empty > rows.len())
        .then(|| Doubt::warning(format!("{n_empty} of {} attribution maps are empty", rows.len()), hint))
}

fn constant(table: &ScanTable, rows: &[usize]) -> Option<Doubt> {
    let (&first, rest) = rows.split_first()?;
    let same = |row: usize| {
        table.predicted_classes[row] == table.predicted_classes[first]
            && table.confidences[row] == table.confidences[first]
    };
    (rows.len() >= MIN_IMAGES && rest.iter().all(|&row| same(row))).then(|| {
        Doubt::fatal(
            format!("the model says exactly the same of all {} images", rows.len()),
            "check `model.preprocess`, and that the file is the trained model",
        )
    })
}
