//! The laws of a [`Trainer`].

use super::laws::{Laws, THREADS, take, with_value};
use crate::metrics::cross_entropy;
use crate::{ErrorCode, Optimizer, Result, StepOutcome, Tensor, Trainable, Trainer, TrainerOptions, TrainingStep};

/// What to check a trainer on.
#[derive(Debug, Clone)]
pub struct TrainerExpectations {
    /// `[n, c, h, w]` with at least two images that the model accepts.
    pub images: Tensor,
    /// `[n]`, a class of the model each.
    pub labels: Vec<usize>,
    /// Number of classes.
    pub n_classes: usize,
    /// A step size at which a few steps of plain gradient descent lower the loss.
    pub learning_rate: f32,
}

/// Makes a trainer, from the model's first weights, with a number of threads.
pub type MakeTrainer<'a> = dyn Fn(&TrainerOptions, usize) -> Result<Box<dyn Trainer>> + 'a;

/// Checks a trainer. `make` makes one, from the model's first weights, with a number of threads.
///
/// # Panics
/// If the trainer breaks a law of the contract, naming both.
pub fn check_trainer(plugin: &str, make: &MakeTrainer, expectations: &TrainerExpectations) {
    let laws = Laws { plugin };
    let plain = TrainerOptions { optimizer: Optimizer::Sgd { momentum: 0.0 }, ..TrainerOptions::default() };
    let case = Case { laws: &laws, make, data: expectations, ones: vec![1.0; expectations.labels.len()] };
    case.check_outcome(&plain);
    case.check_gradient_step(&plain);
    case.check_determinism();
    case.check_restore();
    case.check_learning(&plain);
    case.check_bad_steps(&plain);
    let unknown = TrainerOptions { trainable: Trainable::Names(vec!["no such weight".into()]), ..plain };
    laws.fails("training a weight that does not exist", || make(&unknown, 1));
}

struct Case<'a> {
    laws: &'a Laws<'a>,
    make: &'a MakeTrainer<'a>,
    data: &'a TrainerExpectations,
    ones: Vec<f32>,
}

