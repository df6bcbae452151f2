//! Ridge classifier: the class of a row by a linear function of its values, in closed form.

use ascan_core::{Error, Result};
use faer::linalg::matmul::matmul;
use faer::linalg::solvers::Solve;
use faer::{Accum, Mat, MatRef, Par, Side};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;

/// Rows whose products are summed at once.
const BLOCK: usize = 2048;

/// Added to a column's deviation: a constant column then counts for nothing.
const TINY: f64 = 1e-6;

/// One linear function per class, fitted to +1 for its rows and −1 for all others by least squares. Columns are
/// standardised, and each class counts as much as any other.
#[derive(Debug, Clone)]
pub struct Ridge {
    /// `[d]`
    mean: Vec<f64>,
    /// `[d]`
    deviation: Vec<f64>,
    /// `[d, n_classes]`
    weights: Mat<f64>,
    /// `[n_classes]`
    bias: Vec<f64>,
}

impl Ridge {
    /// Fits `rows` with their labels. The penalty on the weights is `shrinkage` times the mean eigenvalue of the rows'
    /// covariance: it has no unit.
    ///
    /// # Shapes
    /// `rows`: `[n][d]`; `labels`: `[n]`, each below `n_classes`
    ///
    /// # Errors
    /// `Shape` without rows; `NotFinite` for rows that are no numbers.
    pub fn fit(rows: &[&[f32]], labels: &[usize], n_classes: usize, shrinkage: f64) -> Result<Self> {
        let (n, d) = (rows.len(), rows.first().map_or(0, |row| row.len()));
        if n == 0 || d == 0 {
            return Err(Error::shape("rows of a ridge classifier", "at least one", [n, d]));
        }
        let mut counts = vec![0usize; n_classes];
        labels.iter().for_each(|&label| counts[label] += 1);
        let n_present = counts.iter().filter(|&&count| count > 0).count();
        // Weights that sum to 1, each class to the same share.
        let weight = |at: usize| 1.0 / (n_present * counts[labels[at]]) as f64;
        let (mean, deviation) = standard(rows, &weight);

        let (mut products, mut targets) = (Mat::<f64>::zeros(d, d), Mat::<f64>::zeros(d, n_classes));
        let bias: Vec<f64> =
            counts.iter().map(|&count| if count > 0 { 2.0 / n_present as f64 - 1.0 } else { -1.0 }).collect();
        for start in (0..n).step_by(BLOCK) {
            let block = start..(start + BLOCK).min(n);
            let x = Mat::from_fn(block.len(), d, |i, j| {
                let at = start + i;
                (f64::from(rows[at][j]) - mean[j]) / deviation[j] * weight(at).sqrt()
            });
            let y = Mat::from_fn(block.len(), n_classes, |i, class| {
                let at = start + i;
                let target = if labels[at] == class { 1.0 } else { -1.0 };
                (target - bias[class]) * weight(at).sqrt()
            });
            matmul(products.as_mut(), Accum::Add, x.transpose(), x.as_ref(), 1.0, Par::Seq);
            matmul(targets.as_mut(), Accum::Add, x.transpose(), y.as_ref(), 1.0, Par::Seq);
        }
        let trace: f64 = (0..d).map(|j| products[(j, j)]).sum();
        let penalty = (shrinkage * trace / d as f64).max(TINY);
        (0..d).for_each(|j| products[(j, j)] += penalty);
        let not_finite = |_| Error::NotFinite { what: "the covariance of the rows of a ridge classifier".into() };
        let weights = products.llt(Side::Lower).map_err(not_finite)?.solve(targets.as_ref());
        Ok(Self { mean, deviation, weights, bias })
    }

    /// The class whose function is the largest.
    pub fn class(&self, row: &[f32]) -> usize {
        let d = self.mean.len();
        let x: Vec<f64> = (0..d).map(|j| (f64::from(row[j]) - self.mean[j]) / self.deviation[j]).collect();
        let x = MatRef::from_row_major_slice(&x, 1, d);
        let mut values = Mat::<f64>::zeros(1, self.bias.len());
        matmul(values.as_mut(), Accum::Replace, x, self.weights.as_ref(), 1.0, Par::Seq);
        let value = |class: usize| values[(0, class)] + self.bias[class];
        (0..self.bias.len()).reduce(|best, class| if value(class) > value(best) { class } else { best }).unwrap_or(0)
    }
}

