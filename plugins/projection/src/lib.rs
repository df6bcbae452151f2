//! Projectors: fewer dimensions to slice in, and a plane to look at.
//!
//! | `plugin =` | what is kept | new images |
//! |---|---|---|
//! | [`pca`] | the directions of the largest variance | are projected as those of the fit |
//! | [`umap`] | who is a neighbour of whom: dense places become compact | settle among their neighbours of the fit |

pub mod pca;
pub mod umap;

pub use pca::{Pca, PcaParams};
pub use umap::{Umap, UmapParams};

ascan_core::export_library!(ascan_projection: projector Pca, projector Umap);
