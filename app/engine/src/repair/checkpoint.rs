//! What a run that was ended needs to go on, in one file that is replaced whole.

use super::curves::Curves;
use crate::tensors;
use ascan_core::{Error, Result, Tensor};
use ascan_store::{LocalStorage, Storage};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Name of the file.
const FILE: &str = "checkpoint.safetensors";
/// The regularizer's state, beside the trainer's tensors.
const REGULARIZER: &str = "regularizer/state";
const TRAINER: &str = "trainer/";

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs that are done.
    pub epoch: usize,
    /// Batches of the next epoch that are done.
    pub batch: usize,
    /// Steps in all.
    pub step: u64,
    /// Σ loss, right predictions and images of the epoch so far.
    pub sums: (f32, usize, usize),
    /// What was measured.
    pub curves: Curves,
}

/// A moment of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// How far it has come.
    pub progress: Progress,
    /// Of the trainer.
    pub trainer: Vec<(String, Tensor)>,
    /// Of the regularizer.
    pub regularizer: Vec<f32>,
}

impl Checkpoint {
    /// Writes the checkpoint over an earlier one, whole or not at all.
    ///
    /// # Errors
    /// `File` if it cannot be written: the earlier one is then still there.
    pub fn save(&self, storage: &LocalStorage, out: &Path) -> Result<()> {
        let failed =
            |error: &dyn std::fmt::Display| Error::file(out.join(FILE), format!("cannot be written: {error}"), "");
        let regularizer = Tensor::new([self.regularizer.len()], self.regularizer.clone())?;
        let named = self.trainer.iter().map(|(name, tensor)| (format!("{TRAINER}{name}"), tensor));
        let named: Vec<_> = named.chain([(REGULARIZER.to_owned(), &regularizer)]).collect();
        let progress = serde_json::to_string(&self.progress).map_err(|error| failed(&error))?;
        let bytes = tensors::encode(&named, &progress).map_err(|error| failed(&error))?;
        storage.put(FILE, &bytes)
    }

    /// Reads the checkpoint of a run; `None` if there is none yet.
    ///
    /// # Errors
    /// `File` if it is damaged.
    pub fn load(storage: &LocalStorage, out: &Path) -> Result<Option<Self>> {
        if !storage.exists(FILE)? {
            return Ok(None);
        }
        let bytes = storage.get(FILE)?;
        let damaged = |error: &dyn std::fmt::Display| {
            let hint = "delete the folder, or choose another with --out, to begin again";
            Error::file(out.join(FILE), format!("cannot be understood: {error}"), hint)
        };
        let (named, progress) = tensors::decode(&bytes).map_err(|error| damaged(&error))?;
        let progress = serde_json::from_str(&progress).map_err(|error| damaged(&error))?;
        let (mut trainer, mut regularizer) = (Vec::new(), Vec::new());
        for (name, tensor) in named {
            match name.strip_prefix(TRAINER) {
                Some(name) => trainer.push((name.to_owned(), tensor)),
                None => regularizer = tensor.into_data(),
            }
        }
        Ok(Some(Self { progress, trainer, regularizer }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_comes_back_and_a_damaged_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let storage = LocalStorage::new(dir.path());
        assert_eq!(Checkpoint::load(&storage, dir.path()).unwrap(), None);
        let checkpoint = Checkpoint {
            progress: Progress { epoch: 2, batch: 7, step: 91, sums: (0.1 + 0.2, 3, 4), curves: Curves::default() },
            trainer: vec![("w".into(), Tensor::new([2, 1], vec![f32::MIN_POSITIVE, -0.1]).unwrap())],
            regularizer: vec![1.0, 0.1],
        };
        checkpoint.save(&storage, dir.path()).unwrap();
        assert_eq!(Checkpoint::load(&storage, dir.path()).unwrap(), Some(checkpoint));
        std::fs::write(dir.path().join(FILE), "torn").unwrap();
        assert!(Checkpoint::load(&storage, dir.path()).unwrap_err().to_string().contains("cannot be understood"));
    }
}
