//! [`Regularizer`]: what a training step should see so that the model stops using the wrong evidence.

use crate::trainer::InputGradientPenalty;
use crate::{Context, Error, Result, Tensor, TensorView};

/// The whole training split, before an epoch: what a regularizer may choose from.
#[derive(Debug, Clone, Copy)]
pub struct TrainingSet<'a> {
    /// `[n]`, each in `0..n_classes`, as the data set gives them.
    pub labels: &'a [usize],
    /// `[n]` in [0, 1], NaN where unknown: how spurious the attributed region is.
    pub spuriousness: Option<&'a [f32]>,
    /// `[n]` slice or group of each image, −1 for none.
    pub groups: Option<&'a [i32]>,
    /// `[n]` what the model before the repair said, −1 where unknown.
    pub predicted_classes: Option<&'a [i32]>,
    /// `[n]` the label after a person's review: another class where it was wrong, −1 where the image should go.
    pub corrected_labels: Option<&'a [i32]>,
    /// `[n]` in [0, 1]: the probability that the model before the repair gave to the label.
    pub label_probs: Option<&'a [f32]>,
    /// `[n]` ≥ 0: how far the prediction of the model before and the same with half of what its head reads dropped at random
    /// are apart, as the mean Kullback–Leibler divergence. Only for a regularizer whose [`crate::Habits`] ask for it.
    pub disagreement: Option<&'a [f32]>,
    /// Epochs done so far.
    pub epoch: u64,
}

/// The images of one epoch, in no particular order; the trainer shuffles them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Rows of the training split; a row may come several times.
    pub rows: Vec<usize>,
    /// The label of each of `rows`.
    pub labels: Vec<usize>,
}

/// A batch as it comes from the data set, with what the review found out.
#[derive(Debug, Clone, Copy)]
pub struct TrainingBatch<'a> {
    /// `[n, c, h, w]` in [0, 1], before normalisation.
    pub images: TensorView<'a>,
    /// `[n]`, each in `0..n_classes`.
    pub labels: &'a [usize],
    /// `[n, h, w]` in [0, 1] at image size: the model's attributions, frozen before the repair.
    pub masks: Option<TensorView<'a>>,
    /// `[n]` in [0, 1]: how spurious the attributed region is.
    pub spuriousness: Option<&'a [f32]>,
    /// `[n]` slice or group of each image, −1 for none.
    pub groups: Option<&'a [i32]>,
    /// `[n]` what the model before the repair said, −1 where unknown.
    pub predicted_classes: Option<&'a [i32]>,
    /// Steps taken so far.
    pub step: u64,
}

/// What the trainer steps on, in [0, 1], before normalisation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RegularizedBatch {
    /// `[m, c, h, w]`: the images, their perturbed copies, or both.
    pub images: Tensor,
    /// `[m]`.
    pub labels: Vec<usize>,
    /// `[m]`, ≥ 0.
    pub weights: Vec<f32>,
    /// `[m]`: which image of the batch each row came from, so that losses find their way back.
    pub sources: Vec<usize>,
    /// A penalty on input gradients, if the method has one; its mask has `m` rows.
    pub penalty: Option<InputGradientPenalty>,
}

/// A direction of the features that a head reads of which it should see less.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Suppression {
    /// `[d]`, of length 1.
    pub direction: Vec<f32>,
    /// `[d]`, a point that stays where it is.
    pub through: Vec<f32>,
    /// What is left of a step along the direction, in [0, 1]: 0 for nothing.
    pub kept: f32,
}

impl Suppression {
    /// Moves features towards the plane through `through` that is at right angles to the direction, in place.
    ///
    /// # Shapes
    /// `features`: `[d]`
    pub fn apply(&self, features: &mut [f32]) {
        let along = self.direction.iter().zip(features.iter().zip(&self.through)).map(|(v, (f, z))| v * (f - z));
        let removed = (1.0 - self.kept) * along.sum::<f32>();
        features.iter_mut().zip(&self.direction).for_each(|(f, v)| *f -= removed * v);
    }
}

/// Turns batches into regularised batches; keeps its own state between steps.
pub trait Regularizer: Send {
    /// Chooses the images of an epoch and their labels; all of them as they are, unless the method is about that.
    /// Same set, seed and epoch: same selection.
    ///
    /// # Errors
    /// `Shape` for a set that does not fit together; `Unsupported` if it lacks what the method needs, or if nothing
    /// is left to train on.
    fn select(&mut self, set: &TrainingSet, context: &Context) -> Result<Selection> {
        let _ = context;
        set.check()?;
        Ok(Selection::all(set))
    }

