//! Confident learning.

use super::{Basis, Candidate, Candidates};
use ascan_core::{Error, Result, TensorView};

/// Finds and ranks labels that are probably wrong.
///
/// With [`Basis::OutOfSample`] each class has a threshold, the mean probability of the class among the images that have
/// its label. An image is counted as (label i, truth j) where j is the most probable of the classes that reach their
/// threshold; the counts, scaled to the number of images of each label, estimate how many labels are wrong. With
/// [`Basis::SelfConfidence`] the score is 1 − the probability of the given label.
///
/// The paper ranks by the plain probability of the given label, or its margin. Here probabilities are divided by the
/// thresholds first, and the score is the share of the suggested class beside the given one: a class on which the
/// model is modest is not suspicious as a whole. That is ours. Only classes that occur as labels take part.
///
/// # Shapes
/// - `labels`: `[n]`, −1 where unknown
/// - `probs`: `[n, n_classes]`; a row that is no distribution (a failed image) is left out
///
/// # Errors
/// `Shape` if they do not fit each other.
///
/// # Source
/// Northcutt, Jiang & Chuang 2021, "Confident Learning", arXiv 1911.00068.
pub fn candidates(labels: &[i32], probs: TensorView, basis: Basis) -> Result<Candidates> {
    let [n, n_classes] = probs.dims("probs", "[n, n_classes]")?;
    if labels.len() != n {
        return Err(Error::shape("labels", format!("{n}, one per row of the probabilities"), labels.len()));
    }
    if let Some(label) = labels.iter().find(|&&label| label >= n_classes as i32) {
        return Err(Error::shape("labels", format!("classes below {n_classes}"), label));
    }
    let table = Labelled::new(labels, probs);
    let mut scores = vec![f32::NAN; n];
    let mut found = Vec::new();
    let thresholds = match basis {
        Basis::OutOfSample => table.thresholds(),
        Basis::SelfConfidence => vec![1.0; table.classes.len()],
    };
    let mut joint = vec![vec![0.0f64; table.classes.len()]; table.classes.len()];
    for (at, &(row, given)) in table.rows.iter().enumerate() {
        let probs = table.probs(at);
        let Some((suggested, score)) = table.suggest(at, &thresholds, basis) else { continue };
        let reaching = (0..probs.len()).filter(|&class| probs[class] >= thresholds[class]);
        // The first of equals, as everywhere.
        let truth = reaching.reduce(|best, class| if probs[class] > probs[best] { class } else { best });
        if let Some(truth) = truth {
            joint[given][truth] += 1.0;
        }
        scores[row] = score as f32;
        let confident = basis == Basis::OutOfSample && truth.is_some_and(|truth| truth != given);
        if score > 0.5 || confident {
            let name = |class: usize| table.classes[class];
            found.push(Candidate {
                row,
                given: name(given),
                suggested: name(suggested),
                score: score as f32,
                confident,
            });
        }
    }
    found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)));
    let n_estimated = (basis == Basis::OutOfSample).then(|| table.n_wrong(&joint));
    Ok(Candidates { basis, n_labelled: table.rows.len(), n_estimated, candidates: found, scores })
}

/// The images that have a label and probabilities, over the classes that occur.
struct Labelled {
    /// Output index of each class that occurs.
    classes: Vec<i32>,
    /// Row of each image and its label, as position in `classes`.
    rows: Vec<(usize, usize)>,
    /// `[rows, classes]`, each row summing to 1.
    probs: Vec<f64>,
}

impl Labelled {
    fn new(labels: &[i32], probs: TensorView) -> Self {
        let is_distribution = |row: usize| {
            let values = probs.row(row);
            values.iter().all(|value| value.is_finite() && *value >= 0.0) && values.iter().any(|value| *value > 0.0)
        };
        let rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] >= 0 && is_distribution(row)).collect();
        let mut classes: Vec<i32> = rows.iter().map(|&row| labels[row]).collect();
        classes.sort_unstable();
        classes.dedup();
        let mut table = Self { probs: Vec::with_capacity(rows.len() * classes.len()), rows: Vec::new(), classes };
        for row in rows {
            let of_classes = table.classes.iter().map(|&class| f64::from(probs.row(row)[class as usize]));
            let sum: f64 = of_classes.clone().sum();
            let equal = 1.0 / table.classes.len() as f64;
            table.probs.extend(of_classes.map(|p| if sum > 0.0 { p / sum } else { equal }));
            let given = table.classes.partition_point(|&class| class < labels[row]);
            table.rows.push((row, given));
        }
        table
    }

    fn probs(&self, at: usize) -> &[f64] {
        &self.probs[at * self.classes.len()..][..self.classes.len()]
    }

    /// `[classes]`, mean probability of a class among the images with its label.
    fn thresholds(&self) -> Vec<f64> {
        let (mut sums, mut counts) = (vec![0.0; self.classes.len()], vec![0.0; self.classes.len()]);
        for (at, &(_, given)) in self.rows.iter().enumerate() {
            sums[given] += self.probs(at)[given];
            counts[given] += 1.0;
        }
        sums.iter().zip(&counts).map(|(sum, n)| sum / n).collect()
    }

    /// The best class beside the given one, and how much speaks for it; `None` where there is but one class.
    fn suggest(&self, at: usize, thresholds: &[f64], basis: Basis) -> Option<(usize, f64)> {
        let (probs, given) = (self.probs(at), self.rows[at].1);
        // A class that no image of it is given any probability of has a threshold of 0 and convinces nobody.
        let scaled = |class: usize| if thresholds[class] > 0.0 { probs[class] / thresholds[class] } else { 0.0 };
        let others = (0..probs.len()).filter(|&class| class != given);
        let best = others.reduce(|best, class| if scaled(class) > scaled(best) { class } else { best })?;
        let score = match basis {
            Basis::OutOfSample if scaled(best) + scaled(given) > 0.0 => scaled(best) / (scaled(best) + scaled(given)),
            Basis::OutOfSample => 0.5,
            Basis::SelfConfidence => 1.0 - probs[given],
        };
        Some((best, score))
    }

    /// Labels off the diagonal, the counts of each label scaled to the number of images that have it.
    fn n_wrong(&self, joint: &[Vec<f64>]) -> f64 {
        let mut n_images = vec![0.0; self.classes.len()];
        self.rows.iter().for_each(|&(_, given)| n_images[given] += 1.0);
        let of_label = joint.iter().enumerate().map(|(given, counts)| {
            let counted: f64 = counts.iter().sum();
            if counted > 0.0 { n_images[given] * (counted - counts[given]) / counted } else { 0.0 }
        });
        of_label.sum()
    }
}
