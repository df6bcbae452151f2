//! A model that was opened: what its sessions are made of.

use crate::engine::Engine;
use ascan_core::{ModelInfo, Result, Tensor};
use ascan_onnx::{Classifier, Model};

/// A model, what is known of it, and what compiles it.
pub(crate) struct Opened {
    pub model: Model,
    pub classifier: Classifier,
    pub info: ModelInfo,
    pub engine: Engine,
}

impl Opened {
    /// The rows of all calls as one tensor, `[n, …]` of the shape of the input, a layer or an attention.
    ///
    /// # Errors
    /// `UnknownName`; `Shape` for another number of values.
    pub fn collect(&self, name: &str, n: usize, data: Vec<f32>) -> Result<Tensor> {
        let shape = match name == self.info.input {
            true => self.info.input_shape.to_vec(),
            false => self.info.tensor(name)?.1,
        };
        Tensor::new([vec![n], shape].concat(), data)
    }
}
