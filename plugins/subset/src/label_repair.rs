//! Training on repaired labels.

use ascan_core::params::NoParams;
use ascan_core::{
    Context, Error, Plugin, RegularizedBatch, Regularizer, Result, Selection, TrainingBatch, TrainingSet,
};

/// Trains on the labels as a person has corrected them; images that should go are left out.
pub struct LabelRepair;

impl Plugin for LabelRepair {
    const NAME: &'static str = "label_repair";
    const SUMMARY: &'static str = "labels as a person has corrected them, without the images that should go";
    type Params = NoParams;

    fn new(_params: NoParams) -> Result<Self> {
        Ok(Self)
    }
}

impl Regularizer for LabelRepair {
    fn select(&mut self, set: &TrainingSet, _context: &Context) -> Result<Selection> {
        set.check()?;
        let corrected = set.corrected_labels.ok_or_else(|| {
            let hint = "decide on labels with `ascan mislabels`, or mark slices as `noisy_label`";
            Error::unsupported("label_repair needs labels that somebody has looked at", hint)
        })?;
        let kept = corrected.iter().enumerate().filter_map(|(row, &label)| Some((row, usize::try_from(label).ok()?)));
        let (rows, labels): (Vec<usize>, Vec<usize>) = kept.unzip();
        if rows.is_empty() {
            return Err(Error::unsupported("every training image is to be dropped", "keep some of them"));
        }
        Ok(Selection { rows, labels })
    }

    fn prepare(&mut self, batch: &TrainingBatch, _context: &Context) -> Result<RegularizedBatch> {
        batch.check()?;
        Ok(batch.unchanged())
    }
}
