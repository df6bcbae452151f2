//! The figures of a comparison.

use super::{MIN_SLICE, Sensitivity};
use ascan_engine::classes::class_name;
use ascan_engine::slices::SliceSet;
use ascan_store::table::ScanTable;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A figure before and after.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Pair {
    /// By the model before.
    pub before: f64,
    /// By the model after.
    pub after: f64,
}

impl Pair {
    /// Both.
    pub fn new(before: f64, after: f64) -> Self {
        Self { before, after }
    }

    /// How much it rose.
    pub fn change(self) -> f64 {
        self.after - self.before
    }
}

/// A class, or a known group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its name, or annotated attributes.
    pub name: String,
    /// Images.
    pub n: usize,
    /// Its share of the training images, where they are known.
    pub training_share: Option<f64>,
    /// Share right.
    pub accuracy: Pair,
}

/// A slice of the scan before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlicePair {
    /// Its number.
    pub id: i32,
    /// Images with a label.
    pub n: usize,
    /// Share right.
    pub accuracy: Pair,
    /// Images that are right only after.
    pub n_fixed: usize,
    /// Images that are right only before.
    pub n_broken: usize,
}

/// Two scans side by side. What is not known is `None`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Comparison {
    /// Images with a label that neither scan failed on.
    pub n: usize,
    /// Mean accuracy.
    pub accuracy: Pair,
    /// Groups weighted by their share of the training images.
    pub training_weighted_accuracy: Option<Pair>,
    /// The worst known group, each time.
    pub worst_group_accuracy: Option<Pair>,
    /// The worst slice, each time.
    pub worst_slice_accuracy: Option<Pair>,
    /// With noise outside the object.
    pub core_accuracy: Option<Pair>,
    /// Relative foreground sensitivity.
    pub rfs: Option<Pair>,
    /// Share of the attribution that lies on the object, mean over images.
    pub energy_in_core: Option<Pair>,
    /// Overlap of attribution and object, mean over images.
    pub aiou: Option<Pair>,
    /// The worst class, each time.
    pub worst_class_accuracy: Option<Pair>,
    /// Images of each class, by their label.
    pub classes: Vec<Group>,
    /// Known groups.
    pub groups: Vec<Group>,
    /// Slices of the scan before, the largest change first.
    pub slices: Vec<SlicePair>,
    /// The slice set.
    pub slice_set: String,
    /// Rows that are right only after.
    pub fixed: Vec<usize>,
    /// Rows that are right only before.
    pub broken: Vec<usize>,
    /// Names of the model's outputs.
    pub class_names: Vec<String>,
    /// What could not be said, and why.
    pub notes: Vec<String>,
}

impl Comparison {
    /// Whether the model after is worse on average, and no better at its worst.
    pub fn is_worse(&self) -> bool {
        self.accuracy.change() < 0.0 && self.worst_slice_accuracy.is_none_or(|pair| pair.change() <= 0.0)
    }

    /// What two tables of the same images say.
    pub(crate) fn of(
        tables: &[ScanTable; 2],
        set: &SliceSet,
        training: Option<&ScanTable>,
        class_names: &[String],
    ) -> Self {
        let is_known =
            |row: &usize| tables[0].labels[*row] >= 0 && tables.iter().all(|table| table.errors[*row].is_none());
        let rows: Vec<usize> = (0..tables[0].n()).filter(is_known).collect();
        let right = |side: usize, row: usize| tables[side].predicted_classes[row] == tables[0].labels[row];
        let share = |side: usize, rows: &[usize]| {
            rows.iter().filter(|&&row| right(side, row)).count() as f64 / rows.len() as f64
        };
        let accuracy = |rows: &[usize]| Pair::new(share(0, rows), share(1, rows));
        let fixed = |rows: &[usize], from: usize| -> Vec<usize> {
            rows.iter().copied().filter(|&row| !right(from, row) && right(1 - from, row)).collect()
        };

        let mut of_group: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for &row in &rows {
            if let Some(group) = tables[0].group(row) {
                of_group.entry(group).or_default().push(row);
            }
        }
        let shares = training.map(training_shares);
        let groups: Vec<Group> = of_group
            .iter()
            .map(|(name, rows)| Group {
                name: name.clone(),
                n: rows.len(),
                training_share: shares.as_ref().map(|shares| shares.get(name).copied().unwrap_or(0.0)),
                accuracy: accuracy(rows),
            })
            .collect();

        let mut of_class: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
        rows.iter().for_each(|&row| of_class.entry(tables[0].labels[row]).or_default().push(row));
        let classes: Vec<Group> = of_class
            .iter()
            .map(|(&class, rows)| Group {
                name: class_name(class_names, class),
                n: rows.len(),
                training_share: None,
                accuracy: accuracy(rows),
            })
            .collect();

        let mut of_slice: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
        for &row in &rows {
            of_slice.entry(set.assignment[row]).or_default().push(row);
        }
        of_slice.retain(|&slice, _| slice >= 0);
        let mut slices: Vec<SlicePair> = of_slice
            .iter()
            .map(|(&id, rows)| SlicePair {
                id,
                n: rows.len(),
                accuracy: accuracy(rows),
                n_fixed: fixed(rows, 0).len(),
                n_broken: fixed(rows, 1).len(),
            })
            .collect();
        slices.sort_by(|a, b| b.accuracy.change().abs().total_cmp(&a.accuracy.change().abs()));
        let large = || slices.iter().filter(|slice| slice.n >= MIN_SLICE).map(|slice| slice.accuracy);
        Self {
            n: rows.len(),
            accuracy: accuracy(&rows),
            training_weighted_accuracy: weighted(&groups),
            worst_class_accuracy: worst(classes.iter().map(|class| class.accuracy)),
            worst_group_accuracy: worst(groups.iter().map(|group| group.accuracy)),
            worst_slice_accuracy: worst(large()),
            fixed: fixed(&rows, 0),
            broken: fixed(&rows, 1),
            slice_set: set.id.clone(),
            class_names: class_names.to_vec(),
            classes,
            groups,
            slices,
            ..Self::default()
        }
    }

    /// What both models do on disturbed images.
    pub(super) fn set_sensitivity(&mut self, before: Sensitivity, after: Sensitivity) {
        self.core_accuracy = Some(Pair::new(before.background_noised, after.background_noised));
        self.rfs = Some(Pair::new(before.rfs(), after.rfs()));
    }
}

/// Share of each known group in the training images.
fn training_shares(table: &ScanTable) -> BTreeMap<String, f64> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for row in table.valid_rows() {
        if let Some(group) = table.group(row) {
            *counts.entry(group).or_default() += 1;
        }
    }
    let n: usize = counts.values().sum();
    counts.into_iter().map(|(name, count)| (name, count as f64 / n as f64)).collect()
}

fn weighted(groups: &[Group]) -> Option<Pair> {
    let total: f64 = groups.iter().map(|group| group.training_share).sum::<Option<f64>>()?;
    let sum = |side: fn(Pair) -> f64| {
        groups.iter().map(|group| group.training_share.unwrap_or(0.0) * side(group.accuracy)).sum::<f64>() / total
    };
    (total > 0.0).then(|| Pair::new(sum(|pair| pair.before), sum(|pair| pair.after)))
}

/// The worst of each side; not of the same one.
fn worst(pairs: impl Iterator<Item = Pair>) -> Option<Pair> {
    pairs.reduce(|a, b| Pair::new(a.before.min(b.before), a.after.min(b.after)))
}
