//! Training on repaired labels.

use crate::balance::OTHER_AIM;
use ascan_core::params::NoParams;
use ascan_core::{Context, Error, Plugin, Regularizer, Result, Selection, Strengths, TrainingSet};

/// Trains on the labels as a person has corrected them; images that should go are left out.
pub struct LabelRepair;

impl Plugin for LabelRepair {
    const NAME: &'static str = "label_repair";
    const SUMMARY: &'static str = "labels as a person has corrected them, without the images that should go";
    const STRENGTHS: Strengths = OTHER_AIM;
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ten_images;
    use ascan_core::testing::check_regularizer;

    #[test]
    fn conforms() {
        check_regularizer("label_repair", &|| Box::new(LabelRepair));
    }

    #[test]
    fn corrected_labels_take_the_place_of_the_given_ones() {
        let selection = LabelRepair.select(&ten_images(0), &Context::default()).unwrap();
        assert_eq!(selection.rows, [0, 1, 2, 3, 4, 6, 7, 8, 9]);
        assert_eq!(selection.labels, [1, 0, 0, 0, 0, 1, 1, 1, 1]);
    }
}
