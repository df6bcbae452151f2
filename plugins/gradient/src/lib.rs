//! Attributor plugins at the pixels: gradients of the target logit with respect to the image, and relevance propagated
//! back to it. Maps are summed (or maximised, where said) over channels.
//!
//! | `plugin =` | map | passes of the model per image |
//! |---|---|---|
//! | [`saliency`] | `max_c |g|` | forward and backward |
//! | [`input_x_gradient`] | `Σ_c x ⊙ g` | forward and backward |
//! | [`smooth_grad`] | `max_c |mean of g over noisy copies|` | `n_samples` forward and backward |
//! | [`integrated_gradients`] | `Σ_c (x − x′) ⊙ mean of g on the straight path` | `n_steps` forward and backward |
//! | [`expected_gradients`] | the same, over random baselines | `n_samples` forward and backward |
//! | [`blur_ig`] | gradients along a path of decreasing blur | `n_steps` forward and backward |
//! | [`guided_ig`] | gradients along a path of small gradients | `n_steps` forward and backward |
//! | [`full_grad`] | `Σ_c |x ⊙ g|` and the contributions of the biases of all layers | forward and backward |
//! | [`deep_lift`] | `Σ_c (x − x′) ⊙ multipliers` (rescale rule) | two forward, one backward |
//! | [`lrp`] | layer-wise relevance (ε, γ composite) | two forward, one backward |

mod baseline;
pub mod blur_ig;
pub mod deep_lift;
pub mod expected_gradients;
pub mod full_grad;
pub mod guided_ig;
pub mod input_x_gradient;
pub mod integrated_gradients;
#[cfg(test)]
mod integrated_gradients_tests;
pub mod lrp;
mod noise;
mod params;
mod path;
mod pixels;
mod quadrature;
pub mod saliency;
pub mod smooth_grad;
#[cfg(test)]
mod tests;

pub use blur_ig::BlurIg;
pub use deep_lift::DeepLift;
pub use expected_gradients::ExpectedGradients;
pub use full_grad::FullGrad;
pub use guided_ig::GuidedIg;
pub use input_x_gradient::InputXGradient;
pub use integrated_gradients::IntegratedGradients;
pub use lrp::Lrp;
pub use params::{Baseline, IntegratedGradientsParams, Method};
pub use saliency::Saliency;
pub use smooth_grad::SmoothGrad;

ascan_core::export_library!(
    ascan_gradient: attributor Saliency, attributor InputXGradient, attributor SmoothGrad,
    attributor IntegratedGradients, attributor ExpectedGradients, attributor BlurIg,
    attributor GuidedIg, attributor FullGrad, attributor DeepLift, attributor Lrp
);
