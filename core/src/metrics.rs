//! Every figure the program reports, defined once.

use crate::TensorView;

/// Share of images whose predicted class is the label; images without a label (−1) do not count.
///
/// NaN if no image has a label.
pub fn accuracy(labels: &[i32], predicted_classes: &[i32]) -> f64 {
    let known = labels.iter().zip(predicted_classes).filter(|(label, _)| **label >= 0);
    let (right, n) = known.fold((0usize, 0usize), |(right, n), (a, b)| (right + usize::from(a == b), n + 1));
    right as f64 / n as f64
}

/// Wilson score interval of a share at 95 %: where the true share plausibly lies.
///
/// `(0, 1)` if `n` is 0. Source: Wilson 1927.
pub fn wilson_interval(n_right: usize, n: usize) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    const Z: f64 = 1.959_963_984_540_054;
    let (n, p) = (n as f64, n_right as f64 / n as f64);
    let denominator = 1.0 + Z * Z / n;
    let centre = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    (((centre - half) / denominator).max(0.0), ((centre + half) / denominator).min(1.0))
}

/// How much the attribution maps of a set agree: their mean pairwise cosine, in [0, 1] for maps ≥ 0.
///
/// With `u` the L2-normalised maps, `Σ_{i≠j} uᵢ·uⱼ = ‖Σ uᵢ‖² − n`, so no pair is visited.
/// Empty maps are left out. NaN for fewer than two maps.
///
/// # Shapes
/// `maps`: rows of `[n, h, w]`.
pub fn coherence<'a>(maps: impl Iterator<Item = &'a [f32]>) -> f64 {
    let mut sum: Vec<f64> = Vec::new();
    let mut n = 0usize;
    for map in maps {
        let norm = map.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        if norm == 0.0 || !norm.is_finite() {
            continue;
        }
        sum.resize(map.len(), 0.0);
        sum.iter_mut().zip(map).for_each(|(s, &v)| *s += f64::from(v) / norm);
        n += 1;
    }
    if n < 2 {
        return f64::NAN;
    }
    let n = n as f64;
    let squared = sum.iter().map(|s| s * s).sum::<f64>();
    ((squared - n) / (n * (n - 1.0))).clamp(-1.0, 1.0)
}

/// How tightly a set of embeddings lies around its mean: the mean squared distance to it,
/// as a share of that of all images; lower is tighter, 1 is no tighter than the whole.
///
/// # Shapes
/// `embeddings`: `[n, d]`; `members`: rows of the set.
pub fn compactness(embeddings: TensorView, members: &[usize]) -> f64 {
    let all: Vec<usize> = (0..embeddings.n_rows()).collect();
    mean_squared_deviation(embeddings, members) / mean_squared_deviation(embeddings, &all)
}

fn mean_squared_deviation(embeddings: TensorView, members: &[usize]) -> f64 {
    let n = members.len() as f64;
    let mut mean = vec![0.0f64; embeddings.row_len()];
    let mut squares = 0.0;
    for &i in members {
        for (m, &v) in mean.iter_mut().zip(embeddings.row(i)) {
            *m += f64::from(v) / n;
            squares += f64::from(v).powi(2) / n;
        }
    }
    (squares - mean.iter().map(|m| m * m).sum::<f64>()).max(0.0)
}

/// Softmax of one row of logits.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut probs: Vec<f32> = logits.iter().map(|&v| (v - max).exp()).collect();
    let sum: f32 = probs.iter().sum();
    probs.iter_mut().for_each(|p| *p /= sum);
    probs
}

/// Cross-entropy of one row of logits against its label, computed without leaving the logarithm.
///
/// NaN if the label is unknown (negative) or not a class.
pub fn cross_entropy(logits: &[f32], label: i32) -> f32 {
    let Some(&logit) = usize::try_from(label).ok().and_then(|label| logits.get(label)) else {
        return f32::NAN;
    };
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let log_sum = logits.iter().map(|&v| f64::from(v - max).exp()).sum::<f64>().ln();
    (log_sum - f64::from(logit - max)) as f32
}

/// Index of the largest value, the first on a tie; 0 for an empty row.
pub fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (i, v) in row.iter().enumerate() {
        if *v > row[best] {
            best = i;
        }
    }
    best
}

