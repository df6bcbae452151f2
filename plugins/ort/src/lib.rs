//! Backend plugin `ort`: inference and gradients on an onnxruntime that is found at run time, never downloaded.

mod backend;
mod device;
mod engine;
mod find;
mod opened;

use ascan_core::params::{Params, Problems};
use ascan_core::{Capabilities, ModelBackend, OpenModel, Plugin, Result, Runtime, Strengths};
use device::Device;
use opened::Last;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

pub use backend::OrtBackend;
pub use find::find_library;

/// Parameters of `ort`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrtParams {
    /// The onnxruntime library; searched for where it is not given.
    pub library: Option<PathBuf>,
    /// Options of the execution provider, handed on as they are: `provider = { device_type = "GPU" }`.
    pub provider: BTreeMap<String, String>,
}

impl Params for OrtParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("library", "the onnxruntime library; default: ORT_DYLIB_PATH, beside the plugins, in a Python environment"),
        ("provider", "options of the execution provider of the device, such as { device_type = \"GPU\" }"),
    ];

    const RUNS: &'static [&'static str] = &["library", "provider"];

    fn check(&self, _problems: &mut Problems) {}
}

/// The onnxruntime engine.
#[derive(Debug)]
pub struct OrtRuntime {
    params: OrtParams,
    last: Last,
}

impl Plugin for OrtRuntime {
    const NAME: &'static str = "ort";
    const SUMMARY: &'static str =
        "onnxruntime, where one is installed: the fastest forward pass, and gradients of most graphs";
    /// 18 ms an image, PyTorch 25.
    const STRENGTHS: Strengths = Strengths { speed: 140, ..Strengths::none() };
    type Params = OrtParams;

    fn new(params: OrtParams) -> Result<Self> {
        Ok(Self { params, last: Last::default() })
    }
}

impl Runtime for OrtRuntime {
    fn capabilities(&self) -> Capabilities {
        // Of a graph with an operator that has no rule, an opened model says otherwise.
        Capabilities { gradients: true, ..Capabilities::default() }
    }

    fn available(&self) -> Result<()> {
        engine::environment(self.params.library.as_deref()).map(drop)
    }

    fn open(&self, request: &OpenModel) -> Result<Box<dyn ModelBackend>> {
        let device = Device::new(&request.device, &self.params.provider)?;
        let (environment, version) = engine::environment(self.params.library.as_deref())?;
        Ok(Box::new(OrtBackend::open(request, device, &self.last, environment, version)?))
    }
}

ascan_core::export_library!(ascan_ort: backend OrtRuntime);
