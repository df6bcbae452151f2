//! The contract between Attribution Scanner and its plugins.
//!
//! A scan flows one way: images → [`ModelBackend`] → [`Attributor`] → embeddings → [`Projector`] →
//! [`Slicer`] → slices → verdicts → [`Regularizer`] → a better model. Each of these is a trait here, and
//! each can come from a plugin, found by its name in the configuration.
//!
//! # Shapes
//!
//! | name | shape | what |
//! |---|---|---|
//! | images | `[n, c, h, w]` | normalised as the model expects |
//! | logits, probs | `[n, n_classes]` | before and after the softmax (or sigmoids, see [`OutputKind`]) |
//! | feature map | `[n, c, h, w]` | activations of a layer; token maps are unfolded |
//! | attention | `[n, n_heads, t, t]` | softmax weights of a transformer's layer, by query and key |
//! | attribution map | `[n, h, w]` | signed unless the method clips; never rescaled |
//! | embeddings | `[n, d]` | attribution-weighted features, the vectors that are sliced |
//! | membership | `[n, n_slices]` | share of each image in each slice |
//! | assignment | `[n]` | the slice of each image, −1 for noise |
//!
//! Labels and predicted classes are `i32`, −1 where unknown; all other numbers are `f32`.
//!
//! # Writing a plugin
//!
//! A plugin is a crate of type `cdylib` that depends on this crate alone: a type with parameters
//! ([`Params`]), the trait of its kind, and one line that exports it.
//!
//! ```
//! use ascan_core::{params::NoParams, slicer, Context, Plugin, Result, SliceModel, SliceTable, Slicer, Tensor};
//!
//! /// Slices by whether the model is right.
//! struct ByError;
//!
//! impl Plugin for ByError {
//!     const NAME: &'static str = "by_error";
//!     const SUMMARY: &'static str = "one slice of errors, one of the rest";
//!     type Params = NoParams;
//!
//!     fn new(_params: NoParams) -> Result<Self> {
//!         Ok(Self)
//!     }
//! }
//!
//! impl Slicer for ByError {
//!     fn fit(&self, table: &SliceTable, _context: &Context) -> Result<Box<dyn SliceModel>> {
//!         table.check()?;
//!         Ok(Box::new(Self))
//!     }
//! }
//!
//! impl SliceModel for ByError {
//!     fn n_slices(&self) -> usize {
//!         2
//!     }
//!
//!     fn membership(&self, table: &SliceTable, _context: &Context) -> Result<Tensor> {
//!         let right = table.labels.iter().zip(table.predicted_classes).map(|(a, b)| Some(usize::from(a == b)));
//!         Ok(slicer::one_hot(right, 2))
//!     }
//! }
//!
//! ascan_core::export_library!(by_error: slicer ByError);
//! # fn main() {}
//! ```
//!
//! Copied beside the program as `libby_error.so`, it answers to `plugin = "by_error"`. `plugins/README.md` is the
//! whole way from an empty folder to a slicer with parameters that is checked.
//! Plugins in other languages use `include/ascan.h`; [`abi`] describes the boundary.

pub mod abi;
pub mod attributor;
pub mod backend;
pub mod context;
pub mod error;
pub mod guard;
pub mod metrics;
pub mod output;
pub mod output_names;
pub mod params;
pub mod pass;
pub mod plugin;
pub mod projector;
pub mod regularizer;
pub mod relevance;
pub mod slicer;
pub mod tensor;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod trainer;

pub use attributor::{Attribution, AttributionBatch, Attributor, Requirements};
pub use backend::{AttentionInfo, Capabilities, LayerInfo, LinearHead, ModelBackend, ModelInfo, OpenModel, Runtime};
pub use context::{Context, Level, Reporter, Silent};
pub use error::{Error, ErrorCode, PlainError, Result};
pub use output::{OutputChoice, OutputKind};
pub use params::{ParamMap, Params, Problems};
pub use pass::{Forward, Gradients, Pass, PassRequest};
pub use plugin::{Habits, Kind, Plugin, Strengths};
pub use projector::{Projection, Projector};
pub use regularizer::{RegularizedBatch, Regularizer, Selection, Suppression, TrainingBatch, TrainingSet};
pub use relevance::RelevanceRule;
pub use slicer::{SliceModel, SliceTable, Slicer};
pub use tensor::{Tensor, TensorView};
pub use trainer::{InputGradientPenalty, Optimizer, StepOutcome, Trainable, Trainer, TrainerOptions, TrainingStep};
