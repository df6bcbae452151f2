//! How good a model is on images with labels.

use ascan_config::sections::Metric;
use ascan_core::{OutputKind, metrics};
use serde::{Deserialize, Serialize};

/// Figures over some images. In f32, which JSON gives back as they were: a run that goes on has the same curves.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Evaluation {
    /// Images that could be read.
    pub n: usize,
    /// Share of right predictions.
    pub accuracy: f32,
    /// Accuracy of each class that has images, averaged.
    pub balanced_accuracy: f32,
    /// Accuracy of the worst class that has images.
    pub worst_class_accuracy: f32,
    /// Mean loss ([`OutputKind::loss`]).
    pub loss: f32,
    /// The same images with the surroundings of another class, where that could be tried.
    #[serde(default)]
    pub mixed: Option<MixedEvaluation>,
}

/// Figures over copies of images that keep what counts and have everything else from an image of another class: a model that
/// looks at what counts says their label, one that looks at the rest says the other's.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct MixedEvaluation {
    /// Copies that could be made.
    pub n: usize,
    /// Share of predictions that are the label of what was kept.
    pub accuracy: f32,
    /// The same of the worst class.
    pub worst_class_accuracy: f32,
    /// Share of predictions that are the class of the image that the surroundings come from.
    pub reliance: f32,
}

impl MixedEvaluation {
    /// From the logits of copies, the label of what was kept and that of the surroundings.
    pub fn of(rows: &[(Vec<f32>, usize, usize)], kind: OutputKind) -> Self {
        let kept: Vec<(Vec<f32>, usize)> = rows.iter().map(|(logits, label, _)| (logits.clone(), *label)).collect();
        let found = Evaluation::of(&kept, kind);
        let n_followed = rows.iter().filter(|(logits, _, other)| metrics::argmax(logits) == *other).count();
        Self {
            n: rows.len(),
            accuracy: found.accuracy,
            worst_class_accuracy: found.worst_class_accuracy,
            reliance: (n_followed as f64 / rows.len() as f64) as f32,
        }
    }
}

impl Evaluation {
    /// From the logits of images, what they mean, and their labels.
    pub fn of(rows: &[(Vec<f32>, usize)], kind: OutputKind) -> Self {
        let n_classes = rows.iter().map(|(_, label)| label + 1).max().unwrap_or(0);
        let mut counts = vec![(0usize, 0usize); n_classes];
        let mut loss = 0.0;
        for (logits, label) in rows {
            counts[*label].0 += usize::from(metrics::argmax(logits) == *label);
            counts[*label].1 += 1;
            loss += f64::from(kind.loss(logits, *label as i32));
        }
        let n_right: usize = counts.iter().map(|count| count.0).sum();
        let by_class = || counts.iter().filter(|count| count.1 > 0).map(|count| count.0 as f64 / count.1 as f64);
        Self {
            n: rows.len(),
            accuracy: (n_right as f64 / rows.len() as f64) as f32,
            balanced_accuracy: (by_class().sum::<f64>() / by_class().count() as f64) as f32,
            worst_class_accuracy: by_class().fold(f64::INFINITY, f64::min) as f32,
            loss: (loss / rows.len() as f64) as f32,
            mixed: None,
        }
    }

    /// What an epoch is chosen by, turned so that more is better.
    pub fn score(&self, metric: Metric) -> f32 {
        match metric {
            Metric::Counterfactual => {
                let mixed = self.mixed.map_or(self.worst_class_accuracy, |mixed| mixed.worst_class_accuracy);
                (self.worst_class_accuracy + mixed) / 2.0
            }
            Metric::Accuracy => self.accuracy,
            Metric::BalancedAccuracy => self.balanced_accuracy,
            Metric::WorstClassAccuracy => self.worst_class_accuracy,
            Metric::Loss => -self.loss,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_few_images() {
        let row = |logits: [f32; 2], label| (logits.to_vec(), label);
        let rows = [row([2.0, 0.0], 0), row([2.0, 0.0], 0), row([2.0, 0.0], 0), row([2.0, 0.0], 1), row([0.0, 2.0], 1)];
        let found = Evaluation::of(&rows, OutputKind::Logits);
        assert_eq!((found.n, found.accuracy, found.balanced_accuracy, found.worst_class_accuracy), (5, 0.8, 0.75, 0.5));
        // ln(1 + e^−2) four times, 2 more once.
        let expected = (5.0 * (-2f32).exp().ln_1p() + 2.0) / 5.0;
        assert!((found.loss - expected).abs() < 1e-6);
        assert_eq!(found.score(Metric::Loss), -found.loss);
        assert_eq!(found.score(Metric::Counterfactual), 0.5);
        let row = |logits: [f32; 2], label| (logits.to_vec(), label, 1 - label);
        let mixed = [row([2.0, 0.0], 0), row([2.0, 0.0], 1), row([0.0, 2.0], 1)];
        let mixed = MixedEvaluation::of(&mixed, OutputKind::Logits);
        assert_eq!((mixed.n, mixed.worst_class_accuracy), (3, 0.5));
        assert!((mixed.accuracy - 2.0 / 3.0).abs() < 1e-6 && (mixed.reliance - 1.0 / 3.0).abs() < 1e-6);
        let other = Evaluation { mixed: Some(MixedEvaluation { worst_class_accuracy: 0.1, ..mixed }), ..found };
        assert!((other.score(Metric::Counterfactual) - 0.3).abs() < 1e-6);
    }
}
