//! [`Attributor`]: where in the image the evidence for a class lies.

use crate::backend::{Forward, ModelBackend, ModelInfo};
use crate::{Context, Result, Tensor, TensorView};
use serde::{Deserialize, Serialize};

/// What an attributor needs from a backend, for one model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Requirements {
    /// Feature maps that the forward pass should bring along.
    pub layers: Vec<String>,
    /// Whether [`ModelBackend::gradients`] will be called.
    pub gradients: bool,
    /// Size `[h, w]` of the maps.
    pub map_size: [usize; 2],
    /// How the maps are computed, in a few words, for the user.
    pub method: String,
}

/// A batch of images to explain.
#[derive(Debug, Clone, Copy)]
pub struct AttributionBatch<'a> {
    /// `[n, c, h, w]`, normalised as the model expects.
    pub images: TensorView<'a>,
    /// `[n]`, each in `0..n_classes`.
    pub target_classes: &'a [usize],
    /// The forward pass of these images with the layers of [`Requirements::layers`].
    pub forward: &'a Forward,
}

/// Attribution maps of a batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attribution {
    /// `[n, h, w]`, signed unless the method clips, never rescaled.
    pub maps: Tensor,
    /// `[n]`: how far the map's sum is from what the method promises
    /// (integrated gradients: Σ map − (logit(x) − logit(baseline))), where it promises something.
    pub convergence_delta: Option<Vec<f32>>,
}

/// Computes attribution maps.
pub trait Attributor: Send + Sync {
    /// What this method needs from the backend for this model.
    ///
    /// # Errors
    /// `UnknownName` (lists the layers that exist) or `Unsupported`.
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements>;

    /// Explains a batch.
    ///
    /// # Shapes
    /// Returns maps `[n, h, w]` of [`Requirements::map_size`], not upsampled.
    ///
    /// # Errors
    /// Whatever the backend reports; `Shape` for a batch that does not fit together.
    fn attribute(&self, backend: &dyn ModelBackend, batch: &AttributionBatch, context: &Context)
    -> Result<Attribution>;
}
