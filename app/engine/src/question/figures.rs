//! How good answers are, where accuracy does not say it: several classes in an image, and quantities.

use ascan_core::metrics::average_precision;
use serde::Serialize;

/// How well a class is found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassFigures {
    /// The class.
    pub name: String,
    /// Images that have it.
    pub n_present: usize,
    /// Images of which the model says so.
    pub n_predicted: usize,
    /// Of the ranking by probability; `None` where no image has the class.
    pub average_precision: Option<f64>,
    /// Share of the predictions that are right; 0 where there is none.
    pub precision: f64,
    /// Share of the images with the class that are found; 0 where there is none.
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
}

/// How well a quantity is met.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuantityFigures {
    /// Images with a label.
    pub n: usize,
    /// Mean of `|ŷ − y|`.
    pub mean_absolute_error: f64,
    /// Root of the mean of `(ŷ − y)²`.
    pub root_mean_squared_error: f64,
    /// `1 − Σ(ŷ − y)² / Σ(y − mean y)²`: 1 is perfect, 0 as good as the mean of the labels; `None` where labels do not differ.
    pub r2: Option<f64>,
}

/// Figures of each class.
///
/// # Shapes
/// - `truth`: `[n, k]` of 1, 0 and NaN (unknown); `probs`: `[n, k]`; `k` the number of names
pub fn figures_of_classes(names: &[String], truth: &[f32], probs: &[f32], threshold: f32) -> Vec<ClassFigures> {
    let k = names.len().max(1);
    let of_class = |(class, name): (usize, &String)| {
        let column = |values: &[f32]| values.iter().skip(class).step_by(k).copied().collect::<Vec<f32>>();
        let known =
            column(truth).into_iter().zip(column(probs)).filter(|(truth, prob)| !truth.is_nan() && !prob.is_nan());
        let (present, probs): (Vec<bool>, Vec<f32>) = known.map(|(truth, prob)| (truth > 0.5, prob)).unzip();
        let n_present = present.iter().filter(|&&present| present).count();
        let n_predicted = probs.iter().filter(|&&prob| prob >= threshold).count();
        let n_right = present.iter().zip(&probs).filter(|(present, prob)| **present && **prob >= threshold).count();
        let share = |n: usize| if n > 0 { n_right as f64 / n as f64 } else { 0.0 };
        let both = n_present + n_predicted;
        ClassFigures {
            name: name.clone(),
            n_present,
            n_predicted,
            average_precision: (n_present > 0).then(|| average_precision(&probs, &present)),
            precision: share(n_predicted),
            recall: share(n_present),
            f1: if both > 0 { 2.0 * n_right as f64 / both as f64 } else { 0.0 },
        }
    };
    names.iter().enumerate().map(of_class).collect()
}

/// Figures of a quantity; `None` without a label.
///
/// # Shapes
/// `truth`, `values`: `[n]`, NaN where unknown
pub fn figures_of_quantity(truth: &[f32], values: &[f32]) -> Option<QuantityFigures> {
    let known: Vec<(f64, f64)> = truth
        .iter()
        .zip(values)
        .filter(|(truth, value)| !truth.is_nan() && !value.is_nan())
        .map(|(&truth, &value)| (f64::from(truth), f64::from(value)))
        .collect();
    let n = known.len() as f64;
    let mean = known.iter().map(|(truth, _)| truth).sum::<f64>() / n;
    let spread: f64 = known.iter().map(|(truth, _)| (truth - mean).powi(2)).sum();
    let squares: f64 = known.iter().map(|(truth, value)| (value - truth).powi(2)).sum();
    (!known.is_empty()).then(|| QuantityFigures {
        n: known.len(),
        mean_absolute_error: known.iter().map(|(truth, value)| (value - truth).abs()).sum::<f64>() / n,
        root_mean_squared_error: (squares / n).sqrt(),
        r2: (spread > 0.0).then(|| 1.0 - squares / spread),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn figures_of_classes_are_those_of_scikit_learn() {
        // scikit-learn 1.9.1: average_precision_score, precision_score, recall_score, f1_score at 0.5 of
        // y = [1, 0, 1, 1, 0, 0], p = [.9, .8, .6, .3, .2, .6]
        let truth = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, f32::NAN];
        let probs = [0.9, 0.1, 0.8, 0.1, 0.6, 0.1, 0.3, 0.1, 0.2, 0.1, 0.6, 0.9];
        let found = figures_of_classes(&["a".into(), "b".into()], &truth, &probs, 0.5);
        assert!(close(found[0].average_precision.unwrap(), 0.7), "{found:?}");
        assert!(close(found[0].precision, 0.5) && close(found[0].recall, 2.0 / 3.0) && close(found[0].f1, 4.0 / 7.0));
        assert_eq!((found[1].n_present, found[1].n_predicted, found[1].average_precision), (0, 0, None));
        assert_eq!((found[1].precision, found[1].f1), (0.0, 0.0));
    }

    #[test]
    fn figures_of_quantities_are_those_of_scikit_learn() {
        // scikit-learn 1.9.1: mean_absolute_error, mean_squared_error and r2_score of y = [3, -0.5, 2, 7], ŷ = [2.5, 0, 2, 8]
        let found = figures_of_quantity(&[3.0, -0.5, 2.0, 7.0, f32::NAN], &[2.5, 0.0, 2.0, 8.0, 1.0]).unwrap();
        assert!(close(found.mean_absolute_error, 0.5) && close(found.root_mean_squared_error, 0.375f64.sqrt()));
        assert!(close(found.r2.unwrap(), 0.948_608_137), "{found:?}");
        assert_eq!(figures_of_quantity(&[f32::NAN], &[1.0]), None);
        assert_eq!(figures_of_quantity(&[1.0, 1.0], &[1.0, 2.0]).unwrap().r2, None);
    }
}
