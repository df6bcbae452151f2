//! Slice discovery methods: slicers that use labels, predictions or losses beside the embeddings, to find errors.
//!
//! | `plugin =` | slices | beside the embeddings |
//! |---|---|---|
//! | [`domino`] | the components of a mixture in which labels and predictions differ most | labels, probabilities |
//! | [`george`] | clusters within each label, split where the loss is high | labels, losses |
//! | [`planespot`] | a Gaussian mixture over a plane and the confidence | probabilities |
//! | [`spotlight`] | Gaussian kernels, moved to where the loss is highest | losses |

pub mod domino;
pub mod george;
pub mod planespot;
pub mod spotlight;

pub use domino::{Domino, DominoParams};
pub use george::{George, GeorgeParams};
pub use planespot::{PlaneSpot, PlaneSpotParams};
pub use spotlight::{Spotlight, SpotlightParams};

ascan_core::export_library!(ascan_discovery: slicer Domino, slicer George, slicer PlaneSpot, slicer Spotlight);
