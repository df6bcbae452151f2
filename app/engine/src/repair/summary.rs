//! What came out of a repair.

use super::evaluate::Evaluation;
use super::evidence::Findings;
use super::outcome::Outcome;
use super::run::{End, MODEL, Run, best_epoch};
use crate::memory::peak_rss_mib;
use ascan_core::{Error, Result};
use ascan_store::{LocalStorage, Storage};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// What came out of a repair.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RepairSummary {
    /// The repaired model.
    pub model: PathBuf,
    /// The model before: the better one where the repair failed.
    #[serde(default)]
    pub model_before: PathBuf,
    /// Regularizer.
    pub plugin: String,
    /// Which weights moved.
    pub layers: String,
    /// Training images.
    pub n_training: usize,
    /// Epochs that were done.
    pub n_epochs: usize,
    /// Steps that were done.
    pub n_steps: u64,
    /// The epoch that was kept, counted from 1.
    pub best_epoch: usize,
    /// On validation images: the model before.
    pub before: Evaluation,
    /// The model that was kept.
    pub after: Evaluation,
    /// The model that was trained equally long without a regularizer, where there is one.
    #[serde(default)]
    pub control: Option<Evaluation>,
    /// What the pictures say about the verdicts.
    #[serde(default)]
    pub findings: Findings,
    /// Whether the repair helped.
    #[serde(default)]
    pub outcome: Outcome,
    /// Why training ended before its last epoch, if it did.
    pub stopped: Option<String>,
    /// Whether features were computed once, and only the head ran.
    pub cached: bool,
    /// Seconds of this call.
    pub seconds: f64,
    /// Steps of this call.
    pub n_steps_now: u64,
    /// Largest memory of the process, where the system tells.
    pub peak_rss_mib: Option<f64>,
}

impl RepairSummary {
    pub(super) fn new(run: &Run, end: End, seconds: f64, n_steps_now: u64) -> Result<Self> {
        let (repair, curves) = (&run.plan.config.repair, &run.progress.curves);
        let scores: Vec<f32> = curves.epochs.iter().map(|epoch| epoch.validation.score(repair.metric)).collect();
        let best = best_epoch(&scores);
        let after = curves.epochs.get(best).map(|epoch| epoch.validation);
        Ok(Self {
            model: run.out.join(MODEL),
            model_before: run.plan.model.open.path.clone(),
            plugin: repair.plugin.clone(),
            layers: repair.layers.clone(),
            n_training: run.plan.training.data.n(),
            n_epochs: curves.epochs.len(),
            n_steps: run.progress.step,
            best_epoch: best + 1,
            before: curves.before,
            after: after.ok_or_else(|| Error::unsupported("no epoch was done", "raise `repair.epochs`"))?,
            control: None,
            findings: Findings::default(),
            outcome: Outcome::default(),
            stopped: match end {
                End::Done => None,
                End::Early(reason) => Some(reason),
            },
            cached: run.features.is_some(),
            seconds,
            n_steps_now,
            peak_rss_mib: peak_rss_mib(),
        })
    }

    /// Writes the summary.
    pub(super) fn write(&self, storage: &LocalStorage) -> Result<()> {
        storage.put("summary.json", &json(serde_json::to_vec_pretty(self))?)
    }
}

fn json(value: serde_json::Result<Vec<u8>>) -> Result<Vec<u8>> {
    value.map_err(|error| Error::unsupported(format!("the summary cannot be written as JSON: {error}"), ""))
}

/// A figure of an evaluation, where it has it.
type Figure = fn(&Evaluation) -> Option<f32>;

impl fmt::Display for RepairSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: f32| format!("{:.1} %", share * 100.0);
        let how = if self.cached { ", features computed once" } else { "" };
        writeln!(
            f,
            "{}, layers {}{how}: {} epochs of {} images, {} steps in {:.1} s",
            self.plugin, self.layers, self.n_epochs, self.n_training, self.n_steps_now, self.seconds
        )?;
        if let Some(reason) = &self.stopped {
            writeln!(f, "  ended early: {reason}")?;
        }
        let figures: [(&str, Figure); 4] = [
            ("right", |found| Some(found.accuracy)),
            ("worst class", |found| Some(found.worst_class_accuracy)),
            ("worst class, with the surroundings of another class", |found| Some(found.mixed?.worst_class_accuracy)),
            ("follows the surroundings then", |found| Some(found.mixed?.reliance)),
        ];
        for (name, figure) in figures {
            let (Some(before), Some(after)) = (figure(&self.before), figure(&self.after)) else { continue };
            let control = self.control.as_ref().and_then(figure);
            let control =
                control.map_or_else(String::new, |value| format!(", {} without a regularizer", percent(value)));
            let (before, after) = (percent(before), percent(after));
            writeln!(f, "  validation, {name}: {before} before, {after} after epoch {}{control}", self.best_epoch)?;
        }
        write!(f, "  {}", self.outcome.words())?;
        match &self.outcome {
            Outcome::Failed(_) => writeln!(f, ", {}", self.model_before.display())?,
            _ => writeln!(f)?,
        }
        self.outcome.reasons().iter().try_for_each(|reason| writeln!(f, "    {reason}"))?;
        write!(f, "  {}", self.model.display())
    }
}
