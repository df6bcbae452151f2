//! A model on onnxruntime: one session for each set of layers asked for.

use crate::find::find_library;
use ascan_core::backend::check_forward;
use ascan_core::{Capabilities, Error, Forward, ModelBackend, ModelInfo, OpenModel, Result, Tensor, TensorView};
use ascan_onnx::{Classifier, Model, calls, prepare};
use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::TensorRef;
use std::cell::RefCell;
use std::fmt::Display;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::OnceLock;

/// A model opened by onnxruntime.
pub struct OrtBackend {
    model: Model,
    classifier: Classifier,
    info: ModelInfo,
    n_threads: usize,
    environment: &'static Environment,
    sessions: RefCell<Vec<Layered>>,
}

/// The model with logits and some layers as its outputs.
struct Layered {
    layers: Vec<String>,
    session: Session,
}

/// The process's one onnxruntime and its version.
///
/// # Errors
/// `Plugin`, with the places that were looked at, or what is wrong with the library found.
pub fn environment(library: Option<&Path>) -> Result<(&'static Environment, &'static str)> {
    // onnxruntime can be loaded once a process: whatever came of the first try stays.
    static LOADED: OnceLock<Result<(Environment, String)>> = OnceLock::new();
    let loaded = LOADED.get_or_init(|| load(library));
    loaded.as_ref().map(|(environment, version)| (environment, version.as_str())).map_err(Clone::clone)
}

fn load(library: Option<&Path>) -> Result<(Environment, String)> {
    const INSTALL: &str = "install the Python package `onnxruntime`, set ORT_DYLIB_PATH, or use another backend";
    let path = find_library(library).map_err(|places| {
        let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        Error::plugin("ort", format!("no onnxruntime library in {}", places.join(", ")), INSTALL)
    })?;
    let fail = |why: &dyn Display| Error::plugin("ort", format!("{} cannot be used: {why}", path.display()), INSTALL);
    // The binding panics on a library that is too old; that is the user's to know, not a crash.
    let built = catch_unwind(|| -> Result<(Environment, String), String> {
        let builder = ort::init_from(&path).map_err(|error| error.to_string())?;
        let environment =
            builder.with_name("ascan").with_telemetry(false).build().map_err(|error| error.to_string())?;
        let info = ort::info();
        let version = info.split("rel-").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or("");
        Ok((environment, format!("onnxruntime {version}").trim_end().to_owned()))
    });
    match built {
        Ok(Ok(environment)) => Ok(environment),
        Ok(Err(why)) => Err(fail(&why)),
        Err(_) => Err(fail(&"it is older than 1.17, or no onnxruntime")),
    }
}

impl OrtBackend {
    /// Opens a model, and the session that a scan will most probably ask for.
    ///
    /// # Errors
    /// `File` for a file that is no image classifier or that onnxruntime refuses.
    pub fn open(request: &OpenModel, environment: &'static Environment, version: &str) -> Result<Self> {
        let model = Model::load(&request.path)?;
        let classifier = Classifier::analyse(&model, request.image_size, &request.output)?;
        let info = classifier.model_info(version, Capabilities::default(), classifier.batch.unwrap_or(1));
        let n_threads = request.n_threads.max(1);
        let backend = Self { model, classifier, info, n_threads, environment, sessions: RefCell::default() };
        let usual: Vec<&str> = backend.info.default_layer.as_deref().into_iter().collect();
        let session = backend.compile(&usual)?;
        backend.sessions.borrow_mut().push(session);
        Ok(backend)
    }

    fn compile(&self, layers: &[&str]) -> Result<Layered> {
        let path = &self.model.path;
        let fail = |error: &dyn Display| {
            let hint = "use `backend = \"burn\"` or `\"tract\"`";
            Error::file(path, format!("onnxruntime cannot run this model: {error}"), hint)
        };
        let proto = prepare(&self.model, &self.classifier, layers, None)?;
        let bytes = Model::from_proto(proto, path.clone()).to_bytes();
        let build = || -> ort::Result<Session> {
            SessionBuilder::new(self.environment)?
                .with_optimization_level(GraphOptimizationLevel::All)?
                .with_intra_threads(self.n_threads)?
                .with_inter_threads(1)?
                // Idle threads that spin would take the cores from decoding.
                .with_intra_op_spinning(false)?
                .commit_from_memory(&bytes)
        };
        let session = build().map_err(|error| fail(&error))?;
        Ok(Layered { layers: layers.iter().map(|&layer| layer.to_owned()).collect(), session })
    }
}

impl ModelBackend for OrtBackend {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, images: TensorView, layers: &[&str]) -> Result<Forward> {
        let n = check_forward(&self.info, images, layers)?;
        let layers: Vec<&str> = layers.iter().map(|&name| Ok(self.info.tensor(name)?.0)).collect::<Result<_>>()?;
        let mut sessions = self.sessions.borrow_mut();
        let gives = |kept: &Layered| layers.iter().all(|&layer| kept.layers.iter().any(|known| known == layer));
        let at = match sessions.iter().position(gives) {
            Some(at) => at,
            None => {
                sessions.push(self.compile(&layers)?);
                sessions.len() - 1
            }
        };
        let fail = |error: &dyn Display| Error::file(&self.model.path, format!("onnxruntime failed: {error}"), "");
        let size = self.classifier.batch.unwrap_or(n);
        let shape = [&[size][..], &self.info.input_shape].concat();
        let mut logits = Vec::with_capacity(n * self.info.n_classes);
        let mut maps: Vec<Vec<f32>> = vec![Vec::new(); layers.len()];
        for (n_rows, values) in calls(images, size) {
            let input = TensorRef::from_array_view((&*shape, &*values)).map_err(|error| fail(&error))?;
            let outputs =
                sessions[at].session.run(ort::inputs![&*self.info.input => input]).map_err(|error| fail(&error))?;
            let take = |name: &str| {
                let value = outputs.get(name).ok_or_else(|| fail(&format!("there is no output `{name}`")))?;
                let (shape, data) = value.try_extract_tensor::<f32>().map_err(|error| fail(&error))?;
                Ok::<_, Error>((shape.iter().map(|&dim| dim as usize).collect::<Vec<_>>(), data))
            };
            logits.extend_from_slice(&take(&self.info.logits)?.1[..n_rows * self.info.n_classes]);
            for (map, &layer) in maps.iter_mut().zip(&layers) {
                let (shape, data) = take(layer)?;
                let plain = self.classifier.to_plain(layer, &shape, data)?;
                map.extend_from_slice(plain.view().rows(0..n_rows));
            }
        }
        let feature_maps = layers.iter().zip(maps).map(|(&layer, data)| {
            let shape = [vec![n], self.info.tensor(layer)?.1].concat();
            Ok((layer.to_owned(), Tensor::new(shape, data)?))
        });
        Ok(Forward {
            feature_maps: feature_maps.collect::<Result<_>>()?,
            logits: Tensor::new([n, self.info.n_classes], logits)?,
        })
    }
}
