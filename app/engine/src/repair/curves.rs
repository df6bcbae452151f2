//! What was measured while a model was trained.

use super::evaluate::Evaluation;
use ascan_core::{Error, Result};
use ascan_store::{LocalStorage, Storage};
use serde::{Deserialize, Serialize};

/// File of [`Curves`] in the folder of a run.
pub const CURVES: &str = "curves.json";

/// Every step and every epoch of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Curves {
    /// On validation images, before the first step.
    pub before: Evaluation,
    /// Mean loss of the images of each step, before it.
    pub losses: Vec<f32>,
    /// After each epoch.
    pub epochs: Vec<EpochPoint>,
}

impl Curves {
    /// Keeps them in the folder of the run.
    pub(super) fn write(&self, storage: &LocalStorage) -> Result<()> {
        let json = serde_json::to_vec(self)
            .map_err(|error| Error::unsupported(format!("the curves cannot be written as JSON: {error}"), ""))?;
        storage.put(CURVES, &json)
    }
}

/// An epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochPoint {
    /// Steps done by its end.
    pub step: u64,
    /// Step size of its last step.
    pub learning_rate: f32,
    /// Mean loss of its images, as they were trained on.
    pub train_loss: f32,
    /// Share of them that were right.
    pub train_accuracy: f32,
    /// On validation images.
    pub validation: Evaluation,
}
