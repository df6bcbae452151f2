//! How well the slices of a fitted model answer to known ones.

use ascan_core::{SliceTable, Tensor, metrics, slicer};
use ascan_engine::slices::VERDICT_GAP;
use serde::{Deserialize, Serialize};

/// Precision@10 from which a planted slice counts as found, as in Domino (Eyuboglu et al. 2022).
pub const FOUND: f64 = 0.8;
/// Of a discovery, at least this share of its first 25 images belongs to one known slice.
const TRUE_DISCOVERY: f64 = 0.5;

/// How well a known slice was found: for each figure, that of the best predicted slice on the scored table.
///
/// The best of many is never 0: `random` shows what luck gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The known slice.
    pub slice: String,
    /// Its images in the scored table.
    pub size: usize,
    /// [`metrics::precision_at_scores`] of the 10 images with the largest membership.
    pub precision_at_10: f64,
    /// Of the 25.
    pub precision_at_25: f64,
    /// [`metrics::average_precision`]
    pub average_precision: f64,
}

/// What a model's slices are worth on one table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// One for each known slice that has an image.
    pub found: Vec<Found>,
    /// Slices that the model gives.
    pub n_slices: usize,
    /// Slices that look clearly worse than the whole on the table that was fitted to.
    pub n_flagged: usize,
    /// Those of them that hold none of the known slices.
    pub n_false: usize,
    /// Agreement of the assignment with the known partition.
    pub nmi: f64,
    /// The same, by pairs.
    pub ari: f64,
    /// How far each slice holds images of one part only.
    pub homogeneity: f64,
}

/// Known slices of the scored table, and a part for each of its images.
pub struct Truth<'a> {
    /// Name and members.
    pub slices: &'a [(String, Vec<bool>)],
    /// Part of each image, for the agreement of partitions.
    pub parts: &'a [i32],
}

/// Scores memberships of the fitted and of the scored table.
pub fn score(fit: (&SliceTable, &Tensor), test: &Tensor, truth: &Truth) -> Score {
    let columns = columns(test);
    let found = truth.slices.iter().filter(|(_, members)| members.contains(&true)).map(|(name, members)| {
        let best = |figure: &dyn Fn(&[f32]) -> f64| columns.iter().map(|column| figure(column)).fold(0.0, f64::max);
        Found {
            slice: name.clone(),
            size: members.iter().filter(|&&is| is).count(),
            precision_at_10: best(&|column| metrics::precision_at_scores(column, members, 10)),
            precision_at_25: best(&|column| metrics::precision_at_scores(column, members, 25)),
            average_precision: best(&|column| metrics::average_precision(column, members)),
        }
    });
    let flagged = flagged(fit.0, fit.1);
    let is_true = |&slice: &usize| {
        let precision = |(_, members): &(String, Vec<bool>)| metrics::precision_at_scores(&columns[slice], members, 25);
        truth.slices.iter().map(precision).fold(0.0, f64::max) >= TRUE_DISCOVERY
    };
    let assignment = slicer::assignment(test);
    Score {
        found: found.collect(),
        n_slices: columns.len(),
        n_flagged: flagged.len(),
        n_false: flagged.iter().filter(|slice| !is_true(slice)).count(),
        nmi: metrics::nmi(&assignment, truth.parts),
        ari: metrics::ari(&assignment, truth.parts),
        homogeneity: metrics::homogeneity(truth.parts, &assignment),
    }
}

/// `[n]` of each slice.
fn columns(membership: &Tensor) -> Vec<Vec<f32>> {
    let n_slices = membership.view().row_len();
    (0..n_slices).map(|slice| membership.data().iter().skip(slice).step_by(n_slices).copied().collect()).collect()
}

