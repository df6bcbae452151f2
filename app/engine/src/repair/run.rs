//! The training loop: epochs of steps, each epoch judged on validation images, and kept.

use super::RepairPlan;
use super::batches::{Batch, Chosen};
use super::checkpoint::{Checkpoint, Progress};
use super::curves::EpochPoint;
use super::evaluate::{Evaluation, MixedEvaluation};
use super::features::{Features, spread_out};
use super::learner::Learner;
use super::mixed::Mixed;
use super::sample::order;
use crate::workers::logits;
use ascan_config::sections::{Balance, Schedule};
use ascan_core::metrics::argmax;
use ascan_core::{
    Context, Error, ErrorCode, Level, RegularizedBatch, Regularizer, Result, Selection, StepOutcome, TensorView,
    TrainingStep,
};
use ascan_store::LocalStorage;
use std::path::Path;

/// A loss beyond this is no loss of a classifier that still learns: e^100 to one against the label.
const DIVERGED: f32 = 100.0;

/// A run, between its steps.
pub struct Run<'a> {
    /// What is done.
    pub plan: &'a RepairPlan,
    /// What learns.
    pub learner: Learner,
    /// What it learns under.
    pub regularizer: Box<dyn Regularizer>,
    /// Vectors in place of pictures, where only the head trains.
    pub features: Option<Features>,
    /// What comes equally often in an epoch.
    pub balance: Balance,
    /// Copies of the validation images with the surroundings of another class, where there are some.
    pub mixed: Option<&'a Mixed>,
    /// Where checkpoints go.
    pub storage: LocalStorage,
    /// The folder of the run.
    pub out: &'a Path,
    /// How far it has come.
    pub progress: Progress,
    /// Step size of the last step.
    pub learning_rate: f32,
    /// Steps of the epoch that is being done.
    pub n_batches: usize,
    /// Threads, progress, seed.
    pub context: Context<'a>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// All epochs are done.
    Done,
    /// Early, for a reason.
    Early(String),
}

/// Name of the repaired model in the folder of a run.
pub const MODEL: &str = "model.onnx";