impl Case<'_> {
    fn trainer(&self, options: &TrainerOptions, n_threads: usize) -> Box<dyn Trainer> {
        self.laws.succeeds("making a trainer", || (self.make)(options, n_threads))
    }

    fn step(&self) -> TrainingStep<'_> {
        TrainingStep {
            images: self.data.images.view(),
            labels: &self.data.labels,
            weights: &self.ones,
            learning_rate: self.data.learning_rate,
            penalty: None,
        }
    }

    fn weights(&self, trainer: &dyn Trainer) -> Vec<(String, Tensor)> {
        self.laws.succeeds("weights", || trainer.weights())
    }

    fn check_outcome(&self, options: &TrainerOptions) {
        let laws = self.laws;
        let n = self.data.labels.len();
        let mut trainer = self.trainer(options, 1);
        let StepOutcome { losses, logits } = laws.succeeds("step", || trainer.step(&self.step()));
        laws.shape("the logits of a step", &logits, &[n, self.data.n_classes]);
        let expected: Vec<f32> =
            self.data.labels.iter().enumerate().map(|(i, &label)| cross_entropy(logits.row(i), label as i32)).collect();
        laws.close("the losses of a step are the cross-entropies of its logits", &losses, &expected, 1e-4);
    }

    /// Plain gradient descent moves each weight by −rate · gradient, and looking at gradients moves nothing.
    fn check_gradient_step(&self, options: &TrainerOptions) {
        let laws = self.laws;
        let mut trainer = self.trainer(options, 1);
        let before = self.weights(trainer.as_ref());
        laws.require(!before.is_empty(), "a trainer has weights to train");
        let gradients = laws.succeeds("weight_gradients", || trainer.weight_gradients(&self.step()));
        laws.require(self.weights(trainer.as_ref()) == before, "weight_gradients must not move the weights");
        laws.succeeds("step", || trainer.step(&self.step()));
        let after = self.weights(trainer.as_ref());
        laws.require(after != before, "a step must move the weights");
        let names = |named: &[(String, Tensor)]| named.iter().map(|(name, _)| name.clone()).collect::<Vec<String>>();
        laws.require(names(&before) == names(&after), "weights must keep their names and order");
        for (name, gradient) in &gradients {
            let find =
                |named: &[(String, Tensor)]| named.iter().find(|(other, _)| other == name).map(|(_, t)| t.clone());
            let (Some(before), Some(after)) = (find(&before), find(&after)) else {
                panic!("plugin `{}` breaks the law: `{name}` has a gradient but is no weight", laws.plugin);
            };
            laws.require(gradient.shape() == before.shape(), "a gradient must have the shape of its weight");
            let expected: Vec<f32> =
                before.data().iter().zip(gradient.data()).map(|(w, g)| w - self.data.learning_rate * g).collect();
            laws.close("plain SGD must move a weight by −rate · gradient", after.data(), &expected, 1e-4);
        }

        // Weights of examples scale the gradient; none leaves nothing.
        let halves: Vec<f32> = self.ones.iter().map(|w| w / 2.0).collect();
        let mut fresh = self.trainer(options, 1);
        let half = TrainingStep { weights: &halves, ..self.step() };
        let half = laws.succeeds("weight_gradients", || fresh.weight_gradients(&half));
        for ((_, half), (_, whole)) in half.iter().zip(&gradients) {
            let doubled: Vec<f32> = half.data().iter().map(|v| v * 2.0).collect();
            laws.close("half the weights, half the gradient", &doubled, whole.data(), 1e-3);
        }
        let still = TrainingStep { learning_rate: 0.0, ..self.step() };
        laws.succeeds("step", || fresh.step(&still));
        laws.require(self.weights(fresh.as_ref()) == before, "a step of rate 0 must not move the weights");
    }

    fn check_determinism(&self) {
        let optimizers =
            [Optimizer::Sgd { momentum: 0.9 }, Optimizer::AdamW { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 }];
        for optimizer in optimizers {
            let options = TrainerOptions { optimizer, weight_decay: 0.01, ..TrainerOptions::default() };
            let run = |n_threads| {
                let mut trainer = self.trainer(&options, n_threads);
                for _ in 0..3 {
                    self.laws.succeeds("step", || trainer.step(&self.step()));
                }
                self.weights(trainer.as_ref())
            };
            let first = run(1);
            self.laws.require(run(1) == first, "same options and steps, same weights");
            for n_threads in THREADS {
                for ((_, again), (_, first)) in run(n_threads).iter().zip(&first) {
                    let law = format!("weights must not depend on the number of threads ({n_threads})");
                    self.laws.close(&law, again.data(), first.data(), 1e-4);
                }
            }
        }
    }

    /// A fresh trainer that is given the state of another goes on as that one does.
    fn check_restore(&self) {
        let optimizers =
            [Optimizer::Sgd { momentum: 0.9 }, Optimizer::AdamW { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 }];
        for optimizer in optimizers {
            let options = TrainerOptions { optimizer, weight_decay: 0.01, ..TrainerOptions::default() };
            let mut first = self.trainer(&options, 1);
            for _ in 0..2 {
                self.laws.succeeds("step", || first.step(&self.step()));
            }
            let state = self.laws.succeeds("state", || first.state());
            let mut second = self.trainer(&options, 1);
            self.laws.succeeds("restore", || second.restore(&state));
            for trainer in [&mut first, &mut second] {
                self.laws.succeeds("step", || trainer.step(&self.step()));
            }
            let [first, second] = [first, second].map(|trainer| self.weights(trainer.as_ref()));
            let law = "a restored trainer must go on as the first one does";
            for ((_, again), (_, first)) in second.iter().zip(&first) {
                self.laws.close(law, again.data(), first.data(), 1e-6);
            }
            let mut fresh = self.trainer(&options, 1);
            self.laws.fails("restoring half a state", || fresh.restore(&state[1..]));
        }
    }

    fn check_learning(&self, options: &TrainerOptions) {
        let mut trainer = self.trainer(options, 1);
        let mut loss = || -> f32 { self.laws.succeeds("step", || trainer.step(&self.step())).losses.iter().sum() };
        let first = loss();
        let last = (0..8).map(|_| loss()).last().unwrap_or(first);
        self.laws.require(last < first, &format!("steps must lower the loss (from {first} to {last})"));
    }

    fn check_bad_steps(&self, options: &TrainerOptions) {
        let laws = self.laws;
        let mut trainer = self.trainer(options, 1);
        let before = self.weights(trainer.as_ref());
        let step = self.step();
        laws.fails("a step with too few labels", || trainer.step(&TrainingStep { labels: &step.labels[1..], ..step }));
        laws.fails("a step with too few weights", || {
            trainer.step(&TrainingStep { weights: &step.weights[1..], ..step })
        });
        let beyond = vec![self.data.n_classes; step.labels.len()];
        laws.fails("a step with a label outside the classes", || {
            trainer.step(&TrainingStep { labels: &beyond, ..step })
        });
        let bad = with_value(&self.data.images, 3, f32::NAN);
        let nan = laws.call("a step on NaN", || trainer.step(&TrainingStep { images: bad.view(), ..step }));
        let code = nan.err().map(|error| error.code());
        laws.require(code == Some(ErrorCode::NotFinite), "a step on NaN must be a `NotFinite` error");
        let none = take(&self.data.images, &[]);
        laws.call("a step on no images", || {
            trainer.step(&TrainingStep { images: none.view(), labels: &[], weights: &[], ..step })
        })
        .ok();
        laws.require(self.weights(trainer.as_ref()) == before, "a step that fails must leave the weights as they were");
    }
}
