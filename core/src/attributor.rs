//! [`Attributor`]: where in the image the evidence for a class lies.

use crate::backend::{ModelBackend, ModelInfo};
use crate::pass::Forward;
use crate::{Context, Error, Result, Tensor, TensorView};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What an attributor needs from a backend, for one model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Requirements {
    /// Feature maps that the forward pass should bring along.
    pub layers: Vec<String>,
    /// Whether the method asks the backend for more than [`ModelBackend::forward`], itself or through
    /// [`Self::gradients_of`].
    pub gradients: bool,
    /// Whether the method asks the backend for [`ModelBackend::relevance`].
    #[serde(default)]
    pub relevance: bool,
    /// Layers, attentions or the input whose gradients of the target logit the method looks at.
    ///
    /// Whoever runs several methods has the gradients that any of them names computed in the pass that predicts
    /// ([`ModelBackend::pass`]), and hands them to all, as [`AttributionBatch::gradients`].
    #[serde(default)]
    pub gradients_of: Vec<String>,
    /// Size `[h, w]` of the maps.
    pub map_size: [usize; 2],
    /// How the maps are computed, in a few words, for the user.
    pub method: String,
}

impl Requirements {
    /// What several methods need together: one pass serves them all.
    /// Size and name of the maps stay each method's own.
    pub fn union<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut union = Self::default();
        for one in all {
            union.gradients |= one.gradients;
            union.relevance |= one.relevance;
            for (names, more) in [(&mut union.layers, &one.layers), (&mut union.gradients_of, &one.gradients_of)] {
                names.extend(more.iter().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>());
            }
        }
        union
    }
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
    /// Gradients of the target logits that are there already, by the name of the tensor; perhaps none.
    pub gradients: &'a [(String, Tensor)],
}

impl<'a> AttributionBatch<'a> {
    /// A batch without gradients: the methods compute their own.
    pub fn new(images: TensorView<'a>, target_classes: &'a [usize], forward: &'a Forward) -> Self {
        Self { images, target_classes, forward, gradients: &[] }
    }

    /// The feature map or attention of this name.
    ///
    /// # Errors
    /// `Shape` if the forward pass came without it.
    pub fn feature_map(&self, layer: &str) -> Result<&'a Tensor> {
        self.forward.feature_map(layer).ok_or_else(|| {
            Error::shape("forward pass", format!("the feature map `{layer}`"), "a forward pass without it")
        })
    }

    /// Gradient of the target logits with respect to a layer, an attention or the input: the one that is there
    /// already, else the backend's.
    ///
    /// # Errors
    /// Whatever the backend reports; `Shape` if what is there does not go with the images.
    pub fn gradient(&self, backend: &dyn ModelBackend, tensor: &str) -> Result<Cow<'a, Tensor>> {
        if let Some((_, gradient)) = self.gradients.iter().find(|(name, _)| name == tensor) {
            return match gradient.n_rows() == self.images.n_rows() {
                true => Ok(Cow::Borrowed(gradient)),
                false => Err(Error::shape("gradients", format!("{} images", self.images.n_rows()), gradient.shape())),
            };
        }
        let made = backend.gradients(self.images, self.target_classes, &[tensor])?.gradients.into_iter().next();
        made.map(Cow::Owned).ok_or_else(|| Error::shape("gradients", "one tensor, as asked", 0))
    }

    /// Checks what every attributor must check before it computes; gives the number of images.
    ///
    /// # Errors
    /// `Shape` if images, classes and forward pass do not fit together or the model; `Param` for a class that it does
    /// not have; `NotFinite` for images with NaN or infinity.
    pub fn check(&self, info: &ModelInfo) -> Result<usize> {
        let n = crate::backend::check_gradients(info, self.images, self.target_classes, &[])?;
        if self.forward.logits.shape() != [n, info.n_classes] {
            let expected = format!("logits [{n}, {}]", info.n_classes);
            return Err(Error::shape("forward pass", expected, self.forward.logits.shape()));
        }
        if !self.images.is_finite() {
            return Err(Error::NotFinite { what: "images".into() });
        }
        Ok(n)
    }
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
