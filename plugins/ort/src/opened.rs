//! A model that was opened: read and analysed once for all workers of a scan, with the files that their sessions are made of.

use crate::engine::Engine;
use ascan_core::{Capabilities, ModelInfo, OpenModel, Result};
use ascan_onnx::{Classifier, Model, Seed, Wanted, differentiable, gradient};
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

/// The bytes of a file that gives this, as long as somebody reads them.
struct Written {
    wanted: Wanted,
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
    pub fn open(&self, request: &OpenModel, engine: &Engine, version: &str) -> Result<Arc<Known>> {
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
        let known = Arc::new(Known::read(request, engine, version, stamp)?);
        *last = Arc::downgrade(&known);
        Ok(known)
    }
}

impl Known {
    fn read(request: &OpenModel, engine: &Engine, version: &str, stamp: Stamp) -> Result<Self> {
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
        let mut known = Self { model, classifier, info, stamp, files: Mutex::default() };
        if !engine.device.is_cpu() {
            known.try_on(engine, request.gradients)?;
        }
        Ok(known)
    }

    /// Tries the model on the device, and says in `info` what ran there.
    fn try_on(&mut self, engine: &Engine, gradients: bool) -> Result<()> {
        let shape = [&[self.classifier.batch.unwrap_or(1)][..], &self.info.input_shape].concat();
        let ran = engine.trial(&self.file(&self.usual()?)?, &shape)?;
        self.info.engine = format!("{}, {ran}", self.info.engine);
        if gradients && self.info.capabilities.gradients {
            let back = self.file(&Wanted::of(&self.info, &[], &[&self.info.input])?)?;
            if let Err(error) = engine.trial(&back, &shape) {
                self.info.capabilities.gradients = false;
                self.info.no_gradients = Some(error.to_string());
            }
        }
        Ok(())
    }

    /// What a scan will most probably ask for.
    ///
    /// # Errors
    /// None that can happen.
    pub fn usual(&self) -> Result<Wanted> {
        let layers: Vec<&str> = self.info.default_layer.as_deref().into_iter().collect();
        Wanted::of(&self.info, &layers, &[])
    }

    /// The bytes of the file that gives this, which workers share that compile it at the same time.
    ///
    /// # Errors
    /// As [`Wanted::file`].
    pub fn file(&self, wanted: &Wanted) -> Result<Arc<Vec<u8>>> {
        let mut files = locked(&self.files);
        files.retain(|file| file.bytes.strong_count() > 0);
        if let Some(bytes) = files.iter().find(|file| file.wanted == *wanted).and_then(|file| file.bytes.upgrade()) {
            return Ok(bytes);
        }
        let proto = wanted.file(&self.model, &self.classifier, None)?;
        let bytes = Arc::new(Model::from_proto(proto, &self.model.path).to_bytes());
        files.push(Written { wanted: wanted.clone(), bytes: Arc::downgrade(&bytes) });
        Ok(bytes)
    }
}
