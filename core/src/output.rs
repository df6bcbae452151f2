//! [`OutputKind`]: what a model's output means, and with it what probabilities and loss are.

use crate::metrics;
use serde::{Deserialize, Serialize};

/// What the output of a model means. The logits are in each case what stands before the probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputKind {
    /// Logits of a softmax.
    #[default]
    Logits,
    /// Probabilities that a softmax gives; its input is the logits.
    Softmax,
    /// A sigmoid for each class; its input is the logits, each class is there or not whatever the others.
    Sigmoid,
    /// One number for two classes, the sigmoid of which is the probability of the second. Its logits are `∓z/2`, whose
    /// softmax that is.
    Binary,
    /// A number for each of several classes that may be there together, one of which is asked for
    /// ([`OutputChoice::class`]): two classes, without it and with it. Its logits are `∓(z − z₀)/2`, where `z` is the
    /// logit of that class and `z₀` that of the threshold: the second wins where its probability is above the threshold.
    MultiLabel,
    /// A quantity. Its one logit is the number itself.
    Regression,
}

/// Which output of a model is explained, and what it means; what is `None` is found from the graph.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OutputChoice {
    /// Name of a graph output.
    pub name: Option<String>,
    /// What it means.
    pub kind: Option<OutputKind>,
    /// The number that is asked for, where the output has several of which each says something by itself
    /// ([`OutputKind::MultiLabel`], [`OutputKind::Regression`]); the first if `None`.
    pub class: Option<usize>,
    /// From which probability on a class counts as there, in (0, 1), for [`OutputKind::MultiLabel`] and
    /// [`OutputKind::Binary`]; 0.5 if `None`.
    pub threshold: Option<f32>,
}

impl OutputChoice {
    /// The logit at which the probability is the threshold.
    pub fn threshold_logit(&self) -> f32 {
        self.threshold.map_or(0.0, |p| (p / (1.0 - p)).ln())
    }
}

impl OutputKind {
    /// All of them, in the order in which messages list them.
    pub const ALL: [Self; 6] =
        [Self::Softmax, Self::Logits, Self::Sigmoid, Self::Binary, Self::MultiLabel, Self::Regression];

    /// As configurations write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logits => "logits",
            Self::Softmax => "softmax",
            Self::Sigmoid => "sigmoid",
            Self::Binary => "binary",
            Self::MultiLabel => "multi_label",
            Self::Regression => "regression",
        }
    }

    /// The kind with this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What an output means that gives the logits of this kind themselves.
    #[must_use]
    pub fn of_logits(self) -> Self {
        match self {
            Self::Sigmoid | Self::Regression => self,
            Self::Logits | Self::Softmax | Self::Binary | Self::MultiLabel => Self::Logits,
        }
    }

    /// Whether each class has a probability of its own, and they do not sum to 1.
    pub fn is_sigmoid(self) -> bool {
        self == Self::Sigmoid
    }

    /// Probabilities of one row of logits; of a quantity, which has none, a certain 1.
    pub fn probs(self, logits: &[f32]) -> Vec<f32> {
        if self.is_sigmoid() { logits.iter().map(|&z| sigmoid(z)).collect() } else { metrics::softmax(logits) }
    }

    /// The loss of one row of logits against its label: cross-entropy; for sigmoids the sum over all classes of the binary
    /// cross-entropy against the label's one-hot vector (PyTorch's `binary_cross_entropy_with_logits`, `reduction="sum"`).
    ///
    /// NaN if the label is unknown (negative) or not a class.
    pub fn loss(self, logits: &[f32], label: i32) -> f32 {
        if !self.is_sigmoid() {
            return metrics::cross_entropy(logits, label);
        }
        let Some(label) = usize::try_from(label).ok().filter(|&label| label < logits.len()) else { return f32::NAN };
        // −log σ(z) = softplus(−z), −log(1 − σ(z)) = softplus(z)
        let term = |(class, &z): (usize, &f32)| softplus(f64::from(if class == label { -z } else { z }));
        logits.iter().enumerate().map(term).sum::<f64>() as f32
    }
}

/// `1 / (1 + e⁻ᶻ)`.
pub fn sigmoid(z: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(z)).exp())) as f32
}

/// `ln(1 + eᶻ)` without overflow.
fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 3] = [0.5, -1.25, 2.0];

    #[test]
    fn sigmoids_and_their_loss_are_those_of_pytorch() {
        // torch 2.7: torch.sigmoid(z); F.binary_cross_entropy_with_logits(z, [0, 0, 1], reduction="sum")
        let probs = OutputKind::Sigmoid.probs(&LOGITS);
        for (prob, expected) in probs.iter().zip([0.622_459_3, 0.222_700_15, 0.880_797_1]) {
            assert!((prob - expected).abs() < 1e-6, "{prob} {expected}");
        }
        assert!((OutputKind::Sigmoid.loss(&LOGITS, 2) - 1.352_934_1).abs() < 1e-5);
        assert!(OutputKind::Sigmoid.loss(&LOGITS, -1).is_nan() && OutputKind::Sigmoid.loss(&LOGITS, 3).is_nan());
        assert!(OutputKind::Sigmoid.loss(&[1000.0, -1000.0], 0).abs() < 1e-6);
    }

    #[test]
    fn the_halves_of_a_logit_have_its_sigmoid_as_their_softmax() {
        for z in [-3.0, 0.0, 0.7_f32] {
            let halves = [-0.5 * z, 0.5 * z];
            assert!((OutputKind::Binary.probs(&halves)[1] - sigmoid(z)).abs() < 1e-6);
            assert!((OutputKind::Binary.loss(&halves, 1) - softplus(f64::from(-z)) as f32).abs() < 1e-6);
        }
    }

    #[test]
    fn names_go_there_and_back() {
        for kind in OutputKind::ALL {
            assert_eq!(OutputKind::of_name(kind.name()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
