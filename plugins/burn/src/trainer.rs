//! [`BurnTrainer`]: weighted cross-entropy steps on a model's weights.

use crate::graph::{Graph, Preparation};
use crate::ops::Run;
use crate::value::{Float, MAX_RANK, Value};
use ascan_core::backend::check_forward;
use ascan_core::{
    Error, InputGradientPenalty, ModelInfo, Optimizer, Result, StepOutcome, Tensor, Trainer, TrainerOptions,
    TrainingStep,
};
use ascan_onnx::Model;
use burn::tensor::{Device, Gradients, Tensor as BurnTensor, activation};
use std::cell::RefCell;
use std::collections::HashMap;

type Six = BurnTensor<MAX_RANK>;

/// A weight under training.
#[derive(Debug)]
struct Weight {
    name: String,
    slot: usize,
    rank: usize,
    value: Six,
    /// Momentum of SGD, or the first moment of Adam.
    first: Option<Six>,
    /// Second moment of Adam.
    second: Option<Six>,
}

/// Trains a model's weights in place.
#[derive(Debug)]
pub struct BurnTrainer {
    graph: Graph,
    info: ModelInfo,
    device: Device,
    options: TrainerOptions,
    weights: Vec<Weight>,
    /// Running statistics of trained batch normalisation, by name.
    statistics: Vec<(String, usize, Vec<f32>)>,
    n_steps: i32,
    input: usize,
    logits: usize,
}

/// Loss of a batch, ready for `backward`.
struct Loss {
    total: BurnTensor<1>,
    outcome: StepOutcome,
    updates: Vec<(String, Vec<f32>)>,
    leaves: Vec<Six>,
}

impl BurnTrainer {
    /// A trainer that starts from the model's weights.
    ///
    /// # Errors
    /// `UnknownName` for tensors that do not exist; `Unsupported` if nothing is left to train.
    pub fn new(model: &Model, info: &ModelInfo, device: &Device, options: &TrainerOptions) -> Result<Self> {
        let trainable = crate::trainable::names(model, info, &options.trainable)?;
        let statistics =
            if options.train_batch_norm { crate::trainable::running_statistics(model)? } else { Vec::new() };
        let live: Vec<String> = trainable.iter().chain(&statistics).cloned().collect();
        let graph = Graph::new(model, device, &Preparation { live: &live, merge_batch_norm: false })?;
        let find = |name: &str| match graph.slot(name).map(|slot| (slot, graph.constant(slot))) {
            Some((slot, Some(Value::Float(value)))) => Ok((slot, value.clone())),
            _ => Err(Error::unknown_name("weight", name, trainable.iter())),
        };
        let weights = trainable
            .iter()
            .map(|name| {
                let (slot, value) = find(name)?;
                let rank = value.rank();
                Ok(Weight { name: name.clone(), slot, rank, value: value.six(), first: None, second: None })
            })
            .collect::<Result<Vec<_>>>()?;
        let statistics = statistics
            .into_iter()
            .map(|name| {
                let (slot, value) = find(&name)?;
                Ok((name, slot, value.into_vec()))
            })
            .collect::<Result<Vec<_>>>()?;
        let slot = |name: &str| graph.slot(name).ok_or_else(|| Error::unknown_name("tensor", name, [&info.input]));
        let (input, logits) = (slot(&info.input)?, slot(&info.logits)?);
        let (info, device, options) = (info.clone(), device.clone(), options.clone());
        Ok(Self { graph, info, device, options, weights, statistics, n_steps: 0, input, logits })
    }

    fn check(&self, step: &TrainingStep) -> Result<usize> {
        let n = check_forward(&self.info, step.images, &[])?;
        for (what, len) in [("labels", step.labels.len()), ("weights", step.weights.len())] {
            if len != n {
                return Err(Error::shape(what, format!("[{n}], one an image"), [len]));
            }
        }
        if let Some(label) = step.labels.iter().find(|&&label| label >= self.info.n_classes) {
            return Err(Error::param(
                "label",
                format!("class {label} does not exist: the model has {} classes", self.info.n_classes),
                format!("use 0 to {}", self.info.n_classes.saturating_sub(1)),
            ));
        }
        if n == 0 {
            return Err(Error::shape("images", "at least one image", step.images.shape()));
        }
        Ok(n)
    }

