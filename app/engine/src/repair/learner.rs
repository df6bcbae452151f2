//! A model that is being trained: the file, what of it is run, and the trainer.

use super::fold::Folded;
use ascan_config::sections::{OptimizerName, RepairSection};
use ascan_core::{
    Error, OpenModel, Optimizer, OutputChoice, OutputKind, Result, Runtime, Suppression, Trainable, Trainer,
    TrainerOptions,
};
use ascan_onnx::Model;
use std::path::Path;

/// A model that is being trained.
pub struct Learner {
    /// The model before, whole.
    original: Model,
    /// What the trainer runs, where that is not the whole model.
    part: Option<Model>,
    /// What its head sees less of: folded into the weights that are written.
    suppressed: Option<Folded>,
    /// How the trained net is opened to be run.
    pub open: OpenModel,
    /// Moves its weights.
    pub trainer: Box<dyn Trainer>,
}

/// The options of a trainer.
pub fn options(repair: &RepairSection, trainable: Trainable, seed: u64) -> TrainerOptions {
    let optimizer = match repair.optimizer {
        OptimizerName::Sgd => Optimizer::Sgd { momentum: repair.momentum },
        OptimizerName::AdamW => Optimizer::AdamW { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 },
    };
    let (weight_decay, train_batch_norm) = (repair.weight_decay, repair.train_batch_norm);
    TrainerOptions { optimizer, weight_decay, trainable, train_batch_norm, seed }
}

/// The weights that `repair.layers` means.
pub fn trainable(layers: &str) -> Trainable {
    match layers {
        "all" => Trainable::All,
        "head" => Trainable::Head,
        tensor => Trainable::After(tensor.to_owned()),
    }
}

impl Learner {
    /// A learner of the whole model, or of a `part` of it that stands in its place and gives logits of this `kind`; the part
    /// lies in the file `net`.
    ///
    /// # Errors
    /// What opening the model, or making its trainer, reports: parts that cannot be trained are told here.
    pub fn new(
        original: Model,
        part: Option<Model>,
        kind: OutputKind,
        open: &OpenModel,
        net: &Path,
        runtime: &dyn Runtime,
        options: &TrainerOptions,
    ) -> Result<Self> {
        let mut open = open.clone();
        if let Some(part) = &part {
            part.save(net)?;
            let output = OutputChoice { kind: Some(kind.of_logits()), ..OutputChoice::default() };
            open = OpenModel { path: net.to_owned(), image_size: None, output, ..open };
        }
        let trainer = runtime.open(&open)?.trainer(options)?;
        // Found out now, not after the first epoch: whether what is trained can be written back.
        original.clone().set_weights(&trainer.weights()?).map_err(|error| match error {
            Error::UnknownName { name, .. } => Error::unsupported(
                format!("the weight `{name}` is computed from others in the file, and cannot be written back"),
                "export the model with constant folding, or train other layers (`repair.layers`)",
            ),
            other => other,
        })?;
        open.path = net.to_owned();
        Ok(Self { original, part, suppressed: None, open, trainer })
    }

    /// Writes the net with the weights as they are now where [`Self::open`] finds it.
    ///
    /// # Errors
    /// `File` if it cannot be written.
    pub fn write_net(&self) -> Result<()> {
        let mut net = self.part.as_ref().unwrap_or(&self.original).clone();
        net.set_weights(&self.trainer.weights()?)?;
        net.save(&self.open.path)
    }

    /// From now on features come with less of a direction, and the model that is written does the same to them by itself.
    ///
    /// # Errors
    /// `Unsupported` for a head whose weights and bias cannot be told apart.
    pub fn suppress(&mut self, found: Suppression) -> Result<()> {
        self.suppressed = Some(Folded::new(found, &self.trainer.weights()?)?);
        Ok(())
    }

    /// Writes the whole model with the weights as they are now: names, shapes and operators stay.
    ///
    /// # Errors
    /// `File` if it cannot be written.
    pub fn write_model(&self, path: &Path) -> Result<()> {
        let mut model = self.original.clone();
        let mut weights = self.trainer.weights()?;
        if let Some(folded) = &self.suppressed {
            folded.apply(&mut weights);
        }
        model.set_weights(&weights)?;
        model.save(path)
    }

    /// Weights that move, and floating-point weights of the model in all.
    ///
    /// # Errors
    /// Whatever the trainer reports.
    pub fn n_weights(&self) -> Result<usize> {
        Ok(self.trainer.weights()?.iter().map(|(_, tensor)| tensor.data().len()).sum())
    }
}
