//! Methods that need only the evidence at one layer: each is a formula, and everything they share is here.

use crate::evidence::{Evidence, explain, requirements};
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, ModelBackend, ModelInfo, Params, Plugin, Requirements, Result,
    Tensor,
};

/// A map as a formula of the evidence at a layer.
pub trait Formula: Send + Sync + 'static {
    /// Its name in configurations.
    const NAME: &'static str;
    /// One line, with its source.
    const SUMMARY: &'static str;
    /// Its name in messages.
    const TITLE: &'static str;
    /// Whether it uses the gradient.
    const NEEDS_GRADIENT: bool = true;
    /// The parameters that a user may set.
    type Params: AtLayer;

    /// The maps `[n, h, w]`, signed.
    fn maps(params: &Self::Params, evidence: &Evidence) -> Tensor;
}

/// What all parameters of such a method have.
pub trait AtLayer: Params + Send + Sync {
    /// The layer, or `auto`.
    fn layer(&self) -> &str;
    /// Whether negative evidence is clipped at zero.
    fn relu(&self) -> bool;
}

/// The attributor of a formula.
pub struct Layerwise<F: Formula> {
    params: F::Params,
}

impl<F: Formula> Plugin for Layerwise<F> {
    const NAME: &'static str = F::NAME;
    const SUMMARY: &'static str = F::SUMMARY;
    type Params = F::Params;

    fn new(params: Self::Params) -> Result<Self> {
        Ok(Self { params })
    }
}

impl<F: Formula> Attributor for Layerwise<F> {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        requirements(info, self.params.layer(), F::TITLE, F::NEEDS_GRADIENT)
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let (layer, relu) = (self.params.layer(), self.params.relu());
        explain(F::NAME, layer, F::NEEDS_GRADIENT, relu, (backend, batch, context), |evidence| {
            F::maps(&self.params, evidence)
        })
    }
}