    /// Runs the model with its weights as leaves; `image` maps the images before the model sees them.
    fn logits(&self, images: Six, tracked: bool) -> Result<(Float, Vec<Six>, Run)> {
        let mut run = self.graph.run_state();
        run.batch_statistics = self.options.train_batch_norm.then(|| RefCell::new(Vec::new()));
        let mut feeds = vec![(self.input, Value::Float(Float::from_six(images, 4)))];
        let mut leaves = Vec::with_capacity(self.weights.len());
        for weight in &self.weights {
            let value = weight.value.clone();
            let value = if tracked { value.autodiff().require_grad() } else { value };
            leaves.push(value.clone());
            feeds.push((weight.slot, Value::Float(Float::from_six(value, weight.rank))));
        }
        for (_, slot, values) in &self.statistics {
            feeds.push((*slot, Value::Float(Float::new(values.clone(), &[values.len()], &self.device)?)));
        }
        let output = self.graph.run(&run, feeds, &[self.logits], &mut |_, value| value)?.remove(0);
        match output {
            Value::Float(logits) if logits.rank() == 2 => Ok((logits, leaves, run)),
            other => Err(Error::shape("logits", "[n, n_classes]", other.shape())),
        }
    }

    fn images(&self, step: &TrainingStep) -> Result<Six> {
        Ok(Float::new(step.images.data().to_vec(), step.images.shape(), &self.device)?.six())
    }

    /// `Σ wᵢ·CEᵢ / n`, with what the step reports.
    fn loss(&self, step: &TrainingStep) -> Result<Loss> {
        let n = self.check(step)?;
        let (logits, leaves, run) = self.logits(self.images(step)?, true)?;
        let plain = logits.to_plain()?;
        let n_classes = self.info.n_classes;
        let losses: Vec<f32> =
            step.labels.iter().enumerate().map(|(i, &label)| cross_entropy(plain.row(i), label)).collect();
        let mut factors = vec![0.0; n * n_classes];
        for (i, (&label, &weight)) in step.labels.iter().zip(step.weights).enumerate() {
            factors[i * n_classes + label] = -weight / n as f32;
        }
        let factors = Float::new(factors, &[n, n_classes], &self.device)?;
        let total = activation::log_softmax(logits.six(), MAX_RANK - 1).mul(factors.six()).sum();
        let total_value = losses.iter().zip(step.weights).map(|(loss, weight)| loss * weight).sum::<f32>();
        if !total_value.is_finite() {
            return Err(Error::NotFinite { what: "the loss of a training step".into() });
        }
        let updates = run.batch_statistics.map(RefCell::into_inner).unwrap_or_default();
        Ok(Loss { total, outcome: StepOutcome { losses, logits: plain }, updates, leaves })
    }

    /// Gradients of the whole loss with respect to each weight.
    fn gradients(&self, step: &TrainingStep) -> Result<(Vec<Six>, StepOutcome, Vec<(String, Vec<f32>)>)> {
        let loss = self.loss(step)?;
        let mut found = if loss.total.is_tracked() { Some(loss.total.backward()) } else { None };
        let mut gradients: Vec<Six> = loss.leaves.iter().map(|leaf| take(leaf, found.as_mut())).collect();
        if let Some(penalty) = step.penalty.filter(|penalty| penalty.strength != 0.0) {
            let extra = self.penalty_gradients(step, penalty)?;
            gradients = gradients.into_iter().zip(extra).map(|(a, b)| a.add(b)).collect();
        }
        Ok((gradients, loss.outcome, loss.updates))
    }

