//! ONNX classifiers: reading, naming the feature layer and the head, cutting, differentiating, writing weights back.
//!
//! - [`Model`]: a model file, read whole, and written back with new weights
//! - [`Classifier`]: its input, logits, feature maps ([`Layer`], [`Layout`]) and head, found from the graph
//! - [`prepare`]: the model in the one form that engines take; [`cut_after`]: the part behind a layer
//! - [`gradient`]: the gradients of a model, as a model
//! - [`pullback`], [`behind`]: a model in two halves, for a tensor that is given from outside; [`Halved`] runs them on any engine
//! - [`calls`]: images in calls of a fixed size
//! - [`Operator`]: the operators that are known
//! - [`decode`]: a constant as numbers ([`Constant`], [`Values`])
//! - [`builder`]: small networks written as ONNX
//! - [`proto`]: the messages of the format
//!
//! ```no_run
//! use ascan_core::OutputChoice;
//! use ascan_onnx::{Classifier, Model, prepare};
//!
//! let model = Model::load("classifier.onnx".as_ref())?;
//! let classifier = Classifier::analyse(&model, None, &OutputChoice::default())?;
//! let layer = classifier.layer("auto")?;
//! println!("{} gives {:?}", layer.info.name, layer.info.shape);
//! // What an engine runs: one NCHW input, the logits and that layer as outputs.
//! let proto = prepare(&model, &classifier, &[&layer.info.name], None)?;
//! # Ok::<(), ascan_core::Error>(())
//! ```

mod adapt;
mod axes;
mod batch;
mod bias;
mod branch;
pub mod builder;
mod classifier;
mod constant;
mod equation;
mod expand;
mod flat;
mod fused;
mod gradient;
mod halves;
mod head;
mod infer;
mod inline;
mod input;
mod model;
mod names;
mod node;
mod operator;
mod outputs;
mod prepare;
#[rustfmt::skip]
pub mod proto;
mod remarks;
mod split;
mod tail;
mod unknown;
mod upgrade;
mod view;
mod wanted;

pub use axes::Layout;
pub use batch::calls;
pub use classifier::{Classifier, Layer};
pub use constant::{Constant, Values, decode};
pub use gradient::{Seed, differentiable, differentiates, gradient};
pub use halves::{Given, Graph, Halved, Halves};
pub use model::Model;
pub use operator::Operator;
pub use prepare::{cut_after, prepare};
pub use split::{Split, behind, pullback};
pub use wanted::{Output, Wanted};
