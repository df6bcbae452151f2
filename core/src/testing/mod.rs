//! Conformance checks that every plugin must pass, and toy models to run them on (feature `testing`).
//!
//! Each check takes trait objects, so that the same lines test a static type and a loaded library.
//! A broken law is a panic with a sentence that names the plugin and the law:
//!
//! ```ignore
//! testing::check_slicer("kmeans", &KMeans::new(KMeansParams::default())?);
//! ```

mod attributor;
mod backend;
mod explain;
mod laws;
mod memory;
mod projector;
mod regularizer;
mod slicer;
#[cfg(test)]
mod tests;
mod toy_backend;
mod toy_data;
mod trainer;

pub use attributor::{check_attributor, check_attributor_on};
pub use backend::{BackendExpectations, check_backend};
pub use memory::Memory;
pub use projector::check_projector;
pub use regularizer::check_regularizer;
pub use slicer::check_slicer;
pub use toy_backend::{ToyBackend, ToyHead};
pub use toy_data::{ToyBatch, ToyRegularizer, ToyTable, toy_images, toy_slice_table, toy_training_batch};
pub use trainer::{MakeTrainer, TrainerExpectations, check_trainer};
