//! Slicers that part all images into a number of clusters: none is left over as noise.
//!
//! | `plugin =` | slices | their number |
//! |---|---|---|
//! | [`kmeans`] | by the nearest centre, fitted to all embeddings at once | given |
//! | [`minibatch_kmeans`] | by the nearest centre, fitted batch by batch: for millions of images | given |
//! | [`gmm`] | by the posterior of a Gaussian mixture: soft, of any size and shape | given |
//! | [`spray`] | by spectral clustering of the attribution maps: where the model looked | found, or given |

mod centres;
pub mod gmm;
pub mod kmeans;
pub mod minibatch_kmeans;
pub mod spray;
#[cfg(test)]
mod testing;

pub use ascan_math::mixture::Covariance;
pub use ascan_math::points::Normalise;
pub use gmm::{Gmm, GmmParams};
pub use kmeans::{KMeans, KMeansParams};
pub use minibatch_kmeans::{MiniBatchKMeans, MiniBatchKMeansParams};
pub use spray::{Spray, SprayParams};

ascan_core::export_library!(ascan_partition: slicer Gmm, slicer KMeans, slicer MiniBatchKMeans, slicer Spray);
