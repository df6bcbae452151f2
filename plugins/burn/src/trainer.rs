//! [`BurnTrainer`]: steps on a model's weights, by the weighted loss of its output.

mod loss;
mod optimizer;
mod penalty;

use crate::barrier::Barrier;
use crate::device;
use crate::graph::ops::{BatchNormTraining, Run};
use crate::graph::{Graph, Preparation};
use crate::value::{Float, MAX_RANK, Value};
use ascan_core::backend::check_forward;
use ascan_core::{Error, ModelInfo, Optimizer, Result, StepOutcome, Tensor, Trainer, TrainerOptions, TrainingStep};
use ascan_onnx::Model;
use burn::tensor::{Device, Gradients, Tensor as BurnTensor};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;

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

/// Where a trainer computes.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Where the tensors are.
    pub device: &'a Device,
    /// Threads, on the CPU.
    pub n_threads: usize,
    /// The only number of images that the graph takes, if it is fixed.
    pub fixed_batch: Option<usize>,
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
    n_threads: usize,
    fixed_batch: Option<usize>,
    n_steps: i32,
    input: usize,
    logits: usize,
}

/// What some images of a step give.
struct Shard {
    gradients: Vec<Six>,
    losses: Vec<f32>,
    logits: Vec<f32>,
    /// New running statistics.
    updates: Vec<(String, Vec<f32>)>,
}

/// Name of the number of steps in a state.
const N_STEPS: &str = "n_steps";

/// Images that are worked on together where they do not depend on each other.
const SHARD: usize = 4;

impl BurnTrainer {
    /// A trainer that starts from the model's weights.
    ///
    /// # Errors
    /// `UnknownName` for tensors that do not exist; `Unsupported` if nothing is left to train.
    pub fn new(model: &Model, info: &ModelInfo, place: Place, options: &TrainerOptions) -> Result<Self> {
        let Place { device, n_threads, fixed_batch } = place;
        let trainable = crate::trainable::names(model, info, &options.trainable)?;
        let statistics =
            if options.train_batch_norm { crate::trainable::running_statistics(model)? } else { Vec::new() };
        let live: Vec<String> = trainable.iter().chain(&statistics).cloned().collect();
        let preparation = Preparation { live: &live, merge_batch_norm: !options.train_batch_norm };
        let graph = Graph::new(&logits_only(model, info), device, &preparation)?;
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
        Ok(Self {
            graph,
            info,
            device,
            options,
            weights,
            statistics,
            n_threads,
            fixed_batch,
            n_steps: 0,
            input,
            logits,
        })
    }

    fn check(&self, step: &TrainingStep) -> Result<usize> {
        let n = check_forward(&self.info, step.images, &[])?;
        for (what, len) in [("labels", step.labels.len()), ("weights", step.weights.len())] {
            if len != n {
                return Err(Error::shape(what, format!("[{n}], one per image"), [len]));
            }
        }
        if let Some(label) = step.labels.iter().find(|&&label| label >= self.info.n_classes) {
            return Err(Error::param(
                "label",
                format!("class {label} does not exist: the model has {} classes", self.info.n_classes),
                format!("use 0 to {}", self.info.n_classes.saturating_sub(1)),
            ));
        }
        if let Some(penalty) = step.penalty {
            let [_, height, width] = self.info.input_shape;
            if penalty.mask.shape() != [n, height, width] {
                let expected = format!("[{n}, {height}, {width}]");
                return Err(Error::shape("mask of the penalty", expected, penalty.mask.shape()));
            }
            if self.options.train_batch_norm {
                return Err(Error::unsupported(
                    "burn has no input-gradient penalty while batch normalisation is trained",
                    "set `train_batch_norm = false`",
                ));
            }
        }
        if let Some(fixed) = self.fixed_batch.filter(|fixed| !n.is_multiple_of(*fixed)) {
            return Err(Error::unsupported(
                format!("the model takes {fixed} images at once, and the batch has {n}"),
                format!("use a batch size that is a multiple of {fixed}, or export the model with a dynamic batch"),
            ));
        }
        if n == 0 {
            return Err(Error::shape("images", "at least one image", step.images.shape()));
        }
        Ok(n)
    }

    /// The weights as leaves, and as feeds of the graph.
    fn fed_weights(&self, tracked: bool) -> (Vec<Six>, Vec<(usize, Value)>) {
        let leaf = |weight: &Weight| {
            let value = weight.value.clone();
            if tracked { value.autodiff().require_grad() } else { value }
        };
        let leaves: Vec<Six> = self.weights.iter().map(leaf).collect();
        let feed =
            |(weight, leaf): (&Weight, &Six)| (weight.slot, Value::Float(Float::from_six(leaf.clone(), weight.rank)));
        let feeds = self.weights.iter().zip(&leaves).map(feed).collect();
        (leaves, feeds)
    }