    /// Gradients of the input-gradient penalty with respect to the weights.
    ///
    /// burn has no second derivatives. With `g(x, θ) = ∂ log p / ∂x` and `v = mask² ⊙ g` held fixed, the penalty's
    /// gradient is `2·strength/n · ∂/∂θ (g(x, θ)·v)`, and `g·v` is the derivative of `log p` along `v`, taken as a
    /// central difference between `x ± h·v`: exact to second order in `h`.
    fn penalty_gradients(&self, step: &TrainingStep, penalty: &InputGradientPenalty) -> Result<Vec<Six>> {
        if self.options.train_batch_norm {
            return Err(Error::unsupported(
                "burn has no input-gradient penalty while batch normalisation is trained",
                "set `train_batch_norm = false`",
            ));
        }
        let [n, channels, height, width] = step.images.dims::<4>("images", "[n, c, h, w]")?;
        if penalty.mask.shape() != [n, height, width] {
            return Err(Error::shape("mask of the penalty", format!("[{n}, {height}, {width}]"), penalty.mask.shape()));
        }
        let images = self.images(step)?;
        let leaf = images.clone().autodiff().require_grad();
        let (logits, ..) = self.logits(leaf.clone(), false)?;
        let chosen = self.chosen(step.labels, &vec![1.0; n])?;
        let sum = activation::log_softmax(logits.six(), MAX_RANK - 1).mul(chosen).sum();
        let gradient = leaf.grad(&sum.backward()).map(|gradient| Float::from_six(gradient, 4).into_vec());
        let Some(mut direction) = gradient else { return Ok(self.zeros()) };
        let plane = height * width;
        for (i, value) in direction.iter_mut().enumerate() {
            let (image, at) = (i / (channels * plane), i % plane);
            let mask = penalty.mask.row(image)[at];
            *value *= mask * mask;
        }
        // One step length an image: a thousandth of the scale of its pixels.
        let per_image = channels * plane;
        let mut factors = Vec::with_capacity(n);
        let mut offset = direction.clone();
        for (i, row) in offset.chunks_exact_mut(per_image).enumerate() {
            let largest = row.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
            let scale = step.images.row(i).iter().fold(1e-3f32, |largest, value| largest.max(value.abs()));
            let h = if largest > 0.0 { 1e-2 * scale / largest } else { 0.0 };
            row.iter_mut().for_each(|value| *value *= h);
            factors.push(if h > 0.0 { 2.0 * penalty.strength / n as f32 / (2.0 * h) } else { 0.0 });
        }
        let offset = Float::new(offset, step.images.shape(), &self.device)?.six();
        let mut total = self.zeros();
        for sign in [1.0f32, -1.0] {
            let moved = images.clone().add(offset.clone().mul_scalar(sign));
            let (logits, leaves, _) = self.logits(moved, true)?;
            let factors: Vec<f32> = factors.iter().map(|factor| sign * factor).collect();
            let loss = activation::log_softmax(logits.six(), MAX_RANK - 1).mul(self.chosen(step.labels, &factors)?).sum();
            let mut found = loss.is_tracked().then(|| loss.backward());
            total = total.into_iter().zip(&leaves).map(|(sum, leaf)| sum.add(take(leaf, found.as_mut()))).collect();
        }
        Ok(total)
    }

    fn zeros(&self) -> Vec<Six> {
        self.weights.iter().map(|weight| weight.value.zeros_like()).collect()
    }

    /// `[n, n_classes]`: a factor at each image's label, zero elsewhere.
    fn chosen(&self, labels: &[usize], factors: &[f32]) -> Result<Six> {
        let n_classes = self.info.n_classes;
        let mut chosen = vec![0.0; labels.len() * n_classes];
        for (i, (&label, &factor)) in labels.iter().zip(factors).enumerate() {
            chosen[i * n_classes + label] = factor;
        }
        Ok(Float::new(chosen, &[labels.len(), n_classes], &self.device)?.six())
    }
}

/// The gradient of a leaf; zeros if nothing depends on it.
fn take(leaf: &Six, gradients: Option<&mut Gradients>) -> Six {
    let found = gradients.and_then(|gradients| leaf.grad_remove(gradients));
    found.unwrap_or_else(|| leaf.clone().without_autodiff().zeros_like())
}

