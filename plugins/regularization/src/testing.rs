//! Training sets for the tests of several methods.

use ascan_core::TrainingSet;
use std::collections::BTreeMap;

/// A set of which these columns are known.
pub fn set<'a>(labels: &'a [usize], groups: &'a [i32], predicted: &'a [i32]) -> TrainingSet<'a> {
    TrainingSet { groups: Some(groups), predicted_classes: Some(predicted), ..TrainingSet::new(labels) }
}

const LABELS: [usize; 10] = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1];
const GROUPS: [i32; 10] = [0, 0, 0, 0, 1, 1, 0, 0, 0, 1];

/// Ten images of two labels and two groups, in cells of 4, 2, 3 and 1.
pub fn ten_images(epoch: u64) -> TrainingSet<'static> {
    TrainingSet {
        spuriousness: Some(&[0.9, 0.1, 0.1, 0.1, 0.1, 0.9, 0.2, 0.3, f32::NAN, 0.4]),
        groups: Some(&GROUPS),
        corrected_labels: Some(&[1, 0, 0, 0, 0, -1, 1, 1, 1, 1]),
        epoch,
        ..TrainingSet::new(&LABELS)
    }
}

/// Rows of [`ten_images`] per (label, group) cell.
pub fn counts(rows: &[usize]) -> BTreeMap<(usize, i32), usize> {
    let mut counts = BTreeMap::new();
    rows.iter().for_each(|&row| *counts.entry((LABELS[row], GROUPS[row])).or_default() += 1);
    counts
}
