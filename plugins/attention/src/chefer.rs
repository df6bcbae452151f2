//! Transformer attribution by attention and its gradient: evidence for the class, followed through the layers.
//!
//! `R ← R + mean_heads(relu(∂logit/∂E_l ⊙ E_l)) R` from the first layer to the last, starting with `R = I`; the map is
//! the class token's row.
//!
//! # Shapes
//! Maps `[n, h, w]` of the token grid.
//!
//! # Units
//! Logits per layer, multiplied over layers; ≥ 0, to be compared within an image.
//!
//! # Cost
//! A forward pass and a backward pass to the first attention; `n_layers · t³` multiplications.
//!
//! # When it misleads
//! Evidence against the class is dropped in each head before it is summed. The rule is for self-attention in an encoder
//! with a class token; with pooled tokens the mean of the places' rows is taken, which is ours.
//!
//! # Source
//! Chefer, Gur & Wolf 2021 (ICCV), arXiv 2103.15679, equations 5 and 6.

use crate::flow::{Flow, Params, attentions, mean_over_heads};
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, Error, ModelBackend, ModelInfo, Plugin, Requirements, Result,
    Tensor,
};
use std::borrow::Cow;

/// See the [module](self).
pub struct Chefer;

impl Plugin for Chefer {
    const NAME: &'static str = "chefer";
    const SUMMARY: &'static str =
        "attention times its gradient through the layers (Chefer et al. 2021), for transformers";
    type Params = Params;

    fn new(_params: Params) -> Result<Self> {
        Ok(Self)
    }
}

impl Attributor for Chefer {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        let attentions = attentions(info)?;
        let names: Vec<String> = attentions.iter().map(|attention| attention.name.clone()).collect();
        Ok(Requirements {
            layers: names.clone(),
            gradients: true,
            gradients_of: names,
            map_size: attentions[0].grid,
            method: format!("attention × gradient (Chefer et al.) over {} layers", attentions.len()),
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
        context.progress(Self::NAME, 0, n)?;
        let attentions = attentions(info)?;
        let gradients =
            gradients(backend, batch, attentions.iter().map(|attention| attention.name.as_str()).collect())?;
        let [h, w] = attentions[0].grid;
        let mut maps = Vec::with_capacity(n * h * w);
        for i in 0..n {
            let mut flow = Flow::new(attentions[0].n_tokens);
            for (attention, gradient) in attentions.iter().zip(&gradients) {
                let weights = batch.feature_map(&attention.name)?;
                if gradient.shape() != weights.shape() {
                    return Err(Error::shape("gradients", format!("{:?}", weights.shape()), gradient.shape()));
                }
                let (weights_data, slopes) = (weights.data(), gradient.data());
                let evidence = |at: usize| (f64::from(slopes[at]) * f64::from(weights_data[at])).max(0.0);
                flow.layer(1.0, &mean_over_heads(weights, i, attention, evidence)?);
            }
            maps.extend(flow.at_places(&attentions[0]));
        }
        let maps = Tensor::new([n, h, w], maps)?;
        match maps.view().is_finite() {
            true => Ok(Attribution { maps, convergence_delta: None }),
            false => Err(Error::NotFinite { what: "a map of chefer".into() }),
        }
    }
}

/// The gradients of all layers: those of the batch, or else computed in one call.
fn gradients<'a>(
    backend: &dyn ModelBackend,
    batch: &AttributionBatch<'a>,
    names: Vec<&str>,
) -> Result<Vec<Cow<'a, Tensor>>> {
    let there = |name: &&str| batch.gradients.iter().any(|(known, _)| known == name);
    if names.iter().all(there) {
        return names.into_iter().map(|name| batch.gradient(backend, name)).collect();
    }
    let made = backend.gradients(batch.images, batch.target_classes, &names)?;
    Ok(made.gradients.into_iter().map(Cow::Owned).collect())
}
