//! Rules by which a backward pass shares the target logit out among the input values.

use crate::TensorView;

/// A rule of [`crate::ModelBackend::relevance`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RelevanceRule<'a> {
    /// DeepLIFT with the rescale rule: each nonlinearity passes on `Δoutput / Δinput` against the baseline instead of
    /// its slope, and a product of two changing factors shares its change out evenly.
    ///
    /// The values of an image sum to `logit(image) − logit(baseline)`.
    ///
    /// Shrikumar et al. 2017, arXiv 1704.02685.
    DeepLift {
        /// `[n, c, h, w]`, one baseline an image, normalised like the images.
        baselines: TensorView<'a>,
    },
    /// Layer-wise relevance propagation with the ε rule at every layer: an output's relevance is shared out in
    /// proportion to `x_i · w_ij`, over `Σ_i x_i w_ij + b_j ± ε`.
    ///
    /// The values of an image sum to the logit but for what biases and `ε` take.
    ///
    /// Bach et al. 2015, doi 10.1371/journal.pone.0130140.
    LrpEpsilon {
        /// Keeps denominators from zero and damps weak evidence; ≥ 0.
        epsilon: f32,
    },
    /// The γ rule (`w + γ·max(w, 0)` in place of `w`) at convolutions, the ε rule at all other layers.
    ///
    /// Montavon et al. 2019, doi 10.1007/978-3-030-28954-6_10.
    LrpGammaComposite {
        /// How much positive weights are favoured; ≥ 0.
        gamma: f32,
        /// As in [`Self::LrpEpsilon`].
        epsilon: f32,
    },
}
