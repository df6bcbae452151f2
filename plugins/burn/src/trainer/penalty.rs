//! The penalty on input gradients, and its gradient with respect to the weights.

use super::{BurnTrainer, Six, take};
use crate::graph::ops::tangent::{self, Dual};
use crate::value::{Float, Value};
use ascan_core::{Error, Result};

impl BurnTrainer {
    /// Gradients of `Σᵢ strength · ‖maskᵢ ⊙ gᵢ‖²`, `g = ∂ log p(label) / ∂x`, with respect to the weights.
    ///
    /// With `v = mask² ⊙ g` held fixed it is `2·strength · ∂/∂θ (g·v)`, and `g·v` is the derivative of `log p` along
    /// `v`, which is computed forwards ([`tangent`]): exact, without second derivatives of the engine.
    ///
    /// # Errors
    /// `UnsupportedOperator` for a node through which derivatives along a direction do not come.
    pub(super) fn penalty_gradients(
        &self,
        images: Six,
        labels: &[usize],
        mask: &[f32],
        strength: f32,
    ) -> Result<Vec<Six>> {
        let n = labels.len();
        let [channels, height, width] = self.info.input_shape;
        let (plane, per_image) = (height * width, channels * height * width);
        let leaf = images.clone().autodiff().require_grad();
        let (logits, _) = self.logits(&self.graph.run_state(), leaf.clone(), false)?;
        let sum = self.sum_of_log_probs(logits, labels, &vec![1.0; n])?;
        let gradient = sum.is_tracked().then(|| leaf.grad(&sum.backward())).flatten();
        let Some(gradient) = gradient else { return Ok(self.zeros()) };
        let mut direction = Float::from_six(gradient, 4).into_vec();
        for (i, row) in direction.chunks_exact_mut(per_image).enumerate() {
            for (at, value) in row.iter_mut().enumerate() {
                let mask = mask[i * plane + at % plane];
                *value *= mask * mask;
            }
        }
        let direction = Float::new(direction, &[n, channels, height, width], &self.device)?;

        let run = self.graph.run_state();
        let (leaves, mut feeds) = self.fed_weights(true);
        feeds.push((self.input, Value::Float(Float::from_six(images, 4))));
        let moves = |slot: usize| (slot == self.input).then(|| direction.clone());
        let feeds = feeds.into_iter().map(|(slot, value)| (slot, Dual { value, tangent: moves(slot) })).collect();
        let logits = tangent::run(&self.graph, &run, feeds, &[self.logits])?.remove(0);
        let Dual { value: Value::Float(logits), tangent: Some(tangent) } = logits else {
            return Ok(self.zeros());
        };
        if logits.rank() != 2 {
            return Err(Error::shape("logits", "[n, n_classes]", logits.shape()));
        }
        let along = self.slope_of_log_probs(logits, tangent, labels, &vec![2.0 * strength; n])?;
        let mut found = along.is_tracked().then(|| along.backward());
        Ok(leaves.iter().map(|leaf| take(leaf, found.as_mut())).collect())
    }
}
