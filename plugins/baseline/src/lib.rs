//! Slicers that compare nothing: what every other slicer has to beat.
//!
//! | `plugin =` | slices |
//! |---|---|
//! | [`confusion_matrix`] | one per (label, predicted class) cell that occurs |
//! | [`random`] | by chance |

pub mod confusion_matrix;
pub mod random;

pub use confusion_matrix::ConfusionMatrix;
pub use random::{Random, RandomParams};

ascan_core::export_library!(ascan_baseline: slicer ConfusionMatrix, slicer Random);
