//! Deep feature reweighting.

use crate::balance::{BALANCES, cells, draw, of_epoch};
use ascan_core::{Context, Error, Params, Plugin, Problems, Regularizer, Result, Selection, Strengths, TrainingSet};
use serde::{Deserialize, Serialize};

/// Parameters of [`Dfr`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DfrParams {
    /// Cells with fewer images than this are left out.
    pub min_cell: usize,
}

impl Default for DfrParams {
    fn default() -> Self {
        Self { min_cell: 1 }
    }
}

impl Params for DfrParams {
    const HELP: &'static [(&'static str, &'static str)] =
        &[("min_cell", "cells of label and group with fewer images than this are left out")];

    fn check(&self, problems: &mut Problems) {
        problems.range("min_cell", self.min_cell, 1, 1_000_000);
    }
}

/// Trains on as many images of each (label, group) cell as the smallest has, drawn anew each epoch.
///
/// Meant for the head alone (`repair.layers = "head"`), whose features are then computed once. The paper averages
/// ten heads, each trained on a draw of its own; a new draw each epoch does that in one run.
///
/// # Source
/// Kirichenko, Izmailov & Wilson 2023, arXiv 2204.02937 (the variant on training data).
pub struct Dfr {
    params: DfrParams,
}

impl Plugin for Dfr {
    const NAME: &'static str = "dfr";
    const SUMMARY: &'static str = "DFR: the head anew, on as many images of each group (Kirichenko et al. 2023)";
    const STRENGTHS: Strengths = BALANCES;
    type Params = DfrParams;

    fn new(params: DfrParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Regularizer for Dfr {
    fn select(&mut self, set: &TrainingSet, context: &Context) -> Result<Selection> {
        set.check()?;
        let groups = set.groups.ok_or_else(|| {
            Error::unsupported("dfr needs groups", "set `repair.groups` to \"slices\" or \"spuriousness\"")
        })?;
        let mut cells = cells(0..set.labels.len(), set.labels, groups);
        cells.retain(|_, rows| rows.len() >= self.params.min_cell);
        let Some(n) = cells.values().map(Vec::len).min() else {
            return Err(Error::unsupported(
                format!("no cell of label and group has {} images", self.params.min_cell),
                "lower `min_cell`",
            ));
        };
        Ok(Selection::of(set, draw(&cells, n, of_epoch(context.seed, set.epoch))))
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
        check_regularizer("dfr", &|| Box::new(Dfr::new(DfrParams::default()).unwrap()));
    }

    #[test]
    fn each_cell_gives_as_many_as_the_smallest_has_and_others_next_time() {
        let mut dfr = Dfr::new(DfrParams::default()).unwrap();
        let mut select = |epoch| dfr.select(&ten_images(epoch), &Context::default()).unwrap();
        let first = select(0);
        assert_eq!(counts(&first.rows), BTreeMap::from([((0, 0), 1), ((0, 1), 1), ((1, 0), 1), ((1, 1), 1)]));
        assert!((1..8).any(|epoch| select(epoch).rows != first.rows));
        let mut large = Dfr::new(DfrParams { min_cell: 2 }).unwrap();
        let selection = large.select(&ten_images(0), &Context::default()).unwrap();
        assert_eq!(counts(&selection.rows), BTreeMap::from([((0, 0), 2), ((0, 1), 2), ((1, 0), 2)]));
    }
}
