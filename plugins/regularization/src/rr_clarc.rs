//! Right reason class artifact compensation.

use crate::clarc::{SUPPRESSES, suppression};
use ascan_core::{
    Context, Params, Plugin, Problems, Regularizer, Result, Strengths, Suppression, TensorView, TrainingSet,
};
use serde::{Deserialize, Serialize};

/// RR-ClArC: the head pays for using the direction.
///
/// The penalty of the paper is the squared derivative of the outputs along the direction `v`, Σ_c (w_c·v)² for a head that is
/// linear in its features. With weight decay as the optimiser's, it is the same to show the head features of which `kept` of
/// the direction is left: the decay then weighs 1 / `kept`² times as much along `v`.
///
/// # Source
/// Dreyer, Pahde, Anders, Samek & Lapuschkin 2024, arXiv 2308.09437 (right reason class artifact compensation); the direction
/// as in Pahde et al. 2022, arXiv 2202.03482.
pub struct RrClarc {
    params: RrClarcParams,
}

/// Parameters of [`RrClarc`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RrClarcParams {
    /// What is left of the direction, above 0: using it costs 1 / `kept`² times as much weight decay.
    pub kept: f32,
}

impl Default for RrClarcParams {
    fn default() -> Self {
        Self { kept: 0.1 }
    }
}

impl Params for RrClarcParams {
    const HELP: &'static [(&'static str, &'static str)] =
        &[("kept", "what is left of the direction: weight decay counts 1 / kept² times as much along it")];

    fn check(&self, problems: &mut Problems) {
        problems.range("kept", self.kept, 1e-3, 1.0);
    }
}

impl Plugin for RrClarc {
    const NAME: &'static str = "rr_clarc";
    const SUMMARY: &'static str =
        "RR-ClArC: the head pays for using the direction from core to spurious images (Dreyer et al. 2024)";
    const STRENGTHS: Strengths = SUPPRESSES;
    type Params = RrClarcParams;

    fn new(params: RrClarcParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Regularizer for RrClarc {
    fn suppress(&mut self, features: TensorView, set: &TrainingSet, _context: &Context) -> Result<Option<Suppression>> {
        suppression(features, set, self.params.kept).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ascan_core::Tensor;
    use ascan_core::testing::check_regularizer;

    #[test]
    fn conforms() {
        check_regularizer("rr_clarc", &|| Box::new(RrClarc::new(RrClarcParams::default()).unwrap()));
    }

    #[test]
    fn some_of_the_direction_is_kept() {
        let features = Tensor::new([2, 2], vec![0.0, 1.0, 0.0, 3.0]).unwrap();
        let set = TrainingSet { spuriousness: Some(&[0.0, 1.0]), ..TrainingSet::new(&[0, 0]) };
        let mut method = RrClarc::new(RrClarcParams { kept: 0.25 }).unwrap();
        let found = method.suppress(features.view(), &set, &Context::default()).unwrap().unwrap();
        assert_eq!((found.direction, found.through, found.kept), (vec![0.0, 1.0], vec![0.0, 1.0], 0.25));
    }
}
