//! Deep feature reweighting by verdicts.

use crate::balance::BALANCES;
use crate::dfr::{Dfr, DfrParams};
use ascan_core::{Context, Error, Plugin, Regularizer, Result, Selection, Strengths, TrainingSet};

/// [`Dfr`] over cells of label and spread verdict: as many images that look at the right thing as at the wrong one, of each
/// class, from the training images themselves.
///
/// # Source
/// After Kirichenko, Izmailov & Wilson 2023, arXiv 2204.02937, where the cells are annotated groups.
pub struct VerdictDfr(Dfr);

impl Plugin for VerdictDfr {
    const NAME: &'static str = "verdict_dfr";
    const SUMMARY: &'static str =
        "DFR with verdicts as groups: the head anew, on as many spurious as core images of each class";
    const STRENGTHS: Strengths = BALANCES;
    type Params = DfrParams;

    fn new(params: DfrParams) -> Result<Self> {
        Dfr::new(params).map(Self)
    }
}

impl Regularizer for VerdictDfr {
    fn select(&mut self, set: &TrainingSet, context: &Context) -> Result<Selection> {
        set.check()?;
        let spuriousness = set.spuriousness.ok_or_else(|| {
            let hint = "mark slices with `ascan mark`, and spread the marks with `ascan spread`";
            Error::unsupported("verdict_dfr needs verdicts", hint)
        })?;
        let groups: Vec<i32> = spuriousness.iter().map(|&s| i32::from(s > 0.5)).collect();
        self.0.select(&TrainingSet { groups: Some(&groups), ..*set }, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ten_images;
    use ascan_core::testing::check_regularizer;

    #[test]
    fn conforms() {
        check_regularizer("verdict_dfr", &|| Box::new(VerdictDfr::new(DfrParams::default()).unwrap()));
    }

    #[test]
    fn cells_are_labels_and_verdicts() {
        let mut method = VerdictDfr::new(DfrParams::default()).unwrap();
        // Of label 0 two of six are spurious, of label 1 none is: three cells, the smallest of two.
        let mut rows = method.select(&ten_images(0), &Context::default()).unwrap().rows;
        rows.sort_unstable();
        assert_eq!((rows.len(), &rows[..1], rows.contains(&5)), (6, &[0][..], true));
        let error = method.select(&TrainingSet::new(&[0, 1]), &Context::default()).unwrap_err();
        assert!(error.to_string().contains("needs verdicts"), "{error}");
    }
}
