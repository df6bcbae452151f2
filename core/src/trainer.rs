//! [`Trainer`]: weighted cross-entropy steps on a model's own weights.

use crate::{Result, Tensor, TensorView};
use serde::{Deserialize, Serialize};

/// The rule that turns gradients into steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Optimizer {
    /// Stochastic gradient descent, as PyTorch's `SGD` (no dampening, no Nesterov);
    /// weight decay is added to the gradient.
    Sgd {
        /// Momentum, 0 for none.
        momentum: f32,
    },
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101).
    AdamW {
        /// Decay of the first moment.
        beta_1: f32,
        /// Decay of the second moment.
        beta_2: f32,
        /// Added to the denominator.
        epsilon: f32,
    },
}

/// Which weights are trained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trainable {
    /// Every floating-point initializer that a convolution, linear or normalisation layer uses.
    All,
    /// Those after the default feature layer.
    Head,
    /// Those after this tensor.
    After(String),
    /// These initializers, by name.
    Names(Vec<String>),
}

/// How a trainer is made. Rates are given with each step, so that schedules live outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainerOptions {
    /// The step rule.
    pub optimizer: Optimizer,
    /// L2 penalty (SGD) or decoupled decay (AdamW).
    pub weight_decay: f32,
    /// Which weights move.
    pub trainable: Trainable,
    /// Whether batch normalisation uses and updates batch statistics; frozen otherwise.
    pub train_batch_norm: bool,
    /// Seed of everything random inside the model (dropout).
    pub seed: u64,
}

impl Default for TrainerOptions {
    fn default() -> Self {
        Self {
            optimizer: Optimizer::Sgd { momentum: 0.9 },
            weight_decay: 0.0,
            trainable: Trainable::All,
            train_batch_norm: false,
            seed: 0,
        }
    }
}

/// A penalty `strength · mean_i Σ (mask_i ⊙ ∂ log p(label_i) / ∂ image_i)²` (RRR, arXiv 1703.03717).
#[derive(Debug, Clone, PartialEq)]
pub struct InputGradientPenalty {
    /// `[n, h, w]` in [0, 1], at image size: 1 where the gradient should vanish.
    pub mask: Tensor,
    /// Factor of the penalty in the loss.
    pub strength: f32,
}

/// What a trainer steps on.
#[derive(Debug, Clone, Copy)]
pub struct TrainingStep<'a> {
    /// `[n, c, h, w]`, normalised as the model expects.
    pub images: TensorView<'a>,
    /// `[n]`, each in `0..n_classes`.
    pub labels: &'a [usize],
    /// `[n]`, ≥ 0. The loss is `Σ wᵢ·lossᵢ / n` ([`OutputKind::loss`](crate::OutputKind::loss)): weights are not normalised.
    pub weights: &'a [f32],
    /// Step size.
    pub learning_rate: f32,
    /// An input-gradient penalty, if the regularizer asks for one.
    pub penalty: Option<&'a InputGradientPenalty>,
}

/// What a step found, before it moved the weights.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepOutcome {
    /// Loss of each image, unweighted, `[n]`.
    pub losses: Vec<f32>,
    /// `[n, n_classes]`.
    pub logits: Tensor,
}

/// Trains a model in place. Same options, same steps: same weights.
pub trait Trainer: Send {
    /// One optimiser step.
    ///
    /// # Errors
    /// `Shape` for arguments that do not fit; `NotFinite` if the loss is not a number
    /// (the weights then stay as they were); `Unsupported` for a penalty the engine lacks.
    fn step(&mut self, step: &TrainingStep) -> Result<StepOutcome>;

    /// Gradients of the step's loss with respect to the trainable weights, without stepping.
    ///
    /// # Errors
    /// As [`Self::step`].
    fn weight_gradients(&mut self, step: &TrainingStep) -> Result<Vec<(String, Tensor)>>;

    /// The weights that training changes, by initializer name, as they are now
    /// (running statistics of trained batch normalisation included).
    ///
    /// # Errors
    /// Whatever the engine reports while copying them out.
    fn weights(&self) -> Result<Vec<(String, Tensor)>>;

    /// Everything that a later run needs to go on as if this one had not ended: weights, moments, counters.
    ///
    /// # Errors
    /// Whatever the engine reports while copying it out.
    fn state(&self) -> Result<Vec<(String, Tensor)>>;

    /// Goes on from the [`Self::state`] of a trainer of the same model with the same options.
    ///
    /// # Errors
    /// `Shape` or `UnknownName` for a state of another model or of other options; the trainer is then as it was.
    fn restore(&mut self, state: &[(String, Tensor)]) -> Result<()>;
}