    /// Prepares one step; the batch as it is, unless the method is about that. Same seed and same step: same result.
    ///
    /// # Errors
    /// `Shape` for a batch that does not fit together; `Unsupported` if it lacks what the method needs.
    fn prepare(&mut self, batch: &TrainingBatch, context: &Context) -> Result<RegularizedBatch> {
        let _ = context;
        batch.check()?;
        Ok(batch.unchanged())
    }

    /// A direction of which the head should see less, found from the features that it reads before anything is trained; `None`
    /// for a method that is not about that. The head is then trained on such features, and the same is folded into its weights.
    ///
    /// Only asked of a method whose [`crate::Habits`] say so, and only where a head alone is trained that is linear in its
    /// features.
    ///
    /// # Shapes
    /// `features`: `[n, d]`, one row per image of the set
    ///
    /// # Errors
    /// `Shape` for a set that does not fit together; `Unsupported` if it lacks what the method needs.
    fn suppress(&mut self, features: TensorView, set: &TrainingSet, context: &Context) -> Result<Option<Suppression>> {
        let _ = (features, set, context);
        Ok(None)
    }

    /// Tells the loss of each image of the last batch, `[n]`, after its step.
    ///
    /// # Errors
    /// `Shape` for another number of losses than images.
    fn observe(&mut self, losses: &[f32]) -> Result<()> {
        let _ = losses;
        Ok(())
    }

    /// What was learnt in the steps so far, as plain numbers for a checkpoint; empty if nothing is kept.
    ///
    /// # Errors
    /// Whatever the plugin reports.
    fn state(&self) -> Result<Vec<f32>> {
        Ok(Vec::new())
    }

    /// Goes on from the [`Self::state`] of an earlier run.
    ///
    /// # Errors
    /// `Shape` for numbers that are no state of this method.
    fn restore(&mut self, state: &[f32]) -> Result<()> {
        if state.is_empty() { Ok(()) } else { Err(Error::shape("state of the regularizer", "nothing", state.len())) }
    }
}

impl Selection {
    /// Every image once, under its own label.
    pub fn all(set: &TrainingSet) -> Self {
        Self { rows: (0..set.labels.len()).collect(), labels: set.labels.to_vec() }
    }

    /// These images under their own labels.
    pub fn of(set: &TrainingSet, rows: Vec<usize>) -> Self {
        let labels = rows.iter().map(|&row| set.labels[row]).collect();
        Self { rows, labels }
    }
}

impl<'a> TrainingSet<'a> {
    /// Images of which only the labels are known, before the first epoch.
    pub fn new(labels: &'a [usize]) -> Self {
        Self {
            labels,
            spuriousness: None,
            groups: None,
            predicted_classes: None,
            corrected_labels: None,
            label_probs: None,
            disagreement: None,
            epoch: 0,
        }
    }

    /// Checks that all columns belong together.
    ///
    /// # Errors
    /// `Shape`, naming the column.
    pub fn check(&self) -> Result<()> {
        let n = self.labels.len();
        check_columns(
            n,
            [
                ("spuriousness", self.spuriousness.map(<[f32]>::len)),
                ("groups", self.groups.map(<[i32]>::len)),
                ("predicted_classes", self.predicted_classes.map(<[i32]>::len)),
                ("corrected_labels", self.corrected_labels.map(<[i32]>::len)),
                ("label_probs", self.label_probs.map(<[f32]>::len)),
                ("disagreement", self.disagreement.map(<[f32]>::len)),
            ],
        )
    }
}