/// Normalised mutual information of two labelings, in [0, 1], arithmetic mean of the entropies
/// as scikit-learn's default. 1 if both are constant.
pub fn nmi(a: &[i32], b: &[i32]) -> f64 {
    use std::collections::BTreeMap;
    let n = a.len() as f64;
    let mut joint: BTreeMap<(i32, i32), f64> = BTreeMap::new();
    let (mut rows, mut columns) = (BTreeMap::new(), BTreeMap::new());
    for (&a, &b) in a.iter().zip(b) {
        *joint.entry((a, b)).or_default() += 1.0 / n;
        *rows.entry(a).or_insert(0.0) += 1.0 / n;
        *columns.entry(b).or_insert(0.0) += 1.0 / n;
    }
    let entropy = |p: &BTreeMap<i32, f64>| -p.values().map(|p| p * f64::ln(*p)).sum::<f64>();
    let information: f64 = joint.iter().map(|((a, b), p)| p * (p / (rows[a] * columns[b])).ln()).sum();
    let mean_entropy = (entropy(&rows) + entropy(&columns)) / 2.0;
    if mean_entropy <= f64::EPSILON { 1.0 } else { (information / mean_entropy).clamp(0.0, 1.0) }
}

/// Share of the first `k` of a ranking that is relevant; of all of it where it is shorter.
pub fn precision_at(ranking: impl Iterator<Item = bool>, k: usize) -> f64 {
    let (hits, n) = ranking.take(k).fold((0usize, 0usize), |(hits, n), hit| (hits + usize::from(hit), n + 1));
    hits as f64 / n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_leaves_out_unknown_labels() {
        assert_eq!(accuracy(&[0, 1, -1, 1], &[0, 0, 0, 1]), 2.0 / 3.0);
        assert!(accuracy(&[-1], &[0]).is_nan());
    }

    // statsmodels 0.14.4: proportion_confint(7, 10, method="wilson")
    #[test]
    fn wilson_agrees_with_statsmodels() {
        let (low, high) = wilson_interval(7, 10);
        assert!((low - 0.396_778_1).abs() < 1e-6 && (high - 0.892_208_7).abs() < 1e-6);
        assert_eq!(wilson_interval(0, 0), (0.0, 1.0));
    }

    #[test]
    fn coherence_is_the_mean_pairwise_cosine() {
        let maps = [[1.0f32, 0.0], [0.0, 2.0], [3.0, 3.0]];
        let cosine = 1.0 / 2f64.sqrt();
        let expected = (0.0 + cosine + cosine) / 3.0;
        assert!((coherence(maps.iter().map(|m| &m[..])) - expected).abs() < 1e-6);
        assert!(coherence([[1.0f32, 1.0]].iter().map(|m| &m[..])).is_nan());
    }

    #[test]
    fn compactness_of_everything_is_one() {
        let data = [0.0, 0.0, 1.0, 0.0, 9.0, 9.0, 10.0, 9.0];
        let embeddings = TensorView::new(&[4, 2], &data).unwrap();
        assert!((compactness(embeddings, &[0, 1, 2, 3]) - 1.0).abs() < 1e-9);
        assert!(compactness(embeddings, &[0, 1]) < 0.01);
    }

    // scikit-learn 1.9.1: normalized_mutual_info_score
    #[test]
    fn nmi_agrees_with_scikit_learn() {
        assert!((nmi(&[0, 0, 1, 1, 2, 2], &[0, 0, 0, 1, 1, 1]) - 0.515_803_7).abs() < 1e-6);
        assert!((nmi(&[0, 0, 1, 1], &[5, 5, 3, 3]) - 1.0).abs() < 1e-12);
        assert_eq!(nmi(&[1, 1], &[2, 2]), 1.0);
    }

    #[test]
    fn cross_entropy_survives_large_logits() {
        assert!((cross_entropy(&[1000.0, 0.0], 1) - 1000.0).abs() < 1e-3);
        assert!(cross_entropy(&[0.0, 0.0], -1).is_nan());
        assert!((softmax(&[0.0, 0.0])[0] - 0.5).abs() < 1e-7);
    }
}
