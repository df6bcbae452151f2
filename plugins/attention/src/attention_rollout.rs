//! Attention rollout: how much of each place's token the class token would contain if layers were attention alone.
//!
//! `R ← ½(mean_heads(E_l) + I) R` from the first layer to the last, starting with `R = I`; the map is the class token's
//! row.
//!
//! # Shapes
//! Maps `[n, h, w]` of the token grid.
//!
//! # Units
//! Share of the class token, ≥ 0; rows of `R` sum to 1, the class token's own share included.
//!
//! # Cost
//! One forward pass, and `n_layers · t³` multiplications.
//!
//! # When it misleads
//! It knows no class: one map serves all of them. Values and MLPs are left out, and each head counts the same, so that
//! heads that look at the background show as much as those that matter. Deep models give flat maps.
//!
//! # Source
//! Abnar & Zuidema 2020, arXiv 2005.00928.

use crate::flow::{Flow, Params, attentions, mean_over_heads};
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, Error, ModelBackend, ModelInfo, Plugin, Requirements, Result,
    Tensor,
};

/// See the [module](self).
pub struct AttentionRollout;

impl Plugin for AttentionRollout {
    const NAME: &'static str = "attention_rollout";
    const SUMMARY: &'static str = "attention rollout (Abnar & Zuidema 2020), for transformers; knows no class";
    type Params = Params;

    fn new(_params: Params) -> Result<Self> {
        Ok(Self)
    }
}

impl Attributor for AttentionRollout {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        let attentions = attentions(info)?;
        Ok(Requirements {
            layers: attentions.iter().map(|attention| attention.name.clone()).collect(),
            map_size: attentions[0].grid,
            method: format!("attention rollout over {} layers", attentions.len()),
            ..Requirements::default()
        })
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let info = backend.info();
        let n = batch.check(info)?;
        let attentions = attentions(info)?;
        let [h, w] = attentions[0].grid;
        let mut maps = Vec::with_capacity(n * h * w);
        for i in 0..n {
            context.progress(Self::NAME, i, n)?;
            let mut flow = Flow::new(attentions[0].n_tokens);
            for attention in attentions {
                let weights = batch.feature_map(&attention.name)?;
                let data = weights.data();
                let mixing = mean_over_heads(weights, i, attention, |at| f64::from(data[at]) / 2.0)?;
                flow.layer(0.5, &mixing);
            }
            maps.extend(flow.at_places(&attentions[0]));
        }
        let maps = Tensor::new([n, h, w], maps)?;
        match maps.view().is_finite() {
            true => Ok(Attribution { maps, convergence_delta: None }),
            false => Err(Error::NotFinite { what: "an attention rollout".into() }),
        }
    }
}