impl TrainingBatch<'_> {
    /// Checks that all columns belong together and are numbers in their range; gives `[n, c, h, w]`.
    ///
    /// # Errors
    /// `Shape`, naming the column; `NotFinite`; `Param` for a mask or a spuriousness outside [0, 1].
    pub fn check(&self) -> Result<[usize; 4]> {
        let [n, c, h, w] = self.images.dims("images", "[n, c, h, w]")?;
        self.check_lengths()?;
        if let Some(masks) = self.masks.filter(|masks| masks.shape() != [n, h, w]) {
            return Err(Error::shape("masks", format!("[{n}, {h}, {w}]"), masks.shape()));
        }
        if !self.images.is_finite() {
            return Err(Error::NotFinite { what: "the batch of images".into() });
        }
        for (what, values) in [("masks", self.masks.map(TensorView::data)), ("spuriousness", self.spuriousness)] {
            if values.is_some_and(|values| !values.iter().all(|value| (0.0..=1.0).contains(value))) {
                return Err(Error::param(what, "holds a value outside [0, 1]", "this is a mistake in the host"));
            }
        }
        Ok([n, c, h, w])
    }

    /// Checks that there is an entry of each column for each image.
    pub(crate) fn check_lengths(&self) -> Result<()> {
        check_columns(
            self.images.n_rows(),
            [
                ("labels", Some(self.labels.len())),
                ("spuriousness", self.spuriousness.map(<[f32]>::len)),
                ("groups", self.groups.map(<[i32]>::len)),
                ("predicted_classes", self.predicted_classes.map(<[i32]>::len)),
            ],
        )
    }

    /// The region that should not count, `[n, h, w]` in [0, 1]: with M an image's attribution and s its
    /// spuriousness, `s ⊙ M + (1 − s) ⊙ (1 − M)`: what the model looked at where that was wrong, the rest where it
    /// was right, and half of each where nobody knows.
    ///
    /// # Errors
    /// `Unsupported` for a batch without masks or without spuriousness.
    pub fn non_core(&self) -> Result<Tensor> {
        let (Some(masks), Some(spuriousness)) = (self.masks, self.spuriousness) else {
            return Err(Error::unsupported(
                "the batch has no attribution masks, or no spuriousness",
                "scan the training images, mark slices with `ascan mark`, and spread the marks with `ascan spread`",
            ));
        };
        let mut region = masks.to_tensor();
        let len = masks.row_len();
        for (at, value) in region.data_mut().iter_mut().enumerate() {
            let s = spuriousness[at / len];
            *value = s * *value + (1.0 - s) * (1.0 - *value);
        }
        Ok(region)
    }

    /// The batch as it is: every image once with a weight of 1.
    pub fn unchanged(&self) -> RegularizedBatch {
        let n = self.labels.len();
        RegularizedBatch {
            images: self.images.to_tensor(),
            labels: self.labels.to_vec(),
            weights: vec![1.0; n],
            sources: (0..n).collect(),
            penalty: None,
        }
    }
}

fn check_columns<const N: usize>(n: usize, columns: [(&str, Option<usize>); N]) -> Result<()> {
    for (what, len) in columns {
        if let Some(len) = len.filter(|&len| len != n) {
            return Err(Error::shape(what, format!("[{n}], one per image"), [len]));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::toy_training_batch;

    #[test]
    fn the_region_that_should_not_count_follows_the_spuriousness() {
        let toy = toy_training_batch(3, 0);
        let batch = TrainingBatch { spuriousness: Some(&[0.0, 1.0, 0.5]), ..toy.view(0) };
        let region = batch.non_core().unwrap();
        let masks = toy.masks.view();
        assert!(region.row(0).iter().zip(masks.row(0)).all(|(m, v)| (m - (1.0 - v)).abs() < 1e-6));
        assert_eq!(region.row(1), masks.row(1));
        assert!(region.row(2).iter().all(|m| (m - 0.5).abs() < 1e-6));
        assert!(TrainingBatch { masks: None, ..batch }.non_core().is_err());
    }

    #[test]
    fn what_is_suppressed_is_one_direction_alone() {
        let half = Suppression { direction: vec![0.6, 0.8], through: vec![1.0, 1.0], kept: 0.5 };
        let mut along = [1.6, 1.8];
        half.apply(&mut along);
        assert!((along[0] - 1.3).abs() < 1e-6 && (along[1] - 1.4).abs() < 1e-6, "{along:?}");
        let mut across = [1.8, 0.4];
        half.apply(&mut across);
        assert!((across[0] - 1.8).abs() < 1e-6 && (across[1] - 0.4).abs() < 1e-6, "{across:?}");
    }

    #[test]
    fn a_batch_that_does_not_fit_together_names_the_column() {
        let toy = toy_training_batch(3, 0);
        let batch = toy.view(0);
        assert_eq!(batch.check().unwrap(), [3, 3, 6, 5]);
        let short = TrainingBatch { groups: Some(&[1, 2]), ..batch };
        assert_eq!(short.check().unwrap_err().to_string(), "groups: expected [3], one per image, got [2]");
        let outside = TrainingBatch { spuriousness: Some(&[0.0, 1.5, 0.0]), ..batch };
        assert!(outside.check().unwrap_err().to_string().contains("spuriousness"));
        let set = TrainingSet { predicted_classes: Some(&[0]), ..TrainingSet::new(&[0, 1]) };
        assert!(set.check().unwrap_err().to_string().contains("predicted_classes"));
    }
}
