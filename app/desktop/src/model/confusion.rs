//! The confusion matrix: every image in the cell of its label and its prediction.

use ascan_store::table::ScanTable;
use std::collections::BTreeMap;

/// More classes than this are folded: the rest is one row and one column.
pub const MAX_CLASSES: usize = 24;
/// Confused pairs that are listed.
const N_PAIRS: usize = 200;

/// Counts of images by label and prediction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matrix {
    /// Classes with a row and a column of their own, by index; where some are folded, those with most errors.
    pub classes: Vec<i32>,
    /// Classes that are folded into one, the last row and column.
    pub n_folded: usize,
    /// `[rows, rows]`: images of each label and prediction, both in the order of `classes`.
    pub counts: Vec<Vec<usize>>,
    /// Label, prediction and images of the pairs that are confused, the most frequent first.
    pub pairs: Vec<(i32, i32, usize)>,
    /// Images without a label, which have no row.
    pub n_unlabelled: usize,
}

impl Matrix {
    /// Of a scan.
    pub fn of(table: &ScanTable) -> Self {
        let mut cells: BTreeMap<(i32, i32), usize> = BTreeMap::new();
        let mut n_unlabelled = 0;
        for row in (0..table.n()).filter(|&row| table.errors[row].is_none()) {
            match table.labels[row] {
                -1 => n_unlabelled += 1,
                label => *cells.entry((label, table.predicted_classes[row])).or_default() += 1,
            }
        }
        // Of each class: errors that it takes part in, and images.
        let mut of_class: BTreeMap<i32, (usize, usize)> = BTreeMap::new();
        for (&(label, predicted), &n) in &cells {
            let n_wrong = if label == predicted { 0 } else { n };
            let of_label = of_class.entry(label).or_default();
            *of_label = (of_label.0 + n_wrong, of_label.1 + n);
            let of_predicted = of_class.entry(predicted).or_default();
            of_predicted.0 += n_wrong;
        }
        let mut classes: Vec<i32> = of_class.keys().copied().collect();
        let mut n_folded = 0;
        if classes.len() > MAX_CLASSES {
            classes.sort_by_key(|class| (std::cmp::Reverse(of_class[class]), *class));
            n_folded = classes.len() - (MAX_CLASSES - 1);
            classes.truncate(MAX_CLASSES - 1);
            classes.sort_unstable();
        }
        let n_rows = classes.len() + usize::from(n_folded > 0);
        let place = |class: i32| classes.binary_search(&class).unwrap_or(classes.len());
        let mut counts = vec![vec![0; n_rows]; n_rows];
        cells.iter().for_each(|(&(label, predicted), &n)| counts[place(label)][place(predicted)] += n);
        let wrong = cells.into_iter().filter(|((label, predicted), _)| label != predicted);
        let mut pairs: Vec<(i32, i32, usize)> = wrong.map(|((label, predicted), n)| (label, predicted, n)).collect();
        pairs.sort_by_key(|&(label, predicted, n)| (std::cmp::Reverse(n), label, predicted));
        pairs.truncate(N_PAIRS);
        Self { classes, n_folded, counts, pairs, n_unlabelled }
    }

    /// The class of a row or column; `None` for the folded ones.
    pub fn class(&self, place: usize) -> Option<i32> {
        self.classes.get(place).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(i32, i32)]) -> Matrix {
        let (labels, predicted_classes): (Vec<i32>, Vec<i32>) = pairs.iter().copied().unzip();
        let n = pairs.len();
        Matrix::of(&ScanTable {
            uris: vec![String::new(); n],
            errors: vec![None; n],
            labels,
            predicted_classes,
            ..ScanTable::default()
        })
    }

    #[test]
    fn every_image_is_in_its_cell() {
        let matrix = of(&[(0, 0), (0, 0), (0, 2), (2, 0), (2, 2), (-1, 2), (0, 2)]);
        assert_eq!((matrix.classes, matrix.n_folded, matrix.n_unlabelled), (vec![0, 2], 0, 1));
        assert_eq!(matrix.counts, [[2, 2], [1, 1]]);
        assert_eq!(matrix.pairs, [(0, 2, 2), (2, 0, 1)]);
    }

    #[test]
    fn many_classes_fold_into_those_with_errors_and_a_rest() {
        let mut pairs: Vec<(i32, i32)> = (0..1000).map(|class| (class, class)).collect();
        pairs.extend([(700, 3), (700, 3), (5, 700)]);
        let matrix = of(&pairs);
        assert_eq!((matrix.counts.len(), matrix.classes.len(), matrix.n_folded), (24, 23, 977));
        let place = |class: i32| matrix.classes.binary_search(&class).unwrap();
        assert_eq!((matrix.counts[place(700)][place(3)], matrix.counts[23][23]), (2, 977));
        assert_eq!(matrix.counts.iter().flatten().sum::<usize>(), 1003);
        assert_eq!(matrix.class(23), None);
    }
}
