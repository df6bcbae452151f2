//! What a pass through a model is asked for, and what it gives.

use crate::metrics::argmax;
use crate::{Error, Result, Tensor, TensorView};

/// Logits and feature maps of a batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Forward {
    /// `[n, n_classes]`, before softmax or sigmoid.
    pub logits: Tensor,
    /// The feature maps asked for, in the order asked, each `[n, c, h, w]`.
    pub feature_maps: Vec<(String, Tensor)>,
}

impl Forward {
    /// The feature map of this layer, if it was asked for.
    pub fn feature_map(&self, layer: &str) -> Option<&Tensor> {
        self.feature_maps.iter().find(|(name, _)| name == layer).map(|(_, map)| map)
    }
}

/// Logits, and gradients of one logit an image.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gradients {
    /// `[n, n_classes]`, before softmax or sigmoid.
    pub logits: Tensor,
    /// ∂logit/∂tensor for each tensor asked for, in the order asked: shaped like the images
    /// for the input, `[n, c, h, w]` for a feature map.
    pub gradients: Vec<Tensor>,
    /// The values of the same tensors, same shapes.
    pub values: Vec<Tensor>,
}

/// What one pass is to give; see [`ModelBackend::pass`](crate::ModelBackend::pass).
#[derive(Debug, Clone, Copy)]
pub struct PassRequest<'a> {
    /// `[n, c, h, w]`, normalised as the model expects.
    pub images: TensorView<'a>,
    /// Feature maps to bring along, as for [`ModelBackend::forward`](crate::ModelBackend::forward).
    pub layers: &'a [&'a str],
    /// `[n]`: the class whose logit is differentiated; `None` is the class that this very pass predicts, which is that
    /// of the largest logit (the first of equals).
    pub target_classes: &'a [Option<usize>],
    /// Tensors whose gradients are asked for, as for [`ModelBackend::gradients`](crate::ModelBackend::gradients); perhaps
    /// none.
    pub gradients_of: &'a [&'a str],
}

impl PassRequest<'_> {
    /// The target class of each image, given its logits.
    ///
    /// # Errors
    /// `Shape` if there is not one for each.
    pub fn classes(&self, logits: &Tensor) -> Result<Vec<usize>> {
        if self.target_classes.len() != logits.n_rows() {
            return Err(Error::shape("target classes", format!("[{}]", logits.n_rows()), [self.target_classes.len()]));
        }
        let all = self.target_classes.iter().enumerate();
        Ok(all.map(|(i, class)| class.unwrap_or_else(|| argmax(logits.row(i)))).collect())
    }
}

/// What one pass gives.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pass {
    /// Logits and feature maps.
    pub forward: Forward,
    /// ∂logit/∂tensor of the target classes, by the name of the tensor, in the order asked; shaped as in [`Gradients`].
    pub gradients: Vec<(String, Tensor)>,
}
