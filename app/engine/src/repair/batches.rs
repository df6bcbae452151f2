//! Batches on their way from files to the trainer, read ahead while it works.

use super::augment::Augment;
use super::data::Training;
use crate::seeds::seed_of;
use ascan_config::sections::RepairSection;
use ascan_core::{Result, Tensor, TrainingBatch};
use ascan_images::Preprocess;
use std::sync::mpsc::sync_channel;

/// Batches read ahead.
const N_AHEAD: usize = 2;

/// Reads batches.
pub struct Reader<'a> {
    /// The images, and what is known about them.
    pub training: &'a Training,
    /// From a file to a picture in [0, 1].
    pub unit: &'a Preprocess,
    /// How pictures are changed and masks made.
    pub repair: &'a RepairSection,
    /// Whether negative attribution counts by its size.
    pub absolute: bool,
    /// Seed of the run.
    pub seed: u64,
}

/// An image of an epoch: its place in the training split, and its label there.
pub type Chosen = (usize, usize);

/// Images of one step, owned.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Places in the training split of the images that could be read.
    pub places: Vec<usize>,
    /// `[n, c, h, w]` in [0, 1].
    pub images: Tensor,
    /// `[n, h, w]`
    pub masks: Tensor,
    /// `[n]`, of `places`.
    pub labels: Vec<usize>,
    /// `[n]`
    pub spuriousness: Vec<f32>,
    /// `[n]`
    pub groups: Vec<i32>,
    /// `[n]`
    pub predicted_classes: Vec<i32>,
    /// Images that could not be read, with the reason.
    pub failed: Vec<String>,
}

impl Batch {
    /// The batch as a regularizer sees it.
    pub fn view(&self, step: u64) -> TrainingBatch<'_> {
        TrainingBatch {
            images: self.images.view(),
            labels: &self.labels,
            masks: Some(self.masks.view()),
            spuriousness: Some(&self.spuriousness),
            groups: Some(&self.groups),
            predicted_classes: Some(&self.predicted_classes),
            step,
        }
    }
}

impl Reader<'_> {
    /// Reads one batch of an epoch.
    ///
    /// # Errors
    /// `Shape` for pictures that do not fit the model, which is a defect.
    pub fn read(&self, chosen: &[Chosen], epoch: u64) -> Result<Batch> {
        let [c, h, w] = self.unit.input_shape();
        let augment = Augment { flip: self.repair.flip, crop: self.repair.crop };
        let (mut images, mut masks) = (Vec::new(), Vec::new());
        let mut batch = self.without_pictures(&[]);
        for &(place, label) in chosen {
            let mut picture = match self.training.data.load(self.unit, place) {
                Ok(picture) => picture,
                Err(error) => {
                    batch.failed.push(error.to_string());
                    continue;
                }
            };
            let (mut mask, spuriousness) = self.training.mask(place, [h, w], self.absolute, self.repair);
            let view = augment.view(seed_of(self.seed, [3 + epoch, place as u64]));
            view.apply(&mut picture, [h, w]);
            view.apply(&mut mask, [h, w]);
            images.append(&mut picture);
            masks.append(&mut mask);
            batch.places.push(place);
            batch.labels.push(label);
            batch.spuriousness.push(spuriousness);
            batch.groups.push(self.training.groups[place]);
            batch.predicted_classes.push(self.training.predicted_classes[place]);
        }
        let n = batch.places.len();
        Ok(Batch { images: Tensor::new([n, c, h, w], images)?, masks: Tensor::new([n, h, w], masks)?, ..batch })
    }

    /// A batch of these images whose pictures are not needed: one grey place each.
    pub fn without_pictures(&self, chosen: &[Chosen]) -> Batch {
        let n = chosen.len();
        let pick = |of: &dyn Fn(usize) -> i32| chosen.iter().map(|&(place, _)| of(place)).collect();
        Batch {
            places: chosen.iter().map(|chosen| chosen.0).collect(),
            images: Tensor::zeros([n, 1, 1, 1]),
            masks: Tensor::zeros([n, 1, 1]),
            labels: chosen.iter().map(|chosen| chosen.1).collect(),
            spuriousness: chosen.iter().map(|&(place, _)| self.training.spuriousness[place]).collect(),
            groups: pick(&|place| self.training.groups[place]),
            predicted_classes: pick(&|place| self.training.predicted_classes[place]),
            failed: Vec::new(),
        }
    }

    /// Reads batches in their order, some ahead of `work`.
    ///
    /// # Errors
    /// The first error of reading or of `work`, which ends it.
    pub fn read_ahead(
        &self,
        batches: &[&[Chosen]],
        epoch: u64,
        mut work: impl FnMut(Batch) -> Result<()>,
    ) -> Result<()> {
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel(N_AHEAD);
            scope.spawn(move || {
                for chosen in batches {
                    // Nobody listens any more: the work has ended early.
                    if sender.send(self.read(chosen, epoch)).is_err() {
                        return;
                    }
                }
            });
            receiver.iter().try_for_each(|batch| work(batch?))
        })
    }
}
