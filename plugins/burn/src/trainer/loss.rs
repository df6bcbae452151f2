//! The loss of a step, as a sum that burn can differentiate: cross-entropy, or binary cross-entropy for sigmoids.

use super::{BurnTrainer, Six};
use crate::graph::ops::tangent;
use crate::value::{Float, MAX_RANK};
use ascan_core::Result;
use burn::tensor::{Tensor as BurnTensor, activation};

impl BurnTrainer {
    /// `Σ factorᵢ · log p(labelᵢ)`. For sigmoids `p` is the probability of the label's one-hot vector: the product over
    /// classes of `σ(s·z)`, `s` being 1 for the label and −1 for every other.
    pub(super) fn sum_of_log_probs(&self, logits: Float, labels: &[usize], factors: &[f32]) -> Result<BurnTensor<1>> {
        let factors = self.factors(labels, factors)?;
        let logs = match self.info.output.is_sigmoid() {
            true => activation::log_sigmoid(logits.six().mul(self.signs(labels)?)),
            false => activation::log_softmax(logits.six(), MAX_RANK - 1),
        };
        Ok(logs.mul(factors).sum())
    }

    /// The derivative of `Σ factorᵢ · log p(labelᵢ)` where the logits move along `direction`.
    pub(super) fn slope_of_log_probs(
        &self,
        logits: Float,
        direction: Float,
        labels: &[usize],
        factors: &[f32],
    ) -> Result<BurnTensor<1>> {
        let factors = self.factors(labels, factors)?;
        let slopes = if self.info.output.is_sigmoid() {
            // d/dz log σ(s·z) = s · σ(−s·z)
            let signs = self.signs(labels)?;
            let share = activation::sigmoid(logits.six().mul(signs.clone()).neg());
            direction.six().mul(signs).mul(share)
        } else {
            tangent::log_probs(logits, direction)
        };
        Ok(slopes.mul(factors).sum())
    }

    /// `[n, n_classes]`: each image's factor at its label, 0 elsewhere; for sigmoids at every class.
    fn factors(&self, labels: &[usize], factors: &[f32]) -> Result<Six> {
        let elsewhere = if self.info.output.is_sigmoid() { 1.0 } else { 0.0 };
        self.by_label(labels, |i, is_label| if is_label { factors[i] } else { elsewhere * factors[i] })
    }

    fn signs(&self, labels: &[usize]) -> Result<Six> {
        self.by_label(labels, |_, is_label| if is_label { 1.0 } else { -1.0 })
    }

    fn by_label(&self, labels: &[usize], value: impl Fn(usize, bool) -> f32) -> Result<Six> {
        let n_classes = self.info.n_classes;
        let each =
            (0..labels.len() * n_classes).map(|at| value(at / n_classes, at % n_classes == labels[at / n_classes]));
        Ok(Float::new(each.collect(), &[labels.len(), n_classes], &self.device)?.six())
    }
}
