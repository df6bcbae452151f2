//! Layer-wise relevance propagation: the logit is distributed backwards, layer by layer.
//!
//! At a layer `z_j = Σ_i x_i w_ij + b_j`, relevance goes back as `R_i = Σ_j x_i w_ij / (z_j ± ε) · R_j`:
//! with `rule = "epsilon"` at every layer; with `rule = "gamma_composite"` convolutions have `w + γ·max(w, 0)` in place
//! of `w`, for steadier maps. Activations pass relevance on; a max pool gives it to the largest value; a gate (sigmoid)
//! gets none, and what it gates gets all. Batch normalisation is merged into the convolution before it where there is
//! one.
//!
//! # Shapes
//! Maps `[n, h, w]` at the size of the model's input, signed; relevance summed over channels.
//!
//! # Units
//! Logits; the map sums to the logit except for what biases and ε absorb, which is the convergence delta.
//!
//! # Cost
//! Two forward passes and one backward pass.
//!
//! # When it misleads
//! With the ε rule on a net of ReLUs, maps are close to input × gradient, and as noisy. γ favours what speaks for the
//! class. Relevance that biases absorb leaves no trace in the map: look at the delta. Nets with softmax or layer
//! normalisation inside are refused by name.
//!
//! # Source
//! Bach et al. 2015, doi 10.1371/journal.pone.0130140; Montavon et al. 2019, doi 10.1007/978-3-030-28954-6_10.

use crate::pixels::{deltas, finish, requirements, sum_channels};
use ascan_core::RelevanceRule;
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, ModelBackend, ModelInfo, Params, Plugin, Problems,
    Requirements, Result,
};
use serde::{Deserialize, Serialize};

/// Which rule is used where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LrpRule {
    /// ε at every layer.
    Epsilon,
    /// γ at convolutions, ε elsewhere.
    GammaComposite,
}

/// Parameters of the [module](self)'s method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LrpParams {
    /// Which rule is used where.
    pub rule: LrpRule,
    /// Keeps denominators from zero and damps weak evidence.
    pub epsilon: f32,
    /// How much positive weights are favoured.
    pub gamma: f32,
}

impl Default for LrpParams {
    fn default() -> Self {
        Self { rule: LrpRule::Epsilon, epsilon: 1e-6, gamma: 0.25 }
    }
}

impl Params for LrpParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("rule", "\"epsilon\": at every layer; \"gamma_composite\": γ at convolutions, ε elsewhere"),
        ("epsilon", "keeps denominators from zero; larger values damp weak evidence"),
        ("gamma", "how much positive weights are favoured, for rule = \"gamma_composite\""),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("epsilon", self.epsilon, 0.0, 1e6);
        problems.range("gamma", self.gamma, 0.0, 1e6);
    }
}

/// See the [module](self).
pub struct Lrp {
    params: LrpParams,
}

impl Plugin for Lrp {
    const NAME: &'static str = "lrp";
    const SUMMARY: &'static str = "layer-wise relevance propagation (Bach et al. 2015), ε or γ composite";
    type Params = LrpParams;

    fn new(params: LrpParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Attributor for Lrp {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        let LrpParams { rule, epsilon, gamma } = self.params;
        let method = match rule {
            LrpRule::Epsilon => format!("LRP, ε = {epsilon}"),
            LrpRule::GammaComposite => format!("LRP, γ = {gamma} at convolutions, ε = {epsilon}"),
        };
        Ok(Requirements { relevance: true, ..requirements(info, method) })
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let info = backend.info();
        let n = batch.check(info)?;
        context.progress(Self::NAME, 0, n)?;
        let LrpParams { rule, epsilon, gamma } = self.params;
        let rule = match rule {
            LrpRule::Epsilon => RelevanceRule::LrpEpsilon { epsilon },
            LrpRule::GammaComposite => RelevanceRule::LrpGammaComposite { gamma, epsilon },
        };
        let relevance = backend.relevance(batch.images, batch.target_classes, &rule)?;
        let maps = sum_channels(relevance.view(), |at| f64::from(relevance.data()[at]))?;
        let delta = deltas(&maps, |i| f64::from(batch.forward.logits.row(i)[batch.target_classes[i]]));
        finish(Self::NAME, maps, Some(delta))
    }
}