    /// Runs the model with its weights as leaves.
    fn logits(&self, run: &Run, images: Six, tracked: bool) -> Result<(Float, Vec<Six>)> {
        let (leaves, mut feeds) = self.fed_weights(tracked);
        feeds.push((self.input, Value::Float(Float::from_six(images, 4))));
        for (_, slot, values) in &self.statistics {
            feeds.push((*slot, Value::Float(Float::new(values.clone(), &[values.len()], &self.device)?)));
        }
        let output = self.graph.run(run, feeds, &[self.logits], &mut |_, value| value)?.remove(0);
        match output {
            Value::Float(logits) if logits.rank() == 2 => Ok((logits, leaves)),
            other => Err(Error::shape("logits", "[n, n_classes]", other.shape())),
        }
    }

    fn images(&self, step: &TrainingStep, range: &Range<usize>) -> Result<Six> {
        let shape = [&[range.len()][..], &self.info.input_shape].concat();
        Ok(Float::new(step.images.rows(range.clone()).to_vec(), &shape, &self.device)?.six())
    }

    /// `Σ wᵢ·lossᵢ / n` over some of the step's images, and its gradients.
    fn shard(&self, step: &TrainingStep, range: Range<usize>, barrier: &Barrier) -> Result<Shard> {
        let _guard = barrier.break_on_drop();
        let (images, labels, weights) =
            (self.images(step, &range)?, &step.labels[range.clone()], &step.weights[range.clone()]);
        let mut run = self.graph.run_state();
        let training = || BatchNormTraining { barrier: barrier.clone(), updates: RefCell::default() };
        run.batch_norm = self.options.train_batch_norm.then(training);
        let (logits, leaves) = self.logits(&run, images.clone(), true)?;
        let plain = logits.to_plain()?;
        let losses: Vec<f32> =
            labels.iter().enumerate().map(|(i, &label)| self.info.output.loss(plain.row(i), label as i32)).collect();
        let share = 1.0 / step.labels.len() as f32;
        let factors: Vec<f32> = weights.iter().map(|weight| -weight * share).collect();
        let weighted = losses.iter().zip(weights).map(|(loss, weight)| loss * weight).sum::<f32>();
        if !weighted.is_finite() {
            return Err(Error::NotFinite { what: "the loss of a training step".into() });
        }
        let loss = self.sum_of_log_probs(logits, labels, &factors)?;
        let mut found = loss.is_tracked().then(|| loss.backward());
        let mut gradients: Vec<Six> = leaves.iter().map(|leaf| take(leaf, found.as_mut())).collect();
        if let Some(penalty) = step.penalty.filter(|penalty| penalty.strength != 0.0) {
            let extra =
                self.penalty_gradients(images, labels, penalty.mask.view().rows(range), penalty.strength * share)?;
            gradients = gradients.into_iter().zip(extra).map(|(a, b)| a.add(b)).collect();
        }
        let updates = run.batch_norm.map(|training| training.updates.into_inner()).unwrap_or_default();
        Ok(Shard { gradients, losses, logits: plain.into_data(), updates })
    }

    /// Gradients of the whole loss with respect to each weight.
    ///
    /// Images are split into shards of a fixed size, whose gradients are summed in order: the result does not depend on
    /// the number of threads. Batch normalisation under training needs all shards at once, each on a thread of its own,
    /// most of which wait.
    fn gradients(&self, step: &TrainingStep) -> Result<Shard> {
        let n = self.check(step)?;
        let size = match self.fixed_batch {
            Some(fixed) => fixed,
            None if device::is_cpu(&self.device) => SHARD,
            None => n,
        };
        let shards: Vec<Range<usize>> = (0..n).step_by(size).map(|start| start..(start + size).min(n)).collect();
        let at_once = if self.options.train_batch_norm { shards.len() } else { self.n_threads };
        let mut total: Option<Shard> = None;
        for round in shards.chunks(at_once) {
            let barriers = Barrier::for_shards(round.len());
            let done: Vec<Result<Shard>> = std::thread::scope(|scope| {
                let work = |(range, barrier): (&Range<usize>, Barrier)| {
                    let range = range.clone();
                    scope.spawn(move || self.shard(step, range, &barrier))
                };
                let workers: Vec<_> = round.iter().zip(barriers).map(work).collect();
                let join = |worker: std::thread::ScopedJoinHandle<'_, Result<Shard>>| {
                    worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                };
                workers.into_iter().map(join).collect()
            });
            for shard in done {
                let shard = shard?;
                total = Some(match total {
                    None => shard,
                    Some(total) => total.join(shard),
                });
            }
        }
        total.ok_or_else(|| Error::shape("images", "at least one image", step.images.shape()))
    }

    fn zeros(&self) -> Vec<Six> {
        self.weights.iter().map(|weight| weight.value.zeros_like()).collect()
    }
}

