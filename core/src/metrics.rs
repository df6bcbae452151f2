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
    mean_interval(n_right as f64 / n as f64, n)
}

/// Interval of the mean of `n` values in [0, 1] at 95 %: that of a share, which is never too narrow, since no values in
/// [0, 1] with that mean vary more than zeros and ones.
///
/// `(0, 1)` if `n` is 0. Source: Wilson 1927.
pub fn mean_interval(mean: f64, n: usize) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    const Z: f64 = 1.959_963_984_540_054;
    let (n, p) = (n as f64, mean);
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
pub fn coherence(maps: impl Iterator<Item: AsRef<[f32]>>) -> f64 {
    let mut sum: Vec<f64> = Vec::new();
    let mut n = 0usize;
    for map in maps {
        let map = map.as_ref();
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

/// Adjusted Rand index of two labelings: agreement on pairs of images beyond that of chance; 1 is the same
/// partition, 0 what chance gives, below 0 less than that. 1 if both are constant, or both have no pair together.
///
/// # Source
/// Hubert and Arabie 1985.
pub fn ari(a: &[i32], b: &[i32]) -> f64 {
    use std::collections::BTreeMap;
    let mut joint: BTreeMap<(i32, i32), f64> = BTreeMap::new();
    let (mut rows, mut columns): (BTreeMap<i32, f64>, BTreeMap<i32, f64>) = Default::default();
    for (&a, &b) in a.iter().zip(b) {
        *joint.entry((a, b)).or_default() += 1.0;
        *rows.entry(a).or_default() += 1.0;
        *columns.entry(b).or_default() += 1.0;
    }
    let n_pairs = |n: f64| n * (n - 1.0) / 2.0;
    let together: f64 = joint.values().map(|&n| n_pairs(n)).sum();
    let in_a: f64 = rows.values().map(|&n| n_pairs(n)).sum();
    let in_b: f64 = columns.values().map(|&n| n_pairs(n)).sum();
    let by_chance = in_a * in_b / n_pairs(a.len() as f64).max(1.0);
    let at_most = (in_a + in_b) / 2.0;
    if at_most - by_chance <= 0.0 { 1.0 } else { (together - by_chance) / (at_most - by_chance) }
}

/// How far each cluster holds images of one group only, in [0, 1]: `1 − H(group | cluster) / H(group)`.
/// 1 if there is but one group.
///
/// # Source
/// Rosenberg and Hirschberg 2007.
pub fn homogeneity(groups: &[i32], clusters: &[i32]) -> f64 {
    use std::collections::BTreeMap;
    let n = groups.len() as f64;
    let mut joint: BTreeMap<(i32, i32), f64> = BTreeMap::new();
    let (mut of_group, mut of_cluster): (BTreeMap<i32, f64>, BTreeMap<i32, f64>) = Default::default();
    for (&group, &cluster) in groups.iter().zip(clusters) {
        *joint.entry((group, cluster)).or_default() += 1.0;
        *of_group.entry(group).or_default() += 1.0;
        *of_cluster.entry(cluster).or_default() += 1.0;
    }
    let entropy: f64 = of_group.values().map(|&count| -count / n * (count / n).ln()).sum();
    let within: f64 = joint.iter().map(|((_, cluster), &count)| -count / n * (count / of_cluster[cluster]).ln()).sum();
    if entropy <= f64::EPSILON { 1.0 } else { (1.0 - within / entropy).clamp(0.0, 1.0) }
}

/// Average precision of a ranking by falling score: the precision at each relevant image, averaged.
/// Equal scores count as one place, so that their order does not matter. NaN if nothing is relevant.
pub fn average_precision(scores: &[f32], relevant: &[bool]) -> f64 {
    let n_relevant = relevant.iter().filter(|&&is| is).count() as f64;
    let (mut hits, mut n, mut sum) = (0.0, 0.0, 0.0);
    for tied in ranked(scores).chunk_by(|&a, &b| scores[a] == scores[b]) {
        let new = tied.iter().filter(|&&i| relevant[i]).count() as f64;
        n += tied.len() as f64;
        hits += new;
        sum += new * hits / n;
    }
    sum / n_relevant
}

/// Precision of the `k` images with the highest scores: a place that no image with a score above 0 fills is a miss,
/// and equal scores give what a random order of them gives on average.
///
/// So a slice of one lucky image does not look precise, and a hard assignment is judged as fairly as a soft one.
pub fn precision_at_scores(scores: &[f32], relevant: &[bool], k: usize) -> f64 {
    let (mut hits, mut left) = (0.0, k as f64);
    for tied in ranked(scores).chunk_by(|&a, &b| scores[a] == scores[b]) {
        if left <= 0.0 || scores[tied[0]] <= 0.0 {
            break;
        }
        let share = tied.iter().filter(|&&i| relevant[i]).count() as f64 / tied.len() as f64;
        let taken = left.min(tied.len() as f64);
        hits += share * taken;
        left -= taken;
    }
    hits / k as f64
}

/// Area under the ROC curve: the chance that a relevant image has a higher score than another one, a tie counting
/// half; in [0, 1], 0.5 is chance. NaN if all or none are relevant.
pub fn auroc(scores: &[f32], relevant: &[bool]) -> f64 {
    let (mut n_relevant, mut n_others, mut pairs_won) = (0.0, 0.0, 0.0);
    for tied in ranked(scores).chunk_by(|&a, &b| scores[a] == scores[b]) {
        let new = tied.iter().filter(|&&i| relevant[i]).count() as f64;
        let others = tied.len() as f64 - new;
        pairs_won += others * (n_relevant + new / 2.0);
        n_relevant += new;
        n_others += others;
    }
    pairs_won / (n_relevant * n_others)
}

/// Mean squared distance of probabilities from what was the case (0 or 1); 0 is best. NaN for no images.
///
/// # Source
/// Brier 1950.
pub fn brier(probabilities: &[f32], outcomes: &[bool]) -> f64 {
    let squares = probabilities.iter().zip(outcomes).map(|(&p, &is)| (f64::from(p) - f64::from(u8::from(is))).powi(2));
    squares.sum::<f64>() / probabilities.len() as f64
}

/// Images by falling score, ties by index.
fn ranked(scores: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    order
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

    // scikit-learn 1.9.1: adjusted_rand_score, homogeneity_score, average_precision_score and those named below
    #[test]
    fn agreement_and_ranking_agree_with_scikit_learn() {
        let (a, b) = ([0, 0, 1, 1, 2, 2, 2], [0, 0, 0, 1, 1, 1, 2]);
        assert!((ari(&a, &b) - 0.140_350_877_193).abs() < 1e-9);
        assert!((ari(&[0, 0, 1, 1], &[0, 1, 0, 1]) + 0.5).abs() < 1e-9);
        assert_eq!([ari(&[4, 4], &[1, 1]), ari(&[0, 1], &[1, 0]), ari(&[], &[])], [1.0; 3]);
        assert!((homogeneity(&a, &b) - 0.494_358_190_133).abs() < 1e-9);
        assert!((homogeneity(&b, &a) - 0.531_155_223_331).abs() < 1e-9);
        assert_eq!(homogeneity(&[3, 3], &[0, 1]), 1.0);
        let scores = [0.9, 0.8, 0.8, 0.8, 0.3, 0.2, 0.2];
        let relevant = [true, false, true, true, false, false, true];
        assert!((average_precision(&scores, &relevant) - 0.767_857_142_857).abs() < 1e-9);
        assert!(average_precision(&scores, &[false; 7]).is_nan());
        // roc_auc_score, brier_score_loss
        assert!((auroc(&scores, &relevant) - 0.708_333_333_333).abs() < 1e-9);
        assert!(auroc(&scores, &[true; 7]).is_nan());
        assert!((brier(&scores, &relevant) - 0.214_285_714_286).abs() < 1e-7);
    }

    #[test]
    fn precision_of_scores_averages_ties_and_counts_empty_places_as_misses() {
        let relevant = [true, true, false, false];
        assert_eq!(precision_at_scores(&[0.9, 0.1, 0.8, 0.2], &relevant, 2), 0.5);
        // Two of four tied images are relevant, whatever their order.
        assert_eq!(precision_at_scores(&[1.0; 4], &relevant, 2), 0.5);
        assert_eq!(precision_at_scores(&[1.0; 4], &[false, false, true, true], 3), 0.5);
        // One image in the slice, ten places.
        assert_eq!(precision_at_scores(&[1.0, 0.0, 0.0, 0.0], &relevant, 10), 0.1);
    }
}
