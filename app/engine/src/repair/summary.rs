//! What came out of a repair.

use super::CURVES;
use super::curves::Curves;
use super::evaluate::Evaluation;
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
            plugin: repair.plugin.clone(),
            layers: repair.layers.clone(),
            n_training: run.plan.training.data.rows.len(),
            n_epochs: curves.epochs.len(),
            n_steps: run.progress.step,
            best_epoch: best + 1,
            before: curves.before,
            after: after.ok_or_else(|| Error::unsupported("no epoch was done", "raise `repair.epochs`"))?,
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

    /// Writes the summary and the curves.
    pub(super) fn write(&self, storage: &LocalStorage, curves: &Curves) -> Result<()> {
        let json = |value: serde_json::Result<Vec<u8>>| {
            value.map_err(|error| Error::unsupported(format!("the summary cannot be written as JSON: {error}"), ""))
        };
        storage.put("summary.json", &json(serde_json::to_vec_pretty(self))?)?;
        storage.put(CURVES, &json(serde_json::to_vec(curves))?)?;
        Ok(())
    }
}

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
        for (name, before, after) in [
            ("right", self.before.accuracy, self.after.accuracy),
            ("worst class", self.before.worst_class_accuracy, self.after.worst_class_accuracy),
        ] {
            writeln!(
                f,
                "  validation, {name}: {} before, {} after epoch {}",
                percent(before),
                percent(after),
                self.best_epoch
            )?;
        }
        write!(f, "  {}", self.model.display())
    }
}
