//! Backend plugin: inference, gradients and training on burn.
//!
//! An ONNX graph is interpreted at run time on burn's tensors: on the CPU (burn's `flex` backend with this crate's own
//! convolution) or, in builds with the features `wgpu` or `cuda`, on a GPU.

mod backend;
mod barrier;
mod device;
mod graph;
mod trainable;
mod trainer;
mod value;

pub use backend::{BurnBackend, BurnRuntime};
pub use graph::ops::{OPSETS, claimed_operators};
pub use graph::{Graph, Preparation};
pub use value::{Float, Ints, Value};

ascan_core::export_library!(ascan_burn: backend BurnRuntime);
