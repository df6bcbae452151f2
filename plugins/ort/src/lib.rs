//! Backend plugin `ort`: inference and gradients on an onnxruntime that is found at run time, never downloaded.

mod backend;
mod engine;
mod find;
mod gradients;
mod halves;
mod opened;

use ascan_core::params::{Params, Problems};
use ascan_core::{Capabilities, Error, ModelBackend, OpenModel, Plugin, Result, Runtime, Strengths};
use opened::Last;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

pub use backend::OrtBackend;
pub use find::find_library;

/// Parameters of `ort`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrtParams {
    /// The onnxruntime library; searched for where it is not given.
    pub library: Option<PathBuf>,
}

impl Params for OrtParams {
    const HELP: &'static [(&'static str, &'static str)] =
        &[("library", "the onnxruntime library; default: ORT_DYLIB_PATH, beside the plugins, in a Python environment")];

    const RUNS: &'static [&'static str] = &["library"];

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
        if request.device != "cpu" {
            let what = format!("this plugin runs onnxruntime on the CPU, not on `{}`", request.device);
            return Err(Error::unsupported(
                what,
                "use `device = \"cpu\"`, or `backend = \"burn\"` built for that device",
            ));
        }
        let (environment, version) = engine::environment(self.params.library.as_deref())?;
        Ok(Box::new(OrtBackend::open(request, &self.last, environment, version)?))
    }
}

ascan_core::export_library!(ascan_ort: backend OrtRuntime);