fn cross_entropy(logits: &[f32], label: usize) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|logit| (logit - largest).exp()).sum();
    sum.ln() + largest - logits[label]
}

impl Weight {
    /// One step of SGD, as PyTorch takes it: the first momentum is the gradient itself.
    fn sgd(&mut self, gradient: Six, learning_rate: f32, momentum: f32, weight_decay: f32) {
        let gradient = match weight_decay {
            0.0 => gradient,
            decay => gradient.add(self.value.clone().mul_scalar(decay)),
        };
        let step = match (momentum, self.first.take()) {
            (0.0, _) => gradient,
            (_, None) => gradient,
            (momentum, Some(velocity)) => velocity.mul_scalar(momentum).add(gradient),
        };
        if momentum != 0.0 {
            self.first = Some(step.clone());
        }
        self.value = self.value.clone().sub(step.mul_scalar(learning_rate));
    }

    /// One step of AdamW, the `t`-th, as PyTorch takes it.
    fn adam_w(&mut self, gradient: Six, learning_rate: f32, betas: (f32, f32), epsilon: f32, decay: f32, t: i32) {
        let decayed = self.value.clone().mul_scalar(1.0 - learning_rate * decay);
        let mix = |held: Option<Six>, new: Six, beta: f32| match held {
            Some(held) => held.mul_scalar(beta).add(new.mul_scalar(1.0 - beta)),
            None => new.mul_scalar(1.0 - beta),
        };
        let square = gradient.clone().mul(gradient.clone());
        let first = mix(self.first.take(), gradient, betas.0);
        let second = mix(self.second.take(), square, betas.1);
        let correction = |beta: f32| 1.0 - f64::from(beta).powi(t);
        let denominator = second.clone().sqrt().div_scalar(correction(betas.1).sqrt()).add_scalar(epsilon);
        let rate = f64::from(learning_rate) / correction(betas.0);
        self.value = decayed.sub(first.clone().div(denominator).mul_scalar(rate));
        (self.first, self.second) = (Some(first), Some(second));
    }
}

impl Trainer for BurnTrainer {
    fn step(&mut self, step: &TrainingStep) -> Result<StepOutcome> {
        let (gradients, outcome, updates) = self.gradients(step)?;
        self.n_steps += 1;
        let (options, rate, t) = (self.options.clone(), step.learning_rate, self.n_steps);
        for (weight, gradient) in self.weights.iter_mut().zip(gradients) {
            match options.optimizer {
                Optimizer::Sgd { momentum } => weight.sgd(gradient, rate, momentum, options.weight_decay),
                Optimizer::AdamW { beta_1, beta_2, epsilon } => {
                    weight.adam_w(gradient, rate, (beta_1, beta_2), epsilon, options.weight_decay, t);
                }
            }
        }
        let updates: HashMap<String, Vec<f32>> = updates.into_iter().collect();
        for (name, _, values) in &mut self.statistics {
            if let Some(update) = updates.get(name) {
                values.clone_from(update);
            }
        }
        Ok(outcome)
    }

    fn weight_gradients(&mut self, step: &TrainingStep) -> Result<Vec<(String, Tensor)>> {
        let (gradients, ..) = self.gradients(step)?;
        let named = self.weights.iter().zip(gradients);
        named.map(|(weight, gradient)| Ok((weight.name.clone(), Float::from_six(gradient, weight.rank).to_plain()?))).collect()
    }

    fn weights(&self) -> Result<Vec<(String, Tensor)>> {
        let statistics = self.statistics.iter().map(|(name, _, values)| {
            Ok((name.clone(), Tensor::new([values.len()], values.clone())?))
        });
        let weights = self.weights.iter().map(|weight| {
            Ok((weight.name.clone(), Float::from_six(weight.value.clone(), weight.rank).to_plain()?))
        });
        weights.chain(statistics).collect()
    }
}
