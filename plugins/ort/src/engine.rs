//! onnxruntime itself: the library, sessions, and values in and out.

use crate::device::Device;
use crate::find::find_library;
use ascan_core::{Error, Result};
use ascan_onnx::proto::ModelProto;
use ascan_onnx::{Given, Graph, Model};
use ort::environment::Environment;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, TensorRef};
use std::borrow::Cow;
use std::fmt::Display;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// How far a device may be from the CPU, as a share of the largest value: room for half precision.
const MAX_OFF: f32 = 0.02;

/// What makes the sessions of one model.
#[derive(Debug)]
pub(crate) struct Engine {
    pub environment: &'static Environment,
    pub n_threads: usize,
    pub device: Device,
    /// The model's file, for messages.
    pub path: PathBuf,
}

/// A compiled graph: named tensors in, named tensors out.
#[derive(Debug)]
pub(crate) struct Compiled {
    session: Session,
    path: PathBuf,
    /// The names of the inputs and of the outputs, in order.
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
}

/// The process's one onnxruntime and its version.
///
/// # Errors
/// `Plugin`, with the places that were looked at, or what is wrong with the library found.
pub(crate) fn environment(library: Option<&Path>) -> Result<(&'static Environment, &'static str)> {
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

impl Engine {
    /// Compiles a graph.
    ///
    /// # Errors
    /// `File` if onnxruntime refuses it.
    pub fn compile(&self, proto: ModelProto) -> Result<Compiled> {
        self.compile_file(&Model::from_proto(proto, self.path.clone()).to_bytes())
    }

    /// Compiles a graph, given as the bytes of a file.
    ///
    /// # Errors
    /// As [`Self::compile`].
    pub fn compile_file(&self, bytes: &[u8]) -> Result<Compiled> {
        self.compile_with(bytes, None)
    }

    fn compile_with(&self, bytes: &[u8], profile: Option<&Path>) -> Result<Compiled> {
        let fail = |error: &dyn Display| {
            let hint = "use `backend = \"burn\"` or `\"tract\"`";
            Error::file(&self.path, format!("onnxruntime cannot run this model: {error}"), hint)
        };
        let builder = || -> ort::Result<SessionBuilder> {
            let builder = SessionBuilder::new(self.environment)?
                .with_optimization_level(GraphOptimizationLevel::All)?
                .with_intra_threads(self.n_threads)?
                .with_inter_threads(1)?
                // Idle threads that spin would take the cores from decoding.
                .with_intra_op_spinning(false)?;
            match profile {
                Some(profile) => Ok(builder.with_profiling(profile)?),
                None => Ok(builder),
            }
        };
        let builder = builder().map_err(|error| fail(&error))?;
        let providers = self.device.providers(self.n_threads);
        let mut builder = builder.with_execution_providers(providers).map_err(|error| self.device.missing(&error))?;
        let session = builder.commit_from_memory(bytes).map_err(|error| fail(&error))?;
        let names = |outlets: &[ort::value::Outlet]| outlets.iter().map(|outlet| outlet.name().to_owned()).collect();
        let (inputs, outputs) = (names(session.inputs()), names(session.outputs()));
        Ok(Compiled { session, path: self.path.clone(), inputs, outputs })
    }

    /// Tries a graph on the device with an image of noise, and says what ran where. The numbers have to be those of the CPU.
    ///
    /// # Errors
    /// `Unsupported` if the device is not there, takes no node, or gives other numbers.
    pub fn trial(&self, bytes: &[u8], image: &[usize]) -> Result<String> {
        let folder = tempfile::tempdir().map_err(|error| failure(&self.path, &error))?;
        let mut there = self.compile_with(bytes, Some(&folder.path().join("profile")))?;
        let found = there.try_out(image);
        let file = there.session.end_profiling().map_err(|error| failure(&self.path, &error))?;
        let events = std::fs::read_to_string(&file).unwrap_or_default();
        let (found, said) = (found?, self.device.census(&events)?);
        let here = Self { device: Device::default(), path: self.path.clone(), ..*self };
        let expected = here.compile_file(bytes)?.try_out(image)?;
        for ((name, found), expected) in there.outputs.iter().zip(found).zip(expected) {
            let size = expected.iter().fold(0.0f32, |size, value| size.max(value.abs()));
            let off = found.iter().zip(&expected).fold(0.0f32, |off, (a, b)| off.max((a - b).abs()));
            if found.len() != expected.len() || off.is_nan() || off > MAX_OFF * size {
                let off = f64::from(off) / f64::from(size);
                return Err(self
                    .device
                    .missing(&format!("its `{name}` is off by {off:.1e} of the CPU's largest value")));
            }
        }
        Ok(said)
    }
}

impl Compiled {
    /// All outputs for an image of noise and, where classes are asked for, class 0.
    fn try_out(&mut self, image: &[usize]) -> Result<Vec<Vec<f32>>> {
        let noise = (0..image.iter().product()).map(|i| (i as f64 * 0.618_033_988_75).fract() as f32 * 4.0 - 2.0);
        let (noise, classes): (Vec<f32>, _) = (noise.collect(), vec![0; image[0]]);
        let values = [self.floats(image, &noise)?, self.integers(&classes)?];
        let names = self.inputs.clone();
        let outputs = self.run(names.iter().map(String::as_str).zip(values).collect())?;
        outputs.iter().map(|output| Ok(self.read(output)?.1.to_vec())).collect()
    }

    /// Runs the graph; returns all outputs in their order.
    ///
    /// # Errors
    /// `File` if onnxruntime fails.
    pub fn run(&mut self, inputs: Vec<(&str, SessionInputValue)>) -> Result<Vec<DynValue>> {
        let path = &self.path;
        let mut made = self.session.run(inputs).map_err(|error| failure(path, &error))?;
        let take =
            |name: &String| made.remove(name).ok_or_else(|| failure(path, &format!("there is no output `{name}`")));
        self.outputs.iter().map(take).collect()
    }

    /// Numbers as an input.
    ///
    /// # Errors
    /// `File` if they do not fit the shape.
    pub fn floats<'v>(&self, shape: &'v [usize], values: &'v [f32]) -> Result<SessionInputValue<'v>> {
        let tensor = TensorRef::from_array_view((shape, values)).map_err(|error| failure(&self.path, &error))?;
        Ok(tensor.into())
    }

    /// Whole numbers as an input of one axis.
    ///
    /// # Errors
    /// None that can happen.
    pub fn integers<'v>(&self, values: &'v [i64]) -> Result<SessionInputValue<'v>> {
        let shape = [values.len()];
        let tensor = TensorRef::from_array_view((shape, values)).map_err(|error| failure(&self.path, &error))?;
        Ok(tensor.into())
    }

    /// Shape and numbers of an output.
    ///
    /// # Errors
    /// `File` if they are not float32.
    pub fn read<'v>(&self, value: &'v DynValue) -> Result<(Vec<usize>, &'v [f32])> {
        let (shape, data) = value.try_extract_tensor::<f32>().map_err(|error| failure(&self.path, &error))?;
        Ok((shape.iter().map(|&dim| dim as usize).collect(), data))
    }
}

impl Graph for Compiled {
    type Value = DynValue;

    fn inputs(&self) -> &[String] {
        &self.inputs
    }

    fn outputs(&self) -> &[String] {
        &self.outputs
    }

    fn run(&mut self, inputs: Vec<(&str, Given<DynValue>)>) -> Result<Vec<DynValue>> {
        let mut values: Vec<(&str, SessionInputValue)> = Vec::with_capacity(inputs.len());
        for (name, given) in &inputs {
            let value = match given {
                Given::Floats(shape, values) => self.floats(shape, values)?,
                Given::Value(value) => (*value).into(),
            };
            values.push((name, value));
        }
        Self::run(self, values)
    }

    fn read<'v>(&self, value: &'v DynValue) -> Result<(Vec<usize>, Cow<'v, [f32]>)> {
        let (shape, values) = Self::read(self, value)?;
        Ok((shape, Cow::Borrowed(values)))
    }
}

fn failure(path: &Path, error: &dyn Display) -> Error {
    Error::file(path, format!("onnxruntime failed: {error}"), "")
}
