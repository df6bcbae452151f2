//! Whether the labels of a data set and the outputs of a model are in the same order.

use ascan_core::metrics::wilson_interval;
use pathfinding::kuhn_munkres::kuhn_munkres;
use pathfinding::matrix::Matrix;
use std::collections::BTreeMap;

/// Another assignment of labels to outputs has to be better by this much to be worth a word.
const CLEARLY: f64 = 0.1;
/// Fewer labelled images than this show no order.
const MIN_IMAGES: usize = 20;
/// A model that is right this often has its labels in order.
const IN_ORDER: f64 = 0.8;

/// What another assignment of labels to outputs makes of the same predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct Relabelling {
    /// Labelled images that were looked at.
    pub n: usize,
    /// Share that is right as the labels are read now.
    pub now: f64,
    /// Share that is right with the best one-to-one assignment, on images other than those that chose it.
    pub best: f64,
    /// Labels that would mean another output: `(now, then)`, by the first.
    pub moves: Vec<(i32, i32)>,
}

/// A clearly better assignment of labels to outputs, if there is one.
///
/// With many classes and few images some assignment always fits better by chance. So half of the images of each label
/// choose it, and the other half says how good it is, both ways around; and the intervals of both shares must not meet.
///
/// # Shapes
/// - `labels`, `predictions`: `[n]` output indices; −1 where there is none
///
/// # Source
/// Kuhn 1955, "The Hungarian method for the assignment problem".
pub fn relabelling(labels: &[i32], predictions: &[i32], n_outputs: usize) -> Option<Relabelling> {
    let known: Vec<(i32, i32)> = labels
        .iter()
        .copied()
        .zip(predictions.iter().copied())
        .filter(|&(label, found)| label >= 0 && found >= 0)
        .collect();
    let n = known.len();
    let right = known.iter().filter(|(label, found)| label == found).count();
    let now = right as f64 / n.max(1) as f64;
    if n < MIN_IMAGES || now >= IN_ORDER {
        return None;
    }
    let mut halves = [Vec::new(), Vec::new()];
    let mut seen: BTreeMap<i32, usize> = BTreeMap::new();
    for &pair in &known {
        let count = seen.entry(pair.0).or_default();
        halves[*count % 2].push(pair);
        *count += 1;
    }
    let right_with = |chosen_on: &[(i32, i32)], on: &[(i32, i32)]| {
        let outputs = assignment(chosen_on, n_outputs);
        on.iter().filter(|(label, found)| outputs.get(label).unwrap_or(label) == found).count()
    };
    let [a, b] = &halves;
    let n_best = right_with(a, b) + right_with(b, a);
    let best = n_best as f64 / n as f64;
    let apart = wilson_interval(n_best, n).0 > wilson_interval(right, n).1;
    (best >= now + CLEARLY && apart).then(|| {
        let moves = assignment(&known, n_outputs).into_iter().filter(|(label, output)| label != output).collect();
        Relabelling { n, now, best, moves }
    })
}

/// The one-to-one assignment of labels to outputs under which most predictions are right. A label that no image was
/// taken for keeps its output where that is free.
fn assignment(pairs: &[(i32, i32)], n_outputs: usize) -> BTreeMap<i32, i32> {
    let mut counts: BTreeMap<i32, BTreeMap<i32, i64>> = BTreeMap::new();
    for &(label, found) in pairs {
        *counts.entry(label).or_default().entry(found).or_default() += 1;
    }
    let labels: Vec<i32> = counts.keys().copied().collect();
    if labels.is_empty() || labels.len() > n_outputs {
        return BTreeMap::new();
    }
    let mut weights = Matrix::new(labels.len(), n_outputs, 0i64);
    for (row, label) in labels.iter().enumerate() {
        for (&found, &n) in &counts[label] {
            if let Ok(column) = usize::try_from(found) {
                weights[(row, column)] += 2 * n;
            }
        }
        if let Ok(column) = usize::try_from(*label) {
            // Between equally good assignments the present one.
            weights[(row, column)] += 1;
        }
    }
    let (_, columns) = kuhn_munkres(&weights);
    labels.into_iter().zip(columns).map(|(label, column)| (label, column as i32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` images of each of `k` classes, right in nine of ten, with outputs in this order.
    fn predictions(k: i32, n: usize, output: impl Fn(i32) -> i32) -> (Vec<i32>, Vec<i32>) {
        let rows = (0..k).flat_map(|label| (0..n).map(move |i| (label, i)));
        rows.map(|(label, i)| (label, if i % 10 == 9 { output((label + 1) % k) } else { output(label) })).unzip()
    }

    #[test]
    fn another_order_is_found_and_named() {
        // Folders 0, 1, 10, 11, 2, … sorted as text.
        let mut names: Vec<String> = (0..12).map(|i| i.to_string()).collect();
        names.sort();
        let (labels, found) = predictions(12, 20, |label| names[label as usize].parse().unwrap());
        let better = relabelling(&labels, &found, 12).unwrap();
        assert!(better.now < 0.3 && better.best > 0.85, "{better:?}");
        assert_eq!(better.moves.first(), Some(&(2, 10)));
    }

    #[test]
    fn the_right_order_and_a_poor_model_are_left_alone() {
        let (labels, found) = predictions(5, 20, |label| label);
        assert_eq!(relabelling(&labels, &found, 5), None);
        // Chance: no assignment holds on the other half.
        let labels: Vec<i32> = (0..400).map(|i| i % 50).collect();
        let found: Vec<i32> = (0..400).map(|i: i32| (i.wrapping_mul(7919) ^ (i / 7 * 31)).rem_euclid(50)).collect();
        assert_eq!(relabelling(&labels, &found, 50), None);
        assert_eq!(relabelling(&[0, 1], &[1, 0], 2), None, "two images show nothing");
    }
}
