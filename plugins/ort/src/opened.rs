//! A model that was opened: read and analysed once for all workers of a scan, with the files that their sessions are made of.

use crate::engine::Engine;
use ascan_core::{Capabilities, ModelInfo, OpenModel, Result, Tensor};
use ascan_onnx::{Classifier, Model, Seed, differentiable, gradient, prepare};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

/// A worker's model: what is known of it, and what compiles it.
pub(crate) struct Opened {
    pub known: Arc<Known>,
    pub engine: Engine,
}

/// What is known of a model.
pub(crate) struct Known {
    pub model: Model,
    pub classifier: Classifier,
    pub info: ModelInfo,
    stamp: Stamp,
    files: Mutex<Vec<Written>>,
}

/// What was opened, and the state of the file.
#[derive(PartialEq)]
struct Stamp {
    request: OpenModel,
    len: u64,
    modified: Option<SystemTime>,
}

/// The bytes of a file with these outputs, as long as somebody reads them.
struct Written {
    layers: Vec<String>,
    gradients_of: Vec<String>,
    bytes: Weak<Vec<u8>>,
}

/// The model that was opened last, as long as a worker has it.
#[derive(Default)]
pub(crate) struct Last(Mutex<Weak<Known>>);

impl std::fmt::Debug for Last {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("Last")
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Last {
    /// The model: that of another worker, or read from its file.
    ///
    /// # Errors
    /// `File` for a file that is no image classifier.
    pub fn open(&self, request: &OpenModel, version: &str) -> Result<Arc<Known>> {
        let file = std::fs::metadata(&request.path).ok();
        let stamp = Stamp {
            request: OpenModel { n_threads: 1, ..request.clone() },
            len: file.as_ref().map_or(0, std::fs::Metadata::len),
            modified: file.and_then(|file| file.modified().ok()),
        };
        let mut last = locked(&self.0);
        if let Some(known) = last.upgrade().filter(|known| known.stamp == stamp) {
            return Ok(known);
        }
        let known = Arc::new(Known::read(request, version, stamp)?);
        *last = Arc::downgrade(&known);
        Ok(known)
    }
}

impl Known {
    fn read(request: &OpenModel, version: &str, stamp: Stamp) -> Result<Self> {
        let model = Model::load(&request.path)?;
        let classifier = Classifier::analyse(&model, request.image_size, &request.output)?;
        // Whether every operator has a rule shows without writing anything; whether each rule goes with its node does not.
        let can = match request.gradients {
            true => gradient(&model, &classifier, &[], &[&classifier.input], Seed::TargetClass).map(drop),
            false => differentiable(&model, &classifier),
        };
        let capabilities = Capabilities { gradients: can.is_ok(), ..Capabilities::default() };
        let mut info = classifier.model_info(version, capabilities, classifier.batch.unwrap_or(1));
        info.no_gradients = can.err().map(|error| error.to_string());
        Ok(Self { model, classifier, info, stamp, files: Mutex::default() })
    }

    /// The file with logits, `layers` and the gradients of `gradients_of`, if any, which workers share that compile it at the
    /// same time.
    ///
    /// # Errors
    /// As [`prepare`] and [`gradient`].
    pub fn file(&self, layers: &[&str], gradients_of: &[&str]) -> Result<Arc<Vec<u8>>> {
        let mut files = locked(&self.files);
        files.retain(|file| file.bytes.strong_count() > 0);
        let same = |file: &&Written| file.layers == layers && file.gradients_of == gradients_of;
        if let Some(bytes) = files.iter().find(same).and_then(|file| file.bytes.upgrade()) {
            return Ok(bytes);
        }
        let proto = match gradients_of {
            [] => prepare(&self.model, &self.classifier, layers, None)?,
            names => gradient(&self.model, &self.classifier, layers, names, Seed::TargetClass)?,
        };
        let bytes = Arc::new(Model::from_proto(proto, &self.model.path).to_bytes());
        let [layers, gradients_of] = [layers, gradients_of].map(|names| names.iter().map(|&n| n.to_owned()).collect());
        files.push(Written { layers, gradients_of, bytes: Arc::downgrade(&bytes) });
        Ok(bytes)
    }

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
