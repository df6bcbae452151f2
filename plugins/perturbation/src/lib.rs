//! Attributor plugins that need no gradients: they hide parts of the image and look at the target logit.
//!
//! | `plugin =` | map | forward passes per image |
//! |---|---|---|
//! | [`occlusion`] | mean loss of the logit over the windows that hide a pixel | one per window |
//! | [`rise`] | mean logit over the random masks that show a pixel | `n_masks` |
//!
//! They work with every backend, and with models that cannot be differentiated.

mod masked;
pub mod occlusion;
pub mod rise;
#[cfg(test)]
mod tests;

pub use occlusion::Occlusion;
pub use rise::Rise;

ascan_core::export_library!(ascan_perturbation: attributor Occlusion, attributor Rise);
