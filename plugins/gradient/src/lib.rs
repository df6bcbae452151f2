//! Attributor plugins at the pixels: gradients of the target logit with respect to the image, and relevance propagated
//! back to it. Maps are summed (or maximised, where said) over channels.
//!
//! | `plugin =` | map | passes of the model an image |
//! |---|---|---|
//! | [`saliency`] | `max_c |g|` | there and back |
//! | [`input_x_gradient`] | `Σ_c x ⊙ g` | there and back |
//! | [`smooth_grad`] | `max_c |mean of g over noisy copies|` | `n_samples` there and back |
//! | [`integrated_gradients`] | `Σ_c (x − x′) ⊙ mean of g on the straight path` | `n_steps` there and back |
//! | [`expected_gradients`] | the same, over random baselines | `n_samples` there and back |
//! | [`blur_ig`] | gradients along the path of ever less blur | `n_steps` there and back |
//! | [`guided_ig`] | gradients along a path of flat slopes | `n_steps` there and back |
//! | [`full_grad`] | `Σ_c |x ⊙ g|` and what the biases of all layers do | there and back |
//! | [`deep_lift`] | `Σ_c (x − x′) ⊙ multipliers` (rescale rule) | there twice, and back |
//! | [`lrp`] | layer-wise relevance (ε, γ composite) | there twice, and back |

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
