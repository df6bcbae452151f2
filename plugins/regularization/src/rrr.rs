//! Right for the right reasons: a penalty on input gradients where the model should not look.

use ascan_core::{
    Context, InputGradientPenalty, Params, Plugin, Problems, RegularizedBatch, Regularizer, Result, TrainingBatch,
};
use serde::{Deserialize, Serialize};

/// Parameters of [`Rrr`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RrrParams {
    /// Factor of the penalty in the loss. The default is ours: with 10, Waterbirds' MobileNetV2 diverges within five steps.
    pub strength: f32,
}

impl Default for RrrParams {
    fn default() -> Self {
        Self { strength: 0.1 }
    }
}

impl Params for RrrParams {
    const HELP: &'static [(&'static str, &'static str)] = &[("strength", "factor of the penalty in the loss")];

    fn check(&self, problems: &mut Problems) {
        problems.range("strength", self.strength, 0.0, 1e9);
    }
}

/// Adds `strength · mean_i Σ (mᵢ ⊙ ∂ log p(labelᵢ) / ∂xᵢ)²` to the loss, m the region that should not count
/// ([`TrainingBatch::non_core`]).
///
/// The paper sums log p over all classes; this takes the label's, as the trainer defines it
/// ([`InputGradientPenalty`]).
///
/// # Source
/// Ross, Hughes & Doshi-Velez 2017, arXiv 1703.03717.
pub struct Rrr {
    params: RrrParams,
}

impl Plugin for Rrr {
    const NAME: &'static str = "rrr";
    const SUMMARY: &'static str = "RRR: input gradients vanish in the region that should not count (Ross et al. 2017)";
    type Params = RrrParams;

    fn new(params: RrrParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Regularizer for Rrr {
    fn prepare(&mut self, batch: &TrainingBatch, _context: &Context) -> Result<RegularizedBatch> {
        batch.check()?;
        let penalty = InputGradientPenalty { mask: batch.non_core()?, strength: self.params.strength };
        Ok(RegularizedBatch { penalty: Some(penalty), ..batch.unchanged() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ascan_core::testing::{check_regularizer, toy_training_batch};

    #[test]
    fn conforms() {
        check_regularizer("rrr", &|| Box::new(Rrr::new(RrrParams::default()).unwrap()));
    }

    #[test]
    fn the_penalty_lies_on_the_region_that_should_not_count() {
        let toy = toy_training_batch(3, 0);
        let batch = toy.view(0);
        let made = Rrr { params: RrrParams { strength: 7.0 } }.prepare(&batch, &Context::default()).unwrap();
        let penalty = made.penalty.unwrap();
        assert_eq!((penalty.strength, penalty.mask), (7.0, batch.non_core().unwrap()));
        assert_eq!((made.images, made.weights), (toy.images, vec![1.0; 3]));
    }
}
