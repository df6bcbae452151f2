//! Projective class artifact compensation.

use crate::clarc::{SUPPRESSES, suppression};
use ascan_core::params::NoParams;
use ascan_core::{Context, Plugin, Regularizer, Result, Strengths, Suppression, TensorView, TrainingSet};

/// P-ClArC: nothing is left of the direction, and the head is trained without it.
///
/// # Source
/// Anders, Weber, Neumann, Samek, Müller & Lapuschkin 2022, arXiv 1912.11425 (projective class artifact compensation); the
/// direction as in Pahde et al. 2022, arXiv 2202.03482.
pub struct PClarc;

impl Plugin for PClarc {
    const NAME: &'static str = "p_clarc";
    const SUMMARY: &'static str =
        "P-ClArC: the direction from core to spurious images is projected out (Anders et al. 2022)";
    const STRENGTHS: Strengths = SUPPRESSES;
    type Params = NoParams;

    fn new(_params: NoParams) -> Result<Self> {
        Ok(Self)
    }
}

impl Regularizer for PClarc {
    fn suppress(&mut self, features: TensorView, set: &TrainingSet, _context: &Context) -> Result<Option<Suppression>> {
        suppression(features, set, 0.0).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ascan_core::testing::check_regularizer;

    #[test]
    fn conforms() {
        check_regularizer("p_clarc", &|| Box::new(PClarc));
    }
}