/// The model without the outputs that training does not use, since merging cannot remove an output.
fn logits_only(model: &Model, info: &ModelInfo) -> Model {
    let mut model = model.clone();
    if let Some(graph) = model.proto.graph.as_mut() {
        graph.output.retain(|output| output.name == info.logits);
    }
    model
}

impl Shard {
    /// This shard and the next as one.
    fn join(mut self, next: Self) -> Self {
        self.gradients = self.gradients.into_iter().zip(next.gradients).map(|(a, b)| a.add(b)).collect();
        self.losses.extend(next.losses);
        self.logits.extend(next.logits);
        self
    }

    fn outcome(self, n_classes: usize) -> Result<StepOutcome> {
        Ok(StepOutcome { logits: Tensor::new([self.losses.len(), n_classes], self.logits)?, losses: self.losses })
    }
}

/// The gradient of a leaf; zeros if nothing depends on it.
fn take(leaf: &Six, gradients: Option<&mut Gradients>) -> Six {
    let found = gradients.and_then(|gradients| leaf.grad_remove(gradients));
    found.unwrap_or_else(|| leaf.clone().without_autodiff().zeros_like())
}

impl Trainer for BurnTrainer {
    fn step(&mut self, step: &TrainingStep) -> Result<StepOutcome> {
        let mut shard = self.gradients(step)?;
        let (gradients, updates) = (std::mem::take(&mut shard.gradients), std::mem::take(&mut shard.updates));
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
        shard.outcome(self.info.n_classes)
    }

    fn weight_gradients(&mut self, step: &TrainingStep) -> Result<Vec<(String, Tensor)>> {
        let gradients = self.gradients(step)?.gradients;
        let named = self.weights.iter().zip(gradients);
        named
            .map(|(weight, gradient)| Ok((weight.name.clone(), Float::from_six(gradient, weight.rank).to_plain()?)))
            .collect()
    }

    fn weights(&self) -> Result<Vec<(String, Tensor)>> {
        let statistics = self
            .statistics
            .iter()
            .map(|(name, _, values)| Ok((name.clone(), Tensor::new([values.len()], values.clone())?)));
        let weights = self
            .weights
            .iter()
            .map(|weight| Ok((weight.name.clone(), Float::from_six(weight.value.clone(), weight.rank).to_plain()?)));
        weights.chain(statistics).collect()
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let mut state = self.weights()?;
        for weight in &self.weights {
            for (moment, held) in [("first", &weight.first), ("second", &weight.second)] {
                if let Some(held) = held {
                    let held = Float::from_six(held.clone(), weight.rank).to_plain()?;
                    state.push((format!("{moment}/{}", weight.name), held));
                }
            }
        }
        state.push((N_STEPS.to_owned(), Tensor::new([1], vec![self.n_steps as f32])?));
        Ok(state)
    }

    fn restore(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let state: HashMap<&str, &Tensor> = state.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let n_known = |restored: &[Weight]| {
            let moments = restored.iter().flat_map(|weight| [&weight.first, &weight.second]).flatten().count();
            restored.len() + moments + self.statistics.len() + 1
        };
        let find = |name: &str, shape: &[usize]| match state.get(name) {
            Some(tensor) if tensor.shape() == shape => Ok(tensor.data().to_vec()),
            Some(tensor) => Err(Error::shape(format!("`{name}` of the state"), format!("{shape:?}"), tensor.shape())),
            None => Err(Error::unknown_name("tensor of the state", name, state.keys().copied())),
        };
        let restored = self.weights.iter().map(|weight| {
            let shape = Float::from_six(weight.value.clone(), weight.rank).shape();
            let six = |name: &str| Ok::<_, Error>(Float::new(find(name, &shape)?, &shape, &self.device)?.six());
            let moment = |kind: &str| {
                let name = format!("{kind}/{}", weight.name);
                state.contains_key(name.as_str()).then(|| six(&name)).transpose()
            };
            let (first, second) = (moment("first")?, moment("second")?);
            Ok(Weight {
                name: weight.name.clone(),
                slot: weight.slot,
                rank: weight.rank,
                value: six(&weight.name)?,
                first,
                second,
            })
        });
        let restored = restored.collect::<Result<Vec<_>>>()?;
        let statistics = self.statistics.iter().map(|(name, _, values)| find(name, &[values.len()]));
        let statistics = statistics.collect::<Result<Vec<_>>>()?;
        let n_steps = find(N_STEPS, &[1])?;
        if state.len() != n_known(&restored) {
            return Err(Error::shape("state of the trainer", format!("{} tensors", n_known(&restored)), state.len()));
        }
        self.weights = restored;
        for ((_, _, values), kept) in self.statistics.iter_mut().zip(statistics) {
            *values = kept;
        }
        self.n_steps = n_steps[0] as i32;
        Ok(())
    }
}