impl Run<'_> {
    /// Trains until the end; the best epoch is in [`MODEL`] then.
    ///
    /// # Errors
    /// `Cancelled`, and whatever else stops the run: the checkpoint holds what was done. Diverging before the first
    /// epoch is done is an error, later it is an early end.
    pub fn train(&mut self) -> Result<End> {
        let repair = &self.plan.config.repair;
        if self.progress.step == 0 {
            self.progress.curves.before = self.validate()?;
        }
        while self.progress.epoch < repair.epochs {
            match self.epoch() {
                Err(error) if error.code() == ErrorCode::NotFinite => return self.diverged(),
                done => done?,
            }
            let scores: Vec<f32> =
                self.progress.curves.epochs.iter().map(|e| e.validation.score(repair.metric)).collect();
            let best = best_epoch(&scores);
            if repair.patience > 0 && scores.len() - 1 - best >= repair.patience {
                return Ok(End::Early(format!("no better epoch in {} epochs", repair.patience)));
            }
        }
        Ok(End::Done)
    }

    fn diverged(&self) -> Result<End> {
        let (step, rate) = (self.progress.step + 1, self.learning_rate);
        let hint = "lower `repair.learning_rate`";
        let text = format!("the loss diverged at step {step} (learning rate {rate})");
        match self.progress.curves.epochs.len() {
            0 => Err(Error::unsupported(format!("{text}, before the first epoch was done"), hint)),
            n => Ok(End::Early(format!("{text}; the best of the {n} epochs before is kept: {hint}"))),
        }
    }

    /// One epoch, or what is left of it.
    fn epoch(&mut self) -> Result<()> {
        let (plan, epoch) = (self.plan, self.progress.epoch as u64);
        let repair = &plan.config.repair;
        let seed = plan.config.run.seed;
        let selection = self.regularizer.select(&plan.training.set(epoch), &self.context)?;
        let selection = match &self.features {
            Some(features) => with_features(selection, features),
            None => selection,
        };
        let order = order(&selection, &plan.training.groups, self.balance, seed, epoch);
        if order.is_empty() {
            return Err(Error::unsupported(
                "the regularizer left no image to train on",
                "choose another, or other settings",
            ));
        }
        let chosen: Vec<Chosen> = order.iter().map(|&at| (selection.rows[at], selection.labels[at])).collect();
        let batches: Vec<&[Chosen]> = chosen.chunks(repair.batch_size).collect();
        let n_batches = batches.len();
        let left = &batches[self.progress.batch.min(n_batches)..];
        self.n_batches = n_batches;
        let reader = plan.reader();
        if self.features.is_some() {
            for chosen in left {
                let batch = reader.without_pictures(chosen);
                self.step(&batch)?;
            }
        } else {
            reader.read_ahead(left, epoch, |batch| self.step(&batch))?;
        }
        self.end_epoch()
    }

    fn rate(&self) -> f32 {
        let repair = &self.plan.config.repair;
        match repair.schedule {
            Schedule::Constant => repair.learning_rate,
            Schedule::Cosine => {
                // Epochs may differ in length, where a method chooses the images: the schedule follows epochs.
                let of_epoch = self.progress.batch as f64 / self.n_batches.max(1) as f64;
                let done = (self.progress.epoch as f64 + of_epoch) / repair.epochs as f64;
                (f64::from(repair.learning_rate) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())) as f32
            }
        }
    }

    fn step(&mut self, batch: &Batch) -> Result<()> {
        for reason in &batch.failed {
            self.context.reporter.log(Level::Warning, &format!("left out of training: {reason}"));
        }
        let step = self.progress.step;
        self.learning_rate = self.rate();
        if !batch.places.is_empty() {
            let (images, made) = self.prepare(batch, step)?;
            let n_rows = made.labels.len();
            if n_rows > 0 {
                let outcome = self.learner.trainer.step(&TrainingStep {
                    images: TensorView::new(&[&[n_rows][..], &self.input_shape()].concat(), &images)?,
                    labels: &made.labels,
                    weights: &made.weights,
                    learning_rate: self.learning_rate,
                    penalty: made.penalty.as_ref(),
                })?;
                self.record(batch, &made, &outcome)?;
            }
        }
        self.progress.step += 1;
        self.progress.batch += 1;
        let every = self.plan.config.repair.checkpoint_steps as u64;
        if self.progress.step.is_multiple_of(every) && self.progress.batch < self.n_batches {
            self.checkpoint()?;
        }
        let (epochs, done, n) = (self.plan.config.repair.epochs, self.progress.epoch, self.n_batches);
        self.context.progress("training", done * n + self.progress.batch, epochs * n)
    }

    fn input_shape(&self) -> [usize; 3] {
        match &self.features {
            Some(features) => [features.d, 1, super::features::N_PLACES],
            None => self.plan.model.unit.input_shape(),
        }
    }

    /// The model's input for a batch, and what the regularizer made of it.
    fn prepare(&mut self, batch: &Batch, step: u64) -> Result<(Vec<f32>, RegularizedBatch)> {
        match &self.features {
            None => {
                let mut made = self.regularizer.prepare(&batch.view(step), &self.context)?;
                let mut images = std::mem::take(&mut made.images).into_data();
                self.plan.model.normalise.apply(&mut images, self.plan.model.unit.input_shape());
                Ok((images, made))
            }
            Some(features) if features.draws.is_empty() => {
                let made = self.regularizer.prepare(&batch.view(step), &self.context)?;
                let vector = |&source: &usize| features.clean[batch.places[source]].iter().flat_map(|v| spread_out(v));
                Ok((made.sources.iter().flat_map(vector).collect(), made))
            }
            Some(features) => {
                let (images, labels, weights, sources) = features.step(&batch.places, self.progress.epoch);
                Ok((images, RegularizedBatch { labels, weights, sources, ..RegularizedBatch::default() }))
            }
        }
    }

    fn record(&mut self, batch: &Batch, made: &RegularizedBatch, outcome: &StepOutcome) -> Result<()> {
        let n = batch.places.len();
        let (mut losses, mut counts) = (vec![0.0f32; n], vec![0usize; n]);
        for (&source, loss) in made.sources.iter().zip(&outcome.losses) {
            losses[source] += loss;
            counts[source] += 1;
        }
        losses.iter_mut().zip(&counts).for_each(|(loss, &count)| *loss /= count.max(1) as f32);
        if self.features.as_ref().is_none_or(|features| features.draws.is_empty()) {
            self.regularizer.observe(&losses)?;
        }
        let mean = outcome.losses.iter().sum::<f32>() / outcome.losses.len() as f32;
        self.progress.curves.losses.push(mean);
        if !mean.is_finite() || mean > DIVERGED {
            return Err(Error::NotFinite { what: "the loss of a training step".into() });
        }
        let right =
            made.labels.iter().enumerate().filter(|(i, label)| argmax(outcome.logits.row(*i)) == **label).count();
        let (sum, n_right, n_rows) = &mut self.progress.sums;
        *sum += outcome.losses.iter().sum::<f32>();
        *n_right += right;
        *n_rows += made.labels.len();
        Ok(())
    }

    fn end_epoch(&mut self) -> Result<()> {
        let validation = self.validate()?;
        let (sum, n_right, n_rows) = std::mem::take(&mut self.progress.sums);
        let n_rows = n_rows.max(1) as f32;
        self.progress.curves.epochs.push(EpochPoint {
            step: self.progress.step,
            learning_rate: self.learning_rate,
            train_loss: sum / n_rows,
            train_accuracy: n_right as f32 / n_rows,
            validation,
        });
        let metric = self.plan.config.repair.metric;
        let scores: Vec<f32> = self.progress.curves.epochs.iter().map(|e| e.validation.score(metric)).collect();
        if best_epoch(&scores) + 1 == scores.len() {
            self.learner.write_model(&self.out.join(MODEL))?;
        }
        (self.progress.epoch, self.progress.batch) = (self.progress.epoch + 1, 0);
        // For whoever looks on.
        self.progress.curves.write(&self.storage)?;
        self.checkpoint()
    }

    fn checkpoint(&self) -> Result<()> {
        let (trainer, regularizer) = (self.learner.trainer.state()?, self.regularizer.state()?);
        Checkpoint { progress: self.progress.clone(), trainer, regularizer }.save(&self.storage, self.out)
    }

    /// The model as it is now, on the validation images.
    fn validate(&self) -> Result<Evaluation> {
        self.learner.write_net()?;
        let data = &self.plan.validation;
        let plan = self.plan;
        let found = match &self.features {
            Some(features) => {
                let missing = || Error::unsupported("the image has no features", "");
                let load = |i: usize| Ok(spread_out(features.validation[i].as_ref().ok_or_else(missing)?).collect());
                logits(&*plan.runtime, &self.learner.open, data.n(), &load, &self.context)?
            }
            None => {
                let load = |i: usize| data.load(&plan.model.preprocess, i);
                logits(&*plan.model.runtime, &self.learner.open, data.n(), &load, &self.context)?
            }
        };
        let rows: Vec<(Vec<f32>, usize)> =
            found.into_iter().zip(&data.labels).filter_map(|(logits, &label)| Some((logits?, label))).collect();
        if rows.is_empty() {
            return Err(Error::unsupported(
                "there is no validation image that can be read, so no epoch can be chosen",
                "set `repair.validation_split` to a split that has images, or raise `repair.validation_share`",
            ));
        }
        Ok(Evaluation { mixed: self.validate_mixed()?, ..Evaluation::of(&rows, plan.model.info.output) })
    }

    /// The model as it is now, on copies of the validation images with the surroundings of another class.
    fn validate_mixed(&self) -> Result<Option<MixedEvaluation>> {
        let (plan, data) = (self.plan, &self.plan.validation);
        let Some(mixed) = self.mixed else { return Ok(None) };
        let n = data.n();
        let found = match &self.features {
            Some(features) => {
                let missing = || Error::unsupported("the copy has no features", "");
                let load = |i: usize| Ok(spread_out(features.mixed[i].as_ref().ok_or_else(missing)?).collect());
                logits(&*plan.runtime, &self.learner.open, n, &load, &self.context)?
            }
            None => {
                let load = |i: usize| mixed.picture(plan, data, i);
                logits(&*plan.model.runtime, &self.learner.open, n, &load, &self.context)?
            }
        };
        let row =
            |(i, logits): (usize, Option<Vec<f32>>)| Some((logits?, data.labels[i], data.labels[mixed.donors[i]]));
        let rows: Vec<(Vec<f32>, usize, usize)> = found.into_iter().enumerate().filter_map(row).collect();
        Ok((!rows.is_empty()).then(|| MixedEvaluation::of(&rows, plan.model.info.output)))
    }
}

/// The epoch with the highest score, the first of equals.
pub fn best_epoch(scores: &[f32]) -> usize {
    (0..scores.len()).reduce(|best, i| if scores[i] > scores[best] { i } else { best }).unwrap_or(0)
}

/// What can be trained on of a selection: images without features are left out.
fn with_features(selection: Selection, features: &Features) -> Selection {
    let kept = selection.rows.into_iter().zip(selection.labels).filter(|(row, _)| features.has(*row));
    let (rows, labels) = kept.unzip();
    Selection { rows, labels }
}