/// Weighted mean and deviation of each column.
fn standard(rows: &[&[f32]], weight: &dyn Fn(usize) -> f64) -> (Vec<f64>, Vec<f64>) {
    let d = rows[0].len();
    let (mut mean, mut square) = (vec![0.0; d], vec![0.0; d]);
    for (at, row) in rows.iter().enumerate() {
        let weight = weight(at);
        for (j, &value) in row.iter().enumerate() {
            mean[j] += weight * f64::from(value);
            square[j] += weight * f64::from(value) * f64::from(value);
        }
    }
    let deviation = mean.iter().zip(&square).map(|(mean, square)| (square - mean * mean).max(0.0).sqrt() + TINY);
    let deviation = deviation.collect();
    (mean, deviation)
}

/// The class of each row as the rows of other folds see it: no row is judged by a function that has seen its label.
///
/// # Shapes
/// `rows`: `[n][d]`; `labels`: `[n]`; returns `[n]`
///
/// # Errors
/// As [`Ridge::fit`]; whatever `progress` says, given the folds that are done.
pub fn cross_fitted(
    rows: &[&[f32]],
    labels: &[usize],
    n_classes: usize,
    shrinkage: f64,
    (n_folds, seed): (usize, u64),
    progress: impl Fn(usize) -> Result<()>,
) -> Result<Vec<usize>> {
    // Folds hold the same share of each class.
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
    order.sort_by_key(|&at| labels[at]);
    let mut fold = vec![0; rows.len()];
    order.iter().enumerate().for_each(|(place, &at)| fold[at] = place % n_folds);
    let mut classes = vec![0; rows.len()];
    for held_out in 0..n_folds {
        progress(held_out)?;
        let others: Vec<usize> = (0..rows.len()).filter(|&at| fold[at] != held_out).collect();
        let own: Vec<&[f32]> = others.iter().map(|&at| rows[at]).collect();
        let own_labels: Vec<usize> = others.iter().map(|&at| labels[at]).collect();
        let ridge = Ridge::fit(&own, &own_labels, n_classes, shrinkage)?;
        (0..rows.len()).filter(|&at| fold[at] == held_out).for_each(|at| classes[at] = ridge.class(rows[at]));
    }
    Ok(classes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    /// Two classes on either side of a line, the second ten times as rare, and a constant column.
    fn rows(n: usize) -> (Vec<Vec<f32>>, Vec<usize>) {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let labels: Vec<usize> = (0..n).map(|i| usize::from(i % 11 == 0)).collect();
        let row = |&label: &usize| {
            let (a, b): (f32, f32) = (rng.random(), rng.random());
            vec![100.0 * a, b + label as f32 * 1.2, 3.0]
        };
        (labels.iter().map(row).collect(), labels)
    }

    #[test]
    fn finds_the_column_that_tells_classes_apart() {
        let (rows, labels) = rows(330);
        let slices: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let ridge = Ridge::fit(&slices, &labels, 2, 0.1).unwrap();
        let n_right = slices.iter().zip(&labels).filter(|(row, label)| ridge.class(row) == **label).count();
        assert_eq!(n_right, 330);
        assert_eq!((ridge.class(&[50.0, 0.2, 3.0]), ridge.class(&[50.0, 2.0, 3.0])), (0, 1));
        let crossed = cross_fitted(&slices, &labels, 2, 0.1, (5, 0), |_| Ok(())).unwrap();
        assert!(crossed.iter().zip(&labels).filter(|(a, b)| a == b).count() >= 328);
    }

    #[test]
    fn labels_by_lot_are_not_found_in_other_folds() {
        let (rows, _) = rows(400);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let labels: Vec<usize> = (0..400).map(|_| usize::from(rng.random::<bool>())).collect();
        let slices: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let crossed = cross_fitted(&slices, &labels, 2, 0.1, (5, 0), |_| Ok(())).unwrap();
        let share = crossed.iter().zip(&labels).filter(|(a, b)| a == b).count() as f64 / 400.0;
        assert!((share - 0.5).abs() < 0.1, "{share}");
    }

    #[test]
    fn nothing_to_fit_is_an_error() {
        assert!(Ridge::fit(&[], &[], 2, 1.0).is_err());
        assert!(Ridge::fit(&[&[f32::NAN], &[1.0]], &[0, 1], 2, 1.0).is_err());
    }
}
