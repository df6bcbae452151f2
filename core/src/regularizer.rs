//! [`Regularizer`]: what a training step should see so that the model stops using the wrong evidence.

use crate::trainer::InputGradientPenalty;
use crate::{Context, Result, Tensor, TensorView};

/// A batch as it comes from the data set, with what the review found out.
#[derive(Debug, Clone, Copy)]
pub struct TrainingBatch<'a> {
    /// `[n, c, h, w]` in [0, 1], before normalisation.
    pub images: TensorView<'a>,
    /// `[n]`, each in `0..n_classes`.
    pub labels: &'a [usize],
    /// `[n, h, w]` in [0, 1] at image size: the model's attributions, frozen before the repair.
    pub masks: Option<TensorView<'a>>,
    /// `[n]` in [0, 1]: how spurious the attributed region is.
    pub spuriousness: Option<&'a [f32]>,
    /// `[n]` slice or group of each image, −1 for none.
    pub groups: Option<&'a [i32]>,
    /// Steps taken so far.
    pub step: u64,
}

/// What the trainer steps on, in [0, 1], before normalisation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RegularizedBatch {
    /// `[m, c, h, w]`: the images, their perturbed copies, or both.
    pub images: Tensor,
    /// `[m]`.
    pub labels: Vec<usize>,
    /// `[m]`, ≥ 0.
    pub weights: Vec<f32>,
    /// `[m]`: which image of the batch each row came from, so that losses find their way back.
    pub sources: Vec<usize>,
    /// A penalty on input gradients, if the method has one; its mask has `m` rows.
    pub penalty: Option<InputGradientPenalty>,
}

/// Turns batches into regularised batches; keeps its own state between steps.
pub trait Regularizer: Send {
    /// Prepares one step. Same seed and same step: same result.
    ///
    /// # Errors
    /// `Shape` for a batch that does not fit together; `Unsupported` if it lacks what the method needs.
    fn prepare(&mut self, batch: &TrainingBatch, context: &Context) -> Result<RegularizedBatch>;

    /// Tells the loss of each image of the last batch, `[n]`, after its step.
    ///
    /// # Errors
    /// `Shape` for another number of losses than images.
    fn observe(&mut self, losses: &[f32]) -> Result<()> {
        let _ = losses;
        Ok(())
    }
}
