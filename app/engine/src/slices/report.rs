//! What is said about one slice.

use super::evidence::{Errors, Evidence};
use ascan_core::{Tensor, metrics};
use ascan_store::table::ScanTable;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Typical and worst members kept for each slice.
pub const N_MEMBERS: usize = 12;
/// A slice needs a verdict if its accuracy is at least this far below the overall one, on clear evidence.
pub const VERDICT_GAP: f64 = 0.1;

/// Facts about one slice. Figures that do not exist (no labels, one image) are `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliceReport {
    /// Column of the membership; −1 for the images in no slice.
    pub id: i32,
    /// Number of images.
    pub size: usize,
    /// Share of right predictions, in [0, 1].
    pub accuracy: Option<f64>,
    /// `accuracy` − that of the whole scan: negative is worse.
    pub gap: Option<f64>,
    /// Wilson interval of `accuracy` at 95 %.
    pub interval: Option<[f64; 2]>,
    /// Share of false alarms to expect if all slices at least as convincing are believed; see [`super::evidence::q_values`].
    pub q_value: Option<f64>,
    /// What `q_value` says about the slice being worse than the rest.
    pub evidence: Evidence,
    /// Whether it is clearly and much worse than the whole: `gap` ≤ −[`VERDICT_GAP`] on clear `evidence`.
    pub needs_verdict: bool,
    /// Mean probability of the predicted class.
    pub mean_confidence: f64,
    /// Mean cross-entropy of the images with a label.
    pub mean_loss: Option<f64>,
    /// Mean pairwise cosine of the attribution maps; [`metrics::coherence`].
    pub coherence: Option<f64>,
    /// Spread in the sliced space as a share of that of all images; [`metrics::compactness`].
    pub compactness: Option<f64>,
    /// Cells of the confusion matrix, the largest first.
    pub confusion: Vec<ConfusionCell>,
    /// Images of each label (−1: unknown).
    pub labels: BTreeMap<i32, usize>,
    /// Images of each predicted class.
    pub predictions: BTreeMap<i32, usize>,
    /// Images of each annotated group, where groups are known. Counted after slicing.
    pub groups: BTreeMap<String, usize>,
    /// Rows nearest to the slice's centre in the sliced space, nearest first; but the very first, which stands for the slice,
    /// is of its most frequent outcome.
    pub typical: Vec<usize>,
    /// Rows with the highest loss, highest first.
    pub worst: Vec<usize>,
    /// Place among the slices in two dimensions; similar slices are near each other.
    pub position: [f64; 2],
}

/// A cell of a confusion matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfusionCell {
    /// Ground truth, −1 where unknown.
    pub label: i32,
    /// What the model said.
    pub predicted_class: i32,
    /// Number of images.
    pub count: usize,
}

impl SliceReport {
    /// The images with a label, and the errors among them.
    pub fn errors(&self) -> Errors {
        let known = self.confusion.iter().filter(|cell| cell.label >= 0);
        known.fold(Errors::default(), |errors, cell| Errors {
            n_wrong: errors.n_wrong + if cell.label == cell.predicted_class { 0 } else { cell.count },
            n: errors.n + cell.count,
        })
    }

    /// Takes down what the test against the rest said.
    pub(super) fn judge(&mut self, q_value: Option<f64>) {
        self.q_value = q_value;
        self.evidence = Evidence::of(q_value);
        self.needs_verdict = self.evidence == Evidence::Clear && self.gap.is_some_and(|gap| gap <= -VERDICT_GAP);
    }
}

/// What a report is made from.
pub(super) struct Source<'a> {
    pub table: &'a ScanTable,
    /// Scan row of each row of `sliced`.
    pub rows: &'a [usize],
    /// `[m, d]`, the vectors that were sliced.
    pub sliced: &'a Tensor,
    /// Accuracy of the whole scan, NaN without labels.
    pub accuracy: f64,
}

