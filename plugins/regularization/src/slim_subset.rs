//! SLIM's balanced subset.

use crate::balance::{BALANCES, cells, draw, of_epoch};
use ascan_core::{Context, Error, Params, Plugin, Problems, Regularizer, Result, Selection, Strengths, TrainingSet};
use serde::{Deserialize, Serialize};

/// Parameters of [`SlimSubset`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SlimSubsetParams {
    /// Images above this spuriousness are left out: the model looks at the wrong thing there.
    pub max_spuriousness: f32,
    /// Images of an epoch, over all cells; 0 for as many as are left after that.
    pub n_images: usize,
}

impl Default for SlimSubsetParams {
    fn default() -> Self {
        Self { max_spuriousness: 0.5, n_images: 0 }
    }
}

impl Params for SlimSubsetParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("max_spuriousness", "images above it are left out: the model looks at the wrong thing there"),
        ("n_images", "images per epoch, over all cells; 0: as many as are left"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("max_spuriousness", self.max_spuriousness, 0.0, 1.0);
    }
}

/// Trains on the images whose attribution is right, the same number from each (label, slice) cell, so that every
/// surrounding of an object is as frequent as any other.
///
/// # Source
/// After Xuan et al. 2024 (SLIM), arXiv 2407.05594: there the cells are clusters of the features behind the
/// attributed and behind the other region; here they are the slices of the scan.
pub struct SlimSubset {
    params: SlimSubsetParams,
}

impl Plugin for SlimSubset {
    const NAME: &'static str = "slim_subset";
    const SUMMARY: &'static str = "SLIM: a balanced subset of images whose attribution is right (Xuan et al. 2024)";
    const STRENGTHS: Strengths = BALANCES;
    type Params = SlimSubsetParams;

    fn new(params: SlimSubsetParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Regularizer for SlimSubset {
    fn select(&mut self, set: &TrainingSet, context: &Context) -> Result<Selection> {
        set.check()?;
        let (Some(spuriousness), Some(groups)) = (set.spuriousness, set.groups) else {
            return Err(Error::unsupported(
                "slim_subset needs the spuriousness of the images, and groups",
                "mark slices with `ascan mark`, spread the marks with `ascan spread`, and set `repair.groups`",
            ));
        };
        let is_right = |&row: &usize| spuriousness[row] <= self.params.max_spuriousness;
        let cells = cells((0..set.labels.len()).filter(is_right), set.labels, groups);
        let n_left: usize = cells.values().map(Vec::len).sum();
        if n_left == 0 {
            return Err(Error::unsupported(
                format!("no training image has a spuriousness of {} or less", self.params.max_spuriousness),
                "mark slices as `core` too, or raise `max_spuriousness`",
            ));
        }
        let n = if self.params.n_images == 0 { n_left } else { self.params.n_images };
        Ok(Selection::of(set, draw(&cells, n.div_ceil(cells.len()), of_epoch(context.seed, set.epoch))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{counts, ten_images};
    use ascan_core::testing::check_regularizer;
    use std::collections::BTreeMap;

    #[test]
    fn conforms() {
        check_regularizer("slim_subset", &|| Box::new(SlimSubset::new(SlimSubsetParams::default()).unwrap()));
    }

    #[test]
    fn the_subset_is_right_and_balanced() {
        let mut slim = SlimSubset::new(SlimSubsetParams::default()).unwrap();
        let selection = slim.select(&ten_images(0), &Context::default()).unwrap();
        // Seven images are right, in four cells; one cell has but one image, which comes twice.
        assert_eq!(counts(&selection.rows), BTreeMap::from([((0, 0), 2), ((0, 1), 2), ((1, 0), 2), ((1, 1), 2)]));
        assert!([0, 5, 8].iter().all(|row| !selection.rows.contains(row)));
        let none = SlimSubset::new(SlimSubsetParams { max_spuriousness: 0.0, n_images: 0 }).unwrap();
        let error = { none }.select(&ten_images(0), &Context::default()).unwrap_err();
        assert!(error.to_string().contains("spuriousness of 0"), "{error}");
    }
}
