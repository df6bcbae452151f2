//! [`Projector`]: fewer dimensions, for slicing and for the layout of the mosaic.

use crate::{Context, Result, Tensor, TensorView};

/// Reduces embeddings.
pub trait Projector: Send + Sync {
    /// Fits to embeddings `[n, d]`. Same embeddings, same seed: same projection, at any number of threads.
    ///
    /// # Errors
    /// `Shape` or `NotFinite` for bad embeddings, `Param` if they are too few for the parameters.
    fn fit(&self, embeddings: TensorView, context: &Context) -> Result<Box<dyn Projection>>;
}

/// A fitted projector.
pub trait Projection: Send + Sync {
    /// Dimensions of the result.
    fn n_dims(&self) -> usize;

    /// Projects embeddings `[n, d]` to `[n, n_dims]`.
    ///
    /// # Errors
    /// `Shape` or `NotFinite` for embeddings that do not fit.
    fn project(&self, embeddings: TensorView, context: &Context) -> Result<Tensor>;
}
