//! Attributor plugins of the CAM family: maps at the resolution of a layer, from its feature map `A [n, k, h, w]` and,
//! for most, the gradient `g = ∂logit/∂A` of the target logit.
//!
//! | `plugin =` | map, clipped at zero unless said otherwise | passes of the model per image |
//! |---|---|---|
//! | [`cam`] | `Σ_k weight[class, k] · A_k`, signed; needs a pool → linear head | forward |
//! | [`grad_cam`] | `Σ_k mean(g_k) · A_k` | forward, head back |
//! | [`grad_cam_pp`] | `Σ_k w_k A_k`, `w_k = Σ_ij relu(g) / (2 + g · ΣA_k)` | forward, head back |
//! | [`xgrad_cam`] | `Σ_k w_k A_k`, `w_k = Σ_ij g · A / ΣA_k` | forward, head back |
//! | [`hires_cam`] | `Σ_k g_k ⊙ A_k` | forward, head back |
//! | [`layer_cam`] | `Σ_k relu(g_k) ⊙ A_k` | forward, head back |
//! | [`eigen_cam`] | `A` on its first principal direction; knows no class | forward |
//! | [`eigen_grad_cam`] | `g ⊙ A` on its first principal direction | forward, head back |
//! | [`score_cam`] | `Σ_k w_k A_k`, `w = softmax_k(logit of the image masked by A_k)` | forward, and k forwards |
//! | [`ablation_cam`] | `Σ_k w_k A_k`, `w_k` the share of the logit that is lost with channel k | forward, and k heads |
//!
//! Where the layer is what a linear head pools, `g = weight[class, k] / (h·w)` everywhere in a channel: then nothing is
//! run backwards, and `ablation_cam` runs nothing at all. Elsewhere a method names the gradient that it needs, and one
//! backward pass serves all methods of a scan. All sums are in f64.
//!
//! Maps are never rescaled per image, and are comparable between images in the units that each method states.

pub mod ablation_cam;
pub mod cam;
pub mod eigen_cam;
pub mod eigen_grad_cam;
mod evidence;
pub mod grad_cam;
pub mod grad_cam_pp;
pub mod hires_cam;
pub mod layer_cam;
mod layerwise;
mod maps;
mod params;
mod principal;
pub mod score_cam;
#[cfg(test)]
mod tests;
pub mod xgrad_cam;

pub use ablation_cam::AblationCam;
pub use cam::Cam;
pub use eigen_cam::EigenCam;
pub use eigen_grad_cam::EigenGradCam;
pub use grad_cam::GradCam;
pub use grad_cam_pp::GradCamPlusPlus;
pub use hires_cam::HiResCam;
pub use layer_cam::LayerCam;
pub use params::{CamParams, EigenParams, SignedCamParams};
pub use score_cam::ScoreCam;
pub use xgrad_cam::XGradCam;

ascan_core::export_library!(
    ascan_cam: attributor Cam, attributor GradCam, attributor GradCamPlusPlus, attributor XGradCam,
    attributor HiResCam, attributor LayerCam, attributor EigenCam, attributor EigenGradCam, attributor ScoreCam,
    attributor AblationCam
);
