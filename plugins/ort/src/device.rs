//! Where onnxruntime computes: its execution providers.

use ascan_core::{Error, Result};
use ort::ep::{
    ArbitrarilyConfigurableExecutionProvider as Configurable, CUDA, CoreML, DirectML, ExecutionProviderDispatch,
    OpenVINO, TensorRT, WebGPU,
};
use std::collections::{BTreeMap, BTreeSet};

/// An execution provider beside the CPU's own.
#[derive(Debug)]
struct Provider {
    device: &'static str,
    /// What onnxruntime calls it.
    name: &'static str,
    /// What to do where it is not there.
    install: &'static str,
}

const PROVIDERS: &[Provider] = &[
    Provider {
        device: "cuda",
        name: "CUDAExecutionProvider",
        install: "install the Python package `onnxruntime-gpu` and CUDA, or set ORT_DYLIB_PATH to an onnxruntime built with it",
    },
    Provider {
        device: "tensorrt",
        name: "TensorrtExecutionProvider",
        install: "install the Python packages `onnxruntime-gpu` and `tensorrt`, or use `device = \"cuda\"`",
    },
    Provider {
        device: "coreml",
        name: "CoreMLExecutionProvider",
        install: "install the Python package `onnxruntime` on macOS, whose library has it",
    },
    Provider {
        device: "directml",
        name: "DmlExecutionProvider",
        install: "install the Python package `onnxruntime-directml` on Windows",
    },
    Provider {
        device: "openvino",
        name: "OpenVINOExecutionProvider",
        install: "install the Python package `onnxruntime-openvino`, or set ORT_DYLIB_PATH to its library",
    },
    Provider {
        device: "webgpu",
        name: "WebGpuExecutionProvider",
        install: "set ORT_DYLIB_PATH to an onnxruntime built with it",
    },
];

/// Where sessions run (by default on the CPU), with options that are handed to the provider as they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Device {
    provider: Option<&'static Provider>,
    options: BTreeMap<String, String>,
}

impl Device {
    /// The device of this name.
    ///
    /// # Errors
    /// `UnknownName`, with those that onnxruntime may have; `Param` for options of the CPU, which has none.
    pub fn new(name: &str, options: &BTreeMap<String, String>) -> Result<Self> {
        let provider = PROVIDERS.iter().find(|provider| provider.device == name);
        if provider.is_none() && name != "cpu" {
            let names = PROVIDERS.iter().map(|provider| provider.device).chain(["cpu"]);
            return Err(Error::unknown_name("device of onnxruntime", name, names));
        }
        if provider.is_none() && !options.is_empty() {
            return Err(Error::param("provider", "onnxruntime's CPU has no options", "leave it out, or name a device"));
        }
        Ok(Self { provider, options: options.clone() })
    }

    /// Whether it is onnxruntime's own CPU.
    pub fn is_cpu(&self) -> bool {
        self.provider.is_none()
    }

    /// The providers to ask for, in order; none for the CPU.
    pub fn providers(&self, n_threads: usize) -> Vec<ExecutionProviderDispatch> {
        let Some(provider) = self.provider else { return vec![] };
        match provider.device {
            "cuda" => vec![self.with(CUDA::default())],
            // What TensorRT does not take, CUDA may.
            "tensorrt" => vec![self.with(TensorRT::default()), CUDA::default().build()],
            "coreml" => vec![self.with(CoreML::default())],
            "directml" => vec![DirectML::default().build().error_on_failure()],
            "openvino" => vec![self.with(OpenVINO::default().with_num_threads(n_threads))],
            _ => vec![self.with(WebGPU::default())],
        }
    }

    fn with<P: Configurable + Into<ExecutionProviderDispatch>>(&self, provider: P) -> ExecutionProviderDispatch {
        let set = |provider: P, (key, value): (&String, &String)| provider.with_arbitrary_config(key, value);
        self.options.iter().fold(provider, set).into().error_on_failure()
    }

    /// That the provider is not there, or of no use.
    pub fn missing(&self, error: &dyn std::fmt::Display) -> Error {
        let (name, install) = self.provider.map_or(("CPU", ""), |provider| (provider.name, provider.install));
        let why = error.to_string();
        Error::unsupported(
            format!("onnxruntime cannot use {name}: {}", why.lines().next().unwrap_or_default()),
            install,
        )
    }

    /// What ran where, from the profile of a run: the provider, and how many nodes the CPU has taken over.
    ///
    /// # Errors
    /// `Unsupported` if nothing ran on the provider.
    pub fn census(&self, profile: &str) -> Result<String> {
        let Some(provider) = self.provider else { return Ok("CPU".to_owned()) };
        let events: Vec<Event> =
            serde_json::from_str(profile).map_err(|error| self.missing(&format!("no profile of a run: {error}")))?;
        let nodes = events.iter().filter(|event| event.cat == "Node" && event.name.ends_with("_kernel_time"));
        let of: BTreeSet<(&str, &str)> =
            nodes.map(|event| (event.args.provider.as_str(), event.name.as_str())).collect();
        let n_fallen = of.iter().filter(|(provider, _)| *provider == "CPUExecutionProvider").count();
        if n_fallen == of.len() {
            return Err(self.missing(&"it took no node of this model"));
        }
        let nodes = if n_fallen == 1 { "node" } else { "nodes" };
        Ok(format!("{}, {n_fallen} {nodes} on the CPU", provider.name))
    }
}

/// An event of a profile.
#[derive(serde::Deserialize)]
struct Event {
    #[serde(default)]
    cat: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    args: Args,
}

#[derive(Default, serde::Deserialize)]
struct Args {
    #[serde(default)]
    provider: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn openvino() -> Device {
        Device::new("openvino", &BTreeMap::new()).unwrap()
    }

    #[test]
    fn what_fell_back_is_counted() {
        let event = |name: &str, provider: &str| {
            format!(
                r#"{{"cat": "Node", "name": "{name}_kernel_time", "dur": 3, "args": {{"provider": "{provider}"}}}}"#
            )
        };
        let (there, here) = ("OpenVINOExecutionProvider", "CPUExecutionProvider");
        let events = [event("a", there), event("b", here), event("b", here), r#"{"cat": "Session"}"#.to_owned()];
        let said = openvino().census(&format!("[{}]", events.join(","))).unwrap();
        assert_eq!(said, "OpenVINOExecutionProvider, 1 node on the CPU");
        let error = openvino().census(&format!("[{}]", event("b", here))).unwrap_err();
        assert!(error.to_string().contains("took no node"), "{error}");
    }

    #[test]
    fn a_device_that_is_none_is_named() {
        let error = Device::new("tpu", &BTreeMap::new()).unwrap_err().to_string();
        assert!(error.contains("`tpu`"), "{error}");
        let options = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        assert!(Device::new("cpu", &options).is_err());
        assert!(Device::new("cpu", &BTreeMap::new()).unwrap().providers(1).is_empty());
    }
}