impl Source<'_> {
    /// The report of the members, given as rows of `sliced` (at least one).
    pub(super) fn report(&self, id: i32, members: &[usize]) -> SliceReport {
        let table = self.table;
        let rows: Vec<usize> = members.iter().map(|&member| self.rows[member]).collect();
        let pick = |values: &[i32]| -> Vec<i32> { rows.iter().map(|&row| values[row]).collect() };
        let (labels, predictions) = (pick(&table.labels), pick(&table.predicted_classes));

        let accuracy = known(metrics::accuracy(&labels, &predictions));
        let gap = accuracy.map(|accuracy| accuracy - self.accuracy);
        let n_known = labels.iter().filter(|&&label| label >= 0).count();
        let n_right = labels.iter().zip(&predictions).filter(|(label, class)| **label >= 0 && label == class).count();
        let interval = accuracy.map(|_| metrics::wilson_interval(n_right, n_known).into());
        let losses = rows.iter().map(|&row| f64::from(table.losses[row])).filter(|loss| loss.is_finite());
        let confusion = confusion(&labels, &predictions);

        SliceReport {
            id,
            size: rows.len(),
            accuracy,
            gap,
            interval,
            q_value: None,
            evidence: Evidence::Unknown,
            needs_verdict: false,
            mean_confidence: mean(rows.iter().map(|&row| table.confidences[row].into())),
            mean_loss: known(mean(losses)),
            coherence: known(metrics::coherence(rows.iter().map(|&row| table.maps.row(row)))),
            compactness: known(metrics::compactness(self.sliced.view(), members)),
            labels: counts(labels.iter().copied()),
            predictions: counts(predictions.iter().copied()),
            groups: counts(rows.iter().filter_map(|&row| table.group(row))),
            typical: self.typical(members, confusion.first()),
            confusion,
            worst: self.worst(&rows),
            position: [0.0; 2],
        }
    }

    /// The mean of the members in the sliced space.
    pub(super) fn centre(&self, members: &[usize]) -> Vec<f64> {
        let mut centre = vec![0.0; self.sliced.view().row_len()];
        for &member in members {
            centre.iter_mut().zip(self.sliced.row(member)).for_each(|(c, &v)| *c += f64::from(v));
        }
        centre.iter_mut().for_each(|c| *c /= members.len() as f64);
        centre
    }

    fn typical(&self, members: &[usize], most: Option<&ConfusionCell>) -> Vec<usize> {
        let centre = self.centre(members);
        let distance = |member: usize| -> f64 {
            centre.iter().zip(self.sliced.row(member)).map(|(c, &v)| (c - f64::from(v)).powi(2)).sum()
        };
        let mut keyed: Vec<(f64, usize)> =
            members.iter().map(|&member| (distance(member), self.rows[member])).collect();
        let (labels, predictions) = (&self.table.labels, &self.table.predicted_classes);
        let of_most =
            |row: usize| most.is_some_and(|cell| (cell.label, cell.predicted_class) == (labels[row], predictions[row]));
        let hero = (0..keyed.len()).filter(|&i| of_most(keyed[i].1)).min_by(|&a, &b| keyed[a].0.total_cmp(&keyed[b].0));
        if let Some(hero) = hero {
            keyed[hero].0 = f64::NEG_INFINITY;
        }
        first(keyed)
    }

    fn worst(&self, rows: &[usize]) -> Vec<usize> {
        let losses = rows.iter().map(|&row| (-f64::from(self.table.losses[row]), row));
        first(losses.filter(|(loss, _)| !loss.is_nan()).collect())
    }
}

/// Rows of the smallest keys; ties in the order of rows.
fn first(mut keyed: Vec<(f64, usize)>) -> Vec<usize> {
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    keyed.into_iter().take(N_MEMBERS).map(|(_, row)| row).collect()
}

fn known(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0usize), |(sum, n), v| (sum + v, n + 1));
    sum / n as f64
}

fn counts<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    keys.for_each(|key| *counts.entry(key).or_insert(0) += 1);
    counts
}

fn confusion(labels: &[i32], predictions: &[i32]) -> Vec<ConfusionCell> {
    let cells = counts(labels.iter().copied().zip(predictions.iter().copied()));
    let mut cells: Vec<ConfusionCell> = cells
        .into_iter()
        .map(|((label, predicted_class), count)| ConfusionCell { label, predicted_class, count })
        .collect();
    cells.sort_by_key(|cell| std::cmp::Reverse(cell.count));
    cells
}
