//! Attributor plugins for transformers, from the attention weights `E [n, heads, t, t]` of all layers.
//!
//! | `plugin =` | what follows through the layers | passes of the model per image |
//! |---|---|---|
//! | [`attention_rollout`] | `½(mean_heads(E) + I)`; knows no class | forward |
//! | [`chefer`] | `I + mean_heads(relu(g ⊙ E))`, `g` the gradient of the target logit | forward, back |
//!
//! Maps are at the resolution of the tokens: how much of each place the class token contains or, in a model without a
//! class token, the places contain on average. The token maps of a transformer are feature maps too: every method of
//! the CAM family explains at them.

pub mod attention_rollout;
pub mod chefer;
mod flow;
#[cfg(test)]
mod tests;

pub use attention_rollout::AttentionRollout;
pub use chefer::Chefer;

ascan_core::export_library!(ascan_attention: attributor AttentionRollout, attributor Chefer);