/// Slices whose accuracy is clearly below the overall one: what a report would call for a verdict on.
fn flagged(table: &SliceTable, membership: &Tensor) -> Vec<usize> {
    let overall = metrics::accuracy(table.labels, table.predicted_classes);
    let mut counts = vec![(0, 0); membership.view().row_len()];
    for (i, slice) in slicer::assignment(membership).into_iter().enumerate() {
        if let Some((right, n)) = usize::try_from(slice).ok().and_then(|slice| counts.get_mut(slice))
            && table.labels[i] >= 0
        {
            *n += 1;
            *right += usize::from(table.labels[i] == table.predicted_classes[i]);
        }
    }
    let clearly_worse = |&(right, n): &(usize, usize)| {
        n > 0 && right as f64 / n as f64 - overall <= -VERDICT_GAP && metrics::wilson_interval(right, n).1 < overall
    };
    (0..counts.len()).filter(|&slice| clearly_worse(&counts[slice])).collect()
}

/// The planted slice of each image, counted from 0; −1 where nothing was planted.
pub fn parts_of(slices: &[(String, Vec<bool>)], n: usize) -> Vec<i32> {
    (0..n).map(|row| slices.iter().position(|(_, members)| members[row]).map_or(-1, |slice| slice as i32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planted::{Planted, PlantedKind, tables};
    use ascan_config::bench::PlantedSection;

    /// A model that knows the planted slices, and one that knows nothing.
    #[test]
    fn the_truth_scores_one_and_a_constant_the_share_of_the_slice() {
        let planted = Planted { kind: PlantedKind::Correlation, strength: 0.5, seed: 0 };
        let [fit, test] = tables(planted, &PlantedSection::default());
        let n = test.input.rows.len();
        let parts = parts_of(&test.slices, n);
        let truth = Truth { slices: &test.slices, parts: &parts };
        let one_hot = |parts: &[i32]| slicer::one_hot(parts.iter().map(|&part| Some((part + 1) as usize)), 3);
        let view = fit.input.table(&fit.input.embeddings);

        let perfect = score((&view, &one_hot(&parts_of(&fit.slices, n))), &one_hot(&parts), &truth);
        assert_eq!((perfect.found.len(), perfect.n_slices, perfect.n_flagged, perfect.n_false), (2, 3, 2, 0));
        for found in &perfect.found {
            assert_eq!([found.precision_at_10, found.precision_at_25], [1.0; 2]);
            assert!((found.average_precision - 1.0).abs() < 1e-9);
        }
        assert!((perfect.nmi - 1.0).abs() < 1e-9 && (perfect.ari - 1.0).abs() < 1e-9);

        let constant = slicer::one_hot(vec![Some(0); n].into_iter(), 1);
        let blind = score((&view, &constant), &constant, &truth);
        for found in &blind.found {
            let share = found.size as f64 / n as f64;
            assert!((found.precision_at_10 - share).abs() < 1e-9 && (found.average_precision - share).abs() < 1e-9);
        }
        assert!(blind.n_flagged == 0 && blind.nmi < 1e-9, "{blind:?}");
    }

    #[test]
    fn a_flagged_slice_without_a_planted_one_is_a_false_discovery() {
        let planted = Planted { kind: PlantedKind::Rare, strength: 0.1, seed: 0 };
        let [fit, test] = tables(planted, &PlantedSection::default());
        let parts = parts_of(&test.slices, test.input.rows.len());
        let truth = Truth { slices: &test.slices, parts: &parts };
        let errors = |table: &SliceTable| {
            let wrong = table.labels.iter().zip(table.predicted_classes).map(|(a, b)| Some(usize::from(a != b)));
            slicer::one_hot(wrong, 2)
        };
        let (fit, test) = (fit.input.table(&fit.input.embeddings), test.input.table(&test.input.embeddings));
        let found = score((&fit, &errors(&fit)), &errors(&test), &truth);
        // All errors as one slice: clearly worse, and most of it lies elsewhere.
        assert_eq!((found.n_flagged, found.n_false), (1, 1));
    }
}
