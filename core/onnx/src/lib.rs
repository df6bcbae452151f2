//! ONNX classifiers: reading, naming the feature layer and the head, cutting, writing weights back.
//!
//! ```no_run
//! use ascan_onnx::{Classifier, Model, prepare};
//!
//! let model = Model::load("classifier.onnx".as_ref())?;
//! let classifier = Classifier::analyse(&model, None)?;
//! let layer = classifier.layer("auto")?;
//! println!("{} gives {:?}", layer.info.name, layer.info.shape);
//! // What an engine runs: one NCHW input, the logits and that layer as outputs.
//! let proto = prepare(&model, &classifier, &[&layer.info.name], None)?;
//! # Ok::<(), ascan_core::Error>(())
//! ```

mod axes;
mod batch;
mod bias;
pub mod builder;
mod classifier;
pub mod constant;
mod flat;
mod head;
mod infer;
mod inline;
mod model;
mod node;
mod prepare;
pub mod proto;
mod view;

pub use axes::Layout;
pub use batch::calls;
pub use classifier::{Classifier, Layer};
pub use constant::{Constant, Values, decode};
pub use model::Model;
pub use prepare::{cut_after, prepare};
